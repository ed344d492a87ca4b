# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stages of stages.toml side by side and close with one table. Called by tests/gates/test after set-up.

A stage that fails stops no other one, only those that come after it: one run tells all that is wrong.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

CHECKOUT = Path(__file__).parents[2]
LOGS = CHECKOUT / ".build" / "test"

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")
_PYTEST = re.compile(r"^[\s=│]*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b", re.MULTILINE)
_PYTEST_WORDS = {
    "passed": "passed",
    "skipped": "skipped",
    "failed": "failed",
    "error": "failed",
    "errors": "failed",
}


@dataclass(frozen=True)
class Stage:
    """A stage as stages.toml has it; the fields are explained there."""

    name: str
    target: str
    after: tuple[str, ...] = ()
    at_least: int = 0
    counts: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Totals:
    """How many tests of a stage passed, failed (errors included) and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a stage. ``wrong`` says why it failed and is empty for one that did not."""

    stage: Stage
    totals: Totals
    seconds: float
    wrong: str = ""


def stages_from(text: str) -> list[Stage]:
    """Return the stages of a TOML document; KeyError for one that comes after an unknown or later stage."""
    stages: dict[str, Stage] = {}
    for entry in tomllib.loads(text)["stage"]:
        stage = Stage(**{**entry, "after": tuple(entry.get("after", ()))})
        for name in stage.after:
            stages[name]
        stages[stage.name] = stage
    return list(stages.values())


def totals_of(stage: Stage, output: str) -> Totals:
    """Add up what the closing lines in a stage's output say; a stage may run pytest several times."""
    text = _TERMINAL_CODES.sub("", output)
    if stage.counts:
        return _sum(_named_counts(match) for match in re.finditer(stage.counts, text, re.MULTILINE))
    return _sum(_pytest_counts(match[1]) for match in _PYTEST.finditer(text))


def _named_counts(match: re.Match[str]) -> dict[str, int]:
    groups = match.groupdict()
    return {name: int(number) for name, number in groups.items()} if groups else {"passed": 1}


