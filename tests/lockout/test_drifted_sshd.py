# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of sshd's that let somebody in with less than is declared: each is a problem of the report."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockout.points import protects, wanted
from tests.login.fleet import PASSWORD, Host, Token

DROPIN = "/etc/ssh/sshd_config.d/00-twofactor.conf"
FIRST = "/etc/ssh/sshd_config.d/00-first.conf"


def _report(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = host.module("twofactor_info")["twofactor"]
    return found


def _problems(host: Host) -> dict[str, str]:
    return {problem["code"]: problem["message"] for problem in _report(host)["problems"]}


def _enforced(host: Host, method: str = "key_and_code", **policy: Any) -> tuple[Token, dict[str, Any]]:
    token = Token()
    options = wanted(token, method, **policy)
    host.apply(**options)
    assert _problems(host) == {}
    return token, options


def _drift(host: Host, path: str, text: str) -> None:
    host.shell(f"cat > {path}; sshd -t && systemctl restart ssh", stdin=text)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        pytest.param("Match User alice\n  AuthenticationMethods publickey\n", "alice", id="a user"),
        pytest.param("Match User al*,!root\n  AuthenticationMethods any\n", "alice", id="a pattern"),
        pytest.param("Match Group alice\n  AuthenticationMethods publickey\n", "alice", id="a group"),
        pytest.param(
            "Match Address 10.0.0.0/8\n  AuthenticationMethods publickey\n", "10.0.0.0", id="a network"
        ),
        pytest.param("Match LocalPort 22\n  AuthenticationMethods publickey\n", "SSH logins", id="a port"),
    ],
)
def test_a_match_block_that_is_read_first(host: Host, block: str, words: str) -> None:
    token, options = _enforced(host)
    _drift(host, FIRST, block)
    assert host.ssh("alice", key=True), "one factor is enough"
    report = _report(host)
    (problem,) = [problem for problem in report["problems"] if problem["code"] == "ssh_not_asking"]
    assert words in problem["message"]
    assert (report["state"], report["ssh"]["state"]) == ("disabled", "disabled")
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_a_match_block_in_our_drop_in(host: Host) -> None:
    token, options = _enforced(host)
    host.shell(
        f"sed -i 's/^Match all/Match User alice\\n    AuthenticationMethods publickey\\nMatch all/' {DROPIN}; "
        "systemctl restart ssh"
    )
    assert host.ssh("alice", key=True)
    assert {"policy_edited", "ssh_not_asking"} <= set(_problems(host))
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_one_more_way_in_in_our_drop_in(host: Host) -> None:
    token, options = _enforced(host)
    host.shell(
        f"sed -i '/^Match all/,$s/AuthenticationMethods .*/& publickey/' {DROPIN}; systemctl restart ssh"
    )
    assert host.ssh("alice", key=True)
    found = _report(host)
    assert {"policy_edited", "ssh_not_asking"} <= {problem["code"] for problem in found["problems"]}
    assert found["ssh"]["state"] == "disabled"
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_another_user_is_exempt_in_our_drop_in(host: Host) -> None:
    """What sshd says of anybody else is the same, so that only the file tells."""
    _enforced(host)
    host.shell(f"sed -i 's/^Match User ansible/Match User ansible,dave/' {DROPIN}; systemctl restart ssh")
    assert DROPIN in _problems(host)["policy_edited"]


def test_another_service_of_pam_for_one_user(host: Host) -> None:
    """Our drop-in does not set it, since an older sshd would not take it; so a block that comes later counts."""
    if "pamservicename" not in host.shell("sshd -T"):
        pytest.skip("this sshd does not know the setting")
    _enforced(host, "password_and_code")
    host.shell("cp /etc/pam.d/other /etc/pam.d/own")
    _drift(host, "/etc/ssh/sshd_config.d/50-own.conf", "Match User alice\n  PAMServiceName own\n")
    assert host.ssh("alice", password=PASSWORD)
    assert "ssh_not_asking" in _problems(host)


def test_a_match_block_that_cannot_be_tried(host: Host) -> None:
    if host.shell("printf 'Match Version x\\n' > /root/x; sshd -t -f /root/x 2>&1; rm /root/x", check=False):
        pytest.skip("this sshd does not know the criterion")
    _enforced(host)
    _drift(host, FIRST, "Match Version OpenSSH_*\n  AuthenticationMethods publickey\n")
    assert "Match version OpenSSH_*" in _problems(host)["sshd_not_judged"]


def test_match_blocks_that_change_nothing_of_it(host: Host) -> None:
    _enforced(host)
    _drift(host, FIRST, "Match User alice\n  X11Forwarding no\nMatch Address 10.0.0.0/8\n  MaxSessions 3\n")
    assert _problems(host) == {}


@pytest.mark.parametrize(
    "exempt",
    [
        pytest.param({"exempt_groups": ["everybody"]}, id="a group"),
        pytest.param({"exempt_networks": ["0.0.0.0/0"]}, id="a network"),
    ],
)
def test_everybody_is_exempt(host: Host, exempt: dict[str, Any]) -> None:
    host.shell("groupadd everybody; usermod -aG everybody alice; usermod -aG everybody ansible")
    host.apply(**wanted(Token(), **exempt))
    assert host.ssh("alice", key=True)
    found = _problems(host)
    assert "everybody_exempt" in found
    assert ("exempt_groups" if "exempt_groups" in exempt else "0.0.0.0/0") in found["everybody_exempt"]


def test_nobody_is_asked(host: Host) -> None:
    token, options = _enforced(host)
    result = host.module("twofactor_bypass", users=["alice"], lasts="1h", reason="phone lost")
    assert result["changed"], result["printed"]
    assert "nobody_asked" in _problems(host)
    host.module("twofactor_bypass", users=["alice"], state="absent")
    assert _problems(host) == {}
    protects(host, token)
    assert not host.apply(**options, guard=True)["changed"]
