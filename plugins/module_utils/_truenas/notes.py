# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection has to remember on a NAS, since the middleware cannot: renewal words and the like.

Private to this collection: may change at any time. The file lies beside the middleware's own database, is carried over
by every update as that is, and goes back with it when an older boot environment is started. It holds no secret.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files, lock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.wire import ApiError

PATH = "/data/fleetauth-twofactor.json"
LOCK = "/run/fleetauth-twofactor.lock"
_LOCK_PATIENCE = 20.0


@dataclass(frozen=True)
class Notes:
    """What is remembered."""

    words: tuple[tuple[str, str], ...] = ()
    """The word under which each user was last renewed."""
    unshown: tuple[str, ...] = ()
    """Users whose secret was being made when a run broke off, so that nobody has seen it."""
    ntp: tuple[str, ...] = ()
    """Time servers that this collection has added."""
    unfinished: tuple[str, ...] = ()
    """Services that were being changed when a run broke off."""

    def while_changing(self, *services: str) -> Notes:
        """Return what to note before a change of these services."""
        return replace(self, unfinished=tuple(sorted({*self.unfinished, *services})))


def read() -> Notes:
    """Return what was noted on this host."""
    return parse(read_text(PATH))


def write(notes: Notes) -> None:
    """Note something down. Raises TwofactorError when the disk does not take it."""
    try:
        files.replace(PATH, render(notes), 0o600)
    except OSError as error:
        raise TwofactorError(
            "notes_unwritable",
            f"{PATH} cannot be written ({error.strerror}), so renewals could not be remembered.",
            "Make room on the boot pool, then run again.",
        ) from None


@contextlib.contextmanager
def in_mind(meanwhile: Notes, before: Notes) -> Iterator[None]:
    """Note ``meanwhile`` for as long as something is being changed, and for good when that breaks off.

    A refusal that comes before anything has been done leaves what was noted ``before``.
    """
    write(meanwhile)
    try:
        yield
    except ApiError as error:
        if error.about_arguments:
            write(before)
        raise


def parse(text: str | None) -> Notes:
    """Return the notes in a file's text. Raises TwofactorError when it was damaged."""
    if text is None:
        return Notes()
    try:
        data = json.loads(text)
        users = data["users"]
        words = {name: entry["renewal"] for name, entry in users.items() if "renewal" in entry}
        unshown = [name for name, entry in users.items() if entry.get("unshown")]
        ntp, unfinished = data["ntp"], data["unfinished"]
        if not all(isinstance(word, str) for word in [*words.values(), *ntp, *unfinished]):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TwofactorError(
            "notes_broken",
            f"{PATH} is damaged, so it is not known who was renewed under which word.",
            f"Remove {PATH}; users are then renewed once more under the word given.",
        ) from None
    return Notes(tuple(sorted(words.items())), tuple(sorted(unshown)), tuple(ntp), tuple(unfinished))


def render(notes: Notes) -> str:
    """Return the file's text."""
    users: dict[str, dict[str, object]] = {name: {"renewal": word} for name, word in notes.words}
    for name in notes.unshown:
        users.setdefault(name, {})["unshown"] = True
    data = {"version": 1, "users": users, "ntp": list(notes.ntp), "unfinished": list(notes.unfinished)}
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def one_at_a_time() -> contextlib.AbstractContextManager[None]:
    """Keep a second change of the same host out while one runs: both would renew."""
    return lock.one_at_a_time(_LOCK_PATIENCE, path=LOCK)
