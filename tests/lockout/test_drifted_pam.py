# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of PAM's and of our own that somebody has changed: a line that is there proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockout.points import log, protects, wanted
from tests.login.fleet import PASSWORD, Host, Token

POLICY = "/etc/pam.d/twofactor"
TOKEN = "/var/lib/twofactor/tokens/alice.oath"
FIRST = "auth sufficient pam_unix.so"


def _report(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = host.module("twofactor_info")["twofactor"]
    return found


def _problems(host: Host) -> dict[str, str]:
    return {problem["code"]: problem["message"] for problem in _report(host)["problems"]}


def _asks(host: Host) -> dict[str, bool]:
    return {service["name"]: service["asks_code"] for service in _report(host)["services"]}


def _enforced(host: Host, method: str = "password_and_code", **policy: Any) -> tuple[Token, dict[str, Any]]:
    token = Token()
    options = wanted(token, method, **policy)
    host.apply(**options)
    assert _problems(host) == {}
    return token, options


def _become(host: Host, service: str = "sudo") -> bool:
    """Tell whether a service of PAM's lets Alice in with her password and nothing else."""
    answers = f"printf '%s\\n' '{PASSWORD}' '{PASSWORD}'"
    said = host.shell(f"{answers} | pamtester {service} alice authenticate 2>&1", check=False)
    return "successfully authenticated" in said


@pytest.mark.parametrize("file", ["common-auth", "sshd"])
def test_a_password_is_enough_before_the_code_of_ssh(host: Host, file: str) -> None:
    token, options = _enforced(host)
    host.shell(f"sed -i '1i {FIRST}' /etc/pam.d/{file}")
    assert host.ssh("alice", password=PASSWORD), "which is why"
    report = _report(host)
    assert "pam_unix.so" in {one["code"]: one["message"] for one in report["problems"]}["pam_service_unsafe"]
    assert (report["state"], report["ssh"]["state"]) == ("disabled", "disabled")
    host.shell(f"sed -i '1d' /etc/pam.d/{file}")
    assert _problems(host) == {}
    protects(host, token, "password_and_code")
    assert not host.apply(**options, guard=True)["changed"]


@pytest.mark.parametrize("file", ["common-auth", "sudo"])
def test_a_password_is_enough_before_the_code_of_a_service(host: Host, file: str) -> None:
    _enforced(host, services=["sudo"])
    assert _asks(host) == {"sudo": True, "sudo-i": True}
    assert not _become(host)
    host.shell(f"sed -i '1i {FIRST}' /etc/pam.d/{file}")
    assert _become(host), "which is why"
    assert "pam_service_unsafe" in _problems(host)
    assert _asks(host) == {"sudo": False, "sudo-i": file == "sudo"}


def test_no_password_is_asked_for_before_the_code(host: Host) -> None:
    """Then the code alone is enough."""
    token, dummy = _enforced(host)
    host.shell("sed -i s/pam_unix/pam_permit/ /etc/pam.d/common-auth")
    assert host.ssh("alice", password="anything", code=token.code()), "which is why"
    report = _report(host)
    assert "common-auth" in {one["code"]: one["message"] for one in report["problems"]}["pam_service_unsafe"]
    assert report["ssh"]["state"] == "disabled"


def test_sudo_is_told_not_to_ask(host: Host) -> None:
    _enforced(host, services=["sudo"])
    host.shell("echo 'Defaults !authenticate' > /etc/sudoers.d/zz-easy")
    assert list(_problems(host)) == ["sudo_not_asking"]
    assert _asks(host) == {"sudo": False, "sudo-i": False}


def test_the_line_of_a_service_has_been_moved(host: Host) -> None:
    token, options = _enforced(host, services=["sudo"])
    host.shell("grep fleetauth /etc/pam.d/sudo > /root/lines; sed -i /fleetauth/d /etc/pam.d/sudo")
    host.shell(
        "{ echo 'auth [success=done default=ignore] pam_unix.so'; cat /root/lines; } >> /etc/pam.d/sudo"
    )
    assert not _asks(host)["sudo"]
    assert set(_problems(host)) & {"policy_edited", "pam_service_unsafe"}
    host.shell("tar -C / -xpf /root/baseline/etc.tar etc/pam.d/sudo")
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    assert _asks(host)["sudo"]
    protects(host, token, "password_and_code")


@pytest.mark.parametrize(
    ("path", "command", "asks"),
    [
        pytest.param(POLICY, "sed -i '1i auth sufficient pam_permit.so' {}", False, id="the policy"),
        pytest.param(POLICY, "sed -i 's/window=1/window=9/' {}", False, id="its window"),
        pytest.param("/etc/twofactor/exempt_networks", "echo '+:ALL:ALL' > {}", False, id="exempt networks"),
        pytest.param("/etc/ssh/sshd_config.d/00-twofactor.conf", "echo '# x' >> {}", True, id="the drop-in"),
        pytest.param(
            "/etc/pam.d/sshd", "sed -i '/pam_oath/s/window=1/window=9/' {}", True, id="sshd's service"
        ),
    ],
)
def test_a_file_of_ours_is_edited(host: Host, path: str, command: str, asks: bool) -> None:
    token, options = _enforced(host, services=["sudo"], exempt_networks=["198.51.100.0/24"])
    host.shell(command.format(path))
    found = _problems(host)
    assert list(found) == ["policy_edited"]
    assert path in found["policy_edited"]
    assert _asks(host)["sudo"] is asks
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token, "password_and_code")


