from __future__ import annotations

import errno
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _module
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError


class Ended(Exception):
    """A module has come to its end."""


class FakeModule:
    """What is used of an AnsibleModule."""

    def __init__(self, check_mode: bool = False, **params: Any) -> None:
        self.params = params
        self.check_mode = check_mode
        self.warnings: list[str] = []
        self.result: dict[str, Any] = {}

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended

    def fail_json(self, **result: Any) -> None:
        self.result = {"failed": True, **result}
        raise Ended


class FakePlatform:
    name = "fake"

    def missing_packages(self, *wanted: str) -> list[str]:
        return [f"lib-{name}" for name in wanted]


@pytest.fixture(autouse=True)
def fake_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_module, "current_platform", FakePlatform)


def run(module: FakeModule, answer: Any = None, **more: Any) -> dict[str, Any]:
    def call(platform: Any, check_mode: bool) -> Outcome:
        assert (platform.name, check_mode) == ("fake", module.check_mode)
        if isinstance(answer, BaseException):
            raise answer
        return answer or Outcome()

    with pytest.raises(Ended):
        _module.run(module, call, **more)  # type: ignore[arg-type]
    return module.result


@pytest.mark.parametrize("check_mode", [False, True])
def test_outcome_becomes_the_result(check_mode: bool) -> None:
    module = FakeModule(check_mode)
    outcome = Outcome(True, {"a": 1}, {"a": 2}, ["careful"], {"users": {"added": ["alice"]}})

    assert run(module, outcome) == {
        "changed": True,
        "diff": {"before": {"a": 1}, "after": {"a": 2}},
        "users": {"added": ["alice"]},
    }
    assert module.warnings == ["careful"]


def test_error_becomes_one_sentence_and_a_code() -> None:
    assert run(FakeModule(), TwofactorError("unknown_user", "There is no user.", "Create it.")) == {
        "failed": True,
        "msg": "There is no user. Create it.",
        "reasons": [{"code": "unknown_user", "message": "There is no user.", "remedy": "Create it."}],
    }


def test_every_reason_is_handed_on() -> None:
    result = run(FakeModule(), Refused([TwofactorError("one", "A."), TwofactorError("two", "B.", "C.")]))

    assert result["msg"] == "(1) A. (2) B. C."
    assert [reason["code"] for reason in result["reasons"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("error", "msg"),
    [
        (
            OSError(errno.EROFS, "Read-only file system", "/etc/pam.d/x"),
            "operation on /etc/pam.d/x: Read-only file system.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "The host refused an operation: Permission denied.",
        ),
        (OSError("odd"), "The host refused an operation: odd."),
    ],
)
def test_refusal_of_the_host_is_said(error: OSError, msg: str) -> None:
    result = run(FakeModule(), error)

    assert msg in result["msg"]
    assert result["reasons"][0]["code"] == "os_error"


def test_fault_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        _module.run(FakeModule(), lambda _platform, _check: 1 / 0)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("params", [{"window": 11}, {"policy": {"window": 11}}])
def test_number_out_of_bounds_never_reaches_the_host(params: dict[str, Any]) -> None:
    result = run(FakeModule(**params), AssertionError("called"))

    assert result["msg"] == "window is 11; it must be from 0 to 10."
    assert result["reasons"][0]["code"] == "out_of_bounds"


def test_missing_packages_are_reported_before_anything_is_done() -> None:
    result = run(FakeModule(packages="report"), AssertionError("called"), needs=("pam_oath", "sshd"))

    assert result == {"changed": False, "missing_packages": ["lib-pam_oath", "lib-sshd"]}


@pytest.mark.parametrize(("packages", "needs"), [("require", ("sshd",)), ("report", ()), (None, ("sshd",))])
def test_otherwise_the_platform_says_what_it_lacks(packages: str | None, needs: tuple[str, ...]) -> None:
    assert run(FakeModule(packages=packages), Outcome(True), needs=needs)["changed"]
