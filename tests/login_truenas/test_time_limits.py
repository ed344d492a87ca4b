# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait to be confirmed, and a second factor that is off for a while."""

from __future__ import annotations

import time

import pytest

from tests.login.fleet import wait_until
from tests.login_truenas.nas import Nas


def _nothing_is_left(nas: Nas) -> None:
    """Wait until what takes a change back has cleared up behind itself, which it does last."""
    listed = "ls /etc/systemd/system | grep fleetauth; ls /data | grep -v 'twofactor.json$'"
    wait_until(
        lambda: nas.shell(listed, check=False).split() in ([], ["fleetauth-twofactor-pending.reverted"]), 15
    )


@pytest.mark.essential
def test_unconfirmed_it_reverts_by_itself(nas: Nas) -> None:
    before = nas.settings()
    start = time.monotonic()
    # By way of Ansible: nothing of its session is left that could do it.
    result = nas.protect("-v", confirm_within=20)
    assert result["pending"]["confirm_within"] == 20
    assert nas.settings()["enabled"], "it is in effect at once"
    wait_until(lambda: not nas.settings()["enabled"], 20 + 20 - (time.monotonic() - start))
    wait_until(lambda: "reverted" in nas.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat"), 10)
    after = nas.settings()
    assert {**after, "secret": None} == {**before, "secret": None}
    late = nas.module("twofactor_change", state="confirmed")
    assert late["reasons"][0]["code"] == "change_reverted"
    _nothing_is_left(nas)
    assert nas.protect()["changed"]


def test_confirmed_it_stays(nas: Nas) -> None:
    nas.protect(confirm_within=30)
    start = time.monotonic()
    assert nas.module("twofactor", window=2)["reasons"][0]["code"] == "change_pending"
    assert nas.module("twofactor_change", "--check", state="confirmed")["changed"]
    assert nas.module("twofactor_change", state="confirmed")["changed"]
    assert not nas.module("twofactor_change", state="confirmed")["changed"]
    nas.shell("! systemctl is-active -q fleetauth-twofactor-pending.timer")
    time.sleep(max(0.0, 31 - (time.monotonic() - start)))  # when it would have been taken back
    assert nas.settings()["enabled"]
    assert "pending" not in nas.protect(confirm_within=20), "nothing changed, nothing waits"
    _nothing_is_left(nas)


def test_reverted_on_request(nas: Nas) -> None:
    nas.protect()
    nas.module("twofactor", window=3, confirm_within=60)
    info = nas.module("twofactor_info")["twofactor"]
    assert info["pending"]["by"] == "root"
    assert "change_pending" in [problem["code"] for problem in info["problems"]]
    assert nas.module("twofactor_change", state="reverted")["changed"]
    assert nas.settings()["window"] == 1
    _nothing_is_left(nas)


def test_the_emergency_does_not_wait(nas: Nas) -> None:
    nas.protect()
    nas.module("twofactor_ssh", state="disabled", confirm_within=60)
    assert nas.module("twofactor", state="disabled")["changed"]
    assert "pending" not in nas.module("twofactor_info")["twofactor"]
    _nothing_is_left(nas)


def test_off_for_a_while(nas: Nas) -> None:
    nas.protect()
    off = {"state": "disabled", "lasts": "20s", "reason": "restore"}
    assert nas.module("twofactor", "--check", **off)["changed"]
    assert nas.module("twofactor", **off)["changed"]
    info = nas.module("twofactor_info")["twofactor"]
    assert info["bypass"]["host"]["reason"] == "restore"
    assert "bypass" in [problem["code"] for problem in info["problems"]]
    assert not nas.module("twofactor", **off)["changed"]
    wait_until(lambda: bool(nas.settings()["enabled"]), 30)
    assert nas.settings()["services"] == {"ssh": True}
    wait_until(lambda: "bypass is over" in nas.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat"), 10)
    _nothing_is_left(nas)


@pytest.mark.essential
def test_a_time_limit_switches_nothing_on_that_was_off(nas: Nas) -> None:
    off = {"state": "disabled", "lasts": "20s", "reason": "phones lost"}
    for extra in (["--check"], []):
        result = nas.module("twofactor", *extra, **off)
        assert not result["changed"], result["printed"]
        assert "was disabled on this NAS already" in result["printed"]
    assert nas.changes() == []
    assert nas.module("twofactor_info")["twofactor"]["bypass"]["host"] is None
    _nothing_is_left(nas)


def test_a_longer_time_limit_replaces_the_shorter_one(nas: Nas) -> None:
    nas.protect()
    nas.module("twofactor", state="disabled", lasts="25s", reason="restore")
    first = nas.module("twofactor_info")["twofactor"]["bypass"]["host"]["until"]
    longer = {"state": "disabled", "lasts": "1h", "reason": "it takes longer"}
    assert nas.module("twofactor", "--check", **longer)["changed"]
    assert nas.module("twofactor", **longer)["changed"]
    assert not nas.module("twofactor", **longer)["changed"]
    bypass = nas.module("twofactor_info")["twofactor"]["bypass"]["host"]
    assert bypass["until"] - first > 3000
    assert bypass["reason"] == "it takes longer"
    time.sleep(max(0.0, first + 5 - time.time()))  # when the first one would have ended
    assert not nas.settings()["enabled"]
    assert nas.module("twofactor", state="enabled")["changed"]
    _nothing_is_left(nas)


def test_a_restart_takes_a_waiting_change_back(nas: Nas) -> None:
    nas.protect(confirm_within=600)
    nas.restart()
    wait_until(lambda: not nas.settings()["enabled"], 30)


def test_a_bypass_outlives_a_restart(nas: Nas) -> None:
    nas.protect()
    nas.module("twofactor", state="disabled", lasts="25s", reason="restore")
    nas.restart()
    assert not nas.settings()["enabled"]
    wait_until(lambda: bool(nas.settings()["enabled"]), 40)
