# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that is left on a host."""

from __future__ import annotations

import calendar
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

BUILD = agent.build
PROBLEMS = agent.problems
"""Taken before the fixture that spares other tests the building and the running."""


def test_it_holds_all_modules_that_a_linux_host_needs() -> None:
    folder = Path(agent.__file__).parent
    beside = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {name.removeprefix("_linux.") for name in agent.MODULES if name.startswith("_linux.")} == beside


def test_the_same_sources_make_the_same_command() -> None:
    assert BUILD() == BUILD()


@pytest.fixture
def command(tmp_path: Path) -> Path:
    path = tmp_path / "twofactor"
    path.write_bytes(BUILD().encode("utf-8", "surrogateescape"))
    path.chmod(0o755)
    return path


def test_it_runs_with_nothing_but_the_standard_library(command: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=command.parent,
    )
    assert done.returncode == 0, done.stderr
    for verb in ("status", "disable", "enable", "confirm", "revert"):
        assert verb in done.stdout


def test_it_runs_without_zlib(command: Path) -> None:
    script = "import runpy, sys; sys.modules['zlib'] = None; sys.argv[1:] = ['--help']; runpy.run_path(sys.argv[0])"
    script = f"import sys; sys.argv[0] = {str(command)!r}; {script}"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert "second factor" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(["{command}"], id="by its name"),
        pytest.param(["/bin/sh", "{command}"], id="where it may not be executed"),
        pytest.param(["/bin/bash", "{command}"], id="bash"),
        pytest.param(
            ["/usr/bin/env", "-i", "LC_ALL=nowhere", "PATH=/nowhere", "{command}"], id="odd environment"
        ),
        pytest.param(["/bin/sh", "-c", 'umask 777; exec "$0" "$@"', "{command}"], id="umask"),
    ],
)
def test_it_finds_a_python_by_itself(command: Path, start: list[str]) -> None:
    words = [word.replace("{command}", str(command)) for word in start]
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "second factor" in done.stdout


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which the command looks for Pythons, python3 first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(agent, "_PYTHONS", (f"{folder}/python3", f"{folder}/python3.[0-9][0-9]"))
    return folder


