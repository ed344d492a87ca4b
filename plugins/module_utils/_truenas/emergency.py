# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the second factor off, when little else works.

Private to this collection: may change at any time. No guard, no lock, no note, no version: one read to know whether
anything is to be done, and one change, which is made also when the read fails.
"""

from __future__ import annotations

import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.bypass import seconds_of
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later, oath, wire
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import (
    Call,
    Middleware,
    rubbish,
)

_UNREACHABLE = ("middleware_absent", "middleware_down", "middleware_login", "not_root")
_OFF = Call("auth.twofactor.update", ({"enabled": False},), "the second factor off", answers=(dict,))
_RELOAD = Call("service.reload", ("ssh",), "SSH, which still asks")
_RELOAD_JOB = Call("service.control", ("RELOAD", "ssh"), "SSH, which still asks", job=True)


def disable(nas: Middleware, reason: str, check_mode: bool, lasts: str = "") -> Outcome:
    """Take the second factor off, SSH too; every secret and the switch of SSH itself are kept for later.

    With ``lasts`` it comes back on by itself after that time.

    Raises TwofactorError when the middleware refuses, as it does in STIG mode, or cannot be reached.
    """
    seconds = seconds_of(lasts) if lasts else 0.0
    running = later.read(later.BYPASS) is not None
    enabled = _is_enabled(nas)
    # As a change leaves it that broke off between the middleware's database and its files.
    lagging = not enabled and oath.ssh_asks() is True
    outcome = Outcome(changed=enabled or lagging or running != bool(lasts))
    outcome.before["state"] = "enabled" if enabled or lagging else "disabled"
    outcome.after["state"] = "disabled"
    if check_mode or not outcome.changed:
        return outcome
    try:
        if enabled:
            _switch_off(nas)
        elif lagging:
            _reload(nas)
    except TwofactorError as error:
        audit.log("disabled", why=reason, failed=error.code)
        raise
    outcome.warnings += _forget_pending()
    if enabled or running != bool(lasts):
        outcome.warnings += _until(seconds, reason)
    audit.log("disabled", why=reason, lasts=lasts)
    return outcome


def _forget_pending() -> list[str]:
    """Drop a change that waits: what it would be taken back to is no longer wanted."""
    try:
        later.disarm(later.PENDING)
    except OSError as error:
        return [f"A change that waited to be confirmed may still be taken back: {error.strerror}."]
    return []


def _until(seconds: float, reason: str) -> list[str]:
    """Have it come back on by itself, or never; return a warning when that cannot be had: it is off anyway."""
    calls = [["auth.twofactor.update", {"enabled": True}]]
    end = later.Later(time.time() + seconds, calls, audit.account_behind(), reason)
    try:
        later.disarm(later.BYPASS)
        return later.arm(later.BYPASS, end) if seconds else []
    except (OSError, TwofactorError) as error:
        return [f"The second factor will not come back on by itself: {error}"]


def _is_enabled(nas: Middleware) -> bool:
    """Tell whether the second factor is on; a middleware that answers but cannot say so is taken for a yes."""
    try:
        answer = nas.read("auth.twofactor.config")
    except TwofactorError as error:
        if error.code in _UNREACHABLE:
            raise
        return True
    return not isinstance(answer, dict) or answer.get("enabled") is not False


def _switch_off(nas: Middleware) -> None:
    answer = nas.change(_OFF)
    if not isinstance(answer, dict) or answer.get("enabled") is not False:
        raise rubbish(_OFF.method)


def _reload(nas: Middleware) -> None:
    try:
        nas.change(_RELOAD)
    except wire.ApiError as error:
        if not error.no_method:
            raise
        nas.change(_RELOAD_JOB)
