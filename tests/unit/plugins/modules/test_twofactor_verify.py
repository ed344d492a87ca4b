from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


def test_user_and_code_reach_the_platform(run: Run, platform: FakePlatform) -> None:
    run("twofactor_verify", user="alice", code="123456")

    assert platform.calls == [("verify", ("alice", "123456"), False)]


def test_both_must_be_given(run: Run, platform: FakePlatform) -> None:
    assert "missing required arguments: code" in run("twofactor_verify", user="alice")["msg"]
    assert platform.calls == []
