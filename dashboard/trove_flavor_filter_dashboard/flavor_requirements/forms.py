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

"""The forms of the panel.

A form is sent twice: the first answer shows what the change would do, and the
second request saves it.
"""

import hashlib
import json
import typing

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import ngettext
from horizon import exceptions
from horizon import forms
from horizon import messages

from trove_flavor_filter_dashboard.flavor_requirements import api
from trove_flavor_filter_dashboard.flavor_requirements import documents
from trove_flavor_filter_dashboard.flavor_requirements import files

# The largest value in the database of Nova.
LARGEST = 2 ** 31 - 1


class Effect(typing.NamedTuple):
    """What a change of one datastore version's requirement would do.

    :ivar version: the names of the datastore version; '' if it is clear
    :ivar lines: what would change, in sentences
    :ivar instances: the first of the instances that would newly break it
    :ivar is_harmful: whether there are such instances
    """

    version: str
    lines: list[str]
    instances: list[dict[str, typing.Any]]
    is_harmful: bool


def effect(impact: dict[str, typing.Any] | None,
           flavors: dict[str, typing.Any], version: str = '') -> Effect:
    """What an "impact" of the API says.

    :param impact: None if it is not known
    """
    if impact is None:
        return Effect(version, [_(
            'It is not known what this change would do: Nova is not '
            'available, or the plugin is of an earlier release.')], [], False)
    lines = []
    for key, text in (
            ('flavors_allowed', _('Newly allowed flavors: %s')),
            ('flavors_refused', _('Newly refused flavors: %s'))):
        if impact[key]:
            lines.append(text % ', '.join(
                documents.named(impact[key], flavors)))
    if not lines:
        lines.append(_('The same flavors are allowed as before.'))
    added, projects = impact['violations_added'], impact['projects']
    if added:
        lines.append(ngettext(
            '%(added)d instance would newly break the requirement '
            '(projects: %(projects)d). It keeps running.',
            '%(added)d instances would newly break the requirement '
            '(projects: %(projects)d). They keep running.', added) % {
                'added': added, 'projects': projects})
    else:
        lines.append(_('No instance would newly break the requirement.'))
    if impact['violations_ended']:
        lines.append(ngettext(
            '%d instance would no longer break it.',
            '%d instances would no longer break it.',
            impact['violations_ended']) % impact['violations_ended'])
    return Effect(version, lines, impact['instances'], bool(added))


class TwoStepForm(forms.SelfHandlingForm):
    """A form whose change is shown before it is saved.

    :ivar effects: what the change would do, once that is known
    :ivar conflict: what the version requires now, if somebody else has
        changed it meanwhile; None if nobody has
    """

    data: typing.Any

    etag = forms.CharField(widget=forms.HiddenInput, required=False)
    # Of the change whose effect the user has seen.
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, request: HttpRequest, *args: typing.Any,
                 **kwargs: typing.Any):
        super().__init__(request, *args, **kwargs)
        self.effects: list[Effect] = []
        self.conflict: list[str] | None = None

    def _has_been_shown(self, change: typing.Any) -> bool:
        """Whether the user has seen what this change does."""
        return self.cleaned_data.get('seen') == _digest(
            change, self.cleaned_data['etag'])

    def _show(self, effects: list[Effect], change: typing.Any) -> None:
        """Show what a change does; the next request saves it."""
        self.effects = effects
        self._set(seen=_digest(change, self.cleaned_data['etag']))

    def _set(self, **values: str) -> None:
        """Set hidden fields of the form that is shown again."""
        self.data = self.data.copy()
        self.data.update(values)


def _digest(change: typing.Any, etag: str) -> str:
    return hashlib.sha256(
        json.dumps([change, etag], sort_keys=True).encode()).hexdigest()


