# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever runs on a host has a half on the controller that lets through what is documented."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.fleetauth.twofactor.plugins.action.twofactor import ActionModule as Twofactor
from ansible_collections.fleetauth.twofactor.plugins.action.twofactor_ntp import ActionModule as Ntp
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _install
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._host_action import HostAction

PLUGINS = Path(__file__).parents[4] / "plugins"
Answer = Callable[..., dict[str, Any]]


def action(
    kind: type[HostAction], answer: Answer, async_val: int = 0, poll: int = 15, **arguments: Any
) -> HostAction:
    task = SimpleNamespace(
        args=arguments, async_val=async_val, poll=poll, check_mode=False, _ansible_internal_redirect_list=[]
    )
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp/there"))
    none: Any = None
    made = kind(task, connection, none, none, none, none)  # type: ignore[arg-type]
    made._execute_module = answer  # type: ignore[method-assign]
    removed: list[str] = []
    made._remove_tmp_path = removed.append  # type: ignore[method-assign]
    made.removed = removed  # type: ignore[attr-defined]
    return made


def test_every_module_that_runs_on_a_host_has_one() -> None:
    modules = {path.stem for path in (PLUGINS / "modules").glob("[!_]*.py") if "def main" in path.read_text()}
    actions = {
        path.stem for path in (PLUGINS / "action").glob("[!_]*.py") if "HostAction)" in path.read_text()
    }

    assert modules == actions
    assert len(modules) == 10


@pytest.mark.parametrize(
    "path", sorted(path for path in (PLUGINS / "action").glob("*.py") if "HostAction)" in path.read_text())
)
def test_each_has_the_documentation_of_its_own_module(path: Path) -> None:
    assert f'RETURN = documented("{path.stem}"' in path.read_text()


def test_an_answer_of_the_module_comes_through() -> None:
    answer = {
        "changed": True,
        "diff": {"before": {"a": 1}, "after": {"a": 2}},
        "pending": {"confirm_within": 120.0},
    }
    made = action(Twofactor, lambda **dummy: {**answer, "invocation": {}}, state="enabled")

    assert made.run(task_vars={}) == answer
    assert made.removed == ["/tmp/there"]  # type: ignore[attr-defined]


def test_a_lie_fails_for_the_host_and_gives_nothing_away() -> None:
    made = action(
        Twofactor, lambda **dummy: {"changed": True, "ansible_facts": {"twofactor_store": "/etc/passwd"}}
    )
    result = made.run(task_vars={})

    assert result["failed"] is True
    assert "'ansible_facts.twofactor_store'" in result["msg"]
    assert [reason["code"] for reason in result["reasons"]] == ["answer_unexpected"]
    assert set(result) == {"failed", "msg", "reasons"}
    assert "passwd" not in json.dumps(result)


@pytest.mark.parametrize(("state", "asked"), [("enabled", False), ("disabled", True)])
def test_a_fact_in_the_place_of_a_variable_stops_all_but_switching_off(state: str, asked: bool) -> None:
    made = action(Twofactor, lambda **dummy: {"changed": True}, state=state)
    result = made.run(task_vars={"ansible_facts": {"twofactor_users": []}})

    assert result.get("changed", False) is asked
    assert asked or result["reasons"][0]["code"] == "fact_overrides"


def test_an_answer_that_is_too_deep_to_be_read() -> None:
    def too_deep(**dummy: object) -> dict[str, Any]:
        raise RecursionError

    assert action(Twofactor, too_deep).run(task_vars={})["reasons"][0]["code"] == "answer_unexpected"


def test_ansible_is_not_let_wait_for_a_host_by_itself() -> None:
    asked: list[object] = []
    made = action(Twofactor, lambda **dummy: asked.append(1) or {}, async_val=60)
    result = made.run(task_vars={})

    assert result["reasons"][0]["code"] == "async_polled"
    assert not asked


def test_a_module_in_the_background_is_started_and_its_files_are_left() -> None:
    given: dict[str, Any] = {}

    def start(**arguments: Any) -> dict[str, Any]:
        given.update(arguments)
        return {"changed": True, "ansible_job_id": "j1.2", "results_file": "/a", "started": 1, "finished": 0}

    made = action(Twofactor, start, async_val=60, poll=0)

    assert made.run(task_vars={})["ansible_job_id"] == "j1.2"
    assert given["wrap_async"] is True
    assert made.removed == []  # type: ignore[attr-defined]


def test_one_that_answers_something_else_than_that_it_was_started() -> None:
    made = action(Twofactor, lambda **dummy: {"changed": True}, async_val=60, poll=0)

    assert made.run(task_vars={})["reasons"][0]["code"] == "answer_unexpected"


class Lacking:
    """A host that lacks packages until they are installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: Any) -> None:
        self.names = list(names)
        self.given: list[str] = []
        monkeypatch.setattr(_install, "install", self.install)

    def install(self, dummy: object, names: list[str], task_vars: object) -> None:
        self.given.append(f"install {' '.join(names)}")
        self.names = []

    def answer(self, module_args: dict[str, Any], **dummy: object) -> dict[str, Any]:
        self.given.append(module_args["packages"])
        return {"changed": False, **({"missing_packages": self.names} if self.names else {})}


def test_packages_are_installed_and_the_rest_is_done_then(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Lacking(monkeypatch, "chrony")
    result = action(Ntp, host.answer, packages="install").run(task_vars={})

    assert host.given == ["report", "install chrony", "require"]
    assert result == {"changed": True, "installed_packages": ["chrony"]}


def test_nothing_missing_costs_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Lacking(monkeypatch)

    assert action(Ntp, host.answer, packages="install").run(task_vars={}) == {"changed": False}
    assert host.given == ["report"]


def test_a_package_of_the_hosts_own_choice_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Lacking(monkeypatch, "chrony", "netcat")
    result = action(Ntp, host.answer, packages="install").run(task_vars={})

    assert result["reasons"][0]["code"] == "package_unknown"
    assert host.given == ["report"]


def test_nothing_is_installed_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Lacking(monkeypatch, "chrony")
    result = action(Ntp, host.answer, async_val=60, poll=0, packages="install").run(task_vars={})

    assert result["reasons"][0]["code"] == "install_async"
    assert host.given == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_host_prints_does_not_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    printed = {"stdout": "", "stderr": "", "rc": 0, stream: "junk \x1b[2J {}"}
    monkeypatch.setattr(ActionBase, "_low_level_execute_command", lambda *dummy, **more: printed)
    made = action(Twofactor, lambda **dummy: {})

    assert made._low_level_execute_command("true")[stream] == "junk \ufffd[2J {}"


def test_a_host_that_prints_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = {"stdout": "x" * (1 << 24), "stderr": "x", "rc": 0}
    monkeypatch.setattr(ActionBase, "_low_level_execute_command", lambda *dummy, **more: printed)
    made = action(Twofactor, lambda **dummy: {})
    made._execute_module = made._low_level_execute_command  # type: ignore[method-assign]

    assert made.run(task_vars={})["reasons"][0]["code"] == "answer_unexpected"
