from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import daemon, host, process
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine

LISTENER = "sshd: /usr/sbin/sshd -D -o Port=2222 [listener] 0 of 10-100 startups"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS, CONNECTED = "0A", "01"
HANGUP, OTHERS = "0000000180014005", "0000000180014004"


class Processes:
    """A /proc with processes and their sockets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.killed: list[tuple[int, int]] = []
        self.on_hup: Callable[[int], None] = self.restart
        self.now = 0.0
        self._inode = 1000
        self.uids: dict[int, str] = {}
        self.environment = folder / "environment"
        monkeypatch.setattr(
            daemon,
            "ENVIRONMENT_FILES",
            ((str(self.environment), "SSHD_OPTS"), (str(folder / "none"), "OPTIONS")),
        )
        monkeypatch.setattr(daemon, "SSHD", str(folder / "usr" / "sshd"))
        monkeypatch.setattr(process, "PROC", str(folder))
        monkeypatch.setattr(os, "kill", self._kill)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)
        self.program("sshd", "the distribution's")
        self.namespaces("self", "4026531836")

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _kill(self, pid: int, number: int) -> None:
        self.killed.append((pid, number))
        self.on_hup(pid)

    def program(self, name: str, content: str) -> str:
        """Have a program's file, and return its path."""
        path = self.folder / "usr" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return str(path)

    def namespaces(self, pid: int | str, number: str) -> None:
        folder = self.folder / str(pid) / "ns"
        folder.mkdir(parents=True)
        os.symlink(f"pid:[{number}]", folder / "pid")

    def add(
        self, pid: int, title: str = LISTENER, parent: int = 1, program: str = "", uids: str = "0\t0\t0\t0"
    ) -> None:
        of_process = self.folder / str(pid)
        (of_process / "fd").mkdir(parents=True)
        (of_process / "net").mkdir()
        self.namespaces(pid, "4026531836")
        (of_process / "comm").write_text("anything\n")
        (of_process / "cmdline").write_text(title + "\0")
        (of_process / "stat").write_text(f"{pid} (sshd: ) x) S {parent} 1 1")
        os.symlink(program or daemon.SSHD, of_process / "exe")
        os.symlink("/dev/null", of_process / "fd" / "0")
        self.uids[pid] = uids
        self.catch(pid, HANGUP)
        self.restart(pid)

    def catch(self, pid: int, signals: str) -> None:
        """Have a process catch some signals, as proc(5) prints them."""
        ids = f"Uid:\t{self.uids[pid]}\nGid:\t0\t0\t0\t0\n"
        text = f"Name:\tsshd\n{ids}SigIgn:\t0000000000001000\nSigCgt:\t{signals}\nThreads:\t1\n"
        (self.folder / str(pid) / "status").write_text(text)

    def restart(self, pid: int) -> None:
        """Give a process a new socket to listen on, and one that is connected."""
        self._inode += 2
        of_process = self.folder / str(pid)
        for number, inode in ((3, self._inode), (4, self._inode + 1)):
            link = of_process / "fd" / str(number)
            link.unlink(missing_ok=True)
            os.symlink(f"socket:[{inode}]", link)
        rows = [f"{n}: A B {state} 0:0 0:0 0 0 0 {i}\n" for n, state, i in self._rows()]
        (of_process / "net" / "tcp").write_text(HEAD + "".join(rows))

    def _rows(self) -> list[tuple[int, str, int]]:
        # The port that somebody else listens on is in the table as well.
        return [(0, LISTENS, 7), (1, LISTENS, self._inode), (2, CONNECTED, self._inode + 1)]

    def close(self, pid: int) -> None:
        (self.folder / str(pid) / "fd" / "3").unlink(missing_ok=True)

    def end(self, pid: int) -> None:
        shutil.rmtree(self.folder / str(pid))


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    return Processes(tmp_path, monkeypatch)


def listening() -> list[int]:
    return [one.pid for one in daemon.listeners()]


