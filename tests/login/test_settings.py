# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digits, interval, window, renewal: which code is accepted when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.login.fleet import PASSWORD, Host, Token


def _enrol(host: Host, token: Token, **policy: object) -> None:
    host.apply(
        secrets={"users": [{"name": "alice", "secret": token.secret}]},
        policy={
            "state": "enabled",
            "digits": token.digits,
            "interval": token.interval,
            "exempt_users": ["ansible"],
            **policy,
        },
        ssh={"state": "enabled", "methods": ["key_and_code"]},
    )


@pytest.mark.parametrize(("digits", "interval"), [(6, 30), (7, 30), (8, 30), (6, 60), (7, 60), (8, 60)])
def test_digits_and_interval(host: Host, digits: int, interval: int) -> None:
    token = Token(digits, interval)
    _enrol(host, token)
    code = token.code()
    assert not host.ssh("alice", key=True, code=code[:-1]), "one digit short"
    assert not host.ssh("alice", key=True, code=code[1:]), "one digit short at the front"
    assert host.ssh("alice", key=True, code=code)


def test_six_digits_of_an_eight_digit_token(host: Host) -> None:
    token = Token(8)
    _enrol(host, token)
    code = token.code()
    assert not host.ssh("alice", key=True, code=code[-6:])
    assert not host.ssh("alice", key=True, code=code[:6])
    assert not host.ssh("alice", key=True, code=Token(6, secret=token.secret).code())


def test_window(host: Host) -> None:
    token = Token()
    _enrol(host, token, window=0)
    assert not host.ssh("alice", key=True, code=token.code(-1))
    host.apply(policy={"window": 1})
    assert not host.ssh("alice", key=True, code=token.code(-2))
    assert host.ssh("alice", key=True, code=token.code(-1))
    assert host.ssh("alice", key=True, code=token.code())
    assert host.ssh("alice", key=True, code=token.code(1)), "a phone that is ahead"


@pytest.mark.parametrize("policy", [{"digits": 8}, {"interval": 60}])
def test_settings_do_not_change_under_enrolled_users(host: Host, policy: dict[str, Any]) -> None:
    token = Token()
    _enrol(host, token)
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor", **policy)
    assert result["failed"]
    assert "alice" in result["msg"]
    assert "no longer match" in result["msg"]
    assert host.files("/etc", "/var/lib/twofactor") == before
    fresh = Token(policy.get("digits", 6), policy.get("interval", 30))
    host.apply(
        policy=policy,
        secrets={
            "state": "renewed",
            "renewal": "new settings",
            "users": [{"name": "alice", "secret": fresh.secret}],
        },
    )
    assert not host.ssh("alice", key=True, code=token.code())
    assert host.ssh("alice", key=True, code=fresh.code())


def test_renewal_happens_once_per_word(host: Host) -> None:
    old = Token()
    _enrol(host, old)
    options: dict[str, Any] = {
        "state": "renewed",
        "renewal": "2026-Q4",
        "users": [{"name": "alice"}],
        "return_secrets": True,
    }
    assert host.module("twofactor_secret", "--check", **options)["changed"]
    result = host.module("twofactor_secret", **options)
    assert result["changed"]
    assert result["users"]["renewed"] == ["alice"]
    fresh = Token(secret=result["secrets"][0]["secret"])
    again = host.module("twofactor_secret", **options)
    assert not again["changed"]
    assert "secrets" not in again
    assert not host.ssh("alice", key=True, code=old.code())
    assert host.ssh("alice", key=True, code=fresh.code())
    assert host.module("twofactor_secret", **{**options, "renewal": "2027-Q1"})["changed"]
    assert not host.ssh("alice", key=True, code=fresh.code(1))


def test_backup_device(host: Host) -> None:
    primary, backup = Token(), Token()
    host.apply(
        secrets={"users": [{"name": "alice", "secret": primary.secret, "backup_secret": backup.secret}]},
        policy={"state": "enabled", "exempt_users": ["ansible"]},
        ssh={"state": "enabled"},
    )
    code = backup.code()
    assert host.ssh("alice", key=True, code=code)
    assert not host.ssh("alice", key=True, code=code)
    assert host.ssh("alice", key=True, code=primary.code())


def test_replay_state_survives_runs(host: Host) -> None:
    token = Token()
    _enrol(host, token)
    code = token.code()
    assert host.ssh("alice", key=True, code=code)
    users = [{"name": "alice", "secret": token.secret}]
    assert not host.apply(secrets={"users": users})["changed"]
    backup = Token()
    users[0]["backup_secret"] = backup.secret
    assert host.apply(secrets={"users": users}, policy={"window": 2})["changed"]
    assert not host.ssh("alice", key=True, code=code), "used before the run"
    host.module("twofactor", state="disabled")
    host.module("twofactor", state="enabled")
    assert not host.ssh("alice", key=True, code=code), "used before off and on"
    assert host.ssh("alice", key=True, code=token.code(1))


def test_rate_limit(host: Host) -> None:
    tokens = {"alice": Token(), "bob": Token()}
    host.apply(
        secrets={"users": [{"name": name, "secret": token.secret} for name, token in tokens.items()]},
        policy={
            "state": "enabled",
            "max_failures": 3,
            "unlock_after": 8,
            "exempt_users": ["ansible"],
        },
        ssh={"state": "enabled", "methods": ["password_and_code"]},
    )
    for dummy in range(3):
        assert not host.ssh("alice", password=PASSWORD, code="000000")
    code = tokens["alice"].code()
    assert not host.ssh("alice", password=PASSWORD, code=code), "locked"
    assert host.ssh("bob", password=PASSWORD, code=tokens["bob"].code()), "somebody else"
    host.shell("sleep 9")
    assert host.ssh("alice", password=PASSWORD, code=tokens["alice"].code()), "unlocked, its code not spent"
    for dummy in range(2):
        assert not host.ssh("alice", password=PASSWORD, code="000000")
    assert host.ssh("alice", password=PASSWORD, code=tokens["alice"].code(1)), "counted from the start"
