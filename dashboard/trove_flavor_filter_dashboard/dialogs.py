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

The functions replaced here are the same in trove-dashboard 24 to 27. Only 27
has a dialog for upgrades.
"""

import collections
from collections.abc import Callable
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
from troveclient import exceptions as trove_exceptions

from trove_flavor_filter_dashboard import explanations
from trove_flavor_filter_dashboard import routes

try:
    from trove_dashboard.content.databases.upgrade import (
        forms as upgrade_forms)
    from trove_dashboard.content.databases.upgrade import (
        views as upgrade_views)
except ImportError:
    # trove-dashboard 24 to 26
    upgrade_forms = upgrade_views = None

# The original functions, before install().
_flavor_get = trove.flavor_get
_add_instances_initial = cluster_views.ClusterAddInstancesView.get_initial
_get_flavors = views.IndexView.get_flavors
_resize_initial = views.ResizeInstanceView.get_initial

# The forms with a choice of datastore versions, and a field of flavors for
# each of them.
LAUNCH_FORMS = (create_instance.SetInstanceDetailsAction,
                cluster_forms.LaunchForm)

# The requests that Trove refuses if a flavor is not allowed.
REQUESTS = ('instance_create', 'instance_resize', 'instance_upgrade',
            'instance_resize_volume', 'cluster_create', 'cluster_grow')


def install() -> None:
    """Replace the functions that the dialogs and the tables call."""
    trove.datastore_flavors = datastore_flavors
    trove.flavor_get = flavor_get
    cluster_views.ClusterAddInstancesView.get_initial = add_instances_initial
    views.ResizeInstanceView.get_initial = resize_initial
    for form_class in LAUNCH_FORMS:
        tell_versions_apart(form_class)
        explain_flavors(form_class, _fields_of_versions)
        show_sizes(form_class, 'volume', _volumes_of_versions)
    explain_flavors(cluster_forms.ClusterAddInstanceForm, _field_of_cluster)
    explain_flavors(forms.ResizeInstanceForm, _field_of_instance)
    show_sizes(forms.ResizeVolumeForm, 'new_size', _volumes_of_instance)
    views.IndexView.get_flavors = get_flavors
    if upgrade_views is not None:
        limit_upgrades(upgrade_views.UpgradeInstanceView)
        explain_versions(upgrade_forms.UpgradeInstanceForm)
    for name in REQUESTS:
        if hasattr(trove, name):
            setattr(trove, name, show_refusal(getattr(trove, name)))


def datastore_flavors(request: HttpRequest, datastore_name: str | None = None,
                      datastore_version: str | None = None
                      ) -> list[typing.Any]:
    """List the flavors to offer for a datastore version.

    :param datastore_version: its name or its id; if several versions share a
        name, the flavors that all of them allow are offered
    :returns: if no flavor is allowed, one without an id, whose name says so;
        all of Nova's flavors if Trove's list is not available
    """
    flavors = _allowed(request, datastore_name, datastore_version)
    if flavors is None:
        return trove.flavor_list(request)
    return flavors or [routes.Flavor(
        id='', name=_('No flavor is allowed'),
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
    instance = view.get_object()
    flavors = _targets(view.request, instance)
    if flavors is not None:
        initial['flavors'] = utils.sort_flavor_list(view.request, flavors)
    return initial | {'allowed': flavors, 'datastore': instance.datastore}


def tell_versions_apart(form_class: typing.Any) -> None:
    """Let a form offer each of several datastore versions of one name.

    The form knows versions by name only. Where versions share it, their ids
    take its place, which Trove accepts as well, and the choices have their
    numbers.
    """
    original = form_class.datastore_versions
    original_init = form_class.__init__

    def datastore_versions(form: typing.Any, request: HttpRequest,
                           datastore: str) -> list[typing.Any]:
        versions = original(form, request, datastore) or []
        count = collections.Counter(
            version.name for version in versions if _is_active(version))
        found = [version if count[version.name] < 2 else _KnownById(version)
                 for version in versions]
        form.__dict__.setdefault('listed_versions', {})[datastore] = found
        return found

    @functools.wraps(original_init)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original_init(form, *args, **kwargs)
        form.fields['datastore'].choices = [
            (value, _text_of_choice(form, value, text)) for value, text
            in form.fields['datastore'].choices]

    form_class.datastore_versions = datastore_versions
    form_class.__init__ = __init__


class _KnownById:
    """A datastore version whose name is not enough to know it by."""

    def __init__(self, version: typing.Any):
        self.id = self.name = version.id
        self.to_dict = version.to_dict


def _text_of_choice(form: typing.Any, value: str, text: str) -> str:
    """The text of a datastore version: its name, and a number if need be."""
    datastore, version_id = _decode(value)
    if datastore is None:
        return text
    for version in form.listed_versions.get(datastore, ()):
        if version.id == version_id and isinstance(version, _KnownById):
            says = version.to_dict()
            return _('%(datastore)s - %(version)s (number %(number)s)') % {
                'datastore': datastore, 'version': says['name'],
                'number': says.get('version') or version_id}
    return text


def _decode(value: str) -> tuple[str | None, str | None]:
    """The datastore and the version of a choice; None if it is no such."""
    try:
        text = bytes.fromhex(value).decode()
    except ValueError:
        return None, None
    return create_instance.parse_datastore_and_version_text(text)


def _is_active(version: typing.Any) -> bool:
    return version.to_dict().get('active', True)


def explain_flavors(
        form_class: typing.Any,
        find: Callable[[typing.Any], Iterable[explanations.Field]]) -> None:
    """Let a form say what its lists of flavors are, and why one is refused.

    A form reads the allowed flavors again when it is submitted. The
    requirements may have changed since it was opened.

    :param find: finds the fields of flavors of a form
    """
    original_init, original_clean = form_class.__init__, form_class.clean

    @functools.wraps(original_init)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original_init(form, *args, **kwargs)
        form.flavor_fields = list(find(form))
        for field in form.flavor_fields:
            explanations.show(form, field)

    @functools.wraps(original_clean)
    def clean(form: typing.Any) -> typing.Any:
        data = original_clean(form)
        for field in form.flavor_fields:
            explanations.replace_error(form, field)
        return data

    form_class.__init__, form_class.clean = __init__, clean


def limit_upgrades(view_class: typing.Any) -> None:
    """Let the view for upgrades list the versions that Trove accepts."""
    original = view_class.get_datastore_versions

    def get_datastore_versions(view: typing.Any,
                               datastore: str) -> list[typing.Any]:
        versions = routes.upgrades(view.request, view.kwargs['instance_id'])
        if versions is None:
            return original(view, datastore)
        return versions or [routes.Upgrade(
            id='', name=_('No version to upgrade to'))]

    view_class.get_datastore_versions = get_datastore_versions


def explain_versions(form_class: typing.Any) -> None:
    """Let the form for upgrades say what its list is, and why it is empty.

    Like :func:`explain_flavors`.
    """
    original_init, original_clean = form_class.__init__, form_class.clean

    @functools.wraps(original_init)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original_init(form, *args, **kwargs)
        explanations.show_upgrades(form, routes.upgrades(
            form.request, form.instance_id))

    @functools.wraps(original_clean)
    def clean(form: typing.Any) -> typing.Any:
        data = original_clean(form)
        explanations.replace_upgrade_error(form, routes.upgrades(
            form.request, form.instance_id))
        return data

    form_class.__init__, form_class.clean = __init__, clean


def _fields_of_versions(form: typing.Any) -> Iterable[explanations.Field]:
    for value, _text in form.fields['datastore'].choices:
        datastore, version = _decode(value)
        if value in form.fields:
            yield explanations.Field(
                value, datastore, version,
                _allowed(form.request, datastore, version),
                tuple(found.volume for found in _found(
                    form.request, datastore, version)))


def show_sizes(
        form_class: typing.Any, name: str,
        find: Callable[[typing.Any], Iterable[routes.Bounds]]) -> None:
    """Let a form's field for the size of a volume carry its bounds.

    :param find: finds the bounds of the things that the size may be for
    """
    original_init = form_class.__init__

    @functools.wraps(original_init)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original_init(form, *args, **kwargs)
        explanations.show_sizes(form, name, find(form))

    form_class.__init__ = __init__


def _volumes_of_versions(form: typing.Any) -> Iterable[routes.Bounds]:
    for field in form.flavor_fields:
        # Of a version that Trove does not tell of, any size may do.
        yield from field.volume or [routes.Bounds(None, None)]


def _volumes_of_instance(form: typing.Any) -> Iterable[routes.Bounds]:
    yield routes.volume_of(form.request, form.initial['instance_id'])


def _field_of_cluster(form: typing.Any) -> Iterable[explanations.Field]:
    datastore = form.initial.get('datastore') or {}
    name, version = datastore.get('type'), datastore.get('version')
    yield explanations.Field('flavor', name, version,
                             _allowed(form.request, name, version))


def _field_of_instance(form: typing.Any) -> Iterable[explanations.Field]:
    datastore = form.initial['datastore']
    yield explanations.Field('new_flavor', datastore['type'],
                             datastore['version'], form.initial['allowed'])


def get_flavors(view: views.IndexView) -> dict[str, typing.Any]:
    """List the flavors for the table of instances.

    It also has flavors that are private to Trove's own project.
    """
    return _Flavors(view.request, _get_flavors(view))


class _Flavors(dict[str, typing.Any]):
    """Flavors by id: Nova's, and Trove's as soon as one is missing."""

    def __init__(self, request: HttpRequest,
                 flavors: dict[str, typing.Any]):
        super().__init__(flavors)
        self._request = request

    def get(self, flavor_id: str, default: typing.Any = None) -> typing.Any:
        if flavor_id in self:
            return self[flavor_id]
        return _troves_flavors(self._request).get(flavor_id, default)


@memoized.memoized
def _troves_flavors(request: HttpRequest) -> dict[str, typing.Any]:
    """The flavors that Trove's service project can see, by id."""
    try:
        return {flavor.str_id: flavor
                for flavor in trove.troveclient(request).flavors.list()}
    except Exception:
        exceptions.handle(request, _(
            'Unable to retrieve database size information.'))
        return {}


