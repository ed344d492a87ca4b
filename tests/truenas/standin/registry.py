# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which methods there are: every function of ``api`` says its name, its releases and its nature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .errors import ENOMETHOD, CallError, ValidationErrors
from .releases import Release, SchemaStyle, series
from .schema import words

F = TypeVar("F", bound=Callable[..., Any])

# Who may call it: anybody, any user who has logged in, or an administrator.
Access = Literal["anybody", "user", "admin"]


@dataclass(frozen=True)
class Method:
    """One method as some releases have it. ``since`` belongs to them, ``until`` does not."""

    name: str
    function: Callable[..., Any]
    since: tuple[int, int]
    until: tuple[int, int]
    private_since: tuple[int, int]
    changes: bool
    job: bool
    access: Access
    secret_arguments: tuple[int, ...]
    hidden: bool

    def is_in(self, release: Release) -> bool:
        """Tell whether a release has it."""
        return self.since <= release.series < self.until

    def is_private(self, release: Release) -> bool:
        """Tell whether a release does not offer it to the public."""
        return release.series >= self.private_since

    def check_count(self, style: SchemaStyle, arguments: list[Any]) -> None:
        """Refuse too many arguments, and too few."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        if len(arguments) > len(parameters):
            raise CallError(f"Too many arguments (expected {len(parameters)}, found {len(arguments)})")
        errors = ValidationErrors()
        for parameter in parameters[len(arguments) :]:
            if parameter.default is inspect.Parameter.empty:
                errors.add(parameter.name, words(style, "required"))
        errors.check()


METHODS: dict[str, list[Method]] = {}

_FIRST, _NEVER = "0.0", "99.0"


def method(
    name: str,
    *,
    since: str = _FIRST,
    until: str = _NEVER,
    private_since: str = _NEVER,
    changes: bool = False,
    job: bool = False,
    access: Access = "admin",
    secret_arguments: tuple[int, ...] = (),
    hidden: bool = False,
) -> Callable[[F], F]:
    """Make a function a method of the middleware. Its parameters' names are those in its errors."""

    def register(function: F) -> F:
        entry = Method(
            name,
            function,
            series(since),
            series(until),
            series(private_since),
            changes,
            job,
            access,
            secret_arguments,
            hidden,
        )
        METHODS.setdefault(name, []).append(entry)
        return function

    return register


def find(release: Release, name: str) -> Method:
    """Return a release's method, or raise what the release says when it has none."""
    for entry in METHODS.get(name, []):
        if entry.is_in(release):
            return entry
    if release.json_rpc:
        raise CallError("Method does not exist", ENOMETHOD)
    service, _, short = name.rpartition(".")
    if any(known.startswith(f"{service}.") for known in METHODS):
        raise CallError(f"Method {short!r} not found in {service!r}", ENOMETHOD)
    raise CallError(f"Service {service!r} not found", ENOMETHOD)


def of_release(release: Release) -> list[Method]:
    """Return the public methods of a release by name."""
    found = [entry for entries in METHODS.values() for entry in entries if entry.is_in(release)]
    public = [entry for entry in found if not entry.is_private(release) and not entry.hidden]
    return sorted(public, key=lambda entry: entry.name)
