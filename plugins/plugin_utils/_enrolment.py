# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of the secrets in the store: who gets a new one, who loses theirs, whose sheet is due.

Pure code but for the system's random source. Private to this collection: may change at any time.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import check_user_name, end_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry

Who = tuple[str, str]
"""Host (FLEET for the whole fleet) and user."""


@dataclass(frozen=True)
class Wish:
    """What is asked for. ``hosts`` is (FLEET,) unless each host has secrets of its own.

    ``renewal`` is the word of a renewal, ``accept_until`` when the secrets before end (read by end_of), empty for at
    once; ``at_most`` limits how many are renewed in this run, 0 for no limit.
    """

    users: tuple[str, ...]
    hosts: tuple[str, ...] = (FLEET,)
    state: str = "present"
    digits: int = 6
    interval: int = 30
    backup: bool = False
    recovery_count: int = 10
    renewal: str = ""
    accept_until: str = ""
    at_most: int = 0


@dataclass
class Done:
    """What has become of whom."""

    added: list[Who] = field(default_factory=list)
    renewed: list[Who] = field(default_factory=list)
    refilled: list[Who] = field(default_factory=list)
    removed: list[Who] = field(default_factory=list)
    left: list[Who] = field(default_factory=list)
    """Who is still to be renewed under this word, in another run."""

    @property
    def changed(self) -> bool:
        """Tell whether the store changes."""
        return bool(self.added or self.renewed or self.refilled or self.removed)


def carry_out(wish: Wish, book: Book, now: datetime.datetime) -> Done:
    """Change ``book`` as wished. Raises Refused with every reason at once; nothing has changed then."""
    _refuse(wish, book, now.timestamp())
    done = Done()
    for who in [(host, user) for host in wish.hosts for user in wish.users]:
        _one(who, wish, book, now.date(), done)
    return done


def _one(who: Who, wish: Wish, book: Book, today: datetime.date, done: Done) -> None:
    entry = book.entries.get(who)
    if wish.state == "absent":
        if entry is not None:
            del book.entries[who]
            done.removed.append(who)
    elif entry is None:
        if wish.state in ("present", "renewed"):
            book.entries[who] = _fresh(wish, today)
            done.added.append(who)
    elif wish.state == "refilled":
        codes = wish.recovery_count
        book.entries[who] = replace(entry, recovery_secret=_secret(), recovery_count=codes, printed=False)
        done.refilled.append(who)
    elif wish.state == "printed":
        book.entries[who] = replace(entry, printed=False)
    elif wish.state == "renewed" and entry.renewal != wish.renewal:
        if wish.at_most and len(done.renewed) >= wish.at_most:
            done.left.append(who)
            return
        # An app shows codes of one length: the old kind could not be accepted beside the new one.
        keep = bool(wish.accept_until) and entry.digits == wish.digits
        fresh = _fresh(replace(wish, backup=wish.backup or bool(entry.backup_secret)), today)
        if keep:
            fresh = replace(
                fresh,
                previous_secret=entry.secret,
                previous_backup_secret=entry.backup_secret,
                previous_until=wish.accept_until,
            )
        book.entries[who] = fresh
        done.renewed.append(who)


def _fresh(wish: Wish, today: datetime.date) -> Entry:
    return Entry(
        secret=_secret(),
        digits=wish.digits,
        interval=wish.interval,
        backup_secret=_secret() if wish.backup else "",
        recovery_secret=_secret() if wish.recovery_count else "",
        recovery_count=wish.recovery_count,
        issued=today.isoformat(),
        renewal=wish.renewal,
        printed=False,
    )


def _secret() -> str:
    return _otp.seed_to_base32(_otp.random_seed())


def _refuse(wish: Wish, book: Book, now: float) -> None:
    reasons: list[TwofactorError] = []
    for user in wish.users:
        try:
            check_user_name(user)
        except TwofactorError as error:
            reasons.append(error)
    if wish.state in ("refilled", "printed"):
        reasons += [
            TwofactorError(
                "not_in_store",
                f"There is no '{user}' in the store.",
                "Enrol the user first, or check the name.",
            )
            for host in wish.hosts
            for user in wish.users
            if (host, user) not in book.entries
        ]
    if wish.state == "present":
        reasons += _other_kinds(wish, book)
    reasons += _overlaps(wish, book, now)
    if _to_renew(wish, book) and wish.accept_until and end_of(wish.accept_until) <= now:
        reasons.append(
            TwofactorError(
                "date_over",
                f"accept_until is {wish.accept_until}, which is over.",
                "Give a day or a moment that comes, or none.",
            )
        )
    if reasons:
        raise Refused(reasons)


def _to_renew(wish: Wish, book: Book) -> dict[Who, Entry]:
    """Return the entries that get a new secret in the place of another."""
    asked = {(host, user) for host in wish.hosts for user in wish.users} if wish.state == "renewed" else ()
    found = {who: book.entries[who] for who in asked if who in book.entries}
    return {who: entry for who, entry in found.items() if entry.renewal != wish.renewal}


def _overlaps(wish: Wish, book: Book, now: float) -> list[TwofactorError]:
    """Return a reason when users would lose the secret before, which was to be accepted for a while yet."""
    entries = _to_renew(wish, book) if wish.accept_until else {}
    running = {who[1]: entry.previous_until for who, entry in entries.items() if entry.has_overlap(now)}
    if not running:
        return []
    return [
        TwofactorError(
            "overlap_running",
            f"The renewal before of {_some(sorted(running))} goes on until {max(running.values())}: whoever has not "
            "scanned that sheet yet would be left without a working code.",
            "Wait until then, or renew without 'accept_until', which ends all secrets before at once.",
        )
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")


def _other_kinds(wish: Wish, book: Book) -> list[TwofactorError]:
    """Return a reason when users have codes of another kind than hosts are to ask for."""
    others = sorted(
        {
            user
            for (host, user), entry in book.entries.items()
            if host in wish.hosts
            and user in wish.users
            and (entry.digits, entry.interval) != (wish.digits, wish.interval)
        }
    )
    if not others:
        return []
    return [
        TwofactorError(
            "other_kind_in_store",
            f"{_some(others)} have codes of another kind in the store than {wish.digits} digits every {wish.interval} "
            "seconds.",
            "Renew them with fleetauth.twofactor.rotate.",
        )
    ]
