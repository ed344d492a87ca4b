"""What stands in more than one of the collection's own files is the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]


def test_every_module_is_in_the_action_group() -> None:
    modules = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("[!_]*.py")}

    assert modules <= set(_yaml("meta/runtime.yml")["action_groups"]["twofactor"])


def test_changelog_has_the_version() -> None:
    assert str(_yaml("galaxy.yml")["version"]) in _yaml("changelogs/changelog.yaml")["releases"]


def test_oldest_supported_core_is_the_one_tested() -> None:
    oldest = _yaml("meta/runtime.yml")["requires_ansible"].removeprefix(">=").rpartition(".")[0]
    pins = (CHECKOUT / "tests" / "requirements" / "dev.txt").read_text().splitlines()

    assert any(pin.startswith(f"ansible-core=={oldest}.") for pin in pins)


def test_ansible_lint_knows_every_core_that_is_tested() -> None:
    requirements = (CHECKOUT / "tests" / "requirements").glob("*.txt")
    pins = [line for path in requirements for line in path.read_text().splitlines()]
    tested = {
        pin[len("ansible-core==") :].rpartition(".")[0] + "." for pin in pins if "ansible-core==" in pin
    }

    assert tested - {"2.19."} == set(_yaml(".ansible-lint")["supported_ansible_also"])


def test_hosts_need_the_python_that_ruff_checks_for() -> None:
    required = _yaml("tests/config.yml")["modules"]["python_requires"]
    settings = (CHECKOUT / "pyproject.toml").read_text()

    assert f'target-version = "py{required.removeprefix(">=").replace(".", "")}"' in settings


def _yaml(path: str) -> Any:
    return yaml.safe_load((CHECKOUT / path).read_text())