def _pytest_counts(line: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, word in re.findall(r"(\d+) ([a-z]+)", line):
        name = _PYTEST_WORDS.get(word)
        if name:
            counts[name] = counts.get(name, 0) + int(number)
    return counts


def _sum(several: Iterable[dict[str, int]]) -> Totals:
    sums = {"passed": 0, "failed": 0, "skipped": 0}
    for counts in several:
        for name, number in counts.items():
            sums[name] += number
    return Totals(**sums)


def what_is_wrong(stage: Stage, totals: Totals, status: int) -> str:
    """Return why a stage that ended with an exit status failed, or an empty string."""
    if status:
        return f"exit status {status}"
    if totals.failed:
        return f"{totals.failed} failed, and the exit status is 0 all the same"
    if totals.passed < stage.at_least:
        return f"{totals.passed} passed, and stages.toml expects at least {stage.at_least}"
    return ""


def table(outcomes: Iterable[Outcome], seconds: float, seed: int, left_out: Iterable[Stage] = ()) -> str:
    """Return the closing table: a line for each stage, then one for all with the seed of the random order.

    Stages that are ``left_out`` have a line with the reason.
    """
    outcomes = list(outcomes)
    lines = [f"{'stage':<18} {'passed':>9} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for outcome in outcomes:
        lines.append(
            f"{outcome.stage.name:<18} {_numbers(outcome.totals, outcome.seconds)}  {outcome.wrong}".rstrip()
        )
    for stage in left_out:
        lines.append(f"{stage.name:<18} not run: {stage.left_out}")
    failed = [outcome.stage.name for outcome in outcomes if outcome.wrong]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all stages passed"
    lines.append(f"{len(outcomes)} stages, {seconds:.0f} s, random seed {seed}: {verdict}")
    return "\n".join(lines)


def _numbers(totals: Totals, seconds: float) -> str:
    return f"{totals.passed:>9} {totals.failed:>7} {totals.skipped:>8} {seconds:>8.0f}"


class Runner:
    """Runs stages in a number of lanes, each with a log of its own that is printed when it ends."""

    def __init__(self, stages: list[Stage], lanes: int, seed: int) -> None:
        """Take the stages in the order in which they are to start."""
        self.waiting = list(stages)
        self.lanes = lanes
        self.seed = seed
        self.outcomes: dict[str, Outcome] = {}
        self._running: dict[int, tuple[Stage, float, Any]] = {}
        """By process id: the stage, when it started (time.monotonic), and its process."""

    def run(self) -> None:
        """Run all stages. An interruption ends those that run, waits for their hosts to go, and is passed on."""
        LOGS.mkdir(parents=True, exist_ok=True)
        try:
            while self.waiting or self._running:
                self._give_up_what_cannot_run()
                self._start_what_can()
                if self._running:
                    self._wait_for_one()
        except BaseException:
            self._end_all()
            raise

    def _give_up_what_cannot_run(self) -> None:
        for stage in list(self.waiting):
            failed = [name for name in stage.after if name in self.outcomes and self.outcomes[name].wrong]
            if failed:
                self.waiting.remove(stage)
                self.outcomes[stage.name] = Outcome(stage, Totals(), 0, f"not run, since {failed[0]} failed")

    def _start_what_can(self) -> None:
        for stage in list(self.waiting):
            if len(self._running) == self.lanes:
                return
            if all(name in self.outcomes for name in stage.after):
                self.waiting.remove(stage)
                self._start(stage)

    def _start(self, stage: Stage) -> None:
        print(f"--- {stage.name}: started", flush=True)
        command = ["make", "--no-print-directory", *shlex.split(stage.target)]
        with _log_of(stage).open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(stage, self.seed),
                start_new_session=True,
            )
        self._running[process.pid] = (stage, time.monotonic(), process)

    def _wait_for_one(self) -> None:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        stage, started, process = self._running[ended.si_pid]
        status = process.wait()
        del self._running[ended.si_pid]
        output = _log_of(stage).read_text(errors="replace")
        totals = totals_of(stage, output)
        wrong = what_is_wrong(stage, totals, status)
        outcome = Outcome(stage, totals, time.monotonic() - started, wrong)
        self.outcomes[stage.name] = outcome
        print(f"\n=== {stage.name}: make {stage.target}\n{output.rstrip()}")
        print(
            f"--- {stage.name}: {f'FAILED: {wrong}' if wrong else 'passed'}, {outcome.seconds:.0f} s\n",
            flush=True,
        )

    def _end_all(self) -> None:
        for pid, (_stage, _started, process) in self._running.items():
            os.killpg(pid, signal.SIGINT)
            process.wait()


def _log_of(stage: Stage) -> Path:
    return LOGS / f"{stage.name}.log"


def _environment(stage: Stage, seed: int) -> dict[str, str]:
    """Give a stage a lab of its own, for stages that run at the same time, and pytest the seed of its random order."""
    lab = "-".join(filter(None, (os.environ.get("FLEETAUTH_LAB"), stage.name)))
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --randomly-seed={seed}".strip()
    return {**os.environ, "FLEETAUTH_LAB": lab, "PYTEST_ADDOPTS": options}


def main() -> int:
    """Run everything; the first argument is how many seconds set-up took."""
    setup = float(sys.argv[1])
    seed = int(os.environ.get("FLEETAUTH_SEED") or random.SystemRandom().randrange(2**32))
    lanes = int(os.environ.get("FLEETAUTH_LANES") or (os.cpu_count() or 1) + 1)
    stages = stages_from((CHECKOUT / "tests/gates/stages.toml").read_text())
    left_out = [stage for stage in stages if stage.left_out]
    stages = [stage for stage in stages if not stage.left_out]
    runner = Runner(stages, lanes, seed)
    started = time.monotonic()
    runner.run()
    outcomes = [Outcome(Stage("setup", ""), Totals(), setup)]
    outcomes += [runner.outcomes[stage.name] for stage in stages]
    print(table(outcomes, setup + time.monotonic() - started, seed, left_out))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
