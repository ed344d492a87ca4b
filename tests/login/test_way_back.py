# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back when what it depends on has changed: Python, clock, mount options, disk, log, the power."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.login.fleet import Host, Token, wait_until

TOKENS = "/var/lib/twofactor/tokens"
UNIT = "/etc/systemd/system/twofactor-boot.service.d"
SOON = 60.0
"""Seconds in which a busy host does what it has been told to do now."""


def _wanted(token: Token) -> dict[str, Any]:
    return {
        "secrets": {"users": [{"name": "alice", "secret": token.secret}]},
        "policy": {"state": "enabled", "exempt_users": ["ansible"], "services": []},
        "ssh": {"state": "enabled", "methods": ["key_and_code"]},
    }


@pytest.fixture
def token(host: Host) -> Token:
    """Alice's token on a host that asks for it."""
    token = Token()
    host.apply(**_wanted(token))
    return token


def _is_off(host: Host) -> bool:
    return not host.shell("ls /etc/pam.d/twofactor 2>/dev/null", False)


def _problems(host: Host) -> dict[str, str]:
    info = host.module("twofactor_info")
    assert "twofactor" in info, info["printed"]
    return {problem["code"]: problem["message"] for problem in info["twofactor"]["problems"]}


def _at_boot(host: Host, settings: str) -> None:
    """Have the unit of the next boot run with some settings more."""
    host.shell(f"mkdir -p {UNIT}; cat > {UNIT}/test.conf", stdin=f"[Service]\n{settings}\n")


# Python.


@pytest.fixture
def upgraded(host: Host, token: Token) -> Host:
    """A host whose Python has another version than when codes were switched on."""
    host.shell(
        "p=$(readlink -f /usr/bin/python3); mv $p /usr/bin/python3.99; ln -sf python3.99 /usr/bin/python3"
    )
    return host


def test_after_an_upgrade_of_python_everything_comes_back(upgraded: Host, token: Token) -> None:
    host = upgraded
    enforced = host.files("/etc/pam.d", "/etc/ssh")
    assert '"state": "enabled"' in host.shell("twofactor status")
    pending = json.dumps({"ssh": {"methods": ["password_and_code"]}, "guard": False, "confirm_within": 15})
    host.shell("twofactor apply", stdin=pending)
    assert host.files("/etc/pam.d", "/etc/ssh") != enforced
    wait_until(lambda: host.files("/etc/pam.d", "/etc/ssh") == enforced, SOON, "the revert")
    host.shell("twofactor disable --lasts 2s")
    wait_until(lambda: host.files("/etc/pam.d", "/etc/ssh") == enforced, SOON, "the end of the bypass")
    host.shell("twofactor apply", stdin=pending.replace("15}", "600}"))
    host.restart()
    assert host.files("/etc/pam.d", "/etc/ssh") == enforced
    assert host.ssh("alice", key=True, code=token.code())


def test_a_command_that_does_not_run_is_a_problem(host: Host, token: Token) -> None:
    assert "command_broken" not in _problems(host)
    host.shell("mv /usr/local/sbin/twofactor /root/kept")
    assert "is missing" in _problems(host)["command_broken"]
    host.shell("head -c 2000 /root/kept > /usr/local/sbin/twofactor; chmod 755 /usr/local/sbin/twofactor")
    assert "command_broken" in _problems(host)
    assert host.apply(**_wanted(token))["changed"], "a run writes it anew"
    assert "command_broken" not in _problems(host)


def test_where_local_programs_may_not_be_executed(host: Host, token: Token) -> None:
    """Timers and boot go on, and the report says that the command cannot be called by its name."""
    host.shell("mount --bind /usr/local /usr/local; mount -o remount,bind,noexec /usr/local")
    assert "Permission denied" in _problems(host)["command_broken"]
    host.shell("sh /usr/local/sbin/twofactor disable --lasts 2s")
    wait_until(lambda: not _is_off(host), SOON, "the end of the bypass")


# The clock.


def _faked(days: int) -> str:
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    return f"LD_PRELOAD={library} FAKETIME={days:+d}d FAKETIME_DONT_FAKE_MONOTONIC=1"


@pytest.fixture
def faked(host: Host) -> Callable[[int], str]:
    """Return settings of the environment by which a program sees a clock that is some days off."""
    if host.name.startswith("debian12"):
        pytest.skip("libfaketime 0.9.10 lets clock_nanosleep(2) fail, so that no program under it can wait")
    return _faked


