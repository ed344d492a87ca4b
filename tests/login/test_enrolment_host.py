# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery codes, a second secret for a while, and codes that are proved without a login."""

from __future__ import annotations

import json
import time
from typing import Any

import pyotp
import pytest

from tests.login.fleet import Host, Token


class Sheet:
    """Recovery codes on paper."""

    def __init__(self, digits: int = 6) -> None:
        self.secret = pyotp.random_base32()
        self._digits = digits

    def code(self, number: int) -> str:
        """Return a code by its number from 0."""
        return pyotp.HOTP(self.secret, digits=self._digits).at(number)


def _apply(
    host: Host, token: Token, sheet: Sheet | None = None, count: int = 3, **more: Any
) -> dict[str, Any]:
    user: dict[str, Any] = {"name": "alice", "secret": token.secret, **more}
    if sheet is not None:
        user.update(recovery_secret=sheet.secret, recovery_count=count)
    return host.apply(
        "--diff",
        secrets={"users": [user]},
        policy={
            "state": "enabled",
            "exempt_users": ["ansible"],
            "max_failures": 0,
            "interval": token.interval,
        },
        ssh={"state": "enabled", "methods": ["key_and_code"]},
        guard=False,
    )


def _alice(host: Host) -> dict[str, Any]:
    users = host.module("twofactor_info")["twofactor"]["users"]
    found: dict[str, Any] = next(user for user in users if user["name"] == "alice")
    return found


def _verify(host: Host, user: str, code: str, *extra: str) -> dict[str, Any]:
    # Not as keywords: ``user`` is the account that Ansible comes in with there.
    return host.module("twofactor_verify", "-a", json.dumps({"user": user, "code": code}), *extra)


def test_recovery_codes_work_once_each_and_never_again(host: Host) -> None:
    token, sheet = Token(), Sheet()
    first = _apply(host, token, sheet)
    assert sheet.secret not in first["printed"]
    assert _alice(host)["recovery_left"] == 3
    assert host.ssh("alice", key=True, code=sheet.code(0))
    assert not host.ssh("alice", key=True, code=sheet.code(0)), "used"
    assert _alice(host)["recovery_left"] == 2
    for dummy in range(2):
        assert not _apply(host, token, sheet)["changed"]
        assert not host.ssh("alice", key=True, code=sheet.code(0)), "used, after another run"
    assert host.ssh("alice", key=True, code=sheet.code(1))
    assert host.ssh("alice", key=True, code=token.code()), "the device works beside them"
    assert host.ssh("alice", key=True, code=sheet.code(2))
    assert _alice(host)["recovery_left"] == 0
    assert _apply(host, token, sheet)["changed"], "the secret is set aside"
    assert not _apply(host, token, sheet)["changed"]
    for number in range(5):
        assert not host.ssh("alice", key=True, code=sheet.code(number))
    assert host.ssh("alice", key=True, code=token.code(1))
    assert _alice(host)["recovery_left"] == 0


def test_recovery_codes_ahead_of_their_turn(host: Host) -> None:
    token, sheet = Token(), Sheet()
    _apply(host, token, sheet, count=5)
    assert not host.ssh("alice", key=True, code=sheet.code(2)), "further ahead than the window"
    assert host.ssh("alice", key=True, code=sheet.code(1))
    assert not host.ssh("alice", key=True, code=sheet.code(0)), "passed over"
    assert _alice(host)["recovery_left"] == 3
    host.module("twofactor", window=2)
    assert host.ssh("alice", key=True, code=sheet.code(3))
    assert not host.ssh("alice", key=True, code=sheet.code(2)), "passed over"


def test_a_refill_and_more_codes(host: Host) -> None:
    token, sheet = Token(), Sheet()
    _apply(host, token, sheet, count=1)
    assert host.ssh("alice", key=True, code=sheet.code(0))
    _apply(host, token, sheet, count=1)
    assert not host.ssh("alice", key=True, code=sheet.code(1))
    _apply(host, token, sheet, count=2)
    assert not host.ssh("alice", key=True, code=sheet.code(0)), "used, also with more codes"
    assert host.ssh("alice", key=True, code=sheet.code(1))
    fresh = Sheet()
    refilled = _apply(host, token, fresh, count=10)
    assert "new_recovery_codes" in refilled["printed"]
    assert _alice(host)["recovery_left"] == 10
    assert not host.ssh("alice", key=True, code=sheet.code(2)), "of the sheet before"
    assert host.ssh("alice", key=True, code=fresh.code(0))


def test_recovery_codes_and_no_window(host: Host) -> None:
    token, sheet = Token(), Sheet()
    _apply(host, token, sheet)
    result = host.module(
        "twofactor_host",
        policy={"window": 0},
        secrets={"users": [{"name": "alice", "recovery_secret": sheet.secret}]},
    )
    assert result["reasons"][0]["code"] == "recovery_needs_window"


