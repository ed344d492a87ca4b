#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What things cost, in pings: ``ansible -m ping`` over the same hosts, with the same forks, in the same run.

Each measurement alternates with pings and gives the median of its rounds divided by the median of the pings beside
it. Every run opens its own connections. Prints a table and ``N of M reached``; ends with 1 unless all are reached.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pyotp
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".venv" / "collections")]

from tests.fleet.fleet import Fleet, Ran  # noqa: E402 - found by the line above
from tests.status import sample  # noqa: E402

BOOTED = "booted"
SITE = "fleetauth.twofactor.site"
EMERGENCY = ("-b", "-m", "fleetauth.twofactor.twofactor", "-a", "state=disabled reason=bench")
BACK_ON = ("-b", "-m", "fleetauth.twofactor.twofactor", "-a", "state=enabled guard=false")
MANY = 1000
REPORTED = 500
NOTICEABLE = 0.02
"""Pings. What takes less is not listed."""


class Broken(Exception):
    """Something that is measured did not do what it is measured for."""


@dataclass
class Result:
    """One line of the table; ``limit`` None is for comparison only."""

    name: str
    ratio: float
    limit: float | None = None
    seconds: float = 0.0

    @property
    def reached(self) -> bool:
        return self.limit is None or self.ratio <= self.limit

    def __str__(self) -> str:
        goal = (
            ""
            if self.limit is None
            else f"at most {self.limit:.2f}   {'reached' if self.reached else 'NOT REACHED'}"
        )
        return f"{self.name:<64} {self.ratio:>6.2f} {self.seconds:>8.1f} s   {goal}".rstrip()


@dataclass
class Bench:
    """The fleet and what has been measured on it."""

    fleet: Fleet
    rounds: int
    results: list[Result] = field(default_factory=list)

    def note(self, result: Result) -> None:
        self.results.append(result)
        print(result, flush=True)

    def ping(self, limit: list[str] | None = None) -> float:
        return _good(self.fleet.ansible("-m", "ping", limit=limit)).seconds

    def against_ping(
        self,
        name: str,
        limit: float | None,
        run: Callable[[], Ran],
        before: Callable[[], object] = lambda: None,
        rounds: int = 0,
    ) -> None:
        """Alternate a run with a ping, with ``before`` untimed ahead of each run."""
        pings, runs = [], []
        for dummy in range(rounds or self.rounds):
            before()
            pings.append(self.ping())
            runs.append(_good(run()).seconds)
        self.note(Result(name, median(runs) / median(pings), limit, median(runs)))

    def reset(self) -> None:
        """Have every host as it was after its first boot."""
        self.fleet.restore(BOOTED)

    def fleet_wide(self) -> None:
        """Measure what is done to all hosts."""
        fleet, count = self.fleet, len(self.fleet.hosts)
        self.against_ping(
            f"first site, {count} hosts, packages present", 10.0, lambda: fleet.playbook(SITE), self.reset
        )
        self.against_ping(
            f"site, {count} converged hosts", 4.0, lambda: _nothing_changed(fleet.playbook(SITE))
        )
        self.against_ping(
            f"emergency disable, ad hoc, {count} converged hosts",
            1.15,
            lambda: fleet.ansible(*EMERGENCY),
            lambda: _good(fleet.ansible(*BACK_ON)),
        )
        self.reset()

    def by_hand(self) -> None:
        """Measure what people use today, once: it takes minutes, and nothing is required of it."""
        fleet, today = self.fleet, str(ROOT / "tests" / "bench" / "today.yml")
        self.against_ping(
            "the same by hand, first time", None, lambda: fleet.playbook(today), self.reset, rounds=1
        )
        self.against_ping(
            "the same by hand, converged", None, lambda: _nothing_changed(fleet.playbook(today)), rounds=1
        )
        self.reset()

    def profile(self) -> None:
        """Print where the time of a first and of a converged ``site`` goes, task by task, in pings."""
        self.reset()
        ping = self.ping()
        for name in ("first site", "site, converged"):
            file = self.fleet.folder / "profile.json"
            environment: dict[str, Any] = {
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "bench" / "callbacks"),
                "ANSIBLE_CALLBACKS_ENABLED": "profile",
                "FLEETAUTH_PROFILE": str(file),
            }
            _good(self.fleet.playbook(SITE, **environment))
            print(f"{name}, task by task, in pings:", flush=True)
            for task, seconds in json.loads(file.read_text()).items():
                if seconds / ping > NOTICEABLE:
                    print(f"    {seconds / ping:>6.2f}  {task}", flush=True)

    def report(self) -> None:
        """Measure the page for 500 hosts beside writing the same data as JSON."""
        answers = sample.many(REPORTED)
        path = self.fleet.folder / "report"
        writing, rendering = [], []
        for dummy in range(self.rounds):
            start = time.perf_counter()
            path.write_text(json.dumps(answers, indent=1))
            written = time.perf_counter()
            path.write_text(sample.html(answers))
            writing.append(written - start)
            rendering.append(time.perf_counter() - written)
        allowed = 2 * median(writing) + 2
        name = f"report of {REPORTED} hosts, against twice its JSON plus 2 s"
        self.note(Result(name, median(rendering) / allowed, 1.0, median(rendering)))

    def many_users(self) -> None:
        """Measure tokens of one user and of a thousand, on one host."""
        fleet, host = self.fleet, self.fleet.hosts[0]
        names = [f"user{number:04}" for number in range(MANY)]
        fleet.shell(host, f"for name in {' '.join(names)}; do useradd -M $name; done")
        few = fleet.folder / "few.yml"
        many = fleet.folder / "many.yml"
        for path, some in ((few, names[:1]), (many, names)):
            path.write_text(_token_play(host, some))

        def forget() -> None:
            fleet.shell(host, "rm -rf /etc/twofactor /var/lib/twofactor")

        first = self._pair(few, many, forget)
        again = self._pair(few, many, lambda: None)
        self.note(Result(f"tokens, {MANY} users against 1, first time", first[0], 3.0, first[1]))
        self.note(Result(f"tokens, {MANY} users against 1, converged", again[0], 1.5, again[1]))
        fleet.shell(host, f"for name in {' '.join(names)}; do userdel $name; done 2>/dev/null")

    def _pair(self, few: Path, many: Path, before: Callable[[], None]) -> tuple[float, float]:
        times: dict[Path, list[float]] = {few: [], many: []}
        for dummy in range(self.rounds):
            for path in (few, many):
                before()
                if before.__name__ == "<lambda>":
                    _good(self.fleet.playbook(str(path)))
                times[path].append(_good(self.fleet.playbook(str(path))).seconds)
        return median(times[many]) / median(times[few]), median(times[many])

    def per_host(self, small: int, large: int) -> None:
        """Measure whether a host costs more in a large fleet than in a small one."""
        self.fleet.boot(large)
        _good(self.fleet.playbook(SITE))
        costs: dict[int, list[float]] = {small: [], large: []}
        for dummy in range(self.rounds):
            for count in (small, large):
                ran = _nothing_changed(self.fleet.playbook(SITE, limit=self.fleet.hosts[:count]))
                costs[count].append(_good(ran).seconds / count)
        ratio = median(costs[large]) / median(costs[small])
        self.note(
            Result(
                f"site, converged, per host: {large} hosts against {small}", ratio, 1.15, median(costs[large])
            )
        )


