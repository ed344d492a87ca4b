# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module documents is taken from a host's answer, and nothing else, whatever it is called."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import (
    accepted,
    documented,
    started,
    without_output,
)

MODULES = Path(__file__).parents[4] / "plugins" / "modules"
DESCRIPTION: dict[str, dict[str, Any]] = {
    "users": {"type": "dict", "contains": {"added": {"type": "list", "elements": "str"}}},
    "clock": {
        "type": "dict",
        "contains": {"offset": {"type": "float"}, "synchronised": {"type": "bool", "returned": "on Linux"}},
    },
    "bypass": {"type": "dict", "contains": {"host": {"type": "dict"}}},
    "steps": {"type": "int"},
    "reasons": {"type": "list", "elements": "dict", "contains": {"code": {"type": "str"}}},
    "policy": {"type": "dict"},
}


def place_of(answer: object) -> str:
    with pytest.raises(TwofactorError) as caught:
        accepted(answer, DESCRIPTION)
    assert caught.value.code == "answer_unexpected"
    return caught.value.message.rpartition(" at ")[2]


def test_what_is_documented_stays_as_it_is() -> None:
    answer = {
        "changed": True,
        "failed": False,
        "msg": "fine",
        "diff": {"before": {"files": {"/etc/a b": "x\n\ty\n"}}, "after": {"calls": [1, 2.5, None, True]}},
        "users": {"added": ["alice"]},
        "clock": {"offset": 1, "synchronised": True},
        "steps": -3,
        "reasons": [{"code": "a"}],
        "policy": {"exempt": {"users": []}, "window": 1},
    }

    assert accepted(answer, DESCRIPTION) == answer


@pytest.mark.parametrize(
    "key",
    [
        *("add_host", "add_group", "ansible_stats", "ansible_job_id", "results", "skipped", "unreachable"),
        *(
            "stdout",
            "stderr",
            "rc",
            "item",
            "ansible_loop_var",
            "censored",
            "twofactor_users",
            "__class__",
            "",
        ),
        *("module_stdout", "finished", "started", "stdout_lines", "attempts", "skip_reason", "notify"),
    ],
)
@pytest.mark.parametrize("value", [True, {"twofactor_people": ["carol"]}, "text", 0, None, []])
def test_any_other_key_is_an_error_that_names_it(key: str, value: object) -> None:
    assert place_of({"changed": False, key: value}) == f"'{key}'."


@pytest.mark.parametrize(
    "facts", [{"twofactor_users": []}, {"discovered_interpreter_bash": "/x"}, ["x"], "x", 1]
)
def test_facts_are_an_error(facts: object) -> None:
    assert place_of({"ansible_facts": facts}).startswith("'ansible_facts")


def test_the_python_that_ansible_has_found_is_kept() -> None:
    facts = {"discovered_interpreter_python": "/usr/bin/python3.11"}

    assert accepted({"changed": False, "ansible_facts": facts}, DESCRIPTION)["ansible_facts"] == facts


def test_what_ansible_adds_for_itself_is_left_out() -> None:
    answer = {
        "changed": False,
        "invocation": {"module_args": {}},
        "deprecations": [{"msg": "x"}],
        "exception": "not failed",
        "_ansible_parsed": True,
        "_ansible_no_log": True,
        "_ansible_verbose_always": True,
        "warnings": [],
    }

    assert accepted(answer, DESCRIPTION) == {"changed": False}


def test_warnings_are_text() -> None:
    given = [SimpleNamespace(event=SimpleNamespace(msg="of Ansible's own kind\nin lines")), "a text\x1b[2J"]

    assert accepted({"warnings": given}, DESCRIPTION)["warnings"] == [
        "of Ansible's own kind in lines",
        "a text\ufffd[2J",
    ]


@pytest.mark.parametrize("warnings", ["text", {"a": 1}, [1], [None], [["a"]], 1, [SimpleNamespace(event=1)]])
def test_warnings_of_another_type_are_an_error(warnings: object) -> None:
    assert place_of({"warnings": warnings}) == "'warnings'."


def test_a_traceback_cannot_be_taken_for_output() -> None:
    event = SimpleNamespace(formatted_traceback="Traceback\nPLAY RECAP\x1b[2J")
    answer = {"failed": True, "msg": "x", "exception": SimpleNamespace(event=event)}

    assert accepted(answer, DESCRIPTION)["exception"] == "  Traceback\n  PLAY RECAP\ufffd[2J"


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({"changed": "yes"}, "changed"),
        ({"changed": 1}, "changed"),
        ({"changed": None}, "changed"),
        ({"failed": None}, "failed"),
        ({"msg": ["text"]}, "msg"),
        ({"diff": []}, "diff"),
        ({"diff": {"prepared": "text"}}, "diff.prepared"),
        ({"diff": {"before": "text", "after": {}}}, "diff.before"),
        ({"diff": [{"before": {}, "after": {}}]}, "diff"),
        ({"steps": True}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"steps": "1"}, "steps"),
        ({"steps": 10**400}, "steps"),
        ({"clock": {"offset": float("nan")}}, "clock.offset"),
        ({"clock": {"offset": float("inf")}}, "clock.offset"),
        ({"clock": {"offset": "0"}}, "clock.offset"),
        ({"clock": {"offset": 0, "other": 0}}, "clock.other"),
        ({"clock": []}, "clock"),
        ({"clock": None}, "clock"),
        ({"clock": {"synchronised": True}}, "clock.offset"),
        ({"reasons": None}, "reasons"),
        ({"users": {"added": None}}, "users.added"),
        ({"users": {}}, "users.added"),
        ({"users": {"added": "alice"}}, "users.added"),
        ({"users": {"added": [1]}}, "users.added"),
        ({"users": {"added": [{"a": 1}]}}, "users.added"),
        ({"reasons": ["a"]}, "reasons"),
        ({"reasons": [{"code": "a", "ansible_facts": {}}]}, "reasons.ansible_facts"),
        ({"policy": {"a": {1: 2}}}, "policy"),
        ({"policy": {"a": {"b"}}}, "policy"),
        ({"policy": {"a": float("nan")}}, "policy"),
        ({1: 2}, "a key that is no text"),
        ([], "an answer that is no mapping"),
        (None, "an answer that is no mapping"),
    ],
)
def test_another_type_is_an_error(answer: object, place: str) -> None:
    assert place_of(answer) == f"'{place}'."


