#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every door, tried with every set of factors, after everything that may happen to a host.

    doors.py [--short] [--image IMAGE ...] [--state NAME ...] [--drift WORDS ...]

For each declared state (tables.py) a Debian 12 and a Debian 13 host are set up by the collection's modules. Then each
drift (drifts.py) happens to a host as it was then: the host's report is taken, and every door is tried at that moment
with every set of factors (on_host.py). Nobody may get in with one factor, and nobody with both may be kept out, unless
a problem in that report names the door (oracle.py).

In the end a hole is planted into every door, and judged by the report from before: each has to be found, otherwise
finding nothing says nothing. --short takes each drift once, on one host or the other and in one state or another.
FLEETAUTH_KEEP=1 leaves the hosts running. The last line says how many drifts and attempts there were, and how many
got in unseen.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent
from tests.doors import drifts, oracle, tables
from tests.doors.model import Attempt, Drift, Outcome, Report, State
from tests.doors.on_host import secret_of
from tests.login.fleet import LAB, Host, lab_name, run_lab, variables_of

HERE = Path(__file__).resolve().parent
FOLDER = "/root/doors"
ON_HOST = f"cd {FOLDER}/suite && python3 -Bm tests.doors.on_host"
IMAGES = {"debian12": "Debian 12", "debian13": "Debian 13"}
LAB_NAME = lab_name("doors")
AT_ONCE = 3
"""Hosts that are tried at the same time: attempts mostly wait."""
PACKAGES = "libpam-oath cockpit-ws cockpit-bridge"
PREPARE = f"""\
set -e
DEBIAN_FRONTEND=noninteractive apt-get install -qq {PACKAGES} 2>&1
usermod -p '*' ansible
echo 'MaxStartups 500' > /etc/ssh/sshd_config.d/98-doors.conf
printf 'Defaults lecture=never, passwd_tries=1\\nALL ALL=(ALL) ALL\\n' > /etc/sudoers.d/00-doors
printf '[WebService]\\nMaxStartups = 500\\n' > /etc/cockpit/cockpit.conf
# A login takes the manager of a user with it, which costs more than the login.
sed -i '/pam_systemd.so/d' /etc/pam.d/common-session
{ON_HOST} accounts {FOLDER}
mkdir -p {FOLDER}/before/etc && cp -a /etc/pam.d /etc/ssh {FOLDER}/before/etc
systemctl restart ssh; systemctl start cockpit.socket
"""


@dataclass
class Numbers:
    """What is counted, and each sentence about something that came out wrong."""

    attempts: int = 0
    drifts: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """A host as it was declared, and what its report says then."""

    host: Host
    image: str
    state: State
    usual: Report

    def __str__(self) -> str:
        return f"{IMAGES[self.image]}, {self.state.name}"


@dataclass(frozen=True)
class Happened:
    """What was seen on a host after a drift."""

    report: Report
    outcomes: list[Outcome]


def set_up(name: str, image: str, state: State, inventory: Path) -> Stage:
    """Prepare a host and declare a state for it, by way of the modules."""
    data = yaml.safe_load(inventory.read_text())["all"]
    host = Host(name, LAB_NAME, inventory, variables_of(data, name))
    send(name)
    host.shell(PREPARE)
    kinds = oracle.accounts()
    exempt = {"exempt_users": ["ansible"], state.exempt_by: exempt_names(state, ["ansible"])}
    host.apply(
        policy={
            "state": "enabled",
            "services": list(tables.SERVICES),
            "unenrolled": state.unenrolled,
            "max_failures": 100,
            **exempt,
        },
        ssh={"state": "enabled", "methods": list(state.methods)},
        secrets={
            "users": [{"name": n, "secret": secret_of(n)} for n, kind in kinds.items() if kind.enrolled]
        },
    )
    bypassed = [user for user, kind in kinds.items() if kind is tables.BYPASSED]
    result = host.module("twofactor_bypass", users=bypassed, lasts="1d", reason="doors")
    assert not result["failed"], result["printed"]
    run_lab(LAB_NAME, "snapshot", "declared", name)
    return Stage(host, image, state, read_report(json.loads(host.shell(f"{ON_HOST} report {FOLDER}"))))


