# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd set against it: in its files, on its command line, stopped, or started by its socket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockout.points import (
    apply_at_the_console,
    carried_out,
    is_refused,
    log,
    problem_codes,
    protects,
    refused,
    snapshot,
    wanted,
)
from tests.login.fleet import PASSWORD, Host, Token

pytestmark = pytest.mark.starting_point


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(
            "50-cloud-init.conf",
            "KbdInteractiveAuthentication no\nPasswordAuthentication yes\n",
            id="cloud-init",
        ),
        pytest.param(
            "50-match.conf", "Match User alice\n  KbdInteractiveAuthentication no\n", id="later Match"
        ),
        pytest.param(
            "50-key.conf", "Match User alice\n  AuthenticationMethods publickey\n", id="Match with a key"
        ),
        pytest.param("00-first.conf", "UsePAM no\nKbdInteractiveAuthentication no\n", id="sorts before ours"),
        pytest.param("50-nopam.conf", "UsePAM no\n", id="UsePAM no"),
        pytest.param("50-nokeys.conf", "Match Address *\n  PubkeyAuthentication no\n", id="no keys"),
    ],
)
def test_other_settings_are_outranked(host: Host, path: str, text: str) -> None:
    host.shell(f"cat > /etc/ssh/sshd_config.d/{path}", stdin=text)
    if path != "50-nokeys.conf":  # Ansible itself has to come in once more
        host.shell("systemctl restart ssh")
    carried_out(host, Token())


def test_keyboard_interactive_is_off_in_a_match_block_at_the_end(host: Host) -> None:
    block = "\nMatch User alice\n    KbdInteractiveAuthentication no\n    PasswordAuthentication yes\n"
    host.shell("cat >> /etc/ssh/sshd_config; systemctl restart ssh", stdin=block)
    carried_out(host, Token(), "password_and_code")


@pytest.mark.parametrize("place", ["no Include", "Include at the end"])
def test_a_configuration_that_does_not_read_drop_ins_first(host: Host, place: str) -> None:
    script = "sed -i '/^Include/d' /etc/ssh/sshd_config; sed -i '1i UsePAM no' /etc/ssh/sshd_config"
    if place == "Include at the end":
        script += "; echo 'Include /etc/ssh/sshd_config.d/*.conf' >> /etc/ssh/sshd_config"
    host.shell(script + "; systemctl restart ssh")
    carried_out(host, Token())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("sshd_config.d/70-typo.conf", "NoSuchKeyword yes", id="a typo"),
        pytest.param("sshd_config.d/70-value.conf", "PermitRootLogin perhaps", id="a bad value"),
    ],
)
def test_a_broken_configuration_is_not_made_worse(host: Host, file: str, text: str) -> None:
    host.shell(f"echo '{text}' > /etc/ssh/{file}")
    result = refused(host, "sshd_config_invalid", **wanted(Token()))
    assert file in result["msg"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("sshd_config.d/00-first.conf", "PermitRootLogin yes\n", id="read first"),
        pytest.param(
            "sshd_config.d/50-match.conf", "Match User root\n  PermitRootLogin yes\n", id="a Match block"
        ),
        pytest.param("sshd_config", "PermitRootLogin yes\nUsePAM yes\n", id="no Include"),
    ],
)
def test_root_is_to_be_kept_out_and_something_lets_it_in(host: Host, path: str, text: str) -> None:
    host.shell(f"cat > /etc/ssh/{path}; systemctl restart ssh", stdin=text)
    for check in ([], ["--check"]):
        before = snapshot(host)
        result = host.module("twofactor_sshd", *check, root_login="denied")
        assert [reason["code"] for reason in result["reasons"]] == ["sshd_overridden"]
        assert "permitrootlogin is 'yes'" in result["msg"]
        is_refused(host, result["reasons"], before)
    host.shell(
        f"rm /etc/ssh/{path}" if path != "sshd_config" else "sed -i /PermitRoot/d /etc/ssh/sshd_config"
    )
    host.shell("echo 'Include /etc/ssh/sshd_config.d/*.conf' >> /etc/ssh/sshd_config")
    assert host.module("twofactor_sshd", root_login="denied")["changed"]
    assert 'root_login="denied"' in log(host)
    assert "permitrootlogin no" in host.shell("sshd -T")
    assert not host.module("twofactor_sshd", root_login="denied")["changed"]
    host.shell("echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/00-first.conf")
    again = host.module("twofactor_sshd", root_login="denied")
    assert [reason["code"] for reason in again["reasons"]] == ["sshd_overridden"]


def test_the_host_keys_have_gone(host: Host) -> None:
    host.shell("rm /etc/ssh/ssh_host_*")
    before = snapshot(host)
    result = host.module("twofactor_host", **wanted(Token()), guard=True)
    if not result["unreachable"]:  # the running sshd still has them
        assert [reason["code"] for reason in result["reasons"]] == ["sshd_config_invalid"]
    assert snapshot(host) == before


def test_pam_is_off_on_the_command_line(host: Host) -> None:
    host.shell("echo 'SSHD_OPTS=-oUsePAM=no' > /etc/default/ssh; systemctl restart ssh")
    result = refused(host, "sshd_overridden", **wanted(Token()))
    assert "usepam" in result["msg"]


def test_a_method_on_the_command_line(host: Host) -> None:
    host.shell("echo 'SSHD_OPTS=-oAuthenticationMethods=publickey' > /etc/default/ssh; systemctl restart ssh")
    carried_out(host, Token())


