# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call can fail with, in the words of the middleware's errors."""

from __future__ import annotations

import errno as numbers

_OWN_NUMBERS = {
    201: "ENOMETHOD",
    202: "ESERVICESTARTFAILURE",
    207: "ENOTAUTHENTICATED",
}
ENOMETHOD = 201
ESERVICESTARTFAILURE = 202
ENOTAUTHENTICATED = 207

# Python names an exception by the module of its class; tracebacks show the names of the real ones.
_MODULE = "middlewared.service_exception"


def name_of(number: int) -> str:
    """Return the name of an error number."""
    return _OWN_NUMBERS.get(number) or numbers.errorcode.get(number, "EUNKNOWN")


class CallError(Exception):
    """A method refuses or fails."""

    __module__ = _MODULE

    def __init__(self, message: str, number: int = numbers.EFAULT) -> None:
        super().__init__(message)
        self.message = message
        self.number = number

    def __str__(self) -> str:
        return f"[{name_of(self.number)}] {self.message}"


class MatchNotFound(Exception):
    """A query with the option ``get`` found nothing."""

    __module__ = _MODULE

    def __str__(self) -> str:
        return "MatchNotFound()"


class ValidationErrors(Exception):
    """What is wrong with the arguments, all of it at once."""

    __module__ = _MODULE

    def __init__(self, attribute: str | None = None, message: str = "", number: int = numbers.EINVAL) -> None:
        super().__init__()
        self.errors: list[tuple[str, str, int]] = []
        if attribute is not None:
            self.add(attribute, message, number)

    def add(self, attribute: str, message: str, number: int = numbers.EINVAL) -> None:
        """Note one more error."""
        self.errors.append((attribute, message, number))

    def check(self) -> None:
        """Raise if there is an error."""
        if self.errors:
            raise self

    @property
    def extra(self) -> list[list[object]]:
        """Return the errors as they go over the wire."""
        return [list(error) for error in self.errors]

    def __str__(self) -> str:
        return "\n".join(f"[{name_of(number)}] {where}: {what}" for where, what, number in self.errors)


class InstanceNotFound(ValidationErrors):
    """There is no record with that id."""

    __module__ = _MODULE

    def __init__(self, what: str) -> None:
        super().__init__("None", f"{what} does not exist", numbers.ENOENT)


def not_authorized() -> CallError:
    """Return the refusal for somebody who may not do this."""
    return CallError("Not authorized", numbers.EACCES)
