from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import host, paths, sshd_check
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host


def test_files_are_read_once(tmp_path: Path) -> None:
    there, seen = tmp_path / "there", Host()
    there.write_text("one")
    assert seen.read(str(there)) == "one"
    there.write_text("two")

    assert seen.read(str(there)) == "one"
    assert seen.read(str(tmp_path / "missing")) is None


def test_names_are_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", ".c"):
        (tmp_path / name).touch()

    assert Host().names(str(tmp_path)) == [".c", "a", "b"]
    assert Host().names(str(tmp_path / "missing")) == []
    assert Host().names(str(tmp_path / "a")) == []


def test_glob(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", ".c.conf", "d"):
        (tmp_path / name).touch()

    assert Host().glob(f"{tmp_path}/*.conf") == [f"{tmp_path}/a.conf", f"{tmp_path}/b.conf"]


def test_accounts() -> None:
    assert Host().has_user("root")
    assert Host().has_user(getpass.getuser())
    assert not Host().has_user("nobody-of-this-name")


def test_leftovers_of_crashed_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "TOKENS", str(tmp_path))
    for name in ("alice.oath", "alice.oath.lock", "bob.oath.new", "carol.oath.lock"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / "carol.oath.lock")

    assert Host().leftovers() == [f"{tmp_path}/alice.oath.lock", f"{tmp_path}/bob.oath.new"]


def test_passwords_are_asked_of_sshd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_check, "takes_passwords", lambda seen: "users" if isinstance(seen, Host) else "")

    assert Host().takes_passwords() == "users"


def test_programs() -> None:
    assert str(host.find_program("sh")).endswith("/sh")
    assert host.find_program("no-program-of-this-name") is None


def test_commands() -> None:
    ran = host.run([sys.executable, "-c", "import os, sys; print(os.environ['LC_ALL']); sys.exit('b\\xe4d')"])

    assert (ran.status, ran.out) == (1, "C\n")
    assert ran.err.startswith("b")


def test_command_that_does_not_end() -> None:
    with pytest.raises(TwofactorError) as caught:
        host.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.0)
    assert caught.value.code == "command_timeout"
