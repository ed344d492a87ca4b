"""What a host answered is read without trusting it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.fleetauth.twofactor.plugins.modules.twofactor_info import RETURN
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import Answer, answer, text
from tests.status import sample


def test_what_twofactor_info_returns_is_read() -> None:
    result = sample.host(
        pending={"by": "ansible", "reason": "why", "seconds_left": 9},
        bypass={
            "host": {"until": 5, "by": "a", "reason": "b"},
            "users": {"bob": {"until": 6.5, "by": "", "reason": ""}},
        },
        problems=[sample.problem("code", "sentence", "remedy")],
    )
    read = answer("web1", result, ["alice"])
    info = read.info
    assert info is not None
    assert (read.name, read.people, info.platform, info.enabled) == ("web1", ("alice",), "linux", True)
    assert (info.ssh_asks, info.ssh_running, info.ssh_methods) == (True, True, ("key_and_code",))
    assert [(user.name, user.enrolled, user.recovery_left) for user in info.users] == [
        (name, True, 9) for name in sample.PEOPLE
    ]
    assert info.pending is not None
    assert (info.pending.seconds_left, info.pending.by) == (9, "ansible")
    assert info.bypass is not None
    assert info.bypass.until == 5
    assert info.user_bypasses["bob"].until == 6.5
    assert info.problems[0].message == "sentence"


def test_a_nas_tells_less() -> None:
    info = answer("nas1", sample.nas()).info
    assert info is not None
    assert [(user.verified, user.recovery_left) for user in info.users] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("result", "unreachable", "words"),
    [
        (sample.UNREACHABLE, True, "Connection timed out"),
        (sample.FAILED, False, "was not found"),
        ({"failed": True}, False, "gave no reason"),
        ({"changed": False}, False, "gave no reason"),
        ({}, False, "gave no reason"),
        (None, False, "not asked"),
        ({"failed": True, "msg": "no", **sample.host(), "failed ": 1} | {"failed": True}, False, "no"),
    ],
)
def test_without_an_answer_nothing_is_known(result: Any, unreachable: bool, words: str) -> None:
    read = answer("web1", result)
    assert read.info is None
    assert read.unreachable == unreachable
    assert words in read.reason


_HUGE = 10**400
_WRONG: list[Any] = [
    None,
    "text",
    7,
    -1.5,
    True,
    [],
    {},
    [[]],
    [{}],
    [None],
    {"a": 1},
    _HUGE,
    float("nan"),
    float("inf"),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [one for key, below in value.items() for one in _paths(below, (*path, key))]
    if isinstance(value, list):
        found += [one for n, below in enumerate(value) for one in _paths(below, (*path, n))]
    return found


_FULL = sample.host(
    pending={"by": "ansible", "reason": "why", "seconds_left": 9},
    bypass={
        "host": {"until": 5, "by": "a", "reason": "b"},
        "users": {"bob": {"until": 6.5, "by": "", "reason": ""}},
    },
    problems=[sample.problem("code")],
)["twofactor"]


@pytest.mark.parametrize("path", _paths(_FULL), ids=str)
def test_whatever_stands_anywhere_never_raises(path: tuple[Any, ...]) -> None:
    """It is read, or the host is one that could not be read, and the reason says where."""
    from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import report
    from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_files import FORMATS

    for wrong in _WRONG:
        data: Any = json.loads(json.dumps({"twofactor": _FULL}))
        place = data
        for key in ("twofactor", *path)[:-1]:
            place = place[key]
        place[("twofactor", *path)[-1]] = wrong
        read = answer("web1", data)
        assert read.info is not None or "not what twofactor_info returns" in read.reason
        for files in FORMATS.values():
            for dummy, render in files:
                render(report([read], sample.MADE, "t")).encode()


def test_a_list_without_end_is_refused() -> None:
    assert answer("web1", sample.host(users=[sample.user("a")] * 10_001)).info is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("as it is: é 名前 🔑", "as it is: é 名前 🔑"),
        ("two\nlines\tand \r\n more", "two lines and more"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a\ufffdb\ufffdc\ufffdd\ufffd"),
        ("bell\x07\x1b[31m\x9b", "bell\ufffd[31m\ufffd"),
        ("half \ud800 character", "half \ufffd character"),
        ("x" * 5000, "x" * 999 + "…"),
    ],
)
def test_text_hides_nothing_and_has_an_end(given: str, shown: str) -> None:
    assert text(given) == shown


def test_people_that_are_no_list() -> None:
    assert answer("web1", {}, "alice").people == ()
    assert answer("web1", {}, None) == Answer("web1", reason="The task gave no reason.")


@pytest.mark.parametrize(
    ("own", "controllers", "shown"),
    [
        (0.001, 35.0, 35.0),
        (None, -35.0, -35.0),
        (-40.0, 35.0, -40.0),
        (0.001, 0.0, 0.001),
        (None, 0.0, None),
        (None, None, None),
    ],
)
def test_a_clock_is_off_by_what_host_or_controller_finds(own: Any, controllers: Any, shown: Any) -> None:
    clock = {**sample.clock(own), "controller_offset": controllers}
    info = answer("nas1", sample.nas(clock=clock)).info
    assert info is not None
    assert info.clock.offset == shown


def test_the_sample_fleet_answers_as_documented() -> None:
    documented = yaml.safe_load(RETURN)["twofactor"]["contains"]
    assert set(sample.host()["twofactor"]) <= set(documented) | {"pending"}
    assert set(documented) - set(sample.host()["twofactor"]) <= {"pending"}
