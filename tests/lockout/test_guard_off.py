# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the guard: said in the log, and what would break sshd or PAM is refused all the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockout.points import is_refused, log, snapshot, wanted
from tests.login.fleet import Host, Token


def test_it_is_logged(host: Host) -> None:
    assert host.module("twofactor_host", **wanted(None), guard=False)["changed"]
    line = log(host)
    assert line.startswith("changed ")
    assert 'guard="off"' in line
    assert 'by="ansible"' in line
    assert host.module("twofactor_host", **wanted(Token()), guard=True)["changed"]
    assert "guard=" not in log(host)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("echo 'NoSuchKeyword yes' > /etc/ssh/sshd_config.d/70-typo.conf", "sshd_config_invalid"),
        ("sed -i '/common-auth/d' /etc/pam.d/sshd", "pam_service_unsafe"),
    ],
)
def test_what_would_break_the_host_is_refused(host: Host, command: str, code: str) -> None:
    host.shell(command)
    before = snapshot(host)
    result: dict[str, Any] = host.module("twofactor_host", **wanted(Token()), guard=False)
    assert [reason["code"] for reason in result["reasons"]] == [code]
    is_refused(host, result["reasons"], before)
    assert 'guard="off"' in log(host)
    assert host.ssh("alice", key=True)


def test_check_mode_names_the_reasons_and_logs_nothing(host: Host) -> None:
    before, logged = snapshot(host), log(host)
    result = host.module("twofactor_host", "--check", **wanted(None), guard=True)
    assert [reason["code"] for reason in result["reasons"]] == ["nobody_enrolled", "user_shut_out"]
    assert (snapshot(host), log(host)) == (before, logged)


def test_every_reason_is_said_at_once(host: Host) -> None:
    host.users("bob")
    host.shell("echo 'auth required pam_duo.so' >> /etc/pam.d/sshd")
    host.shell("echo 'NoSuchKeyword yes' > /etc/ssh/sshd_config.d/70-typo.conf")
    result = host.module("twofactor_host", **wanted(None, exempt_users=[]), guard=True)
    assert [reason["code"] for reason in result["reasons"]] == [
        "other_code_module",
        "nobody_enrolled",
        *["user_shut_out"] * 3,
        "own_account_shut_out",
        "nobody_could_log_in",
        "sshd_config_invalid",
    ]
    for name in ("alice", "bob", "ansible"):
        assert f"'{name}'" in result["msg"]
