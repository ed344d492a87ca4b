# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks arguments against a description of them, and words the errors as a release does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import ValidationErrors
from .releases import SchemaStyle

Kind = Literal["bool", "int", "str", "list", "dict"]


@dataclass(frozen=True)
class Field:
    """One value: its kind and range, or for a dict what is in it."""

    kind: Kind
    required: bool = False
    null: bool = False
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[Any, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)
    free: bool = False


BOOL = Field("bool")
STR = Field("str")
LIST = Field("list")

_TYPES: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": int,
    "str": str,
    "list": list,
    "dict": dict,
}

_WORDS: dict[str, dict[str, str]] = {
    "schema1": {
        "minimum": "Should be greater or equal than {}",
        "maximum": "Should be less or equal than {}",
        "between": "Should be between {}",
        "extra": "Field was not expected",
        "required": "attribute required",
        "choice": "Invalid choice: {}",
        "null": "null not allowed",
        "bool": "Not a boolean",
        "int": "Not an integer",
        "str": "Not a string",
        "list": "Not a list",
        "dict": "A dict was expected",
    },
    "models": {
        "minimum": "Input should be greater than or equal to {}",
        "maximum": "Input should be less than or equal to {}",
        "extra": "Extra inputs are not permitted",
        "required": "Field required",
        "choice": "Input should be {}",
        "bool": "Input should be a valid boolean",
        "int": "Input should be a valid integer",
        "str": "Input should be a valid string",
        "list": "Input should be a valid list",
        "dict": "Input should be a valid dictionary",
    },
}
_WORDS["schema2"] = {
    **_WORDS["schema1"],
    "minimum": "Should be greater than or equal to {}",
    "maximum": "Should be less than or equal to {}",
}


def words(style: SchemaStyle, what: str, value: object = "") -> str:
    """Return the text of one kind of error."""
    return _WORDS[style][what].format(value)


def check(style: SchemaStyle, name: str, description: Field, value: Any) -> None:
    """Raise ValidationErrors with everything that is wrong with an argument."""
    errors = ValidationErrors()
    _check(errors, style, name, description, value)
    errors.check()


def _check(errors: ValidationErrors, style: SchemaStyle, where: str, wanted: Field, value: Any) -> None:
    if value is None:
        if not wanted.null:
            kind = "null" if style != "models" else wanted.kind
            errors.add(where, words(style, kind))
        return
    if not _has_kind(wanted.kind, value):
        errors.add(where, words(style, wanted.kind))
        return
    if wanted.choices and value not in wanted.choices:
        errors.add(where, words(style, "choice", _choices(style, wanted, value)))
    _check_range(errors, style, where, wanted, value)
    if wanted.kind == "dict" and not wanted.free:
        _check_fields(errors, style, where, wanted, value)


def _check_range(errors: ValidationErrors, style: SchemaStyle, where: str, wanted: Field, value: Any) -> None:
    low, high = wanted.minimum, wanted.maximum
    too_low = low is not None and value < low
    too_high = high is not None and value > high
    if not (too_low or too_high):
        return
    if low is not None and high is not None and style != "models":
        errors.add(where, words(style, "between", f"{low} and {high}"))
    else:
        errors.add(where, words(style, "minimum", low) if too_low else words(style, "maximum", high))


def _has_kind(kind: Kind, value: Any) -> bool:
    # For Python a bool is an int; for the middleware it is not.
    return isinstance(value, _TYPES[kind]) and (kind != "int" or not isinstance(value, bool))


def _choices(style: SchemaStyle, wanted: Field, value: Any) -> str:
    if style != "models":
        return str(value)
    shown = [repr(choice) for choice in wanted.choices]
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _check_fields(
    errors: ValidationErrors, style: SchemaStyle, where: str, wanted: Field, value: dict[str, Any]
) -> None:
    for name, description in wanted.fields.items():
        if name in value:
            _check(errors, style, f"{where}.{name}", description, value[name])
        elif description.required:
            errors.add(f"{where}.{name}", words(style, "required"))
    for name in value:
        if name not in wanted.fields:
            errors.add(f"{where}.{name}", words(style, "extra"))
