#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many middleware calls a run of the site playbook makes on a NAS where nothing is to be done.

    nas_calls.py [--limit N]

One stand-in of each generation of TrueNAS is brought to what is wanted, and then run over again. Prints a line for each
release; ends with 1 when one makes more than N calls (7), or changes anything. As root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
RELEASES = ("22.12", "23.10", "24.10", "25.10", "26.0")
ENVIRONMENT = {
    **os.environ,
    "FLEETAUTH_LAB": os.environ.get("FLEETAUTH_LAB", "nas-calls"),
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "1",
}


def run(*words: str | Path) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"nas_calls: {words[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def name_of(release: str) -> str:
    """Return the name of the NAS of a release."""
    return f"nas{release.replace('.', '')}"


def site(folder: Path) -> list[str]:
    """Run the site playbook over the NASes, and return how many changes each had."""
    words = ("fleetauth.twofactor.site", "-e", "twofactor_hosts=nases")
    printed = run(ROOT / ".venv" / "bin" / "ansible-playbook", "-i", folder / "inventory", *words)
    return re.findall(r" changed=(\d+)", printed)


def write_inventory(folder: Path) -> None:
    """Write what an administrator would have: root is enrolled, and logs in with password and code."""
    variables = {
        "ntp_servers": ["timeserver"],
        "twofactor_users": [{"name": "root"}],
        "twofactor_ssh_root_login": "allowed",
        "twofactor_sheets": str(folder / "sheets"),
    }
    hosts = dict.fromkeys(map(name_of, RELEASES))
    (folder / "inventory").mkdir()
    (folder / "inventory" / "lab.yml").write_text(run(LAB, "inventory"))
    fleet = {"nases": {"hosts": hosts, "vars": variables}}
    (folder / "inventory" / "nases.yml").write_text(yaml.safe_dump(fleet))


def calls(release: str) -> list[str]:
    """Return the methods that were called on a NAS since its log was emptied."""
    lines = run(LAB, "shell", name_of(release), "--", "stand-in", "calls").splitlines()
    return [json.loads(line)["method"] for line in lines]


def measure(folder: Path, limit: int) -> bool:
    """Print the counts; tell whether all are within the limit and nothing was changed."""
    run(LAB, "up", "clock=timeserver", *(f"{name_of(release)}=truenas-{release}" for release in RELEASES))
    write_inventory(folder)
    site(folder)
    for release in RELEASES:
        run(LAB, "shell", name_of(release), "--", "stand-in", "forget")
    changed = [changes for changes in site(folder) if changes != "0"]
    made = {release: calls(release) for release in RELEASES}
    for release, methods in made.items():
        print(f"{release}: middleware calls on a converged NAS: {len(methods)}")
    return not changed and all(0 < len(methods) <= limit for methods in made.values())


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--limit", type=int, default=7)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return 0 if measure(Path(folder), options.limit) else 1
    finally:
        run(LAB, "down")


if __name__ == "__main__":
    sys.exit(main())
