# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digits and interval, the kind of codes: the system's on older releases, each user's on newer ones.

Pure code. Private to this collection: may change at any time. An app goes on showing the kind of code that it was
set up for, so the kind changes with a new secret or not at all.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import INTERVALS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import (
    Settings,
    Snapshot,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.users import UsersPlan

DEFAULTS = {"otp_digits": 6, "interval": 30}
"""What a user gets who has never had a secret."""
THEIR_NAMES = {"digits": "otp_digits", "interval": "interval"}


def given(change: Change) -> dict[str, object]:
    """Return digits and interval as far as ``change`` names them, in our names."""
    return {name: value for name, value in (change.policy or {}).items() if name in THEIR_NAMES}


def wiped_users(change: Change, snap: Snapshot, after: Settings) -> list[str]:
    """Return who loses a secret because the release wipes all of them when the kind of codes changes.

    Raises TwofactorError unless that was asked for.
    """
    if not snap.release.wipes or not _system_kind_changes(snap.settings, after):
        return []
    enrolled = snap.enrolled()
    if enrolled and not change.wipe_secrets:
        raise TwofactorError(
            "secrets_wiped",
            f"This release ({snap.version}) takes every user's secret away when digits or interval change "
            f"({_some(enrolled)}).",
            "Set wipe_secrets: true, and name the users with return_secrets: true so that they get new ones.",
        )
    return enrolled


def check(change: Change, snap: Snapshot, after: Settings, users: UsersPlan, wiped: list[str]) -> list[str]:
    """Return warnings about the kind of codes. Raises TwofactorError when apps would show the wrong kind."""
    if wiped:
        return [f"digits, interval: The secrets of all users are taken away: {_some(wiped)}."]
    if snap.release.settings == "system":
        if snap.release.secrets == "root" and _system_kind_changes(snap.settings, after):
            _refuse_stranded([name for name in snap.enrolled() if name not in users.make], change)
        return []
    return _check_users(change, snap, users)


def _system_kind_changes(before: Settings, after: Settings) -> bool:
    return (before.digits, before.interval) != (after.digits, after.interval)


def _check_users(change: Change, snap: Snapshot, users: UsersPlan) -> list[str]:
    wanted = given(change)
    keeping = [name for name in snap.enrolled() if name not in (*users.make, *users.removed)]
    if not wanted:
        return []
    if change.secrets is None and not keeping:
        where = "name it in the call that enrols users (fleetauth.twofactor.twofactor_host)"
        return [f"{', '.join(wanted)}: This release keeps it for each user; {where}."]
    differing = [name for name in keeping if _differs(name, wanted, snap)]
    named = {user.name for user in change.secrets.users} if change.secrets else set(keeping)
    _refuse_stranded([name for name in differing if name in named], change)
    warnings = []
    others = [name for name in differing if name not in named]
    if others:
        warnings.append(f"{', '.join(wanted)}: Users who are not named keep their own: {_some(others)}.")
    unknown = [name for name in keeping if name in named and name not in snap.tokens]
    if unknown:
        warnings.append(
            f"{', '.join(wanted)}: This NAS does not tell those of {_some(unknown)}, who keep theirs."
        )
    return warnings


def _differs(name: str, wanted: dict[str, object], snap: Snapshot) -> bool:
    token = snap.tokens.get(name)
    return token is not None and any(getattr(token, option) != value for option, value in wanted.items())


def _refuse_stranded(names: list[str], change: Change) -> None:
    if not names:
        return
    wanted = " and ".join(f"{name} {value}" for name, value in given(change).items())
    raise TwofactorError(
        "settings_strand_users",
        f"There cannot be {wanted} for users who are enrolled with others ({_some(names)}): their apps would show "
        "codes that no longer match.",
        "Renew all of them in the same call (users with state: renewed in fleetauth.twofactor.twofactor_host).",
    )


def token_options(change: Change, snap: Snapshot, name: str, *, fresh: bool) -> dict[str, object]:
    """Return what ``user.renew_2fa_secret`` is told; what is left out stays as it is for that user.

    An interval that pam_oath cannot parse must not stay, and a user who has just no secret may still have one.
    """
    options: dict[str, object] = dict(DEFAULTS) if fresh else {}
    token = snap.tokens.get(name)
    if token is not None and not token.usable:
        options["interval"] = DEFAULTS["interval"]
    options.update({THEIR_NAMES[option]: value for option, value in given(change).items()})
    return options


def unusable_interval(after: Settings, *, matters: bool) -> list[TwofactorError]:
    """Return a reason when the system's interval is one that pam_oath cannot parse."""
    if not matters or after.interval is None or after.interval in INTERVALS:
        return []
    return [
        TwofactorError(
            "interval_unusable",
            f"The interval of this NAS is {after.interval} s. PAM reads only 30 and 60, so no code would be right.",
            "Set interval to 30 or 60 in the same call.",
        )
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
