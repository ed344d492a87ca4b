# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of users' tokens means for the token files.

Pure code but for the system's random source. Private to this collection: may change at any time.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, tokens
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    RECOVERY_COUNT,
    Policy,
    SecretsChange,
    UserSecret,
    check_user_name,
)

_SUFFIX = ".oath"
Entries = dict[str, dict[str, Any]]
"""What is remembered of users beside their tokens: ``enrolled`` that there has to be one, ``renewal`` the word of the
last renewal, ``verified`` the time at which a right code was shown to twofactor_verify, ``recovery_count`` how many
recovery codes there are."""


class _View(Protocol):
    def read(self, path: str) -> str | None: ...

    def names(self, folder: str) -> list[str]: ...

    def has_user(self, name: str) -> bool: ...


@dataclass
class SecretsPlan:
    """What becomes of the token files.

    ``files`` maps a path to its new text, None for gone. ``added``, ``renewed`` and ``removed`` are user
    names; ``fresh`` are the users whose devices all get a new seed, ``refilled`` those who get new recovery codes;
    ``made`` holds the base32 seeds that this host made, by user; ``ended`` are users whose secrets before are accepted
    no longer, and ``ends`` the moments at which those end that this plan writes.
    """

    files: dict[str, str | None] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    refilled: list[str] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        """Leave files and seeds out: a traceback must not show them."""
        return f"SecretsPlan(added={self.added}, renewed={self.renewed}, removed={self.removed})"

    def enrolled_after(self, enrolled: list[str]) -> list[str]:
        """Return who has a token after this plan."""
        return sorted((set(enrolled) | set(self.added)) - set(self.removed))


def enrolled_users(view: _View) -> list[str]:
    """Return the users who have a token file."""
    names = view.names(paths.TOKENS)
    return sorted(name[: -len(_SUFFIX)] for name in names if name.endswith(_SUFFIX))


def fits(name: str, policy: Policy, view: _View) -> bool:
    """Tell whether all devices of a user show codes of the kind that ``policy`` asks for."""
    try:
        devices = tokens.devices(tokens.parse(view.read(paths.token_file(name)) or "", name))
    except TwofactorError:
        return False
    return all((line.digits, line.interval) == (policy.digits, policy.interval) for line in devices)


def plan_secrets(change: SecretsChange | None, policy: Policy, view: _View) -> SecretsPlan:
    """Return what ``change`` means, with new lines in the digits and interval of ``policy``.

    Raises Refused with every reason at once; no user of the call is changed then.
    """
    plan = SecretsPlan()
    if change is None:
        return plan
    _refuse_bad_names(change, view)
    entries = read_entries(view.read(paths.USERS))
    wanted = copy.deepcopy(entries)
    reasons: list[TwofactorError] = []
    for user in change.users:
        try:
            _plan_user(user, change, policy, view, plan, wanted)
        except TwofactorError as error:
            reasons.append(error)
    if change.exclusive and change.state != "absent":
        named = {user.name for user in change.users}
        for name in sorted(set(enrolled_users(view)) - named):
            _remove(name, plan, wanted)
    if reasons:
        raise Refused(reasons)
    if wanted != entries:
        plan.files[paths.USERS] = render_entries(wanted)
    return plan


def _refuse_bad_names(change: SecretsChange, view: _View) -> None:
    reasons: list[TwofactorError] = []
    seen: set[str] = set()
    for user in change.users:
        try:
            check_user_name(user.name)
        except TwofactorError as error:
            reasons.append(error)
            continue
        if user.name in seen:
            reasons.append(
                TwofactorError("user_twice", f"User '{user.name}' is named twice.", "Name each user once.")
            )
        seen.add(user.name)
        reasons += _same_secrets(user)
        if change.state != "absent" and not view.has_user(user.name):
            reasons.append(
                TwofactorError(
                    "unknown_user",
                    f"There is no user '{user.name}' on this host.",
                    "Create the account first, or take the name out of 'users'.",
                )
            )
    if reasons:
        raise Refused(reasons)


