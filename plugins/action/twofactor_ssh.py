# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_ssh."""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._host_action import HostAction
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import documented


class ActionModule(HostAction):
    """Runs the module on the host, and lets through what it documents."""

    RETURN = documented("twofactor_ssh")
