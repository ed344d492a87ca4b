# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is effective on a NAS now. Never a secret.

Private to this collection: may change at any time. What a release does not have, or refuses to say, is left out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock, read_clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    directory,
    guard,
    later,
    middleware,
    oath,
    pending,
    problems,
    releases,
    root_login,
    snapshot,
    sshd,
    wire,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import Snapshot

_Data = dict[str, Any]

_REQUESTS: list[tuple[Any, ...]] = [
    ("system.info",),
    ("auth.twofactor.config",),
    snapshot.LOCAL_USERS,
    ("ssh.config",),
    ("service.query", [["service", "=", "ssh"]]),
    ("system.ntpserver.query",),
    ("api_key.query",),
    ("system.security.config",),
]


@dataclass(frozen=True)
class Facts:
    """Everything that was read, as typed data."""

    snap: Snapshot
    state: guard.State
    clock: Clock
    warning: str = ""
    now: float | None = None
    ntp_servers: list[str] = field(default_factory=list)
    service: _Data = field(default_factory=dict)
    api_keys: list[str] = field(default_factory=list)
    stig: bool = False
    unread: list[str] = field(default_factory=list)
    pam_asks: bool | None = None


def report(nas: Middleware) -> _Data:
    """Return the state of this NAS as plain data for twofactor_info."""
    facts = gather(nas)
    snap = facts.snap
    ssh = snap.ssh or snapshot.SshSettings()
    root = (snap.accounts or {}).get("root")
    asks = facts.state.ssh_asks if facts.pam_asks is None else facts.pam_asks
    may_root = root_login.may_use_password(snap.release, ssh, root)
    waiting = later.read(later.PENDING)
    bypass = None if snap.settings.enabled else _bypass()
    return {
        **({"pending": _pending_data(waiting)} if waiting else {}),
        "bypass": {"host": _bypass_data(bypass) if bypass else None, "users": {}},
        "platform": "truenas",
        "version": snap.version,
        "state": "enabled" if snap.settings.enabled else "disabled",
        "policy": {
            "state": "enabled" if snap.settings.enabled else "disabled",
            "digits": snap.settings.digits,
            "interval": snap.settings.interval,
            "window": snap.settings.window,
        },
        "services": [{"name": "web interface and API", "asks_code": snap.settings.enabled}],
        "ssh": {
            "state": "enabled" if asks else "disabled",
            "methods": ["password_and_code", "key"] if asks else [],
            "root_login": "yes" if may_root else "without-password",
            "running": facts.service.get("state") == "RUNNING",
        },
        "users": users(facts),
        "clock": {**asdict(facts.clock), "now": facts.now, "servers": facts.ntp_servers},
        "missing_packages": [],
        "problems": [*problems.find(facts), *problems.find_waiting(waiting, bypass)],
    }


def _bypass() -> later.Later | None:
    """Return until when the second factor is off, also when its end has begun and does not come about."""
    return later.read(later.BYPASS) or later.read(later.BYPASS, "begun")


def _pending_data(entry: later.Later) -> _Data:
    return {"by": entry.by, "reason": entry.reason, "seconds_left": round(pending.seconds_left(entry))}


def _bypass_data(entry: later.Later) -> _Data:
    return {"until": entry.until, "reason": entry.reason, "by": entry.by}


def users(facts: Facts) -> list[_Data]:
    """Return the users who have a secret, or who may log in by password without one."""
    snap, enrolled = facts.snap, set(facts.state.enrolled)
    logins = set(guard.password_logins(facts.state, snap))
    found = []
    for name in sorted(
        enrolled | logins | {n for n, a in (snap.accounts or {}).items() if a.roles and a.can_log_in}
    ):
        token = snap.tokens.get(name)
        has_one = name in enrolled
        found.append(
            {
                "name": name,
                "enrolled": has_one,
                "backup": False,
                "digits": token.digits if token else snap.settings.digits if has_one else None,
                "interval": token.interval if token else snap.settings.interval if has_one else None,
                "last_used": (token.last_used or None) if token else None,
                "ssh_password": name in logins,
            }
        )
    return found


def gather(nas: Middleware) -> Facts:
    """Read everything in one round. Raises TwofactorError when the second factor's own settings cannot be read."""
    answers = {request[0]: answer for request, answer in zip(_REQUESTS, nas.read_all(_REQUESTS))}
    info = middleware.row(answers["system.info"], "system.info")
    version = middleware.text(info.get("version"), "system.info")
    version = version if version.startswith("TrueNAS") else f"TrueNAS-{version}"
    found = releases.find(version)
    snap = Snapshot(
        release=found.release,
        version=version,
        settings=snapshot.settings(answers["auth.twofactor.config"]),
        accounts=snapshot.accounts(answers["user.query"]),
        ssh=snapshot.ssh_settings(answers["ssh.config"]),
        tokens=oath.read(),
    )
    groups = snap.ssh.password_login_groups if snap.ssh else ()
    if groups:
        members = nas.read("group.query", [["group", "in", list(groups)]])
        snap = replace(snap, password_group_members=snapshot.group_members(members, snap.accounts or {}))
    enrolled = sorted({*snap.enrolled(), *directory.listed_users(snap)})
    now = info.get("datetime")
    return Facts(
        snap=snap,
        state=guard.State(snap.settings.enabled, snap.settings.ssh, tuple(enrolled)),
        clock=read_clock(),
        warning=found.warning,
        now=now if isinstance(now, (int, float)) else None,
        ntp_servers=[str(entry.get("address")) for entry in _rows(answers, "system.ntpserver.query")],
        service=sshd.service_entry(answers["service.query"]),
        api_keys=[str(key.get("name")) for key in _rows(answers, "api_key.query") if not key.get("revoked")],
        stig=_has_stig(answers["system.security.config"]),
        unread=_unread(answers),
        pam_asks=oath.ssh_asks(),
    )


def _rows(answers: _Data, method: str) -> list[_Data]:
    answer = answers[method]
    return [] if isinstance(answer, wire.ApiError) else middleware.rows(answer, method)


def _has_stig(answer: object) -> bool:
    return isinstance(answer, dict) and answer.get("enable_gpos_stig") is True


def _unread(answers: _Data) -> list[str]:
    """Return the methods that were refused; one that a release does not have is no loss."""
    return [name for name, a in answers.items() if isinstance(a, wire.ApiError) and not a.no_method]
