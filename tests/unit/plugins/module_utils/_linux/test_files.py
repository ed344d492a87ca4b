from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_file_has_the_mode_asked_for(tmp_path: Path) -> None:
    files.replace(str(tmp_path / "a" / "b" / "new"), "text\r\n\udcff", 0o640)
    new = tmp_path / "a" / "b" / "new"

    assert new.read_bytes() == b"text\r\n\xff"
    assert mode(new) == 0o640
    assert names(new.parent) == ["new"]


def test_file_that_exists_lends_its_mode(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old")
    there.chmod(0o664)
    files.replace(str(there), "new", 0o600)

    assert (there.read_text(), mode(there)) == ("new", 0o664)


def test_link_stays_a_link(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("old")
    link.symlink_to(there)
    files.replace(str(link), "new", 0o600)

    assert link.is_symlink()
    assert there.read_text() == "new"


def test_half_written_file_of_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ("there" + files.NEW)).write_text("half")
    files.replace(str(tmp_path / "there"), "whole", 0o600)

    assert names(tmp_path) == ["there"]


def test_write_through_a_planted_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("safe")
    (tmp_path / ("there" + files.NEW)).symlink_to(tmp_path / "victim")
    files.replace(str(tmp_path / "there"), "text", 0o600)

    assert (tmp_path / "victim").read_text() == "safe"


def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(str(there), "new", 0o600)

    assert there.read_text() == "old"
    assert names(tmp_path) == ["there"]


def test_folders(tmp_path: Path) -> None:
    files.make_folder(str(tmp_path / "a" / "b"), 0o700)
    (tmp_path / "a" / "b").chmod(0o750)
    files.make_folder(str(tmp_path / "a" / "b"), 0o700)

    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, 0o750)


def test_what_is_not_there_needs_no_removal(tmp_path: Path) -> None:
    files.remove(str(tmp_path / "nothing"))
    files.sync_folder(str(tmp_path))
    files.sync_folder(str(tmp_path / "nothing"))


def test_text_comes_byte_for_byte(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\xff")
    text = files.read_text(str(there))

    assert text is not None
    assert text.encode("utf-8", "surrogateescape") == there.read_bytes()


@pytest.mark.parametrize("path", ["missing", "folder", "file/below", "dangling"])
def test_what_is_no_file_is_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "missing")

    assert files.read_text(str(tmp_path / path)) is None


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(path))


def _endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_pipe, _socket, _endless_device])
def test_what_would_block_or_never_end_is_neither_read_nor_replaced(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    there = tmp_path / "there"
    make(there)
    before = there.lstat()
    for act in (files.read_text, lambda path: files.replace(path, "text", 0o600)):
        with pytest.raises(files.UnsafeFile, match="neither read nor replaced") as caught:
            act(str(there))
        assert caught.value.code == "not_a_file"
        assert isinstance(caught.value, OSError), "whoever goes on after an OSError goes on after this"
    assert there.lstat().st_ino == before.st_ino
    assert names(tmp_path) == ["there"]


def test_file_that_becomes_a_pipe_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.touch()
    looked = there.stat()
    there.unlink()
    _pipe(there)
    monkeypatch.setattr(files.os, "stat", lambda _path: looked)
    with pytest.raises(files.UnsafeFile, match="pipe"):
        files.read_text(str(there))


def test_masked_file_is_an_empty_one_and_the_null_device_stays(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.symlink_to("/dev/null")
    null = os.stat("/dev/null")
    assert files.read_text(str(there)) == ""
    with pytest.raises(files.UnsafeFile):
        files.replace(str(there), "text", 0o600)
    assert os.stat("/dev/null").st_rdev == null.st_rdev
    assert not os.path.exists("/dev/null" + files.NEW)


def test_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    os.truncate(there, files.LARGEST)
    assert len(files.read_text(str(there)) or "") == files.LARGEST
    os.truncate(there, 1 << 40)
    with pytest.raises(files.UnsafeFile) as caught:
        files.read_text(str(there))
    assert caught.value.code == "file_too_large"


def test_file_of_the_kernel_is_read() -> None:
    assert len(files.read_text("/proc/sys/kernel/random/boot_id") or "") == 37


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another account")
@pytest.mark.parametrize(
    ("owner", "group", "mode", "is_safe"),
    [
        pytest.param(0, 0, 0o755, True, id="root's"),
        pytest.param(0, 0, 0o775, True, id="root's group"),
        pytest.param(0, 0, 0o1777, True, id="everybody's, and each only their own"),
        pytest.param(1000, 0, 0o700, False, id="a user's"),
        pytest.param(0, 1000, 0o775, False, id="a group's"),
        pytest.param(0, 0, 0o777, False, id="everybody's"),
    ],
)
@pytest.mark.parametrize("below", ["", "safe/"])
def test_link_into_a_folder_of_others_is_not_written_through(
    tmp_path: Path, owner: int, group: int, mode: int, is_safe: bool, below: str
) -> None:
    folder = tmp_path / "folder"
    (folder / below).mkdir(parents=True)
    target = folder / below / "target"
    target.write_text("theirs")
    os.chown(folder, owner, group)
    folder.chmod(mode)
    link = tmp_path / "link"
    link.symlink_to(target)
    if is_safe:
        files.replace(str(link), "ours", 0o600)
        assert target.read_text() == "ours"
        return
    with pytest.raises(files.UnsafeFile) as caught:
        files.replace(str(link), "ours", 0o600)
    assert caught.value.code == "unsafe_link"
    assert str(folder) in caught.value.message
    assert target.read_text() == "theirs"
    assert names(folder / below) == ["target"]
