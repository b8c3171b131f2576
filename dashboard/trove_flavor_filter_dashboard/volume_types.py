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


"""Offer the volume types that Trove accepts for each datastore version."""

from collections.abc import Iterable
from collections.abc import Mapping
import copy
import typing

from django import forms
from django.utils.translation import gettext as _

from trove_flavor_filter_dashboard import routes

FIELD = 'volume_type'


def split(form: typing.Any, versions: Mapping[str, tuple[str, str]]) -> None:
    """Give each version that accepts some types only a field of its own.

    Horizon shows the field of the version that is chosen, as it does with
    the lists of flavors. All other versions have the form's own field.

    :param versions: those that accept some types only, by the value of the
        form's field "datastore": the datastore's name, and the version's id
    """
    original = form.fields[FIELD]
    own = {}
    for value, (datastore, version_id) in versions.items():
        accepted = routes.volume_types(form.request, datastore, version_id)
        if accepted is None:
            # Not known: as for all other versions.
            continue
        field = own[_own(value)] = copy.deepcopy(original)
        field.choices = [(name, name) for name in accepted] or [
            ('', _('No volume type is allowed'))]
        _show_for(field, [value])
    if not own:
        return
    _show_for(original, (
        value for value, _text in form.fields['datastore'].choices
        if _own(value) not in own))
    names = list(form.fields)
    after = names.index(FIELD) + 1
    form.fields |= own
    form.order_fields(names[:after] + list(own) + names[after:])


def choose(form: typing.Any) -> None:
    """Take the volume type from the field of the version that is chosen."""
    name = _own(form.data.get('datastore') or '')
    shown = name if name in form.fields else FIELD
    for other in form.fields:
        # Sent by browsers as well, and seen by nobody.
        if other.startswith(FIELD) and other != shown:
            form.errors.pop(other, None)
    if shown == FIELD or name in form.errors:
        return
    chosen = form.cleaned_data[FIELD] = form.cleaned_data[name]
    # The volume of a replica is like that of its source.
    if (not chosen and form.cleaned_data.get('volume')
            and form.data.get('initial_state') != 'master'):
        form.add_error(name, _(
            'No volume type is allowed for this datastore version. Choose '
            'another version, or ask an administrator.'))


def _own(value: str) -> str:
    """The name of the field of a datastore version."""
    return f'{FIELD}_{value}'


def _show_for(field: forms.Field, values: Iterable[str]) -> None:
    """Have Horizon show a field while one of these versions is chosen."""
    field.widget.attrs |= {
        'class': 'switched', 'data-switch-on': 'datastore',
        **{f'data-datastore-{value}': field.label for value in values}}
