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

"""The pages of the panel."""

import typing

from django import http
from django import urls
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from horizon import exceptions
from horizon import forms as horizon_forms
from horizon import messages
from horizon import tables as horizon_tables
from horizon.utils import memoized

from trove_flavor_filter_dashboard.flavor_requirements import api
from trove_flavor_filter_dashboard.flavor_requirements import documents
from trove_flavor_filter_dashboard.flavor_requirements import files
from trove_flavor_filter_dashboard.flavor_requirements import forms
from trove_flavor_filter_dashboard.flavor_requirements import tables

# Of a version that requires nothing.
NO_EFFECT: dict[str, typing.Any] = {
    'flavors_allowed': [], 'violations_ended': 0}

INDEX = urls.reverse_lazy(f'{tables.PANEL}:index')


class IndexView(horizon_tables.DataTableView):
    """All datastore versions, with what each requires.

    However many versions there are, it takes three requests to Trove, and
    Nova's list of flavors.
    """

    table_class = tables.VersionsTable
    template_name = 'flavor_requirements/index.html'
    page_title = gettext_lazy('Flavor Requirements')

    def get_data(self) -> list[tables.Row]:
        try:
            versions = api.versions(self.request)
            requirements = {
                document['datastore_version_id']: document
                for document in api.requirements(self.request)[0]}
        except api.Refused as error:
            messages.error(self.request, str(error))
            return []
        except Exception:
            exceptions.handle(self.request, _(
                'Unable to retrieve the flavor requirements.'))
            return []
        flavors = _flavors(self.request)
        effects = self._effects()
        rows = []
        for version in versions:
            version_id = version['id']
            document = requirements.get(version_id)
            impact = effects.get(version_id, {}) if document else NO_EFFECT
            rows.append(tables.Row(
                version_id, version['datastore_name'], version['name'],
                _number(version), version['active'], document,
                impact.get('flavors_allowed') if flavors else None,
                impact.get('violations_ended'), flavors))
        return rows

    def _effects(self) -> dict[str, dict[str, typing.Any]]:
        try:
            return api.present_effects(self.request)
        except api.Refused as error:
            messages.warning(self.request, _(
                'It is not known what the requirements allow: %s') % error)
            return {}


def _flavors(request: http.HttpRequest) -> dict[str, typing.Any]:
    try:
        return api.flavors(request)
    except Exception:
        exceptions.handle(request, _('Unable to retrieve Nova\'s flavors.'))
        return {}


def _number(version: dict[str, typing.Any]) -> str | None:
    """The number of a datastore version, if its name is another."""
    number = version.get('version')
    return number if number != version['name'] else None


class ViolationsView(horizon_tables.DataTableView):
    """The instances that break a requirement."""

    table_class = tables.ViolationsTable
    template_name = 'flavor_requirements/violations.html'
    page_title = gettext_lazy('Instances That Break a Requirement')
    more = False

    def has_more_data(self, _table: horizon_tables.DataTable) -> bool:
        return self.more

    def get_data(self) -> list[tables.Violation]:
        try:
            found, self.more = api.violations(
                self.request,
                datastore_version_id=self.request.GET.get(
                    'datastore_version_id'),
                marker=self.request.GET.get('marker'))
        except api.Refused as error:
            messages.error(self.request, str(error))
            return []
        except Exception:
            exceptions.handle(self.request, _(
                'Unable to retrieve the instances that break a requirement.'))
            return []
        return [tables.Violation(document['instance_id'], document)
                for document in found]


def export(request: http.HttpRequest) -> http.HttpResponse:
    """Send the file of all requirements."""
    try:
        text = files.write(api.requirements(request)[0],
                           api.versions(request))
    except api.Refused as error:
        messages.error(request, str(error))
        return http.HttpResponseRedirect(INDEX)
    except Exception:
        exceptions.handle(
            request, _('Unable to retrieve the flavor requirements.'),
            redirect=INDEX)
    return http.HttpResponse(text, content_type='application/yaml', headers={
        'Content-Disposition': 'attachment; filename="flavors.yaml"'})


