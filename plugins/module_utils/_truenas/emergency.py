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

OFF = Call("auth.twofactor.update", ({"enabled": False},), "the second factor off", answers=(dict,))

_UNREACHABLE = ("middleware_absent", "middleware_down", "middleware_login", "not_root")
_RELOAD = Call("service.control", ("RELOAD", "ssh"), "SSH, which still asks", job=True)
_OLD_RELOAD = Call("service.reload", ("ssh",), "SSH, which still asks")
"""For 25.04 and older, which have no ``service.control``."""

_NOT_BACK = "The second factor will not come back on by itself"
_WAS_OFF = f"lasts: {_NOT_BACK}: it was disabled on this NAS already. Enable it with state: enabled."
_UNKNOWN = (
    f"lasts: {_NOT_BACK}: the middleware did not say whether it was enabled. Enable it with state: enabled."
)


def disable(nas: Middleware, reason: str, check_mode: bool, lasts: str = "") -> Outcome:
    """Take the second factor off, SSH too; every secret and the switch of SSH itself are kept for later.

    With ``lasts`` it comes back on by itself after that time, but only where it was on, or off for a time.

    Raises TwofactorError when the middleware refuses, as it does in STIG mode, or cannot be reached.
    """
    end = _End(lasts, reason)
    enabled = _is_enabled(nas)
    # As a change leaves it that broke off between the middleware's database and its files.
    lagging = enabled is False and oath.ssh_asks() is True
    end.decide(enabled)
    outcome = Outcome(changed=enabled is not False or lagging or end.changes)
    outcome.before["state"] = "disabled" if enabled is False and not lagging else "enabled"
    outcome.after["state"] = "disabled"
    outcome.warnings += end.warnings
    end.describe(outcome)
    if check_mode or not outcome.changed:
        return outcome
    try:
        if enabled is not False:
            _switch_off(nas)
    except TwofactorError as error:
        audit.log("disabled", why=reason, failed=error.code)
        raise
    if lagging:
        outcome.warnings += _reload_ssh(nas)
    outcome.warnings += _forget_pending()
    outcome.warnings += end.arrange()
    audit.log("disabled", why=reason, lasts=lasts)
    return outcome


class _End:
    """When the second factor comes back on by itself, as it is arranged now and as it is wanted.

    TrueNAS is never made to enable what was not enabled before: no guard looks at that moment, and before 23.10
    TrueNAS would make a secret then that is shown to no user.
    """

    def __init__(self, lasts: str, reason: str) -> None:
        self.warnings: list[str] = []
        self.changes = False
        self._lasts, self._reason = lasts, reason
        self._seconds = seconds_of(lasts) if lasts else 0.0
        self._bypass = later.read(later.BYPASS)
        self._runs = later.is_due(later.BYPASS)
        self._arms = False

    def decide(self, enabled: bool | None) -> None:
        """Decide what to arrange. ``enabled`` is None when the middleware does not say."""
        if not self._seconds:
            self.changes = self._runs
        elif enabled or self._runs:
            self._arms = bool(enabled) or not self._is_arranged()
            self.changes = self._arms
        else:
            self.warnings.append(_WAS_OFF if enabled is False else _UNKNOWN)

    def _is_arranged(self) -> bool:
        """Tell whether the bypass that runs ends as if it had been asked for just now."""
        if self._bypass is None:
            return False
        late = abs(time.time() + self._seconds - self._bypass.until)
        return self._bypass.seconds == self._seconds and late <= later.SAME_END

    def describe(self, outcome: Outcome) -> None:
        """Add the end to what is shown, if it changes."""
        if self.changes:
            outcome.before["ends"] = later.as_utc(self._bypass.until) if self._bypass else ""
            outcome.after["ends"] = f"in {self._lasts}" if self._arms else ""

    def arrange(self) -> list[str]:
        """Arm the end, or forget it; return a warning when that cannot be had: the factor is off anyway."""
        if not self.changes:
            return []
        calls = [["auth.twofactor.update", {"enabled": True}]]
        until = time.time() + self._seconds
        wanted = later.Later(until, calls, audit.account_behind(), self._reason, seconds=self._seconds)
        try:
            later.disarm(later.BYPASS)
            return later.arm(later.BYPASS, wanted) if self._arms else []
        except (OSError, TwofactorError) as error:
            return [f"{_NOT_BACK}: {error}"]


def _forget_pending() -> list[str]:
    """Drop a change that waits: what it would be taken back to is no longer wanted."""
    try:
        later.disarm(later.PENDING)
    except OSError as error:
        return [f"A change that waited to be confirmed may still be taken back: {error.strerror}."]
    return []


def _is_enabled(nas: Middleware) -> bool | None:
    """Tell whether the second factor is on; None when a middleware that answers cannot say so."""
    try:
        answer = nas.read("auth.twofactor.config")
    except TwofactorError as error:
        if error.code in _UNREACHABLE:
            raise
        return None
    enabled = answer.get("enabled") if isinstance(answer, dict) else None
    return enabled if isinstance(enabled, bool) else None


def _switch_off(nas: Middleware) -> None:
    answer = nas.change(OFF)
    if not isinstance(answer, dict) or answer.get("enabled") is not False:
        raise rubbish(OFF.method)


def _reload_ssh(nas: Middleware) -> list[str]:
    """Have SSH ask for no code any more; return a warning when it still does: the settings say off anyway."""
    why = f"{oath.SSH_SERVICE} still has it"
    try:
        _reload(nas)
    except TwofactorError as error:
        why = str(error)
    if not oath.ssh_asks():
        return []
    remedy = "Restart its SSH service in the web interface, or this NAS. Keys are not asked for a code."
    return [f"The second factor is disabled, but SSH still asks for a code: {why} {remedy}"]


def _reload(nas: Middleware) -> None:
    try:
        nas.change(_RELOAD)
    except wire.ApiError as error:
        if not error.no_method:
            raise
        nas.change(_OLD_RELOAD)