def _same_secrets(user: UserSecret) -> list[TwofactorError]:
    seeds = {
        "secret": user.seed,
        "backup_secret": user.backup_seed,
        "recovery_secret": user.recovery_seed,
        "previous_secret": user.previous_seed,
        "previous_backup_secret": user.previous_backup_seed,
    }
    given = [(option, seed) for option, seed in seeds.items() if seed is not None]
    return [
        TwofactorError(
            "same_secret_twice",
            f"'{first}' and '{second}' of user '{user.name}' are the same, so that each code would "
            "be accepted twice.",
            "Give each of them a secret of its own.",
        )
        for number, (first, one) in enumerate(given)
        for second, other in given[number + 1 :]
        if one == other
    ]


def _plan_user(  # noqa: PLR0913 - one user of a call in its whole context
    user: UserSecret,
    change: SecretsChange,
    policy: Policy,
    view: _View,
    plan: SecretsPlan,
    entries: Entries,
) -> None:
    path = paths.token_file(user.name)
    text = view.read(path)
    if change.state == "absent":
        if text is not None:
            _remove(user.name, plan, entries)
        entries.pop(user.name, None)
        return
    entry = entries.get(user.name, {})
    renewing = change.state == "renewed" and entry.get("renewal") != change.renewal
    # A broken file is only replaced whole: on a renewal nothing of it is needed.
    current = [] if renewing or text is None else tokens.parse(text, user.name)
    seeds = _wanted_seeds(user, change, text, current, plan, renewing=renewing)
    _refuse_same_seed(user, text, renewing=renewing)
    merged = tokens.merge(current, user.name, seeds, policy.interval, policy.digits)
    merged = _with_recovery(merged, user, policy, entry)
    merged = _with_previous(merged, user, policy, text)
    if renewing:
        entry["renewal"] = change.renewal
        plan.renewed.append(user.name)
    if renewing or _primary(current) != _primary(merged):
        entry.pop("verified", None)
    new_text = tokens.render(merged)
    if new_text != text:
        entry["enrolled"] = True
    if entry:
        entries[user.name] = entry
    if _recovery_seed(merged) not in (None, _recovery_seed(current)):
        plan.refilled.append(user.name)
    if new_text == text:
        return
    plan.files[path] = new_text
    end = tokens.end_of_previous(merged)
    plan.ends += [] if end is None else [end]
    if text is None:
        plan.added.append(user.name)
    kept = {line.seed for line in tokens.devices(current)}
    if not kept & {line.seed for line in tokens.devices(merged)}:
        plan.fresh.append(user.name)


def end_overlaps(plan: SecretsPlan, view: _View) -> None:
    """Add to ``plan`` the files of users whose secrets before are over and whom it does not change anyway."""
    for name in enrolled_users(view):
        path = paths.token_file(name)
        lines = _with_overlap(name, view)
        end = tokens.end_of_previous(lines)
        if path not in plan.files and end is not None and end <= time.time():
            plan.files[path] = tokens.render(tokens.with_previous(lines, [], ()))
            plan.ended.append(name)


def overlap_ends(view: _View) -> list[float]:
    """Return when the secrets before end that are accepted on this host."""
    ends = (tokens.end_of_previous(_with_overlap(name, view)) for name in enrolled_users(view))
    return [end for end in ends if end is not None]


def _with_overlap(name: str, view: _View) -> list[tokens.TokenLine]:
    """Return a user's lines, none when no secret before is accepted or the file is broken, which others report."""
    try:
        text = view.read(paths.token_file(name)) or ""
        return tokens.parse(text, name) if tokens.has_previous(text) else []
    except TwofactorError:
        return []


def _primary(lines: list[tokens.TokenLine]) -> bytes | None:
    return next((line.seed for line in tokens.devices(lines)), None)


def _recovery_seed(lines: list[tokens.TokenLine]) -> bytes | None:
    line = tokens.recovery(lines)
    return line.seed if line is not None else None


def _with_recovery(
    lines: list[tokens.TokenLine], user: UserSecret, policy: Policy, entry: dict[str, Any]
) -> list[tokens.TokenLine]:
    """Return ``lines`` with the recovery codes wanted, and note in ``entry`` how many there are."""
    if user.recovery_seed is None and tokens.recovery(lines) is None:
        entry.pop("recovery_count", None)
        return lines
    if user.recovery_count is None and user.recovery_seed is None and "recovery_count" not in entry:
        return lines  # not made by this collection
    if user.recovery_seed is not None and policy.window == 0:
        raise TwofactorError(
            "recovery_needs_window",
            f"User '{user.name}' cannot have recovery codes with window 0: pam_oath looks ahead from the last code "
            "used, so it would never come to the second one.",
            "Use a window of 1 or more, or leave 'recovery_secret' out.",
        )
    count = user.recovery_count or int(entry.get("recovery_count", RECOVERY_COUNT))
    entry["recovery_count"] = count
    return tokens.with_recovery(lines, user.name, user.recovery_seed, count, policy.digits)


