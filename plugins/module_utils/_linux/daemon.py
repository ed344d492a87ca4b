# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running sshd: which process listens, and how it reads its configuration again.

Private to this collection: may change at any time. A SIGHUP keeps every session; the listening process
closes its socket, starts over with the same process id and writes its pid file anew.
"""

from __future__ import annotations

import os
import signal
import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

PID_FILES = ("/run/sshd.pid", "/var/run/sshd.pid")
_PATIENCE = 10.0


def listener() -> int | None:
    """Return the process id of the sshd that listens, None when there is none (socket activation)."""
    for path in PID_FILES:
        try:
            with open(path, encoding="ascii") as stream:
                pid = int(stream.read())
        except (OSError, ValueError):
            continue
        if _is_listener(pid):
            return pid
    return _search()


def _is_listener(pid: int) -> bool:
    """Tell whether a process is an sshd that listens, and not one that serves a session."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as stream:
            if stream.read().strip() != "sshd":
                return False
        return _parent(pid) in (0, 1) and _has_title_of_listener(pid)
    except OSError:
        return False


def _has_title_of_listener(pid: int) -> bool:
    """Tell it from a session that init has started (socket activation) or inherited, which SIGHUP would end."""
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
        title = stream.read()
    if title.startswith("sshd: "):
        return "[listener]" in title
    return "-i" not in title.split("\0")


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return int(stream.read().rsplit(")", 1)[1].split()[1])


def _search() -> int | None:
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if _is_listener(pid)), None)


def arguments(pid: int) -> list[str]:
    """Return the options that a running sshd was started with; they outrank every file."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
            words = stream.read().split("\0")
    except OSError:
        return []
    # sshd rewrites its title to one word: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups".
    title = words[0].removeprefix("sshd: ").split(" [listener]", 1)[0]
    parts = title.split() if title != words[0] else [word for word in words if word]
    return _options(parts[1:])


def _options(parts: list[str]) -> list[str]:
    """Return only the options that change the configuration: -o, -f and -p with their values."""
    kept: list[str] = []
    index = 0
    while index < len(parts):
        word = parts[index]
        if word[:2] in ("-o", "-f", "-p"):
            kept.append(word)
            if len(word) == 2 and index + 1 < len(parts):  # noqa: PLR2004 - the value is the next word
                index += 1
                kept.append(parts[index])
        index += 1
    return kept


def reload_sshd(*, wait: bool = True, patience: float = _PATIENCE) -> None:
    """Let sshd read its configuration; with ``wait``, until it listens again.

    Raises TwofactorError when sshd does not come back.
    """
    pid = listener()
    if pid is None:
        return
    before = _pid_file_written()
    os.kill(pid, signal.SIGHUP)
    if not wait or before is None:
        return
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        after = _pid_file_written()
        if after is not None and after != before:
            return
        if not _is_there(pid) and _socket_listens():
            return
        time.sleep(0.005)
    raise TwofactorError(
        "sshd_reload",
        f"sshd did not read its configuration within {patience:.0f} seconds.",
        "Look at 'journalctl -u ssh -u sshd' on the host.",
    )


def _is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8"):
            return True
    except OSError:
        return False


def _socket_listens() -> bool:
    """Tell whether systemd listens in sshd's place: such an sshd ends at a SIGHUP and is started by the next login."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
        find_program,
        run,
    )

    systemctl = find_program("systemctl")
    return systemctl is not None and any(
        run([systemctl, "is-active", "--quiet", f"{name}.socket"]).status == 0 for name in ("ssh", "sshd")
    )


def _pid_file_written() -> int | None:
    for path in PID_FILES:
        try:
            return os.stat(path).st_mtime_ns
        except OSError:
            continue
    return None
