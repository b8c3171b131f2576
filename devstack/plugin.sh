#!/usr/bin/env bash
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

# Puts trove-flavor-filter into the Trove that devstack makes, and takes it out
# again. devstack sources this file with the phase in its arguments, after that
# of Trove's own plugin.

_XTRACE_TROVE_FLAVOR_FILTER=$(set +o | grep xtrace)
set +o xtrace

function install_trove_flavor_filter {
    setup_develop "$TROVE_FLAVOR_FILTER_DIR"
}

# Trove has written api-paste.ini and trove-manage in this phase, and starts
# trove-api in the next, so that nothing has to be restarted.
function configure_trove_flavor_filter {
    _trove_flavor_filter enable
}

# Trove has made its own tables in this phase.
function init_trove_flavor_filter {
    "$TROVE_MANAGE" --config-file "$TROVE_CONF" flavor-filter-db-sync
}

function cleanup_trove_flavor_filter {
    if [[ ! -x $TROVE_FLAVOR_FILTER ]]; then
        # Nothing was ever stacked.
        return 0
    elif [[ -e $TROVE_API_PASTE_INI ]]; then
        _trove_flavor_filter disable
    else
        # Trove has removed its configuration by now: of the two files that
        # are given back, trove-manage is left, and the other is complained of.
        _trove_flavor_filter disable || true
    fi
}

# Without devstack's virtualenv trove-manage is root's.
function _trove_flavor_filter {
    sudo "$TROVE_FLAVOR_FILTER" "$1" \
        --paste-config "$TROVE_API_PASTE_INI" --trove-manage "$TROVE_MANAGE"
}

if is_service_enabled tr-api; then
    case "$*" in
        'stack install')
            echo_summary "Installing trove-flavor-filter"
            install_trove_flavor_filter
            ;;
        'stack post-config')
            echo_summary "Configuring trove-flavor-filter"
            configure_trove_flavor_filter
            ;;
        'stack extra')
            echo_summary "Initializing trove-flavor-filter"
            init_trove_flavor_filter
            ;;
        unstack|clean)
            cleanup_trove_flavor_filter
            ;;
    esac
fi

$_XTRACE_TROVE_FLAVOR_FILTER
