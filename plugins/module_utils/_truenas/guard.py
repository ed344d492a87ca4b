# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: reasons why a change would shut somebody out, or would only look like protection.

Pure code. Private to this collection: may change at any time. TrueNAS itself checks none of this. What was so before is
no reason: a change that mends half of a bad state must go through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import (
    Account,
    Snapshot,
    SshSettings,
)

CLOCK_TOLERANCE = 10.0
"""Seconds. A clock that is off by more makes codes fail that are right."""


@dataclass(frozen=True)
class State:
    """Who would be asked for a code, and who could show one. ``root_password``: root may use its password on SSH."""

    enabled: bool
    ssh: bool
    enrolled: tuple[str, ...]
    root_password: bool | None = None

    @property
    def ssh_asks(self) -> bool:
        """Tell whether SSH asks for a code."""
        return self.enabled and self.ssh


def reasons(before: State, after: State, snap: Snapshot) -> list[TwofactorError]:
    """Return why ``after`` must not become so. ``snap`` has the accounts and the SSH settings."""
    return [*_nobody(before, after), *_shut_out(before, after, snap)]


def bad_clock(before: State, after: State, clock: Clock) -> list[TwofactorError]:
    """Return why codes would be refused that are right, when they are to be asked for from now on."""
    return list(_bad_clock(clock)) if after.enabled and not before.enabled else []


def _nobody(before: State, after: State) -> Iterator[TwofactorError]:
    was_so = before.enabled and not before.enrolled
    if after.enabled and not after.enrolled and not was_so:
        yield TwofactorError(
            "nobody_enrolled",
            "No user of this NAS would have a secret that anybody knows, so nobody could show a code.",
            "Enrol users first, or in the same call with return_secrets: true.",
        )


def _shut_out(before: State, after: State, snap: Snapshot) -> Iterator[TwofactorError]:
    names = sorted(set(shut_out(after, snap)) - set(shut_out(before, snap)))
    if names:
        yield TwofactorError(
            "user_shut_out",
            "SSH would refuse the passwords of users who may log in with them and have no secret: "
            f"{', '.join(names[:10])}{f' and {len(names) - 10} more' if names[10:] else ''}.",
            _remedy(snap),
        )


def _remedy(snap: Snapshot) -> str:
    if snap.release.secrets == "root":
        return "On this release only root can have a secret: have the others use keys, and switch password logins off."
    return "Enrol them (in the same call), or take SSH password login away from them; a key is never asked for a code."


def shut_out(state: State, snap: Snapshot) -> list[str]:
    """Return the users whose SSH password is worth nothing: a code is asked for and they have no secret."""
    if not state.ssh_asks:
        return []
    return [name for name in password_logins(state, snap) if name not in state.enrolled]


def password_logins(state: State, snap: Snapshot) -> list[str]:
    """Return the users who may log in to SSH by password."""
    found = []
    for name, account in sorted((snap.accounts or {}).items()):
        allowed = _may_use_password(account, snap, name in snap.password_group_members)
        if name == "root" and state.root_password is not None:
            allowed = state.root_password and account.can_log_in
        if allowed:
            found.append(name)
    return found


def _may_use_password(account: Account, snap: Snapshot, in_group: bool) -> bool:
    ssh = snap.ssh or SshSettings()
    if not account.can_log_in:
        return False
    if snap.release.root_login == "user":
        # Whether or not passwords are allowed at all now: it takes one more switch, and the flag says who is meant.
        return account.ssh_password or (in_group and ssh.passwordauth)
    if account.name == "root":
        return bool(ssh.rootlogin) and ssh.passwordauth
    if account.name == "admin" and ssh.adminlogin is not None and not ssh.adminlogin:
        return False
    return ssh.passwordauth


def _bad_clock(clock: Clock) -> Iterator[TwofactorError]:
    """Judge the clock where chrony says how it is; ntpd's and the kernel's word is not good enough to refuse on."""
    if clock.daemon != "chrony":
        return
    if not clock.synchronised:
        yield TwofactorError(
            "clock_unsynchronised",
            "The clock of this NAS is not synchronised, so right codes may be refused.",
            "Run the role fleetauth.twofactor.ntp, and check that its servers can be reached.",
        )
    elif clock.offset is not None and abs(clock.offset) > CLOCK_TOLERANCE:
        yield TwofactorError(
            "clock_off",
            f"The clock of this NAS is off by {clock.offset:.1f} s, so right codes would be refused.",
            "Wait until it is corrected, or step it with 'chronyc makestep' on the host.",
        )
