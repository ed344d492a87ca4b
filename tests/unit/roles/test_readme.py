"""A role's README, its argument specification and its defaults say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir())
SECRETS = ("secret", "backup_secret", "recovery_secret", "previous_secret", "previous_backup_secret")


def options_of(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())
    options: dict[str, Any] = specs["argument_specs"]["main"]["options"]
    return options


def defaults_of(role: str) -> dict[str, Any]:
    return yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text()) or {}


def table_of(role: str, first_column: str) -> dict[str, list[str]]:
    """Return the rows of the README's table that starts with ``first_column``, by their name."""
    readme = (ROLES / role / "README.md").read_text()
    table = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", readme, re.MULTILINE)
    assert table, f"README of {role} has no table of {first_column}"
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]
    return {row[0].strip("| `"): row[1:] for row in rows}


def type_of(option: dict[str, Any]) -> str:
    return f"list of {option['elements']}" if option["type"] == "list" else option["type"]


def words_of(description: str | list[str]) -> str:
    """Return a description as the README has it: its markup for values and options is `code` there."""
    text = description if isinstance(description, str) else " ".join(description)
    text = re.sub(r"O\(([^=)]*)=([^)]*)\)", r"`\1` is `\2`", text)
    return re.sub(r"[VOCM]\(([^)]*)\)", r"`\1`", text)


@pytest.mark.parametrize("role", NAMES)
def test_table_has_every_variable_in_order(role: str) -> None:
    assert list(table_of(role, "Variable")) == list(options_of(role))


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in NAMES for name in options_of(role)])
def test_row_says_what_the_specification_says(role: str, name: str) -> None:
    option = options_of(role)[name]
    kind, default, meaning = table_of(role, "Variable")[name]

    assert kind == type_of(option)
    assert default.strip("`") == (
        "" if "default" not in option else yaml.safe_dump(option["default"]).split("\n")[0]
    )
    for choice in option.get("choices", []):
        assert f"`{choice}`" in meaning
    first_sentence = words_of(option["description"]).split(". ")[0].rstrip(".")
    assert first_sentence[1:] in meaning


@pytest.mark.parametrize("role", NAMES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    said = {name: option["default"] for name, option in options_of(role).items() if "default" in option}

    assert defaults_of(role) == said


@pytest.mark.parametrize("role", NAMES)
def test_only_the_roles_own_variables(role: str) -> None:
    assert all(name.startswith(f"{role}_") for name in options_of(role))


def test_users_have_their_own_table() -> None:
    options = options_of("twofactor")["twofactor_users"]["options"]
    rows = table_of("twofactor", "Key")

    assert list(rows) == list(options)
    for name, option in options.items():
        kind, required, meaning = rows[name]
        assert (kind, required == "yes") == (option["type"], option.get("required", False))
        assert words_of(option["description"]) == meaning


def test_secrets_are_not_logged() -> None:
    options = options_of("twofactor")["twofactor_users"]["options"]

    assert all(options[name]["no_log"] for name in SECRETS)
