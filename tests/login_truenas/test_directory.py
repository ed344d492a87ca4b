# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user of Active Directory: enrolled once, asked for a code by SSH, renewed, and rid of the secret once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.login.fleet import PASSWORD
from tests.login_truenas.nas import Nas

CAROL = "CORP\\carol"
REMOVES_WHILE_ENABLED = ("25.10", "26.0")


@pytest.fixture
def joined(nas: Nas) -> Nas:
    """A NAS that has joined a domain in which carol is."""
    if not nas.per_user:
        pytest.skip("only root can have a secret")
    nas.stand_in("directory", CAROL)
    return nas


def _parts(**more: Any) -> dict[str, Any]:
    return {
        "secrets": {"users": [{"name": "root"}, {"name": CAROL}], "return_secrets": True, **more},
        "policy": {"state": "enabled", "window": 1},
        "ssh": {"state": "enabled", "root_login": "allowed"},
    }


def _once(nas: Nas, parts: dict[str, Any]) -> dict[str, Any]:
    """Insist that check mode foretells a change, that it happens, and that it happens once."""
    assert nas.module("twofactor_host", "--check", **parts)["changed"]
    result = nas.apply(**parts)
    nas.stand_in("forget")
    assert not nas.apply(**parts)["changed"]
    assert nas.changes() == []
    return result


@pytest.mark.essential
def test_a_user_of_a_directory(joined: Nas) -> None:
    nas = joined
    result = _once(nas, _parts())
    told = {entry["name"]: entry["secret"] for entry in result["secrets"]}
    assert told[CAROL] == nas.secret(CAROL)
    assert not nas.ssh(CAROL, password=PASSWORD)
    login = nas.ssh(CAROL, code=nas.token(CAROL).code(), password=PASSWORD)
    assert login.accepted, login.output
    assert login.asked_code
    info = nas.module("twofactor_info")["twofactor"]
    assert CAROL in [user["name"] for user in info["users"] if user["enrolled"]]
    assert "user_shut_out" not in [problem["code"] for problem in info["problems"]]
    renewed = _once(nas, {"secrets": _parts(state="renewed", renewal="2026-Q4")["secrets"]})
    assert {entry["name"] for entry in renewed["secrets"]} == {"root", CAROL}
    if nas.release not in REMOVES_WHILE_ENABLED:
        nas.module("twofactor", state="disabled", reason="to remove a secret")
    _once(nas, {"secrets": {"users": [{"name": CAROL}], "state": "absent"}})
    assert not nas.secret(CAROL)


def test_exclusive_without_her(joined: Nas) -> None:
    nas = joined
    nas.apply(**_parts())
    alone: dict[str, Any] = {
        "secrets": {"users": [{"name": "root"}], "exclusive": True, "return_secrets": True}
    }
    if nas.release not in REMOVES_WHILE_ENABLED:
        refused = nas.module("twofactor_host", **alone)
        assert [reason["code"] for reason in refused["reasons"]] == ["removal_while_enabled"]
        assert CAROL in refused["msg"]
        return
    _once(nas, alone)
    assert not nas.secret(CAROL)