def test_an_enrolled_user_is_taken_off_the_list(host: Host) -> None:
    """In the stage in which users without a token are let in, who is not on the list is one of them."""
    token = Token()
    options = wanted(token, "password_and_code", unenrolled="allow")
    host.apply(**options)
    assert set(_problems(host)) == {"unenrolled_allowed"}
    host.shell("sed -i /alice/d /var/lib/twofactor/enrolled")
    assert host.ssh("alice", password=PASSWORD)
    report = _report(host)
    assert "policy_edited" in [problem["code"] for problem in report["problems"]]
    assert report["ssh"]["state"] == "disabled"
    assert host.apply(**options, guard=True)["changed"]
    assert not host.ssh("alice", password=PASSWORD)


def test_the_declaration_has_gone(host: Host) -> None:
    _enforced(host)
    host.shell("rm /etc/twofactor/policy.json")
    assert "/etc/twofactor/policy.json" in _problems(host)["policy_edited"]


MODES = [
    (TOKEN, "chmod 644 {}", "600"),
    (TOKEN, "chown alice {}", "600"),
    ("/var/lib/twofactor/tokens", "chmod 755 {}", "700"),
    ("/etc/twofactor/policy.json", "chmod 666 {}", "600"),
    (POLICY, "chmod 666 {}", "644"),
    ("/usr/local/sbin/twofactor", "chmod 777 {}", "755"),
    ("/etc/ssh/sshd_config.d/00-twofactor.conf", "chmod 666 {}", "600"),
]


@pytest.mark.parametrize(("path", "command", "mode"), MODES, ids=[f"{one[0]} {one[1]}" for one in MODES])
def test_modes_and_owners_are_repaired(host: Host, path: str, command: str, mode: str) -> None:
    token, options = _enforced(host)
    host.shell(command.format(path))
    found = _problems(host)
    assert list(found) == ["own_files_open"]
    assert path in found["own_files_open"]
    assert host.apply("--check", **options)["changed"]
    assert list(_problems(host)) == ["own_files_open"], "a check changes nothing"
    assert host.apply(**options, guard=True)["changed"]
    assert path in log(host)
    assert host.shell(f"stat -c '%a %U' {path}").split() == [mode, "root"]
    assert _problems(host) == {}
    assert not host.apply(**options, guard=True)["changed"]
    protects(host, token, "password_and_code")


def test_an_account_without_a_password(host: Host) -> None:
    """Then its code alone is enough."""
    token, dummy = _enforced(host, services=["sudo"])
    host.shell("passwd -d alice")
    said = host.shell(f"echo {token.code()} | pamtester sudo alice authenticate 2>&1")
    assert "successfully authenticated" in said, "which is why"
    assert "'alice'" in _problems(host)["password_empty"]
    host.shell("passwd -l alice")
    assert _problems(host) == {}
