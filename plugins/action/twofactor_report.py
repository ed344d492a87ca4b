# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module twofactor_report, which runs on the controller alone: it has what all hosts have answered."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer, text
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._beside import beside_inventory
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._facts import refuse_overriding
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import Report, report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_files import FORMATS, NAME, write

ARGS: dict[str, Any] = {
    "answers": {"type": "dict", "required": True},
    "people": {"type": "dict", "default": {}},
    "folder": {"type": "str", "default": ""},
    "formats": {
        "type": "list",
        "elements": "str",
        "choices": list(FORMATS),
        "default": list(FORMATS),
    },
    "title": {"type": "str", "default": "Two-factor authentication"},
    "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
}
_LARGE = ("answers", "people")
_FATAL = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


class ActionModule(ActionBase):
    """Writes the report, without a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        # What hosts have answered is judged one by one below. Ansible would take longer over 500 than the whole report.
        given = self._task.args
        large = {name: given[name] for name in _LARGE if isinstance(given.get(name), dict)}
        self._task.args = {**given, **{name: {} for name in large}}
        dummy, checked = self.validate_argument_spec(argument_spec=ARGS)
        # Plain values: Ansible's own remember where they come from.
        params = json.loads(json.dumps({**checked, **large}))
        people = params["people"]
        answers = [answer(host, result, people.get(host)) for host, result in params["answers"].items()]
        found = report(answers, time.time(), text(params["title"]))
        try:
            refuse_overriding(task_vars)
            folder = beside_inventory(params["folder"] or NAME, task_vars or {}, "folder")
            paths = [] if self._task.check_mode else write(found, folder, params["formats"])
        except TwofactorError as error:
            return {"failed": True, "msg": str(error)}
        return _result(found, paths, params["fail_on"])


def _result(found: Report, paths: list[str], fail_on: str) -> dict[str, Any]:
    folder = f"; see {os.path.dirname(paths[0])}" if paths else ""
    return {
        "changed": bool(paths),
        "failed": found.worst in _FATAL[fail_on],
        "msg": found.summary + folder,
        "worst": found.worst,
        # Not called warnings: that word is Ansible's own.
        "problems": {"error": found.count("error"), "warning": found.count("warning")},
        "hosts": {"all": len(found.hosts), **found.statuses},
        "files": paths,
    }
