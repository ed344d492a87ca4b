# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What midclt takes and says: arguments, answers and errors as text and as data.

Pure code. Private to this collection: may change at any time. What midclt prints differs from release to release
and with the type of the answer; errors are told by their attribute, never by their words.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)

_ATTRIBUTE = r"(?P<attribute>(?=[\w-]*[A-Za-z])[\w-]+(?:\.[\w-]+)+)"
"""Such as ``user_update.home``, ``2fa_configuration_options.interval`` or ``query-filters.0``, and no address."""
_PROBLEM = re.compile(rf"\[(?P<name>E[A-Z0-9]+)\] (?:{_ATTRIBUTE}: )?(?P<text>.*)")
_BARE_PROBLEM = re.compile(rf"(?![A-Z]){_ATTRIBUTE}: (?P<text>.*)")
_LOGIN_FAILED = "Failed to login"
_NOT_RUNNING = "Daemon not running?"
_LOST = re.compile(
    r"closure of remote connection|connection (?:was |is already )?closed|connection reset|ECONNABORTED|ECONNRESET"
    r"|ENOTCONN|broken pipe|connection refused|connection handshake|WebSocketConnectionClosed",
    re.IGNORECASE,
)
_TIMED_OUT = re.compile(r"(?:\[ETIMEDOUT\] )?Call timeout")
_NO_METHOD = re.compile(r"\[ENOMETHOD\]|method does not exist|method .{0,80}not found", re.IGNORECASE)
_USAGE_STATUS = 2


@dataclass(frozen=True)
class Problem:
    """One thing that the middleware objects to. ``attribute`` is empty unless an argument is at fault."""

    attribute: str
    text: str


class ApiError(Refused):
    """The middleware has answered, and the answer is no: every reason that it gave."""

    def __init__(self, method: str, problems: list[Problem], *, no_method: bool = False) -> None:
        self.method = method
        self.problems = problems
        self.no_method = no_method
        super().__init__([_reason(method, problem, no_method) for problem in problems])

    @property
    def attributes(self) -> set[str]:
        """The arguments that the middleware objects to; an empty one when it objects to something else."""
        return {problem.attribute for problem in self.problems}

    @property
    def about_arguments(self) -> bool:
        """Tell whether only arguments are at fault; they are looked at before anything is done."""
        return "" not in self.attributes


def _reason(method: str, problem: Problem, no_method: bool) -> TwofactorError:
    what = f"{problem.attribute}: {problem.text}" if problem.attribute else problem.text
    if no_method:
        return TwofactorError("truenas_no_method", f"This TrueNAS has no method {method}: {what}")
    return TwofactorError("truenas_refused", f"TrueNAS refused {method}: {what}")


def command(midclt: str, method: str, arguments: tuple[object, ...]) -> list[str]:
    """Return the command line of a call.

    Every argument is JSON: midclt would take a user called ``123456`` or ``true`` for a number or a truth value.
    """
    return [midclt, "call", method, *(json.dumps(argument) for argument in arguments)]


def connection_trouble(status: int, err: str) -> str:
    """Return ``down`` when no call was made, ``lost`` or ``timeout`` when one may have been, and nothing otherwise."""
    if status == 0:
        return ""
    if _NOT_RUNNING in err:
        return "down"
    if _TIMED_OUT.match(_said(err)[0]):
        return "timeout"
    return "lost" if _LOST.search(err) and not _said(err)[0].startswith("[EINVAL]") else ""


def answer(method: str, status: int, out: str, err: str) -> object:
    """Return what midclt printed as the value that it stands for.

    Raises ApiError for a refusal and TwofactorError for anything else that is no answer. What was printed on
    standard output is never repeated: it may hold a secret.
    """
    if out.startswith(_LOGIN_FAILED):  # with exit status 0
        raise TwofactorError(
            "middleware_login",
            f"midclt could not log in to the middleware for {method}: {out.partition(':')[2].strip()[:200]}",
            "Run with become: true; root needs no login.",
        )
    if status == _USAGE_STATUS and err.lstrip().startswith("usage:"):
        raise TwofactorError(
            "midclt_usage",
            f"midclt did not understand the call of {method}: {err.strip().splitlines()[-1][:200]}",
            "This is a fault of this collection with this release; please report it.",
        )
    if status != 0:
        raise _refusal(method, err)
    return value(out)


def value(out: str) -> object:
    """Return the value of midclt's output: JSON, Python's names for truth, or a string without quotes."""
    text = out.strip("\r\n")
    if text in ("True", "False"):
        return text == "True"
    try:
        return json.loads(text, object_hook=_from_ejson)
    except ValueError:
        return text


def _from_ejson(data: dict[str, Any]) -> object:
    """Return dates as seconds since 1970 and sets as lists."""
    if set(data) == {"$date"} and isinstance(data["$date"], (int, float)):
        return data["$date"] / 1000
    if set(data) == {"$set"} and isinstance(data["$set"], list):
        return data["$set"]
    return data


def _said(err: str) -> list[str]:
    """Return the lines of an error up to the trace or the data that midclt prints after it."""
    lines: list[str] = []
    for line in err.splitlines():
        if line.startswith(("Traceback", "remote_trace", "[[", "[(", "{")):
            break
        if line.strip():
            lines.append(line.strip())
    if lines:
        return lines
    rest = [line.strip() for line in err.splitlines() if line.strip()]
    return rest[-1:] or [""]


def _refusal(method: str, err: str) -> ApiError:
    problems: list[Problem] = []
    for line in _said(err):
        matched = _PROBLEM.fullmatch(line) or _BARE_PROBLEM.fullmatch(line)
        if matched is not None:
            problems.append(Problem(matched["attribute"] or "", matched["text"]))
        elif problems:
            last = problems[-1]
            problems[-1] = Problem(last.attribute, f"{last.text} {line}")
        else:
            problems.append(Problem("", line or "it gave no reason"))
    return ApiError(method, problems, no_method=bool(_NO_METHOD.search(" ".join(_said(err)))))
