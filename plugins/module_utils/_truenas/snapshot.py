# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has been read of a NAS, as typed data without a secret, and how much of it a change needs.

Private to this collection: may change at any time. Each read is a call that starts a Python on the host, so only what
a change needs is read, side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    middleware,
    oath,
    releases,
    wire,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.notes import Notes

LOCAL_USERS = ("user.query", [["local", "=", True]])
"""Without the filter 24.10 and later answer every user of a directory as well."""
_NO_LOGIN = ("nologin", "false")
_NO_PASSWORD = ("", "*", "!", "!!")
"""What stands for a password hash where there is none, as for accounts that TrueNAS comes with."""


@dataclass(frozen=True)
class Settings:
    """``auth.twofactor.config``. ``digits``, ``interval`` and ``has_secret`` are None where they are users' own."""

    enabled: bool
    ssh: bool
    window: int
    services: dict[str, object] = field(default_factory=dict)
    digits: int | None = None
    interval: int | None = None
    has_secret: bool | None = None


@dataclass(frozen=True)
class Account:
    """A user of the NAS. ``can_log_in``: has a password and a shell to use it for.

    ``ssh_password`` is the flag of the account; there is none before 23.10, nor always for users of a directory.
    """

    id: int
    name: str
    enrolled: bool = False
    can_log_in: bool = False
    ssh_password: bool = False
    groups: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class SshSettings:
    """What matters here of ``ssh.config``, whose private keys are left where they are."""

    rootlogin: bool | None = None
    adminlogin: bool | None = None
    passwordauth: bool = False
    password_login_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """A NAS at one moment. What was not needed is None."""

    release: releases.Release
    version: str
    settings: Settings
    warnings: tuple[str, ...] = ()
    accounts: dict[str, Account] | None = None
    ssh: SshSettings | None = None
    password_group_members: tuple[str, ...] = ()
    tokens: dict[str, oath.Token] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    def enrolled(self) -> list[str]:
        """Return who has a secret; before 23.10 that is root or nobody."""
        if self.release.secrets == "root":
            return ["root"] if self.settings.has_secret else []
        return sorted(name for name, account in (self.accounts or {}).items() if account.enrolled)


def read(nas: Middleware, change: Change, notes: Notes, tokens: dict[str, oath.Token]) -> Snapshot:
    """Return what is needed to plan ``change``, in one round of calls."""
    policy, ssh = change.policy or {}, change.ssh or {}
    requests: list[tuple[Any, ...]] = [("system.version",), ("auth.twofactor.config",)]
    root_login = ssh.get("root_login") in ("allowed", "denied")
    exempting = policy.get("exempt_users") or ssh.get("exempt_users")
    if change.secrets or root_login or exempting or {"digits", "interval"} & set(policy):
        requests.append(LOCAL_USERS)
    if root_login:
        requests.append(("ssh.config",))
    answers = {request[0]: answer for request, answer in zip(requests, nas.read_all(requests))}
    version, found = release_of(nas, answers["system.version"])
    snap = Snapshot(
        release=found.release,
        version=version,
        settings=settings(answers["auth.twofactor.config"]),
        warnings=(found.warning,) if found.warning else (),
        tokens=tokens,
        notes=notes,
    )
    if "user.query" in answers:
        snap = replace(snap, accounts=accounts(answers["user.query"]))
    if "ssh.config" in answers:
        snap = replace(snap, ssh=ssh_settings(answers["ssh.config"]))
    return snap


def release_of(nas: Middleware, answer: object) -> tuple[str, releases.Found]:
    """Return the version and its row; asked of ``system.info`` where ``system.version`` is gone."""
    if isinstance(answer, wire.ApiError) and answer.no_method:
        answer = middleware.row(nas.read("system.info"), "system.info").get("version")
    version = middleware.text(answer, "system.version")
    return version, releases.find(version)