def exempt_names(state: State, users: list[str]) -> list[str]:
    """Return what is named as exempt: the accounts, or their group."""
    if state.exempt_by == "exempt_groups":
        return [tables.EXEMPT_GROUP]
    return [*users, *(user for user, kind in oracle.accounts().items() if kind is tables.EXEMPT)]


def send(name: str) -> None:
    """Bring this suite and the collection's command to a host."""
    stream = BytesIO()
    with mock.patch.object(agent.sys, "executable", "/usr/bin/python3"):  # type: ignore[attr-defined]
        command = agent.build().encode("utf-8", "surrogateescape")
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in HERE.glob("*.py"):
            archive.add(path, f"suite/tests/doors/{path.name}")
        packed = tarfile.TarInfo("twofactor")
        packed.size = len(command)
        archive.addfile(packed, BytesIO(command))
    script = (
        f"umask 022; mkdir -p {FOLDER}/unpacked && cd {FOLDER} && tar -xof - && "
        "python3 -m zipfile -e twofactor unpacked && python3 -m compileall -q unpacked suite"
    )
    env = {**os.environ, "FLEETAUTH_LAB": LAB_NAME}
    subprocess.run(
        [LAB, "shell", name, "--", "sh", "-c", script], input=stream.getvalue(), env=env, check=True
    )


def let_happen(host: Host, drift: Drift) -> Happened:
    """Let a drift happen to a host, and return its report of that moment and who gets in."""
    result = json.loads(host.shell(f"{ON_HOST} drift {FOLDER}", stdin=drifts.PRELUDE + drift.command))
    assert result["status"] == 0, f"{drift.name} did not happen: {result['said']}"
    outcomes = [Outcome(Attempt(**one["attempt"]), one["entered"], one["said"]) for one in result["outcomes"]]
    return Happened(read_report(result["report"]), outcomes)


def read_report(data: dict[str, Any]) -> Report:
    """Return what the suite looks at of a report."""
    return Report(tuple(data["problems"]), data)


def try_drift(stage: Stage, drift: Drift, numbers: Numbers) -> None:
    """Let a drift happen to a host as it was declared, and judge who gets in."""
    began = time.monotonic()
    run_lab(LAB_NAME, "restore", stage.host.name)
    try:
        happened = let_happen(stage.host, drift)
    except AssertionError as error:
        numbers.missed.append(f"{stage}: {error}")
        return
    found = oracle.verdicts(stage.state, drift, happened.outcomes, happened.report, stage.usual)
    numbers.drifts.add(drift.name)
    numbers.attempts += len(happened.outcomes)
    numbers.broken += [f"{stage}: {drift.name}: {one.sentence}" for one in found]
    problems = oracle.new_problems(happened.report, stage.usual)
    codes = ", ".join(sorted({problem["code"] for problem in problems})) or "nothing"
    took = time.monotonic() - began
    came_in = oracle.holes(stage.state, happened.outcomes)
    print(
        f"{stage}: {drift.name}: {came_in} got in, {len(found)} wrong, reported {codes}, {took:.1f} s",
        flush=True,
    )
    for one in found:
        print(f"WRONG {stage}: {drift.name}: {one.sentence}", flush=True)


