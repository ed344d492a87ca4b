# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/chrony/chrony.conf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Record = dict[str, Any]

_TEMPLATE = """\
{servers}
driftfile /var/lib/chrony/chrony.drift
makestep 1 3
rtcsync
confdir /etc/chrony/conf.d
sourcedir /etc/chrony/sources.d
"""


def chrony_conf(servers: Iterable[Record]) -> str:
    """Return the whole file."""
    return _TEMPLATE.format(servers="".join(f"{_server(server)}\n" for server in servers))


def _server(server: Record) -> str:
    words = ["server", server["address"]]
    words += [name for name in ("burst", "iburst", "prefer") if server[name]]
    return " ".join([*words, f"maxpoll {server['maxpoll']}", f"minpoll {server['minpoll']}"])
