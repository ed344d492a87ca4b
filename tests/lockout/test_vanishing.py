# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change relies on goes away in the middle: the controller, the network, the power."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.lockout.conftest import _lab
from tests.lockout.points import carried_out, protects, wanted
from tests.login.controller import Controller
from tests.login.fleet import Host, Token, wait_until

PENDING = "/var/lib/twofactor/journal/pending.json"
ORIGINALS = "/var/lib/twofactor/journal/originals.json"
WITHIN = 10
"""Seconds that a change waits to be confirmed; the host has five more to take it back."""


def _is_there(host: Host, path: str) -> bool:
    return "yes" in host.shell(f"test ! -e {path} || echo yes")


def _cable(host: Host, verb: str) -> None:
    """Take the host's network away at the lab's bridge, or give it back."""
    _lab(verb, host.name)


def _controller(folder: Path, host: Host, token: Token, within: int) -> Controller:
    """Have the role bring alice's token and ask for it."""
    return Controller(
        folder,
        _lab("inventory"),
        host.name,
        twofactor_users=[{"name": "alice", "secret": token.secret}],
        twofactor_exempt_users=["ansible"],
        twofactor_services=[],
        twofactor_confirm_within=within,
    )


def test_the_controller_vanishes_right_after_the_change(host: Host, tmp_path: Path) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    assert host.ssh("alice", key=True)
    controller = _controller(tmp_path, host, Token(), WITHIN)
    wait_until(lambda: _is_there(host, PENDING), 60, "the change")
    made = time.monotonic()
    _cable(host, "cut")
    controller.vanish()
    assert host.files("/etc/pam.d", "/etc/ssh") != before, "it is in effect at once"
    wait_until(lambda: not _is_there(host, PENDING), WITHIN + 5, "the way back")
    assert time.monotonic() - made <= WITHIN + 5
    assert host.files("/etc/pam.d", "/etc/ssh") == before
    _cable(host, "mend")
    login = host.ssh("alice", key=True)
    assert login.accepted, login.output
    assert not login.asked_code
    # A confirmation that was on its way when the cable was cut may arrive now, and is refused.
    log = host.shell("journalctl -q --no-pager -t twofactor -o cat").splitlines()
    assert "nobody confirmed it in time" in [line for line in log if "change_reverted" not in line][-1]


def test_the_controller_comes_back_too_late(host: Host, tmp_path: Path) -> None:
    """The role cannot confirm, and says that the host has taken the change back."""
    token = Token()
    controller = _controller(tmp_path, host, token, 4)
    wait_until(lambda: _is_there(host, PENDING), 60, "the change")
    _cable(host, "cut")
    wait_until(lambda: not _is_there(host, PENDING), 4 + 5, "the way back")
    _cable(host, "mend")
    status, printed = controller.end()
    assert status != 0
    assert "The host has taken the change back: nobody confirmed it in time" in printed, printed
    assert host.ssh("alice", key=True)
    carried_out(host, token)


def test_confirmed_in_time_it_stays(host: Host, tmp_path: Path) -> None:
    """The role confirms over a new connection by itself; the host's timer then finds nothing to take back."""
    token = Token()
    controller = _controller(tmp_path, host, token, WITHIN)
    wait_until(lambda: _is_there(host, PENDING), 60, "the change")
    made = time.monotonic()
    status, printed = controller.end()
    assert status == 0, printed
    assert time.monotonic() - made < WITHIN, "too slow to tell"
    assert not _is_there(host, PENDING)
    assert "confirmed" in host.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    protects(host, token)
    timers = "systemctl list-timers --all --no-legend 'run-*.timer'"
    wait_until(lambda: not host.shell(timers).strip(), WITHIN + 5, "the timer")
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code(1))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(r"rename\(.*, \"/etc/pam\.d/sshd\"", id="before PAM asks"),
        pytest.param(r"kill\(.*SIGHUP", id="before sshd reads it"),
        pytest.param(r"unlink\(.*/originals\.json\"", id="before the journal goes"),
    ],
)
def test_the_power_goes_in_the_middle(host: Host, call: str) -> None:
    """A change is held up on its way into a system call, and the host is switched off there."""
    name, number, change = _find(host, call)
    host.restore()
    host.shell("cat > /root/change.json", stdin=change)
    before = _base(host)
    host.shell(
        f"nohup strace -qq -s 200 -o /root/trace -e trace={name} -e inject={name}:delay_enter=100s:when={number} "
        "twofactor apply < /root/change.json >/dev/null 2>&1 &"
    )
    wait_until(lambda: len(_trace(host)) == number, 30, "the call")
    assert re.match(call, _trace(host)[-1])
    assert _is_there(host, ORIGINALS)
    host.restart()
    assert not _is_there(host, ORIGINALS)
    assert host.files("/etc/pam.d", "/etc/ssh") == before
    login = host.ssh("alice", key=True)
    assert login.accepted, login.output
    assert not login.asked_code
    assert "the machine went down in the middle" in host.shell("journalctl -q --no-pager -t twofactor -o cat")
    assert "Changed" in host.shell("twofactor apply < /root/change.json")
    assert not host.ssh("alice", key=True)


def test_the_change_itself_is_killed(host: Host) -> None:
    """Nobody is there to run it again; what would have taken the change back unconfirmed takes back what there is."""
    name, number, change = _find(host, r"kill\(.*SIGHUP")
    host.restore()
    host.shell("cat > /root/change.json", stdin=change)
    before = _base(host)
    host.shell(
        "sed 's/^{/{\"confirm_within\": 5, /' /root/change.json > /root/waiting.json; "
        f"strace -qq -o /root/trace -e trace={name} -e inject={name}:signal=SIGKILL:when={number} "
        "twofactor apply < /root/waiting.json || true"
    )
    assert _is_there(host, ORIGINALS)
    assert not _is_there(host, PENDING)
    wait_until(lambda: not _is_there(host, ORIGINALS), 5 + 5, "the way back")
    assert host.files("/etc/pam.d", "/etc/ssh") == before
    login = host.ssh("alice", key=True)
    assert login.accepted, login.output
    assert not login.asked_code
    assert "the change was cut short" in host.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")


def _base(host: Host) -> dict[str, str]:
    """Have the command on the host, and the second factor on for nothing yet; return the files that count."""
    host.apply(policy={"state": "enabled", "services": [], "exempt_users": ["ansible"]})
    return host.files("/etc/pam.d", "/etc/ssh")


def _find(host: Host, call: str) -> tuple[str, int, str]:
    """Make a change once, whole, and return the call that fits: its name, its number among those, and the change."""
    _base(host)
    change = json.dumps({**wanted(Token()), "guard": False})
    host.shell("cat > /root/change.json", stdin=change)
    host.shell(
        "strace -qq -s 200 -o /root/trace -e trace=rename,unlink,kill twofactor apply < /root/change.json"
    )
    lines = _trace(host)
    place = next(number for number, line in enumerate(lines) if re.match(call, line))
    name = lines[place].partition("(")[0]
    return name, sum(line.startswith(f"{name}(") for line in lines[: place + 1]), change


def _trace(host: Host) -> list[str]:
    lines = host.shell("cat /root/trace 2>/dev/null", check=False).splitlines()
    return [line for line in lines if re.match(r"\w+\(", line)]
