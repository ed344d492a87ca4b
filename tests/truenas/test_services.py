# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh.*, service.*, system.ntpserver.*: the settings, the files, the units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.truenas.fake import FakeNas, Refused
from tests.truenas.standin.releases import RELEASES

MakeNas = Callable[[str], FakeNas]
every = pytest.mark.parametrize("version", RELEASES)
SSH = {"enabled": True, "services": {"ssh": True}}
ROOT = [["service", "=", "ssh"]]


def _config(nas: FakeNas) -> list[str]:
    return nas.machine.files["/etc/ssh/sshd_config"].splitlines()


@every
def test_sshd_without_codes(make_nas: MakeNas, version: str) -> None:
    lines = _config(make_nas(version))
    assert ("UsePAM yes" in lines) == (version >= "25.04")
    assert "ChallengeResponseAuthentication no" in lines
    assert "PasswordAuthentication no" in lines
    assert "PermitRootLogin without-password" in lines
    assert not [line for line in lines if line.startswith("AuthenticationMethods")]
    assert ("Match User admin" in lines) == version.startswith("22.12")


@every
def test_sshd_with_codes_and_passwords(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version >= "23":
        nas.enroll("root")
        nas.call("user.update", 1, {"ssh_password_enabled": True})
    nas.call("ssh.update", {"passwordauth": True, **({"rootlogin": True} if version < "23" else {})})
    nas.call("auth.twofactor.update", SSH)
    lines = _config(nas)
    assert "UsePAM yes" in lines
    assert "PermitRootLogin yes" in lines
    assert ("ChallengeResponseAuthentication yes" in lines) == (version < "25")
    assert "ChallengeResponseAuthentication no" not in lines
    assert ("PasswordAuthentication yes" in lines) == (version < "23")
    if version >= "23":
        inside = lines[lines.index('Match User "root"') + 1 :]
        assert "    PasswordAuthentication yes" in inside
        assert ("    ChallengeResponseAuthentication yes" in inside) == (version >= "25")


@every
def test_own_lines_of_sshd(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("ssh.update", {"options": "MaxAuthTries 3\nLogLevel VERBOSE"})
    lines = _config(nas)
    if version >= "25.04.1":
        assert lines[-2:] == ["MaxAuthTries 3", "LogLevel VERBOSE"]
    else:
        assert lines.index("MaxAuthTries 3") < next(n for n, line in enumerate(lines) if "UsePAM" in line)


@every
def test_settings_of_ssh(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    before = nas.call("ssh.config")
    assert ("rootlogin" in before) == (version < "23")
    assert ("adminlogin" in before) == version.startswith("22.12")
    assert ("password_login_groups" in before) == (version >= "23")
    after = nas.call("ssh.update", {"tcpport": 2222, "bindiface": ["host0"], "weak_ciphers": ["AES128-CBC"]})
    assert after == {**before, "tcpport": 2222, "bindiface": ["host0"], "weak_ciphers": ["AES128-CBC"]}
    assert {"Port 2222", "ListenAddress 192.0.2.7", "Ciphers +aes128-cbc"} < set(_config(nas))


@every
@pytest.mark.parametrize(
    ("update", "attribute"),
    [
        ({"tcpport": 0}, "tcpport"),
        ({"tcpport": 65536}, "tcpport"),
        ({"passwordauth": "yes"}, "passwordauth"),
        ({"sftp_log_level": "LOUD"}, "sftp_log_level"),
        ({"colour": 1}, "colour"),
    ],
)
def test_shape_of_settings(make_nas: MakeNas, version: str, update: Any, attribute: str) -> None:
    where = "data" if version >= "25.10" else "ssh_update"
    with pytest.raises(Refused, match=rf"\[EINVAL\] {where}\.{attribute}: ") as caught:
        make_nas(version).call("ssh.update", update)
    if attribute == "tcpport" and version < "25.10":
        assert "Should be between 1 and 65535" in caught.value.reason


def test_settings_of_other_releases(make_nas: MakeNas) -> None:
    nas = make_nas("24.10.2.4")
    with pytest.raises(Refused, match=r"ssh_update\.rootlogin: Field was not expected"):
        nas.call("ssh.update", {"rootlogin": True})
    nas.start("25.10.6")
    with pytest.raises(Refused, match=r"data\.rootlogin: Extra inputs are not permitted"):
        nas.call("ssh.update", {"rootlogin": True})


@every
def test_settings_that_do_not_fit_the_nas(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    with pytest.raises(Refused, match=r"ssh_update\.bindiface"):
        nas.call("ssh.update", {"bindiface": ["eth7"]})
    if version >= "22.12":
        with pytest.raises(Refused, match=r"ssh_update\.tcpport: The port is being used"):
            nas.call("ssh.update", {"tcpport": 443})
    if version >= "23":
        groups = nas.call("ssh.update", {"password_login_groups": ["nobody-there"]})["password_login_groups"]
        assert groups == ["nobody-there"], "a group that does not exist is taken"


def test_an_sshd_that_does_not_come_back(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.machine.broken.add("ssh.service")
    with pytest.raises(Refused, match="The ssh service failed to start"):
        nas.call("ssh.update", {"options": "Nonsense yes"})


@every
def test_services(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    ssh = nas.call("service.query", ROOT, {"get": True})
    assert (ssh["state"], ssh["enable"], ssh["pids"]) == ("RUNNING", True, [42])
    assert nas.call("service.update", "ssh", {"enable": False}) == ssh["id"]
    assert nas.call("service.update", ssh["id"], {"enable": True}) == ssh["id"]
    assert nas.machine.units[-2:] == ["disable ssh.service", "enable ssh.service"]
    with pytest.raises(Refused, match="Service gopher does not exist"):
        nas.call("service.update", "gopher", {"enable": True})


@every
def test_starting_and_stopping(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version < "26":
        assert nas.call("service.stop", "ssh") is True
        assert nas.call("service.query", ROOT, {"get": True})["state"] == "STOPPED"
        assert nas.call("service.reload", "ssh") is False
        assert nas.call("service.start", "ssh", {"silent": False}) is True
        assert nas.call("service.restart", "ssh") is True
        return
    for verb in ("start", "stop", "restart", "reload"):
        with pytest.raises(
            Refused, match=rf"{verb}\(\) missing 1 required positional argument: 'options'"
        ) as caught:
            nas.call(f"service.{verb}", "ssh")
        assert caught.value.kind == "exception"
        assert "TypeError" in (caught.value.trace or "")
    assert nas.call("service.query", ROOT, {"get": True})["state"] == "RUNNING"


@every
def test_service_control_is_a_job(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version < "25.10":
        with pytest.raises(Refused, match="Method"):
            nas.call("service.control", "STOP", "ssh")
        return
    for verb, result in (("STOP", True), ("RELOAD", False), ("START", True), ("RESTART", True)):
        job = nas.job("service.control", verb, "ssh", {"silent": True})
        assert (job["state"], job["result"], job["method"]) == ("SUCCESS", result, "service.control")
    job = nas.job("service.control", "start", "ssh")
    assert job["state"] == "FAILED"
    assert "verb: Input should be 'START', 'STOP', 'RESTART' or 'RELOAD'" in job["error"]
    nas.machine.broken.add("ssh.service")
    job = nas.job("service.control", "RESTART", "ssh")
    assert (job["state"], job["result"]) == ("SUCCESS", False)
    job = nas.job("service.control", "RESTART", "ssh", {"silent": False})
    assert job["state"] == "FAILED"
    assert "failed" in job["error"]


@every
def test_time_servers(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    assert len(nas.call("system.ntpserver.query")) == 3
    with pytest.raises(Refused, match=r"ntpserver_create\.address: Server could not be reached\. Check"):
        nas.call("system.ntpserver.create", {"address": "ntp.example"})
    server = nas.call("system.ntpserver.create", {"address": "ntp.example", "force": True})
    usual = {"burst": False, "iburst": True, "prefer": False, "minpoll": 6, "maxpoll": 10}
    assert server == {"id": 4, "address": "ntp.example", **usual}
    assert nas.machine.units[-1] == "restart chrony.service"
    nas.machine.time_servers.add("ntp.example")
    nas.call("system.ntpserver.create", {"address": "ntp.example"})
    assert nas.call("system.ntpserver.query", [["address", "=", "ntp.example"]], {"count": True}) == 2
    nas.machine.time_servers.clear()
    with pytest.raises(Refused, match=r"ntpserver_update\.address: Server could not be reached"):
        nas.call("system.ntpserver.update", 4, {"prefer": True})
    assert nas.call("system.ntpserver.update", 4, {"prefer": True, "force": True})["prefer"] is True
    line = "server ntp.example iburst prefer maxpoll 10 minpoll 6\n"
    assert line in nas.machine.files["/etc/chrony/chrony.conf"]
    with pytest.raises(Refused, match=r"ntpserver_update\.maxpoll: Max Poll should be higher than Min Poll"):
        nas.call("system.ntpserver.update", 4, {"maxpoll": 6, "force": True})
    assert nas.call("system.ntpserver.delete", 4) is True
    assert nas.call("system.ntpserver.delete", 4) is True, "one that is gone is taken for deleted"
    where = "ntp_server_create" if version >= "25" else "ntp_create"
    with pytest.raises(Refused, match=rf"\[EINVAL\] {where}\.burst: "):
        nas.call("system.ntpserver.create", {"address": "ntp.example", "burst": "yes"})


@every
def test_what_a_boot_brings_back(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("auth.twofactor.update", SSH)
    nas.call("service.update", "ssh", {"enable": False})
    written = dict(nas.machine.files)
    for path in written:
        if path.startswith(("/etc/pam.d", "/etc/ssh", "/etc/chrony")):
            nas.machine.files[path] = "edited by hand"
    nas.machine.enabled.add("ssh.service")
    nas.start(version)
    nas.nas.boot()
    assert {path: nas.machine.files[path] for path in written} == written
    assert "ssh.service" not in nas.machine.enabled
