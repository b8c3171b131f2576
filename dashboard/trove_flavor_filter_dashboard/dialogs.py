#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.


"""Limit the dialogs of trove-dashboard to the flavors that are allowed.

The functions replaced here are the same in trove-dashboard 24 to 27.
"""

from collections.abc import Iterable
import functools
import typing

from django.http import HttpRequest
from django import urls
from django.utils.translation import gettext as _
from horizon import exceptions
from horizon.utils import memoized
from novaclient import exceptions as nova_exceptions
from openstack_dashboard.dashboards.project.instances import utils
from trove_dashboard.api import trove
from trove_dashboard.content.database_clusters import forms as cluster_forms
from trove_dashboard.content.database_clusters import views as cluster_views
from trove_dashboard.content.databases import forms
from trove_dashboard.content.databases import views
from trove_dashboard.content.databases.workflows import create_instance

from trove_flavor_filter_dashboard import routes

# The original functions, before install().
_flavor_get = trove.flavor_get
_add_instances_initial = cluster_views.ClusterAddInstancesView.get_initial
_resize_initial = views.ResizeInstanceView.get_initial

# The forms with a choice of flavors.
FORMS = (create_instance.SetInstanceDetailsAction, cluster_forms.LaunchForm,
         cluster_forms.ClusterAddInstanceForm, forms.ResizeInstanceForm)


def install() -> None:
    """Replace the functions that the dialogs call."""
    trove.datastore_flavors = datastore_flavors
    trove.flavor_get = flavor_get
    cluster_views.ClusterAddInstancesView.get_initial = add_instances_initial
    views.ResizeInstanceView.get_initial = resize_initial
    for form_class in FORMS:
        explain_refusals(form_class)


def datastore_flavors(request: HttpRequest, datastore_name: str | None = None,
                      datastore_version: str | None = None
                      ) -> list[typing.Any]:
    """List the flavors to offer for a datastore version.

    :param datastore_version: its name; if several versions share it, the
        flavors that all of them allow are offered
    :returns: if no flavor is allowed, one without an id, whose name says so;
        all of Nova's flavors if Trove's list is not available
    """
    flavors = _common(request, (
        version for version in _versions(request, datastore_name)
        if version.name == datastore_version))
    if flavors is None:
        return trove.flavor_list(request)
    return flavors or [routes.Flavor(
        id='', name=_('No flavor is allowed for this datastore version'),
        ram=0, vcpus=0, disk=0, ephemeral=0)]


def flavor_get(request: HttpRequest, flavor_id: str) -> typing.Any:
    """Show a flavor, even if it is private to Trove's own project.

    :raises NotFound: the user can see it neither in Nova nor in Trove
    """
    try:
        return _flavor_get(request, flavor_id)
    except nova_exceptions.NotFound:
        return trove.troveclient(request).flavors.get(flavor_id)


def add_instances_initial(
        view: cluster_views.ClusterAddInstancesView) -> dict[str, typing.Any]:
    """Add the cluster's datastore version to the form that grows a cluster.

    The form needs it to list flavors, and the original view leaves it out.
    """
    initial = _add_instances_initial(view)
    if not routes.are_there(view.request, routes.VERSION):
        return initial
    try:
        cluster = trove.cluster_get(view.request, view.kwargs['cluster_id'])
    except Exception:
        exceptions.handle(
            view.request, _('Unable to retrieve cluster details.'),
            redirect=urls.reverse('horizon:project:database_clusters:index'))
    return initial | {'datastore': cluster.datastore}


def resize_initial(view: views.ResizeInstanceView) -> dict[str, typing.Any]:
    """Add the allowed flavors to the form that resizes an instance."""
    initial = _resize_initial(view)
    flavors = _targets(view.request, view.get_object())
    if flavors is not None:
        initial['flavors'] = utils.sort_flavor_list(view.request, flavors)
    return initial


def explain_refusals(form_class: typing.Any) -> None:
    """Set a form's error message for a flavor that is no longer allowed.

    A form reads the allowed flavors again when it is submitted. The
    requirements may have changed since it was opened.
    """
    original = form_class.__init__

    @functools.wraps(original)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original(form, *args, **kwargs)
        names = {'flavor', 'new_flavor'}
        if 'datastore' in form.fields:
            # There is one field of flavors for each datastore version.
            names.update(value for value, _text
                         in form.fields['datastore'].choices)
        for name in names & form.fields.keys():
            form.fields[name].error_messages['invalid_choice'] = _(
                'This flavor is not allowed for the datastore version. '
                'Select another one.')

    form_class.__init__ = __init__


def _targets(request: HttpRequest,
             instance: typing.Any) -> list[routes.Flavor] | None:
    flavors = routes.allowed(request, routes.INSTANCE, instance.id)
    if flavors is not None:
        return flavors
    # An older release of the plugin, without this route.
    datastore = instance.datastore
    return _common(request, (
        version for version in _versions(request, datastore['type'])
        if version.name == datastore['version']
        and version.to_dict().get('version') == datastore.get(
            'version_number')))


def _versions(request: HttpRequest,
              datastore: str | None) -> list[typing.Any]:
    """List a datastore's versions; empty if Trove need not be asked."""
    if datastore is None or not routes.are_there(request, routes.VERSION):
        return []
    return _listed_versions(request, datastore)


@memoized.memoized
def _listed_versions(request: HttpRequest,
                     datastore: str) -> list[typing.Any]:
    return trove.datastore_version_list(request, datastore)


def _common(request: HttpRequest, versions: Iterable[typing.Any]
            ) -> list[routes.Flavor] | None:
    """List the flavors that all the given datastore versions allow.

    :returns: None if there are no versions, or a list is not available
    """
    lists = [routes.allowed(request, routes.VERSION, version.id)
             for version in versions]
    if not lists or None in lists:
        return None
    ids = set.intersection(*({flavor.id for flavor in flavors}
                             for flavors in lists))
    return [flavor for flavor in lists[0] if flavor.id in ids]