class RequirementForm(TwoStepForm):
    """What a datastore version requires.

    :param initial: version_id, document (what it requires at present),
        proposed (a document to begin with), known_flavors (all of Nova's)
    """

    flavors = forms.MultipleChoiceField(
        label=gettext_lazy('Only these flavors'), required=False,
        widget=forms.CheckboxSelectMultiple)
    extra_specs = forms.CharField(
        label=gettext_lazy('Extra specs'), required=False,
        widget=forms.Textarea(attrs={'rows': 3}),
        help_text=gettext_lazy(
            'KEY=VALUE, one a line. Several lines with the same key are '
            'alternatives.'))
    enforcement = forms.ChoiceField(
        label=gettext_lazy('Enforcement'), required=False, choices=[
            ('', gettext_lazy('In force: other flavors are refused')),
            ('warn', gettext_lazy('On trial: other flavors are logged, and '
                                  'not refused'))])

    def __init__(self, request: HttpRequest, *args: typing.Any,
                 **kwargs: typing.Any):
        super().__init__(request, *args, **kwargs)
        document = self.initial['document']
        proposed = self.initial['proposed']
        for limit in documents.LIMITS:
            if limit.key in document:
                self.fields[limit.key] = forms.IntegerField(
                    label=limit.label, required=False, min_value=1,
                    max_value=LARGEST, initial=proposed.get(limit.key))
        self.order_fields([limit.key for limit in documents.LIMITS])
        # A flavor that is gone remains until the user removes it.
        known = self.initial['known_flavors']
        gone = {*document[documents.FLAVORS],
                *proposed[documents.FLAVORS]} - known.keys()
        self.fields['flavors'].choices = [
            *((flavor_id, documents.flavor_text(flavor_id, {}))
              for flavor_id in sorted(gone)),
            *((flavor.id, documents.flavor_with_sizes(flavor))
              for flavor in known.values())]
        self.fields['flavors'].initial = proposed[documents.FLAVORS]
        self.fields['extra_specs'].initial = documents.write_extra_specs(
            proposed[documents.EXTRA_SPECS])
        if documents.ENFORCEMENT in document:
            self.fields['enforcement'].initial = (
                proposed.get(documents.ENFORCEMENT) or '')
        else:
            del self.fields['enforcement']

    def clean_extra_specs(self) -> dict[str, list[str]]:
        try:
            return documents.read_extra_specs(self.cleaned_data['extra_specs'])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def handle(self, request: HttpRequest, data: dict[str, typing.Any]
               ) -> bool:
        """Show what the change would do; save it if that has been shown."""
        document = documents.content(self.initial['document']) | {
            key: value or None if key == documents.ENFORCEMENT else value
            for key, value in data.items() if key not in ('etag', 'seen')}
        version_id = self.initial['version_id']
        is_last = self._has_been_shown(document)
        try:
            answer = api.replace(request, version_id, document, data['etag'],
                                 dry_run=not is_last)
        except api.Refused as error:
            if error.status == 412:
                self._show_conflict(request)
            else:
                self._add_problems(error)
            return False
        if not is_last:
            self._show([effect(answer.get('impact'),
                               self.initial['known_flavors'])], document)
            return False
        messages.success(request, _(
            'The flavor requirement of %(datastore)s %(version)s was saved.')
            % {'datastore': answer['flavor_requirement']['datastore'],
               'version': answer['flavor_requirement']['datastore_version']})
        return True

    def _show_conflict(self, request: HttpRequest) -> None:
        """Show what is required now; the user's values stay in the form."""
        try:
            document, etag = api.requirement(request,
                                             self.initial['version_id'])
        except api.Refused as error:
            self.add_error(None, str(error))
            return
        self.conflict = documents.sentences(
            document, self.initial['known_flavors']) or [_('nothing')]
        self._set(etag=etag, seen='')

    def _add_problems(self, error: api.Refused) -> None:
        """Show what is wrong at the fields that it is about."""
        for pointer, message in error.problems:
            # /flavor_requirement/KEY
            field, *rest = [*documents.steps(pointer)[1:], '']
            where = ''
            if field == documents.EXTRA_SPECS and rest[0]:
                where = f'{rest[0]}: '
            self.add_error(field if field in self.fields else None,
                           f'{where}{message}')
        if error.more:
            self.add_error(None, ngettext(
                'There is %d more problem.', 'There are %d more problems.',
                error.more) % error.more)
        if not error.problems:
            self.add_error(None, str(error))


class CopyForm(forms.SelfHandlingForm):
    """The datastore version to copy from.

    :param initial: choices
    """

    source = forms.ThemableChoiceField(
        label=gettext_lazy('Copy the requirement of'))

    def __init__(self, request: HttpRequest, *args: typing.Any,
                 **kwargs: typing.Any):
        super().__init__(request, *args, **kwargs)
        self.fields['source'].choices = self.initial['choices']

    def handle(self, request: HttpRequest, data: dict[str, typing.Any]
               ) -> bool:
        """Nothing: the form that follows shows what would be copied."""
        return True


