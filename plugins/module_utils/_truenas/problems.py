# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong on a NAS: a code, a sentence and a remedy for each problem.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import INTERVALS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import guard, later, oath

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.report import Facts

_Problem = dict[str, str]

BYPASS_GRACE = 90.0
"""Seconds after its end in which a bypass may still be there: its timer, and a middleware that is starting."""


def find(facts: Facts) -> list[_Problem]:
    """Return every problem of a NAS."""
    parts = (_release, _clock, _files, _people, _tokens, _bypasses)
    return [problem for part in parts for problem in part(facts)]


def find_waiting(waiting: later.Later | None, bypass: later.Later | None) -> list[_Problem]:
    """Return a problem for what is so for a while only: a change to confirm, and the second factor being off."""
    found = []
    if waiting is not None:
        left = max(0.0, waiting.until - time.time())
        found.append(
            _problem(
                "change_pending",
                f"A change by '{waiting.by}' waits to be confirmed, for {left:.0f} s yet.",
                "Confirm or revert it with fleetauth.twofactor.twofactor_change.",
            )
        )
    if bypass is not None:
        over = bypass.until < time.time() - BYPASS_GRACE
        end = later.as_utc(bypass.until)
        found.append(
            _problem(
                "bypass_overdue" if over else "bypass",
                f"The second factor is off for the whole host until {end}, by '{bypass.by}': {bypass.reason}.",
                "Its end has passed: switch it on with state: enabled, and see journalctl -t twofactor."
                if over
                else "It ends by itself; end it now with state: enabled.",
            )
        )
    return found


def _problem(code: str, message: str, remedy: str = "") -> _Problem:
    return {"code": code, "message": message, "remedy": remedy}


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")


def _release(facts: Facts) -> Iterator[_Problem]:
    if facts.warning:
        yield _problem("release_unknown", facts.warning, "Upgrade this collection.")
    for method in facts.unread:
        yield _problem("not_readable", f"TrueNAS refused to answer {method}, so this report is without it.")


def _clock(facts: Facts) -> Iterator[_Problem]:
    clock = facts.clock
    if not clock.synchronised:
        yield _problem(
            "clock_unsynchronised",
            "The clock is not synchronised, so right codes may be refused.",
            "Run the role fleetauth.twofactor.ntp, and check that its servers can be reached.",
        )
    elif clock.offset is not None and abs(clock.offset) > guard.CLOCK_TOLERANCE:
        yield _problem(
            "clock_off",
            f"The clock is off by {clock.offset:.1f} s.",
            "Wait for chrony to correct it, or step it with 'chronyc makestep'.",
        )


def _files(facts: Facts) -> Iterator[_Problem]:
    if facts.pam_asks is None or facts.pam_asks == facts.state.ssh_asks:
        return
    if facts.pam_asks:
        code, is_so = "ssh_still_asking", "SSH asks for a code although that is switched off"
    else:
        code, is_so = "ssh_not_asking", "SSH does not ask for a code although that is switched on"
    yield _problem(
        code,
        f"{is_so}: {oath.SSH_SERVICE} is not as the middleware's settings have it.",
        f"Run the role again, or '{_restart_of_ssh(facts)}' on the host.",
    )


def _restart_of_ssh(facts: Facts) -> str:
    """Return the command that has TrueNAS write the files of SSH again."""
    if facts.snap.release.service == "control":
        return "midclt call service.control RESTART ssh"
    return "midclt call service.restart ssh"


def _people(facts: Facts) -> Iterator[_Problem]:
    if not facts.state.enabled:
        return
    enrolled = set(facts.state.enrolled)
    if not enrolled:
        yield _problem(
            "nobody_enrolled",
            "The second factor is on, and no user has a secret.",
            "Enrol users with fleetauth.twofactor.twofactor_secret.",
        )
    refused = guard.shut_out(facts.state, facts.snap)
    if refused:
        yield _problem(
            "user_shut_out",
            f"SSH refuses the passwords of users without a secret: {_some(refused)}.",
            "Enrol them, or take SSH password login away from them; keys are never asked for a code.",
        )
    accounts = facts.snap.accounts or {}
    unasked = sorted(n for n, a in accounts.items() if a.roles and a.can_log_in and n not in enrolled)
    if unasked and facts.snap.release.secrets == "user":
        yield _problem(
            "unenrolled_allowed",
            f"The web interface lets users without a secret in with their password alone: {_some(unasked)}.",
            "Enrol them.",
        )


def _tokens(facts: Facts) -> Iterator[_Problem]:
    snap, enrolled = facts.snap, list(facts.state.enrolled)
    listed = facts.state.enabled and (snap.release.oath_file == "enabled" or facts.state.ssh)
    stale = [name for name in enrolled if name not in snap.tokens] if listed else []
    if stale:
        yield _problem(
            "users_oath_stale",
            f"{oath.PATH} does not list {_some(stale)}, so PAM knows nothing of their secrets: SSH refuses them, and "
            "from 25.04.1 on the web interface does not ask them.",
            "Renew the secret of one user, which has TrueNAS write the file anew.",
        )
    broken = [name for name in enrolled if name in snap.tokens and not snap.tokens[name].usable]
    if broken or (snap.settings.interval is not None and snap.settings.interval not in INTERVALS):
        whose = _some(broken) if broken else f"the system ({snap.settings.interval} s)"
        yield _problem(
            "interval_unusable",
            f"PAM reads only intervals of 30 and 60 s, and not that of {whose}: no code is right on SSH, and 26.0 "
            "lets in without one.",
            "Renew with interval: 30 or 60.",
        )
    unknown = [name for name in enrolled if name not in snap.tokens and name not in stale]
    if unknown and snap.release.user_config == "private":
        yield _problem(
            "private_methods",
            f"The digits and interval of {_some(unknown)} are not known: this release tells them only through methods "
            "that it calls private, and that a later one may take away.",
            "They are read from users.oath once the second factor is on.",
        )


def _bypasses(facts: Facts) -> Iterator[_Problem]:
    if facts.state.enabled and facts.api_keys and not facts.stig:
        yield _problem(
            "api_keys_bypass",
            f"API keys let in without a code: {_some(facts.api_keys)}.",
            "Delete those that are not needed, and keep the others as safe as a password and a code together.",
        )
    if facts.stig:
        yield _problem(
            "stig",
            "STIG mode is on: TrueNAS refuses to switch the second factor off, in an emergency too.",
            "Have another way in ready, such as the console of the NAS.",
        )
