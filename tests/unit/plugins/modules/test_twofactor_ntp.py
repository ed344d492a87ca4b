from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


def test_options_reach_the_platform(run: Run, platform: FakePlatform) -> None:
    run("twofactor_ntp", True, servers=["192.0.2.1"], nts=True, wait="2.5")

    assert platform.calls == [("set_ntp", NtpChange(servers=("192.0.2.1",), nts=True, wait=2.5), True)]


def test_missing_package_is_reported(run: Run, platform: FakePlatform) -> None:
    platform.missing = ["chrony"]

    assert run("twofactor_ntp", packages="report") == {"changed": False, "missing_packages": ["chrony"]}
