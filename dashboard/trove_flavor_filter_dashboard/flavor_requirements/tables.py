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

"""The tables of the panel."""

import typing
from urllib import parse

from django import urls
from django.utils import html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from horizon import tables

from trove_flavor_filter_dashboard.flavor_requirements import documents

PANEL = 'horizon:admin:flavor_requirements'


class Row(typing.NamedTuple):
    """A datastore version in the table.

    :ivar number: None if it is the name
    :ivar document: what it requires; None for nothing
    :ivar refused: the ids of flavors that it refuses; None if not known
    :ivar violations: instances that break it; None if not known
    :ivar flavors: all of Nova's, by id
    """

    id: str
    datastore: str
    name: str
    number: str | None
    active: bool
    document: dict[str, typing.Any] | None
    refused: list[str] | None
    violations: int | None
    flavors: dict[str, typing.Any]


def version(row: Row) -> str:
    """A version by its name, and what tells it from others."""
    remarks = []
    if row.number:
        remarks.append(_('number %s') % row.number)
    if not row.active:
        remarks.append(_('inactive'))
    return f'{row.name} ({", ".join(remarks)})' if remarks else row.name


def requires(row: Row) -> typing.Any:
    """What a version requires, a line for each kind of requirement."""
    found = row.document and documents.sentences(row.document, row.flavors)
    if not found:
        return _('nothing')
    return html.format_html_join(
        html.mark_safe('<br>'), '{}', ((text,) for text in found))


def enforcement(row: Row) -> str:
    """Whether a requirement is on trial."""
    if not row.document:
        return '-'
    return (_('On trial') if row.document.get(documents.ENFORCEMENT) == 'warn'
            else _('In force'))


def allowed(row: Row) -> str:
    """How many flavors a version allows."""
    if row.refused is None:
        return _('not known')
    return _('%(allowed)d of %(all)d') % {
        'allowed': len(row.flavors.keys() - set(row.refused)),
        'all': len(row.flavors)}


def violations(row: Row) -> typing.Any:
    """How many instances break a requirement."""
    return _('not known') if row.violations is None else row.violations


def violations_link(row: Row) -> str | None:
    """The list of the instances that break a requirement, if there are any."""
    if row.violations == 0:
        return None
    return (f'{urls.reverse(f"{PANEL}:violations")}'
            f'?datastore_version_id={row.id}')


class Filter(tables.FilterAction):
    """Narrows the table to the versions whose names have a text."""

    def filter(self, table: tables.DataTable, rows: list[Row],
               text: str) -> list[Row]:
        return [row for row in rows if text.lower() in
                f'{row.datastore} {version(row)}'.lower()]


class ShowViolations(tables.LinkAction):
    name = 'violations'
    verbose_name = gettext_lazy('Instances That Break a Requirement')
    url = f'{PANEL}:violations'
    icon = 'exclamation-triangle'


class Export(tables.LinkAction):
    name = 'export'
    verbose_name = gettext_lazy('Export')
    url = f'{PANEL}:export'
    icon = 'download'


class Import(tables.LinkAction):
    name = 'import'
    verbose_name = gettext_lazy('Import')
    url = f'{PANEL}:import'
    icon = 'upload'


class Update(tables.LinkAction):
    name = 'update'
    verbose_name = gettext_lazy('Change Requirement')
    url = f'{PANEL}:update'
    icon = 'pencil'


class Copy(tables.LinkAction):
    name = 'copy'
    verbose_name = gettext_lazy('Copy From Another Version')
    url = f'{PANEL}:copy'
    icon = 'files-o'


class VersionsTable(tables.DataTable):
    """All datastore versions, with what each requires."""

    datastore = tables.Column(
        'datastore', verbose_name=gettext_lazy('Datastore'))
    version = tables.Column(version, verbose_name=gettext_lazy('Version'))
    requires = tables.Column(requires, verbose_name=gettext_lazy('Requires'))
    enforcement = tables.Column(
        enforcement, verbose_name=gettext_lazy('Enforcement'))
    allowed = tables.Column(
        allowed, verbose_name=gettext_lazy('Allowed Flavors'))
    violations = tables.Column(
        violations, link=violations_link,
        verbose_name=gettext_lazy('Instances That Break It'))

    class Meta:
        name = 'flavor_requirements'
        verbose_name = gettext_lazy('Flavor Requirements')
        multi_select = False
        table_actions = (Filter, ShowViolations, Export, Import)
        row_actions = (Update, Copy)

    def get_object_display(self, row: Row) -> str:
        return f'{row.datastore} {version(row)}'


class Violation(typing.NamedTuple):
    """An instance in the list of violations.

    :ivar id: of the instance
    :ivar document: as the plugin returns it
    """

    id: str
    document: dict[str, typing.Any]


def instance_link(row: Violation) -> str | None:
    """The page of the instance's cluster, or the instance's."""
    if row.document['cluster_id']:
        try:
            return urls.reverse('horizon:project:database_clusters:detail',
                                args=[row.document['cluster_id']])
        except urls.NoReverseMatch:
            # Most releases of trove-dashboard have clusters turned off.
            pass
    return urls.reverse('horizon:project:databases:detail', args=[row.id])


class ViolationsTable(tables.DataTable):
    """The instances that break a requirement."""

    name = tables.Column(
        lambda row: row.document['instance_name'] or row.id,
        link=instance_link, verbose_name=gettext_lazy('Instance'))
    project = tables.Column(
        lambda row: row.document['project_id'] or '-',
        verbose_name=gettext_lazy('Project ID'))
    cluster = tables.Column(
        lambda row: row.document['cluster_id'] or '-',
        verbose_name=gettext_lazy('Cluster ID'))
    version = tables.Column(
        lambda row: ' '.join((row.document['datastore'],
                              row.document['datastore_version'])),
        verbose_name=gettext_lazy('Datastore Version'))
    flavor = tables.Column(
        lambda row: row.document['flavor_name'] or documents.flavor_text(
            row.document['flavor_id'], {}),
        verbose_name=gettext_lazy('Flavor'))
    reasons = tables.Column(
        lambda row: '; '.join(row.document['reasons']),
        verbose_name=gettext_lazy('Reasons'))

    class Meta:
        name = 'flavor_requirement_violations'
        verbose_name = gettext_lazy('Instances That Break a Requirement')
        multi_select = False

    def get_object_display(self, row: Violation) -> str:
        return row.document['instance_name'] or row.id

    def get_pagination_string(self) -> str:
        """The query of the next page: of the same datastore version."""
        query = super().get_pagination_string()
        only = self.request.GET.get('datastore_version_id')
        more = parse.urlencode({'datastore_version_id': only})
        return f'{query}&{more}' if only else query
