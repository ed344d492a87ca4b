"""What the closing table of all tests says, and that a stage cannot pass by running less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gates.stages import Outcome, Stage, Totals, stages_from, table, totals_of, what_is_wrong

CHECKOUT = Path(__file__).parents[3]
LOGIN = Stage("login", "login", at_least=80)


@pytest.mark.parametrize(
    ("output", "totals"),
    [
        ("....\n84 passed in 12.30s\n", Totals(passed=84)),
        ("===== 84 passed in 701.30s (0:11:41) =====", Totals(passed=84)),
        ("== 1 failed, 80 passed, 2 skipped, 3 errors in 12.30s ==", Totals(80, 4, 2)),
        ("  \x1b[32m\x1b[1m6 passed\x1b[0m\x1b[32m in 4.02s\x1b[0m\n", Totals(passed=6)),
        # In Molecule's frame.
        ("  \x1b[2m│\x1b[0m ====== 27 passed, 1 skipped in 102.98s (0:01:42)\n", Totals(27, 0, 1)),
        ("2621 passed in 22.04s\n...\n2621 passed in 36.00s\n", Totals(passed=5242)),
        ("3 passed, 1 warning, 2 deselected in 0.10s", Totals(passed=3)),
        ("make: *** [Makefile:45: login] Error 2", Totals()),
        ("the host said: 5 passed in time", Totals()),
    ],
)
def test_counts_come_from_the_closing_lines_of_pytest(output: str, totals: Totals) -> None:
    assert totals_of(LOGIN, output) == totals


def test_counts_of_a_stage_without_pytest() -> None:
    sweep = Stage(
        "killsweep", "killsweep", counts=r"^killsweep: (?P<passed>\d+) points, (?P<failed>\d+) broken"
    )

    assert totals_of(sweep, "web1: 20\nkillsweep: 40 points, 1 broken\n") == Totals(passed=40, failed=1)


@pytest.mark.parametrize(
    ("totals", "status", "wrong"),
    [
        (Totals(passed=80), 0, ""),
        (Totals(passed=84, skipped=2), 0, ""),
        (Totals(passed=79), 0, "79 passed, and stages.toml expects at least 80"),
        (Totals(passed=79, skipped=1), 0, "79 passed, and stages.toml expects at least 80"),
        (Totals(passed=84), 2, "exit status 2"),
        (Totals(passed=84, failed=1), 0, "1 failed, and the exit status is 0 all the same"),
    ],
)
def test_stage_passes_only_with_all_its_tests(totals: Totals, status: int, wrong: str) -> None:
    assert what_is_wrong(LOGIN, totals, status) == wrong


def test_table_names_what_failed_and_the_seed() -> None:
    outcomes = [
        Outcome(Stage("unit", "unit"), Totals(passed=2621), 22.4),
        Outcome(LOGIN, Totals(79, 1, 2), 310, "exit status 2"),
    ]

    lines = table(outcomes, 330.2, 1234).splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["stage", "passed", "failed", "skipped", "seconds"],
        ["unit", "2621", "0", "0", "22"],
        ["login", "79", "1", "2", "310", "exit", "status", "2"],
    ]
    assert lines[3] == "2 stages, 330 s, random seed 1234: FAILED: login"


def test_table_says_what_is_left_out_and_why() -> None:
    soak = Stage("soak", "soak", left_out="it takes a quiet machine")

    lines = table([Outcome(LOGIN, Totals(80), 310)], 310, 1234, [soak]).splitlines()

    assert lines[2] == "soak               not run: it takes a quiet machine"
    assert lines[3] == "1 stages, 310 s, random seed 1234: all stages passed"


def test_stage_comes_after_known_stages_only() -> None:
    with pytest.raises(KeyError, match="images"):
        stages_from('[[stage]]\nname = "login"\ntarget = "login"\nafter = ["images"]')


NO_SUITES = {"bench", "demo", "gates", "requirements", "support", "__pycache__"}
"""Folders of tests/ that test nothing: they measure, show, or help."""


def test_every_suite_is_a_stage() -> None:
    """A suite that no stage runs would be tested nowhere."""
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = {stage.target.split()[0] for stage in _stages()}
    pattern = rf"^(?:{'|'.join(targets)})(?:-oldest)?:.*\n((?:\t.*\n)+)"
    recipes = "".join(re.findall(pattern, makefile, re.MULTILINE))
    suites = {path.name for path in (CHECKOUT / "tests").iterdir() if path.is_dir()} - NO_SUITES

    assert {suite for suite in suites if not re.search(rf"\btests[/.]{suite}\b", recipes)} == set()


def test_every_stage_but_the_images_expects_tests() -> None:
    assert [stage.name for stage in _stages() if not stage.at_least] == ["images"]


def _stages() -> list[Stage]:
    return stages_from((CHECKOUT / "tests/gates/stages.toml").read_text())
