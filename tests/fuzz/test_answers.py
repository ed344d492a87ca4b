# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts answer, through each module's half on the controller: documented keys and types, or an error."""

from __future__ import annotations

import copy
import csv
import functools
import importlib
import io
import json
import math
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _host_action, _printable
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import report as fleet_report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_files import (
    as_json,
    hosts_csv,
    problems_csv,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_page import page
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter
from tests.status import sample

_ACTIONS = "ansible_collections.fleetauth.twofactor.plugins.action"
NAMES = sorted(
    path.stem
    for path in (Path(_host_action.__file__).parents[1] / "action").glob("*.py")
    if "HostAction)" in path.read_text()
)
_OPTIONS: dict[str, dict[str, Any]] = {
    "twofactor_host": {"policy": {}, "secrets": {"users": [{"name": "alice"}], "return_secrets": True}},
    "twofactor_secret": {"users": [{"name": "alice"}], "return_secrets": True},
}
_ALWAYS: dict[str, Any] = {
    "changed": {"type": "bool"},
    "failed": {"type": "bool"},
    "msg": {"type": "str"},
    "warnings": {"type": "list", "elements": "str"},
    "exception": {"type": "str"},
    "diff": {"type": "dict"},
    "reasons": {"type": "list", "elements": "dict"},
    "ansible_facts": {"type": "dict", "contains": {"discovered_interpreter_python": {"type": "str"}}},
    "module_stdout": {"type": "str"},
    "module_stderr": {"type": "str"},
    "rc": {"type": "int"},
}
_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}
_HOSTILE = st.sampled_from(
    [
        *(
            "ansible_facts",
            "add_host",
            "add_group",
            "ansible_stats",
            "invocation",
            "results",
            "skipped",
            "rc",
        ),
        *(
            "unreachable",
            "_ansible_no_log",
            "_ansible_facts_cacheable",
            "warnings",
            "deprecations",
            "exception",
        ),
        *(
            "ansible_job_id",
            "stdout",
            "diff",
            "msg",
            "failed",
            "changed",
            "include",
            "item",
            "reasons",
            "secrets",
        ),
        *("twofactor_users", "ansible_module_results", "module_stdout", "missing_packages", "sheets"),
    ]
)
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "str": shapes.JUNK | st.sampled_from(["alice", "\x1b[2J", "{{ 1 }}", "a\nb"]),
    "int": st.integers(-(10**3), 10**3),
    "float": st.floats(-1e6, 1e6) | st.integers(0, 5),
    "bool": st.booleans(),
    "dict": st.dictionaries(st.text(max_size=4), shapes.ANY_JSON, max_size=2),
}


def _values(spec: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as they are documented."""
    if spec["type"] == "list":
        element = {"type": spec["elements"], **({"contains": spec["contains"]} if "contains" in spec else {})}
        return st.lists(_values(element), max_size=2)
    if "contains" in spec:
        return st.fixed_dictionaries({key: _values(one) for key, one in spec["contains"].items()})
    return _SCALARS[spec["type"]]


@st.composite
def _answers(draw: st.DrawFn, description: dict[str, Any]) -> dict[str, Any]:
    whole = {
        "changed": st.booleans(),
        "diff": st.fixed_dictionaries({"before": _SCALARS["dict"], "after": _SCALARS["dict"]}),
    }
    keys = {key: _values(spec) for key, spec in description.items()}
    answer = draw(st.fixed_dictionaries(whole, optional={**keys, "msg": _SCALARS["str"]}))
    fate = draw(st.integers(0, 3))
    if fate == 1:
        answer = draw(shapes.damaged(answer))
    if fate >= 2:
        answer[draw(_HOSTILE)] = draw(shapes.ANY_JSON | st.booleans() | st.just({"twofactor_users": []}))
    return answer


def run(name: str, answer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a module's action makes of an answer, and what its module documents."""
    kind = importlib.import_module(f"{_ACTIONS}.{name}").ActionModule
    task = SimpleNamespace(
        args=dict(_OPTIONS.get(name, {})),
        async_val=0,
        poll=0,
        check_mode=False,
        _ansible_internal_redirect_list=[],
    )
    none: Any = None
    action = kind(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), none, none, none, none)
    action._execute_module = lambda **dummy: answer
    action._remove_tmp_path = lambda path: None
    return action.run(task_vars={}), kind.RETURN


