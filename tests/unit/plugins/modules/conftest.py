"""Modules as Ansible runs them, on a platform that remembers what it was asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _module
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome


class Ended(Exception):
    """A module has come to its end."""


class FakePlatform:
    """A platform that answers everything with the same outcome."""

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.missing: list[str] = []

    def apply(self, change: Any, check_mode: bool) -> Outcome:
        self.calls.append(("apply", change, check_mode))
        return Outcome(changed=True)

    def settle(self, confirmed: bool, check_mode: bool) -> Outcome:
        self.calls.append(("settle", confirmed, check_mode))
        return Outcome(changed=True)

    def set_ntp(self, change: Any, check_mode: bool) -> Outcome:
        self.calls.append(("set_ntp", change, check_mode))
        return Outcome(changed=True)

    def set_sshd(self, change: Any, check_mode: bool) -> Outcome:
        self.calls.append(("set_sshd", change, check_mode))
        return Outcome(changed=True)

    def verify(self, user: str, code: str, check_mode: bool) -> Outcome:
        self.calls.append(("verify", (user, code), check_mode))
        return Outcome(changed=True)

    def info(self) -> dict[str, object]:
        return {"state": "enabled"}

    def missing_packages(self, *wanted: str) -> list[str]:
        return [name for name in wanted if name in self.missing]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    fake = FakePlatform()
    monkeypatch.setattr(_module, "current_platform", lambda: fake)
    return fake


@pytest.fixture
def run(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a module with parameters and returns its result."""

    def run_module(module: str, _check_mode: bool = False, **params: Any) -> dict[str, Any]:
        ended: dict[str, Any] = {}

        def end(_self: AnsibleModule, **result: Any) -> None:
            ended.update(result)
            raise Ended

        def fail(_self: AnsibleModule, msg: str, **result: Any) -> None:
            ended.update(result, failed=True, msg=msg)
            raise Ended

        monkeypatch.setattr(AnsibleModule, "exit_json", end)
        monkeypatch.setattr(AnsibleModule, "fail_json", fail)
        main = importlib.import_module(
            f"ansible_collections.fleetauth.twofactor.plugins.modules.{module}"
        ).main
        with patch_module_args({**params, "_ansible_check_mode": _check_mode}), pytest.raises(Ended):
            main()
        return ended

    return run_module
