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

"""Who may do what: each identity with each request, in one table."""

from keystoneauth1 import identity
from keystoneauth1 import session
import requests

from trove_flavor_filter.tests.functional import base

# Who asks, on whose path, and with which status it is answered: GET of the
# route with a datastore version that is active, inactive and unknown; each
# other method of the route, whatever the version; and the create of an
# instance with a flavor that is refused. Then the routes of administrators;
# "breaks" is the list of instances that break a requirement.
TABLE = '''
identity                    path   active inactive unknown others create show list change dry breaks
no token                    demo      401      401     401    401    401  401  401    401 401    401
a token that is garbage     demo      401      401     401    401    401  401  401    401 401    401
member                      demo      200      404     404    405    400  403  403    403 403    403
reader                      demo      200      404     404    405    400  403  403    403 403    403
admin                       admin     200      200     404    405    400  200  200    200 200    200
admin of another project    demo      403      403     403    403    403  403  403    403 403    403
member of another project   demo      403      403     403    403    403  403  403    403 403    403
member who left             demo      401      401     401    401    401  401  401    401 401    401
no role on any project      demo      403      403     403    403    403  403  403    403 403    403
admin of the whole system   demo      403      403     403    403    403  403  403    403 403    403
'''  # noqa: E501
OTHERS = ('HEAD', 'POST', 'PUT', 'DELETE')


def rows() -> list[tuple[str, str, dict[str, int]]]:
    """(identity, path, status by column) of the table."""
    head, *lines = TABLE.strip().splitlines()
    columns = head.split()[2:]
    found = []
    for line in lines:
        words = line[28:].split()
        found.append((line[:28].strip(), words[0], dict(
            zip(columns, map(int, words[1:]), strict=True))))
    return found


class AuthorizationTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.allowed, self.refused = (
            self.create_flavor(), self.create_flavor())
        self.versions = {
            'active': self.create_version(),
            'inactive': self.create_version(active=False),
            'unknown': self.unique('no-such')}
        for state in ('active', 'inactive'):
            self.associate(self.versions[state], self.allowed)

    def tokens(self) -> dict[str, str | None]:
        """A token for each identity of the table."""
        nobody, left = self.unique('nobody'), self.unique('left')
        self.cloud.create_user(nobody, 'demo', ())
        self.cloud.create_user(left, 'demo')
        return {
            'no token': None,
            'a token that is garbage': 'gAAAAA-garbage',
            'member': self.cloud.token('demo'),
            'reader': self.cloud.token('viewer'),
            'admin': self.cloud.token('admin'),
            'admin of another project': self.cloud.token('admin'),
            'member of another project': self.cloud.token('other'),
            'member who left': self.token_of_before(left),
            'no role on any project': self.token(nobody, unscoped=True),
            'admin of the whole system': self.token(
                'admin', system_scope='all')}

    def token(self, user: str, **scope) -> str:
        return session.Session(identity.V3Password(
            auth_url=self.cloud.auth_url, username=user,
            password=self.cloud.secrets[user], user_domain_id='default',
            **scope)).get_token()

    def token_of_before(self, user: str) -> str:
        """A token of a user whose roles were taken away since."""
        token = self.cloud.token(user)
        admin = self.cloud.session('admin')
        assignments = admin.get(
            f'{self.cloud.auth_url}/role_assignments?user.id='
            f'{self.cloud.session(user).get_user_id()}'
        ).json()['role_assignments']
        self.assertNotEqual([], assignments)
        for assignment in assignments:
            admin.delete(assignment['links']['assignment'])
        return token

    def ask(self, method: str, token: str | None, project: str, path: str,
            **kwargs) -> requests.Response:
        with requests.Session() as client:
            # It is all on loopback.
            client.trust_env = False
            return client.request(
                method, f'{self.cloud.trove_url}/v1.0/'
                        f'{self.cloud.project_id(project)}{path}',
                headers={} if token is None else {'X-Auth-Token': token},
                timeout=60, **kwargs)

    def answers(self, token: str | None, project: str
                ) -> dict[str, set[tuple[int, str]]]:
        """(status, text) of the answers to one identity, by column.

        The version's id does not count as a difference.
        """
        found = {column: set() for column in rows()[0][2]}
        for state, version_id in self.versions.items():
            path = f'/flavors/datastores/versions/{version_id}'
            for method in ('GET', *OTHERS):
                response = self.ask(
                    method, token, project, path,
                    **({'json': {}} if method in ('POST', 'PUT') else {}))
                found[state if method == 'GET' else 'others'].add((
                    response.status_code,
                    response.text.replace(version_id, 'VERSION')))
        response = self.ask('POST', token, project, '/instances', json={
            'instance': {
                'name': self.unique('db'), 'flavorRef': self.refused,
                'datastore': {'type': 'mysql',
                              'version': self.versions['active']}}})
        found['create'].add((response.status_code, response.text))
        for column, method, path, body in self.of_requirements():
            response = self.ask(method, token, project, path, json=body)
            # What is deleted is answered with 204.
            found[column].add((
                200 if response.status_code == 204 else response.status_code,
                response.text))
        return found

    def of_requirements(self) -> list[tuple[str, str, str, dict | None]]:
        """(column, method, path, body): requests of administrators."""
        every = '/mgmt/flavor-requirements'
        one = [f'/mgmt/datastore-versions/{self.versions[state]}'
               f'/flavor-requirement' for state in ('active', 'inactive')]
        wanted = {'flavor_requirement': {'flavors': [self.allowed]}}
        return [
            *(('show', 'GET', path, None) for path in one),
            ('list', 'GET', every, None),
            # It ends as it was, for whoever may.
            *(('change', method, path, body) for path in one
              for method, body in (('DELETE', None), ('PUT', wanted))),
            ('change', 'PUT', every, {'flavor_requirements': []}),
            ('dry', 'PUT', f'{every}?dry_run=true&prune=true',
             {'flavor_requirements': []}),
            *(('breaks', 'GET', f'/mgmt/flavor-requirement-violations{query}',
               None) for query in ('', '?limit=1&project_id=x'))]

    def test_each_identity_gets_what_the_table_says(self):
        tokens = self.tokens()
        table = rows()
        self.assertEqual(list(tokens), [row[0] for row in table])
        seen, wrong, count = [], [], 0
        for name, project, expected in table:
            answers = self.answers(tokens[name], project)
            statuses = {column: {status for status, _text in given}
                        for column, given in answers.items()}
            seen.append(f'{name:<27} {project:<6}' + ''.join(
                f' {"/".join(map(str, sorted(statuses[column]))):>{width}}'
                for column, width in zip(
                    expected, (8, 8, 7, 6, 6, 4, 4, 6, 3, 6))))
            wrong += [(name, column, status, statuses[column])
                      for column, status in expected.items()
                      if statuses[column] != {status}]
            count += (len(self.versions) * (1 + len(OTHERS)) + 1
                      + len(self.of_requirements()))
            # What is not there and what may not be seen look alike.
            for status in (401, 403, 404):
                texts = {text for column in self.versions
                         for given, text in answers[column]
                         if given == status}
                if len(texts) > 1:
                    wrong.append((name, status, texts))
            # Why a flavor is refused is said to those alone who may know.
            (_status, text), = answers['create']
            if (self.versions['active'] in text) != (
                    expected['create'] == 400):
                wrong.append((name, 'create', text))
        print('\n' + '\n'.join([TABLE.strip().splitlines()[0], *seen])
              + f'\n{count} requests')
        self.assertEqual([], wrong)
        self.assertEqual([], self.cloud.sql(
            'SELECT id FROM instances WHERE flavor_id = :id',
            id=self.refused))
