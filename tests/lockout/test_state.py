# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may have been left in: locks, journals, damaged files, other changes, disks that take no more."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator

import pytest

from tests.lockout.points import carried_out, problem_codes, protects, refused, wanted
from tests.login.fleet import Host, Token

pytestmark = pytest.mark.starting_point
TOKENS = "/var/lib/twofactor/tokens"


@pytest.fixture
def enforced(host: Host) -> tuple[Host, Token]:
    """A host that asks already, with Alice's token."""
    token = Token()
    host.apply(**wanted(token))
    return host, token


# Disks.


@pytest.mark.parametrize("folder", ["/etc", "/etc/ssh/sshd_config.d", "/etc/pam.d"])
def test_a_folder_is_read_only(host: Host, folder: str) -> None:
    host.shell(f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}")
    result = refused(host, "read_only", **wanted(Token()))
    assert folder in result["msg"]
    host.shell(f"umount {folder}")
    carried_out(host, Token())


@pytest.mark.parametrize("folder", ["/etc", "/var/lib/twofactor"])
def test_a_disk_is_full(host: Host, folder: str) -> None:
    host.shell(
        f"mkdir -p {folder}; cp -a {folder} /root/kept; mount -t tmpfs -o size=20m,mode=755 tmpfs {folder};"
        f"cp -a /root/kept/. {folder}/; cat /dev/zero > {folder}/filler 2>/dev/null; true"
    )
    refused(host, "disk_full", **wanted(Token()))


@pytest.mark.parametrize("file", ["/etc/pam.d/sshd", "/etc/ssh/sshd_config.d/00-twofactor.conf"])
def test_a_file_that_cannot_be_replaced(enforced: tuple[Host, Token], file: str) -> None:
    """It is mounted by itself, as in containers: found out in the middle of a change, all of which is taken back."""
    host, token = enforced
    host.shell(f"mount --bind {file} {file}")
    refused(host, "os_error", policy={"window": 2}, ssh={"methods": ["password_and_code"]})
    protects(host, token)


# Token files.


def test_a_stale_lock(enforced: tuple[Host, Token]) -> None:
    host, token = enforced
    host.shell(f"touch -d '-5 minutes' {TOKENS}/alice.oath.lock {TOKENS}/alice.oath.new")
    assert "token_lock_stale" in problem_codes(host)
    assert not host.ssh("alice", key=True, code=token.code())
    assert host.apply(**wanted(token), guard=True)["changed"]
    protects(host, token)


def test_a_lock_that_is_held(enforced: tuple[Host, Token]) -> None:
    host, token = enforced
    host.shell(f"touch {TOKENS}/alice.oath.lock")
    new = [{"name": "alice", "secret": Token().secret}]
    refused(host, "token_file_busy", module="twofactor_secret", state="renewed", renewal="w", users=new)
    host.shell(f"rm {TOKENS}/alice.oath.lock")
    protects(host, token)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("HOTP/T30/6 bob - 3132333435363738393031323334353637383930", id="another user's name"),
        pytest.param(
            "HOTP/T45/6 alice - 3132333435363738393031323334353637383930", id="an interval that is none"
        ),
        pytest.param("HOTP/T30/6 alice - rubbish", id="rubbish"),
    ],
)
def test_a_token_file_that_pam_oath_would_not_read(host: Host, line: str) -> None:
    host.shell(f"mkdir -p -m 700 {TOKENS}; cat > {TOKENS}/alice.oath", stdin=line + "\n")
    refused(host, "token_file_broken", **wanted(None))
    token = Token()
    options = wanted(token)
    refused(host, "token_file_broken", **options)
    options["secrets"].update(state="renewed", renewal="mended")
    carried_out(host, token, **options)


# What earlier changes have left.


def test_a_change_that_was_cut_short(host: Host) -> None:
    token = Token()
    before = host.shell("cat /etc/pam.d/sshd")
    host.apply(**wanted(token))
    original = {
        "data": base64.b64encode(before.encode()).decode(),
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
    }
    journal = {"files": {"/etc/pam.d/sshd": original, "/etc/ssh/sshd_config.d/00-twofactor.conf": None}}
    host.shell("cat > /var/lib/twofactor/journal/originals.json", stdin=json.dumps(journal))
    assert "change_interrupted" in problem_codes(host)
    result = host.apply(**wanted(token), guard=True)
    assert "cut short" in result["printed"]
    protects(host, token)


def test_a_journal_that_is_damaged(enforced: tuple[Host, Token]) -> None:
    host, token = enforced
    host.shell("echo '{' > /var/lib/twofactor/journal/originals.json")
    refused(host, "journal_broken", module="twofactor", window=2)
    protects(host, token)


def test_a_change_is_pending(host: Host) -> None:
    token = Token()
    host.apply(**wanted(token), confirm_within=300)
    refused(host, "change_pending", module="twofactor", window=2)
    protects(host, token)
    assert host.module("twofactor_change", state="confirmed")["changed"]
    assert host.module("twofactor", window=2, guard=True)["changed"]


def test_the_host_cannot_be_made_to_take_a_change_back(enforced: tuple[Host, Token]) -> None:
    host, token = enforced
    host.shell(
        "printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/systemd-run; chmod 755 /usr/local/sbin/systemd-run"
    )
    refused(host, "cannot_arm", module="twofactor", window=2, confirm_within=60)
    protects(host, token)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/etc/twofactor/policy.json", "policy_file_broken"),
        ("/var/lib/twofactor/users.json", "users_file_broken"),
        ("/var/lib/twofactor/bypass.json", "bypass_file_broken"),
    ],
)
def test_a_file_of_ours_that_is_damaged(enforced: tuple[Host, Token], path: str, code: str) -> None:
    host, token = enforced
    host.shell(f"echo rubbish > {path}")
    users = {"users": [{"name": "alice", "secret": Token().secret}]}
    refused(host, code, policy={"window": 2}, secrets=users)
    assert code in problem_codes(host)
    login = host.ssh("alice", key=True, code=token.code())
    assert login.accepted


# Others at the same time.


@pytest.fixture
def held(host: Host) -> Iterator[Host]:
    """A host on which another change runs, and runs."""
    host.shell(
        "nohup python3 -c \"import fcntl,time; f=open('/run/twofactor.lock','w'); "
        'fcntl.flock(f, fcntl.LOCK_EX); time.sleep(90)" >/dev/null 2>&1 & echo $! > /run/holder; sleep 1'
    )
    yield host
    host.shell("kill $(cat /run/holder)", check=False)


def test_another_change_does_not_end(held: Host) -> None:
    refused(held, "change_running", **wanted(Token()))


def test_two_changes_at_once(host: Host) -> None:
    tokens = [Token(), Token()]
    results: list[dict[str, object]] = []

    def change(token: Token) -> None:
        results.append(host.module("twofactor_host", **wanted(token), guard=True))

    threads = [threading.Thread(target=change, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result["failed"] for result in results] == [False, False], results
    last = next(token for token in tokens if _shows(host, token))
    protects(host, last)


def _shows(host: Host, token: Token) -> bool:
    return base64.b32decode(token.secret).hex() in host.shell(f"cat {TOKENS}/alice.oath")
