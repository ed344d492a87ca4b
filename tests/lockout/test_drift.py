# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else does to a host that asks: said at once, and repaired by the next run."""

from __future__ import annotations

import pytest

from tests.lockout.points import carried_out, protects, wanted
from tests.login.fleet import Host, Token


def _problems(host: Host) -> dict[str, str]:
    problems = host.module("twofactor_info")["twofactor"]["problems"]
    return {problem["code"]: problem["message"] for problem in problems}


def _enforced(host: Host) -> tuple[Token, dict[str, object]]:
    token = Token()
    options = wanted(token)
    host.apply(**options)
    assert _problems(host) == {}
    return token, options


def test_a_package_brings_its_service_file_back(host: Host) -> None:
    host.shell("cp -p /etc/pam.d/sshd /root/sshd")
    token, options = _enforced(host)
    host.shell("cp -p /root/sshd /etc/pam.d/sshd")
    assert "ssh_not_asking" in _problems(host)
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_pam_auth_update(host: Host) -> None:
    """It writes the common files anew, in which there is nothing of ours."""
    token, options = _enforced(host)
    host.shell("DEBIAN_FRONTEND=noninteractive pam-auth-update --force --package 2>&1")
    assert _problems(host) == {}
    assert not host.apply(**options, guard=True)["changed"]
    protects(host, token)


def test_a_drop_in_that_is_read_first_lets_one_user_in_with_a_key(host: Host) -> None:
    host.users("bob")
    token, bob = Token(), Token()
    options = wanted(token)
    options["secrets"]["users"].append({"name": "bob", "secret": bob.secret})
    carried_out(host, token, **options)
    host.shell(
        "printf 'Match User bob\\n  AuthenticationMethods publickey\\n' > /etc/ssh/sshd_config.d/00-first.conf; "
        "systemctl restart ssh"
    )
    assert host.ssh("bob", key=True)
    assert "logins of bob are not asked" in _problems(host)["ssh_not_asking"]
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    assert not host.ssh("bob", key=True)
    assert host.ssh("bob", key=True, code=bob.code())


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        pytest.param("echo 'auth required pam_permit.so' > {}", ["policy_edited"], id="asks nothing"),
        pytest.param("sed -i '2i auth sufficient pam_permit.so' {}", ["policy_edited"], id="ends before"),
        pytest.param("rm {}", ["policy_edited"], id="has gone"),
    ],
)
def test_the_policy_is_edited(host: Host, command: str, codes: list[str]) -> None:
    token, options = _enforced(host)
    host.shell(command.format("/etc/pam.d/twofactor"))
    assert set(codes) <= set(_problems(host))
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_our_drop_in_is_edited(host: Host) -> None:
    token, options = _enforced(host)
    host.shell("echo 'UsePAM yes' > /etc/ssh/sshd_config.d/00-twofactor.conf; systemctl restart ssh")
    assert "ssh_not_asking" in _problems(host)
    assert host.apply(**options, guard=True)["changed"]
    assert _problems(host) == {}
    protects(host, token)


def test_a_deleted_token(host: Host) -> None:
    token, options = _enforced(host)
    host.shell("rm /var/lib/twofactor/tokens/alice.oath")
    assert not host.ssh("alice", key=True, code=token.code())
    assert "of 'alice' have gone" in _problems(host)["token_missing"]
    assert host.apply(**options, guard=True)["changed"]
    assert "token_missing" not in _problems(host)
    protects(host, token)
