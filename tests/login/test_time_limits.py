# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait to be confirmed, and bypasses that end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.login.fleet import PASSWORD, Host, Token, wait_until


def _wanted(token: Token) -> dict[str, Any]:
    return {
        "secrets": {"users": [{"name": "alice", "secret": token.secret}]},
        "policy": {"state": "enabled", "exempt_users": ["ansible"]},
        "ssh": {"state": "enabled", "methods": ["key_and_code"]},
    }


def _time_for(calls: int, host: Host) -> int:
    """Return the seconds that so many calls and logins take on this machine now, with room to spare."""
    start = time.monotonic()
    host.module("twofactor_info")
    return 3 + int(3 * calls * (time.monotonic() - start))


def _is_off(host: Host) -> bool:
    return not host.shell(
        "ls /etc/pam.d/twofactor /etc/ssh/sshd_config.d/00-twofactor.conf 2>/dev/null", False
    )


def test_unconfirmed_it_reverts_by_itself(host: Host) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    seconds = _time_for(3, host)
    start = time.monotonic()
    result = host.apply(**_wanted(Token()), confirm_within=seconds)
    applied = time.monotonic() - start
    assert result["pending"]["confirm_within"] == seconds
    assert not host.ssh("alice", key=True), "it is in effect at once"
    info = host.module("twofactor_info")["twofactor"]
    assert info["pending"]["by"] == "ansible"
    assert 0 <= info["pending"]["seconds_left"] <= seconds
    # The time starts when the change has been made, which is not before the call began.
    wait_until(lambda: _is_off(host), seconds + applied + 5 - (time.monotonic() - start))
    assert host.files("/etc/pam.d", "/etc/ssh") == before
    assert host.ssh("alice", key=True)
    late = host.module("twofactor_change", state="confirmed")
    assert late["failed"]
    assert late["reasons"][0]["code"] == "change_reverted"
    assert "reverted" in host.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")


def test_what_cannot_be_taken_back_in_time_is_tried_again(host: Host) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    host.apply(**_wanted(Token()), confirm_within=8)
    host.shell("mount -o bind /etc/pam.d /etc/pam.d && mount -o remount,bind,ro /etc/pam.d")
    wait_until(lambda: "Read-only" in host.shell("journalctl -q --no-pager -n 50 -o cat"), 20)
    assert not _is_off(host), "it could not be taken back as a whole"
    assert host.ssh("alice", key=True), "and shuts nobody out meanwhile"
    host.shell("umount /etc/pam.d")
    wait_until(lambda: host.files("/etc/pam.d", "/etc/ssh") == before, 60)
    assert host.ssh("alice", key=True)


def test_confirmed_it_stays(host: Host) -> None:
    token = Token()
    wanted = _wanted(token)
    seconds = _time_for(4, host)
    host.apply(**wanted, confirm_within=seconds)
    second = host.module("twofactor", window=2)
    assert second["reasons"][0]["code"] == "change_pending"
    assert host.module("twofactor_change", "--check", state="confirmed")["changed"]
    assert host.module("twofactor_change", state="confirmed")["changed"]
    assert not host.module("twofactor_change", state="confirmed")["changed"]
    time.sleep(seconds + 2)
    assert not _is_off(host)
    assert host.ssh("alice", key=True, code=token.code())
    assert "pending" not in host.apply(**wanted, confirm_within=5), "nothing changed, nothing waits"


def test_it_is_not_confirmed_over_the_connection_that_made_it(host: Host) -> None:
    host.apply(policy={"state": "enabled", "exempt_users": ["ansible"]}, guard=False)
    ssh = {"ssh": {"state": "enabled"}, "guard": False, "confirm_within": 60}
    host.shell("cat > /root/change.json", stdin=json.dumps(ssh))
    one = "env SSH_CONNECTION='192.0.2.7 1111 192.0.2.8 22' twofactor"
    other = "env SSH_CONNECTION='192.0.2.7 2222 192.0.2.8 22' twofactor"
    host.shell(f"{one} apply < /root/change.json")
    assert "new one" in host.shell(f"{one} confirm 2>&1", check=False)
    assert "stands" in host.shell(f"{other} confirm")


def test_reverted_on_request(host: Host) -> None:
    token = Token()
    wanted = _wanted(token)
    host.apply(**wanted)
    used = token.code()
    assert host.ssh("alice", key=True, code=used)
    enforced = host.files("/etc/pam.d", "/etc/ssh")
    host.module("twofactor_ssh", methods=["password_and_code"], confirm_within=60)
    assert host.files("/etc/pam.d", "/etc/ssh") != enforced
    assert host.module("twofactor_change", state="reverted")["changed"]
    assert host.files("/etc/pam.d", "/etc/ssh") == enforced
    assert not host.module("twofactor_change", state="reverted")["changed"]
    assert not host.ssh("alice", key=True, code=used), "used codes stay used"
    assert host.ssh("alice", key=True, code=token.code(1))


def test_the_emergency_does_not_wait(host: Host) -> None:
    host.apply(**_wanted(Token()), confirm_within=60)
    assert host.module("twofactor", state="disabled")["changed"]
    assert host.ssh("alice", key=True)
    assert "pending" not in host.module("twofactor_info")["twofactor"]


