# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of users' secrets means on TrueNAS, which makes every secret itself.

Pure code. Private to this collection: may change at any time. A secret can never be set and mostly never be read
again: a new one invalidates the user's phone, so it is only made when there is none or a renewal was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
    check_user_name,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import repair
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.notes import Notes
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import Snapshot


def check_name(name: str) -> None:
    """Refuse a name that could not be written safely; ``DOMAIN\\user`` is a user of Active Directory here."""
    domain, backslash, user = name.partition("\\")
    for part in (domain, user) if backslash else (name,):
        check_user_name(part)


@dataclass
class UsersPlan:
    """What becomes of users' secrets.

    ``make`` are the users who get a new one, ``wiped`` those who lose theirs before that, and ``words`` the renewal
    words afterwards.
    """

    make: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    wiped: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    return_secrets: bool = False

    def enrolled_after(self, enrolled: list[str]) -> list[str]:
        """Return who has a secret after this plan."""
        return sorted(((set(enrolled) - set(self.wiped)) | set(self.make)) - set(self.removed))

    def notes_after(self, before: Notes) -> Notes:
        """Return what is to be remembered once everything has been done."""
        unshown = tuple(name for name in before.unshown if name not in {*self.make, *self.removed})
        return Notes(tuple(sorted(self.words.items())), unshown, before.ntp)

    def notes_meanwhile(self, before: Notes) -> Notes:
        """Return what is to be remembered in case this run breaks off."""
        unshown = tuple(sorted({*before.unshown, *self.make}))
        return replace(before.while_changing(*repair.LOGINS), unshown=unshown)


def plan_users(change: SecretsChange | None, snap: Snapshot, wiped: list[str]) -> UsersPlan:
    """Return what ``change`` means. ``wiped``: whose secret goes first, as everybody's on 23.10 with new digits.

    Raises Refused with every reason at once.
    """
    plan = UsersPlan(words=dict(snap.notes.words), wiped=wiped)
    if change is None:
        return plan
    plan.return_secrets = change.return_secrets
    problems = list(_objections(change, snap))
    if problems:
        raise Refused(problems)
    enrolled = [name for name in snap.enrolled() if name not in wiped]
    for user in change.users:
        _plan_user(user.name, change, snap, plan, enrolled)
    if change.exclusive and change.state != "absent":
        named = {user.name for user in change.users}
        for name in sorted(set(enrolled) - named):
            _remove(name, plan)
    _refuse_impossible(plan, change, snap)
    return plan


def _objections(change: SecretsChange, snap: Snapshot) -> Iterator[TwofactorError]:
    """Say everything that is wrong with the users as they were named."""
    seen: set[str] = set()
    for user in change.users:
        try:
            check_name(user.name)
        except TwofactorError as error:
            yield error
            continue
        if user.name in seen:
            yield TwofactorError("user_twice", f"User '{user.name}' is named twice.", "Name each user once.")
        seen.add(user.name)
        if change.state != "absent":
            yield from _objections_to_enrolling(user, snap)


def _objections_to_enrolling(user: UserSecret, snap: Snapshot) -> Iterator[TwofactorError]:
    if snap.release.secrets == "root" and user.name != "root":
        yield TwofactorError(
            "only_root",
            f"This release ({snap.version}) has one secret for the whole system, root's, so '{user.name}' cannot "
            "have one.",
            "Name no user but root for this host, or upgrade it to 23.10 or later.",
        )
    elif snap.release.secrets == "user" and user.name not in (snap.accounts or {}):
        yield TwofactorError(
            "unknown_user",
            f"There is no user '{user.name}' on this NAS.",
            "Create the account first, or take the name out of 'users'.",
        )
    if any((user.seed, user.backup_seed, user.recovery_seed, user.previous_seed)):
        yield TwofactorError(
            "secret_supplied",
            f"TrueNAS makes every secret itself and takes none from outside, so the one given for '{user.name}' "
            "cannot be used there.",
            "For the TrueNAS hosts name users without 'secret', and set return_secrets: true to get the new ones.",
        )


def _plan_user(
    name: str, change: SecretsChange, snap: Snapshot, plan: UsersPlan, enrolled: list[str]
) -> None:
    has_one = name in enrolled
    if change.state == "absent":
        if has_one:
            _remove(name, plan)
        return
    renewing = change.state == "renewed" and plan.words.get(name) != change.renewal
    if has_one and not renewing and name not in snap.notes.unshown:
        return
    plan.make.append(name)
    if renewing:
        plan.renewed.append(name)
        plan.words[name] = change.renewal
    if not has_one:
        plan.added.append(name)
    elif not renewing:
        plan.renewed.append(name)


def _remove(name: str, plan: UsersPlan) -> None:
    plan.removed.append(name)
    plan.words.pop(name, None)


def _refuse_impossible(plan: UsersPlan, change: SecretsChange, snap: Snapshot) -> None:
    problems = [] if change.return_secrets else [_nobody_knows(name) for name in plan.make]
    if plan.removed and snap.release.removal == "never":
        problems.append(
            TwofactorError(
                "removal_impossible",
                f"This release ({snap.version}) cannot take root's secret away, only replace it.",
                "Use state: renewed to make the present one useless, or switch the second factor off.",
            )
        )
    if plan.removed and snap.release.removal == "off" and snap.settings.enabled:
        problems.append(
            TwofactorError(
                "removal_while_enabled",
                f"This release ({snap.version}) takes a secret away only while the second factor as a whole is off "
                f"({', '.join(plan.removed)}).",
                "Lock or delete the account instead, or upgrade to 25.10 or later.",
            )
        )
    if problems:
        raise Refused(problems)


def _nobody_knows(name: str) -> TwofactorError:
    return TwofactorError(
        "secret_nobody_knows",
        f"User '{name}' would get a new secret, which TrueNAS makes, and nobody would be shown it.",
        "Set return_secrets: true and hand the new secret over.",
    )