def show_refusal(function: Callable[..., typing.Any]
                 ) -> Callable[..., typing.Any]:
    """Let users read at once why Trove has refused a request.

    Horizon hides the messages of other exceptions than its own.
    """
    @functools.wraps(function)
    def wrapped(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        try:
            return function(*args, **kwargs)
        except (trove_exceptions.Unauthorized, trove_exceptions.NotFound):
            raise
        except trove_exceptions.ClientException as error:
            raise exceptions.BadRequest(
                error.message or str(error)) from error

    return wrapped


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


def _allowed(request: HttpRequest, datastore: str | None,
             name_or_id: str | None) -> list[routes.Flavor] | None:
    """List the flavors that a datastore version allows; None if unknown."""
    found = _found(request, datastore, name_or_id)
    if found:
        return _in_all([version.flavors for version in found])
    # An older release of the plugin, without the route for a datastore; or
    # the version is not active.
    return _common(request, (
        version for version in _versions(request, datastore)
        if name_or_id in (version.name, version.id)))


def _found(request: HttpRequest, datastore: str | None,
           name_or_id: str | None) -> list[routes.Version]:
    """What Trove says of a datastore version; empty if it does not tell.

    Several are found if they share the name. Ids take its place then.
    """
    versions = routes.versions(request, datastore) if datastore else None
    return ([version for version in versions or ()
             if version.id == name_or_id]
            or [version for version in versions or ()
                if version.name == name_or_id])


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
    return _in_all(lists)


def _in_all(lists: list[list[routes.Flavor]]) -> list[routes.Flavor]:
    """The flavors that are in each of the lists, in their order."""
    ids = set.intersection(*({flavor.id for flavor in flavors}
                             for flavors in lists))
    return [flavor for flavor in lists[0] if flavor.id in ids]
