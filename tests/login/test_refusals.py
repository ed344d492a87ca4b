# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and hosts that are set against it: one clear error, and nothing has changed."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.login.fleet import Host, Token

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ON: dict[str, Any] = {
    "policy": {"state": "enabled", "exempt_users": ["ansible"]},
    "ssh": {"state": "enabled", "methods": ["key_and_code"]},
}


def _user(name: str = "alice", secret: str = SECRET) -> dict[str, Any]:
    return {"users": [{"name": name, "secret": secret}]}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"ssh": {"state": "enabled", "methods": ["key_and_code", "password_and_code"]}}, ["one PAM"]),
        ({"ssh": {"state": "enabled", "methods": ["key"]}}, ["no way in that asks"]),
        ({"ssh": {"state": "enabled", "methods": ["key", "key_and_code"]}}, ["never", "asked"]),
        ({"policy": {"state": "enabled", "interval": 45}}, ["interval", "30, 60", "45"]),
        ({"policy": {"state": "enabled", "digits": 9}}, ["digits", "6, 7, 8", "9"]),
        ({"policy": {"state": "enabled", "window": 11}}, ["window", "0 to 10"]),
        ({"policy": {"state": "enabled", "services": ["cockpitt"]}}, ["cockpitt", "Install"]),
        ({"policy": {"state": "enabled", "services": ["sshd"]}}, ["twofactor_ssh"]),
        ({"policy": {"state": "enabled", "exempt_networks": ["10.1.2.3/8"]}}, ["10.1.2.3/8", "network"]),
        ({"secrets": _user(secret=base64.b32encode(b"x" * 33).decode())}, ["alice", "33 bytes", "32"]),
        ({"secrets": _user(secret=base64.b32encode(b"x" * 10).decode())}, ["alice", "10 bytes", "16"]),
        ({"secrets": _user(secret="this is not base32!")}, ["alice", "not base32"]),
        ({"secrets": _user("nobody-here")}, ["nobody-here", "no user"]),
        ({"secrets": _user("a/b")}, ["a/b", "slash"]),
        ({"secrets": _user("a:b")}, ["a:b", "colon"]),
        ({"secrets": _user("a b")}, ["a b", "blank"]),
        ({"secrets": {"users": [{"name": "bob"}]}}, ["bob", "return_secrets"]),
        ({"secrets": {"users": [*_user()["users"], *_user()["users"]]}}, ["alice", "twice"]),
    ],
)
def test_bad_input(host: Host, parts: dict[str, Any], words: list[str]) -> None:
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_host", **{**ON, **parts})
    assert result["failed"]
    assert not result.get("changed")
    for word in words:
        assert word in result["msg"]
    for user in (parts.get("secrets") or {}).get("users", []):
        assert user.get("secret", SECRET) not in result["printed"]
    assert "Traceback" not in result["printed"]
    assert host.files("/etc", "/var/lib/twofactor") == before


def test_all_unknown_users_are_named_at_once(host: Host) -> None:
    users = [{"name": name, "secret": SECRET} for name in ("zoe", "alice", "yves")]
    result = host.module("twofactor_secret", users=users)
    assert result["failed"]
    assert "zoe" in result["msg"]
    assert "yves" in result["msg"]
    assert [reason["code"] for reason in result["reasons"]] == ["unknown_user"] * 2


def test_ssh_cannot_ask_while_the_whole_is_off(host: Host) -> None:
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_ssh", state="enabled")
    assert result["failed"]
    assert "off on this host" in result["msg"]
    assert host.files("/etc", "/var/lib/twofactor") == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "/etc/ssh/sshd_config.d/50-cloud-init.conf",
            "KbdInteractiveAuthentication no\nPasswordAuthentication yes\n",
        ),
        ("/etc/ssh/sshd_config.d/50-match.conf", "Match User alice\n  KbdInteractiveAuthentication no\n"),
        ("/etc/ssh/sshd_config.d/50-key.conf", "Match User alice\n  AuthenticationMethods publickey\n"),
        ("/etc/ssh/sshd_config.d/00-first.conf", "UsePAM no\nKbdInteractiveAuthentication no\n"),
        ("/etc/ssh/sshd_config.d/50-nopam.conf", "UsePAM no\n"),
    ],
)
def test_other_settings_are_outranked(host: Host, path: str, text: str) -> None:
    host.shell(f"cat > {path}; systemctl reload ssh", stdin=text)
    before = host.files("/etc/ssh", "/etc/pam.d")
    token = Token()
    host.apply(**ON, secrets=_user(secret=token.secret))
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())
    assert not host.apply(**ON, secrets=_user(secret=token.secret))["changed"]
    host.module("twofactor", state="disabled")
    assert host.files("/etc/ssh", "/etc/pam.d") == before
    host.shell("systemctl reload ssh")


