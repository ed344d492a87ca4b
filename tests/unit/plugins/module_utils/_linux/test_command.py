from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import command, unattended

USERS = {"users": [{"name": "alice", "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}]}


class FakePlatform:
    """Remembers what it was asked; ``error`` is raised, ``changed`` answered."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.changed = True
        self.error: Exception | None = None

    def _answer(self, *call: Any) -> Outcome:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return Outcome(changed=self.changed)

    def apply(self, change: Change, check_mode: bool) -> Outcome:
        return self._answer("apply", change, check_mode)

    def settle(self, confirmed: bool, check_mode: bool) -> Outcome:
        return self._answer("settle", confirmed, check_mode)

    def info(self) -> dict[str, object]:
        self._answer("info")
        return {"state": "enabled"}


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    fake = FakePlatform()
    monkeypatch.setattr(command, "LinuxPlatform", lambda: fake)
    monkeypatch.setattr(unattended, "after_boot", lambda platform: platform._answer("after_boot"))
    monkeypatch.setattr(unattended, "expire", lambda platform, come: platform._answer("expire", come))
    return fake


@pytest.mark.parametrize(
    ("words", "call", "sentence"),
    [
        (["confirm"], ("settle", True, False), "The pending change stands."),
        (["revert"], ("settle", False, False), "The pending change has been taken back."),
        (["enable"], ("apply", Change(policy={"state": "enabled"}), False), "The second factor is on."),
        (
            ["enable", "--no-guard"],
            ("apply", Change(policy={"state": "enabled"}, guard=False), False),
            "The second factor is on.",
        ),
        (
            ["disable", "--reason", "phones lost", "--lasts", "2h"],
            ("apply", Change({"state": "disabled", "reason": "phones lost"}, lasts="2h"), False),
            "The second factor is off.",
        ),
        (
            ["disable"],
            ("apply", Change({"state": "disabled", "reason": ""}), False),
            "The second factor is off.",
        ),
        (["boot"], ("after_boot",), ""),
        (["expire"], ("expire", None), ""),
        (["expire", "--end", "1800000000"], ("expire", 1800000000.0), ""),
    ],
)
def test_verbs(
    platform: FakePlatform,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    call: tuple[Any, ...],
    sentence: str,
) -> None:
    assert command.main(words) == 0
    assert platform.calls == [call]
    assert capsys.readouterr().out.strip() == sentence

    platform.changed = False
    assert command.main(words) == 0
    assert capsys.readouterr().out.strip() == ("Nothing to do." if sentence else "")


def test_status_is_the_report(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["status"]) == 0
    assert json.loads(capsys.readouterr().out) == {"state": "enabled"}


@pytest.mark.parametrize(("guard", "expected"), [({}, True), ({"guard": False}, False)])
def test_change_from_standard_input_is_guarded_unless_it_says_otherwise(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, guard: dict[str, bool], expected: bool
) -> None:
    params = {"policy": {"state": "enabled", "exempt_users": ["ansible"]}, "secrets": USERS, **guard}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(params)))
    assert command.main(["apply"]) == 0
    ((_verb, change, check_mode),) = platform.calls

    assert change.policy == {"state": "enabled", "exempt_users": ("ansible",)}
    assert [user.name for user in change.secrets.users] == ["alice"]
    assert (change.guard, check_mode) == (expected, False)


@pytest.mark.parametrize(
    ("error", "spoken"),
    [
        (TwofactorError("x", "It is so.", "Do that."), "twofactor: It is so. Do that."),
        (Refused([TwofactorError("x", "One.", ""), TwofactorError("y", "Two.", "")]), "(1) One. (2) Two."),
        (PermissionError(13, "Permission denied"), "are you root?"),
    ],
)
def test_errors_are_said_and_end_with_status_1(
    platform: FakePlatform, capsys: pytest.CaptureFixture[str], error: Exception, spoken: str
) -> None:
    platform.error = error
    assert command.main(["enable"]) == 1
    said = capsys.readouterr()
    assert (said.out, spoken in said.err) == ("", True)


@pytest.mark.parametrize(
    "words", [[], ["on"], ["disable", "--last", "2h"], ["enable", "--reason", "x"], ["conf"]]
)
def test_words_that_are_none(
    platform: FakePlatform, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(words)
    assert caught.value.code == 2
    assert platform.calls == []
    assert "usage: twofactor" in capsys.readouterr().err
