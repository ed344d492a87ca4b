# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Match blocks of an sshd's configuration, and logins by which each can be tried.

Pure code. Private to this collection: may change at any time. See sshd_config(5).
"""

from __future__ import annotations

import fnmatch
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

_WORD = re.compile(r'"([^"]*)"|([^\s"]+)')
_KEYWORD = re.compile(r'^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+|(?="))(.*?)\s*$')
_DEEPEST = 16
_SOME = 3
"""Accounts that stand for all that a pattern means, besides those that a block names."""
_TRIED = frozenset({"user", "group", "address", "host", "localaddress", "localport", "rdomain"})
_ALONE = frozenset({"all", "canonical", "final", "invalid-user"})
"""Criteria without a value."""


@dataclass(frozen=True)
class Block:
    """A Match block: its criteria with their patterns, and the keywords that it sets, all in small letters."""

    criteria: tuple[tuple[str, str], ...]
    keywords: frozenset[str]

    def patterns(self, criterion: str) -> list[str]:
        """Return the patterns of a criterion that have to fit, without those that must not."""
        values = [value for name, value in self.criteria if name == criterion]
        return [word for value in values for word in value.split(",") if word and not word.startswith("!")]

    @property
    def is_for_all(self) -> bool:
        """Tell whether it applies to every login."""
        return {name for name, dummy in self.criteria} <= {"all"}

    @property
    def can_be_tried(self) -> bool:
        """Tell whether sshd can be asked about a login to which it applies."""
        return {name for name, dummy in self.criteria} <= _TRIED | {"all"}


@dataclass(frozen=True)
class Login:
    """A login to ask sshd about; where nothing is named it is to be that of an ordinary user from anywhere."""

    user: str = ""
    address: str = ""
    host: str = ""
    more: tuple[tuple[str, str], ...] = ()
    """The local address, local port and routing domain, by the names of sshd's option -C."""


@dataclass(frozen=True)
class Accounts:
    """The accounts of a host, and who is in which group."""

    names: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


def blocks(text: str, included: Callable[[str], Iterable[str]]) -> list[Block]:
    """Return the Match blocks of a configuration and of all that it includes.

    ``included`` returns the texts that the value of an Include stands for.
    """
    found: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for criteria, keyword in _settings(text, included, (), 0):
        found.setdefault(criteria, set()).add(keyword)
    return [Block(criteria, frozenset(keywords)) for criteria, keywords in found.items() if criteria]


def _settings(
    text: str,
    included: Callable[[str], Iterable[str]],
    outer: tuple[tuple[str, str], ...],
    depth: int,
) -> Iterator[tuple[tuple[tuple[str, str], ...], str]]:
    """Yield every keyword with the criteria under which it counts; a Match ends with the file that it is in."""
    criteria = outer
    for line in text.split("\n"):
        match = _KEYWORD.match(line.split("#", 1)[0])
        if not match:
            continue
        keyword, value = match[1].lower(), match[2]
        if keyword == "match":
            criteria = (*outer, *parse_criteria(value))
        elif keyword == "include" and depth < _DEEPEST:
            for other in included(value):
                yield from _settings(other, included, criteria, depth + 1)
        else:
            yield criteria, keyword


def parse_criteria(value: str) -> tuple[tuple[str, str], ...]:
    """Return the criteria of a Match line."""
    words = [quoted or bare for quoted, bare in _WORD.findall(value)]
    found = []
    while words:
        name, equals, pattern = words.pop(0).partition("=")
        if not equals and name.lower() not in _ALONE and words:
            pattern = words.pop(0)
        found.append((name.lower(), pattern))
    return tuple(found)


def logins(block: Block, accounts: Accounts, named: Iterable[str]) -> list[Login]:
    """Return logins to which a block applies.

    ``named`` are the users that blocks name: each of them is asked about for itself, and for the rest of a group or a
    pattern some others stand.
    """
    users = _users(block, accounts, set(named)) or [""]
    addresses = [_address(pattern) for pattern in block.patterns("address")] or [""]
    hosts = [_instance(pattern) for pattern in block.patterns("host")] or [""]
    more = tuple(
        (short, _address(patterns[0]) if short == "laddr" else _instance(patterns[0]))
        for short, name in (("laddr", "localaddress"), ("lport", "localport"), ("rdomain", "rdomain"))
        if (patterns := block.patterns(name))
    )
    return [Login(*one, more) for one in itertools.product(users, addresses, hosts)]


def _users(block: Block, accounts: Accounts, named: set[str]) -> list[str]:
    found: list[str] = []
    for pattern in block.patterns("user"):
        found += [pattern] if _is_literal(pattern) else _some(accounts.names, pattern, named)
    for pattern in block.patterns("group"):
        members = {
            name
            for group, names in accounts.groups.items()
            if fnmatch.fnmatchcase(group, pattern)
            for name in names
        }
        found += sorted(members & named) + sorted(members - named)[:_SOME]
    return list(dict.fromkeys(found))


def _some(names: Iterable[str], pattern: str, named: set[str]) -> list[str]:
    fitting = sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
    return [
        *(name for name in fitting if name in named),
        *[name for name in fitting if name not in named][:_SOME],
        _instance(pattern),
    ]


def named_users(all_blocks: Iterable[Block]) -> set[str]:
    """Return the users that blocks name, pattern or not."""
    return {name for block in all_blocks for name in block.patterns("user") if _is_literal(name)}


def _is_literal(pattern: str) -> bool:
    return not set("*?") & set(pattern)


def _instance(pattern: str) -> str:
    """Return a word that a pattern fits."""
    return pattern.replace("*", "x").replace("?", "x")


def _address(pattern: str) -> str:
    """Return an address that a pattern fits: the first of a network, or wildcards filled in."""
    try:
        return str(ipaddress.ip_network(pattern, strict=False)[0])
    except ValueError:
        return pattern.replace("*", "1").replace("?", "1")