def for_guard(nas: Middleware, snap: Snapshot) -> Snapshot:
    """Add what the guard needs to know: who logs in by password."""
    requests: list[tuple[Any, ...]] = []
    if snap.accounts is None:
        requests.append(LOCAL_USERS)
    if snap.ssh is None:
        requests.append(("ssh.config",))
    answers = (
        {request[0]: answer for request, answer in zip(requests, nas.read_all(requests))} if requests else {}
    )
    if "user.query" in answers:
        snap = replace(snap, accounts=accounts(answers["user.query"]))
    if "ssh.config" in answers:
        snap = replace(snap, ssh=ssh_settings(answers["ssh.config"]))
    groups = snap.ssh.password_login_groups if snap.ssh else ()
    if not groups:
        return snap
    members = group_members(nas.read("group.query", [["group", "in", list(groups)]]), snap.accounts or {})
    return replace(snap, password_group_members=members)


def group_members(answer: object, known: dict[str, Account]) -> tuple[str, ...]:
    """Return the local users in any of the groups that ``group.query`` has returned."""
    found = middleware.rows(answer, "group.query")
    groups = {entry.get("id") for entry in found}
    users = {number for entry in found for number in entry.get("users") or []}
    return tuple(
        sorted(name for name, account in known.items() if account.id in users or groups & set(account.groups))
    )


def with_token_settings(nas: Middleware, snap: Snapshot, names: list[str]) -> Snapshot:
    """Ask the middleware for the digits and interval of users whom users.oath does not list."""
    missing = [name for name in names if name not in snap.tokens]
    if not missing or snap.release.user_config == "absent":
        return snap
    answers = nas.read_all([("user.twofactor_config", name) for name in missing])
    tokens = dict(snap.tokens)
    for name, answer in zip(missing, answers):
        found = token(answer)
        if found is not None:
            tokens[name] = found
    return replace(snap, tokens=tokens)


def token(answer: object) -> oath.Token | None:
    """Return what ``user.twofactor_config`` says of a user's codes; nothing of the secret in it."""
    if not isinstance(answer, dict) or "interval" not in answer or "otp_digits" not in answer:
        return None
    return oath.Token(int(answer["otp_digits"]), int(answer["interval"]))


def settings(answer: object) -> Settings:
    """Return the entry of ``auth.twofactor.config``; of a secret in it, only that there is one."""
    entry = middleware.row(answer, "auth.twofactor.config")
    services = entry.get("services")
    if not isinstance(entry.get("enabled"), bool) or not isinstance(services, dict):
        raise middleware.rubbish("auth.twofactor.config")
    return Settings(
        enabled=entry["enabled"],
        ssh=bool(services.get("ssh", False)),
        window=int(entry.get("window", 0)),
        services=dict(services),
        digits=entry.get("otp_digits"),
        interval=entry.get("interval"),
        has_secret=bool(entry["secret"]) if "secret" in entry else None,
    )


def accounts(answer: object) -> dict[str, Account]:
    """Return the users of ``user.query`` by name; of their passwords, only whether they have one."""
    found = {}
    for entry in middleware.rows(answer, "user.query"):
        try:
            account = _account(entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise middleware.rubbish("user.query") from None
        found[account.name] = account
    return found


def _account(entry: dict[str, Any]) -> Account:
    shell = str(entry.get("shell") or "").rsplit("/", 1)[-1]
    closed = entry.get("password_disabled") or entry.get("locked") or entry.get("unixhash") in _NO_PASSWORD
    primary = (entry.get("group") or {}).get("id")
    return Account(
        id=int(entry["id"]),
        name=str(entry["username"]),
        enrolled=bool(entry.get("twofactor_auth_configured")),
        can_log_in=not closed and shell not in ("", *_NO_LOGIN),
        ssh_password=bool(entry.get("ssh_password_enabled")),
        groups=tuple(number for number in [primary, *(entry.get("groups") or [])] if isinstance(number, int)),
        roles=tuple(str(role) for role in entry.get("roles") or ()),
    )


def ssh_settings(answer: object) -> SshSettings:
    """Return what matters of ``ssh.config``."""
    entry = middleware.row(answer, "ssh.config")
    return SshSettings(
        rootlogin=entry.get("rootlogin"),
        adminlogin=entry.get("adminlogin"),
        passwordauth=bool(entry.get("passwordauth")),
        password_login_groups=tuple(str(name) for name in entry.get("password_login_groups") or ()),
    )
