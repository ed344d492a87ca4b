from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]


def test_everything_is_one_change(run: Run, platform: FakePlatform) -> None:
    run("twofactor_host", policy={"state": "enabled"}, ssh={"state": "disabled"}, secrets={"users": []})

    change = Change({"state": "enabled"}, {"state": "disabled"}, SecretsChange())
    assert platform.calls == [("apply", change, False)]


def test_missing_packages_are_reported(run: Run, platform: FakePlatform) -> None:
    platform.missing = ["pam_oath"]

    assert run("twofactor_host", policy={"state": "enabled"}, packages="report")["missing_packages"] == [
        "pam_oath"
    ]
    assert platform.calls == []


def test_switching_off_needs_no_package(run: Run, platform: FakePlatform) -> None:
    platform.missing = ["pam_oath", "sshd"]
    run("twofactor_host", policy={"state": "disabled"}, packages="report")

    assert platform.calls[0][1].is_disable


@pytest.mark.parametrize(
    ("params", "msg"),
    [
        ({}, "one of the following is required: policy, ssh, secrets"),
        ({"policy": {"window": 11}}, "window is 11; it must be from 0 to 10."),
        (
            {"secrets": {"state": "renewed", "users": []}},
            "state is renewed but all of the following are missing: renewal found in secrets",
        ),
    ],
)
def test_bad_options(run: Run, platform: FakePlatform, params: dict[str, Any], msg: str) -> None:
    assert run("twofactor_host", **params)["msg"] == msg
    assert platform.calls == []
