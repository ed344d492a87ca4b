# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller takes from a host's answer: what the module's RETURN documents, of the types given there.

Pure code but for reading that documentation. Private to this collection: may change at any time. Ansible gives some
keys of a result a meaning (``ansible_facts`` outranks the inventory, ``add_host`` adds a host), and a host can answer
with any of them. So a key that is not documented is an error, whatever it is called.
"""
# pylint: disable=unidiomatic-typecheck  # JSON makes no subclasses, and a bool is no int

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable

Description = dict[str, dict[str, Any]]
"""Keys as RETURN describes them: ``type``, ``elements``, ``contains``, and ``returned`` for those that may be missing.

A dict without ``contains`` has any keys.
"""

MOST_TEXT = 1 << 24
"""Characters of an answer. A host with 10,000 users reports 3 million."""
_MOST_ENTRIES = 10_000
"""Entries of one list or mapping."""
_MOST_LETTERS = 1 << 20
"""Characters of one string: a file in a diff."""
_MOST_LETTERS_OF_KEY = 4096
"""Characters of a key: a path in a diff."""
_DEEPEST = 10
_LARGEST = 1 << 53
"""Numbers up to here are exact everywhere."""
_SHOWN = 60
"""Characters of a key that an error shows."""
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
_ALWAYS: Description = {
    "changed": {"type": "bool"},
    "failed": {"type": "bool"},
    "msg": {"type": "str"},
    "diff": {"type": "dict", "contains": {"before": {"type": "dict"}, "after": {"type": "dict"}}},
}
"""What every module returns, so that no RETURN documents it."""
_UNPARSED: Description = {
    "module_stdout": {"type": "str"},
    "module_stderr": {"type": "str"},
    "rc": {"type": "int"},
}
"""What Ansible puts into the result of a module whose output is no JSON."""
STARTED: Description = {
    "ansible_job_id": {"type": "str"},
    "results_file": {"type": "str"},
    "started": {"type": "bool"},
    "finished": {"type": "bool"},
}
"""What Ansible's wrapper on the host says when it has started a module in the background."""
_FLAGS = ("started", "finished")
_JOB_ID = re.compile(r"[A-Za-z0-9.]{1,60}")
OUTPUT = ("module_stdout", "module_stderr")
"""What a module printed that is no JSON: whatever it was about to return may be in it."""
_DROPPED = ("invocation", "deprecations", "exception", "warnings", "ansible_facts", "ansible_parsed")
"""Keys with a meaning for Ansible that are not taken over as they are; see ``_from_ansible``. 2.22 added the last."""
_INTERPRETER = "discovered_interpreter_python"
_LINES = ("diff", *OUTPUT)
"""Keys whose text may have several lines; a line break anywhere else could fake a line of Ansible's output."""
_RETURN = re.compile(r'^RETURN = r"""\n(.*?)^"""$', re.MULTILINE | re.DOTALL)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Unfit(Exception):
    """Something in an answer is not as documented. Its text is the place."""


def documented(module: str, *made_here: str) -> Description:
    """Return what a module of this collection documents that a host returns.

    ``made_here`` are the keys that the controller adds, nested ones with dots; a host has none of them.
    """
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "modules", f"{module}.py")
    with open(path, encoding="utf-8") as stream:
        found = _RETURN.search(stream.read())
    if found is None:
        raise RuntimeError(f"{path} has no RETURN.")
    description: Description = yaml.load(found[1], Loader=_Loader)  # noqa: S506 - a safe loader, in C where there is one
    for path in made_here:
        *outer, last = path.split(".")
        keys = description
        for key in outer:
            keys = keys[key]["contains"]
        del keys[last]
    return description


def accepted(answer: object, description: Description) -> dict[str, Any]:
    """Return what the controller takes from ``answer``, in plain values that can be printed.

    Raises TwofactorError for an answer that is not as documented. It names the place and never shows the value.
    """
    try:
        return _accepted(answer, description)
    except _Unfit as place:
        raise unexpected(str(place)) from None


def unexpected(place: str) -> TwofactorError:
    """Return the error for an answer that is not as documented."""
    return TwofactorError(
        "answer_unexpected",
        f"The host's answer is not what the module returns, at '{place}'.",
        "Nothing of the answer was used. Check what runs as Python on the host, and who has changed it.",
    )


def _accepted(answer: object, description: Description) -> dict[str, Any]:
    if type(answer) is not dict:
        raise _Unfit("an answer that is no mapping")
    known = {**_ALWAYS, **(_UNPARSED if answer.get("failed") is True else {}), **description}
    result = {}
    for key, value in answer.items():
        if type(key) is not str:
            raise _Unfit("a key that is no text")
        if key in _DROPPED or key.startswith("_ansible_"):
            continue
        if key not in known:
            raise _Unfit(_shown(key))
        if value is None and key in _ALWAYS:
            raise _Unfit(key)
        result[key] = _value(value, known[key], key, 1, key in _LINES)
    return {**result, **_from_ansible(answer)}


