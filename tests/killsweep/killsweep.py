#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill sweep: a change is killed at every point where it touches the file system, and the host is well after each.

    killsweep.py [--short] [--host IMAGE ...] [--scenario NAME ...]

On a Debian 12 and a Debian 13 host of the lab the change process runs under strace, first whole, to list every system
call that may change a file or reach another process, then once for each of them, with a SIGKILL on its way into that
call: the call itself is not made, so what the one before has done is the last thing that was. After each kill
(on_host.py):

* whoever gets in before the change and after it still gets in, and nobody else does: real SSH logins of accounts that
  hold a key, a password, a code, or some of these, once for every distinct state of the disk and the running sshd;
* the same change, run again, ends as if nothing had happened, and run once more it changes nothing;
* likewise what runs at boot after a power cut leaves the old configuration or the new one, byte for byte.

--short takes four changes and only the calls by which a file appears, moves or goes, or sshd is told. FLEETAUTH_KEEP=1
leaves the hosts running. The last line says how many points were tried and how many of them were broken.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent

HERE = Path(__file__).resolve().parent
LAB = HERE.parent / "lab" / "lab"
FOLDER = "/root/sweep"
IMAGES = ("debian12", "debian13")
ENV = {**os.environ, "FLEETAUTH_LAB": os.environ.get("FLEETAUTH_LAB", "killsweep")}


def lab(*words: str, stdin: str = "") -> str:
    """Run a command of the lab and return what it printed."""
    done = subprocess.run([LAB, *words], input=stdin, capture_output=True, text=True, env=ENV, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def put(host: str, name: str, text: str) -> None:
    """Write a file into the folder of the sweep on a host."""
    script = f"umask 077; mkdir -p {FOLDER}; cat > {FOLDER}/{name}"
    data = text.encode("utf-8", "surrogateescape")
    subprocess.run([LAB, "shell", host, "--", "sh", "-c", script], input=data, env=ENV, check=True)


def prepare(host: str, key: str) -> None:
    """Bring the command, the key and the other half of this program to a host."""
    lab(
        "shell", host, "--", "sh", "-c", "DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath 2>&1"
    )
    with mock.patch.object(agent.sys, "executable", "/usr/bin/python3"):  # type: ignore[attr-defined]
        put(host, "twofactor", agent.build())
    put(host, "key", key)
    put(host, "on_host.py", (HERE / "on_host.py").read_text())


def sweep(host: str, arguments: list[str]) -> dict[str, int]:
    """Run the sweep on a host; pass on what it prints, and return its numbers."""
    command = [str(LAB), "shell", host, "--", "python3", f"{FOLDER}/on_host.py", FOLDER, *arguments]
    last = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.rstrip("\n")
            if not last.startswith("{"):
                print(f"{host}: {last}", flush=True)
    if process.returncode != 0 or not last.startswith("{"):
        raise SystemExit(f"{host}: {last}")
    numbers: dict[str, int] = json.loads(last)
    return numbers


def main() -> int:
    """Run the sweep on both hosts at once; 1 when a point is broken."""
    parser = argparse.ArgumentParser(description="The kill sweep.")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--host", action="append", choices=IMAGES)
    parser.add_argument("--scenario", action="append")
    options = parser.parse_args()
    hosts = options.host or list(IMAGES)
    arguments = ["--short"] if options.short else []
    for name in options.scenario or []:
        arguments += ["--scenario", name]
    began = time.monotonic()
    try:
        lab("up", *(f"{host}={host}" for host in hosts))
        found = re.search(r"ansible_ssh_private_key_file: *['\"]?([^'\"\n]+)", lab("inventory"))
        assert found, "the lab's inventory names its key"
        key = Path(found.group(1)).read_text()
        for host in hosts:
            prepare(host, key)
        with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
            numbers = list(pool.map(lambda host: sweep(host, arguments), hosts))
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")
    totals = {name: sum(one[name] for one in numbers) for name in numbers[0]}
    print(
        f"killsweep: {totals['states']} distinct states, {totals['logins']} logins, "
        f"{totals['strayed']} kills at another call than meant, {time.monotonic() - began:.0f} s"
    )
    print(f"killsweep: {totals['points']} points, {totals['broken']} broken")
    return 1 if totals["broken"] or not totals["points"] or totals["strayed"] * 100 > totals["points"] else 0


if __name__ == "__main__":
    sys.exit(main())
