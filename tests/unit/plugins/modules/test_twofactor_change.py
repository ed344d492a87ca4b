from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(("state", "confirmed"), [("confirmed", True), ("reverted", False)])
@pytest.mark.parametrize("check_mode", [True, False])
def test_state_reaches_the_platform(
    run: Run, platform: FakePlatform, state: str, confirmed: bool, check_mode: bool
) -> None:
    assert run("twofactor_change", check_mode, state=state)["changed"]
    assert platform.calls == [("settle", confirmed, check_mode)]


@pytest.mark.parametrize("params", [{}, {"state": "pending"}])
def test_state_is_one_of_two(run: Run, platform: FakePlatform, params: dict[str, Any]) -> None:
    assert "state" in run("twofactor_change", **params)["msg"]
    assert platform.calls == []


def test_refusal_has_its_code(run: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_confirmed: bool, _check_mode: bool) -> Outcome:
        raise TwofactorError("change_reverted", "Taken back.", "Find out why.")

    monkeypatch.setattr(platform, "settle", refuse)
    result = run("twofactor_change", state="confirmed")
    assert result["failed"]
    assert result["msg"] == "Taken back. Find out why."
    assert result["reasons"] == [
        {"code": "change_reverted", "message": "Taken back.", "remedy": "Find out why."}
    ]