def check(value: Any, spec: dict[str, Any], key: str) -> None:
    """Insist that a value is of the type that is documented, and printable; told otherwise than the filter does."""
    if value is None:
        assert spec["type"] != "list"
        return
    assert type(value) is not bool or spec["type"] == "bool", key
    assert isinstance(value, _TYPES[spec["type"]]), key
    if isinstance(value, list):
        for one in value:
            check(one, {"type": spec["elements"], "contains": spec.get("contains")}, key)
    elif isinstance(value, dict) and spec.get("contains"):
        assert set(value) <= set(spec["contains"]), key
        for inner, one in value.items():
            check(one, spec["contains"][inner], f"{key}.{inner}")


def texts_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_of(part)]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    assert value is None or type(value) is bool or isinstance(value, str) or math.isfinite(value)
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_only_what_is_documented_comes_through(counter: Counter, name: str, data: st.DataObject) -> None:
    kind = importlib.import_module(f"{_ACTIONS}.{name}").ActionModule
    answer = data.draw(
        _answers(kind.RETURN) | shapes.ANY_JSON.map(lambda value: {"changed": False, "x": value})
    )
    result, description = run(name, answer)

    known = copy.deepcopy({**_ALWAYS, **description})
    if name == "twofactor_info":
        known["twofactor"]["contains"]["clock"]["contains"]["controller_offset"] = {"type": "float"}
    assert set(result) <= set(known)
    for key, value in result.items():
        check(value, known[key], key)
    for text in texts_of(result):
        assert _printable.lines(text) == text
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    if not result.get("failed"):
        assert {"changed", "diff"} & set(answer) == {"changed", "diff"} & set(result)
    counter()


_MARKUP = st.text(alphabet="<>&\"'`=/-!;:() scripthonload\\\x00\u202e{}", max_size=24)
_INFO = st.recursive(
    st.one_of(_MARKUP, st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_MARKUP, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def _reported(draw: st.DrawFn) -> dict[str, Any]:
    """Answers to twofactor_info with markup in every text, and now and then something else than is documented."""
    text, number = draw(_MARKUP), draw(st.floats(-1e12, 1e12))
    bypass = {"until": abs(number), "by": text, "reason": draw(_MARKUP)}
    report = sample.host(
        platform=text,
        version=draw(_MARKUP),
        services=[{"name": text, "asks_code": draw(st.booleans())}],
        users=[
            sample.user(draw(_MARKUP), last_used=text),
            sample.user("alice", recovery_left=draw(st.integers())),
        ],
        clock={**sample.clock(number), "source": text},
        bypass={"host": draw(st.sampled_from([None, bypass])), "users": {draw(_MARKUP): bypass}},
        pending={"by": text, "reason": text, "seconds_left": number},
        problems=[sample.problem(draw(_MARKUP), text, draw(_MARKUP))],
    )["twofactor"]
    if draw(st.booleans()):
        report[draw(st.sampled_from(sorted(report)))] = draw(_INFO)
    return draw(
        st.sampled_from(
            [{"twofactor": report}, {"failed": True, "msg": text}, {"unreachable": True, "msg": text}]
        )
    )


class _Elements(HTMLParser):
    """The names of a page's elements, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down an element."""
        self.names |= {tag, *(f"{tag} {name}" for name, dummy in attrs)}


@functools.cache
def _usual() -> set[str]:
    text = page(
        fleet_report([answer(name, one) for name, one in sample.every_kind().items()], sample.MADE, "Fleet")
    )
    many = {f"h{number}": {"unreachable": True} for number in range(30)}
    text += page(fleet_report([answer(name, one) for name, one in many.items()], sample.MADE, "Fleet"))
    return _Elements(text).names


@given(answers=st.dictionaries(_MARKUP, _reported(), min_size=1, max_size=3), title=_MARKUP)
def test_no_answer_gets_markup_or_a_formula_into_the_report(
    counter: Counter, answers: dict[str, Any], title: str
) -> None:
    report = fleet_report([answer(name, one, [name]) for name, one in answers.items()], sample.MADE, title)
    assert _Elements(page(report)).names <= _usual()
    assert json.loads(as_json(report))["summary"]["hosts"] == len(answers)
    for text in (hosts_csv(report), problems_csv(report)):
        for row in csv.reader(io.StringIO(text)):
            assert not [cell for cell in row if cell[:1] in "=+@" and cell]
    counter()
