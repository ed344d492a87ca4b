# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anybody is asked for a code at all, with all who are exempt or let off.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import grp
import ipaddress
import os
import pwd
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared, Exempt

_NO_SHELL = ("nologin", "false", "sync", "shutdown", "halt", "git-shell")
_FIRST_USER = 1000
"""The first user id of people (UID_MIN in every distribution's /etc/login.defs)."""


@dataclass(frozen=True)
class Population:
    """Who may log in to a host, and which of them are in exempt groups."""

    users: frozenset[str]
    in_exempt_groups: frozenset[str] = frozenset()


def read(host: Host, exempt: Exempt, enrolled: Collection[str]) -> Population:
    """Return the accounts of people that may log in, as far as the host lists them; the enrolled ones in any case.

    Of accounts of the system those with a password count; root alone where it is enrolled. No file of a user's is read.
    """
    passwords = _with_password(host.read("/etc/shadow") or "")
    accounts = [
        user for user in pwd.getpwall() if os.path.basename(user.pw_shell or "/bin/sh") not in _NO_SHELL
    ]
    able = {
        user.pw_name
        for user in accounts
        if user.pw_uid >= _FIRST_USER or (user.pw_uid and user.pw_name in passwords)
    }
    members = set()
    for group in exempt.groups:
        with contextlib.suppress(KeyError):
            found = grp.getgrnam(group)
            members |= {*found.gr_mem, *(user.pw_name for user in accounts if user.pw_gid == found.gr_gid)}
    return Population(frozenset(able | set(enrolled)), frozenset(members))


def _with_password(shadow: str) -> set[str]:
    """Return who has a password that can be given (shadow(5)): a hash, neither locked nor empty."""
    rows = (line.split(":") for line in shadow.split("\n"))
    return {row[0] for row in rows if len(row) > 1 and len(row[1]) > 1 and row[1][0] not in "!*"}


def judge(
    declared: Declared,
    exempt: Exempt,
    population: Population,
    enrolled: Collection[str],
    let_off: Collection[str],
) -> list[TwofactorError]:
    """Return what is to be said where nobody is asked for a code; ``let_off`` are users with a bypass."""
    everywhere = [network for network in exempt.networks if ipaddress.ip_network(network).prefixlen == 0]
    if everywhere:
        return [_everybody(f"exempt_networks names {everywhere[0]}, which every address is in")]
    rest = population.users - {*exempt.users} - population.in_exempt_groups
    if population.users and not rest:
        return [_everybody("exempt_users and exempt_groups name everybody who may log in")]
    if enrolled and not rest & {*enrolled}:
        return [_everybody("exempt_users and exempt_groups name everybody who has a token")]
    asked = rest - {*let_off}
    if declared.policy.unenrolled == "allow":
        asked &= {*enrolled}
    if asked or not enrolled:
        return []
    return [
        TwofactorError(
            "nobody_asked",
            "No user who may log in is asked for a code: all are exempt, have a bypass or have no token.",
            "Enroll users, and end the bypasses and exemptions that are not needed.",
        )
    ]


def _everybody(why: str) -> TwofactorError:
    return TwofactorError(
        "everybody_exempt",
        f"Neither SSH nor a service that includes /etc/pam.d/twofactor asks anybody for a code, since {why}.",
        "Name only accounts, groups and networks in exempt_* that must log in without a code.",
    )
