"""No code is handed out twice, whoever asks; and nobody waits who need not."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _spent
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._spent import Spent

MINUTE = 1795518000.0
_FORK = multiprocessing.get_context("fork")


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self, now: float) -> None:
        self.now, self.slept = now, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(MINUTE + 5)
    monkeypatch.setattr(_spent.time, "time", lambda: clock.now)
    monkeypatch.setattr(_spent.time, "sleep", clock.sleep)
    return clock


def never() -> bool:
    return False


def as_other_process(spent: Spent, interval: int = 30) -> int | None:
    """Have a process take an offer and end."""
    queue = _FORK.SimpleQueue()
    process = _FORK.Process(target=lambda: queue.put(spent.offer(interval, never)))
    process.start()
    process.join()
    found: int | None = queue.get()
    return found


STEP = int(MINUTE // 30)


def test_a_step_is_taken_once(clock: Clock, tmp_path: Path) -> None:
    spent = Spent(str(tmp_path / "spent"), "alice@web1")
    assert spent.take(30) == STEP
    assert clock.slept == 0
    assert spent.take(30) == STEP + 1
    assert 25 <= clock.slept <= 26
    assert Spent(str(tmp_path / "spent"), "alice@web2").take(30) == STEP + 1, "another host has not seen it"
    assert clock.slept <= 26


def test_files_are_for_their_owner_and_hold_no_names(clock: Clock, tmp_path: Path) -> None:
    Spent(str(tmp_path / "spent"), "alice@web1").take(30)
    (file,) = (tmp_path / "spent").iterdir()
    assert "alice" not in file.name
    assert file.read_text() == f"30 {STEP} {os.getpid()} 1 {_spent._checksum('')}\n"
    assert (oct((tmp_path / "spent").stat().st_mode)[-3:], oct(file.stat().st_mode)[-3:]) == ("700", "600")


def test_a_step_that_is_about_to_go_is_not_handed_out(clock: Clock, tmp_path: Path) -> None:
    clock.now = MINUTE + 28
    assert Spent(str(tmp_path), "a").take(30) == STEP + 1
    assert 2 <= clock.slept <= 2.1
    clock.now = MINUTE + 58
    assert Spent(str(tmp_path), "b").offer(30, never) == STEP + 2


def test_what_was_not_used_is_offered_again(clock: Clock, tmp_path: Path) -> None:
    spent = Spent(str(tmp_path), "a")
    assert spent.offer(30, never) == STEP
    assert spent.offer(30, never) == STEP, "Ansible reads a password twice"
    other = Spent(str(tmp_path), "b")
    assert as_other_process(other) == STEP
    assert other.offer(30, never) == STEP, "a task that needed no connection has ended"
    assert clock.slept == 0


def test_what_was_offered_for_a_connection_elsewhere_counts_as_used(clock: Clock, tmp_path: Path) -> None:
    assert as_other_process(Spent(str(tmp_path), "a", "/cp/here")) == STEP
    assert Spent(str(tmp_path), "a", "/cp/there").offer(30, never) == STEP + 1
    assert clock.slept > 20


def test_what_was_used_is_not(clock: Clock, tmp_path: Path) -> None:
    spent = Spent(str(tmp_path), "a")
    spent.note_use()
    assert not list(tmp_path.iterdir()), "nothing was handed out"
    assert as_other_process(spent) == STEP
    spent.note_use()
    assert spent.offer(30, never) == STEP + 1
    assert clock.slept > 20
    spent.take(30)
    assert spent.offer(30, never) == STEP + 3, "what a task has taken is used"


def test_who_is_at_it_is_waited_for(tmp_path: Path) -> None:
    """With a real clock: while another fork logs in, this one waits, and then uses the connection."""
    spent = Spent(str(tmp_path), "a")
    started, finish = _FORK.Event(), _FORK.Event()

    def logs_in() -> None:
        spent.offer(600, never)
        started.set()
        finish.wait(30)

    process = _FORK.Process(target=logs_in)
    process.start()
    assert started.wait(30)
    begun = time.monotonic()
    looks = iter([False, False, False, False, True])
    assert spent.offer(600, lambda: next(looks)) is None
    assert time.monotonic() - begun > 0.1
    finish.set()
    process.join()
    assert spent.offer(600, never) == int(time.time() // 600), "it has ended, and there is no connection"


def test_forks_at_the_same_time_take_different_steps(tmp_path: Path) -> None:
    spent = Spent(str(tmp_path), "a")
    queue = _FORK.SimpleQueue()

    def take() -> None:
        _spent.MARGIN = 0.01
        queue.put(spent.take(1))

    processes = [_FORK.Process(target=take) for dummy in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    steps = [queue.get() for dummy in processes]
    assert len(set(steps)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "30 1",
        "30 1 1 1\n",
        f"30 99999999999 1 1 {'0' * 32}\n",
        f"30 -5 1 1 {'0' * 32}\n",
        "\x00" * 50,
    ],
)
def test_a_damaged_file_or_a_clock_that_was_wrong_holds_nobody_up(
    clock: Clock, tmp_path: Path, text: str
) -> None:
    spent = Spent(str(tmp_path), "a")
    spent.take(30)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    clock.slept = 0
    assert spent.take(30) == STEP
    assert clock.slept == 0


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "spent"
    Spent(str(folder), "a").take(30)
    (file,) = folder.iterdir()
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        Spent(str(folder), "a").take(30)
