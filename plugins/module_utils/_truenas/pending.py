# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that waits to be confirmed on a NAS, and what becomes of it.

Private to this collection: may change at any time. Settings are taken back; secrets are not, since TrueNAS cannot be
given the old ones, but a user whose secret stays behind loses nothing by it.
"""

from __future__ import annotations

import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import describe, later, root_login
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.later import PENDING, Later
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import (
    Call,
    Middleware,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.plan import Plan

_SWITCHES = ("user.update", "ssh.update")


def undo(plan: Plan, made: list[Call]) -> list[Call]:
    """Return the calls that take back the settings of those calls of ``plan`` that were ``made``, the last one first.

    Digits and interval stay: new ones came with new secrets, and 23.10 would wipe those with the old ones.
    """
    found = []
    for call in reversed(made):
        data = call.arguments[-1] if call.arguments else None
        if not isinstance(data, dict):
            continue
        if call.method == "auth.twofactor.update":
            back = {name: _before(plan, name) for name in data if name in ("enabled", "window", "services")}
        elif call.method == "user.update" and not _root_can_go_back(plan):
            continue
        elif call.method in _SWITCHES:
            back = {name: not value for name, value in data.items()}
        else:
            continue
        if back:
            found.append(Call(call.method, (*call.arguments[:-1], back), call.why))
    return found


def _root_can_go_back(plan: Plan) -> bool:
    """Tell whether TrueNAS will let root's account be changed once ``plan`` is taken back."""
    return plan.root_keeps_secret or not plan.before.enabled


def take_back(nas: Middleware, calls: list[Call]) -> list[tuple[Call, TwofactorError]]:
    """Make ``calls``; return those that failed, and why.

    What failed is tried once more after the others: root's account may be closed to changes until the second factor is
    off again. Each call sets a value, so that it may be repeated.
    """
    failed = _try_all(nas, calls)
    if len(failed) < len(calls):
        failed = _try_all(nas, [call for call, dummy in failed])
    return failed


def _try_all(nas: Middleware, calls: list[Call]) -> list[tuple[Call, TwofactorError]]:
    failed = []
    for call in calls:
        try:
            nas.change(call)
        except TwofactorError as error:
            failed.append((call, error))
    return failed


def _before(plan: Plan, name: str) -> object:
    if name == "services":
        return {**plan.before.services, "ssh": plan.before.ssh}
    return getattr(plan.before, name)


def arm(plan: Plan, change: Change, outcome: Outcome) -> bool:
    """Have the NAS take ``plan`` back unless it is confirmed; tell whether there is anything to take back."""
    calls = undo(plan, plan.calls)
    if not calls:
        return False
    reason = (change.ssh or {}).get("reason") or (change.policy or {}).get("reason") or ""
    wanted = Later(
        until=time.time() + change.confirm_within,
        calls=later.as_data(calls),
        by=audit.account_behind(),
        reason=str(reason),
        connection=audit.connection(),
    )
    outcome.warnings += later.arm(PENDING, wanted)
    outcome.result["pending"] = {"confirm_within": change.confirm_within}
    if plan.users.make or plan.users.removed:
        outcome.warnings.append(
            "confirm_within: New and removed secrets stay so when the change is taken back."
        )
    if root_login.changes_account(plan.calls) and not _root_can_go_back(plan):
        outcome.warnings.append(
            "confirm_within: root_login stays as well: TrueNAS does not change the account of a root without a secret."
        )
    return True


def after_failure(error: TwofactorError, *, stands: bool) -> TwofactorError:
    """Forget the way back where nothing of the change ``stands``; else return ``error`` with when it comes."""
    if not stands:
        later.disarm(PENDING)
        return error
    entry = later.read(PENDING)
    if entry is None:
        return error
    return describe.add_remedy(
        error,
        f"The NAS takes the settings back by itself in {seconds_left(entry):.0f} s. Take them back now with "
        "fleetauth.twofactor.twofactor_change: state=reverted.",
    )


def refuse_second() -> None:
    """Refuse a change while another one waits: taking that one back would undo this one too."""
    entry = later.read(PENDING)
    if entry is None:
        return
    raise TwofactorError(
        "change_pending",
        f"A change by '{entry.by}' waits to be confirmed, for {seconds_left(entry):.0f} s yet.",
        "Confirm or revert it with fleetauth.twofactor.twofactor_change, or wait until it has reverted itself.",
    )


def seconds_left(entry: Later) -> float:
    """Return how many seconds there are to confirm a change."""
    return max(0.0, entry.until - time.time())


def settle(nas: Middleware, confirmed: bool, check_mode: bool) -> Outcome:
    """Let a pending change stand, or take it back now.

    Raises TwofactorError when it has been taken back already, or is confirmed over the connection that made it.
    """
    entry = later.read(PENDING)
    if entry is None:
        if confirmed and later.was_reverted():
            raise _reverted()
        return Outcome()
    here = audit.connection()
    if confirmed and here and here == entry.connection:
        raise TwofactorError(
            "confirm_same_connection",
            "This is the connection that made the change, which proves nothing about getting in.",
            "Open a new one first ('meta: reset_connection' in a playbook), then confirm.",
        )
    outcome = Outcome(changed=True, before={"pending": True}, after={"pending": False})
    if check_mode:
        return outcome
    if not confirmed:
        _revert(nas, entry)
    if not later.disarm(PENDING) and confirmed:
        raise _reverted()
    audit.log(
        "confirmed" if confirmed else "reverted", made_by=entry.by, why="" if confirmed else "asked for"
    )
    return outcome


def _revert(nas: Middleware, entry: Later) -> None:
    """Take a change back. Raises TwofactorError when a part of it stands; the NAS then goes on trying by itself."""
    failed = take_back(nas, [Call(str(call[0]), tuple(call[1:])) for call in entry.calls])
    if failed:
        raise TwofactorError(
            "revert_incomplete",
            f"A part of the change could not be taken back: {' '.join(str(error) for dummy, error in failed)}",
            f"The NAS tries it again by itself in {seconds_left(entry):.0f} s and when it is restarted.",
        )


def _reverted() -> TwofactorError:
    return TwofactorError(
        "change_reverted",
        "The NAS has taken the change back: nobody confirmed it in time.",
        "Find out why nobody could confirm it (can Ansible log in?), then run again.",
    )
