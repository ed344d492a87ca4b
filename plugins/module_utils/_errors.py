# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that a user reads. Private to this collection: may change at any time."""

from __future__ import annotations


class TwofactorError(Exception):
    """Something refused or failed: what, why and what to do, never a secret.

    ``code`` is a stable word for programs (for example ``unknown_user``); ``remedy`` is what the
    administrator can do about it.
    """

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Refused(TwofactorError):
    """Several reasons at once why a change is not made; the host is as it was."""

    def __init__(self, reasons: list[TwofactorError]) -> None:
        self.reasons = reasons
        text = " ".join(f"({n}) {reason}" for n, reason in enumerate(reasons, 1))
        message = str(reasons[0]) if len(reasons) == 1 else text
        super().__init__(reasons[0].code if len(reasons) == 1 else "refused", message)
