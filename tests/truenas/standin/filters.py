# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and options that every query method takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from .errors import MatchNotFound, ValidationErrors

Record = dict[str, Any]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    "~": lambda a, b: re.search(b, a or "") is not None,
    "in": lambda a, b: a in b,
    "nin": lambda a, b: a not in b,
    "rin": lambda a, b: a is not None and b in a,
    "rnin": lambda a, b: a is not None and b not in a,
    "^": lambda a, b: a is not None and a.startswith(b),
    "!^": lambda a, b: a is not None and not a.startswith(b),
    "$": lambda a, b: a is not None and a.endswith(b),
    "!$": lambda a, b: a is not None and not a.endswith(b),
}


def value_at(record: Record, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = record
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _matches(record: Record, filters: Iterable[Any]) -> bool:
    return all(_matches_one(record, entry) for entry in filters)


def _matches_one(record: Record, entry: list[Any]) -> bool:
    if len(entry) == 2 and entry[0] == "OR":
        return any(
            _matches(record, branch) if isinstance(branch[0], list) else _matches_one(record, branch)
            for branch in entry[1]
        )
    path, operator, wanted = entry
    try:
        return _OPERATORS[operator](value_at(record, path), wanted)
    except TypeError:
        return False


def _check(filters: Any) -> None:
    for number, entry in enumerate(filters if isinstance(filters, list) else [None]):
        where = f"query-filters.{number}"
        if not isinstance(entry, list) or len(entry) not in (2, 3):
            raise ValidationErrors(where, f"Invalid filter {entry}")
        if len(entry) == 2 and entry[0] != "OR":
            raise ValidationErrors(where, f"Invalid operation: {entry[0]}")
        if len(entry) == 3 and entry[1] not in _OPERATORS:
            raise ValidationErrors(where, f"Invalid operation: {entry[1]}")


def _selected(record: Record, select: list[Any]) -> Record:
    pairs = [(name, name) if isinstance(name, str) else (name[0], name[1]) for name in select]
    return {shown: value_at(record, path) for path, shown in pairs}


def _sort(records: list[Record], path: str, backwards: bool) -> None:
    records.sort(key=lambda record: value_at(record, path), reverse=backwards)


def query(records: Iterable[Record], filters: Any = None, options: Record | None = None) -> Any:
    """Return what a query method returns: a list, one record, or a number."""
    filters, options = filters or [], options or {}
    _check(filters)
    found = [record for record in records if _matches(record, filters)]
    for name in reversed(options.get("order_by") or []):
        _sort(found, name.lstrip("-"), name.startswith("-"))
    if options.get("count"):
        return len(found)
    offset, limit = options.get("offset") or 0, options.get("limit") or None
    found = found[offset:][:limit]
    if options.get("select"):
        found = [_selected(record, options["select"]) for record in found]
    if options.get("get"):
        if not found:
            raise MatchNotFound
        return found[0]
    return found
