# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that waits to be confirmed, and what becomes of it.

Private to this collection: may change at any time. It is in effect already; unless somebody confirms it over a new
connection, which proves that one can still get in, the host takes it back by itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    audit,
    daemon,
    files,
    journal,
    paths,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.journal import Journal

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_SLACK = 1.0
"""Seconds by which a timer may come early."""


def prepare(change: Change) -> Journal:
    """Arm the host to take the change back, and return the journal entry that it then needs.

    Raises TwofactorError when the host cannot be armed; the change must not be made then.
    """
    agent.install()
    agent.arm(change.confirm_within + _SLACK / 2, "expire")
    reason = (change.ssh or {}).get("reason") or (change.policy or {}).get("reason") or ""
    return Journal(
        files={},
        deadline=time.monotonic() + change.confirm_within,
        boot_id=(read_text(_BOOT_ID) or "").strip(),
        connection=audit.connection(),
        by=audit.account_behind(),
        reason=str(reason),
    )


def is_overdue(entry: Journal) -> bool:
    """Tell whether a change has waited for too long; after a reboot it always has."""
    if entry.boot_id != (read_text(_BOOT_ID) or "").strip():
        return True
    return time.monotonic() >= entry.deadline - _SLACK


def always(entry: Journal) -> bool:
    """Tell that a change is to be taken back, however long it has waited."""
    return bool(entry)


def seconds_left(entry: Journal) -> float:
    """Return how many seconds there are to confirm a change."""
    return 0.0 if is_overdue(entry) else entry.deadline - time.monotonic()


def refuse_second() -> None:
    """Refuse a change while another one waits: taking that one back would undo this one too."""
    entry = journal.read(paths.PENDING)
    if entry is None:
        return
    raise TwofactorError(
        "change_pending",
        f"A change by '{entry.by}' waits to be confirmed, for {seconds_left(entry):.0f} s yet.",
        "Confirm or revert it with fleetauth.twofactor.twofactor_change, or wait until it has reverted itself.",
    )


def settle(confirmed: bool, check_mode: bool) -> Outcome:
    """Let a pending change stand, or take it back now.

    Raises TwofactorError when it has been taken back already, or is confirmed over the connection that made it.
    """
    entry = journal.read(paths.PENDING)
    if entry is None:
        if confirmed:
            _refuse_reverted()
        return Outcome()
    if confirmed:
        _refuse_same_connection(entry)
    outcome = Outcome(changed=True, before={"pending": True}, after={"pending": False})
    if check_mode:
        return outcome
    if confirmed:
        journal.forget(paths.PENDING)
        audit.log("confirmed", made_by=entry.by)
    else:
        _revert(entry, "asked for")
    return outcome


def _refuse_same_connection(entry: Journal) -> None:
    here = audit.connection()
    if here and here == entry.connection:
        raise TwofactorError(
            "confirm_same_connection",
            "This is the connection that made the change, which proves nothing about getting in.",
            "Open a new one first ('meta: reset_connection' in a playbook), then confirm.",
        )


def _refuse_reverted() -> None:
    text = read_text(paths.REVERTED)
    if text is not None:
        try:
            why = str(json.loads(text)["why"])
        except (ValueError, KeyError, TypeError, RecursionError):
            why = "why is not known any more"
        raise TwofactorError(
            "change_reverted",
            f"The host has taken the change back: {why}.",
            "Find out why nobody could confirm it (can Ansible log in?), then run again.",
        )


def revert_if(condition: Callable[[Journal], bool], why: str) -> None:
    """Take a pending change back if there is one and ``condition`` holds for it."""
    entry = journal.read(paths.PENDING)
    if entry is not None and condition(entry):
        _revert(entry, why)


def _revert(entry: Journal, why: str) -> None:
    journal.put_back(entry.files, daemon.reload_sshd)
    files.replace(paths.REVERTED, json.dumps({"when": time.time(), "why": why}) + "\n", 0o600)
    journal.forget(paths.PENDING)
    audit.log("reverted", made_by=entry.by, why=why)
