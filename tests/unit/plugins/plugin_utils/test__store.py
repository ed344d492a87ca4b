"""The store as a file; what it is like with Ansible around it is tested in tests/enrolment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _store
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store, path_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

BOOK = Book({(FLEET, "alice"): Entry("A" * 32)})


def vault(word: str = "word") -> Vault:
    return Vault([("default", VaultSecret(word.encode()))])


def test_written_and_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.yml"), vault())
    with store.locked():
        store.write(BOOK)

    assert store.read() == BOOK
    assert (tmp_path / "store.yml").stat().st_mode & 0o777 == 0o600
    assert "A" * 32 not in (tmp_path / "store.yml").read_text()
    assert os.listdir(tmp_path) == ["store.yml"]


def test_no_file_is_an_empty_store_and_no_secret_is_none(tmp_path: Path) -> None:
    assert Store(str(tmp_path / "store.yml"), vault()).read() == Book()
    with pytest.raises(TwofactorError, match="no vault password"):
        Store(str(tmp_path / "store.yml"), Vault(None)).read()


def test_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store.yml"), vault())
    store.write(BOOK)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TwofactorError, match="It is as it was"):
        store.write(Book())
    assert store.read() == BOOK
    assert os.listdir(tmp_path) == ["store.yml"]


def test_half_written_files_go(tmp_path: Path) -> None:
    (tmp_path / ".store.yml.abc.new").touch()
    (tmp_path / ".other.yml.abc.new").touch()
    with Store(str(tmp_path / "store.yml"), vault()).locked():
        pass

    assert os.listdir(tmp_path) == [".other.yml.abc.new"]


def test_second_run_waits_and_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "PATIENCE", 0.1)
    one, two = (Store(str(tmp_path / "store.yml"), vault()) for dummy in range(2))
    with one.locked(), pytest.raises(TwofactorError, match="Another run"), two.locked():
        pass
    with two.locked():
        pass


def test_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").touch()
    as_file = {"ansible_inventory_sources": [str(tmp_path / "inventory" / "hosts.yml")]}
    as_folder = {"ansible_inventory_sources": [str(tmp_path / "inventory")]}

    assert path_of("", as_file) == str(tmp_path / "inventory" / "twofactor_store.yml")
    assert path_of("", as_folder) == str(tmp_path / "twofactor_store.yml")
    assert path_of("a/b.yml", as_file) == str(tmp_path / "inventory" / "a" / "b.yml")
    assert path_of("/a/b.yml", {}) == "/a/b.yml"
    for variables in ({}, {"ansible_inventory_sources": ["web1,web2"]}):
        with pytest.raises(TwofactorError, match="no inventory"):
            path_of("", variables)


def test_no_folder(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "none" / "store.yml"), vault())
    with pytest.raises(TwofactorError, match="no folder"), store.locked():
        pass
