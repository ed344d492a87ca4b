# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon ``middlewared``: listens on the socket and hands calls on."""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import struct
import sys
import time

from .dispatch import Dispatcher
from .machine import DebianMachine
from .nas import Nas
from .places import BOOTED, CALLS, DELAY, HOME, LOG, RELEASE, socket_path
from .releases import release_named


def _end(seconds: float) -> None:
    """End as a crash does; systemd starts the daemon anew, and that waits first."""
    DELAY.write_text(str(seconds), encoding="ascii")
    os._exit(1)


class Handler(socketserver.StreamRequestHandler):
    """One connection: calls one after the other, answered in that order."""

    def handle(self) -> None:
        connection: socket.socket = self.request
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        dispatcher = self.server.dispatcher  # type: ignore[attr-defined]
        session = dispatcher.session(uid)
        for line in self.rfile:
            request = json.loads(line)
            answer = dispatcher.call(session, request["method"], request["params"])
            try:
                self.wfile.write(json.dumps(answer).encode() + b"\n")
            except BrokenPipeError:  # the caller has lost patience; its call was carried out all the same
                return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The socket. Everybody may connect; what they may do is another question."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, dispatcher: Dispatcher) -> None:
        path = socket_path()
        path.unlink(missing_ok=True)
        super().__init__(str(path), Handler)
        path.chmod(0o666)
        self.dispatcher = dispatcher


def _wait_as_asked() -> None:
    if DELAY.exists():
        seconds = float(DELAY.read_text(encoding="ascii"))
        DELAY.unlink()
        time.sleep(seconds)


def _tell_systemd() -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address)


def main() -> int:
    """Run until systemd says otherwise."""
    logging.basicConfig(filename=LOG, level=logging.INFO, format="[%(asctime)s] (%(levelname)s) %(message)s")
    _wait_as_asked()
    release = release_named(RELEASE.read_text(encoding="ascii").strip())
    nas = Nas(release, DebianMachine(), HOME, CALLS)
    if not BOOTED.exists():
        nas.boot()
        BOOTED.touch()
    server = Server(Dispatcher(nas, _end))
    _tell_systemd()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
