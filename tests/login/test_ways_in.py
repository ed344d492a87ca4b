# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in by SSH, with what, and who does not."""

from __future__ import annotations

import pytest

from tests.login.fleet import PASSWORD, Host, Token


def _enrol(host: Host, methods: list[str], policy: dict[str, object] | None = None, **ssh: object) -> Token:
    token = Token()
    host.apply(
        secrets={"users": [{"name": name, "secret": token.secret} for name in ("alice", "root")]},
        policy={"state": "enabled", "exempt_users": ["ansible"], **(policy or {})},
        ssh={"state": "enabled", "methods": methods, **ssh},
    )
    return token


def test_password_and_code(host: Host) -> None:
    token = _enrol(host, ["password_and_code"])
    assert not host.ssh("alice", password=PASSWORD), "password alone"
    assert not host.ssh("alice", password=PASSWORD, code="000000"), "a wrong code"
    assert not host.ssh("alice", key=True), "a key alone"
    old, present = token.code(-1), token.code()
    assert not host.ssh("alice", password="wrong", code=present), "a wrong password"
    login = host.ssh("alice", password=PASSWORD, code=present)
    assert login
    assert login.asked_password
    assert login.asked_code
    assert not host.ssh("alice", password=PASSWORD, code=present), "the same code again"
    assert not host.ssh("alice", password=PASSWORD, code=old), "an older code"


def test_a_wrong_password_does_not_spend_the_code(host: Host) -> None:
    token = _enrol(host, ["password_and_code"])
    code = token.code()
    assert not host.ssh("alice", password="wrong", code=code)
    assert host.ssh("alice", password=PASSWORD, code=code)


def test_key_and_code(host: Host) -> None:
    token = _enrol(host, ["key_and_code"])
    assert not host.ssh("alice", key=True), "the key alone"
    assert not host.ssh("alice", key=True, code="000000"), "a wrong code"
    assert not host.ssh("alice", password=PASSWORD, code=token.code()), "password and code"
    assert not host.ssh("alice", code=token.code(), password=token.code()), "the code alone"
    code = token.code()
    login = host.ssh("alice", key=True, code=code)
    assert login
    assert login.asked_code
    assert not login.asked_password, "key and code are two factors; a password would be a third"
    assert not host.ssh("alice", key=True, code=code), "the same code again"


def test_key_or_password_and_code(host: Host) -> None:
    token = _enrol(host, ["password_and_code", "key"])
    login = host.ssh("alice", key=True)
    assert login
    assert not login.prompts
    assert not host.ssh("alice", password=PASSWORD), "password alone"
    assert host.ssh("alice", password=PASSWORD, code=token.code())


@pytest.mark.parametrize("methods", [["password_and_code"], ["key_and_code"]])
def test_root_needs_to_be_allowed(host: Host, methods: list[str]) -> None:
    token = _enrol(host, methods)
    way = {"key": True} if methods == ["key_and_code"] else {"password": PASSWORD}
    assert not host.ssh("root", code=token.code(), **way), "sshd's default is prohibit-password"
    host.apply(ssh={"root_login": "allowed"})
    assert host.ssh("root", code=token.code(), **way)
    host.apply(ssh={"root_login": "denied"})
    assert not host.ssh("root", code=token.code(1), **way)


def test_nobody_else_gets_in_without_a_token(host: Host) -> None:
    _enrol(host, ["password_and_code"])
    assert not host.ssh("bob", password=PASSWORD)
    assert not host.ssh("bob", password=PASSWORD, code="000000")


def test_unenrolled_allowed_is_a_stage_of_a_rollout(host: Host) -> None:
    token = _enrol(host, ["password_and_code"], policy={"unenrolled": "allow"})
    assert host.ssh("bob", password=PASSWORD), "has no token"
    assert not host.ssh("alice", password=PASSWORD), "has one"
    assert host.ssh("alice", password=PASSWORD, code=token.code())
    problems = host.module("twofactor_info")["twofactor"]["problems"]
    assert "unenrolled_allowed" in [problem["code"] for problem in problems]
    host.apply(secrets={"users": [{"name": "bob", "secret": Token().secret}]})
    assert not host.ssh("bob", password=PASSWORD), "has one now"
    host.shell("rm /var/lib/twofactor/enrolled")
    assert not host.ssh("carol", password=PASSWORD), "without the list nobody is let off"


@pytest.mark.parametrize("methods", [["password_and_code"], ["key_and_code"]])
def test_exempt_get_in_with_their_key_alone(host: Host, methods: list[str]) -> None:
    host.shell("gpasswd -a dave exempted")
    _enrol(host, methods, exempt_users=["robot", "ansible"], exempt_groups=["exempted"])
    for name in ("robot", "dave"):
        login = host.ssh(name, key=True)
        assert login, name
        assert not login.prompts
        assert not host.ssh(name, password=PASSWORD), "their key, and nothing less"
    assert not host.ssh("carol", key=True)
    assert host.module("twofactor_info", user="ansible")["twofactor"]["ssh"]["state"] == "enabled"


def test_an_exempt_network_gets_in_with_a_key_alone(host: Host) -> None:
    network = host.address.rsplit(".", 1)[0] + ".0/24"
    token = _enrol(host, ["key_and_code"], exempt_networks=[network])
    assert host.ssh("alice", key=True)
    host.apply(ssh={"exempt_networks": ["203.0.113.0/24"]})
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())


def test_off_and_on_again_keeps_the_tokens(host: Host) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    token = _enrol(host, ["key_and_code"])
    tokens = host.files("/var/lib/twofactor/tokens")
    assert host.module("twofactor", state="disabled", reason="test")["changed"]
    assert host.files("/etc/pam.d", "/etc/ssh") == before
    assert host.files("/var/lib/twofactor/tokens") == tokens
    assert host.ssh("alice", key=True)
    assert not host.module("twofactor", state="disabled")["changed"]
    assert host.module("twofactor", state="enabled")["changed"]
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())


@pytest.mark.parametrize("methods", [["password_and_code"], ["key_and_code"], ["password_and_code", "key"]])
def test_disable_gives_every_byte_back(host: Host, methods: list[str]) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    host.apply(
        secrets={"users": [{"name": "alice", "secret": Token().secret}]},
        policy={
            "state": "enabled",
            "services": ["sudo", "su", "login"],
            "unenrolled": "allow",
            "exempt_users": ["ansible"],
            "exempt_networks": ["203.0.113.0/24"],
        },
        ssh={"state": "enabled", "methods": methods, "root_login": "allowed"},
    )
    assert host.files("/etc/pam.d", "/etc/ssh") != before
    host.module("twofactor", state="disabled")
    assert host.files("/etc/pam.d", "/etc/ssh") == before


def test_ssh_off_alone_leaves_the_other_services(host: Host) -> None:
    token = Token()
    host.apply(
        secrets={"users": [{"name": "alice", "secret": token.secret}]},
        policy={"state": "enabled", "services": ["sudo"], "exempt_users": ["ansible"]},
        ssh={"state": "enabled"},
    )
    ssh_files = host.files("/etc/ssh")
    assert host.module("twofactor_ssh", state="disabled")["changed"]
    assert host.files("/etc/ssh") != ssh_files
    assert host.ssh("alice", key=True)
    answers = f"{PASSWORD}\\n000000\\n"
    assert "Authentication failure" in host.shell(
        f"printf '{answers}' | pamtester sudo alice authenticate 2>&1", False
    )
    answers = f"{PASSWORD}\\n{token.code()}\\n"
    assert "successfully" in host.shell(f"printf '{answers}' | pamtester sudo alice authenticate 2>&1", False)
