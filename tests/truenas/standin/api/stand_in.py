# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""stand_in.*: what only the lab may do. No real NAS has these methods; none is counted or logged."""

from __future__ import annotations

from typing import Any

from ..defaults import ROOT_PASSWORD, directory_user
from ..errors import CallError
from ..nas import Call
from ..registry import method


@method("stand_in.stig", hidden=True)
def stig(call: Call, on: Any) -> bool:
    """Switch STIG mode without asking whether the NAS is fit for it."""
    security = call.data["security"]
    security.update(enable_gpos_stig=bool(on), enable_fips=bool(on), authenticator_level=2 if on else 1)
    call.commit()
    return bool(on)


@method("stand_in.enterprise", hidden=True)
def enterprise(call: Call, on: Any) -> bool:
    """Give the NAS a licence, or take it away."""
    call.data["enterprise"] = bool(on)
    call.commit()
    return bool(on)


@method("stand_in.secret", hidden=True)
def secret(call: Call, username: Any) -> str | None:
    """Return a user's seed on every release, for a test that has to make codes."""
    user = call.nas.account_named(username)
    if user is None:
        raise CallError(f"there is no user {username!r}")
    return call.nas.secret_of(user)


@method("stand_in.directory", hidden=True)
def directory(call: Call, username: Any) -> str:
    """Join a domain, if need be, that has one more user, whose password is root's."""
    number = 1100 + len(call.data["directory"])
    call.data["directory"].append(directory_user(str(username), number, ROOT_PASSWORD))
    call.commit()
    call.nas.generate("user")
    return str(username)
