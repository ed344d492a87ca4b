# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could log in before and could not afterwards: users, root, Ansible itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockout.points import carried_out, protects, prove, refused, wanted
from tests.login.fleet import PASSWORD, Host, Token

pytestmark = pytest.mark.starting_point


def _enrol(host: Host, **tokens: Token) -> None:
    users = [{"name": name, "secret": token.secret} for name, token in tokens.items()]
    host.apply(secrets={"users": users})


def test_nobody_is_enrolled(host: Host) -> None:
    refused(host, "nobody_enrolled", "user_shut_out", **wanted(None))


def test_the_last_token_is_to_go(host: Host) -> None:
    token = Token()
    host.apply(**wanted(token))
    refused(host, "nobody_enrolled", module="twofactor_secret", state="absent", users=[{"name": "alice"}])
    protects(host, token)


def test_nobody_has_ever_shown_a_code(host: Host) -> None:
    alice = Token()
    _enrol(host, ansible=Token(), alice=alice)
    options = wanted(None, exempt_users=[])
    refused(host, "nobody_verified", **options)
    prove(host, "alice", alice)
    host.apply(**options, guard=True)
    assert not host.ssh("alice", key=True)
    assert host.ssh("alice", key=True, code=alice.code(1))
    # Ansible's own account shows codes from now on, as was asked for; without one it no longer comes in.
    assert host.module("twofactor_info")["unreachable"]


def test_ansible_is_neither_exempt_nor_enrolled(host: Host) -> None:
    options = wanted(Token(), exempt_users=[])
    refused(host, "user_shut_out", "own_account_shut_out", "nobody_verified", **options)


def test_the_exempt_group_does_not_exist(host: Host) -> None:
    options = wanted(Token(), exempt_users=[], exempt_groups=["robotz"])
    refused(host, "user_shut_out", "own_account_shut_out", "nobody_verified", **options)
    token = Token()
    carried_out(host, token, **wanted(token, exempt_users=[], exempt_groups=["robots"]))


def test_ansible_comes_from_another_network_than_the_exempt_one(host: Host) -> None:
    options = wanted(Token(), exempt_users=[], exempt_networks=["198.51.100.0/24"])
    refused(host, "user_shut_out", "own_account_shut_out", **options)


def test_the_exempt_account_has_no_key(host: Host) -> None:
    options = wanted(Token(), exempt_users=["ansible", "alice"])
    host.shell("rm /home/alice/.ssh/authorized_keys")
    refused(host, "user_shut_out", **options)


def test_a_user_is_not_enrolled(host: Host) -> None:
    host.users("bob")
    result = refused(host, "user_shut_out", **wanted(Token()))
    assert "'bob'" in result["msg"]
    host.shell("usermod -s /usr/sbin/nologin bob")
    carried_out(host, Token())


def test_a_home_without_authorized_keys(host: Host) -> None:
    host.shell("rm /home/alice/.ssh/authorized_keys")
    result = refused(host, "user_shut_out", **wanted(Token()))
    assert "no key" in result["msg"]
    carried_out(host, Token(), "password_and_code")


def test_an_account_without_a_password(host: Host) -> None:
    host.shell("usermod -p '*' alice")
    result = refused(host, "user_shut_out", **wanted(Token(), "password_and_code"))
    assert "no password" in result["msg"]
    carried_out(host, Token())


def test_root_is_the_only_administrator(host: Host) -> None:
    """PermitRootLogin prohibit-password, the default, refuses root's code as well."""
    host.shell("mkdir -m 700 /root/.ssh; cp /home/ansible/.ssh/authorized_keys /root/.ssh/")
    token = Token()
    _enrol(host, root=token)
    options = wanted(None, exempt_users=[])
    options["secrets"] = {"users": [{"name": "alice", "secret": Token().secret}]}
    result = refused(
        host,
        "user_shut_out",
        "user_shut_out",
        "own_account_shut_out",
        "nobody_verified",
        user="root",
        **options,
    )
    assert "root_login: allowed" in result["msg"]
    prove(host, "root", token)
    options["policy"]["exempt_users"] = ["ansible"]
    options["ssh"]["root_login"] = "allowed"
    host.apply(**options, guard=True)
    protects(host, token, user="root")


@pytest.mark.parametrize("method", ["key_and_code", "password_and_code"])
def test_root_has_a_token_of_no_use(host: Host, method: str) -> None:
    """Root could not log in before either, so nobody is shut out; it is said all the same."""
    root, alice = Token(), Token()
    options = wanted(alice, method)
    options["secrets"]["users"].append({"name": "root", "secret": root.secret})
    host.shell(f"echo 'root:{PASSWORD}' | chpasswd")
    if method == "key_and_code":
        host.shell("mkdir -m 700 /root/.ssh; cp /home/ansible/.ssh/authorized_keys /root/.ssh/")
        refused(host, "user_shut_out", **options)
        options["ssh"]["root_login"] = "denied"
        assert "cannot log in" not in carried_out(host, alice, method, **options)["printed"]
        assert not host.ssh("root", key=True, code=root.code())
    else:
        result = carried_out(host, alice, method, **options)
        assert "Root has a token and cannot log in by SSH with it" in result["printed"]
        assert not host.ssh("root", password=PASSWORD, code=root.code())
    options["ssh"]["root_login"] = "allowed"
    assert "cannot log in" not in host.apply(**options, guard=True)["printed"]
    protects(host, root, method, user="root")