@pytest.mark.parametrize(
    ("title", "listens"),
    [
        pytest.param(LISTENER, True, id="usual"),
        pytest.param("/usr/sbin/sshd\0-D", True, id="before OpenSSH 8.2, no title"),
        pytest.param("sshd: /usr/sbi", True, id="without room for a title"),
        pytest.param("sshd: alice [priv]", False, id="a session"),
        pytest.param("sshd: alice@pts/0,pts/1", False, id="a session with terminals"),
        pytest.param("sshd: [accepted]", False, id="a session that begins"),
        pytest.param("sshd: CORP\\alice smith [priv]", False, id="a session of a user with a blank"),
        pytest.param("/usr/sbin/sshd\0-i", False, id="a socket-activated one, just started"),
        pytest.param("/usr/sbin/sshd\0-D\0-R", False, id="a session, just started"),
        pytest.param("/usr/sbin/sshd\0-T\0-C\0user=root", False, id="one that prints its configuration"),
    ],
)
def test_which_process_listens(processes: Processes, title: str, listens: bool) -> None:
    processes.add(42, title)

    assert listening() == ([42] if listens else [])


@pytest.mark.parametrize("parent", [0, 1, 7])
def test_whoever_has_started_it(processes: Processes, parent: int) -> None:
    processes.add(42, parent=parent)

    assert listening() == [42]


def test_child_of_a_listener_is_none(processes: Processes) -> None:
    processes.add(42)
    processes.add(43, parent=42)

    assert listening() == [42]


def test_all_that_listen(processes: Processes) -> None:
    for pid in (420, 36):
        processes.add(pid)

    assert listening() == [36, 420]


@pytest.mark.parametrize(
    ("name", "content", "is_one"),
    [
        pytest.param("sshd", "the distribution's", True, id="the distribution's"),
        pytest.param("strange", "the distribution's", True, id="a copy of it"),
        pytest.param("strange", "something else yet", False, id="as large by chance"),
        pytest.param("opt/sshd", "another", True, id="another with the name"),
        pytest.param("sshd-session", "another", False, id="the program of a session"),
        pytest.param("sshd (deleted)", None, True, id="replaced by a package"),
        pytest.param("strange", None, False, id="gone"),
    ],
)
def test_which_program_is_an_sshd(processes: Processes, name: str, content: str | None, is_one: bool) -> None:
    (processes.folder / "usr" / "opt").mkdir()
    path = str(processes.folder / "usr" / name) if content is None else processes.program(name, content)
    processes.add(42, program=path)

    assert listening() == [42] * is_one


def test_a_link_to_the_distributions_sshd(processes: Processes) -> None:
    os.link(daemon.SSHD, processes.folder / "strange")
    processes.add(42, program=str(processes.folder / "strange"))

    assert listening() == [42]


@pytest.mark.parametrize("uids", ["1000\t1000\t1000\t1000", "1000\t0\t0\t0", "0\t0\t1000\t0", ""])
def test_what_a_user_has_started_is_no_sshd_of_the_host(processes: Processes, uids: str) -> None:
    processes.add(42, uids=uids)

    assert listening() == []


def test_one_in_a_container_is_no_sshd_of_the_host(processes: Processes) -> None:
    processes.add(42)
    shutil.rmtree(processes.folder / "42" / "ns")
    processes.namespaces(42, "4026532999")

    assert listening() == []


def test_process_that_ends_meanwhile(processes: Processes) -> None:
    processes.add(42)
    (processes.folder / "42" / "cmdline").unlink()

    assert daemon.listeners() == [daemon.Listener(42, daemon.SSHD, None)]
    (processes.folder / "42" / "status").unlink()
    assert daemon.listeners() == []


