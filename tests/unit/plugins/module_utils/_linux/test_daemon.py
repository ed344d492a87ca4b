from __future__ import annotations

import builtins
import io
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import daemon, host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran

LISTENER = "sshd: /usr/sbin/sshd -D -o Port=2222 [listener] 0 of 10-100 startups"


class Processes:
    """A /proc with processes, and a pid file."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.proc: dict[int, tuple[str, int, str]] = {}
        self.pid_file = tmp_path / "sshd.pid"
        self.killed: list[tuple[int, int]] = []
        monkeypatch.setattr(daemon, "PID_FILES", (str(tmp_path / "none.pid"), str(self.pid_file)))
        monkeypatch.setattr(builtins, "open", self._open(builtins.open))
        monkeypatch.setattr(daemon.os, "listdir", lambda _path: [*map(str, self.proc), "self"])
        monkeypatch.setattr(os, "kill", lambda pid, number: self.killed.append((pid, number)))
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def add(self, pid: int, title: str = LISTENER, parent: int = 1, comm: str = "sshd") -> None:
        self.proc[pid] = (comm, parent, title)

    def _open(self, original: Any) -> Any:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            if not str(path).startswith("/proc/"):
                return original(path, *arguments, **named)
            _, _, pid, name = str(path).split("/")
            if not pid.isdigit() or int(pid) not in self.proc:
                raise FileNotFoundError(path)
            comm, parent, title = self.proc[int(pid)]
            stat = f"{pid} (sshd: ) x) S {parent} 1 1"
            return io.StringIO({"comm": comm + "\n", "cmdline": title + "\0", "stat": stat}[name])

        return call


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    return Processes(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("title", "parent", "comm", "listens"),
    [
        pytest.param(LISTENER, 1, "sshd", True, id="started by init"),
        pytest.param(LISTENER, 0, "sshd", True, id="first process of a container"),
        pytest.param("/usr/sbin/sshd\0-D", 1, "sshd", True, id="before OpenSSH 8.2, no title"),
        pytest.param("sshd: alice [priv]", 7, "sshd", False, id="a session"),
        pytest.param("sshd: alice [priv]", 1, "sshd", False, id="a session that init has started or inherited"),
        pytest.param("/usr/sbin/sshd\0-i", 1, "sshd", False, id="a socket-activated one, just started"),
        pytest.param("sshd-session: alice [priv]", 1, "sshd-session", False, id="a session from OpenSSH 9.8"),
        pytest.param("/usr/bin/vi", 1, "vi", False, id="something else with its old number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ["pid file", "search"])
def test_which_process_listens(
    processes: Processes, title: str, parent: int, comm: str, listens: bool, by: str
) -> None:
    processes.add(42, title, parent, comm)
    if by == "pid file":
        processes.pid_file.write_text("42\n")

    assert daemon.listener() == (42 if listens else None)


@pytest.mark.parametrize("text", ["", "rubbish", "4711\n"])
def test_pid_file_that_says_nothing(processes: Processes, text: str) -> None:
    processes.pid_file.write_text(text)
    processes.add(42)

    assert daemon.listener() == 42


@pytest.mark.parametrize(
    ("title", "options"),
    [
        ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", []),
        (LISTENER, ["-o", "Port=2222"]),
        (
            "/usr/sbin/sshd\0-D\0-f\0/etc/other\0-oUsePAM=no\0-p\x0022",
            ["-f", "/etc/other", "-oUsePAM=no", "-p", "22"],
        ),
        ("/usr/sbin/sshd\0-4\0-e\0-o", ["-o"]),
    ],
)
def test_options_that_outrank_the_files(processes: Processes, title: str, options: list[str]) -> None:
    processes.add(42, title)

    assert daemon.arguments(42) == options
    assert daemon.arguments(43) == []


def test_nobody_listens_nobody_is_told(processes: Processes) -> None:
    daemon.reload_sshd()

    assert processes.killed == []


def test_reload_waits_for_the_pid_file(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    processes.add(42)
    processes.pid_file.write_text("42\n")
    os.utime(processes.pid_file, (0, 0))
    monkeypatch.setattr(time, "sleep", lambda _seconds: os.utime(processes.pid_file, (1, 1)))
    daemon.reload_sshd()

    assert processes.killed == [(42, signal.SIGHUP)]


def test_reload_that_does_not_happen_is_an_error(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.add(42)
    processes.pid_file.write_text("42\n")
    now = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with pytest.raises(TwofactorError) as caught:
        daemon.reload_sshd()
    assert caught.value.code == "sshd_reload"

    daemon.reload_sshd(wait=False)
    assert len(processes.killed) == 2


def test_reload_without_a_pid_file_does_not_wait(processes: Processes) -> None:
    processes.add(42)
    daemon.reload_sshd()

    assert processes.killed == [(42, signal.SIGHUP)]


@pytest.mark.parametrize("socket", [True, False])
def test_sshd_that_ends_instead_is_started_anew_where_systemd_listens(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, socket: bool
) -> None:
    processes.add(42)
    processes.pid_file.write_text("42\n")

    def end(pid: int, number: int) -> None:
        processes.killed.append((pid, number))
        processes.pid_file.unlink()
        del processes.proc[pid]

    now = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    monkeypatch.setattr(os, "kill", end)
    monkeypatch.setattr(host, "find_program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        host, "run", lambda command: Ran(0 if socket and "ssh.socket" in command else 3, "", "")
    )
    if socket:
        daemon.reload_sshd()
        daemon.reload_sshd()  # nobody is there to be told
    else:
        with pytest.raises(TwofactorError) as caught:
            daemon.reload_sshd()
        assert caught.value.code == "sshd_reload"
    assert processes.killed == [(42, signal.SIGHUP)]
