# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: reasons why a change would shut somebody out, or would only look like protection.

Pure code: what it needs to know is handed to it. Private to this collection: may change at any time. The codes are
listed in docs/guard.md.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared, Exempt

CLOCK_TOLERANCE = 10.0
"""Seconds. A clock that is off by more makes codes fail that are right."""


@dataclass(frozen=True)
class Account:
    """An account that could log in by SSH if sshd let it: its shell is one."""

    name: str
    groups: tuple[str, ...] = ()
    has_password: bool = False
    has_key: bool = False


@dataclass(frozen=True)
class OwnLogin:
    """How Ansible itself came in: the account, and the client's address."""

    account: str
    address: str


@dataclass(frozen=True)
class SshFacts:
    """What sshd says without our drop-in (``sshd -T``): who may come at all, and with what."""

    passwords: bool = True
    root_login: str = "without-password"
    allow_users: tuple[str, ...] = ()
    deny_users: tuple[str, ...] = ()
    allow_groups: tuple[str, ...] = ()
    deny_groups: tuple[str, ...] = ()

    def lets_come(self, account: Account) -> bool:
        """Tell whether AllowUsers and its likes let an account come (sshd_config(5))."""
        if _named(account.name, self.deny_users) or _grouped(account, self.deny_groups):
            return False
        if self.allow_users and not _named(account.name, self.allow_users):
            return False
        return not self.allow_groups or _grouped(account, self.allow_groups)


