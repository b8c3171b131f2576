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

"""Show and change the requirements of datastore versions, for admins.

{GET,PUT,DELETE} /{tenant_id}/mgmt/datastore-versions/{id}/flavor-requirement
and {GET,PUT} /{tenant_id}/mgmt/flavor-requirements
"""

import collections
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
import functools
import typing

from oslo_context import context
from oslo_serialization import jsonutils
from oslo_utils import strutils
import webob

from trove_flavor_filter.api import bodies
from trove_flavor_filter.api import etags
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import query
from trove_flavor_filter.api import views
from trove_flavor_filter import change_log
from trove_flavor_filter.declaration import document
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.policy import rules
from trove_flavor_filter import requirement
from trove_flavor_filter import services

# The maximum size of a body, in bytes: about ten times that of ten thousand
# associations.
LARGEST = 4 * 2 ** 20

Rows = Mapping[requirement.Version, Collection[requirement.Row]]


class AuthorizedRequest(typing.NamedTuple):
    """A request whose caller has been authorized.

    :ivar flags: the query parameters, each true or false
    """

    request: webob.Request
    ctx: context.RequestContext
    services: services.Services
    flags: Mapping[str, bool]

    def body(self) -> typing.Any:
        """The document in the body; None if there is no body."""
        return bodies.read(self.request.environ, LARGEST, _distinct)

    def flavors(self) -> dict[str, requirement.Flavor] | None:
        """Nova's flavors by id; None if validation is disabled."""
        if not self.flags['validate']:
            return None
        return {flavor.id: flavor
                for flavor in self.services.nova.everything()}

    def impacts(self, changes: Collection[requirement.Change],
                flavors: Mapping[str, requirement.Flavor] | None
                ) -> list[dict[str, typing.Any]]:
        """What changes would do: an object with "impact" for each of them.

        :param flavors: as :meth:`flavors` returns them; if validation is
            disabled and Nova unavailable, the impact is not known
        """
        try:
            known = (self.services.nova.everything() if flavors is None
                     else list(flavors.values()))
        except exception.NovaUnavailable:
            return [{} for _change in changes]
        return [{'impact': self.services.violations.impact(
            change, known).document()} for change in changes]

    def present(self, version_id: str) -> requirement.CurrentRows:
        """The rows of one datastore version.

        :raises VersionNotFound: there is no such version
        """
        found = self.services.requirements.revised([version_id])
        if not found.rows:
            raise exception.VersionNotFound(version_id)
        return found

    def change(self, plan: requirement.Plan,
               version_ids: Collection[str] | None = None
               ) -> list[requirement.Change]:
        """Run a plan if the request's conditions hold, and log the changes.

        :returns: the changes; in a dry run, those that would be made
        :raises PreconditionFailed: a condition does not hold
        """
        def checked(present: requirement.CurrentRows) -> planning.Wanted:
            self._check(present)
            return plan(present)

        database = self.services.requirements
        try:
            if self.flags.get('dry_run'):
                return database.preview(checked, version_ids)
            changes = database.change(checked, version_ids)
        except problems.DeclarationRefused as error:
            if error.misses_flavors and not self.services.nova.sees_all():
                error.advice = nova.UNSEEN
            raise
        change_log.write(changes, self.ctx.user_id, self.ctx.project_id,
                         self.ctx.request_id, context=self.ctx)
        return changes

    def _check(self, present: requirement.CurrentRows) -> None:
        """Check the conditions in the request's headers.

        :raises PreconditionFailed: one of them does not hold
        """
        tag = _tag(present.rows, present.revisions)
        if (given := self.request.headers.get('If-Match')) is not None:
            match = etags.match(given, tag, weak=False)
            if match is None:
                raise _no_etag('If-Match')
            if not match and etags.match(given, tag, weak=True):
                raise exception.PreconditionFailed(
                    'The header If-Match has a weak ETag (W/"..."), which a '
                    'proxy has made of the strong one. Send it without "W/". '
                    'Nothing was changed.')
            if not match:
                raise exception.PreconditionFailed(
                    'The requirements have changed in the meantime. Nothing '
                    'was changed.')
        if (given := self.request.headers.get('If-None-Match')) is not None:
            match = etags.match(given, tag, weak=True)
            if match is None:
                raise _no_etag('If-None-Match')
            if given.strip() == '*':
                if any(present.rows.values()):
                    raise exception.PreconditionFailed(
                        'There are requirements already. Nothing was '
                        'changed.')
            elif match:
                raise exception.PreconditionFailed(
                    'The requirements have not changed in the meantime. '
                    'Nothing was changed.')


