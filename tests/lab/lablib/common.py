# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab uses: places, names, errors, commands, locks, JSON records."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Outside the checkout, so that a fresh clone finds the images that another one has built.
STATE = Path("/var/lib/fleetauth-lab")
CACHE = Path("/var/cache/fleetauth-lab")

CHECKOUT = Path(__file__).resolve().parents[3]

_LAB_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HOST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


class LabError(Exception):
    """Something a person has to know about; the message says what, where and what to do."""


def lab_name() -> str:
    """Return the name of the lab that this command is about."""
    name = os.environ.get("FLEETAUTH_LAB") or "main"
    if not _LAB_NAME.fullmatch(name):
        raise LabError(f"FLEETAUTH_LAB={name!r}: use up to 32 of a-z, 0-9, '-' and '_'")
    return name


def check_host_name(name: str) -> str:
    """Return ``name`` if it can be a host's name."""
    if not _HOST_NAME.fullmatch(name) or name == "localhost":
        raise LabError(f"{name!r} cannot be a host's name: use up to 32 of a-z, 0-9 and '-'")
    return name


def say(line: str) -> None:
    """Tell the person at the terminal; standard output stays for results."""
    print(line, file=sys.stderr, flush=True)


def run(
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    what: str = "",
) -> str:
    """Run a command and return its standard output; raise LabError with its last words."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env=None if env is None else dict(os.environ, **env),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if check and done.returncode:
        words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise LabError(f"{what or command[0]} failed ({done.returncode}):\n{words}")
    return done.stdout


@contextlib.contextmanager
def locked(name: str, what: str, patience: float = 900.0) -> Iterator[None]:
    """Hold the machine-wide lock ``name``; say who has it if we must wait for ``what``.

    The kernel lets go of the lock when its holder dies, so a killed command never blocks others.
    Lock files are never removed: removing one that somebody waits for would make two locks of one.
    """
    folder = STATE / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "a+", encoding="ascii") as file:
        _wait_for(file.fileno(), folder / name, what, patience)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _wait_for(descriptor: int, path: Path, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = path.read_text(encoding="ascii") or "unknown"
        if not told and holder != str(os.getpid()):
            say(f"lab: {what} is in use by another lab command (process {holder}); waiting for it")
            told = True
        if time.monotonic() > deadline:
            raise LabError(f"{what} was still in use by process {holder} after {patience:.0f} s")
        time.sleep(0.1)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a record, or None where there is none."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record so that a reader sees the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def ensure_packages(packages: Mapping[str, str]) -> None:
    """Install Debian packages on this machine whose file (a path) is missing."""
    missing = [package for package, path in packages.items() if not Path(path).exists()]
    if not missing:
        return
    if not Path("/usr/bin/apt-get").exists():
        raise LabError(f"the lab needs the Debian packages {' '.join(missing)}")
    say(f"lab: installing {' '.join(missing)} on this machine")
    calm = {"DEBIAN_FRONTEND": "noninteractive"}
    apt_get = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
    with locked("packages", "installing packages"):
        run(*apt_get, "update", env=calm)
        run(*apt_get, "install", "-y", "--no-install-recommends", *missing, env=calm)
