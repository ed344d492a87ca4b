from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, token_lock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "alice.oath")


def test_lock_is_held_and_given_back(path: str) -> None:
    lock = Path(path + ".lock")
    with token_lock.token_lock(path):
        assert lock.stat().st_mode & 0o777 == 0o400
    assert not lock.exists()

    with pytest.raises(ZeroDivisionError), token_lock.token_lock(path):
        raise ZeroDivisionError
    assert not lock.exists()


def test_lock_of_a_crashed_login_is_taken_over(path: str) -> None:
    lock = Path(path + ".lock")
    lock.touch()
    os.utime(lock, (0, 0))

    assert token_lock.is_stale(str(lock))
    with token_lock.token_lock(path):
        assert not token_lock.is_stale(str(lock))


def test_lock_of_a_killed_change_is_taken_over_at_once(path: str) -> None:
    lock = Path(path + ".lock")
    lock.touch(0o400)

    assert token_lock.is_ours(str(lock))
    assert not token_lock.is_stale(str(lock))
    with token_lock.token_lock(path):
        pass
    assert not lock.exists()


def test_lock_of_a_change_goes_when_it_is_killed(path: str, tmp_path: Path) -> None:
    other = tmp_path / "bob.oath.lock"
    other.touch(0o600)
    child = os.fork()
    if child == 0:
        with token_lock.cleared_if_killed([path, str(tmp_path / "bob.oath")]), token_lock.token_lock(path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 10
    while Path(path + ".lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert other.exists(), "a login holds this one"


def test_lock_of_a_login_that_runs_is_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path(path + ".lock")
    lock.touch()
    monkeypatch.setattr(time, "sleep", lambda _seconds: lock.unlink())

    with token_lock.token_lock(path):
        pass


def test_lock_that_stays_is_an_error_and_stays(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path(path + ".lock")
    lock.touch()
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    with pytest.raises(TwofactorError) as caught, token_lock.token_lock(path):
        pass
    assert caught.value.code == "token_file_busy"
    assert lock.exists()


def test_what_is_not_there_is_not_stale(path: str) -> None:
    assert not token_lock.is_stale(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOKENS", "FAILURES"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(paths, name, str(tmp_path / name))
    return tmp_path


def test_where_tokens_can_be_written_nothing_is_left(folder: Path) -> None:
    assert token_lock.unwritable() == []
    assert sorted(path.name for path in folder.rglob("*")) == ["FAILURES", "TOKENS"]


@pytest.mark.parametrize("name", ["TOKENS", "FAILURES"])
@pytest.mark.parametrize(("step", "error"), [("open", errno.EROFS), ("write", errno.ENOSPC)])
def test_where_tokens_cannot_be_written_every_code_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str, error: int
) -> None:
    opened: list[str] = []
    original = {"open": os.open, "write": os.write}

    def refuse(*arguments: object, **named: object) -> object:
        opened.append(str(arguments[0]))
        if name in "".join(opened):
            raise OSError(error, os.strerror(error))
        return original[step](*arguments, **named)  # type: ignore[arg-type]

    if step == "write":
        monkeypatch.setattr(os, "unlink", lambda path: (opened.append(path), os.remove(path)))
    monkeypatch.setattr(os, step, refuse)
    (found,) = token_lock.unwritable()
    assert found.code == "tokens_unwritable"
    assert str(folder / name) in found.message
    assert os.strerror(error) in found.message
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_host_without_tokens_has_nothing_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "TOKENS", str(tmp_path / "nowhere"))
    monkeypatch.setattr(paths, "FAILURES", str(tmp_path / "nowhere"))
    assert token_lock.unwritable() == []
