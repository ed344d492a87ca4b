# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that is left on a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

BUILD = agent.build
"""Taken before the fixture that spares other tests the building."""


def test_it_holds_all_modules_that_a_linux_host_needs() -> None:
    folder = Path(agent.__file__).parent
    beside = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {name.removeprefix("_linux.") for name in agent.MODULES if name.startswith("_linux.")} == beside


def test_the_same_sources_make_the_same_command() -> None:
    assert BUILD() == BUILD()


def test_it_runs_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    command = tmp_path / "twofactor"
    command.write_bytes(BUILD().encode("utf-8", "surrogateescape"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for verb in ("status", "disable", "enable", "confirm", "revert"):
        assert verb in done.stdout


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
    assert command[-2:] == [paths.COMMAND, "expire"]


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
    assert command[-3:] == ["60", paths.COMMAND, "expire"]
    assert new_session


def test_command_is_written_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.install()
    assert root.at(paths.COMMAND).stat().st_mode & 0o777 == 0o755
    assert root.texts()["/etc/systemd/system/twofactor-boot.service"] == agent.BOOT_UNIT
    before = {path: root.at(path).stat().st_ino for path in (paths.COMMAND, paths.BOOT_UNIT)}
    agent.install()
    assert {path: root.at(path).stat().st_ino for path in before} == before