def test_off_for_a_while(host: Host) -> None:
    token = Token()
    host.apply(**_wanted(token))
    enforced = host.files("/etc/pam.d", "/etc/ssh")
    seconds = _time_for(5, host)
    off = {"state": "disabled", "lasts": f"{seconds}s", "reason": "restore"}
    assert host.module("twofactor", "--check", **off)["changed"]
    assert host.module("twofactor", **off)["changed"]
    assert host.ssh("alice", key=True)
    info = host.module("twofactor_info")["twofactor"]
    assert info["bypass"]["host"]["reason"] == "restore"
    assert "bypass" in [problem["code"] for problem in info["problems"]]
    assert not host.module("twofactor", **off)["changed"]
    wait_until(lambda: not _is_off(host), seconds + 15)
    assert host.files("/etc/pam.d", "/etc/ssh") == enforced
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())
    assert host.module("twofactor_info")["twofactor"]["bypass"]["host"] is None


def test_a_host_that_was_off_does_not_come_on_by_itself(host: Host) -> None:
    """The fleet's emergency command with a time limit reaches hosts that never asked for a code."""
    before = host.files("/etc")
    result = host.module("twofactor", state="disabled", lasts="2s", reason="phones lost")
    assert not result["changed"]
    assert "was disabled on this host already" in result["printed"]
    assert host.files("/etc") == before
    assert not host.shell("ls -d /var/lib/twofactor/bypass.json 2>/dev/null || true")
    assert not host.shell("systemctl list-timers --all --no-legend | grep -i twofactor || true")


def test_another_time_limit_replaces_the_one_that_runs(host: Host) -> None:
    host.apply(**_wanted(Token()))
    assert host.module("twofactor", state="disabled", lasts="1h", reason="restore")["changed"]
    assert host.module("twofactor", state="disabled", lasts="2h", reason="restore")["changed"]
    info = host.module("twofactor_info")["twofactor"]
    assert info["bypass"]["host"]["until"] > time.time() + 6000


@pytest.mark.parametrize("method", ["key_and_code", "password_and_code"])
def test_one_user_let_off_for_a_while(host: Host, method: str) -> None:
    token = Token()
    wanted = _wanted(token)
    wanted["ssh"]["methods"] = [method]
    wanted["secrets"]["users"].append({"name": "bob", "secret": Token().secret})
    host.apply(**wanted)
    way: dict[str, Any] = {"key": True} if method == "key_and_code" else {"password": PASSWORD}
    seconds = _time_for(7, host)
    let_off: dict[str, Any] = {"users": ["alice"], "lasts": f"{seconds}s", "reason": "phone lost"}
    assert host.module("twofactor_bypass", "--check", **let_off)["changed"]
    assert host.module("twofactor_bypass", **let_off)["changed"]
    assert not host.module("twofactor_bypass", **let_off)["changed"]
    assert not host.apply(**wanted)["changed"], "a run in between does not end it"
    assert host.ssh("alice", **way)
    assert not host.ssh("bob", **way)
    info = host.module("twofactor_info")["twofactor"]
    assert info["bypass"]["users"]["alice"]["reason"] == "phone lost"
    wait_until(lambda: "alice" not in host.shell("cat /etc/pam.d/twofactor"), seconds + 15)
    assert not host.ssh("alice", **way)
    assert host.ssh("alice", code=token.code(), **way)
    host.module("twofactor_bypass", **{**let_off, "lasts": "1h"})
    assert host.module("twofactor_bypass", users=["alice"], state="absent")["changed"]
    assert not host.ssh("alice", **way)


@pytest.mark.parametrize("lasts", ["2", "2w", "-1h", "8d", "0s", "two hours"])
def test_a_duration_that_is_none(host: Host, lasts: str) -> None:
    host.apply(**_wanted(Token()))
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_bypass", users=["alice"], lasts=lasts, reason="x")
    assert result["reasons"][0]["code"] == "bad_duration"
    result = host.module("twofactor", state="disabled", lasts=lasts)
    assert result["reasons"][0]["code"] == "bad_duration"
    assert host.files("/etc", "/var/lib/twofactor") == before


def test_the_command_at_the_console(host: Host) -> None:
    token = Token()
    host.apply(**_wanted(token))
    assert '"state": "enabled"' in host.shell("twofactor status")
    assert "off" in host.shell("twofactor disable --reason 'at the console'")
    assert host.ssh("alice", key=True)
    assert "'bob' can log in by SSH today" in host.shell("twofactor enable 2>&1", check=False)
    assert host.ssh("alice", key=True)
    assert "is on" in host.shell("twofactor enable --no-guard")
    assert not host.ssh("alice", key=True)
    assert "Nothing" in host.shell("twofactor enable --no-guard")
    spoken = host.shell("su -s /bin/sh -c 'twofactor disable' nobody 2>&1", check=False)
    assert "root" in spoken
    assert not host.ssh("alice", key=True)


@pytest.mark.parametrize("what", ["pending", "bypass", "ended bypass"])
def test_a_reboot(host: Host, what: str) -> None:
    token = Token()
    wanted = _wanted(token)
    if what == "pending":
        host.apply(**wanted, confirm_within=600)
    else:
        host.apply(**wanted)
    if "bypass" in what:
        host.module("twofactor", state="disabled", lasts="1h" if what == "bypass" else "1s", reason="test")
    host.restart()
    expected_on = what == "ended bypass"
    if expected_on:
        wait_until(lambda: not _is_off(host), 20)
    assert _is_off(host) != expected_on
    login = host.ssh("alice", key=True, code=token.code())
    assert login
    assert login.asked_code == expected_on
