from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import own_files, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.own_files import OpenFile
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

FIND = own_files.find
EACH = [
    ("POLICY", 0o600),
    ("PAM_POLICY", 0o644),
    ("SSHD_DROPIN", 0o600),
    ("COMMAND", 0o755),
    ("USERS", 0o600),
    ("BOOT_UNIT", 0o644),
]


@pytest.fixture
def host(root: Root, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setattr(own_files, "ROOT", os.getuid())
    monkeypatch.setattr(own_files, "find", FIND)
    return root


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize(("name", "wanted"), EACH)
def test_file_that_others_may_change(host: Root, name: str, wanted: int) -> None:
    path = host.put(getattr(paths, name), "x", wanted)
    os.chmod(path.parent, 0o700)
    assert own_files.find() == []
    path.chmod(wanted | 0o022)
    (found,) = own_files.find()
    assert (found.path, found.mode, found.wanted) == (str(path), wanted | 0o022, wanted)
    own_files.repair([found])
    assert mode(path) == wanted
    assert own_files.find() == []


def test_fewer_permissions_are_no_problem(host: Root) -> None:
    path = host.put(paths.PAM_POLICY, "x", 0o666)
    own_files.repair(own_files.find())
    assert mode(path) == 0o644
    path.chmod(0o400)
    assert own_files.find() == []


def test_token_files_and_their_directory(host: Root) -> None:
    token = host.put(paths.token_file("alice"), "x", 0o644)
    for folder in (paths.STATE_FOLDER, paths.TOKENS):
        os.chmod(folder, 0o755)
    assert [one.path for one in own_files.find()] == [paths.STATE_FOLDER, paths.TOKENS, str(token)]
    own_files.repair(own_files.find())
    assert mode(token) == 0o600
    assert own_files.find() == []


def test_owner(host: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    host.put(paths.POLICY, "x", 0o600)
    monkeypatch.setattr(own_files, "ROOT", os.getuid() + 1)
    found = {one.path: one.now for one in own_files.find()}
    assert found[paths.POLICY] == f"mode 0600 of user {os.getuid()}"


def test_link_among_the_tokens_is_left_alone(host: Root) -> None:
    """Others who could write there may have put it there."""
    theirs = host.put("/home/alice/file", "x", 0o666)
    host.put(paths.token_file("bob"), "x", 0o600)
    os.chmod(paths.TOKENS, 0o700)
    os.chmod(paths.STATE_FOLDER, 0o700)
    os.symlink(theirs, paths.token_file("alice"))
    assert own_files.find() == []
    with pytest.raises(OSError):
        own_files.repair([OpenFile(paths.token_file("alice"), 0o666, 0o600, os.getuid())])
    assert mode(theirs) == 0o666


def test_link_of_the_administrators_is_followed(host: Root) -> None:
    theirs = host.put("/srv/policy.json", "x", 0o666)
    host.at(paths.POLICY).parent.mkdir(parents=True, mode=0o755)
    os.symlink(theirs, paths.POLICY)
    own_files.repair(own_files.find())
    assert mode(theirs) == 0o600


def test_file_that_has_gone_meanwhile(host: Root) -> None:
    own_files.repair([OpenFile(paths.POLICY, 0o666, 0o600, 0)])
