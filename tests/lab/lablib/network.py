# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's bridge and addresses. Nothing routes: the machine's forwarding is left as it is."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Network
from pathlib import Path

from .common import STATE, LabError, locked, read_json, run, write_json

RANGE = "10.98"
FIRST_HOST = 10
LAST_HOST = 254

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
# Each host's systemd, journald and logind take some; 128 is what kernels start with.
ENOUGH_INSTANCES = 8192


class Network:
    """The network of the lab with number ``index``."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.bridge = f"flab{index}"
        self.subnet = f"{RANGE}.{index}.0/24"
        self.gateway = f"{RANGE}.{index}.1"

    def address(self, number: int) -> str:
        """Return a host's address."""
        return f"{RANGE}.{self.index}.{number}"

    def machine(self, number: int) -> str:
        """Return what nspawn calls a host: short, as names of interfaces are made from it."""
        return f"fl{self.index}-{number}"

    def veth(self, number: int) -> str:
        """Return the name of a host's cable at the machine's end."""
        return f"vb-{self.machine(number)}"

    def up(self) -> None:
        """Make the bridge; a bridge that is there is left as it is."""
        if not exists(self.bridge):
            # With an address of its own the bridge keeps it when hosts come and go.
            hardware = f"02:98:00:00:00:{self.index:02x}"
            run("ip", "link", "add", "name", self.bridge, "address", hardware, "type", "bridge")
        if self.gateway not in run("ip", "-4", "address", "show", "dev", self.bridge):
            run("ip", "address", "add", f"{self.gateway}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def down(self) -> None:
        """Remove the bridge and what is still plugged into it."""
        for link in Path(f"/sys/class/net/{self.bridge}/brif").glob("vb-fl*"):
            remove_link(link.name)
        remove_link(self.bridge)

    def plug(self, number: int, in_use: bool) -> None:
        """Take a host's cable out at the machine's end, or put it back."""
        run("ip", "link", "set", self.veth(number), "up" if in_use else "down")

    def is_cut(self, number: int) -> bool:
        """Say whether a host's cable is out."""
        flags = Path(f"/sys/class/net/{self.veth(number)}/flags")
        return flags.exists() and not int(flags.read_text(encoding="ascii"), 16) & 1


def exists(link: str) -> bool:
    """Say whether this machine has an interface of that name."""
    return Path(f"/sys/class/net/{link}").exists()


def remove_link(link: str) -> None:
    """Remove an interface; that it is gone already is fine."""
    if exists(link):
        run("ip", "link", "delete", link, check=False)


def forget_connections(address: str) -> None:
    """End this machine's connections to a host that has gone, which would wait for an answer for minutes.

    An ssh that shares its connection then goes too, so that nobody uses it for the host that comes next under this
    address. A kernel that cannot do this leaves it to that host to refuse them.
    """
    run("ss", "--kill", "--tcp", "dst", address, check=False)


def allocate(lab: str) -> int:
    """Return the lab's number; give it a free one if it has none, and write that down."""
    record = STATE / lab / "lab.json"
    with locked("numbers", "the list of labs"):
        known = read_json(record)
        if known is not None:
            return int(known["index"])
        taken = {int(other["index"]) for other in map(read_json, STATE.glob("*/lab.json")) if other}
        routes = json.loads(run("ip", "-json", "-4", "route") or "[]")
        for index in range(255):
            if index not in taken and not exists(f"flab{index}") and not is_routed(index, routes):
                write_json(record, {"index": index})
                return index
    raise LabError("no network is left for another lab; `lab down` one")


def is_routed(index: int, routes: list[dict[str, object]]) -> bool:
    """Say whether something else on this machine uses a lab's network."""
    ours = IPv4Network(f"{RANGE}.{index}.0/24")
    others = [str(route["dst"]) for route in routes if re.match(r"[\d.]+(/\d+)?$", str(route["dst"]))]
    return any(ours.overlaps(IPv4Network(other, strict=False)) for other in others)


def raise_limits() -> None:
    """Let more hosts run than the kernel's first setting allows for."""
    with locked("numbers", "the list of labs"):
        before = int(INSTANCES.read_text(encoding="ascii"))
        if before < ENOUGH_INSTANCES:
            write_json(STATE / ".limits.json", {"instances": before})
            INSTANCES.write_text(str(ENOUGH_INSTANCES), encoding="ascii")


def restore_limits() -> None:
    """Put the limit back once no lab is left."""
    with locked("numbers", "the list of labs"):
        record = STATE / ".limits.json"
        before = read_json(record)
        if before is None or any(STATE.glob("*/lab.json")):
            return
        if int(INSTANCES.read_text(encoding="ascii")) == ENOUGH_INSTANCES:
            INSTANCES.write_text(str(before["instances"]), encoding="ascii")
        record.unlink()