def test_a_match_block_at_the_end_is_outranked(host: Host) -> None:
    block = "\nMatch User alice\n    KbdInteractiveAuthentication no\n    PasswordAuthentication yes\n"
    host.shell("cat >> /etc/ssh/sshd_config; systemctl reload ssh", stdin=block)
    token = Token()
    host.apply(**ON, secrets=_user(secret=token.secret))
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())


@pytest.mark.parametrize("place", ["no include", "include at the end"])
def test_a_configuration_that_does_not_read_drop_ins_first(host: Host, place: str) -> None:
    script = "sed -i '/^Include/d' /etc/ssh/sshd_config; sed -i '1i UsePAM no' /etc/ssh/sshd_config"
    if place == "include at the end":
        script += "; echo 'Include /etc/ssh/sshd_config.d/*.conf' >> /etc/ssh/sshd_config"
    host.shell(script + "; systemctl reload ssh")
    before = host.files("/etc/ssh")
    token = Token()
    host.apply(**ON, secrets=_user(secret=token.secret))
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())
    host.module("twofactor", state="disabled")
    assert host.files("/etc/ssh") == before


def _start_sshd_with(host: Host, option: str) -> None:
    host.shell(f"echo 'SSHD_OPTS=-o{option}' > /etc/default/ssh; systemctl restart ssh")


def test_an_option_on_the_command_line_that_cannot_be_outranked(host: Host) -> None:
    _start_sshd_with(host, "UsePAM=no")
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_host", **ON, secrets=_user())
    assert result["failed"]
    assert "/etc/default/ssh" in result["msg"]
    assert "usepam" in result["msg"]
    assert host.files("/etc", "/var/lib/twofactor") == before
    assert host.ssh("alice", key=True)


def test_an_option_on_the_command_line_that_can(host: Host) -> None:
    _start_sshd_with(host, "AuthenticationMethods=publickey")
    token = Token()
    host.apply(**ON, secrets=_user(secret=token.secret))
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=token.code())


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("sed -i 's/^@include common-auth/auth sufficient pam_unix.so/' /etc/pam.d/sshd", "pam_unix.so"),
        ("sed -i '/common-auth/d' /etc/pam.d/sshd", "no line that checks a password"),
        ("sed -i '1i auth sufficient pam_faillock.so authsucc' /etc/pam.d/common-auth", "common-auth"),
    ],
)
def test_a_pam_service_that_cannot_be_edited_safely(host: Host, command: str, word: str) -> None:
    host.shell(command)
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_host", **ON, secrets=_user())
    assert result["failed"]
    assert word in result["msg"]
    assert host.files("/etc", "/var/lib/twofactor") == before


def test_a_broken_sshd_configuration_is_not_made_worse(host: Host) -> None:
    host.shell("echo 'NoSuchKeyword yes' > /etc/ssh/sshd_config.d/70-typo.conf")
    before = host.files("/etc", "/var/lib/twofactor")
    result = host.module("twofactor_host", **ON, secrets=_user())
    assert result["failed"]
    assert "NoSuchKeyword" in result["msg"]
    assert host.files("/etc", "/var/lib/twofactor") == before
    assert host.ssh("alice", key=True)


def test_a_missing_pam_module(host: Host) -> None:
    folder = "$(dirname $(find /lib/ /usr/lib/ -name pam_oath.so | head -1))"
    host.shell(f"mv {folder}/pam_oath.so /root/")
    result = host.module("twofactor_host", **ON, secrets=_user())
    assert result["failed"]
    assert "libpam-oath" in result["msg"]
