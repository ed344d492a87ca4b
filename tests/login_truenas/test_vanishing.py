# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change relies on goes away in the middle: the controller, the network, the power."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.login.controller import Controller
from tests.login.fleet import PASSWORD, wait_until
from tests.login_truenas.conftest import lab
from tests.login_truenas.nas import Nas

WITHIN = 15
"""Seconds that a change waits to be confirmed."""
TO_REVERT = 20
"""Seconds that the NAS may take for the way back, which are five at most unless eight of them share two cores."""
FAULTS = "/var/lib/stand-in/faults.json"
"""Where the stand-in counts how often a fault has yet to strike."""


def _asks(nas: Nas) -> bool:
    return "pam_oath" in nas.shell("cat /etc/pam.d/sshd")


def _password_alone(nas: Nas) -> None:
    login = nas.ssh("root", password=PASSWORD)
    assert login.accepted, login.output
    assert not login.asked_code


def _password_and_code(nas: Nas) -> None:
    assert not nas.ssh("root", password=PASSWORD)
    login = nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    assert login.accepted, login.output
    assert login.asked_code


@pytest.fixture
def off(nas: Nas) -> Nas:
    """A NAS with enrolled users that asks for no code."""
    nas.midclt("ssh.update", {"passwordauth": True})
    nas.protect(guard=nas.per_user)  # in 22.x the other accounts' passwords are shut out
    assert nas.module("twofactor", state="disabled")["changed"]
    return nas


@pytest.fixture
def cable(off: Nas) -> Iterator[Nas]:
    """The same, and its network is mended afterwards."""
    yield off
    lab("mend", off.name)


def test_the_controller_vanishes_right_after_the_change(cable: Nas, tmp_path: Path) -> None:
    nas, before = cable, cable.settings()
    _password_alone(nas)
    variables = {"twofactor_guard": nas.per_user, "twofactor_confirm_within": WITHIN}
    controller = Controller(tmp_path, lab("inventory"), nas.name, **variables)
    wait_until(lambda: _asks(nas), 90, "the change")
    made = time.monotonic()
    lab("cut", nas.name)
    controller.vanish()
    assert nas.settings()["enabled"], "it is in effect at once"
    wait_until(lambda: not _asks(nas), WITHIN + TO_REVERT - (time.monotonic() - made), "the way back")
    assert nas.settings() == before
    lab("mend", nas.name)
    _password_alone(nas)


def test_the_role_confirms_by_itself(off: Nas, tmp_path: Path) -> None:
    variables = {"twofactor_guard": off.per_user, "twofactor_confirm_within": 60}
    status, printed = Controller(tmp_path, lab("inventory"), off.name, **variables).end()
    assert status == 0, printed
    assert "confirmed" in off.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    off.shell("! systemctl is-active -q fleetauth-twofactor-pending.timer")
    _password_and_code(off)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("confirm_within", [0, 600])
def test_the_power_goes_in_the_middle(off: Nas, when: str, confirm_within: int) -> None:
    """The call that switches is held up, before its work or after it, and the NAS is switched off there."""
    policy: dict[str, Any] = {"state": "enabled", "guard": off.per_user}
    waiting = {**policy, "confirm_within": confirm_within}
    _power_cut(off, "auth.twofactor.update", when, "twofactor", waiting)
    if confirm_within:
        wait_until(lambda: not off.settings()["enabled"], 30, "the way back")
        assert "pending" not in off.module("twofactor_info")["twofactor"]
    done = when == "after" and not confirm_within
    # One way or the other, and never a NAS that says one thing and does the other.
    assert off.settings()["enabled"] == _asks(off) == done
    (_password_and_code if done else _password_alone)(off)
    # Where it had been done already, TrueNAS is made to write its files again all the same, since nobody can know.
    again = off.module("twofactor", **policy)
    assert again["changed"], again["printed"]
    assert not off.module("twofactor", **policy)["changed"]
    if not done:
        _password_and_code(off)


@pytest.mark.parametrize("call", ["the first secret", "auth.twofactor.update"])
def test_the_power_goes_between_two_calls(nas: Nas, call: str) -> None:
    """Somebody's secret has been made and nobody has been told it: the next run hands everything over."""
    renew = "user.renew_2fa_secret" if nas.per_user else "auth.twofactor.*"
    parts = {
        "secrets": {"users": [{"name": name} for name in nas.people], "return_secrets": True},
        "policy": {"state": "enabled", "window": 1},
        "ssh": {"state": "enabled", "root_login": "allowed"},
        "guard": True,
    }
    _power_cut(nas, renew if call == "the first secret" else call, "after", "twofactor_host", parts)
    assert nas.ssh("root", key=True), "a key is never asked for a code on a NAS"
    result = nas.apply(**parts)
    told = {entry["name"]: entry["secret"] for entry in result.get("secrets", [])}
    assert told == {name: nas.secret(name) for name in nas.people}
    _password_and_code(nas)
    assert not nas.apply(**parts)["changed"]


def _power_cut(nas: Nas, call: str, when: str, module: str, options: dict[str, Any]) -> None:
    """Run a module, hold one of its calls up, and cut the power there; boot again."""
    nas.stand_in("fault", "slow", f"methods={call}", "seconds=300", f"when={when}", "times=1")
    settings = {"_ansible_check_mode": False, "_ansible_diff": False, "_ansible_verbosity": 0}
    question = json.dumps({"module": module, "arguments": {**options, **settings}})
    nas.shell(f"echo {shlex.quote(question)} | nohup python3 /root/code/agent.py >/run/held-up 2>&1 &")
    wait_until(lambda: "slow" not in nas.shell(f"cat {FAULTS}"), 60, f"the call {call}")
    assert nas.shell("cat /run/held-up") == "", "it has come to an end"
    nas.restart()
    nas.shell("chronyc waitsync 60 0.5 0 0.5 >/dev/null")  # or the guard would not have it
