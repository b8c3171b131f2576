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

"""The words beside a list of choices, and the reason of a refusal."""

from collections.abc import Iterable
import typing

from django import forms
from django.utils import html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from trove_dashboard.api import trove

from trove_flavor_filter_dashboard import routes

# The field of the form for upgrades.
UPGRADE = 'new_datastore_version'


class Field(typing.NamedTuple):
    """A field with a list of flavors.

    :ivar datastore: name of the datastore, if it is known
    :ivar version: name or id of the datastore version
    :ivar allowed: the flavors that are allowed; None if that is not known
    :ivar volume: the bounds of the data volume, one for each version of the
        name; empty if they are not known
    :ivar left_out: the flavors that are not allowed, if Trove tells of them
    """

    name: str
    datastore: str | None
    version: str | None
    allowed: list[routes.Flavor] | None
    volume: tuple[routes.Bounds, ...] = ()
    left_out: routes.LeftOut | None = None


class ExplainedSelect(forms.Select):
    """A drop-down with a sentence below it.

    :param sentence: is read out with the drop-down
    """

    def __init__(self, sentence: str, **kwargs: typing.Any):
        super().__init__(**kwargs)
        self._sentence = sentence

    def render(self, name: str, value: typing.Any,
               attrs: dict[str, typing.Any] | None = None,
               renderer: typing.Any = None) -> str:
        where = f'about_{name}'
        return html.format_html(
            '{}<div class="help-block" id="{}">{}</div>',
            super().render(name, value, {
                **(attrs or {}), 'aria-describedby': where}, renderer),
            where, self._sentence)


def show(form: typing.Any, field: Field) -> None:
    """Say below a list whether it is filtered."""
    _show(form, field.name, _sentence(form, field))


def _show(form: typing.Any, name: str, sentence: str | None) -> None:
    if sentence is None:
        return
    shown = form.fields[name]
    shown.widget = ExplainedSelect(
        sentence, attrs=shown.widget.attrs, choices=shown.choices)


def _sentence(form: typing.Any, field: Field) -> str | None:
    if field.allowed is None:
        if routes.has_failed(form.request):
            return _('This list is not filtered: Trove cannot tell at present '
                     'which flavors are allowed. It may refuse the one that '
                     'you choose.')
        # Trove does not have the plugin.
        return None
    if _has_none(form, field):
        return _none_allowed(field)
    if field.name == 'new_flavor':
        return _('Only flavors that the instance may be resized to are '
                 'listed. An administrator can tell why another one is '
                 'missing.')
    return ' '.join(filter(None, [
        _('Only flavors that this datastore version allows are listed.'),
        _missing(field.left_out), *map(_size, field.volume)]))


def _missing(left_out: routes.LeftOut | None) -> str:
    """Why flavors are not in a list, as far as Trove tells."""
    if left_out is None:
        return _('An administrator can tell why another one is missing.')
    if not left_out.number:
        return ''
    # The reasons are Trove's own words, as those of a refusal are.
    shown = ', '.join(left_out.reasons)
    more = left_out.number - len(left_out.reasons)
    if not more:
        return _('Not allowed: %s.') % shown
    return ngettext('Not allowed: %(shown)s, and %(more)d more.',
                    'Not allowed: %(shown)s, and %(more)d more.',
                    more) % {'shown': shown, 'more': more}


def _size(volume: routes.Bounds) -> str:
    """What a data volume has to be like; '' if it is not bounded."""
    sizes = {'min': volume.min_size, 'max': volume.max_size}
    if volume.min_size is None:
        return '' if volume.max_size is None else _(
            'The volume must have at most %(max)s GiB.') % sizes
    if volume.max_size is None:
        return _('The volume must have at least %(min)s GiB.') % sizes
    return _('The volume must have %(min)s to %(max)s GiB.') % sizes


