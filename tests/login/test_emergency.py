# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the second factor off when little else works."""

from __future__ import annotations

import pytest

from tests.login.fleet import PASSWORD, Host, Token


@pytest.fixture
def enforced(host: Host) -> Host:
    """A host on which everybody but the automation is asked for a code."""
    _enforce(host, "key_and_code")
    return host


def _enforce(host: Host, method: str) -> None:
    host.shell("cp -a /etc/pam.d /root/")
    host.apply(
        secrets={"users": [{"name": "alice", "secret": Token().secret}]},
        policy={"state": "enabled", "services": ["sudo"], "exempt_users": ["ansible"]},
        ssh={"state": "enabled", "methods": [method]},
    )
    assert not host.ssh("alice", key=True)


def _off(host: Host) -> dict[str, object]:
    result = host.module("twofactor", state="disabled", reason="phones lost")
    assert not result.get("failed"), result["printed"]
    assert result["changed"]
    return result


@pytest.mark.parametrize(
    "hindrance",
    [
        "systemctl stop chrony",
        "touch /var/lib/twofactor/tokens/alice.oath.lock",
        "echo rubbish > /etc/twofactor/policy.json",
        "rm /etc/twofactor/policy.json",
        "echo rubbish > /var/lib/twofactor/tokens/alice.oath",
        "rm -r /var/lib/twofactor",
        "rm /etc/ssh/sshd_config.d/00-twofactor.conf",
        "cp /root/pam.d/sshd /etc/pam.d/sshd",
        "echo 'NoSuchKeyword yes' >> /etc/ssh/sshd_config.d/99-lab.conf",
    ],
)
def test_nothing_stops_it(enforced: Host, hindrance: str) -> None:
    enforced.shell(hindrance)
    _off(enforced)
    assert "twofactor" not in enforced.shell("cat /etc/pam.d/*")
    enforced.shell("sed -i /NoSuchKeyword/d /etc/ssh/sshd_config.d/*; systemctl reload-or-restart ssh")
    assert enforced.ssh("alice", key=True)
    assert "phones lost" in enforced.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")


def test_with_the_package_manager_locked(enforced: Host) -> None:
    enforced.shell(
        "nohup python3 -c \"import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); "
        "fcntl.lockf(f, fcntl.LOCK_EX); open('/run/locked','w'); time.sleep(600)\" >/dev/null 2>&1 & "
        "until test -e /run/locked; do sleep 0.1; done"
    )
    assert "lock" in enforced.shell("apt-get install -y less 2>&1", check=False)
    _off(enforced)
    assert enforced.ssh("alice", key=True)


@pytest.mark.parametrize("method", ["key_and_code", "password_and_code"])
def test_with_var_full(host: Host, method: str) -> None:
    _enforce(host, method)
    host.shell(
        "cp -a /var/lib/twofactor /root/kept; mount -t tmpfs -o size=1m,mode=755 tmpfs /var/lib/twofactor;"
        "cp -a /root/kept/. /var/lib/twofactor/; cat /dev/zero > /var/lib/twofactor/filler 2>/dev/null; true"
    )
    _off(host)
    assert host.ssh("alice", key=True)
    assert host.ssh("alice", password=PASSWORD) if method == "password_and_code" else True


@pytest.mark.parametrize("method", ["key_and_code", "password_and_code"])
def test_with_etc_full(host: Host, method: str) -> None:
    _enforce(host, method)
    before = host.shell("cat /root/pam.d/sshd /root/pam.d/sudo")
    host.shell(
        "cp -a /etc /root/kept-etc; mount -t tmpfs -o size=20m,mode=755 tmpfs /etc;"
        "cp -a /root/kept-etc/. /etc/; cat /dev/zero > /etc/filler 2>/dev/null; true"
    )
    _off(host)
    # What was taken away has made room for it.
    assert '"state": "disabled"' in host.shell("cat /etc/twofactor/policy.json")
    assert host.shell("cat /etc/pam.d/sshd /etc/pam.d/sudo") == before
    assert host.ssh("alice", key=True)


def test_tokens_are_kept_and_a_stale_lock_is_cleared_by_the_next_run(enforced: Host) -> None:
    lock = "/var/lib/twofactor/tokens/alice.oath.lock"
    enforced.shell(f"touch -d '-5 minutes' {lock}")
    codes = [p["code"] for p in enforced.module("twofactor_info")["twofactor"]["problems"]]
    assert "token_lock_stale" in codes
    assert enforced.apply("--check", policy={"state": "enabled"})["changed"]
    assert enforced.apply(policy={"state": "enabled"})["changed"]
    enforced.shell(f"test ! -e {lock}")
    assert not enforced.apply(policy={"state": "enabled"})["changed"]
