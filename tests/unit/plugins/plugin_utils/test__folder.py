"""Files of sheets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _folder
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet

ENTRY = Entry("A" * 32, backup_secret="B" * 32)


def sheet(is_backup: bool = False) -> Sheet:
    return Sheet("alice", "alice", "Fleet", ENTRY, (), is_backup)


def test_names_and_modes(tmp_path: Path) -> None:
    folder = tmp_path / "sheets"
    _folder.make(str(folder))
    _folder.write(str(folder), FLEET, sheet(), _folder.FORMATS)
    _folder.write(str(folder), "web1", sheet(is_backup=True), ("html",))

    assert folder.stat().st_mode & 0o777 == 0o700
    names = ["alice.html", "alice.png", "alice.svg", "alice.txt", "alice~web1~backup.html"]
    assert sorted(os.listdir(folder)) == names
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert _folder.remove(str(folder), FLEET, "alice")
    assert not _folder.remove(str(folder), FLEET, "alice")
    assert os.listdir(folder) == ["alice~web1~backup.html"]


def test_user_of_a_directory_has_a_file_of_their_own(tmp_path: Path) -> None:
    names = ["CORP\\carol", "CORP_carol", "CORP+carol", "CORP.carol", "CORPcarol"]
    for name in names:
        entry = Entry("A" * 32)
        _folder.write(str(tmp_path), "nas1", Sheet(name, name, "Fleet", entry, (), False), ("txt",))

    assert len(os.listdir(tmp_path)) == len(names)
    assert "CORP%5Ccarol~nas1.txt" in os.listdir(tmp_path)
    assert _folder.remove(str(tmp_path), "nas1", "CORP\\carol")
    assert "CORP%5Ccarol~nas1.txt" not in os.listdir(tmp_path)


def test_folder_that_others_could_read_is_shut(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    _folder.make(str(tmp_path))

    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_failure_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(old: str, new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(TwofactorError, match="in the store"):
        _folder.write(str(tmp_path), FLEET, sheet(), ("html",))
    assert os.listdir(tmp_path) == []


def test_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "alice.svg").symlink_to(tmp_path / "elsewhere")
    _folder.write(str(tmp_path), FLEET, sheet(), ("svg",))

    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "alice.svg").is_symlink()


def test_a_folder_that_is_not_there_yet_can_be_written(tmp_path: Path) -> None:
    _folder.refuse_unwritable(str(tmp_path / "a" / "b"))

    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TwofactorError, match="No sheet can be written"):
        _folder.refuse_unwritable(str(tmp_path / "file" / "sheets"))
