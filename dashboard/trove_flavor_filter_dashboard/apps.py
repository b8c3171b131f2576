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


"""The Django application: it changes trove-dashboard when Horizon starts."""

import logging

from django import apps

LOG = logging.getLogger(__name__)


class FlavorFilterConfig(apps.AppConfig):
    """Changes the database dialogs, if trove-dashboard is installed."""

    name = 'trove_flavor_filter_dashboard'
    verbose_name = 'Trove flavor filter'

    def ready(self) -> None:
        # trove-dashboard cannot be imported before its settings are loaded.
        try:
            from trove_flavor_filter_dashboard import dialogs
            from trove_flavor_filter_dashboard import tables
            dialogs.install()
            tables.install()
        except (AttributeError, ImportError) as error:
            # Horizon runs without the change, as before, or without a part
            # of it, where a release lacks something.
            LOG.warning('Some or all of the database dialogs offer all '
                        'flavors: trove-dashboard is missing or of an '
                        'unknown release: %s', error)
