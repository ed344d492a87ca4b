# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group for each host: how its processes are found again, and nobody else's are ended.

A process id on record may have been given to somebody else since; membership in a group cannot be
wrong. The group is also what a host's own systemd manages, so hosts must never share one.

Without a running systemd the groups are made here, in the unified hierarchy and, where the machine
has one, in the old ``name=systemd`` hierarchy, from which nspawn copies a process's place. With a
running systemd all groups are its own, and it is asked for a scope with delegation.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from .common import LabError, run

SLICE = "fleetauthlab.slice"
TOP = "fleetauth-lab"

JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"'


def systemd_runs() -> bool:
    """Say whether systemd manages this machine (the test of sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def hierarchies(mountinfo: str) -> list[Path]:
    """Return where the hierarchies are that matter here, the unified one first."""
    found = re.findall(r"^\S+ \S+ \S+ \S+ (\S+) .* - (\S+) \S+ (\S+)$", mountinfo, re.MULTILINE)
    unified = [Path(place) for place, kind, _ in found if kind == "cgroup2"]
    named = [
        Path(place)
        for place, kind, options in found
        if kind == "cgroup" and "name=systemd" in options.split(",")
    ]
    if not unified:
        raise LabError("the lab needs the unified control group hierarchy (a mount of cgroup2)")
    return [unified[0], *named[:1]]


def _make(folder: Path) -> None:
    """Make a group; its parents may be taken away meanwhile by another host that goes."""
    for dummy in range(50):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:
            time.sleep(0.01)
    folder.mkdir(parents=True, exist_ok=True)


def _joining(folders: list[Path]) -> list[str]:
    """Return what to put before a command so that it runs in some groups."""
    return ["sh", "-euc", JOIN, "join", *(str(folder / "cgroup.procs") for folder in folders), "--"]


class Group:
    """The control group of one host, or with ``host`` left out of a whole lab."""

    def __init__(self, lab: str, host: str) -> None:
        self.unit = f"fleetauthlab-{lab}.{host}.scope"
        self.places = hierarchies(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
        self._own = Path(TOP, lab, host)

    @property
    def inside(self) -> Path:
        """Return the group's path within a hierarchy."""
        return Path(SLICE, self.unit) if systemd_runs() else self._own

    def launcher(self) -> list[str]:
        """Return what to put before a command so that it runs as a member of this group."""
        if systemd_runs():
            return [
                *("systemd-run", "--scope", "--quiet", "--collect", f"--slice={SLICE}"),
                *("--property=Delegate=yes", f"--unit={self.unit}"),
                *("--description=a host of the fleetauth test lab", "--"),
            ]
        folders = [place / self.inside for place in self.places]
        for folder in folders:
            _make(folder)
        return _joining(folders)

    def processes(self) -> list[int]:
        """Return the processes in this group and below."""
        found: list[int] = []
        # Groups come and go while we look; os.walk passes over what is gone.
        for folder, _, _ in os.walk(self.places[0] / self.inside):
            try:
                members = Path(folder, "cgroup.procs").read_text(encoding="ascii")
            except OSError:
                continue
            found.extend(int(number) for number in members.split())
        return found

    def leader(self) -> int | None:
        """Return the process that is number 1 inside the host."""
        for process in self.processes():
            try:
                status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
            except OSError:
                continue
            numbers = re.search(r"^NSpid:(.*)$", status, re.MULTILINE)
            if numbers and len(numbers[1].split()) == 2 and numbers[1].split()[1] == "1":
                return process
        return None

    def kill(self, patience: float = 20.0) -> None:
        """End everything in the group the hard way and remove the group.

        All at once: of a process and what holds it up (strace), the one would else go on while the other has gone.
        """
        deadline = time.monotonic() + patience
        with contextlib.suppress(OSError):  # a kernel before 5.14, or no such group
            (self.places[0] / self.inside / "cgroup.kill").write_text("1", encoding="ascii")
        while processes := self.processes():
            for process in processes:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > deadline:
                raise LabError(f"processes of {self.inside} do not end: {processes}")
            time.sleep(0.02)
        self._remove()

    def _remove(self) -> None:
        if systemd_runs():  # it removes the scope itself when the last process is gone
            return
        for place in self.places:
            top = place / self.inside
            below = [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
            for folder in [*below, top.parent, top.parent.parent]:
                # Gone already, or another host's or another lab's is in it.
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def joiner(self, leader: int) -> list[str]:
        """Return what to put before a command so that it runs beside the services of the host's own systemd."""
        own = Path(f"/proc/{leader}/cgroup").read_text(encoding="ascii")
        path = re.search(r"^0::/(.*)$", own, re.MULTILINE)
        if path is None:
            raise LabError("the host has no control group in the unified hierarchy")
        # The leader sits in init.scope; its parent is what the host takes for the root, where a
        # process must not be once the host's systemd has switched controllers on.
        folder = self.places[0] / path[1].removesuffix("/init.scope") / "lab-shell"
        folder.mkdir(exist_ok=True)
        return _joining([folder])


def remove_slice() -> None:
    """Let systemd forget the group of all labs, which it would keep for good."""
    if systemd_runs():
        run("systemctl", "stop", SLICE, check=False)
