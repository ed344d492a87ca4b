# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NASes booted: real logins with password and code, real units, a real socket. As root."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.login.fleet import PASSWORD, Host, Token, lab_name, run_lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

LAB_NAME = lab_name("stand-in")
_lab = partial(run_lab, LAB_NAME)
RELEASES = ("22.02", "22.12", "23.10", "24.04", "24.10", "25.04", "25.10", "26.0")
OATH = "cat /etc/users.oath 2>/dev/null || true"


class Nas(Host):
    """A host that is a NAS."""

    release = ""

    def midclt(self, *words: str, check: bool = True) -> str:
        """Run midclt and return all it printed, errors included, and then its exit status."""
        said = self.shell(f"midclt {shlex.join(words)} 2>&1; echo $?", check=False)
        out, _, status = said.rstrip("\n").rpartition("\n")
        assert status == "0" or not check, said
        return out if check else said

    def call(self, method: str, *arguments: Any) -> Any:
        """Return the result of a call."""
        out = self.midclt("call", method, *map(json.dumps, arguments))
        try:
            return json.loads(out)
        except ValueError:
            return {"True": True, "False": False}.get(out, out)

    def open_for_passwords(self) -> None:
        """Let root in with a password."""
        if self.release < "23":
            self.call("ssh.update", {"passwordauth": True, "rootlogin": True})
        else:
            self.call("user.update", 1, {"ssh_password_enabled": True})
            self.call("ssh.update", {"passwordauth": True})

    def enroll(self, name: str, **options: int) -> Token:
        """Give a user a secret, where users have one, and return the device."""
        if self.release >= "23":
            self.call("user.renew_2fa_secret", name, *([options] if self.release >= "24" else []))
        return self.token(name, **options)

    def token(self, name: str, **options: int) -> Token:
        """Return a user's device as it is."""
        digits, interval = options.get("otp_digits", 6), options.get("interval", 30)
        return Token(digits, interval, self.shell(f"stand-in secret {name}").strip())


def _name(release: str) -> str:
    return f"nas{release.replace('.', '')}"


@pytest.fixture(scope="module")
def nases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Nas]]:
    """Boot one NAS of each release and a time server."""
    try:
        _lab("up", "clock=timeserver", *(f"{_name(release)}=truenas-{release}" for release in RELEASES))
        text = _lab("inventory")
        inventory: Path = tmp_path_factory.mktemp("inventory") / "lab.yml"
        inventory.write_text(text)
        tree = yaml.safe_load(text)["all"]
        found = {}
        for release in RELEASES:
            group = tree["children"][f"truenas_{release.replace('.', '_')}"]
            facts = {**tree["vars"], **group["vars"], **group["hosts"][_name(release)]}
            assert (facts["ansible_user"], facts["ansible_become"]) == ("root", False)
            found[release] = Nas(_name(release), LAB_NAME, inventory, facts)
            found[release].release = release
        yield found
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


@pytest.fixture(params=RELEASES)
def each(request: pytest.FixtureRequest, nases: dict[str, Nas]) -> Nas:
    """One NAS after the other, as new."""
    nas = nases[request.param]
    _renew(nas)
    return nas


def some(*releases: str) -> pytest.MarkDecorator:
    """Run a test on these releases instead of all."""
    return pytest.mark.parametrize("each", releases, indirect=True)


@pytest.fixture
def nas(nases: dict[str, Nas]) -> Nas:
    """One NAS, as new, for what is the same on all."""
    _renew(nases["25.10"])
    return nases["25.10"]


def _renew(nas: Nas, version: str = "") -> None:
    _lab("reset", nas.name)
    if version:
        nas.shell(f"stand-in release {version}")


def test_password_and_code(each: Nas) -> None:
    assert each.ssh("root", key=True)
    assert not each.ssh("root", password=PASSWORD)
    each.open_for_passwords()
    assert each.ssh("root", password=PASSWORD)
    each.enroll("root")
    each.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    assert each.shell("stat -c %a /etc/users.oath").strip() == "600"
    token = each.token("root")
    assert not each.ssh("root", password=PASSWORD, code="000000")
    code = token.code()
    login = each.ssh("root", password=PASSWORD, code=code)
    assert login
    assert login.asked_password
    assert login.asked_code
    assert not each.ssh("root", password=PASSWORD, code=code), "a code is good once"
    login = each.ssh("root", key=True)
    assert login
    assert not login.prompts
    each.call("auth.twofactor.update", {"enabled": False})
    login = each.ssh("root", password=PASSWORD)
    assert login
    assert not login.asked_code


@some("22.12", "23.10", "25.10")
def test_a_user_without_a_secret_is_locked_out(each: Nas) -> None:
    ssh = {"ssh_password_enabled": True} if each.release >= "23" else {}
    plain = {"full_name": "Alice", "password": PASSWORD, "group_create": True, "home": "/mnt/tank/alice"}
    each.call("user.create", {"username": "alice", **plain, **ssh})
    each.open_for_passwords()
    assert each.ssh("alice", password=PASSWORD)
    each.enroll("root")
    each.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    login = each.ssh("alice", password=PASSWORD, code="123456")
    assert not login
    assert not login.asked_code
    if each.release >= "23":
        assert each.ssh("alice", password=PASSWORD, code=each.enroll("alice").code())


@some("23.10", "25.10")
def test_with_codes_on_the_keyboard_is_open_to_everyone(each: Nas) -> None:
    """Users whose password is not accepted over SSH get in with it and a code."""
    plain = {"full_name": "Alice", "password": PASSWORD, "group_create": True, "home": "/mnt/tank/alice"}
    each.call("user.create", {"username": "alice", **plain})
    token = each.enroll("alice")
    assert not each.ssh("alice", password=PASSWORD)
    each.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    assert each.ssh("alice", password=PASSWORD, code=token.code())
    assert not each.ssh("root", password=PASSWORD, code=each.enroll("root").code())