def test_a_bypass_ends_though_the_clock_was_behind_at_boot(
    host: Host, faked: Callable[[int], str], token: Token
) -> None:
    seconds = 15
    host.shell(f"twofactor disable --lasts {seconds}s")
    begin = time.monotonic()
    _at_boot(host, f"Environment={faked(-30)}")
    host.restart()
    assert _is_off(host)
    wait_until(
        lambda: not _is_off(host), seconds + SOON - (time.monotonic() - begin), "the end of the bypass"
    )
    assert not host.ssh("alice", key=True)


def test_a_bypass_ends_though_the_clock_was_ahead(
    host: Host, faked: Callable[[int], str], token: Token
) -> None:
    host.shell(f"env {faked(30)} twofactor disable --lasts 3s && test ! -e /etc/pam.d/twofactor")
    wait_until(lambda: not _is_off(host), SOON, "the end of the bypass")
    assert host.ssh("alice", key=True, code=token.code())


def test_a_change_is_taken_back_whatever_the_clock_says(
    host: Host, faked: Callable[[int], str], token: Token
) -> None:
    enforced = host.files("/etc/pam.d", "/etc/ssh")
    change = {"ssh": {"methods": ["password_and_code"]}, "guard": False, "confirm_within": 15}
    for days in (-30, 30):
        host.shell(f"env {faked(days)} twofactor apply", stdin=json.dumps(change))
        assert host.files("/etc/pam.d", "/etc/ssh") != enforced
        wait_until(lambda: host.files("/etc/pam.d", "/etc/ssh") == enforced, SOON, "the revert")


# The boot.


def test_locks_of_a_login_that_a_power_cut_ended(host: Host, token: Token) -> None:
    host.shell(f"touch {TOKENS}/alice.oath.lock {TOKENS}/alice.oath.new")
    assert not host.ssh("alice", key=True, code=token.code())
    host.restart()
    assert host.ssh("alice", key=True, code=token.code(1))


@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_ssh_comes_up_though_the_command_does_not(host: Host, token: Token, how: str) -> None:
    what = "/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'" if how == "hangs" else "/bin/false"
    _at_boot(host, f"ExecStart=\nExecStart={what}")
    host.restart()
    assert host.ssh("alice", key=True, code=token.code())
    state = host.shell("systemctl show -p Result twofactor-boot.service")
    assert state.strip() == ("Result=timeout" if how == "hangs" else "Result=exit-code")


def test_what_lets_users_in_comes_after_the_command(host: Host, token: Token) -> None:
    names = {"ssh.service", "ssh.socket"}
    if "generated" in host.shell("systemctl list-unit-files sshd-unix-local.socket --no-legend", False):
        names.add("sshd-unix-local.socket")
    host.shell("systemctl daemon-reload")
    for name in names:
        assert "twofactor-boot.service" in host.shell(f"systemctl show -p After {name}"), name


# The disk.


@pytest.fixture(params=["read-only", "full"])
def unwritable(request: pytest.FixtureRequest, host: Host, token: Token) -> Host:
    """A host on which no login can write down that a code has been used."""
    if request.param == "full":
        host.shell(
            f"cp -a {TOKENS} /root/tokens; mount -t tmpfs -o size=64k,mode=700 tmpfs {TOKENS}; "
            f"cp -a /root/tokens/. {TOKENS}/; cat /dev/zero > {TOKENS}/filler 2>/dev/null; true"
        )
    else:
        host.shell(f"mount --bind {TOKENS} {TOKENS}; mount -o remount,bind,ro {TOKENS}")
    return host


def test_tokens_that_cannot_be_written(unwritable: Host, token: Token) -> None:
    host = unwritable
    assert not host.ssh("alice", key=True, code=token.code()), "a valid code is refused"
    names = host.shell(f"ls -A {TOKENS}")
    assert TOKENS in _problems(host)["tokens_unwritable"]
    answer = {"user": "alice", "code": token.code(1)}
    result = host.module("twofactor_verify", "-a", json.dumps(answer))
    assert [reason["code"] for reason in result["reasons"]] == ["tokens_unwritable"]
    assert host.shell(f"ls -A {TOKENS}") == names, "nothing is left there"
    assert host.module("twofactor", state="disabled")["changed"]
    assert host.ssh("alice", key=True)


# The log.


def test_a_log_that_hangs(host: Host, token: Token) -> None:
    host.shell("systemctl kill -s STOP systemd-journald")
    try:
        host.shell(
            "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect('/dev/log'); "
            "s.setblocking(False)\n"
            "try:\n    while True: s.send(b'<85>x')\nexcept BlockingIOError: pass\""
        )
        host.shell("timeout 20 twofactor disable --reason 'the log hangs'")
        assert _is_off(host)
    finally:
        host.shell("systemctl kill -s CONT systemd-journald")
    assert host.ssh("alice", key=True)