class TwoStepView(horizon_forms.ModalFormView):
    """A form that shows what a change would do before it is saved."""

    success_url = INDEX

    def get_context_data(self, **kwargs: typing.Any) -> dict[str, typing.Any]:
        context = super().get_context_data(**kwargs)
        context['submit_url'] = self.request.get_full_path()
        return context

    def form_invalid(self, form: forms.TwoStepForm) -> http.HttpResponse:
        context = self.get_context_data(form=form)
        if form.effects:
            context['submit_label'] = _('Save')
        return self.render_to_response(context)


class UpdateView(TwoStepView):
    """What a datastore version requires; with "source", to be copied."""

    form_class = forms.RequirementForm
    form_id = 'update_flavor_requirement_form'
    template_name = 'flavor_requirements/update.html'
    page_title = gettext_lazy('Flavor Requirement of {{ version }}')
    submit_label = gettext_lazy('Show What This Changes')

    @memoized.memoized_method
    def _found(self) -> tuple[dict[str, typing.Any], str]:
        return _requirement(self.request, self.kwargs['version_id'])

    def get_initial(self) -> dict[str, typing.Any]:
        document, etag = self._found()
        proposed = document
        source = self.request.GET.get('source')
        if source:
            proposed, _etag = _requirement(self.request, source)
        return {'version_id': self.kwargs['version_id'], 'etag': etag,
                'document': document, 'proposed': proposed,
                'known_flavors': _flavors(self.request)}

    def get_context_data(self, **kwargs: typing.Any) -> dict[str, typing.Any]:
        document, _etag = self._found()
        return super().get_context_data(
            version=f'{document["datastore"]} '
                    f'{document["datastore_version"]}',
            invalid_rows=document.get(documents.INVALID_ROWS), **kwargs)


def _requirement(request: http.HttpRequest,
                 version_id: str) -> tuple[dict[str, typing.Any], str]:
    """What a datastore version requires, and the ETag of it.

    :raises Http302: it cannot be read; a message says why
    """
    try:
        return api.requirement(request, version_id)
    except api.Refused as error:
        message = str(error)
    except Exception:
        exceptions.handle(
            request, _('Unable to retrieve the flavor requirement.'),
            redirect=INDEX)
    messages.error(request, message)
    raise exceptions.Http302(INDEX)


class CopyView(horizon_forms.ModalFormView):
    """Choose the datastore version to copy from."""

    form_class = forms.CopyForm
    form_id = 'copy_flavor_requirement_form'
    template_name = 'flavor_requirements/copy.html'
    page_title = gettext_lazy('Copy From Another Version')
    submit_label = gettext_lazy('Continue')
    cancel_url = INDEX

    def get_initial(self) -> dict[str, typing.Any]:
        try:
            found, _etag = api.requirements(self.request)
        except api.Refused as error:
            messages.error(self.request, str(error))
            raise exceptions.Http302(INDEX) from error
        return {'choices': [
            (document['datastore_version_id'],
             f'{document["datastore"]} {document["datastore_version"]}')
            for document in found if document['datastore_version_id']
            != self.kwargs['version_id']]}

    def get_context_data(self, **kwargs: typing.Any) -> dict[str, typing.Any]:
        context = super().get_context_data(**kwargs)
        context['submit_url'] = self.request.path
        return context

    def get_success_url(self) -> str:
        update = urls.reverse(f'{tables.PANEL}:update',
                              args=[self.kwargs['version_id']])
        return f'{update}?source={self.request.POST["source"]}'


class ImportView(TwoStepView):
    """Replace requirements by those of a file."""

    form_class = forms.ImportForm
    form_id = 'import_flavor_requirements_form'
    template_name = 'flavor_requirements/import.html'
    page_title = gettext_lazy('Import Flavor Requirements')
    submit_label = gettext_lazy('Show What This Changes')
