# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""group.query: so that a user can be put into a group by its name."""

from __future__ import annotations

from typing import Any

from ..defaults import ADMINISTRATORS
from ..filters import query as filtered
from ..nas import Call
from ..registry import method


@method("group.query")
def query(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    shown = []
    for group in call.data["groups"]:
        members = [
            user["id"]
            for user in call.data["users"]
            if group["id"] in user["groups"] or group["id"] == user["group"]
        ]
        more = {"id_type_both": False, "sudo_commands": [], "sudo_commands_nopasswd": []}
        if call.release.series >= (24, 4):
            more["roles"] = ["FULL_ADMIN"] if group["gid"] == ADMINISTRATORS else []
        shown.append({**group, **more, "name": group["group"], "users": members, "local": True, "sid": None})
    return filtered(shown, query_filters, query_options)
