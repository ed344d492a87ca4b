# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes down whatever Ansible hands to callbacks, as those of ARA or AWX do."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: everything
type: notification
short_description: All results as lines of JSON
description: Appends every event with the whole result to the file that LEAKS_EVENTS names.
"""


class CallbackModule(CallbackBase):
    """Appends each event to a file."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "everything"
    CALLBACK_NEEDS_ENABLED = True

    def v2_on_any(self, *args: Any, **kwargs: Any) -> None:
        """Write an event with everything that comes with it."""
        event = [self._plain(value) for value in (*args, *kwargs.values())]
        with open(os.environ["LEAKS_EVENTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, default=repr) + "\n")

    def _plain(self, value: Any) -> Any:
        for name in ("_result", "_attributes"):
            if hasattr(value, name):
                return {"of": repr(value), name: getattr(value, name)}
        return value