def test_sshd_reads_another_file(host: Host) -> None:
    host.shell(
        "grep -v ^Include /etc/ssh/sshd_config > /etc/ssh/own_config; "
        "echo 'SSHD_OPTS=\"-f /etc/ssh/own_config\"' > /etc/default/ssh; systemctl restart ssh"
    )
    refused(host, "sshd_other_config", **wanted(Token()))
    # Whoever goes ahead all the same by other means is not told that it protects.
    host.shell("echo 'SSHD_OPTS=' > /etc/default/ssh; systemctl restart ssh")
    host.apply(**wanted(Token()))
    host.shell("echo 'SSHD_OPTS=\"-f /etc/ssh/own_config\"' > /etc/default/ssh; systemctl restart ssh")
    report = host.module("twofactor_info")["twofactor"]
    assert report["ssh"]["state"] == "disabled"
    assert "ssh_not_asking" in [problem["code"] for problem in report["problems"]]


OTHER_PORT = 2222


@pytest.mark.parametrize("method", ["key_and_code", "password_and_code"])
def test_a_second_sshd_as_a_way_back(host: Host, method: str) -> None:
    """It writes the pid file of the first, so that whoever goes by that would tell the wrong one to read anew."""
    token = Token()
    host.shell(f"/usr/sbin/sshd -p {OTHER_PORT}")
    way: dict[str, Any] = {"key": True} if method == "key_and_code" else {"password": PASSWORD}
    assert host.ssh("alice", port=OTHER_PORT, **way)
    carried_out(host, token, method)
    assert not host.ssh("alice", port=OTHER_PORT, **way)
    assert not host.ssh("alice", port=OTHER_PORT, password=token.code(1)), "a code in place of a password"
    assert host.ssh("alice", port=OTHER_PORT, code=token.code(1), **way)
    host.apply(policy={"state": "disabled"})
    for port in (22, OTHER_PORT):
        assert host.ssh("alice", port=port, **way)


def test_another_sshd_with_a_configuration_of_its_own(host: Host) -> None:
    token = Token()
    host.shell(f"printf 'UsePAM yes\n' > /etc/ssh/own; /usr/sbin/sshd -f /etc/ssh/own -p {OTHER_PORT}")
    result = refused(host, "other_sshd", **wanted(token))
    assert "/etc/ssh/own" in result["msg"]
    host.apply(**wanted(token), guard=False)
    protects(host, token)
    assert host.ssh("alice", port=OTHER_PORT, key=True), "which is why"
    assert problem_codes(host) == ["other_sshd"]
    host.shell(f"pkill -f '[s]shd.* {OTHER_PORT} .listener'")
    assert problem_codes(host) == []


def test_another_sshd_that_reads_our_drop_in_as_well(host: Host) -> None:
    token = Token()
    host.shell("echo 'Include /etc/ssh/sshd_config.d/*.conf' > /etc/ssh/own")
    host.shell(f"/usr/sbin/sshd -f /etc/ssh/own -p {OTHER_PORT}")
    carried_out(host, token)
    assert problem_codes(host) == []
    assert not host.ssh("alice", port=OTHER_PORT, key=True)
    assert host.ssh("alice", port=OTHER_PORT, key=True, code=token.code(1))


def test_sshd_asks_another_service_of_pam(host: Host) -> None:
    """An sshd that does not know the setting yet (before OpenSSH 10) does not take it."""
    knows = "pamservicename" in host.shell("sshd -T")
    host.shell("cp /etc/pam.d/sshd /etc/pam.d/own")
    host.shell("echo 'PAMServiceName own' > /etc/ssh/sshd_config.d/50-own.conf")
    result = refused(host, "sshd_overridden" if knows else "sshd_config_invalid", **wanted(Token()))
    assert "PAMServiceName" in result["msg"]


def test_sshd_is_stopped(host: Host) -> None:
    token = Token()
    host.apply(policy={"state": "enabled", "services": [], "exempt_users": ["ansible"]})  # leaves the command
    host.shell("systemctl stop ssh")
    assert "Changed" in apply_at_the_console(host, wanted(token))
    assert "Nothing to do" in apply_at_the_console(host, wanted(token))
    host.shell("systemctl start ssh")
    protects(host, token)


def test_sshd_is_started_by_its_socket(host: Host) -> None:
    host.shell("systemctl disable --now ssh 2>/dev/null; systemctl enable --now ssh.socket 2>/dev/null")
    assert host.shell("systemctl is-active ssh.socket").strip() == "active"
    assert host.shell("systemctl is-active ssh.service", check=False).strip() != "active"
    carried_out(host, Token())


def test_sshd_is_started_by_its_socket_with_pam_off(host: Host) -> None:
    host.shell("echo 'SSHD_OPTS=-oUsePAM=no' > /etc/default/ssh")
    host.shell("systemctl disable --now ssh 2>/dev/null; systemctl enable --now ssh.socket 2>/dev/null")
    result = refused(host, "sshd_overridden", **wanted(Token()))
    assert "usepam" in result["msg"]


def test_sshd_is_not_there(host: Host) -> None:
    host.apply(policy={"state": "enabled", "services": [], "exempt_users": ["ansible"]})
    host.shell("rm /etc/pam.d/sshd")
    before = snapshot(host)
    assert "OpenSSH server" in apply_at_the_console(host, wanted(Token()))
    assert snapshot(host) == before
    assert "sshd_missing" in host.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
