"""Proving a code: what is found, what is remembered, what is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    pam_check,
    paths,
    tokens,
    verify,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

SEED, BACKUP = b"S" * 20, b"B" * 20
NOW = 1_800_000_015.0
LINES = [tokens.new_line("root", SEED, 30, 6), tokens.new_line("root", BACKUP, 60, 6)]


def code(steps: int, seed: bytes = SEED, interval: int = 30) -> str:
    return _otp.totp(seed, NOW + steps * interval, interval)


class Counter:
    """Stands in for pam_faillock."""

    failures = 0

    def __init__(self, user: str, policy: object) -> None:
        del user, policy

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *dummy: object) -> None:
        pass

    def refuse_locked(self) -> None:
        if Counter.failures >= 3:
            raise TwofactorError("user_locked", "locked")

    def count_failure(self) -> None:
        Counter.failures += 1


@pytest.fixture
def host(root: Root, monkeypatch: pytest.MonkeyPatch) -> Root:
    root.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    root.put(paths.token_file("root"), tokens.render(LINES), 0o600)
    Counter.failures = 0
    monkeypatch.setattr(verify, "_Counter", Counter)
    monkeypatch.setattr(verify.time, "time", lambda: NOW)
    return root


@pytest.mark.parametrize("steps", [-20, -3, -1, 0, 1, 7, 20])
def test_how_far_the_clock_is_off(steps: int) -> None:
    assert verify.find(LINES, code(steps), NOW) == verify.Finding(steps, "primary")


def test_backup_device_and_strangers() -> None:
    assert verify.find(LINES, code(2, BACKUP, 60), NOW) == verify.Finding(2, "backup")
    assert verify.find(LINES, code(21), NOW) == verify.Finding()
    assert verify.find(LINES, "", NOW) == verify.Finding()
    assert verify.find(LINES, "１２３４５６", NOW) == verify.Finding()


def test_right_code_is_remembered_once_and_keeps_what_is_there(host: Root) -> None:
    host.put(paths.USERS, json.dumps({"root": {"renewal": "w"}, "bob": {"renewal": "x"}}))
    before = host.at(paths.token_file("root")).read_text()
    first = verify.verify("root", f" {code(1)[:3]} {code(1)[3:]}", False)

    assert first.changed
    assert first.result == {"valid": True, "steps": 1, "seconds": 30, "device": "primary"}
    assert not verify.verify("root", code(0), False).changed
    entries: dict[str, Any] = json.loads(host.at(paths.USERS).read_text())
    assert entries["bob"] == {"renewal": "x"}
    assert entries["root"]["renewal"] == "w"
    assert entries["root"]["verified"] == "2027-01-15T08:00:15Z"
    assert host.at(paths.token_file("root")).read_text() == before
    assert [event for event, dummy in host.logged] == ["verified", "verified"]
    assert code(1) not in str(host.logged)


@pytest.mark.parametrize(("steps", "reason"), [(2, "clock_off"), (-9, "clock_off"), (99, "code_wrong")])
def test_code_that_is_not_right_fails_and_is_counted(host: Root, steps: int, reason: str) -> None:
    outcome = verify.verify("root", code(steps), False)

    assert outcome.result["failed"] is True
    assert outcome.result["valid"] is False
    assert outcome.result["steps"] == (steps if reason == "clock_off" else None)
    assert outcome.result["reasons"][0]["code"] == reason  # type: ignore[index]
    assert not outcome.changed
    assert not host.at(paths.USERS).exists()
    assert Counter.failures == 1
    assert code(steps) not in str(host.logged) + str(outcome.result["msg"])


def test_locked_user_learns_nothing(host: Root) -> None:
    for dummy in range(3):
        verify.verify("root", code(99), False)
    with pytest.raises(TwofactorError) as caught:
        verify.verify("root", code(0), False)
    assert caught.value.code == "user_locked"


def test_check_mode_looks_at_no_code(host: Root) -> None:
    for guess in (code(0), code(99)):
        outcome = verify.verify("root", guess, True)
        assert (outcome.changed, outcome.result) == (True, {})
    assert Counter.failures == 0
    assert not host.at(paths.USERS).exists()


@pytest.mark.parametrize(
    ("user", "reason"),
    [("nobody-at-all", "unknown_user"), ("daemon", "not_enrolled"), ("a/b", "bad_user_name")],
)
def test_who_cannot_be_proved(host: Root, user: str, reason: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        verify.verify(user, code(0), False)
    assert caught.value.code == reason


def test_where_wrong_codes_cannot_be_counted_none_is_looked_at(
    host: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(pam_check, "load_libpam", lambda: None)
    with pytest.raises(TwofactorError) as caught, verify._Counter("root", Policy()):
        raise AssertionError("never begun")
    assert caught.value.code == "cannot_count"