def _no_etag(header: str) -> exception.PreconditionFailed:
    return exception.PreconditionFailed(
        f'The header {header} has no valid ETag. Nothing was changed.')


Handler = Callable[..., webob.Response]


def _authorized(rule: str, **flags: bool) -> Callable[[Handler], Handler]:
    """Decorate a handler: check the caller and the query.

    :param rule: name of the policy rule
    :param flags: the known query parameters, with their defaults
    """
    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def wrapped(request: webob.Request, ctx: context.RequestContext,
                    serves: services.Services, tenant_id: str,
                    **path: str) -> webob.Response:
            identity.check(request.environ, ctx, tenant_id)
            serves.policy.authorize(ctx, rule)
            asked = AuthorizedRequest(
                request, ctx, serves, _flags(request, flags))
            try:
                return handler(asked, **path)
            except exception.SchemaIncomplete as error:
                # These callers are admins, who can repair the schema.
                raise exception.Unavailable(
                    f'The database is not available: {error.hint}.',
                    error.reason) from error
        return wrapped
    return decorate


def _flags(request: webob.Request,
           known: Mapping[str, bool]) -> dict[str, bool]:
    """The query parameters, each true or false.

    :raises BadRequest: some are invalid; the message lists every problem
    """
    return {**known, **query.read(request, dict.fromkeys(
        known, functools.partial(strutils.bool_from_string, strict=True)))}


