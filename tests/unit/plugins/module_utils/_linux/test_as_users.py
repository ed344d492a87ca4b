# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that are asked with the rights of users."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.as_users import ask_as_users


def users(*names: str) -> list[Any]:
    return [SimpleNamespace(pw_name=name, pw_uid=os.geteuid(), pw_gid=os.getegid()) for name in names]


@pytest.fixture(autouse=True)
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every user in no group but the primary one."""
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid])


def test_each_user_has_an_answer_of_their_own() -> None:
    answers = ask_as_users(users("alice", "bob", "carol"), lambda user: user.pw_name == "bob")
    assert answers == {"alice": False, "bob": True, "carol": False}
    assert ask_as_users([], lambda _user: True) == {}


def test_question_that_fails_has_no_answer_and_the_next_one_has() -> None:
    def question(user: Any) -> bool:
        if user.pw_name == "alice":
            raise OSError(errno.ESTALE, "Stale file handle")
        if user.pw_name == "bob":
            os._exit(3)
        if user.pw_name == "carol":
            raise ValueError
        return True

    answers = ask_as_users(users("alice", "bob", "carol", "dave"), question)
    assert answers == {"alice": None, "bob": None, "carol": None, "dave": True}


@pytest.mark.parametrize("stuck", [range(1), range(300, 304), range(1000)], ids=["one", "four", "all"])
def test_users_who_do_not_answer_hold_up_nobody(stuck: range) -> None:
    def question(user: Any) -> bool:
        if int(user.pw_name) in stuck:
            time.sleep(600)
        return True

    begin = time.monotonic()
    answers = ask_as_users(users(*map(str, range(1000))), question, patience=2.0)
    assert time.monotonic() - begin < 6
    unknown = {int(name) for name, answer in answers.items() if answer is None}
    assert unknown == set(stuck)
    assert len(answers) == 1000


def test_process_that_is_stuck_holds_nothing_that_somebody_waits_for(tmp_path: Path) -> None:
    """It may never end: then the lock must be free, and the other end of our output closed."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = tmp_path / "found"

        def question(_user: Any) -> bool:
            there = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
            found.write_text("\n".join(os.readlink(path) for path in there if os.path.exists(path)))
            return True

        ask_as_users(users("alice"), question)
    kept = [path for path in found.read_text().split("\n") if path not in ("/dev/null", str(found))]
    assert [path.partition(":")[0] for path in kept if "/fd" not in path] == ["pipe"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that any account may enter, unlike pytest's own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the rights of another account")
def test_users_have_their_own_rights_and_root_has_its_own_again(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    root = pwd.getpwuid(0)
    seen = open_folder / "seen"
    seen.touch()
    seen.chmod(0o666)
    secret = open_folder / "secret"
    secret.touch(0o600)

    def question(user: pwd.struct_passwd) -> bool:
        with seen.open("a") as stream:
            stream.write(f"{os.getresuid()} {os.getresgid()} {os.getgroups()}\n")
        return os.access(secret, os.R_OK, effective_ids=True)

    answers = ask_as_users([root, nobody, root], question)
    gid = nobody.pw_gid
    first, second, third = seen.read_text().splitlines()
    assert second == f"(0, {nobody.pw_uid}, 0) (0, {gid}, 0) [{gid}]"
    assert first.startswith("(0, 0, 0)")
    assert first == third
    assert answers == {"root": True, "nobody": False}
