# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit on invalid codes: no configuration of the host's exempts anybody from it, and the report names them."""

from __future__ import annotations

import pytest

from tests.login.fleet import PASSWORD, Host, Token

DIRECTORY = """DEBIAN_FRONTEND=noninteractive apt-get install -qq libnss-systemd 2>&1
mkdir -p /etc/userdb
echo '{"userName": "dirk", "uid": 70001, "gid": 100, "homeDirectory": "/home/dirk", "shell": "/bin/bash"}' \
    > /etc/userdb/dirk.user
ln -sf dirk.user /etc/userdb/70001.user
getent passwd dirk && ! grep dirk /etc/passwd"""
"""An account that stands in no file but that of systemd's own name service (nss-systemd(8))."""


@pytest.fixture
def host(host: Host) -> Host:
    """A host whose faillock.conf exempts directory users, and says nothing to the log."""
    host.shell("printf 'local_users_only\\nno_log_info\\ndeny = 1000\\n' >> /etc/security/faillock.conf")
    return host


def _on(host: Host, user: str) -> Token:
    token = Token()
    host.apply(
        secrets={"users": [{"name": user, "secret": token.secret}]},
        policy={"state": "enabled", "services": [], "max_failures": 3, "exempt_users": ["ansible"]},
        ssh={"state": "enabled", "methods": ["key_and_code", "password_and_code"]},
    )
    return token


def _by_key(host: Host, user: str, code: str) -> bool:
    """Tell whether PAM accepts a code after a key, asked as sshd asks it."""
    command = f"pamtester -E 'SSH_AUTH_INFO_0=publickey x' sshd {user} authenticate 2>&1"
    return "successfully" in host.shell(f"echo {code} | {command}", False)


def _problems(host: Host) -> dict[str, str]:
    problems = host.module("twofactor_info")["twofactor"]["problems"]
    return {problem["code"]: problem["message"] for problem in problems}


def test_many_invalid_codes_are_told_until_a_valid_one(host: Host) -> None:
    token = _on(host, "alice")
    for dummy in range(2):
        assert not host.ssh("alice", password=PASSWORD, code="000000")
    assert "guessing" not in _problems(host)
    assert not host.ssh("alice", key=True, code="000000")
    assert "User 'alice' has shown 3 invalid codes in a row" in _problems(host)["guessing"]
    assert not host.ssh("alice", key=True, code=token.code()), "locked"
    assert "temporarily locked" in host.shell("journalctl --no-pager -g 'user alice account'")
    host.shell("faillock --dir /var/lib/twofactor/failures --user alice --reset")
    assert host.ssh("alice", key=True, code=token.code())
    assert "guessing" not in _problems(host)


def test_a_directory_user_is_limited_as_well(host: Host) -> None:
    if host.name.startswith("debian12"):
        pytest.skip("no name service but files in this image")
    host.shell(DIRECTORY)
    token = _on(host, "dirk")
    old, present = token.code(-1), token.code()
    assert _by_key(host, "dirk", old), "so that the refusal below is the limit's"
    for dummy in range(3):
        assert not _by_key(host, "dirk", "000000")
    assert not _by_key(host, "dirk", present)
    assert "'dirk'" in _problems(host)["guessing"]


def test_no_limit_is_counted_all_the_same(host: Host) -> None:
    token = _on(host, "alice")
    host.apply(policy={"max_failures": 0})
    for dummy in range(6):
        assert not _by_key(host, "alice", "000000")
    assert "6 invalid codes" in _problems(host)["guessing"]
    assert _by_key(host, "alice", token.code())
    assert "guessing" not in _problems(host)
