from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import token_lock


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
