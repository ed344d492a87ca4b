# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_secret: secrets that a host makes are checked."""

from __future__ import annotations

from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._host_action import HostAction
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._made import asks_for_secrets, refuse_bad
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import documented, without_output


class ActionModule(HostAction):
    """Runs the module on the host, and lets through what it documents."""

    RETURN = documented("twofactor_secret")

    def _act(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        result = super()._act(arguments, task_vars)
        refuse_bad(result.get("secrets"), arguments)
        return without_output(result) if asks_for_secrets(arguments) else result
