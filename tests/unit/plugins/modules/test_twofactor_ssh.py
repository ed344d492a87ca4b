from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


def test_options_reach_the_platform(run: Run, platform: FakePlatform) -> None:
    run("twofactor_ssh", state="enabled", methods=["password_and_code", "key"], root_login="allowed")

    ssh = {"state": "enabled", "methods": ("password_and_code", "key"), "root_login": "allowed"}
    assert platform.calls == [("apply", Change(ssh=ssh), False)]


def test_methods_have_names(run: Run, platform: FakePlatform) -> None:
    assert "key_and_code" in run("twofactor_ssh", methods=["password"])["msg"]
    assert platform.calls == []
