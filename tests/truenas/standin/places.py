# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a host of the lab."""

from __future__ import annotations

from pathlib import Path

_SOCKET, _SOCKET_OF_22_02 = Path("/run/middleware/middlewared.sock"), Path("/run/middlewared.sock")
RELEASE = Path("/etc/stand-in/release")
HOME = Path("/var/lib/stand-in")
FAULTS = HOME / "faults.json"
DELAY = HOME / "delay"
BOOTED = Path("/run/stand-in-booted")
CALLS = Path("/var/log/middlewared-calls.jsonl")
LOG = Path("/var/log/middlewared.log")
VERSION = Path("/etc/version")


def socket_path() -> Path:
    """Return where the middleware of this host's release listens."""
    return _SOCKET_OF_22_02 if RELEASE.read_text(encoding="ascii").startswith("22.02") else _SOCKET