@some("22.02", "24.04", "26.0")
def test_a_reboot(each: Nas) -> None:
    each.open_for_passwords()
    each.enroll("root")
    each.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}, "window": 1})
    token = each.token("root")
    each.shell("echo root: > /etc/users.oath; rm /etc/pam.d/sshd")
    _lab("restart", each.name)
    assert each.call("auth.twofactor.config")["enabled"] is True
    assert each.ssh("root", password=PASSWORD, code=token.code())
    assert each.shell("systemctl is-system-running", check=False).strip() == "running"


@some("24.10", "26.0")
def test_the_web_and_ssh_share_codes_from_26(each: Nas) -> None:
    token = each.enroll("root")
    each.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}, "window": 1})
    token = each.token("root")
    assert each.call("auth.login", "root", PASSWORD) is False
    assert each.call("auth.login", "root", PASSWORD, token.code()) is True
    assert each.call("auth.login", "root", PASSWORD, token.code()) is (each.release < "26")


def test_eight_digits_and_a_minute(nas: Nas) -> None:
    nas.open_for_passwords()
    token = nas.enroll("root", otp_digits=8, interval=60)
    nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    assert nas.ssh("root", password=PASSWORD, code=token.code())


def test_an_interval_that_pam_oath_does_not_know(nas: Nas) -> None:
    nas.open_for_passwords()
    token = nas.enroll("root", interval=45)
    nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    login = nas.ssh("root", password=PASSWORD, code=token.code())
    assert not login
    assert not login.asked_code


@some("24.10", "26.0")
def test_the_service_stops_and_starts(each: Nas) -> None:
    if each.release < "25.10":
        act = {"stop": ["service.stop", "ssh"], "start": ["service.start", "ssh"]}
        options = ["call"]
    else:
        act = {"stop": ["service.control", "STOP", "ssh"], "start": ["service.control", "START", "ssh"]}
        options = ["call", "-j"]
    assert each.midclt(*options, *act["stop"]) == "True"
    assert each.call("service.query", [["service", "=", "ssh"]], {"get": True})["state"] == "STOPPED"
    assert "refused" in each.ssh("root", key=True).output
    assert each.midclt(*options, *act["start"]) == "True"
    assert each.ssh("root", key=True)


@some("22.02", "26.0")
def test_time_servers(each: Nas) -> None:
    said = each.midclt("call", "system.ntpserver.create", '{"address": "192.0.2.1"}', check=False)
    assert said.startswith("[EINVAL] ntpserver_create.address: Server could not be reached.")
    for server in each.call("system.ntpserver.query"):
        each.call("system.ntpserver.delete", server["id"])
    each.call("system.ntpserver.create", {"address": "timeserver"})
    each.shell("chronyc waitsync 60 1 0 0.5")
    if each.release >= "23":
        assert each.call("system.ntpserver.peers")[0]["state"] == "BEST"


def test_others_than_root(nas: Nas) -> None:
    plain = {"password": PASSWORD, "group_create": True}
    nas.call("user.create", {"username": "alice", "full_name": "Alice", **plain})
    said = nas.shell(
        "setpriv --reuid alice --clear-groups midclt call auth.twofactor.config 2>&1", check=False
    )
    assert said.startswith("[EACCES] Not authorized")


def test_a_middleware_that_is_gone(nas: Nas) -> None:
    nas.shell("stand-in down")
    said = nas.midclt("call", "system.version", check=False)
    assert said == "Failed to run middleware call. Daemon not running?\n1\n"
    assert nas.ssh("root", key=True), "sshd does not need it"
    nas.shell("stand-in up")
    assert nas.call("system.ready") is True


def test_a_middleware_that_restarts_in_a_call(nas: Nas) -> None:
    nas.shell("stand-in fault restart methods=auth.twofactor.update seconds=1 times=1")
    said = nas.midclt("call", "auth.twofactor.update", '{"window": 1}', check=False)
    assert said == "Connection closed\n1\n"
    assert nas.midclt("call", "system.version", check=False).endswith("\n1\n")
    deadline = time.monotonic() + 20
    while not nas.midclt("call", "system.ready", check=False).endswith("\n0\n"):
        assert time.monotonic() < deadline
    assert nas.call("auth.twofactor.config")["window"] == 0
    assert nas.call("auth.twofactor.update", {"window": 1})["window"] == 1


def test_a_slow_middleware(nas: Nas) -> None:
    nas.shell("stand-in fault slow methods=auth.twofactor.update seconds=3 times=1")
    said = nas.midclt("-t", "1", "call", "auth.twofactor.update", '{"window": 1}', check=False)
    assert said == "Call timeout\n1\n"
    assert nas.call("auth.twofactor.config")["window"] == 0
    time.sleep(3)
    assert nas.call("auth.twofactor.config")["window"] == 1, "given up by the caller, done all the same"


def test_what_tests_read(nas: Nas) -> None:
    nas.shell("stand-in forget")
    nas.call("auth.twofactor.config")
    assert nas.shell("stand-in calls --changing --count").strip() == "0"
    nas.call("auth.twofactor.update", {"window": 1})
    assert nas.shell("stand-in calls --count").strip() == "2"
    assert json.loads(nas.shell("stand-in calls --changing"))["arguments"] == [{"window": 1}]
    nas.shell("stand-in fault rubbish; stand-in fault login methods=auth.*")
    assert "<html>" in nas.midclt("call", "system.version")
    nas.shell("stand-in clear; stand-in stig on")
    assert "STIG" in nas.midclt("call", "auth.twofactor.update", '{"window": 2}', check=False)
