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

"""The options of the tempest plugin, in tempest.conf."""

from oslo_config import cfg

SERVICE_OPTION = cfg.BoolOpt(
    'flavor_filter',
    default=True,
    help='Whether the cloud\'s Trove has the trove-flavor-filter plugin.')

GROUP = cfg.OptGroup(
    'flavor_filter',
    title='Flavors of datastore versions')

OPTIONS = [
    cfg.StrOpt(
        'catalog_type',
        default='database',
        help='Type of Trove\'s service in the catalog.'),
    cfg.StrOpt(
        'endpoint_type',
        default='publicURL',
        choices=['public', 'admin', 'internal', 'publicURL', 'adminURL',
                 'internalURL'],
        help='Which of Trove\'s endpoints is used.'),
    cfg.StrOpt(
        'manage_command',
        default='trove-manage',
        help='The trove-manage of the cloud, with whatever it takes to get '
             'at it: "trove-manage --config-file /etc/trove/trove.conf", '
             '"ssh controller sudo trove-manage". Words are told apart as a '
             'shell does; no shell is run.'),
    cfg.StrOpt(
        'datastore_type',
        default='mysql',
        help='Id or name of the datastore that the datastore version is '
             'of.'),
    cfg.StrOpt(
        'datastore_version_id',
        help='Id of an active datastore version that is nobody else\'s: the '
             'tests associate flavors with it, and take that back. Without '
             'it no test is run.'),
    cfg.StrOpt(
        'inactive_datastore_version_id',
        help='Id of a datastore version that is not active. Without it the '
             'tests about one are skipped.'),
    cfg.IntOpt(
        'volume_size',
        default=0, min=0,
        help='GiB of the volume of an instance; 0 where Trove has no volume '
             'support, and an instance lives on its flavor\'s ephemeral '
             'disk.'),
    cfg.StrOpt(
        'network_id',
        help='Network of an instance, where Trove must be given one.'),
    cfg.IntOpt(
        'build_interval',
        default=1, min=1,
        help='Seconds between two looks at what is awaited.'),
    cfg.IntOpt(
        'build_timeout',
        default=1800, min=1,
        help='Seconds after which an instance must be up, or a deleted one '
             'gone.'),
    cfg.IntOpt(
        'flavor_timeout',
        default=120, min=0,
        help='Seconds after which a new flavor must be listed: more than '
             'flavor_cache_time of trove.conf, for which Trove may have an '
             'older list.'),
]
