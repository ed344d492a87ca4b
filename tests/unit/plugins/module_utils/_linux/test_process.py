from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import process

ME = os.getpid()


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(process, "PROC", str(tmp_path))
    (tmp_path / "42").mkdir()
    return tmp_path / "42"


def test_this_process() -> None:
    """The kernel's own /proc says all of it."""
    assert ME in process.process_ids()
    assert os.path.samefile(process.program_of(ME), "/proc/self/exe")
    assert set(process.user_ids(ME)) == {os.getuid()}
    assert process.is_roots(ME) is (os.getuid() == 0)
    assert process.parent_of(ME) == os.getppid()
    assert list(process.words_of(ME)) == sys.orig_argv
    assert process.is_in_our("net", ME)
    assert process.is_in_our("pid", ME)
    assert process.sees_our("/etc/passwd", ME)
    assert process.sees_our("/no/such/file", ME)


def test_sockets_of_this_process() -> None:
    ours, theirs = os.pipe()
    try:
        before = set(process.open_sockets(ME))
    finally:
        os.close(ours)
        os.close(theirs)
    import socket

    with socket.socket() as one:
        (inode,) = set(process.open_sockets(ME)) - before
        assert inode == str(os.fstat(one.fileno()).st_ino)


def test_process_that_has_gone(proc: Path) -> None:
    shutil.rmtree(proc)

    assert process.process_ids() == []
    assert process.program_of(42) == ""
    assert process.user_ids(42) == ()
    assert process.words_of(42) == ()
    assert process.parent_of(42) == 0
    assert not process.may_be_roots(42)
    assert not process.is_in_our("net", 42)
    assert list(process.open_sockets(42)) == []


def test_program_that_has_been_replaced(proc: Path) -> None:
    os.symlink("/usr/sbin/sshd (deleted)", proc / "exe")
    assert process.program_of(42) == "/usr/sbin/sshd"


def test_name_with_anything_in_it(proc: Path) -> None:
    (proc / "stat").write_text("42 (a) b (c) S 7 1 1")
    assert process.parent_of(42) == 7


@pytest.mark.parametrize(
    ("ids", "owner"),
    [
        ((0, 0, 0, 0), process.ROOT),
        ((0, 33, 33, 33), process.SYSTEM),
        ((102, 102, 102, 102), process.SYSTEM),
        ((65534,) * 4, process.SYSTEM),
        ((61184,) * 4, process.SYSTEM),
        ((1000, 0, 0, 0), process.USER),
        ((0, 0, 1000, 0), process.USER),
        ((1000,) * 4, process.USER),
        ((65533,) * 4, process.USER),
        ((), process.USER),
    ],
)
def test_owner(ids: tuple[int, ...], owner: str) -> None:
    assert process.owner_of(ids) == owner