class _Tagged(str):
    """As Ansible's own texts that remember something."""


def test_a_text_that_remembers_something_is_no_text() -> None:
    assert place_of({"msg": _Tagged("{{ 1 }}")}) == "'msg'."


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for number in range(levels):
        value = {"a": value} if number % 2 else [value]
    return {"policy": {"a": value}}


@pytest.mark.parametrize(
    "answer",
    [
        deep(20),
        {"policy": {str(number): 1 for number in range(10_001)}},
        {"users": {"added": ["a"] * 10_001}},
        {"msg": "x" * (1 << 20) + "x"},
        {"policy": {"x" * 5000: 1}},
    ],
)
def test_there_are_bounds(answer: dict[str, Any]) -> None:
    place_of(answer)


def test_nothing_of_an_answer_is_in_the_error_but_the_place() -> None:
    with pytest.raises(TwofactorError) as caught:
        accepted({"x" * 500 + "\x1b[2J": "JBSWY3DPEHPK3PXP", "clock": {"a\nPLAY": 1}}, DESCRIPTION)

    assert "JBSW" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_text_is_one_line_that_controls_nothing() -> None:
    answer = {
        "failed": True,
        "msg": "a\nb\x1b[2J",
        "policy": {"k\n\x07": "v\n\u202e"},
        "module_stderr": "a\nb\x07",
    }

    assert accepted(answer, DESCRIPTION) == {
        "failed": True,
        "msg": "a b\ufffd[2J",
        "policy": {"k \ufffd": "v \ufffd"},
        "module_stderr": "a\nb\ufffd",
    }


def test_what_is_not_known_is_null_below_ansibles_own_keys() -> None:
    answer = {"steps": None, "clock": {"offset": None}, "bypass": {"host": None}}

    assert accepted(answer, DESCRIPTION) == answer


def test_the_output_of_a_module_that_failed_to_answer_can_be_left_out() -> None:
    failed = {"failed": True, "msg": "no JSON", "module_stdout": "x", "module_stderr": "y", "rc": 1}

    assert accepted(failed, DESCRIPTION) == failed
    assert without_output(failed) == {"failed": True, "msg": "no JSON", "rc": 1}


@pytest.mark.parametrize("one", [1, True])
def test_a_module_that_was_started_in_the_background(one: object) -> None:
    answer = {"changed": True, "ansible_job_id": "j1.2", "results_file": "/a", "started": one, "finished": 0}

    assert started(answer) == {**answer, "started": True, "finished": False}


@pytest.mark.parametrize(
    "more",
    [
        *({"ansible_job_id": job} for job in ("../x", "", None, 1, "j" * 61)),
        {"ansible_facts": {"a": 1}},
        {"started": 2},
        {"twofactor": {}},
    ],
)
def test_one_that_was_started_otherwise(more: dict[str, Any]) -> None:
    with pytest.raises(TwofactorError):
        started({"ansible_job_id": "j1.2", "started": 1, **more})


def test_the_documentation_of_a_module_is_what_it_may_return() -> None:
    assert documented("twofactor_change")["reasons"]["contains"]["code"]["type"] == "str"


def check_description(description: dict[str, dict[str, Any]]) -> None:
    for key, known in description.items():
        assert known["type"] in {"str", "int", "float", "bool", "list", "dict"}, key
        assert (known["type"] == "list") == ("elements" in known), key
        assert known["description"], key
        assert not known.get("contains") or "dict" in (known["type"], known.get("elements")), key
        check_description(known.get("contains") or {})


@pytest.mark.parametrize("path", sorted(MODULES.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_every_documentation_says_the_types_of_all_keys(path: Path) -> None:
    description = documented(path.stem)

    check_description(description)
    assert path.stem == "twofactor_report" or description["reasons"]["elements"] == "dict"


def test_keys_that_the_controller_adds_are_none_that_a_host_may_have() -> None:
    assert "sheets" not in documented("twofactor_host", "sheets")
    clock = documented("twofactor_info", "twofactor.clock.controller_offset")["twofactor"]["contains"][
        "clock"
    ]
    assert "controller_offset" not in clock["contains"]


def test_an_answer_that_went_over_the_wire() -> None:
    answer = json.loads('{"changed": false, "steps": 3, "clock": {"offset": -1e-05}}')

    assert accepted(answer, DESCRIPTION) == answer
