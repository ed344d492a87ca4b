# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins for which Match blocks of this host's sshd could let in with less than is declared.

Reads the host. Private to this collection: may change at any time.
"""

from __future__ import annotations

import grp
import ipaddress
import pwd
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    paths,
    sshd,
    sshd_check,
    sshd_match,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_match import (
    Accounts,
    Block,
    Login,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt

_MOST = 60
"""Logins that sshd is asked about, which takes some hundredths of a second each."""
_ALWAYS = frozenset({"pamservicename"})
"""The keyword that the drop-in leaves alone, since an older sshd would not take it."""
_OUTRANKED = frozenset({"authenticationmethods"})
"""The keyword that counts in a Match block only where the drop-in is not read first."""


@dataclass(frozen=True)
class Visits:
    """Logins to ask sshd about, and Match blocks that cannot be tried, as they stand in the configuration."""

    visitors: tuple[Visitor, ...] = ()
    untried: tuple[str, ...] = ()


def find(host: Host, main: str, exempt: Exempt, ordinary: str, *, dropin_counts: bool) -> Visits:
    """Return the logins that the Match blocks of a configuration tell apart.

    ``main`` is the text of sshd_config, ``ordinary`` a user who is not exempt; ``dropin_counts`` says that the drop-in
    is as it would be written and read first.
    """
    blocks = sshd_match.blocks(main, lambda value: _included(host, value, without_ours=dropin_counts))
    keywords = _ALWAYS if dropin_counts else _ALWAYS | _OUTRANKED
    relevant = [block for block in blocks if block.keywords & keywords and not block.is_for_all]
    if not relevant:
        return Visits()
    named = sshd_match.named_users(blocks)
    accounts = _accounts()
    logins = [
        login
        for block in relevant
        if block.can_be_tried
        for login in sshd_match.logins(block, accounts, named)
    ]
    judge = _Exemptions(exempt, accounts)
    visitors = tuple(dict.fromkeys(judge.visitor(login, ordinary) for login in logins))
    untried = [_line(block) for block in relevant if not block.can_be_tried]
    if visitors[_MOST:]:
        untried.append(f"(and {len(visitors) - _MOST} more logins than are tried)")
    return Visits(visitors[:_MOST], tuple(dict.fromkeys(untried)))


def _included(host: Host, value: str, *, without_ours: bool) -> Iterator[str]:
    for pattern in sshd.include_patterns(value):
        for path in host.glob(pattern):
            if not (without_ours and path == paths.SSHD_DROPIN):
                yield host.read(path) or ""


def _line(block: Block) -> str:
    return "Match " + " ".join(f"{name} {value}".strip() for name, value in block.criteria)


def _accounts() -> Accounts:
    users = pwd.getpwall()
    groups = {
        group.gr_name: tuple(
            {*group.gr_mem, *(user.pw_name for user in users if user.pw_gid == group.gr_gid)}
        )
        for group in grp.getgrall()
    }
    return Accounts(tuple(user.pw_name for user in users), groups)


class _Exemptions:
    """Who logs in by SSH with a key alone."""

    def __init__(self, exempt: Exempt, accounts: Accounts) -> None:
        members = [name for group in exempt.groups for name in accounts.groups.get(group, ())]
        self._users = {*exempt.users, *members}
        self._networks = [ipaddress.ip_network(network) for network in exempt.networks]

    def visitor(self, login: Login, ordinary: str) -> Visitor:
        user, address = login.user or ordinary, login.address or sshd_check.SOMEWHERE
        more = (*((("host", login.host),) if login.host else ()), *login.more)
        return Visitor(user, address, user in self._users or self._is_exempt(address), more)

    def _is_exempt(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
