from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.modules.conftest import FakePlatform

Run = Callable[..., dict[str, Any]]
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SEED = b"12345678901234567890"


def test_users_reach_the_platform(run: Run, platform: FakePlatform) -> None:
    run("twofactor_secret", users=[{"name": "alice", "secret": SECRET}, {"name": "bob"}], return_secrets=True)

    users = (UserSecret("alice", SEED), UserSecret("bob"))
    assert platform.calls == [
        ("apply", Change(secrets=SecretsChange(users=users, return_secrets=True)), False)
    ]


@pytest.mark.parametrize(
    ("params", "msg"),
    [
        ({}, "missing required arguments: users"),
        (
            {"users": [{"name": "alice"}], "state": "renewed"},
            "state is renewed but all of the following are missing: renewal",
        ),
        ({"users": [{"secret": SECRET}]}, "missing required arguments: name found in users"),
    ],
)
def test_what_must_be_given(run: Run, platform: FakePlatform, params: dict[str, Any], msg: str) -> None:
    assert run("twofactor_secret", **params)["msg"] == msg
    assert platform.calls == []


def test_bad_secret_is_told_by_its_user(run: Run, platform: FakePlatform) -> None:
    result = run("twofactor_secret", users=[{"name": "alice", "secret": SECRET[:-1] + "1"}])

    assert result["reasons"][0]["code"] == "secret_not_base32"
    assert "alice" in result["msg"]
    assert SECRET[:-1] not in str(result)
    assert platform.calls == []
