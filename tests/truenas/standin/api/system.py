# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""system.*: version and clock."""

from __future__ import annotations

import time
from typing import Any

from ..nas import Call
from ..registry import method

Record = dict[str, Any]


def _version(call: Call, bare: bool = False) -> str:
    fault = call.nas.faults.take("system.version", "version")
    if fault:
        return str(fault["version"]) if bare else call.release.prefix + str(fault["version"])
    return call.release.version if bare else call.release.full_name


def _date(seconds: float) -> Record:
    return {"$date": int(seconds * 1000)}


@method("system.version", access="user")
def version(call: Call) -> str:
    return _version(call)


@method("system.version_short", access="user")
def version_short(call: Call) -> str:
    return _version(call, bare=True)


@method("system.product_type", access="user")
def product_type(call: Call) -> str:
    if call.data["enterprise"]:
        return "SCALE_ENTERPRISE" if call.release.series < (25, 4) else "ENTERPRISE"
    return "SCALE" if call.release.series < (25, 4) else "COMMUNITY_EDITION"


@method("system.ready", access="anybody")
def ready(_call: Call) -> bool:
    return True


@method("system.state", access="user")
def state(_call: Call) -> str:
    return "READY"


@method("system.hostname", access="user")
def hostname(call: Call) -> str:
    return call.nas.machine.hostname()


@method("system.info", access="user")
def info(call: Call) -> Record:
    """Tell about the host; a fault may put its clock wrong."""
    fault = call.nas.faults.take("system.info", "clock") or {}
    now = time.time() + fault.get("offset", 0)
    uptime = time.monotonic()
    return {
        "version": _version(call, bare=call.release.bare_info_version),
        "buildtime": _date(1_700_000_000),
        "hostname": call.nas.machine.hostname(),
        "physmem": 8 * 2**30,
        "model": "stand-in",
        "cores": 2,
        "physical_cores": 2,
        "loadavg": [0.0, 0.0, 0.0],
        "uptime": str(int(uptime)),
        "uptime_seconds": uptime,
        "system_serial": "stand-in",
        "system_product": "stand-in",
        "system_product_version": "1",
        "system_manufacturer": "fleetauth.twofactor",
        "license": None,
        "boottime": _date(now - uptime),
        "datetime": _date(now),
        "birthday": None,
        "timezone": "Etc/UTC",
        "ecc_memory": False,
    }
