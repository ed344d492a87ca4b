# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line in the host's log for each change: who, from where, what, why.

Private to this collection: may change at any time. Facility authpriv, identifier twofactor; read it with
``journalctl -t twofactor``. No secret is ever part of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import socket
import syslog
import time

_LOG = "/dev/log"
_LOG_PATIENCE = 1.0
"""Seconds."""


def log(event: str, **details: object) -> None:
    """Write one line: the event, who is behind it, and ``details`` as key="value"."""
    words = {"by": account_behind(), "from": client(), **details}
    text = " ".join(f'{key}="{_quoted(value)}"' for key, value in words.items() if value)
    with contextlib.suppress(OSError):
        _send(f"{event} {text}")


def _send(text: str) -> None:
    """Hand a line to the host's log as syslog(3) does, but for a second at most: a log that hangs holds up nothing.

    Raises OSError when it is not taken.
    """
    when = time.strftime("%b %e %H:%M:%S")
    line = f"<{syslog.LOG_AUTHPRIV | syslog.LOG_NOTICE}>{when} twofactor[{os.getpid()}]: {text}"
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as log_socket:
            log_socket.settimeout(_LOG_PATIENCE)
            try:
                log_socket.connect(_LOG)
            except OSError as error:
                if error.errno == errno.EPROTOTYPE:
                    continue
                raise
            log_socket.sendall(
                line.encode("utf-8", "backslashreplace") + b"\0" * (kind == socket.SOCK_STREAM)
            )
            return


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def account_behind() -> str:
    """Return the account that came in, also behind sudo or su."""
    login_uid = _login_uid()
    if login_uid is not None:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(login_uid).pw_name
    with contextlib.suppress(KeyError):
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _login_uid() -> int | None:
    """Return the user id that logged in, kept by the kernel across sudo; None when unset."""
    try:
        with open("/proc/self/loginuid", encoding="ascii") as stream:
            uid = int(stream.read())
    except (OSError, ValueError):
        return None
    return None if uid == 0xFFFFFFFF else uid  # noqa: PLR2004 - (uid_t) -1: nobody logged in


def client() -> str:
    """Return the address that the SSH connection comes from, empty when there is none."""
    return (connection().split() or [""])[0]


def connection() -> str:
    """Return SSH_CONNECTION (ssh(1): both addresses and ports), found with the processes above us."""
    pid = os.getpid()
    for dummy in range(12):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{pid}/environ", "rb") as stream:
                pairs = dict(pair.partition(b"=")[::2] for pair in stream.read().split(b"\0"))
            if b"SSH_CONNECTION" in pairs:
                return pairs[b"SSH_CONNECTION"].decode("ascii", "replace")
        pid = _parent(pid)
        if pid <= 1:
            break
    return ""


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rsplit(")", 1)[1].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
