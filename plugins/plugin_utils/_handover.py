# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' entries from one store into another: to hand them over, and to bring them back from a copy.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._enrolment import Who


def part_of(book: Book, users: tuple[str, ...], path: str) -> Book:
    """Return the entries of some users, of all when none is named. Raises TwofactorError when one has none."""
    part = {who: entry for who, entry in book.entries.items() if not users or who[1] in users}
    missing = sorted(set(users) - {user for dummy, user in part})
    if missing:
        raise TwofactorError(
            "not_in_store", f"There is no '{missing[0]}' in {path}.", "Check the name and the file."
        )
    return Book(part)


def take_in(book: Book, part: Book) -> list[Who]:
    """Add the entries of ``part`` to ``book`` and return which were new.

    Raises Refused when one is there with other secrets; nothing has changed then.
    """
    there = {who: replace(entry, printed=True) for who, entry in book.entries.items()}
    coming = {who: replace(entry, printed=True) for who, entry in part.entries.items()}
    others = [who for who, entry in coming.items() if who in there and there[who] != entry]
    if others:
        raise Refused(
            [
                TwofactorError(
                    "already_in_store",
                    f"'{user}'{f' of host {host}' if host != FLEET else ''} is in the store with other secrets.",
                    "Take the user out first with state: absent, or leave the name out.",
                )
                for host, user in others
            ]
        )
    new = {who: entry for who, entry in coming.items() if who not in there}
    book.entries.update(new)
    return list(new)
