# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that make their reader wait or read without end: users' own ones, and some in the place of the host's."""

from __future__ import annotations

import time

import pytest

from tests.lockout.points import carried_out, problem_codes, protects, refused, wanted
from tests.login.fleet import Host, Token

pytestmark = pytest.mark.starting_point
STATE = "/var/lib/twofactor"
SOON = 60.0
"""Seconds. A call that waited for a file would take as long as the test waits."""


def _seconds(begin: float) -> float:
    return time.monotonic() - begin


# What users own.


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("mkfifo $file", id="a pipe"),
        pytest.param("ln -s /dev/zero $file", id="no end"),
        pytest.param("mkfifo $HOME/pipe; ln -s $HOME/pipe $file", id="a link to a pipe"),
        pytest.param("ln -s /dev/tty $file", id="a terminal"),
        pytest.param("truncate -s 1T $file", id="a terabyte of nothing"),
        pytest.param("ln -s /etc/shadow $file", id="root's own file"),
    ],
)
def test_keys_that_are_no_file(host: Host, make: str) -> None:
    host.shell(
        "useradd -m -s /bin/bash carol; usermod -p '*' carol; "
        f"su carol -c 'cd; mkdir -m 700 .ssh; file=$HOME/.ssh/authorized_keys; {make}'"
    )
    begin = time.monotonic()
    token = Token()
    if "1T" in make:
        # sshd would read all of it, and a key may come in the end.
        refused(host, "user_shut_out", **wanted(token))
    else:
        carried_out(host, token)
    assert _seconds(begin) < SOON


def test_a_thousand_users_who_do_that(host: Host) -> None:
    host.shell(
        "python3 - <<'E'\n"
        "import os\n"
        "rows = []\n"
        "for number in range(20000, 21000):\n"
        "    folder = f'/home/u{number}/.ssh'\n"
        "    os.makedirs(folder)\n"
        "    os.mkfifo(f'{folder}/authorized_keys')\n"
        "    rows.append(f'u{number}:x:{number}:100::/home/u{number}:/bin/sh')\n"
        "open('/etc/passwd', 'a').write('\\n'.join(rows) + '\\n')\n"
        "E"
    )
    begin = time.monotonic()
    token = Token()
    assert host.apply(**wanted(token), guard=True)["changed"]
    assert _seconds(begin) < SOON
    protects(host, token)


NO_ANSWER = """\
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
listener = libc.fanotify_init(0x4, 0)  # FAN_CLASS_CONTENT
# FAN_MARK_ADD; FAN_OPEN_PERM | FAN_EVENT_ON_CHILD: whoever opens a file there waits for an answer that does not come.
if libc.fanotify_mark(listener, 0x1, 0x08010000, -100, sys.argv[1].encode()) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
open("/run/no-answer", "w").close()
time.sleep(600)
"""


@pytest.fixture
def silent(host: Host) -> Host:
    """A host on which the home of carol does not answer, as on a file server that is down."""
    host.shell("useradd -m -s /bin/bash carol; usermod -p '*' carol; su carol -c 'mkdir -m 700 ~/.ssh'")
    host.shell("install -o carol -m 600 /home/alice/.ssh/authorized_keys /home/carol/.ssh/authorized_keys")
    host.shell("rm -f /run/no-answer; cat > /run/no-answer.py", stdin=NO_ANSWER)
    # Not as a unit, which in a container may not do that.
    host.shell(
        "nohup python3 /run/no-answer.py /home/carol/.ssh >/dev/null 2>&1 & echo $! > /run/no-answer.pid"
    )
    host.shell("for i in $(seq 100); do test -e /run/no-answer && exit; sleep 0.1; done; exit 1")
    return host


def test_a_home_that_does_not_answer(silent: Host) -> None:
    host = silent
    begin = time.monotonic()
    result = refused(host, "keys_unreadable", **wanted(Token()))
    assert "carol" in result["msg"]
    assert _seconds(begin) < SOON
    token = Token()
    carried_out(host, token, **wanted(token, exempt_users=["ansible"], unenrolled="allow"))


# What is in the place of the host's own files.


@pytest.mark.parametrize(
    ("path", "make", "code"),
    [
        ("/etc/twofactor/policy.json", "mkfifo", "not_a_file"),
        ("/etc/twofactor/policy.json", "truncate -s 64M", "file_too_large"),
        (f"{STATE}/bypass.json", "mkfifo", "not_a_file"),
        (f"{STATE}/users.json", "mkfifo", "not_a_file"),
        (f"{STATE}/tokens/alice.oath", "mkfifo", "not_a_file"),
    ],
)
def test_a_file_of_ours_that_is_none(host: Host, path: str, make: str, code: str) -> None:
    token = Token()
    host.apply(**wanted(token))
    host.shell(f"mv {path} /root/kept 2>/dev/null; {make} {path}")
    begin = time.monotonic()
    assert code in problem_codes(host)
    users = {"users": [{"name": "alice", "secret": Token().secret}]}
    result = host.module("twofactor_host", policy={"window": 2}, secrets=users)
    assert code in [reason["code"] for reason in result["reasons"]], result["printed"]
    assert host.module("twofactor", state="disabled")["changed"]
    assert _seconds(begin) < SOON
    assert host.ssh("alice", key=True)


def test_a_service_file_that_is_a_pipe(host: Host) -> None:
    token = Token()
    host.apply(**wanted(token))
    host.shell("mkfifo /etc/pam.d/chat")
    result = refused(host, "not_a_file", policy={"window": 2}, ssh={"state": "enabled"})
    assert "/etc/pam.d/chat" in result["msg"]
    assert host.module("twofactor", state="disabled")["changed"]
    assert host.ssh("alice", key=True)


def test_a_service_file_that_leads_to_a_user(host: Host) -> None:
    host.shell(
        "cp /etc/pam.d/sshd /home/alice/sshd; rm /etc/pam.d/sshd; ln -s /home/alice/sshd /etc/pam.d/sshd"
    )
    result = refused(host, "unsafe_link", **wanted(Token()))
    assert "/home/alice" in result["msg"]


def test_a_file_that_leads_to_the_null_device(host: Host) -> None:
    host.shell("mkdir -p /etc/twofactor; ln -s /dev/null /etc/twofactor/policy.json")
    refused(host, "policy_file_broken", **wanted(Token()))
    assert host.shell("stat -c %F /dev/null").strip() == "character special file"


def test_a_lock_that_users_cannot_hold(host: Host) -> None:
    token = Token()
    host.shell("install -m 644 /dev/null /run/twofactor.lock")
    host.apply(**wanted(token))
    said = host.shell("su alice -c 'flock -w 1 /run/twofactor.lock echo held 2>&1'", check=False)
    assert "Permission denied" in said