def _named(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of sshd's patterns means a user; the host part of USER@HOST is taken to fit."""
    return any(fnmatch.fnmatchcase(name, pattern.partition("@")[0]) for pattern in patterns)


def _grouped(account: Account, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(group, pattern) for group in account.groups for pattern in patterns)


@dataclass(frozen=True)
class Facts:
    """All that the guard judges by. ``clock_offset`` in seconds, None when unknown."""

    accounts: tuple[Account, ...]
    ssh: SshFacts
    synchronised: bool
    clock_offset: float | None = None
    own: OwnLogin | None = None
    verified: frozenset[str] = frozenset()
    broken_tokens: dict[str, str] = field(default_factory=dict)
    other_modules: dict[str, str] = field(default_factory=dict)
    """PAM service to the other one-time-code module that it asks already."""
    other_ways: tuple[TwofactorError, ...] = ()
    """Ways into a service that is to ask which ask nobody."""
    unknown_keys: frozenset[str] = frozenset()
    """Accounts whose files with SSH keys could not be read; ``has_key`` is false for them."""


@dataclass(frozen=True)
class Situation:
    """What is declared, who has a token, and which services ask: before or after the change."""

    declared: Declared
    enrolled: frozenset[str]
    services: tuple[str, ...] = ()

    @property
    def lenient(self) -> bool:
        """Tell whether users without a token get in without a code."""
        return self.declared.policy.unenrolled == "allow"

    def can_ssh(self, account: Account, facts: Facts) -> bool:
        """Tell whether an account can log in by SSH."""
        if not facts.ssh.lets_come(account):
            return False
        if not self.declared.ssh_asks():
            return self._can_without(account, facts)
        if _is_exempt(account, self._exempt_from_ssh()):
            return account.has_key and self._root_may(account, facts, by_key=True)
        return any(self._can_by(method, account, facts) for method in self.declared.ssh.methods)

    def _exempt_from_ssh(self) -> Exempt:
        return self.declared.ssh.exempt(self.declared.policy)

    def _can_without(self, account: Account, facts: Facts) -> bool:
        by_key = account.has_key and self._root_may(account, facts, by_key=True)
        by_password = account.has_password and facts.ssh.passwords
        return by_key or (by_password and self._root_may(account, facts, by_key=False))

    def _can_by(self, method: str, account: Account, facts: Facts) -> bool:
        if method == "key":
            return account.has_key and self._root_may(account, facts, by_key=True)
        has = account.has_key if method == "key_and_code" else account.has_password
        shows = account.name in self.enrolled or self.lenient
        return has and shows and self._root_may(account, facts, by_key=False)

    def _root_may(self, account: Account, facts: Facts, *, by_key: bool) -> bool:
        if account.name != "root":
            return True
        said = self.declared.ssh.root_login if self.declared.ssh_asks() else "unmanaged"
        if said != "unmanaged":
            return said == "allowed"
        allowed = ("yes", "without-password", "prohibit-password") if by_key else ("yes",)
        return facts.ssh.root_login in allowed

    def lost_services(self, account: Account) -> tuple[str, ...]:
        """Return the services besides SSH that an account cannot use for want of a token."""
        if account.name in self.enrolled or self.lenient or not account.has_password:
            return ()
        return () if _is_exempt(account, self.declared.policy.exempt) else self.services


def _is_exempt(account: Account, exempt: Exempt) -> bool:
    return account.name in exempt.users or bool(set(account.groups) & set(exempt.groups))


def reasons(
    before: Situation, after: Situation, facts: Facts, leaving: Iterable[str] = (), *, tightens: bool = True
) -> list[TwofactorError]:
    """Return every reason why ``after`` must not come about; ``leaving`` are users whose tokens are taken away.

    What is wrong with the host as it is, its clock for one, is a reason only against a change that ``tightens``.
    """
    if after.declared.policy.state != "enabled":
        return []
    as_it_is = [*_clock(facts), *_tokens(after, facts), *_other_modules(facts), *facts.other_ways]
    found = as_it_is if tightens else []
    if not after.lenient and not after.enrolled:
        found.append(
            TwofactorError(
                "nobody_enrolled",
                "No user of this host would have a token, so nobody could show a code.",
                "Enrol users first (or in the same call), or begin with unenrolled: allow.",
            )
        )
    found += _shut_out(before, after, facts, set(leaving))
    if after.declared.ssh_asks():
        found += [*_own_way_back(after, facts), *_sure_way_in(before, after, facts)]
    return found


def _clock(facts: Facts) -> list[TwofactorError]:
    if not facts.synchronised:
        return [
            TwofactorError(
                "clock_unsynchronised",
                "The clock of this host is not synchronised, so right codes would be refused sooner or later.",
                "Run the role fleetauth.twofactor.ntp first.",
            )
        ]
    if facts.clock_offset is not None and abs(facts.clock_offset) > CLOCK_TOLERANCE:
        return [
            TwofactorError(
                "clock_off",
                f"The clock of this host is off by {facts.clock_offset:+.1f} s; codes would be refused.",
                "Wait for chrony to correct it, or step it with 'chronyc makestep'.",
            )
        ]
    return []


def _tokens(after: Situation, facts: Facts) -> list[TwofactorError]:
    return [
        TwofactorError(
            "token_file_broken",
            sentence,
            "Renew the user's secret, or remove the user's tokens with state: absent and enrol again.",
        )
        for user, sentence in sorted(facts.broken_tokens.items())
        if user in after.enrolled
    ]


def _other_modules(facts: Facts) -> list[TwofactorError]:
    return [
        TwofactorError(
            "other_code_module",
            f"The PAM service '{service}' asks for a code of {module} already; two codes would be asked for.",
            f"Take {module} out of its service file first, or leave the service out.",
        )
        for service, module in sorted(facts.other_modules.items())
    ]


def _shut_out(before: Situation, after: Situation, facts: Facts, leaving: set[str]) -> list[TwofactorError]:
    by_ssh, by_service = [], {}
    for account in facts.accounts:
        if account.name in leaving:
            continue
        own = facts.own if facts.own and facts.own.account == account.name else None
        stays = after.can_ssh(account, facts) or (own is not None and _from_exempt_network(after, own))
        if before.can_ssh(account, facts) and not stays and not _denied(account, after):
            by_ssh.append(account)
        lost = set(after.lost_services(account)) - set(before.lost_services(account))
        if lost:
            by_service[account.name] = sorted(lost)
    found = [
        TwofactorError(
            "user_shut_out",
            f"User '{account.name}' can log in by SSH today and could not afterwards: {_why(account, after)}.",
            "Enrol or exempt the user (exempt accounts need a key), or give what is missing"
            + ("; root_login: denied if root is not to log in." if account.name == "root" else "."),
        )
        for account in by_ssh
    ]
    return found + [
        TwofactorError(
            "user_shut_out",
            f"User '{name}' has a password and no token, and could no longer use {', '.join(services)}.",
            "Enrol the user, name the user in exempt_users, or begin with unenrolled: allow.",
        )
        for name, services in sorted(by_service.items())
    ]


def _denied(account: Account, after: Situation) -> bool:
    """Tell whether it is declared that an account shall not log in by SSH: then nobody is shut out by accident."""
    return account.name == "root" and after.declared.ssh_asks() and after.declared.ssh.root_login == "denied"


def advice(before: Situation, after: Situation, facts: Facts) -> list[str]:
    """Return what is no reason against ``after``, since nobody loses by it, and still not what was meant.

    Root with a token where sshd takes nothing but a key from root: a token is given to somebody who shall use it. A
    root without one, or one that PermitRootLogin or root_login keeps out altogether, is not supposed to log in.
    """
    root = next((one for one in facts.accounts if one.name == "root" and one.name in after.enrolled), None)
    if root is None or not after.declared.ssh_asks() or after.can_ssh(root, facts):
        return []
    allowed = replace(after.declared, ssh=replace(after.declared.ssh, root_login="allowed"))
    takes_keys_only = after.declared.ssh.root_login == "unmanaged" and facts.ssh.root_login not in (
        "yes",
        "no",
    )
    if before.can_ssh(root, facts) or not takes_keys_only:
        return []
    if not replace(after, declared=allowed).can_ssh(root, facts):
        return []
    said = f"sshd says PermitRootLogin {facts.ssh.root_login}, which refuses codes"
    what_to_do = "Set root_login: allowed, or root_login: denied if root is not to log in."
    return [f"Root has a token and cannot log in by SSH with it: {said}. {what_to_do}"]


def _why(account: Account, after: Situation) -> str:
    if _is_exempt(account, after.declared.ssh.exempt(after.declared.policy)):
        return "it is exempt, for which it needs a key, and it has none"
    if account.name not in after.enrolled and not after.lenient:
        return "it has no token and is not exempt"
    firsts = []
    if "key_and_code" in after.declared.ssh.methods and not account.has_key:
        firsts.append("key")
    if "password_and_code" in after.declared.ssh.methods and not account.has_password:
        firsts.append("password")
    if len(firsts) == len({"key_and_code", "password_and_code"} & {*after.declared.ssh.methods}):
        return f"it has no {' and no '.join(firsts)}"
    return "sshd lets root log in with a code only with root_login: allowed"


def _own_way_back(after: Situation, facts: Facts) -> list[TwofactorError]:
    own = facts.own
    if own is None or _from_exempt_network(after, own):
        return []
    account = next((one for one in facts.accounts if one.name == own.account), None)
    if account is not None and after.can_ssh(account, facts):
        return []
    return [
        TwofactorError(
            "own_account_shut_out",
            f"Ansible logs in as '{own.account}' from {own.address}, which would have no way back in.",
            f"Name '{own.account}' in exempt_users (it then needs a key), or enrol it.",
        )
    ]


def _from_exempt_network(after: Situation, own: OwnLogin) -> bool:
    networks = after.declared.ssh.exempt(after.declared.policy).networks
    try:
        address = ipaddress.ip_address(own.address)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def _sure_way_in(before: Situation, after: Situation, facts: Facts) -> list[TwofactorError]:
    """Return why nobody is sure to get in: no exempt account, and nobody has ever shown a right code."""
    if before.declared.ssh_asks():
        return []
    able = [account for account in facts.accounts if after.can_ssh(account, facts)]
    if not able and (facts.own is None or not _from_exempt_network(after, facts.own)):
        return [
            TwofactorError(
                "nobody_could_log_in",
                "No account of this host could log in by SSH afterwards.",
                "Enrol or exempt somebody who has a key or a password, as the methods ask.",
            )
        ]
    exempt = after.declared.ssh.exempt(after.declared.policy)
    sure = [one for one in able if _is_exempt(one, exempt) or one.name in facts.verified]
    if sure or after.lenient or "key" in after.declared.ssh.methods or exempt.networks:
        return []
    return [
        TwofactorError(
            "nobody_verified",
            "Nobody is exempt, and no enrolled user has ever shown a right code, so that nobody is sure to get in.",
            "Let somebody prove a code first (fleetauth.twofactor.twofactor_verify), or exempt an account.",
        )
    ]