@pytest.mark.parametrize("membership", ["primary", "further"])
def test_the_exempt_group_is_one_of_any_kind(host: Host, membership: str) -> None:
    """By getgrouplist(3), as sshd and PAM have it; the group's entry does not name whose primary group it is."""
    option = "-g" if membership == "primary" else "-aG"
    host.shell(f"gpasswd -d ansible robots; groupadd robots2; usermod {option} robots2 ansible")
    assert ("ansible" in host.shell("getent group robots2")) == (membership == "further")
    # A Match block of somebody else's has every single user judged.
    host.shell(
        "printf 'Match User alice\n  X11Forwarding no\n' > /etc/ssh/sshd_config.d/60-match.conf; systemctl restart ssh"
    )
    token = Token()
    carried_out(host, token, **wanted(token, exempt_users=[], exempt_groups=["robots2"]))


@pytest.mark.parametrize(
    "line",
    [
        "AllowUsers ansible",
        "DenyUsers alice",
        "DenyUsers al*",
        "AllowGroups ansible robots",
        "DenyGroups alice",
    ],
)
def test_sshd_does_not_let_the_only_verified_user_come(host: Host, line: str) -> None:
    alice = Token()
    _enrol(host, ansible=Token(), alice=alice)
    prove(host, "alice", alice)
    host.shell("cat > /etc/ssh/sshd_config.d/60-users.conf; systemctl restart ssh", stdin=line + "\n")
    refused(host, "nobody_verified", **wanted(None, exempt_users=[]))


def test_sshd_does_not_let_the_enrolled_user_come_but_the_automation(host: Host) -> None:
    host.shell("echo 'AllowUsers ansible' > /etc/ssh/sshd_config.d/60-users.conf; systemctl restart ssh")
    host.apply(**wanted(Token()), guard=True)
    assert not host.ssh("alice", key=True)
    assert host.module("twofactor_info")["twofactor"]["ssh"]["state"] == "enabled"


def test_a_password_without_a_token_at_another_service(host: Host) -> None:
    options: dict[str, Any] = wanted(Token(), services=["sudo"])
    host.users("bob")
    host.shell("rm /home/bob/.ssh/authorized_keys")
    result = refused(host, "user_shut_out", "user_shut_out", **options)
    assert "could no longer use sudo" in result["msg"]


def test_keys_are_kept_elsewhere(host: Host) -> None:
    host.shell(
        "mkdir -m 755 /etc/ssh/keys; cp /home/ansible/.ssh/authorized_keys /etc/ssh/keys/ansible; "
        "cp /home/ansible/.ssh/authorized_keys /etc/ssh/keys/alice; chmod 644 /etc/ssh/keys/*; "
        "rm /home/alice/.ssh/authorized_keys; "
        "echo 'AuthorizedKeysFile /etc/ssh/keys/%u' > /etc/ssh/sshd_config.d/60-keys.conf; systemctl restart ssh"
    )
    carried_out(host, Token())


def test_keys_come_from_a_command(host: Host) -> None:
    host.shell(
        "printf '#!/bin/sh\\ncat /etc/ssh/all-keys\\n' > /usr/local/sbin/keys; chmod 755 /usr/local/sbin/keys; "
        "mv /home/alice/.ssh/authorized_keys /etc/ssh/all-keys; chmod 644 /etc/ssh/all-keys; "
        "printf 'AuthorizedKeysFile none\\nAuthorizedKeysCommand /usr/local/sbin/keys\\n"
        "AuthorizedKeysCommandUser nobody\\nPermitRootLogin no\\n' > /etc/ssh/sshd_config.d/60-keys.conf; "
        "systemctl restart ssh"
    )
    carried_out(host, Token())


def test_the_kind_of_code_would_change_under_a_user(host: Host) -> None:
    token = Token()
    host.apply(**wanted(token))
    refused(host, "settings_strand_users", module="twofactor", digits=8)
    protects(host, token)


def test_a_user_is_told_off_the_methods(host: Host) -> None:
    """Key and code becomes password and code, and somebody has no password."""
    token = Token()
    host.shell("usermod -p '*' alice")
    host.apply(**wanted(token))
    refused(host, "user_shut_out", module="twofactor_ssh", methods=["password_and_code"])
    protects(host, token)


def test_nobody_could_log_in_at_all(host: Host) -> None:
    options = wanted(None, exempt_users=[])
    host.shell("rm /home/alice/.ssh/authorized_keys; usermod -p '*' alice")
    refused(
        host,
        "nobody_enrolled",
        "user_shut_out",
        "own_account_shut_out",
        "nobody_could_log_in",
        **options,
    )