def plant(stage: Stage, numbers: Numbers) -> None:
    """Open every door, judge that by the report from before, and count each hole that is not found.

    What is judged everywhere else is the command's report: this one has to be what the module says as well.
    """
    run_lab(LAB_NAME, "restore", stage.host.name)
    happened = let_happen(stage.host, drifts.PLANTED)
    found = oracle.verdicts(stage.state, drifts.PLANTED, happened.outcomes, stage.usual, stage.usual)
    missed = {door.name for door in tables.DOORS} - oracle.opened(found)
    numbers.missed += [f"{stage}: {name} is open and nobody came in" for name in sorted(missed)]
    by_module = stage.host.module("twofactor_info")["twofactor"]["problems"]
    if codes_of(by_module) != codes_of(happened.report.problems):
        numbers.missed.append(
            f"{stage}: the module reports {by_module} and the command {happened.report.problems}"
        )


def codes_of(problems: Iterable[dict[str, str]]) -> set[str]:
    """Return the codes of problems."""
    return {problem["code"] for problem in problems}


def main() -> int:
    """Run the suite; 1 when somebody got in unseen, was shut out unseen, or a planted hole was not found."""
    options = parse_options()
    numbers = Numbers()
    try:
        run(options, numbers)
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            run_lab(LAB_NAME, "down")
    for sentence in numbers.missed:
        print(f"MISSED {sentence}")
    where = " and ".join(IMAGES[image].removeprefix("Debian ") for image in options.image)
    print(
        f"doors: {len(numbers.drifts)} drifts, {numbers.attempts} attempts, {len(numbers.broken)} got in unseen, "
        f"on Debian {where}"
    )
    return 1 if numbers.broken or numbers.missed else 0


def run(options: argparse.Namespace, numbers: Numbers) -> None:
    """Set the hosts up, and go through the drifts on all of them at the same time."""
    turns = take_turns(options.drift, options.state, options.image, is_short=options.short)
    names = {f"{image}-{tables.STATES.index(state)}": (image, state) for image, state in turns}
    run_lab(LAB_NAME, "down")
    run_lab(LAB_NAME, "up", *(f"{name}={image}" for name, (image, dummy) in names.items()))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        inventory = Path(folder, "lab.yml")
        inventory.write_text(run_lab(LAB_NAME, "inventory"))
        stages = list(pool.map(lambda name: set_up(name, *names[name], inventory), names))

        def go_through(stage: Stage) -> None:
            for drift in turns[stage.image, stage.state]:
                try_drift(stage, drift, numbers)

        list(pool.map(go_through, stages))
        first = {stage.image: stage for stage in reversed(stages)}
        list(pool.map(lambda stage: plant(stage, numbers), first.values()))


def take_turns(
    chosen: list[Drift], states: list[State], images: list[str], *, is_short: bool
) -> dict[tuple[str, State], list[Drift]]:
    """Return the drifts for each image and state.

    Each drift happens in every state, on one image and the next in turn, so that it has happened on each; with
    ``is_short`` in one state alone, and the next drift in the next.
    """
    turns: dict[tuple[str, State], list[Drift]] = {}
    for number, drift in enumerate(chosen):
        for place, state in enumerate(states):
            if is_short and place != number % len(states):
                continue
            turn = place if is_short else number + place
            image = images[turn % len(images)]
            if drift.images and image not in drift.images:
                image = drift.images[0]
            if image in images:
                turns.setdefault((image, state), []).append(drift)
    return turns


def parse_options() -> argparse.Namespace:
    """Return the options, with the images, states and drifts that are meant."""
    parser = argparse.ArgumentParser(description="Every door after every drift.")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--image", action="append", choices=IMAGES)
    parser.add_argument("--state", action="append", choices=[state.name for state in tables.STATES])
    parser.add_argument("--drift", action="append", help="words of its name")
    options = parser.parse_args()
    options.image = options.image or list(IMAGES)
    options.state = [state for state in tables.STATES if not options.state or state.name in options.state]
    options.drift = [
        drift
        for drift in drifts.DRIFTS
        if not options.drift or any(word in drift.name for word in options.drift)
    ]
    if not options.drift:
        parser.error("there is no such drift")
    return options


if __name__ == "__main__":
    sys.exit(main())