def show_sizes(form: typing.Any, name: str,
               volumes: Iterable[routes.Bounds]) -> None:
    """Bound a field for the size of a data volume.

    :param volumes: the bounds of each thing that the size may be for; the
        widest of them are those of the field
    """
    known = set(volumes)
    if not known:
        return
    field = form.fields[name]
    low = [volume.min_size for volume in known if volume.min_size is not None]
    high = [volume.max_size for volume in known if volume.max_size is not None]
    if len(low) == len(known):
        field.widget.attrs['min'] = least = min(low)
        if field.initial is not None:
            field.initial = max(field.initial, least)
    if len(high) == len(known):
        field.widget.attrs['max'] = max(high)
    if len(known) == 1:
        field.help_text = ' '.join(filter(None, [
            str(field.help_text), *map(_size, known)]))


def check_size(form: typing.Any, name: str,
               volumes: Iterable[routes.Bounds]) -> None:
    """Refuse a size of a data volume that Trove would refuse.

    :param volumes: as in :func:`show_sizes`; the size must do for one of them
    """
    size, known = form.cleaned_data.get(name), set(volumes)
    if size is None or not known or any(
            (volume.min_size is None or size >= volume.min_size)
            and (volume.max_size is None or size <= volume.max_size)
            for volume in known):
        return
    form.add_error(name, ' '.join(map(_size, known)))


def _has_none(form: typing.Any, field: Field) -> bool:
    """Whether a list is filtered and has no flavor to choose."""
    return field.allowed is not None and not any(
        value for value, _text in form.fields[field.name].choices)


def _none_allowed(field: Field) -> str:
    if field.name == 'new_flavor':
        return _('This instance cannot be resized at present: no other flavor '
                 'is allowed. Ask an administrator.')
    return _('No flavor is allowed for this datastore version. Choose another '
             'version, or ask an administrator.')


def replace_error(form: typing.Any, field: Field) -> None:
    """Say why the flavor in a form is refused, if it is."""
    errors = form.errors.get(field.name)
    if not errors:
        return
    if any(error.code == 'invalid_choice' for error in errors.as_data()):
        form.errors[field.name] = form.error_class(
            [_refusal(form, field, form.data[field.name])])
    elif _has_none(form, field):
        form.errors[field.name] = form.error_class([_none_allowed(field)])


def _refusal(form: typing.Any, field: Field, flavor_id: str) -> str:
    """Why a flavor that was offered before is not allowed now."""
    reason = routes.refusal(
        form.request, field.datastore, field.version, flavor_id)
    if reason is not None:
        return reason
    try:
        name = trove.flavor_get(form.request, flavor_id).name
    except Exception:
        # Both lack it: the flavor has been deleted.
        name = flavor_id
    return _('The flavor %s is not allowed here any more. Select another '
             'one.') % name


def show_upgrades(form: typing.Any,
                  allowed: list[routes.Upgrade] | None) -> None:
    """Say below the list of versions whether it is filtered.

    :param allowed: the versions that are listed; None if that is not known
    """
    if allowed is None:
        if routes.has_failed(form.request):
            _show(form, UPGRADE, _(
                'This list is not filtered: Trove cannot tell at present '
                'which versions the instance may be upgraded to. It may '
                'refuse the one that you choose.'))
    elif allowed:
        _show(form, UPGRADE, _(
            'Only other versions that allow the flavor and the volume of the '
            'instance are listed. An administrator can tell why one is '
            'missing.'))
    else:
        _show(form, UPGRADE, _no_upgrade())


def replace_upgrade_error(form: typing.Any,
                          allowed: list[routes.Upgrade] | None) -> None:
    """Say why the version in a form is refused, if it is."""
    errors = form.errors.get(UPGRADE)
    if not errors or allowed is None:
        return
    if not allowed:
        form.errors[UPGRADE] = form.error_class([_no_upgrade()])
    elif any(error.code == 'invalid_choice' for error in errors.as_data()):
        form.errors[UPGRADE] = form.error_class([_(
            'The instance cannot be upgraded to this version any more. '
            'Select another one.')])


def _no_upgrade() -> str:
    return _('This instance cannot be upgraded at present: it is busy with a '
             'task, or no other version allows its flavor and its volume. Try '
             'again later, or ask an administrator.')