def _distinct(pairs: bodies.Pairs) -> bodies.Document:
    """A JSON object from its keys and values; duplicate keys are refused."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = collections.Counter(key for key, _value in pairs)
        ((key, _count),) = counted.most_common(1)
        raise exception.BadRequest(
            f'The request body has a key twice: {problems.short(key)}.')
    return found


def _tag(rows: Rows, revisions: Mapping[str, int]) -> str:
    """The ETag of the requirements of datastore versions.

    It covers rows and revisions, since Trove's own commands change rows
    without changing a revision.
    """
    return views.tag(jsonutils.dump_as_bytes([
        (*version, revisions.get(version.id, 0), sorted(those))
        for version, those in sorted(
            rows.items(), key=lambda item: item[0].id)]))


def _untransformed(says: dict[str, typing.Any]) -> webob.Response:
    """A document whose ETag a proxy must not change by compressing it."""
    answer = views.document(says)
    answer.cache_control.no_transform = True
    return answer


def _one(present: requirement.CurrentRows) -> tuple[webob.Response, str]:
    """The document of one datastore version, and its ETag."""
    (version, rows), = present.rows.items()
    answer = _untransformed({document.ONE: document.write(
        version, requirement.Requirement.of(rows, present.ignores_case))})
    return answer, _tag(present.rows, present.revisions)


@_authorized(rules.SHOW_REQUIREMENTS)
def show(asked: AuthorizedRequest, datastore_version_id: str
         ) -> webob.Response:
    """Show what a datastore version requires, even if that is nothing.

    :raises VersionNotFound: there is no such version
    """
    answer, tag = _one(asked.present(datastore_version_id))
    return views.conditional(asked.request, answer, tag)


@_authorized(rules.UPDATE_REQUIREMENTS, validate=True, dry_run=False)
def replace(asked: AuthorizedRequest, datastore_version_id: str
            ) -> webob.Response:
    """Replace the requirements of a datastore version by a document's.

    In a dry run, the answer has the document that there would be, what the
    change would do, and the ETag of the present requirement.

    :raises DeclarationRefused: the document is invalid; lists every problem
    :raises VersionNotFound: there is no such version
    :raises PreconditionFailed: a condition of the request does not hold
    :raises NovaUnavailable: Nova is unavailable, so flavors cannot be looked
        up
    """
    present = asked.present(datastore_version_id)
    read = document.read_one(asked.body(), datastore_version_id)
    flavors = asked.flavors()
    (change,) = asked.change(_plan(read, flavors, False, []),
                             [datastore_version_id])
    if asked.flags['dry_run']:
        answer = _untransformed({
            document.ONE: document.write(change.version, change.requirement),
            **asked.impacts([change], flavors)[0]})
        answer.etag = _tag(present.rows, present.revisions)
        return answer
    answer, tag = _one(requirement.CurrentRows(
        {change.version: change.after}, change.ignores_case,
        {change.version.id: change.revision}))
    answer.etag = tag
    return answer


def _plan(read: document.Read,
          flavors: Mapping[str, requirement.Flavor] | None, prune: bool,
          warnings: list[str]) -> requirement.Plan:
    """A plan that replaces requirements by those in documents.

    :param flavors: Nova's flavors; None if they are not to be looked up
    :param prune: also remove the requirements of all other versions
    :param warnings: a list that the plan fills with warnings
    """
    def plan(present: requirement.CurrentRows) -> planning.Wanted:
        wanted = resolving.resolve(
            read.declared, None if flavors is None else flavors.values(),
            present, read.problems)
        warnings[:] = wanted.warnings
        return planning.replace(wanted.rows, prune, present)
    return plan


@_authorized(rules.UPDATE_REQUIREMENTS)
def delete(asked: AuthorizedRequest, datastore_version_id: str
           ) -> webob.Response:
    """Remove all requirements of a datastore version.

    :raises VersionNotFound: there is no such version
    :raises PreconditionFailed: a condition of the request does not hold
    """
    asked.present(datastore_version_id)
    asked.change(functools.partial(planning.replace, {}, True),
                 [datastore_version_id])
    return webob.Response(status=204)


@_authorized(rules.SHOW_REQUIREMENTS)
def list_all(asked: AuthorizedRequest) -> webob.Response:
    """List the datastore versions that have requirements.

    They are sorted by the names of datastore and version.
    """
    present = asked.services.requirements.revised()
    return views.conditional(asked.request, _untransformed({document.MANY: [
        document.write(version, requirement.Requirement.of(
            rows, present.ignores_case))
        for version, rows in present.rows.items() if rows]}),
        _tag(present.rows, present.revisions))


@_authorized(rules.UPDATE_REQUIREMENTS, validate=True, prune=False,
             dry_run=False)
def replace_many(asked: AuthorizedRequest) -> webob.Response:
    """Replace the requirements of datastore versions by those in documents.

    Either all changes are made, or none. The answer lists the changes.

    :raises DeclarationRefused: a document is invalid; lists every problem
    :raises PreconditionFailed: a condition of the request does not hold
    :raises NovaUnavailable: Nova is unavailable, so flavors cannot be looked
        up
    """
    read = document.read_many(asked.body())
    flavors = asked.flavors()
    warnings: list[str] = []
    made = [change for change in asked.change(
        _plan(read, flavors, asked.flags['prune'], warnings))
        if change.before != change.after]
    changes = document.changes(made, flavors or {})
    if asked.flags['dry_run']:
        for says, impact in zip(changes, asked.impacts(made, flavors)):
            says |= impact
    return views.document({
        'flavor_requirement_changes': changes,
        'warnings': problems.first(warnings)})
