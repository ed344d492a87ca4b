# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only packages that the collection needs are installed, and nothing that a host answers to it is passed on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _install


class Task(SimpleNamespace):
    """As much of a task as is used."""

    def copy(self) -> Task:
        return Task(**self.__dict__)


class Loader:
    """Ansible's actions, of which one is there."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.task: Any = None

    def get(self, name: str, task: Task, **dummy: object) -> Any:
        assert name == "ansible.builtin.package"
        self.task = task
        return SimpleNamespace(run=lambda task_vars: self.answer)


def install(answer: dict[str, Any], check_mode: bool = False) -> Task:
    loader = Loader(answer)
    action: Any = SimpleNamespace(
        _task=Task(args={"packages": "install"}, check_mode=check_mode),
        _shared_loader_obj=SimpleNamespace(action_loader=loader),
        **dict.fromkeys(["_connection", "_play_context", "_loader", "_templar"]),
    )
    _install.install(action, ["chrony"], {})
    assert action._task.args == {"packages": "install"}
    task: Task = loader.task
    return task


@pytest.mark.parametrize("names", [["chrony"], ["libpam-oath", "openssh-server"], ["pam_oath"], []])
def test_names_that_are_needed(names: list[str]) -> None:
    assert _install.known(names) == names


@pytest.mark.parametrize(
    "name", ["netcat", "chrony=1.0", "/tmp/x.deb", "https://example.com/x.rpm", "*", "", None]
)
def test_names_that_are_not(name: object) -> None:
    with pytest.raises(TwofactorError) as caught:
        _install.known(["chrony", name])
    assert caught.value.code == "package_unknown"


def test_the_package_is_installed() -> None:
    answer = {"changed": True, "ansible_facts": {"twofactor_people": ["carol"]}}

    assert install(answer).args == {"name": ["chrony"], "state": "present", "update_cache": True}


@pytest.mark.parametrize(
    "answer", [{"failed": True, "msg": "no\nsource\x1b"}, {"rc": 100, "msg": "no\nsource\x1b"}]
)
def test_a_failure_says_why(answer: dict[str, Any]) -> None:
    with pytest.raises(TwofactorError) as caught:
        install(answer)
    assert caught.value.code == "packages_not_installed"
    assert caught.value.message == "chrony could not be installed: no source\ufffd"


def test_a_dry_run_goes_on() -> None:
    assert install({"failed": True, "msg": "apt has no Python bindings"}, check_mode=True).check_mode
