# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite is about, as typed data: states, kinds of users, doors, sets of factors, drifts. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RIGHT = "right"
WRONG = "wrong"
SWAPPED = "swapped"
"""At the prompt for a code the password, at the prompt for a password the code."""
NOTHING = ""


@dataclass(frozen=True)
class Factors:
    """What is shown at a door: a key or none, and an answer to each kind of prompt."""

    name: str
    key: bool = False
    password: str = NOTHING
    code: str = NOTHING

    @property
    def shows_code(self) -> bool:
        """Tell whether a valid code is shown, at whichever prompt; each is good once."""
        return self.code == RIGHT or self.password == SWAPPED

    @property
    def first(self) -> frozenset[str]:
        """Return which first factors are shown: key, password, both or none."""
        shown = {"key": self.key, "password": self.password == RIGHT}
        return frozenset(name for name, is_shown in shown.items() if is_shown)


@dataclass(frozen=True)
class Kind:
    """A kind of user. ``mark`` begins the names of its accounts."""

    name: str
    mark: str
    enrolled: bool = False


@dataclass(frozen=True)
class Door:
    """A way to log in. ``driver`` is the function of on_host.py that tries it.

    ``command`` is what a terminal runs, as the account itself, or as the user ``run_as``; ``{user}`` is the account.
    ``named_by`` is a regular expression: a problem that it is found in is about this door. At a ``required`` door
    users with both factors have to get in; any other need not even be there. ``tries`` are the sets of factors that
    are tried, all when empty.
    """

    name: str
    driver: str
    named_by: str
    port: int = 0
    command: tuple[str, ...] = ()
    run_as: str = "{user}"
    success: str = "in as {user}"
    takes_key: bool = False
    is_ssh: bool = False
    required: bool = True
    tries: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What is declared for a host before something drifts."""

    name: str
    methods: tuple[str, ...]
    unenrolled: str = "deny"
    exempt_by: str = "exempt_users"

    @property
    def first_factors(self) -> frozenset[str]:
        """Return the first factors that sshd is declared to accept together with a code."""
        return frozenset(
            word.removesuffix("_and_code") for word in self.methods if word.endswith("_and_code")
        )


@dataclass(frozen=True)
class Drift:
    """Something that happens to a host. ``command`` runs there as root, under sh with the functions of drifts.PRELUDE.

    ``insist`` is a regular expression that a problem has to contain, whoever gets in. ``images`` names where it can
    happen, everywhere when empty.
    """

    name: str
    stands_for: str
    command: str
    insist: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One try at a door. ``again`` is the second use of a code that has just opened it."""

    door: str
    kind: str
    factors: str
    user: str
    again: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt, and the end of what was printed."""

    attempt: Attempt
    entered: bool
    said: str = ""


@dataclass(frozen=True)
class Verdict:
    """A sentence about something that came out wrong, and the attempt that showed it, None where it was none."""

    sentence: str
    attempt: Attempt | None = None


@dataclass(frozen=True)
class Report:
    """What twofactor_info says, without what this suite does not look at."""

    problems: tuple[dict[str, str], ...]
    data: dict[str, Any]
