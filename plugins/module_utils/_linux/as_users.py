# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a question about files that belong to users, each with that user's rights and none of root's.

Private to this collection: may change at any time. One child process goes through all users. It has their effective
ids only, as sshd has when it reads their keys, so that none of them may send it a signal. When it does not get on,
because a home directory does not answer, it is left behind and another one goes on with the next user. Nobody waits
for a process that the kernel does not let go of.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Optional

Answers = dict[str, Optional[bool]]
"""User name to the answer; None where there was none in time."""
PATIENCE = 10.0
"""Seconds for all users together."""
_SHARE = 10
"""The part of the remaining time that one user gets, so that a few who do not answer leave enough for the others."""
_LEAST = 0.05
"""Seconds that a user gets at least."""
_ANSWERS = {b"y": True, b"n": False}


def ask_as_users(
    users: Sequence[pwd.struct_passwd],
    question: Callable[[pwd.struct_passwd], bool],
    patience: float = PATIENCE,
) -> Answers:
    """Return what ``question`` answers for each user, asked with the rights of that user.

    A question that raises OSError has no answer.
    """
    answers: Answers = {user.pw_name: None for user in users}
    deadline = time.monotonic() + patience
    left = list(users)
    while left and time.monotonic() < deadline:
        got = _ask_until_it_stalls(left, question, deadline)
        answers.update({user.pw_name: _ANSWERS.get(byte) for user, byte in zip(left, got)})
        left = left[len(got) + 1 :]
    return answers


def _ask_until_it_stalls(
    users: list[pwd.struct_passwd], question: Callable[[pwd.struct_passwd], bool], deadline: float
) -> list[bytes]:
    """Return the answers of the users for whom there was one, up to the first for whom there was none in time."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_for_all(users, question, theirs)
    os.close(theirs)
    got: list[bytes] = []
    try:
        while len(got) < len(users):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([ours], [], [], max(left / _SHARE, _LEAST))[0]:
                break
            byte = os.read(ours, 1)
            if not byte:
                break
            got.append(byte)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        _reap(child)
    return got


def _reap(child: int) -> None:
    """Take note of the end of a child, unless the kernel holds it: then it is init's when we are gone."""
    with contextlib.suppress(ChildProcessError):
        for dummy in range(20):
            if os.waitpid(child, os.WNOHANG)[0]:
                return
            time.sleep(0.001)


def _answer_for_all(
    users: list[pwd.struct_passwd], question: Callable[[pwd.struct_passwd], bool], pipe: int
) -> None:
    """Write one byte for each user into ``pipe``; never returns."""
    try:
        _keep_nothing_but(pipe)
        for user in users:
            os.write(pipe, _answer_for(user, question))
    finally:
        os._exit(0)


def _keep_nothing_but(pipe: int) -> None:
    """Let go of all that somebody would wait for if this process were stuck: a lock, Ansible's pipe, the session."""
    os.setsid()
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        if int(name) != pipe:
            with contextlib.suppress(OSError):
                os.close(int(name))
    for dummy in range(3):
        os.open(os.devnull, os.O_RDWR)


def _answer_for(user: pwd.struct_passwd, question: Callable[[pwd.struct_passwd], bool]) -> bytes:
    try:
        with _rights_of(user):
            return b"y" if question(user) else b"n"
    except OSError:
        return b"?"


@contextlib.contextmanager
def _rights_of(user: pwd.struct_passwd) -> Iterator[None]:
    """Have the rights of ``user`` for a while; only root can, anybody else keeps to their own."""
    if os.geteuid() != 0:
        yield
        return
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
