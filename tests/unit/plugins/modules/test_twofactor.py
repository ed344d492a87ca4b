from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check_mode", [False, True])
def test_options_reach_the_platform(run: Run, platform: FakePlatform, check_mode: bool) -> None:
    result = run(
        "twofactor", check_mode, state="enabled", digits="8", services="cockpit,sudo", exempt_users=["a"]
    )

    policy = {"state": "enabled", "digits": 8, "services": ("cockpit", "sudo"), "exempt_users": ("a",)}
    assert result["changed"]
    assert platform.calls == [("apply", Change(policy=policy), check_mode)]


def test_emergency_needs_no_more_than_its_state(run: Run, platform: FakePlatform) -> None:
    platform.missing = ["pam_oath"]
    run("twofactor", state="disabled", reason="phones lost")

    assert platform.calls[0][1].is_disable


@pytest.mark.parametrize(
    ("params", "msg"),
    [
        ({"digits": 9}, "value of digits must be one of: 6, 7, 8, got: 9"),
        ({"interval": 45}, "value of interval must be one of: 30, 60, got: 45"),
        ({"window": 11}, "window is 11; it must be from 0 to 10."),
        ({"unlock_after": 0}, "unlock_after is 0; it must be from 1 to 86400."),
        ({"state": "off"}, "value of state must be one of: enabled, disabled, got: off"),
    ],
)
def test_bad_options_never_reach_the_host(
    run: Run, platform: FakePlatform, params: dict[str, Any], msg: str
) -> None:
    assert run("twofactor", **params)["msg"] == msg
    assert platform.calls == []
