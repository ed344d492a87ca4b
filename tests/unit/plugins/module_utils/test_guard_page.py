"""docs/guard.md names every code that a Linux host can answer with, and nothing that is no code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _errors

UTILS = Path(_errors.__file__).parent
ROOT = UTILS.parents[1].resolve()
PAGE = ROOT / "docs" / "guard.md"
SOURCES = sorted([*UTILS.glob("*.py"), *(UTILS / "_linux").glob("*.py")])
_ROW = re.compile(r"^\| `(?P<code>[a-z_0-9]+)` \| (?P<meaning>.+) \| (?P<remedy>.+) \| (?P<test>.+) \|$")


def _constants(node: ast.expr | None) -> Iterator[str]:
    """Return what an expression can be, both sides of a condition included."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def codes_of(source: str) -> set[str]:
    """Return the codes of errors and problems in a module's source."""
    tree, found = ast.parse(source), set()
    assigned: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, set()).update(_constants(node.value))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            values = node.value.elts if isinstance(node.value, ast.Tuple) else []
            for target, value in zip(node.targets[0].elts, values):
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, set()).update(_constants(value))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("TwofactorError", "UnsafeFile", "_problem") and node.args:
            first = node.args[0]
            found |= set(_constants(first))
            if isinstance(first, ast.Name):
                found |= assigned.get(first.id, set())
    return found


def rows() -> dict[str, re.Match[str]]:
    found = [_ROW.match(line) for line in PAGE.read_text(encoding="utf-8").split("\n")]
    return {match["code"]: match for match in found if match}


def test_every_code_is_on_the_page_and_every_code_on_the_page_is_real() -> None:
    real = set().union(*(codes_of(path.read_text(encoding="utf-8")) for path in SOURCES))
    assert sorted(real - set(rows())) == []
    assert sorted(set(rows()) - real) == []


def test_no_code_stands_twice() -> None:
    names = re.findall(r"^\| `([a-z_0-9]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("code", sorted(rows()))
def test_each_code_has_a_test(code: str) -> None:
    """The test is there, and speaks of the code, in its own lines or in those of its parameters."""
    named = re.findall(r"`(tests/[a-z_/0-9]+\.py)::(test_\w+)`", rows()[code]["test"])
    assert named, "no test is named"
    for file, test in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        (function,) = [node for node in functions if node.name == test]
        whole = [*function.decorator_list, function]
        assert any(f'"{code}"' in (ast.get_source_segment(text, part) or "") for part in whole)


def test_codes_are_found_in_sources() -> None:
    source = """
def f(x):
    code, message = ("a", "m") if x else ("b", "n")
    kind, message = "c", "m"
    raise TwofactorError(kind, message)
    _problem("d" if x else "e", "m", "r")
    TwofactorError("f", "m")
"""
    assert codes_of(source) == {"c", "d", "e", "f"}
