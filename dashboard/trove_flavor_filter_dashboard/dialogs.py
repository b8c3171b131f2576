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


"""Limit the dialogs of trove-dashboard to what Trove accepts.

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
from openstack_dashboard.dashboards.project.instances import utils
from trove_dashboard.api import trove
from trove_dashboard.content.database_clusters import forms as cluster_forms
from trove_dashboard.content.database_clusters import views as cluster_views
from trove_dashboard.content.database_configurations import (
    forms as configuration_forms)
from trove_dashboard.content.databases import forms
from trove_dashboard.content.databases import views
from trove_dashboard.content.databases.workflows import create_instance
from troveclient import exceptions as trove_exceptions

from trove_flavor_filter_dashboard import explanations
from trove_flavor_filter_dashboard import offers
from trove_flavor_filter_dashboard import routes
from trove_flavor_filter_dashboard import volume_types

try:
    from trove_dashboard.content.databases.upgrade import (
        forms as upgrade_forms)
    from trove_dashboard.content.databases.upgrade import (
        views as upgrade_views)
except ImportError:
    # trove-dashboard 24 to 26
    upgrade_forms = upgrade_views = None

# The original functions, before install().
_add_instances_initial = cluster_views.ClusterAddInstancesView.get_initial
_resize_initial = views.ResizeInstanceView.get_initial

# The forms with a choice of datastore versions, and a field of flavors for
# each of them.
LAUNCH_FORMS = (create_instance.SetInstanceDetailsAction,
                cluster_forms.LaunchForm)

# The requests that Trove refuses if a flavor is not allowed.
REQUESTS = ('instance_create', 'instance_resize', 'instance_upgrade',
            'instance_resize_volume', 'cluster_create', 'cluster_grow')

# The requests that name a datastore version.
CREATIONS = ('instance_create', 'cluster_create', 'configuration_create')


def install() -> None:
    """Replace the functions that the dialogs call."""
    trove.datastore_flavors = datastore_flavors
    create_instance.parse_datastore_and_version_text = parse_choice
    cluster_views.ClusterAddInstancesView.get_initial = add_instances_initial
    views.ResizeInstanceView.get_initial = resize_initial
    tell_versions_apart(configuration_forms.CreateConfigurationForm)
    for form_class in LAUNCH_FORMS:
        tell_versions_apart(form_class)
        explain_flavors(form_class, _fields_of_versions)
        bound_size(form_class, 'volume', _volumes_of_versions,
                   _volumes_of_chosen_version)
    extend(create_instance.SetInstanceDetailsAction, _split_volume_types,
           volume_types.choose)
    extend(create_instance.AdvancedAction, _explain_sources)
    explain_flavors(cluster_forms.ClusterAddInstanceForm, _field_of_cluster)
    bound_size(cluster_forms.ClusterAddInstanceForm, 'volume',
               _volumes_of_cluster)
    explain_flavors(forms.ResizeInstanceForm, _field_of_instance)
    bound_size(forms.ResizeVolumeForm, 'new_size', _volumes_of_instance)
    extend(forms.ResizeVolumeForm, _offer_larger_sizes)
    if upgrade_views is not None:
        limit_upgrades(upgrade_views.UpgradeInstanceView)
        extend(upgrade_forms.UpgradeInstanceForm, _show_upgrades,
               _check_upgrade)
    for name in CREATIONS:
        setattr(trove, name, name_version_by_id(getattr(trove, name)))
    for name in REQUESTS:
        if hasattr(trove, name):
            setattr(trove, name, show_refusal(getattr(trove, name)))


def extend(form_class: typing.Any, opened: Callable[[typing.Any], None],
           checked: Callable[[typing.Any], None] | None = None) -> None:
    """Let a form do more.

    :param opened: is called with each form that is made
    :param checked: is called with each form that is sent, after its own check
    """
    original_init, original_clean = form_class.__init__, form_class.clean

    @functools.wraps(original_init)
    def __init__(form: typing.Any, *args: typing.Any,
                 **kwargs: typing.Any) -> None:
        original_init(form, *args, **kwargs)
        opened(form)

    form_class.__init__ = __init__
    if checked is None:
        return

    @functools.wraps(original_clean)
    def clean(form: typing.Any) -> typing.Any:
        data = original_clean(form)
        checked(form)
        return data

    form_class.clean = clean


def datastore_flavors(request: HttpRequest, datastore_name: str | None = None,
                      datastore_version: str | None = None
                      ) -> list[typing.Any]:
    """List the flavors to offer for a datastore version.

    :param datastore_version: its name or its id; if several versions share a
        name, the flavors that all of them allow are offered
    :returns: if no flavor is allowed, one without an id, whose name says so;
        all of Nova's flavors if Trove's list is not available
    """
    flavors = offers.for_version(request, datastore_name, datastore_version)
    if flavors is None:
        return trove.flavor_list(request)
    return flavors or [routes.Flavor(
        id='', name=_('No flavor is allowed'),
        ram=0, vcpus=0, disk=0, ephemeral=0)]


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
    flavors = offers.for_instance(view.request, instance)
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

    def datastore_versions(form: typing.Any, request: HttpRequest,
                           datastore: str) -> list[typing.Any]:
        versions = original(form, request, datastore) or []
        count = collections.Counter(version.name for version in versions)
        found = [version if count[version.name] < 2 else _KnownById(version)
                 for version in versions]
        form.__dict__.setdefault('listed_versions', {})[datastore] = found
        return found

    form_class.datastore_versions = datastore_versions
    extend(form_class, _show_numbers)


class _KnownById:
    """A datastore version whose name is not enough to know it by."""

    def __init__(self, version: typing.Any):
        self.id = self.name = version.id
        self.to_dict = version.to_dict


def _show_numbers(form: typing.Any) -> None:
    """Show names and numbers in place of the ids of datastore versions."""
    texts = {version.id: routes.text_of_version(version.to_dict())
             for versions in getattr(form, 'listed_versions', {}).values()
             for version in versions if isinstance(version, _KnownById)}

    def shown(choice: tuple[typing.Any, typing.Any]) -> typing.Any:
        value, text = choice
        if isinstance(text, list | tuple):
            # The versions of a datastore.
            return value, [shown(each) for each in text]
        for version_id, name in texts.items():
            text = text.replace(version_id, name)
        return value, text

    field = form.fields['datastore']
    field.choices = [shown(choice) for choice in field.choices]


def parse_choice(text: str | None) -> tuple[str | None, str | None]:
    """The datastore and the version of a choice; None if it is no such.

    The original splits a datastore's name at its first hyphen.
    """
    datastore, separator, version = (text or '').partition(' - ')
    return ((datastore.strip(), version.strip()) if separator
            else (None, None))


def explain_flavors(
        form_class: typing.Any,
        find: Callable[[typing.Any], Iterable[explanations.Field]]) -> None:
    """Let a form say what its lists of flavors are, and why one is refused.

    A form reads the allowed flavors again when it is submitted. The
    requirements may have changed since it was opened. A browser sends the
    lists of the versions that are not chosen too, which nobody sees.

    :param find: finds the fields of flavors of a form
    """
    def opened(form: typing.Any) -> None:
        form.flavor_fields = list(find(form))
        for field in form.flavor_fields:
            explanations.show(form, field)

    def checked(form: typing.Any) -> None:
        for field in form.flavor_fields:
            if ('datastore' in form.fields
                    and field.name != form.data.get('datastore')):
                form.errors.pop(field.name, None)
            explanations.replace_error(form, field)

    extend(form_class, opened, checked)


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


def _show_upgrades(form: typing.Any) -> None:
    explanations.show_upgrades(
        form, routes.upgrades(form.request, form.instance_id))


def _check_upgrade(form: typing.Any) -> None:
    explanations.replace_upgrade_error(
        form, routes.upgrades(form.request, form.instance_id))


def bound_size(
        form_class: typing.Any, name: str,
        find: Callable[[typing.Any], Iterable[routes.Bounds]],
        find_chosen: Callable[[typing.Any], Iterable[routes.Bounds]] | None
        = None) -> None:
    """Let a form's field for the size of a volume have bounds.

    :param find: finds the bounds of each thing that the size may be for
    :param find_chosen: the same of what is chosen in a form that is sent, if
        a form has a choice
    """
    def opened(form: typing.Any) -> None:
        explanations.show_sizes(form, name, find(form))

    def checked(form: typing.Any) -> None:
        # The volume of a replica is like that of its source.
        if form.data.get('initial_state') != 'master':
            explanations.check_size(form, name, (find_chosen or find)(form))

    extend(form_class, opened, checked)


def _fields_of_versions(form: typing.Any) -> Iterable[explanations.Field]:
    for value, datastore, version in _choices(form):
        yield _field_of_version(form, value, datastore, version)


def _field_of_version(form: typing.Any, name: str, datastore: str | None,
                      version: str | None) -> explanations.Field:
    """What is to be said of a list of the flavors of a datastore version.

    :param name: of the field
    :param version: its name or id
    """
    found = offers.versions_named(form.request, datastore, version)
    return explanations.Field(
        name, datastore, offers.id_of(form.request, datastore, version),
        offers.for_version(form.request, datastore, version),
        tuple(each.volume for each in found),
        # Of several versions of a name, each leaves out others.
        found[0].left_out if len(found) == 1 else None)


def _choices(form: typing.Any) -> Iterable[tuple[str, str, str]]:
    """The choices of a form: value, datastore, and name or id of a version."""
    # Not from the texts: a datastore's name may have " - " in it.
    for datastore, versions in getattr(form, 'listed_versions', {}).items():
        for version in versions:
            value = form._build_widget_field_name(datastore, version.name)
            # One that is not active has no field.
            if value in form.fields:
                yield value, datastore, version.name


def _volumes_of_versions(form: typing.Any) -> Iterable[routes.Bounds]:
    for field in form.flavor_fields:
        # Of a version that Trove does not tell of, any size may do.
        yield from field.volume or [routes.Bounds(None, None)]


def _volumes_of_chosen_version(form: typing.Any) -> Iterable[routes.Bounds]:
    for field in form.flavor_fields:
        if field.name == form.data.get('datastore'):
            yield from field.volume


def _volumes_of_cluster(form: typing.Any) -> Iterable[routes.Bounds]:
    for field in form.flavor_fields:
        yield from field.volume


def _volumes_of_instance(form: typing.Any) -> Iterable[routes.Bounds]:
    yield routes.volume_of(form.request, form.initial['instance_id'])


def _offer_larger_sizes(form: typing.Any) -> None:
    """Trove refuses to make a volume smaller."""
    present = form.initial.get('orig_size')
    if isinstance(present, int):
        attrs = form.fields['new_size'].widget.attrs
        attrs['min'] = max(attrs.get('min', 0), present + 1)


def _split_volume_types(form: typing.Any) -> None:
    volume_types.split(form, {
        value: (datastore, found.id)
        for value, datastore, version in _choices(form)
        for found in offers.versions_named(form.request, datastore, version)
        if found.limits_types})


def _explain_sources(form: typing.Any) -> None:
    """Say why the list of sources of a replica may be empty."""
    field = form.fields['master']
    field.help_text = ' '.join([str(field.help_text), _(
        'Only instances whose status is Healthy are listed.')])


def _field_of_cluster(form: typing.Any) -> Iterable[explanations.Field]:
    datastore = form.initial.get('datastore') or {}
    yield _field_of_version(form, 'flavor', datastore.get('type'),
                            datastore.get('version'))


def _field_of_instance(form: typing.Any) -> Iterable[explanations.Field]:
    datastore = form.initial['datastore']
    yield explanations.Field('new_flavor', datastore['type'],
                             datastore['version'], form.initial['allowed'])


def name_version_by_id(function: Callable[..., typing.Any]
                       ) -> Callable[..., typing.Any]:
    """Let a request name the datastore version by its id.

    Trove refuses a name that an inactive version has as well, which users
    and their forms do not see.
    """
    @functools.wraps(function)
    def wrapped(request: HttpRequest, *args: typing.Any,
                datastore: str | None = None,
                datastore_version: str | None = None,
                **kwargs: typing.Any) -> typing.Any:
        return function(
            request, *args, datastore=datastore,
            datastore_version=offers.id_of(request, datastore,
                                           datastore_version), **kwargs)

    return wrapped


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
        except TypeError as error:
            # All that troveclient's exceptions make of an answer with the
            # header Retry-After, which 503 has.
            if 'retry_after' not in str(error):
                raise
            raise exceptions.BadRequest(_(
                'Trove cannot answer this request at present. Try again '
                'later.')) from error

    return wrapped