class ImportForm(TwoStepForm):
    """A file with requirements, which replace those of its versions."""

    file = forms.FileField(
        label=gettext_lazy('File'), required=False,
        help_text=gettext_lazy(
            'YAML, as the export, "trove-manage '
            'datastore-version-flavor-export" and "openstack datastore '
            'version flavor requirement export" write it.'))
    prune = forms.BooleanField(
        label=gettext_lazy('Remove the requirements of all datastore versions '
                           'that the file does not mention'), required=False)
    # A browser does not send a file again.
    text = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, typing.Any]:
        data = super().clean()
        if data.get('file'):
            data['documents'] = self._read(data['file'].read())
        elif 'file' not in self.errors:
            try:
                data['documents'] = json.loads(data.get('text') or '')
            except ValueError:
                self.add_error('file', _('Select a file.'))
        return data

    def _flavors(self) -> dict[str, typing.Any] | None:
        """Nova's flavors; None if Nova does not tell, which is an error."""
        try:
            return api.flavors(self.request)
        except Exception:
            message = _('Unable to retrieve Nova\'s flavors.')
            exceptions.handle(self.request, message)
            self.add_error(None, message)
            return None

    def _read(self, content: bytes) -> list[dict[str, typing.Any]] | None:
        flavors = self._flavors()
        if flavors is None:
            return None
        try:
            return files.read(content, flavors, api.versions(self.request))
        except (files.Invalid, api.Refused) as error:
            self.add_error('file', str(error))
            return None

    def handle(self, request: HttpRequest, data: dict[str, typing.Any]
               ) -> bool:
        """Show what the file would do; apply it if that has been shown."""
        change = [data['documents'], data['prune']]
        is_last = self._has_been_shown(change) and not data['file']
        try:
            if not is_last:
                # The preview and the ETag are of the same state: a change
                # between the two requests is refused when it is saved.
                data['etag'] = api.requirements(request)[1]
            answer = api.replace_many(
                request, data['documents'], data['etag'], data['prune'],
                dry_run=not is_last)
        except api.Refused as error:
            self._add_problems(error)
            return False
        changes = answer['flavor_requirement_changes']
        if is_last:
            messages.success(request, ngettext(
                '%d flavor requirement was changed.',
                '%d flavor requirements were changed.', len(changes))
                % len(changes))
            return True
        flavors = self._flavors()
        if flavors is None:
            return False
        self._set(text=json.dumps(data['documents']), etag=data['etag'])
        self._show([_effect_of_change(change, flavors) for change in changes]
                   or [Effect('', [_('The file changes nothing.')], [],
                              False)], change)
        for text in answer['warnings']:
            messages.warning(request, text)
        return False

    def _add_problems(self, error: api.Refused) -> None:
        """Show what is wrong with the file."""
        if error.status == 412:
            self._set(seen='')
            self.add_error(None, _(
                'Somebody else has changed a requirement meanwhile. Nothing '
                'was saved. Show the effect again.'))
            return
        for pointer, message in error.problems:
            self.add_error('file', ': '.join((
                '/'.join(self._place(documents.steps(pointer)[1:])), message)))
        if error.more:
            self.add_error('file', ngettext(
                'There is %d more problem.', 'There are %d more problems.',
                error.more) % error.more)
        if not error.problems:
            self.add_error(None, str(error))

    def _place(self, steps: list[str]) -> list[str]:
        """Where a problem is, with the names that the file has."""
        if not steps or not steps[0].isdigit():
            return steps
        document = self.cleaned_data['documents'][int(steps[0])]
        return [*(document[key] for key in documents.NAMES
                  if key in document), *steps[1:]]


def _effect_of_change(change: dict[str, typing.Any],
                      flavors: dict[str, typing.Any]) -> Effect:
    found = effect(change.get('impact'), flavors, ' '.join(
        (change['datastore'], change['datastore_version'])))
    rows = [
        text % ', '.join(f'{row["key"]}={row.get("name", row["value"])}'
                         for row in change[key])
        for key, text in (('added', _('Added: %s')),
                          ('removed', _('Removed: %s'))) if change[key]]
    return found._replace(lines=rows + found.lines)