def _from_ansible(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what of Ansible's own keys is kept: warnings as text, a traceback, and the Python that Ansible found.

    Ansible itself takes a host's word for ``discovered_interpreter_python`` out of the answer and then puts its own in.
    """
    kept: dict[str, Any] = {}
    warnings = _warnings(answer.get("warnings"))
    if warnings:
        kept["warnings"] = warnings
    traceback = _traceback(answer.get("exception"))
    if traceback and answer.get("failed") is True:
        kept["exception"] = traceback
    facts = answer.get("ansible_facts")
    if facts:
        kept["ansible_facts"] = _interpreter(facts)
    return kept


def _warnings(warnings: object) -> list[str]:
    if not warnings:
        return []
    if type(warnings) is not list or len(warnings) > _MOST_ENTRIES:
        raise _Unfit("warnings")
    # Ansible has made objects of them that hold the text.
    texts = [getattr(getattr(one, "event", None), "msg", one) for one in warnings]
    return [_text(text, "warnings", False) for text in texts]


def _traceback(exception: object) -> str:
    """Return the traceback that Ansible was told to keep, empty for none, indented so that it fakes no other output."""
    text = getattr(getattr(exception, "event", None), "formatted_traceback", None)
    if type(text) is not str:
        return ""
    return "\n".join(f"  {line}" for line in _printable.lines(text[:_MOST_LETTERS]).split("\n"))


def _interpreter(facts: object) -> dict[str, str]:
    if type(facts) is not dict:
        raise _Unfit("ansible_facts")
    others = [key for key in facts if key != _INTERPRETER]
    if others:
        raise _Unfit(f"ansible_facts.{_shown(others[0])}")
    return {_INTERPRETER: _text(facts[_INTERPRETER], f"ansible_facts.{_INTERPRETER}", False)}


def without_output(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what the module printed."""
    return {key: value for key, value in result.items() if key not in OUTPUT}


def started(answer: object) -> dict[str, Any]:
    """Return what the controller takes from the answer of a host that was to start a module in the background."""
    if type(answer) is dict:
        # One core has 1 where the other has true.
        answer = {**answer, **{key: answer[key] == 1 for key in _FLAGS if answer.get(key) in (0, 1)}}
    result = accepted(answer, STARTED)
    if not _JOB_ID.fullmatch(result.get("ansible_job_id") or ""):
        raise unexpected("ansible_job_id")
    return result


def _value(value: object, known: dict[str, Any], place: str, depth: int, lines: bool) -> Any:
    """Return a value of the type that is documented. None, for what is not known, is none of a list."""
    kind = known.get("type", "")
    is_nullable = kind != "list" and (kind != "dict" or depth > 1)
    if value is None and is_nullable:
        return None
    if type(value) not in _TYPES[kind]:
        raise _Unfit(place)
    if type(value) is dict:
        return _mapping(value, known.get("contains"), place, depth, lines)
    if type(value) is list:
        return _list(value, known, place, depth, lines)
    if type(value) is str:
        return _text(value, place, lines)
    return _number(value, place)


def _mapping(
    value: dict[Any, Any], contains: Description | None, place: str, depth: int, lines: bool
) -> dict[str, Any]:
    if depth >= _DEEPEST or len(value) > _MOST_ENTRIES:
        raise _Unfit(place)
    result = {}
    for key, one in value.items():
        if type(key) is not str or len(key) > _MOST_LETTERS_OF_KEY:
            raise _Unfit(place)
        if contains is None:
            result[_printable.one_line(key)] = _any(one, place, depth + 1, lines)
            continue
        inner = f"{place}.{_shown(key)}"
        if key not in contains:
            raise _Unfit(inner)
        result[key] = _value(one, contains[key], inner, depth + 1, lines)
    missing = [
        key for key, known in (contains or {}).items() if "returned" not in known and key not in result
    ]
    if missing:
        raise _Unfit(f"{place}.{missing[0]}")
    return result


def _list(value: list[Any], known: dict[str, Any], place: str, depth: int, lines: bool) -> list[Any]:
    if depth >= _DEEPEST or len(value) > _MOST_ENTRIES:
        raise _Unfit(place)
    element = {"type": known.get("elements", ""), "contains": known.get("contains")}
    return [_value(one, element, place, depth + 1, lines) for one in value]


def _any(value: object, place: str, depth: int, lines: bool) -> Any:
    """Return a value of a mapping that is documented as a whole: whatever JSON can say, within bounds."""
    if type(value) is list:
        if depth >= _DEEPEST or len(value) > _MOST_ENTRIES:
            raise _Unfit(place)
        return [_any(one, place, depth + 1, lines) for one in value]
    kind = next((name for name, types in _TYPES.items() if type(value) in types), "")
    if value is not None and not kind:
        raise _Unfit(place)
    return _value(value, {"type": kind}, place, depth, lines)


def _text(value: object, place: str, lines: bool) -> str:
    if type(value) is not str or len(value) > _MOST_LETTERS:
        raise _Unfit(place)
    return _printable.lines(value) if lines else _printable.one_line(value)


def _number(value: Any, place: str) -> Any:
    if not abs(value) <= _LARGEST:  # nor what is no number
        raise _Unfit(place)
    return value


def _shown(key: object) -> str:
    """Return as much of a key as an error may show."""
    return _printable.one_line(str(key)[:_SHOWN])
