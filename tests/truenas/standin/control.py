# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``stand-in``: what a test does to a NAS that no administrator could."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from .faults import KINDS, Faults
from .midclt import decoded
from .places import CALLS, FAULTS, RELEASE, VERSION, socket_path
from .releases import RELEASES, release_named
from .wire import Connection


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="stand-in", description="Faults, calls and states of a simulated NAS.")
    commands = top.add_subparsers(dest="name", required=True)
    fault = commands.add_parser("fault", help="add a fault")
    fault.add_argument("kind", choices=KINDS)
    fault.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="methods=a.b,c.* seconds=60 times=1")
    commands.add_parser("clear", help="take all faults away")
    calls = commands.add_parser("calls", help="print the log of calls")
    calls.add_argument("--changing", action="store_true", help="only methods that may change something")
    calls.add_argument("--count", action="store_true", help="only how many")
    commands.add_parser("forget", help="empty the log of calls")
    for name in ("stig", "enterprise"):
        commands.add_parser(name).add_argument("state", choices=("on", "off"))
    commands.add_parser("secret", help="print a user's seed").add_argument("user")
    commands.add_parser("directory", help="have one more user of a domain").add_argument("user")
    release = commands.add_parser("release", help="become another release")
    release.add_argument("version", choices=sorted(RELEASES))
    commands.add_parser("down", help="stop the middleware")
    commands.add_parser("up", help="start the middleware")
    return top


def _ask(method: str, *arguments: Any) -> Any:
    answer = Connection(60).call(method, *arguments)
    if "result" not in answer:
        raise SystemExit(str(answer))
    return answer["result"]


def _add_fault(kind: str, settings: list[str]) -> None:
    fault: dict[str, Any] = {"fault": kind}
    for setting in settings:
        name, _, value = setting.partition("=")
        fault[name] = value.split(",") if name == "methods" else decoded(value)
    faults = Faults(FAULTS)
    faults.write([*faults.all(), fault])


def _print_calls(changing: bool, count: bool) -> None:
    lines = CALLS.read_text(encoding="utf-8").splitlines() if CALLS.exists() else []
    lines = [line for line in lines if not changing or json.loads(line)["changing"]]
    print(len(lines) if count else "\n".join(lines), end="\n" if count or lines else "")


def _systemctl(verb: str) -> None:
    subprocess.run(["systemctl", verb, "middlewared.service"], check=True)


def _become(version: str) -> None:
    RELEASE.write_text(version + "\n", encoding="ascii")
    VERSION.write_text(release_named(version).version + "\n", encoding="ascii")
    _systemctl("restart")
    while not socket_path().exists():
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    if options.name == "fault":
        _add_fault(options.kind, options.settings)
    elif options.name == "clear":
        Faults(FAULTS).write([])
    elif options.name == "calls":
        _print_calls(options.changing, options.count)
    elif options.name == "forget":
        CALLS.unlink(missing_ok=True)
    elif options.name in ("stig", "enterprise"):
        _ask(f"stand_in.{options.name}", options.state == "on")
    elif options.name == "secret":
        print(_ask("stand_in.secret", options.user) or "")
    elif options.name == "directory":
        _ask("stand_in.directory", options.user)
    elif options.name == "release":
        _become(options.version)
    else:
        _systemctl({"down": "stop", "up": "start"}[options.name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
