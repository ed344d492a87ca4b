# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as the rest of the Linux platform sees it: files, accounts, commands.

Reads and runs, decides nothing. Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Ran:
    """What a command did. ``status`` is its exit status."""

    status: int
    out: str
    err: str


class Host:
    """Reads of this host; each file is read once and then remembered."""

    def __init__(self) -> None:
        self._texts: dict[str, str | None] = {}
        self._local_users: set[str] | None = None
        self._doors: Doors | None = None

    def read(self, path: str) -> str | None:
        """Return the text of a file, None when there is none.

        Bytes that are not UTF-8 survive a round trip (surrogateescape).
        """
        if path not in self._texts:
            self._texts[path] = read_text(path)
        return self._texts[path]

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in a folder, none when there is no folder."""
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def leftovers(self) -> list[str]:
        """Return the lock files that crashed logins left beside token files."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            paths,
            token_lock,
        )

        beside = [name for name in self.names(paths.TOKENS) if name.endswith((".lock", ".new"))]
        return [path for path in (f"{paths.TOKENS}/{n}" for n in beside) if token_lock.is_stale(path)]

    def takes_passwords(self) -> str:
        """Return of whom sshd without our drop-in surely takes a password (View)."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import sshd_check

        return sshd_check.takes_passwords(self)

    def doors(self) -> Doors:
        """Return every program by which users may log in from elsewhere, looked for once."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import doors

        if self._doors is None:
            self._doors = doors.read()
        return self._doors

    def glob(self, pattern: str) -> list[str]:
        """Return the sorted paths that a pattern matches, as sshd's Include does."""
        import glob  # only needed when sshd's configuration is staged

        return sorted(glob.glob(pattern))

    def has_user(self, name: str) -> bool:
        """Tell whether an account of this name exists, local or from a directory."""
        if self._local_users is None:
            passwd = self.read("/etc/passwd") or ""
            self._local_users = {line.split(":", 1)[0] for line in passwd.split("\n")}
        if name in self._local_users:
            return True  # without a search of the whole file for each of a thousand users
        import pwd

        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
        return True


def groups_of(name: str, primary: int) -> set[str]:
    """Return all groups of an account, as sshd and PAM find them (getgrouplist(3)); ``primary`` is a number."""
    import grp  # only needed where groups are judged

    found = set()
    for number in os.getgrouplist(name, primary):
        with contextlib.suppress(KeyError):  # a number that has no name
            found.add(grp.getgrgid(number).gr_name)
    return found


def find_program(name: str) -> str | None:
    """Return the path of a program, looked for where system programs are."""
    for folder in _PATH.split(":"):
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


def run(command: list[str], timeout: float = 20.0) -> Ran:
    """Run a command without a shell, in the C locale, for at most ``timeout`` seconds.

    Raises TwofactorError when it does not end in time. Secrets are never passed this way.
    """
    env = {"PATH": _PATH, "LC_ALL": "C", "HOME": "/root"}
    try:
        # Not module.run_command: this code knows no Ansible.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, env=env, check=False
        )
    except subprocess.TimeoutExpired:
        raise TwofactorError(
            "command_timeout",
            f"'{' '.join(command[:2])}' did not end within {timeout:.0f} seconds.",
            "Run it on the host by hand to see what it waits for.",
        ) from None
    return Ran(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
