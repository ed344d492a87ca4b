# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, with its reason, and leaves the NAS as it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.login.fleet import PASSWORD, Token
from tests.login_truenas.nas import Nas


def _codes(result: dict[str, Any]) -> list[str]:
    assert result["failed"], result["printed"]
    return [reason["code"] for reason in result["reasons"]]


@pytest.mark.essential
def test_switching_on_with_nobody_enrolled(nas: Nas) -> None:
    assert _codes(nas.module("twofactor", state="enabled")) == ["nobody_enrolled"]
    assert nas.changes() == []
    assert nas.module("twofactor", state="enabled", guard=False)["changed"]


@pytest.mark.essential
def test_ssh_on_while_a_password_user_has_no_secret(nas: Nas) -> None:
    if nas.per_user:
        nas.add_user("carol", ssh_password=True)
    else:
        nas.midclt("ssh.update", {"passwordauth": True})
    nas.apply(
        secrets={"users": [{"name": "root"}], "return_secrets": True},
        policy={"state": "enabled"},
        guard=nas.per_user,
    )
    nas.stand_in("forget")
    refused = nas.module("twofactor_ssh", state="enabled")
    assert _codes(refused) == ["user_shut_out"]
    assert ("carol" if nas.per_user else "bob") in refused["reasons"][0]["message"]
    assert nas.changes() == []
    assert nas.module("twofactor_ssh", state="enabled", guard=False)["changed"]
    problems = [entry["code"] for entry in nas.module("twofactor_info")["twofactor"]["problems"]]
    assert "user_shut_out" in problems


def test_a_seed_of_ones_own(nas: Nas) -> None:
    users = [{"name": name, "secret": Token().secret} for name in nas.people]
    refused = nas.module("twofactor_secret", users=users)
    assert _codes(refused) == ["secret_supplied"] * len(users)
    assert users[0]["secret"] not in refused["printed"]
    assert nas.changes() == []


def test_users_who_cannot_have_a_secret(nas: Nas) -> None:
    users = [{"name": "ghost"}]
    expected = "unknown_user" if nas.per_user else "only_root"
    assert _codes(nas.module("twofactor_secret", users=users, return_secrets=True)) == [expected]


def test_ways_in_that_truenas_does_not_have(nas: Nas) -> None:
    nas.protect()
    refused = nas.module("twofactor_ssh", state="enabled", methods=["key_and_code"])
    assert _codes(refused) == ["methods_impossible"]
    accepted = nas.module("twofactor_ssh", state="enabled", methods=["password_and_code", "key"])
    assert not accepted["failed"]
    assert not accepted["changed"]


@pytest.mark.essential
@pytest.mark.parametrize("interval", [45, 15, 0])
def test_an_interval_that_pam_cannot_read(nas: Nas, interval: int) -> None:
    refused = nas.module("twofactor", interval=interval)
    assert refused["failed"]
    assert "30, 60" in refused["msg"]
    assert nas.calls() == []


def test_options_of_linux_are_warnings(nas: Nas) -> None:
    nas.protect()
    result = nas.module(
        "twofactor",
        services=["sudo"],
        unenrolled="deny",
        max_failures=3,
        exempt_users=["bob"],
        exempt_groups=["wheel"],
    )
    assert not result["failed"], result["printed"]
    assert not result["changed"]
    for option in ("services", "unenrolled", "max_failures", "exempt_groups"):
        assert f"{option}: " in result["printed"]
    assert "exempt_users: " not in result["printed"], "bob has no secret, so it is so"


def test_no_single_user_is_let_off(nas: Nas) -> None:
    refused = nas.module("twofactor_bypass", users=["alice"], lasts="1h", reason="phone lost")
    assert _codes(refused) == ["bypass_impossible"]


def test_stig_mode(nas: Nas) -> None:
    if nas.release not in ("25.04", "25.10", "26.0"):
        pytest.skip("no STIG mode before 25.04")
    nas.protect()
    nas.stand_in("stig", "on")
    refused = nas.module("twofactor", state="disabled", reason="phones lost")
    assert refused["failed"]
    assert "may not be disabled in General Purpose OS STIG mode" in refused["msg"]
    assert nas.settings()["enabled"]
    ssh_off = nas.module("twofactor_ssh", state="disabled")
    assert "is required in General Purpose OS STIG mode" in ssh_off["msg"]
    problems = [entry["code"] for entry in nas.module("twofactor_info")["twofactor"]["problems"]]
    assert "stig" in problems
    nas.stand_in("stig", "off")
    assert nas.module("twofactor", state="disabled")["changed"]


def test_root_by_password_takes_a_secret(nas: Nas) -> None:
    if not nas.per_user:
        pytest.skip("the one secret is root's")
    nas.apply(
        secrets={"users": [{"name": "alice"}], "return_secrets": True},
        policy={"state": "enabled"},
        ssh={"state": "enabled"},
    )
    nas.stand_in("forget")
    reasons = ["root_not_enrolled", "user_shut_out"]
    assert _codes(nas.module("twofactor_ssh", root_login="allowed", confirm_within=60)) == reasons
    assert _codes(nas.module("twofactor_ssh", "--check", root_login="allowed")) == reasons
    assert _codes(nas.module("twofactor_sshd", root_login="allowed")) == ["root_not_enrolled"]
    assert nas.changes() == []
    assert not nas.ssh("root", password=PASSWORD)
