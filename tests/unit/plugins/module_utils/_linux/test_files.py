from __future__ import annotations

import errno
import os
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
