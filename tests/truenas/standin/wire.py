# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How midclt and the daemon speak: one JSON object a line each way over the unix socket.

A request has ``method`` and ``params``; an answer has ``result``, ``error`` or, for a fault, ``raw``.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from .places import socket_path

Record = dict[str, Any]


class ConnectionLost(Exception):
    """The daemon went away in the middle of a call."""


class Connection:
    """A client's connection; what it logs in as lasts as long as it does."""

    def __init__(self, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(socket_path()))
        self._socket.settimeout(timeout)
        self._file = self._socket.makefile("rwb")

    def call(self, method: str, *params: Any) -> Record:
        """Send a call and return its answer."""
        try:
            self._file.write(json.dumps({"method": method, "params": params}).encode() + b"\n")
            self._file.flush()
            line = self._file.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line.endswith(b"\n"):
            raise ConnectionLost
        answer: Record = json.loads(line)
        return answer