def _with_previous(
    lines: list[tokens.TokenLine], user: UserSecret, policy: Policy, text: str | None
) -> list[tokens.TokenLine]:
    try:
        before = tokens.parse(text or "", user.name)
    except TwofactorError:
        before = []  # broken, and about to be replaced whole
    over = bool(user.previous_until) and user.previous_until <= time.time()
    seeds = () if over else (user.previous_seed, user.previous_backup_seed)
    merged = tokens.with_previous(lines, before, seeds, user.previous_until)
    if any(line.previous and line.digits != policy.digits for line in merged):
        raise TwofactorError(
            "previous_other_digits",
            f"The previous secret of user '{user.name}' cannot go on being accepted: a host takes codes of one "
            f"length only, and that becomes {policy.digits}.",
            "Leave 'previous_secret' out when digits change.",
        )
    return merged


def _wanted_seeds(  # noqa: PLR0913
    user: UserSecret,
    change: SecretsChange,
    text: str | None,
    current: list[tokens.TokenLine],
    plan: SecretsPlan,
    *,
    renewing: bool,
) -> tuple[bytes | None, bytes | None]:
    """Return the primary and the backup seed; None where the present one stays."""
    if user.seed is not None or (tokens.devices(current) and not renewing):
        return user.seed, user.backup_seed
    if not change.return_secrets:
        raise TwofactorError(
            "secret_nobody_knows",
            f"User '{user.name}' has no 'secret', and one made on the host would not be shown to anybody.",
            "Give a 'secret', or set return_secrets: true and hand the new one over.",
        )
    del text
    seed = _otp.random_seed()
    plan.made[user.name] = _otp.seed_to_base32(seed)
    return seed, user.backup_seed


def _refuse_same_seed(user: UserSecret, text: str | None, *, renewing: bool) -> None:
    present = (text or "").lower()
    given = {
        "secret": user.seed,
        "backup_secret": user.backup_seed,
        "recovery_secret": user.recovery_seed,
    }
    for option, seed in given.items():
        if renewing and seed is not None and seed.hex() in present:
            raise TwofactorError(
                "renewal_same_secret",
                f"User '{user.name}' was to be renewed, but the '{option}' given is a present one.",
                f"Give the new secret together with the new renewal word, or leave '{option}' out.",
            )


def _remove(name: str, plan: SecretsPlan, entries: Entries) -> None:
    plan.files[paths.token_file(name)] = None
    plan.removed.append(name)
    entries.pop(name, None)


def read_entries(text: str | None) -> Entries:
    """Return what users.json holds. Raises TwofactorError when it is damaged."""
    try:
        data = json.loads(text or "{}")
        return {name: _checked(entry) for name, entry in data.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise TwofactorError(
            "users_file_broken",
            f"{paths.USERS} is damaged, so it is not known who was renewed under which word.",
            f"Remove {paths.USERS}; users are then renewed once more under the word given.",
        ) from None


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("recovery_count", 1), int):
        raise TypeError
    return entry


def render_entries(entries: Entries) -> str:
    """Return the text of users.json."""
    return json.dumps(dict(sorted(entries.items())), indent=1) + "\n"


def verified_users(view: _View) -> list[str]:
    """Return the users who have shown a right code of their present secret: to twofactor_verify, or at a login."""
    entries = read_entries(view.read(paths.USERS))
    return [name for name in enrolled_users(view) if is_verified(name, entries, view)]


def is_verified(name: str, entries: Entries, view: _View) -> bool:
    """Tell whether a user has shown a right code of the present secret."""
    if entries.get(name, {}).get("verified"):
        return True
    try:
        lines = tokens.parse(view.read(paths.token_file(name)) or "", name)
    except TwofactorError:
        return False
    return any(line.last_used for line in tokens.devices(lines))
