# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""system.ntpserver.*: the time servers."""

from __future__ import annotations

from typing import Any, cast

from .. import schema
from ..defaults import NTP_DEFAULTS
from ..errors import InstanceNotFound, ValidationErrors
from ..filters import query as filtered
from ..nas import Call
from ..registry import method
from ..schema import BOOL, STR, Field

Record = dict[str, Any]

UNREACHABLE = 'Server could not be reached. Check "Force" to continue regardless.'
INT = Field("int")
_FIELDS = {
    **dict.fromkeys(("burst", "iburst", "prefer", "force"), BOOL),
    **dict.fromkeys(("minpoll", "maxpoll"), INT),
    "address": STR,
}


@method("system.ntpserver.query")
def query(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    return filtered(call.data["ntp"], query_filters, query_options)


@method("system.ntpserver.create", changes=True)
def create(call: Call, ntp_server_create: Any) -> Record:
    fields = {**_FIELDS, "address": Field("str", required=True)}
    description = Field("dict", fields=fields)
    schema.check(call.release.ntp_style, _argument(call, "create"), description, ntp_server_create)
    wanted = {**NTP_DEFAULTS, **ntp_server_create}
    force = wanted.pop("force", False)
    _check(call, "ntpserver_create", wanted, force)
    server = {"id": call.nas.store.next_id("ntp"), **wanted}
    call.data["ntp"].append(server)
    _apply(call)
    return server


@method("system.ntpserver.update", changes=True)
def update(call: Call, id_: Any, ntp_server_update: Any) -> Record:
    description = Field("dict", fields=_FIELDS)
    schema.check(call.release.ntp_style, _argument(call, "update"), description, ntp_server_update)
    server = _instance(call, id_)
    wanted = {**server, **ntp_server_update}
    force = wanted.pop("force", False)
    _check(call, "ntpserver_update", wanted, force)
    server.update(wanted)
    _apply(call)
    return server


@method("system.ntpserver.delete", changes=True)
def delete(call: Call, id_: Any) -> bool:
    """Take a server away; that there was none is no error."""
    call.data["ntp"] = [server for server in call.data["ntp"] if server["id"] != id_]
    _apply(call)
    return True


def _argument(call: Call, what: str) -> str:
    """Return the name of an argument in errors."""
    return f"ntp_server_{what}" if call.release.ntp_style == "models" else f"ntp_{what}"


def _instance(call: Call, number: Any) -> Record:
    for server in call.data["ntp"]:
        if server["id"] == number:
            return cast("Record", server)
    raise InstanceNotFound(f"NTPServer {number}")


def _check(call: Call, where: str, wanted: Record, force: bool) -> None:
    errors = ValidationErrors()
    if not force and not call.nas.machine.answers_ntp(wanted["address"]):
        errors.add(f"{where}.address", UNREACHABLE)
    if not wanted["maxpoll"] > wanted["minpoll"]:
        errors.add(f"{where}.maxpoll", "Max Poll should be higher than Min Poll")
    errors.check()


def _apply(call: Call) -> None:
    call.commit()
    call.nas.service("restart", "ntpd")


_MODES = {"^": "SERVER", "=": "PEER", "#": "LOCAL"}
_STATES = {
    "*": "BEST",
    "+": "SELECTED",
    "-": "SELECTABLE",
    "x": "FALSE_TICKER",
    "~": "TOO_VARIABLE",
    "?": "NOT_SELECTABLE",
}


@method("system.ntpserver.peers", since="23.10", private_since="0.0")
def peers(call: Call) -> list[Record]:
    shown = []
    for line in call.nas.machine.run("chronyc", "-c", "sources").splitlines():
        words = line.split(",")
        shown.append(
            {
                "mode": _MODES.get(words[0], words[0]),
                "state": _STATES.get(words[1], words[1]),
                "remote": words[2],
                "stratum": int(words[3]),
                "poll_interval": int(words[4]),
                "reach": int(words[5]),
                "lastrx": int(words[6]),
                "offset": float(words[7]),
                "offset_measured": float(words[8]),
                "jitter": float(words[9]),
                "active": words[1] == "*",
            }
        )
    return shown