def _put(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "broken",
    ["missing", "exit 0 # but does nothing\nfalse", "exit 1 # too old", "kill -SEGV $$", "not executable"],
)
def test_it_takes_the_first_python_that_works(pythons: Path, tmp_path: Path, broken: str) -> None:
    works = pythons / "python3.12"
    works.symlink_to(sys.executable)
    if broken.startswith("exit 0"):
        works = pythons / "python3"
        works.symlink_to(sys.executable)
    elif broken != "missing":
        _put(pythons / "python3", broken)
        (pythons / "python3").chmod(0o644 if broken == "not executable" else 0o755)
    command = tmp_path / "twofactor"
    command.write_bytes(BUILD().encode("utf-8", "surrogateescape"))
    done = subprocess.run(["/bin/sh", command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_any_python_it_says_so(
    pythons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", f"{pythons}/python3.11")
    command = tmp_path / "twofactor"
    command.write_bytes(BUILD().encode("utf-8", "surrogateescape"))
    done = subprocess.run(["/bin/sh", command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "no Python 3.9 or later" in done.stderr
    assert done.stdout == ""


def test_every_usual_python_makes_the_same_command(monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    for path in (
        "/usr/bin/python3",
        "/usr/bin/python3.11",
        "/usr/local/bin/python3.9",
        "/usr/libexec/platform-python",
    ):
        monkeypatch.setattr(sys, "executable", path)
        made.add(BUILD())
    assert len(made) == 1
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python3")
    assert "'/opt/my python/bin/python3'; do" in BUILD()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: None, ""),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.chmod(0o644), "Permission denied"),
        (lambda path: path.write_text("#!/bin/sh\necho 'no Python' >&2; exit 127\n"), "no Python"),
        (lambda path: path.write_text("#!/bin/sh\nexit 3\n"), "exit status 3"),
        (lambda path: path.write_text("#!/usr/bin/python9\n"), "No such file"),
    ],
)
def test_command_that_does_not_run_is_a_problem(
    root: Root, spoil: Callable[[Path], object], why: str
) -> None:
    for path, text in ((paths.COMMAND, BUILD()), (paths.BOOT_UNIT, ""), (paths.BOOT_WANTED, "")):
        root.put(path, text, 0o755)
    spoil(root.at(paths.COMMAND))
    found = PROBLEMS(True)
    assert [one.code for one in found] == ["command_broken"] * bool(why)
    assert why in "".join(one.message for one in found)
    assert PROBLEMS(False) == []
    root.put(paths.BYPASS, "{}")
    assert len(PROBLEMS(False)) == len(found), "a bypass is to end"


def test_boot_unit_that_has_gone_is_a_problem(root: Root) -> None:
    root.put(paths.COMMAND, BUILD(), 0o755)
    root.put(paths.BOOT_UNIT, "")
    (found,) = PROBLEMS(True)
    assert paths.BOOT_WANTED in found.message


def test_source_that_is_not_at_hand() -> None:
    with pytest.raises(TwofactorError) as caught:
        agent._source("no_such_module_anywhere")
    assert caught.value.code == "command_source"


class Timers:
    """systemd-run, or what stands in for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands: list[list[str]] = []
        self.answer = Ran(0, "", "")
        monkeypatch.setattr(agent, "find_program", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(agent.os.path, "isdir", lambda _path: True)
        monkeypatch.setattr(agent, "run", self.run)

    def run(self, command: list[str]) -> Ran:
        self.commands.append(command)
        return self.answer


def test_timer_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers(monkeypatch)
    agent.arm(90.25, "expire")
    (command,) = timers.commands

    assert command[0] == "/usr/bin/systemd-run"
    assert "--on-active=90.2s" in command
    assert "--timer-property=AccuracySec=100ms" in command
    assert command[-3:] == ["/bin/sh", paths.COMMAND, "expire"]
    assert not any(word.startswith("--on-calendar") for word in command)


def test_end_beyond_the_last_year_of_systemd_is_a_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers(monkeypatch)
    agent.arm_end(calendar.timegm((2999, 12, 31, 0, 0, 0)))
    (command,) = timers.commands

    assert not any(word.startswith("--on-calendar") for word in command)
    assert any(word.startswith("--on-active=") for word in command)


def test_end_is_a_time_and_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers(monkeypatch)
    monkeypatch.setattr(agent.time, "time", lambda: 1_800_000_000.0)
    agent.arm_end(1_800_000_090.4)
    agent.arm_end(1_700_000_000.0)
    first, second = timers.commands

    assert "--on-active=90.4s" in first
    assert "--on-calendar=2027-01-15 08:01:31 UTC" in first
    assert first[-4:] == [paths.COMMAND, "expire", "--end", "1800000090"]
    assert "--on-active=1.0s" in second


def test_timer_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers(monkeypatch)
    timers.answer = Ran(1, "", "Failed to start\ntransient timer unit\n")
    with pytest.raises(TwofactorError, match="Failed to start transient timer unit") as caught:
        agent.arm(60.0, "expire")
    assert caught.value.code == "cannot_arm"


@pytest.mark.parametrize("lacks", ["systemd-run", "systemd"])
def test_without_systemd_a_process_waits(monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    timers = Timers(monkeypatch)
    started: list[tuple[list[str], bool]] = []
    monkeypatch.setattr(
        agent.subprocess,
        "Popen",
        lambda command, **named: started.append((command, named["start_new_session"])),
    )
    if lacks == "systemd":
        monkeypatch.setattr(agent.os.path, "isdir", lambda _path: False)
    else:
        monkeypatch.setattr(agent, "find_program", lambda _name: None)
    agent.arm(60.0, "expire")

    assert timers.commands == []
    ((command, new_session),) = started
    assert command[-5:] == ["60", "0", "/bin/sh", paths.COMMAND, "expire"]
    assert new_session


@pytest.mark.parametrize(
    ("left", "end", "seconds"),
    [("0", "0", 0), ("1", "0", 1), ("600", "1", 0), ("1", "99999999999", 1)],
    ids=["now", "after a while", "the date is over", "the date is far"],
)
def test_process_that_waits_looks_at_time_and_date(left: str, end: str, seconds: int) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", agent._WAIT, "sh", left, end, "echo", "the", "command"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "the command\n"
    assert time.monotonic() - begin >= seconds


def test_command_is_written_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.install()
    assert root.at(paths.COMMAND).stat().st_mode & 0o777 == 0o755
    assert root.texts()["/etc/systemd/system/twofactor-boot.service"] == agent.BOOT_UNIT
    before = {path: root.at(path).stat().st_ino for path in (paths.COMMAND, paths.BOOT_UNIT)}
    agent.install()
    assert {path: root.at(path).stat().st_ino for path in before} == before
