# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving a user's code without a login: is it right now, and by how much is the user's clock off.

Private to this collection: may change at any time. The code is calculated here and not shown to pam_oath, so it is
not spent. Wrong ones are counted where logins count theirs, by pam_faillock itself: guessing is no easier this way.
"""

from __future__ import annotations

import hmac
import os
import shutil
import tempfile
import time
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    audit,
    files,
    lock,
    pam,
    pam_check,
    paths,
    policy_file,
    secrets,
    token_lock,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Policy,
    check_user_name,
)

SEARCHED = 20
"""Steps either side that are looked at to say how far a clock is off: ten minutes and more."""
_LIMIT = (5, 60)
"""Failures and seconds where the policy sets no limit: somebody may be at the other end of this."""


@dataclass(frozen=True)
class Finding:
    """What a code was found to be. ``steps`` is how far ahead the user's clock is, None when no code matched."""

    steps: int | None = None
    device: str = ""

    def is_valid(self, window: int) -> bool:
        """Tell whether a login with the code would be accepted now."""
        return self.steps is not None and abs(self.steps) <= window


def find(lines: list[tokens.TokenLine], code: str, when: float) -> Finding:
    """Return which device shows ``code`` and by how many steps its clock is off; the nearest step counts."""
    nearest = sorted(range(-SEARCHED, SEARCHED + 1), key=abs)
    found = Finding()
    for name, line in zip(("primary", "backup"), tokens.devices(lines)):
        now = _otp.step_of(when, line.interval)
        for steps in nearest:
            same = now + steps >= 0 and hmac.compare_digest(
                _otp.hotp(line.seed, now + steps, line.digits).encode(), code.encode()
            )
            if same and (found.steps is None or abs(steps) < abs(found.steps)):
                found = Finding(steps, name)
    return found


def verify(user: str, code: str, check_mode: bool) -> Outcome:
    """Say whether ``code`` is right for ``user`` now, and remember that the user has shown one.

    Raises TwofactorError for a user who has no token or is locked. In check mode no code is looked at: a guess that
    nobody counts must not be answered.
    """
    with lock.one_at_a_time():
        host = Host()
        lines = _token_lines(user, host)
        _refuse_unwritable()
        policy = policy_file.parse(host.read(paths.POLICY)).policy
        entries = secrets.read_entries(host.read(paths.USERS))
        if check_mode:
            return Outcome(changed="verified" not in entries.get(user, {}))
        with _Counter(user, policy) as counter:
            counter.refuse_locked()
            found = find(lines, "".join(code.split()), time.time())
            valid = found.is_valid(policy.window)
            if not valid:
                counter.count_failure()
        interval = tokens.devices(lines)[0].interval
        if not valid:
            audit.log("verification failed", user=user, why=_why(found, interval))
            return _refusal(user, found, interval, policy)
        changed = _remember(user, entries)
        audit.log("verified", user=user, steps=str(found.steps), device=found.device)
    return Outcome(
        changed=changed,
        before={"verified": not changed},
        after={"verified": True},
        result=_result(found, True, interval),
    )


def _token_lines(user: str, host: Host) -> list[tokens.TokenLine]:
    check_user_name(user)
    if not host.has_user(user):
        raise TwofactorError(
            "unknown_user",
            f"There is no user '{user}' on this host.",
            "Check the name.",
        )
    lines = tokens.parse(host.read(paths.token_file(user)) or "", user)
    if not tokens.devices(lines):
        raise TwofactorError(
            "not_enrolled",
            f"User '{user}' has no secret on this host, so no code can be right.",
            "Enrol the user first, with fleetauth.twofactor.twofactor_secret or the site playbook.",
        )
    return lines


def _refuse_unwritable() -> None:
    """Raise TwofactorError where PAM could not count a wrong code, and a login with a valid one would be refused."""
    for reason in token_lock.unwritable():
        raise reason


def _remember(user: str, entries: secrets.Entries) -> bool:
    entry = entries.setdefault(user, {})
    if "verified" in entry:
        return False
    entry["verified"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
    files.make_folder(paths.STATE_FOLDER, 0o700)
    files.replace(paths.USERS, secrets.render_entries(entries), 0o600)
    files.sync_folder(paths.STATE_FOLDER)
    return True


def _result(found: Finding, valid: bool, interval: int) -> dict[str, object]:
    seconds = None if found.steps is None else found.steps * interval
    return {"valid": valid, "steps": found.steps, "seconds": seconds, "device": found.device or None}


def _why(found: Finding, interval: int) -> str:
    if found.steps is None:
        return "wrong code"
    side = "ahead" if found.steps > 0 else "behind"
    return f"the device's clock is {abs(found.steps)} steps ({abs(found.steps) * interval} s) {side}"


def _refusal(user: str, found: Finding, interval: int, policy: Policy) -> Outcome:
    if found.steps is None:
        code, message = "code_wrong", f"The code is not one of user '{user}', now or within {SEARCHED} steps."
        remedy = "Try the next code; if none is right, the device has another secret: enrol it anew."
    else:
        code = "clock_off"
        message = f"The code of user '{user}' is from another time: {_why(found, interval)}."
        remedy = f"Set the device's clock; {policy.window} steps either side are accepted."
    reason = TwofactorError(code, message, remedy)
    return Outcome(
        result={
            "failed": True,
            "msg": str(reason),
            "reasons": [{"code": code, "message": message, "remedy": remedy}],
            **_result(found, False, interval),
        }
    )


class _Counter:
    """The count of a user's wrong codes, which pam_faillock keeps; asked through PAM, as a login does."""

    def __init__(self, user: str, policy: Policy) -> None:
        self._user = user
        deny, unlock = (policy.max_failures, policy.unlock_after) if policy.max_failures else _LIMIT
        self._limit = pam.failure_limit(deny, unlock)
        libpam = pam_check.load_libpam()
        if libpam is None:
            raise TwofactorError(
                "cannot_count",
                "This host's PAM is too old to have wrong codes counted, so none is looked at.",
                "Let the user log in instead.",
            )
        self._libpam = libpam
        self._folder = ""

    def __enter__(self) -> _Counter:
        for path in (paths.STATE_FOLDER, paths.FAILURES):
            files.make_folder(path, 0o700)
        self._folder = tempfile.mkdtemp(prefix="twofactor-", dir="/run")
        return self

    def __exit__(self, *dummy: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def refuse_locked(self) -> None:
        """Raise TwofactorError while too many wrong codes keep the user out."""
        if not self._succeeds(
            f"auth requisite pam_faillock.so preauth silent {self._limit}", "auth required pam_permit.so"
        ):
            raise TwofactorError(
                "user_locked",
                f"User '{self._user}' has shown too many wrong codes and is locked for a while; the code was not "
                "looked at.",
                f"Wait, or unlock on the host: faillock --dir {paths.FAILURES} --user {self._user} --reset",
            )

    def count_failure(self) -> None:
        """Count one wrong code."""
        self._succeeds(f"auth [default=die] pam_faillock.so authfail {self._limit}")

    def _succeeds(self, *lines: str) -> bool:
        for name, text in ((pam_check.SERVICE, lines), ("other", ("auth required pam_deny.so",))):
            descriptor = os.open(f"{self._folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write("\n".join(text) + "\n")
        return pam_check.authenticate(self._libpam, self._folder, "", self._user) == 0