def test_what_it_was_started_with(processes: Processes) -> None:
    processes.add(42)

    assert [one.line for one in daemon.listeners()] == [CommandLine(("-oPort=2222",))]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", []),
        ("# options\nSSHD_OPTS=\n", []),
        ("SSHD_OPTS=-oUsePAM=no\n", ["-oUsePAM=no"]),
        ('SSHD_OPTS="-4 -f /etc/own -o UsePAM=no"\n', ["-4", "-f", "/etc/own", "-o", "UsePAM=no"]),
        ("SSHD_OPTS=-p 22 # here\nSSHD_OPTS='-p 23'", ["-p", "23"]),
        ('SSHD_OPTS="-p 22\n', []),
        ("OPTIONS=-p 22\n", []),
    ],
)
def test_options_of_an_sshd_that_systemd_will_start(
    processes: Processes, text: str, options: list[str]
) -> None:
    processes.environment.write_text(text)
    assert daemon.configured_options() == options


def test_nobody_listens_nobody_is_told(processes: Processes) -> None:
    daemon.reload_sshd()

    assert processes.killed == []


def test_every_sshd_is_told(processes: Processes) -> None:
    for pid in (36, 47):
        processes.add(pid)
    daemon.reload_sshd()

    assert processes.killed == [(36, signal.SIGHUP), (47, signal.SIGHUP)]
    assert processes.now == 0.0


def test_reload_waits_until_each_listens_anew(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in (36, 47):
        processes.add(pid)
    processes.on_hup = processes.close
    later = {0.005: 36, 0.01: 47}

    def sleep(seconds: float) -> None:
        processes.now += seconds
        processes.restart(later[processes.now])

    monkeypatch.setattr(time, "sleep", sleep)
    daemon.reload_sshd()

    assert processes.now == 0.01


def test_nobody_is_told_before_it_listens_to_signals(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An sshd listens first, and then catches SIGHUP; in between it would die of it."""
    processes.add(42)
    processes.catch(42, OTHERS)

    def sleep(seconds: float) -> None:
        processes.now += seconds
        if processes.now in (0.01, 0.025):
            processes.catch(42, HANGUP)

    def on_hup(pid: int) -> None:
        assert processes.now == 0.01
        processes.restart(pid)
        processes.catch(pid, OTHERS)

    monkeypatch.setattr(time, "sleep", sleep)
    processes.on_hup = on_hup
    daemon.reload_sshd()

    assert processes.killed == [(42, signal.SIGHUP)]
    assert processes.now == 0.025


def test_one_that_never_listens_to_signals_is_left_alive(processes: Processes) -> None:
    processes.add(42)
    processes.catch(42, OTHERS)
    with pytest.raises(TwofactorError) as caught:
        daemon.reload_sshd()
    assert caught.value.code == "sshd_reload"
    daemon.reload_sshd(wait=False)
    assert processes.killed == []


@pytest.mark.parametrize("which", ["says nothing", "gives up its socket"])
def test_reload_that_does_not_happen_is_an_error(processes: Processes, which: str) -> None:
    processes.add(42)
    processes.on_hup = processes.close if which == "gives up its socket" else lambda _pid: None
    with pytest.raises(TwofactorError) as caught:
        daemon.reload_sshd(patience=2.0)
    assert caught.value.code == "sshd_reload"
    assert "process 42" in caught.value.message
    assert 2.0 <= processes.now < 2.1

    daemon.reload_sshd(wait=False)
    assert len(processes.killed) == 2


def test_one_whose_sockets_are_not_known_is_told_and_not_waited_for(processes: Processes) -> None:
    processes.add(42)
    processes.close(42)
    processes.on_hup = lambda _pid: None
    daemon.reload_sshd()

    assert processes.killed == [(42, signal.SIGHUP)]


def test_one_that_has_gone_when_it_is_told(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    processes.add(42)

    def gone(pid: int, _number: int) -> None:
        processes.end(pid)
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    daemon.reload_sshd(wait=False)


@pytest.mark.parametrize("socket", [True, False])
def test_sshd_that_ends_instead_is_started_anew_where_systemd_listens(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, socket: bool
) -> None:
    processes.add(42)
    processes.on_hup = processes.end
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
