from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


def test_options_reach_the_platform(run: Run, platform: FakePlatform) -> None:
    run("twofactor_sshd", running=False, root_login="denied")

    assert platform.calls == [("set_sshd", SshdChange(running=False, root_login="denied"), False)]


def test_missing_package_is_reported(run: Run, platform: FakePlatform) -> None:
    platform.missing = ["sshd"]

    assert run("twofactor_sshd", packages="report") == {"changed": False, "missing_packages": ["sshd"]}