def calls_on_a_nas() -> None:
    """Print how many calls of its middleware a converged NAS costs, and see that it is few."""
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "bench" / "nas_calls.py")], check=False)
    if done.returncode != 0:
        raise Broken("a converged NAS takes more calls of its middleware than it should")


def _token_play(host: str, names: list[str]) -> str:
    users = [{"name": name, "secret": pyotp.random_base32()} for name in names]
    task = {"fleetauth.twofactor.twofactor_secret": {"users": users}}
    return yaml.safe_dump([{"hosts": host, "gather_facts": False, "become": True, "tasks": [task]}])


def _good(ran: Ran) -> Ran:
    if ran.status != 0:
        raise Broken(f"ended with {ran.status}:\n{ran.output[-4000:]}")
    return ran


def _nothing_changed(ran: Ran) -> Ran:
    changed = [line for line in ran.output.splitlines() if "changed=" in line and "changed=0 " not in line]
    if changed:
        raise Broken("something changed:\n" + "\n".join(changed))
    return ran


def _with_hex(fleet: Fleet) -> None:
    """Give the playbook written by hand the secrets in the form that it writes."""
    inventory = yaml.safe_load(fleet.inventory.read_text())
    inventory["all"]["vars"]["today_users"] = [
        {"name": name, "hex": base64.b32decode(secret).hex()} for name, secret in fleet.secrets.items()
    ]
    fleet.inventory.write_text(yaml.safe_dump(inventory))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--hosts", type=int, default=40, help="hosts of the fleet")
    parser.add_argument("--large", type=int, default=100, help="hosts of the large fleet; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is measured")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running")
    return parser.parse_args()


def _table(results: Iterable[Result]) -> int:
    measured = [result for result in results if result.limit is not None]
    reached = sum(result.reached for result in measured)
    print(f"bench: {reached} of {len(measured)} reached")
    return 0 if reached == len(measured) else 1


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench", dir="/dev/shm") as folder:
        fleet = Fleet("bench", Path(folder), images=("debian12-twofactor",))
        bench = Bench(fleet, options.rounds)
        try:
            print(f"booting {options.hosts} hosts", flush=True)
            fleet.boot(options.hosts)
            _with_hex(fleet)
            fleet.snapshot(BOOTED)
            print(f"{'':<64} {'pings':>6} {'median':>10}", flush=True)
            bench.fleet_wide()
            bench.profile()
            bench.by_hand()
            bench.many_users()
            bench.report()
            if options.large:
                bench.per_host(10, options.large)
            calls_on_a_nas()
            return _table(bench.results)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
        finally:
            if not options.keep:
                fleet.down()


if __name__ == "__main__":
    sys.exit(main())
