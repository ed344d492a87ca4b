"""A host's files below a temporary folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    audit,
    checks,
    daemon,
    journal,
    own_files,
    paths,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost


class Root:
    """The files of a host, by their path on it, and what was told to sshd and the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reloads = 0
        self.logged: list[tuple[str, dict[str, object]]] = []

    def reload(self) -> None:
        """Stand in for sshd reading its configuration."""
        self.reloads += 1

    def at(self, path: str) -> Path:
        """Return where a path of the host is, whether it is given with or without the folder."""
        return Path(path) if path.startswith(str(self.folder)) else self.folder / path.lstrip("/")

    def put(self, path: str, text: str, mode: int = 0o644) -> Path:
        there = self.at(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(text.encode("utf-8", "surrogateescape"))
        there.chmod(mode)
        return there

    def take(self, host: FakeHost) -> None:
        """Take over the files of a host in a dictionary."""
        for path, text in host.texts.items():
            self.put(path, text)

    def texts(self) -> dict[str, str]:
        """Return all files by their path on the host."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        return {
            f"/{path.relative_to(self.folder)}": path.read_bytes().decode("utf-8", "surrogateescape")
            for path in found
        }

    def state(self, *below: str) -> dict[str, tuple[bytes, int]]:
        """Return bytes and mode of all files below some folders of the host."""
        found = [path for name in below or ("/",) for path in self.at(name).rglob("*") if path.is_file()]
        return {str(path): (path.read_bytes(), path.stat().st_mode & 0o7777) for path in sorted(found)}


@pytest.fixture(scope="session", autouse=True)
def short_command() -> Iterator[None]:
    """Spare most tests the building of the command that is left on hosts, and its running."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(agent, "build", lambda: "the command\n")
        patched.setattr(agent, "problems", lambda _enforced: [])
        yield


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """Return a host with Debian's files whose paths are all below a temporary folder."""
    host = Root(tmp_path / "root")
    host.take(FakeHost())
    for name, value in vars(paths).items():
        if name.isupper():
            monkeypatch.setattr(paths, name, str(host.at(value)))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # takes its time, and no power is cut here
    monkeypatch.setattr(journal, "_SERVICE", paths.service_file("sshd"))
    monkeypatch.setattr(journal, "_SSHD_FILES", (paths.SSHD_DROPIN, paths.SSHD_CONFIG))

    def count(*, wait: bool = True, patience: float = 0.0) -> None:
        host.reloads += 1

    monkeypatch.setattr(daemon, "reload_sshd", count)
    monkeypatch.setattr(own_files, "find", list)
    monkeypatch.setattr(audit, "log", lambda event, **details: host.logged.append((event, details)))
    monkeypatch.setattr(sshd_check, "takes_passwords", lambda _host: "users")
    return host


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that makes the n-th call of any of some functions raise an error, once."""

    def arm(number: int, error: BaseException, *functions: tuple[object, str]) -> list[str]:
        calls: list[str] = []

        def wrapped(name: str, original: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                calls.append(name)
                if len(calls) == number:
                    raise error
                return original(*arguments, **named)

            return call

        for module, name in functions:
            monkeypatch.setattr(module, name, wrapped(name, getattr(module, name)))
        return calls

    return arm


@pytest.fixture
def platform(root: Root, monkeypatch: pytest.MonkeyPatch) -> LinuxPlatform:
    """Return a host as a platform whose guard lets everything pass."""
    monkeypatch.setattr(checks, "check_plan", lambda *_arguments, **_named: None)
    return LinuxPlatform()


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Return what the host was told to do later: after how many seconds, and what."""
    calls: list[tuple[float, str]] = []
    monkeypatch.setattr(agent, "arm", lambda seconds, verb, _end=None: calls.append((round(seconds), verb)))
    monkeypatch.setattr(audit, "connection", lambda: "")
    return calls
