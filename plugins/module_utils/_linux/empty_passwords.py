# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts with an empty password: where a password is asked for before the code, their code alone is enough.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

_NAMED = 5


def find(shadow: str) -> list[TwofactorError]:
    """Return a problem when accounts in the text of shadow(5) have an empty password."""
    rows = [line.split(":") for line in shadow.split("\n")]
    names = sorted(row[0] for row in rows if len(row) > 1 and not row[1])
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    named = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return [
        TwofactorError(
            "password_empty",
            f"Accounts with an empty password: {named}{more}. Where a password comes first, a code alone is enough.",
            "Give them a password, or lock it with 'passwd -l'.",
        )
    ]