def test_backup_device_without_the_primary(host: Host) -> None:
    token, backup = Token(), Token()
    _apply(host, token, backup_secret=backup.secret)
    code = backup.code()
    assert host.ssh("alice", key=True, code=code)
    _apply(host, token, backup_secret=backup.secret)
    assert not host.ssh("alice", key=True, code=code)
    assert host.ssh("alice", key=True, code=token.code()), "with a replay state of its own"


def test_the_secret_before_is_accepted_as_long_as_it_is_given(host: Host) -> None:
    old, new = Token(), Token()
    _apply(host, old)
    used = old.code()
    assert host.ssh("alice", key=True, code=used)
    renewed = {
        "state": "renewed",
        "renewal": "2026-Q4",
        "users": [{"name": "alice", "secret": new.secret, "previous_secret": old.secret}],
    }
    assert host.apply(secrets=renewed)["changed"]
    assert not host.apply(secrets=renewed)["changed"]
    assert not host.ssh("alice", key=True, code=used), "used before the renewal"
    assert _alice(host)["previous"]
    assert _alice(host)["last_used"] is None, "the new one has not been used"
    assert host.ssh("alice", key=True, code=old.code(1))
    assert host.ssh("alice", key=True, code=new.code())
    assert _alice(host)["last_used"]
    renewed["users"] = [{"name": "alice", "secret": new.secret}]
    assert host.apply(secrets=renewed)["changed"]
    assert not host.apply(secrets=renewed)["changed"]
    assert not host.ssh("alice", key=True, code=old.code(1))
    assert host.ssh("alice", key=True, code=new.code(1))


def test_a_code_is_proved_and_not_spent(host: Host) -> None:
    token = Token(interval=60)
    _apply(host, token)
    assert _alice(host)["verified"] is False
    code, issued = token.code(), time.time() // 60
    assert _verify(host, "alice", code, "--check")["changed"]
    assert _alice(host)["verified"] is False
    result = _verify(host, "alice", f"{code[:3]} {code[3:]}")
    assert not result["failed"], result["printed"]
    assert (result["valid"], result["device"]) == (True, "primary")
    assert issued - time.time() // 60 <= result["steps"] <= 0, "as many steps ago as it was shown"
    assert result["changed"]
    assert not _verify(host, "alice", code)["changed"]
    assert _alice(host)["verified"] is True
    assert code not in host.shell("journalctl -q --no-pager -o cat | grep -v 'pam_unix' || true")
    assert 'user="alice"' in host.shell("journalctl -q --no-pager -t twofactor -n 2 -o cat")
    assert host.ssh("alice", key=True, code=code), "not spent"


def _verify_within_a_step(host: Host, token: Token, steps: int) -> dict[str, Any]:
    """Return what the host says of a code some steps off, asked again where a new step began in between."""
    while True:
        code = token.code(steps)
        step = time.time() // token.interval
        result = _verify(host, "alice", code)
        if time.time() // token.interval == step:
            return result


@pytest.mark.parametrize("steps", [-7, 4])
def test_how_far_a_clock_is_off(host: Host, steps: int) -> None:
    token = Token()
    _apply(host, token)
    result = _verify_within_a_step(host, token, steps)
    assert result["failed"]
    assert result["reasons"][0]["code"] == "clock_off"
    assert (result["valid"], result["steps"], result["seconds"]) == (False, steps, 30 * steps)
    assert not _alice(host)["verified"]


def test_guessing_is_counted_with_the_logins(host: Host) -> None:
    token = Token()
    _apply(host, token)
    host.module("twofactor", max_failures=3, unlock_after=60)
    wrong = str((int(token.code()) + 1) % 10**6).zfill(6)
    for dummy in range(3):
        assert _verify(host, "alice", wrong)["reasons"][0]["code"] == "code_wrong"
    locked = _verify(host, "alice", token.code())
    assert locked["reasons"][0]["code"] == "user_locked"
    assert "valid" not in locked
    assert not host.ssh("alice", key=True, code=token.code()), "locked at the login too"
    host.shell("faillock --dir /var/lib/twofactor/failures --user alice --reset")
    assert host.ssh("alice", key=True, code=token.code())
    assert _verify(host, "alice", token.code(1))["valid"]


def test_who_cannot_be_proved(host: Host) -> None:
    _apply(host, Token())
    for user, code in (("nobody-here", "unknown_user"), ("bob", "not_enrolled"), ("a/b", "bad_user_name")):
        result = _verify(host, user, "123456")
        assert result["failed"]
        assert result["reasons"][0]["code"] == code


def test_a_renewed_user_has_to_prove_it_again(host: Host) -> None:
    token = Token()
    _apply(host, token)
    _verify(host, "alice", token.code())
    assert not _apply(host, token)["changed"]
    assert _alice(host)["verified"]
    fresh = Token()
    host.apply(
        secrets={
            "state": "renewed",
            "renewal": "w",
            "users": [{"name": "alice", "secret": fresh.secret}],
        }
    )
    assert not _alice(host)["verified"]
    kept = json.loads(host.shell("cat /var/lib/twofactor/users.json"))
    assert kept == {"alice": {"enrolled": True, "renewal": "w"}}
