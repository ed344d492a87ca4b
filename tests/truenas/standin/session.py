# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is calling: what one connection knows about its user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass
class Session:
    """One connection. A connection of root's needs no login."""

    uid: int
    username: str | None = None
    is_admin: bool = False
    # How the user came in: "unix" by the socket, "login" with a password, "api_key".
    way: str = "unix"
    used_code: bool = False
    pending: Record = field(default_factory=dict)

    def log_in(self, username: str, is_admin: bool, way: str, used_code: bool = False) -> None:
        """Become another user."""
        self.username, self.is_admin, self.way, self.used_code = username, is_admin, way, used_code
        self.pending = {}
