from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import BypassChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check_mode", [True, False])
def test_options_reach_the_platform(run: Run, platform: FakePlatform, check_mode: bool) -> None:
    run("twofactor_bypass", check_mode, users=["alice", "bob"], lasts="2h", reason="phones lost")
    ((verb, change, checked),) = platform.calls

    assert (verb, checked) == ("apply", check_mode)
    assert (change.bypass.users, change.bypass.state) == (("alice", "bob"), "present")
    assert (change.bypass.lasts, change.bypass.reason) == ("2h", "phones lost")
    assert (change.policy, change.ssh, change.secrets) == (None, None, None)
    assert not change.is_disable


def test_ending_it_needs_no_more_than_the_users(run: Run, platform: FakePlatform) -> None:
    run("twofactor_bypass", users=["alice"], state="absent")
    ((_verb, change, _checked),) = platform.calls

    assert isinstance(change, Change)
    assert isinstance(change.bypass, BypassChange)
    assert (change.bypass.users, change.bypass.state) == (("alice",), "absent")


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"users": ["alice"]}, "lasts"),
        ({"users": ["alice"], "lasts": "2h"}, "reason"),
        ({"users": ["alice"], "reason": "x"}, "lasts"),
        ({"lasts": "2h", "reason": "x"}, "users"),
        ({"users": ["alice"], "lasts": "2h", "reason": "x", "state": "enabled"}, "state"),
    ],
)
def test_nobody_is_let_off_without_an_end_and_a_reason(
    run: Run, platform: FakePlatform, params: dict[str, Any], word: str
) -> None:
    assert word in run("twofactor_bypass", **params)["msg"]
    assert platform.calls == []
