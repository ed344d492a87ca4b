"""The report for programs, and files that nobody else can read."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import Report, report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_files import (
    FORMATS,
    _csv,
    _safe,
    as_json,
    hosts_csv,
    problems_csv,
    write,
)
from tests.status import sample


def made(hostile: bool = False) -> Report:
    answers = sample.hostile() if hostile else sample.every_kind()
    people = {} if hostile else sample.people(answers)
    return report([answer(n, r, people.get(n)) for n, r in answers.items()], sample.MADE, "Fleet")


def test_json_has_all_of_it() -> None:
    data = json.loads(as_json(made()))
    assert (data["version"], data["made"]) == (1, "2026-11-24T11:00:00Z")
    assert data["summary"] == {
        "text": "14 of 22 hosts protected, 3 in part, 2 off, 2 unreachable, 1 not read; 6 errors, 14 warnings",
        "worst": "error",
        "hosts": 22,
        "protected": 14,
        "partly": 3,
        "off": 2,
        "unreachable": 2,
        "not_read": 1,
        "errors": 6,
        "warnings": 14,
        "users": 4,
        "users_enrolled": 1,
        "users_verified": 3,
    }
    assert data["problems"][0] == {
        "severity": "error",
        "code": "clock_off",
        "hosts": ["db1.example.com"],
        "message": "The clock is off by 41.3 s.",
        "remedy": "Step it with 'chronyc makestep'.",
        "user": "",
    }
    hosts = {host["name"]: host for host in data["hosts"]}
    assert hosts["lab1.example.com"]["status"] == "unreachable"
    assert "timed out" in hosts["lab1.example.com"]["reason"]
    assert hosts["web1.example.com"]["clock"] == {
        "synchronised": True,
        "offset": 0.000012,
        "source": "192.0.2.10",
    }
    assert data["passing"][-1]["until"] == "2026-11-24T13:05:00Z"
    assert data["systems"][-1] == {"platform": "truenas", "version": "TrueNAS-25.10.1", "hosts": 2}


def test_csv_has_a_row_for_each_host_and_for_each_problem_of_a_host() -> None:
    hosts = list(csv.DictReader(io.StringIO(hosts_csv(made()))))
    assert len(hosts) == 22
    by_name = {row["host"]: row for row in hosts}
    assert by_name["db1.example.com"]["problems"] == "clock_off"
    assert by_name["db1.example.com"]["clock_offset"] == "41.3"
    assert by_name["db2.example.com"]["clock_offset"] == "-3.2", "a number stays one"
    assert by_name["lab1.example.com"]["status"] == "unreachable"
    assert None not in by_name["lab1.example.com"].values()
    problems = list(csv.DictReader(io.StringIO(problems_csv(made()))))
    assert len(problems) == sum(len(one.hosts) for one in made().problems)


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\t=1", "'\t'=1"),
        ("\r1", "'\r1"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("'=1", "''=1"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠1", "'＠1"),
        ("﹦1", "'﹦1"),
        ("a;=1", "a;'=1"),
        ("a, -1", "a,' -1"),
        ('a|"@1', "a|'\"@1"),
        ("a\n=1", "a\n'=1"),
        ("a\u00a0;\u00a0=1", "a\u00a0;'\u00a0=1"),
        ("a=1", "a=1"),
        ("key-and-code", "key-and-code"),
        ("well; done", "well; done"),
    ],
)
def test_a_formula_is_text(cell: str, safe: str) -> None:
    assert _safe(cell) == safe


@settings(deadline=None)
@given(st.lists(st.text(alphabet="=+-@＝＋－＠﹦,;|\t\r\n \"'a1", max_size=12), min_size=1, max_size=4))
def test_no_separator_makes_a_formula_of_a_part(cells: list[str]) -> None:
    table = _csv([["host", *cells]])
    for separator in (",", ";", "|", "\t"):
        parts = [
            part for row in csv.reader(io.StringIO(table, newline=""), delimiter=separator) for part in row
        ]
        parts += [part for line in table.splitlines() for part in line.split(separator)]
        assert not [part for part in parts if _is_formula(part)], table


def _is_formula(part: str) -> bool:
    """Tell whether a spreadsheet that strips blanks and quotes would calculate a part; an apostrophe makes it text."""
    lead, sign = re.fullmatch(r"([\s\"']*)(.?).*", part, re.DOTALL).groups()  # type: ignore[union-attr]
    return sign != "" and sign in "=+-@＝＋－＠﹦" and "'" not in lead


def test_no_cell_is_a_formula() -> None:
    for text in (hosts_csv(made(hostile=True)), problems_csv(made(hostile=True))):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert any("HYPERLINK" in cell for cell in cells)
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "+")]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "report"
    paths = write(made(), str(folder), FORMATS)
    assert sorted(path.name for path in folder.iterdir()) == [
        "hosts.csv",
        "index.html",
        "problems.csv",
        "report.json",
    ]
    assert sorted(paths) == sorted(str(path) for path in folder.iterdir())
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())] == [
        "0o700",
        *["0o600"] * 4,
    ]
    folder.chmod(0o750)
    (folder / "index.html").chmod(0o644)
    write(made(), str(folder), ["html"])
    assert oct(folder.stat().st_mode & 0o777) == "0o750", "a folder that is there is somebody's own affair"
    assert oct((folder / "index.html").stat().st_mode & 0o777) == "0o600"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TwofactorError, match="could not be written"):
        write(made(), str(tmp_path / "file"), ["html"])
