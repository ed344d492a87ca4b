# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Window, digits and interval, as each release keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.login.fleet import PASSWORD
from tests.login_truenas.nas import Nas

ROOT: dict[str, Any] = {"users": [{"name": "root"}], "return_secrets": True}


@pytest.mark.parametrize(("window", "accepted"), [(0, False), (1, True)])
def test_the_window_is_in_steps(nas: Nas, window: int, accepted: bool) -> None:
    nas.protect(policy={"window": window})
    assert bool(nas.ssh("root", code=nas.token().code(-1), password=PASSWORD)) == accepted


@pytest.mark.essential
def test_eight_digits_and_a_minute(nas: Nas) -> None:
    nas.protect(policy={"digits": 8, "interval": 60})
    code = nas.token(digits=8, interval=60).code()
    assert len(code) == 8
    assert not nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    assert nas.ssh("root", code=code, password=PASSWORD)
    nas.stand_in("forget")
    assert not nas.protect(policy={"digits": 8, "interval": 60})["changed"]
    assert nas.changes() == []
    assert len(nas.calls()) <= 5
    assert not any(called.private for called in nas.calls())
    shown = {user["name"]: user for user in nas.module("twofactor_info")["twofactor"]["users"]}
    assert (shown["root"]["digits"], shown["root"]["interval"]) == (8, 60)


def test_other_digits_for_people_who_are_enrolled(nas: Nas) -> None:
    nas.protect()
    old = nas.secret("root")
    nas.stand_in("forget")
    refused = nas.module("twofactor_host", policy={"digits": 8}, secrets=ROOT)
    expected = "secrets_wiped" if nas.release == "23.10" else "settings_strand_users"
    assert [reason["code"] for reason in refused["reasons"]] == [expected]
    assert nas.changes() == []
    renewed = {
        **ROOT,
        "users": [{"name": name} for name in nas.people],
        "state": "renewed",
        "renewal": "eight",
    }
    wipe = {"wipe_secrets": True} if nas.release == "23.10" else {}
    result = nas.apply(policy={"digits": 8, **wipe}, secrets=renewed)
    assert len(result["secrets"]) == len(nas.people)
    assert nas.secret("root") != old
    assert nas.ssh("root", code=nas.token(digits=8).code(), password=PASSWORD)
    assert not nas.apply(policy={"digits": 8, **wipe}, secrets=renewed)["changed"]


def test_wiping_is_announced(nas: Nas) -> None:
    if nas.release != "23.10":
        pytest.skip("only 23.10 wipes")
    nas.protect()
    users = [{"name": "root"}, {"name": "alice"}]
    result = nas.apply(
        "--check",
        policy={"interval": 60, "wipe_secrets": True},
        secrets={"users": users, "return_secrets": True},
    )
    assert "taken away: alice, root" in " ".join(result["printed"].split())
    assert nas.secret("alice")
    result = nas.apply(
        policy={"interval": 60, "wipe_secrets": True}, secrets={"users": users[:1], "return_secrets": True}
    )
    assert result["users"]["added"] == ["root"]
    assert not nas.secret("alice")
    assert nas.ssh("root", code=nas.token(interval=60).code(), password=PASSWORD)


def test_digits_for_a_user_of_whom_pam_knows_nothing_yet(nas: Nas) -> None:
    if not nas.per_user or nas.release == "23.10":
        pytest.skip("digits are the system's")
    nas.apply(secrets=ROOT)
    assert not nas.module("twofactor_host", policy={"digits": 6}, secrets=ROOT)["changed"]
    refused = nas.module("twofactor_host", policy={"digits": 7}, secrets=ROOT)
    assert refused["reasons"][0]["code"] == "settings_strand_users"
