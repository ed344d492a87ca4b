# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change means for a NAS: the calls to make, each with its reason, in a safe order.

Pure code. Private to this collection: may change at any time. The order: doors that close, users who lose a secret,
users who get one, the second factor itself, doors that open. So no user is asked for a code before having a secret,
and SSH never takes the password of a root with a secret without a code. Root's account moves in that order where
TrueNAS would refuse to change it: it must have a secret then, or the second factor must still be off.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    kind,
    options,
    repair,
    root_login,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.guard import State
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import (
    Settings,
    Snapshot,
    SshSettings,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.users import (
    UsersPlan,
    plan_users,
)


@dataclass
class Plan:
    """All calls of a change, in order; none means that the NAS is as wanted."""

    before: Settings
    after: Settings
    users: UsersPlan
    calls: list[Call] = field(default_factory=list)
    repairs: list[Call] = field(default_factory=list)
    """The last of ``calls``, for what a change before may have left."""
    warnings: list[str] = field(default_factory=list)
    refusals: list[TwofactorError] = field(default_factory=list)
    """Why TrueNAS would not carry it out. The guard has reasons of its own."""
    root_login: str = ""
    root_keeps_secret: bool = True
    """Whether root has a secret afterwards."""

    @property
    def changed(self) -> bool:
        """Tell whether anything is to be done."""
        return bool(self.calls)

    def state_after(self, enrolled: list[str]) -> State:
        """Return who will be asked for a code, and who can show one that anybody knows."""
        root = {"allowed": True, "denied": False}.get(self.root_login)
        return State(self.after.enabled, self.after.ssh, tuple(self.users.enrolled_after(enrolled)), root)


def make_plan(change: Change, snap: Snapshot) -> Plan:
    """Return what ``change`` means for the NAS that ``snap`` shows.

    Raises TwofactorError (Refused when there are several reasons); nothing has happened then.
    """
    impossible = options.reasons(change)
    if impossible:
        raise Refused(impossible)
    after = wanted_settings(change, snap)
    wiped = kind.wiped_users(change, snap, after)
    users = plan_users(change.secrets, snap, wiped)
    plan = Plan(snap.settings, after, users, root_login=str((change.ssh or {}).get("root_login") or ""))
    enrolled = users.enrolled_after(snap.enrolled())
    plan.root_keeps_secret = "root" in enrolled
    plan.warnings += [*snap.warnings, *options.warnings(change, enrolled)]
    plan.warnings += root_login.warnings(plan.root_login, (snap.accounts or {}).get("root"))
    plan.warnings += kind.check(change, snap, after, users, wiped)
    if snap.release.secrets == "root":
        plan.calls = _calls_for_one_secret(plan, snap)
    else:
        plan.calls = _calls_for_many(plan, change, snap)
    plan.repairs = repair.calls(snap.notes.unfinished, snap.release)
    plan.calls += plan.repairs
    return plan


def wanted_settings(change: Change, snap: Snapshot) -> Settings:
    """Return the settings after ``change``; options that were not given stay as they are."""
    policy, ssh = change.policy or {}, change.ssh or {}
    given: dict[str, Any] = {}
    if policy.get("state") == "enabled":
        given["enabled"] = True
    if "window" in policy:
        given["window"] = policy["window"]
    if "state" in ssh:
        given["ssh"] = ssh["state"] == "enabled"
    if snap.release.settings == "system":
        given.update({name: policy[name] for name in ("digits", "interval") if name in policy})
    after: Settings = replace(snap.settings, **given)
    if given.get("ssh") and not after.enabled:
        raise TwofactorError(
            "twofactor_off",
            "The second factor as a whole is off on this NAS, so SSH would not ask for a code.",
            "Switch it on first with fleetauth.twofactor.twofactor: state=enabled.",
        )
    return after


def _calls_for_many(plan: Plan, change: Change, snap: Snapshot) -> list[Call]:
    """Return the calls where each user has a secret, from 23.10 on."""
    kind_only = replace(plan.before, digits=plan.after.digits, interval=plan.after.interval)
    doors = _doors(plan, snap)
    return [
        *doors.before_all,
        *_update(plan.before, kind_only, "the kind of codes; takes every secret away"),
        *_removals(plan),
        *_renewals(plan, change, snap),
        *doors.before_enabling,
        *_update(kind_only, plan.after, "the second factor itself"),
        *doors.after_enabling,
    ]


@dataclass
class _Doors:
    """The calls for root's password, by their place in a change."""

    before_all: list[Call] = field(default_factory=list)
    before_enabling: list[Call] = field(default_factory=list)
    after_enabling: list[Call] = field(default_factory=list)


def _doors(plan: Plan, snap: Snapshot) -> _Doors:
    """Return when root's password is closed or opened: when TrueNAS lets root's account be changed."""
    root = (snap.accounts or {}).get("root")
    calls = root_login.calls(plan.root_login, snap.release, snap.ssh or SshSettings(), root)
    open_to_changes = not plan.before.enabled or "root" in snap.enrolled()
    if plan.root_login == "denied" and open_to_changes:
        return _Doors(before_all=calls)
    if plan.before.enabled and not plan.root_keeps_secret and root_login.changes_account(calls):
        plan.refusals.append(root_login.not_enrolled())
    if plan.root_login == "allowed" and plan.root_keeps_secret:
        return _Doors(after_enabling=calls)
    return _Doors(before_enabling=calls)


def _calls_for_one_secret(plan: Plan, snap: Snapshot) -> list[Call]:
    """Return the calls of 22.x, where switching on makes root's secret and only then it can be renewed."""
    update = _update(plan.before, plan.after, "the second factor itself")
    if plan.users.make and not plan.after.enabled:
        raise TwofactorError(
            "secret_made_by_enabling",
            f"This release ({snap.version}) makes root's secret when the second factor is switched on, and renews it "
            "only while it is on.",
            "Switch it on in the same call with fleetauth.twofactor.twofactor_host.",
        )
    if "root" in plan.users.make:
        if plan.before.has_secret or plan.before.enabled:
            renew = Call(
                "auth.twofactor.renew_secret", (), "a new secret", "root", repeatable=False, answers=(bool,)
            )
            update.append(renew)
        else:
            update = [replace(call, user="root") for call in update]
    doors = root_login.calls(plan.root_login, snap.release, snap.ssh or SshSettings(), None)
    return [*doors, *update] if plan.root_login == "denied" else [*update, *doors]


def _update(before: Settings, after: Settings, why: str) -> list[Call]:
    """Return the call that brings the settings to ``after``, with nothing in it that stays the same.

    ``services`` is replaced whole by the middleware, so it is sent whole when SSH changes, and not at all otherwise.
    """
    data: dict[str, object] = {}
    for name in ("enabled", "window", "digits", "interval"):
        if getattr(before, name) != getattr(after, name):
            data[kind.THEIR_NAMES.get(name, name)] = getattr(after, name)
    if before.ssh != after.ssh:
        data["services"] = {**before.services, "ssh": after.ssh}
    return [Call("auth.twofactor.update", (data,), why, answers=(dict,))] if data else []


def _removals(plan: Plan) -> list[Call]:
    return [
        Call("user.unset_2fa_secret", (name,), f"{name} is to have no secret") for name in plan.users.removed
    ]


def _renewals(plan: Plan, change: Change, snap: Snapshot) -> list[Call]:
    calls = []
    for name in plan.users.make:
        arguments: tuple[object, ...] = (name,)
        if snap.release.settings == "user":
            arguments = (name, kind.token_options(change, snap, name, fresh=name in plan.users.added))
        why = f"a new secret for {name}"
        calls.append(
            Call("user.renew_2fa_secret", arguments, why, user=name, repeatable=False, answers=(dict,))
        )
    return calls
