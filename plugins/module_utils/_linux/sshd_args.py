# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of an sshd: which configuration it reads, and what outranks it.

Pure code. Private to this collection: may change at any time. Source: sshd(8).
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths

_GETOPT = "46DGQRTVdeiqrtC:E:b:c:f:g:h:k:o:p:u:"
_KEPT = frozenset({"-4", "-6", "-o", "-p"})
"""The options that say what sshd asks for, or where; -f is kept apart."""
_CHECKS = frozenset({"-G", "-Q", "-R", "-T", "-V", "-t"})
"""The options of a process that only prints or checks something, or serves a session."""
_TITLE = re.compile(r"[^ /]+: ")
_TITLE_OF_LISTENER = re.compile(r"[^ /]+: /")
_WHOLE_TITLE = re.compile(r"[^ /]+: (?P<command>.+) \[listener\] ")


@dataclass(frozen=True)
class CommandLine:
    """What an sshd was started with. ``options`` are words that may be given to another call of sshd."""

    options: tuple[str, ...] = ()
    config: str = paths.SSHD_CONFIG
    serves_one: bool = False
    """Whether it serves a connection that has been accepted by another program (``-i``)."""
    checks: bool = False
    """Whether it does not let anybody in itself: it checks or prints, or belongs to a session."""

    @property
    def listens(self) -> bool:
        """Tell whether an sshd that was started like this waits for connections itself."""
        return not (self.serves_one or self.checks)


def of_process(words: Sequence[str]) -> CommandLine | None:
    """Return the command line of a running sshd from its argument vector, None when it cannot be read.

    A listener replaces its arguments by a title in which they are joined by spaces. Where there was little room for
    the title it is cut off.
    """
    title = words[0] if words else ""
    if not _TITLE.match(title):
        return parse(words[1:]) if words else None
    if not _TITLE_OF_LISTENER.match(title):
        return CommandLine(checks=True)  # a session's: it names a user
    listener = _WHOLE_TITLE.match(title)
    return parse(_split_title(listener["command"])[1:]) if listener else None


def _split_title(command: str) -> list[str]:
    """Return the words of a title. A word that does not begin with a dash belongs to the value before it."""
    words: list[str] = []
    for word in command.split(" "):
        if not words or word.startswith("-") or _wants_value(words[-1]):
            words.append(word)
        else:
            words[-1] += f" {word}"
    return words


def _wants_value(word: str) -> bool:
    return len(word) == 2 and word[0] == "-" and f"{word[1]}:" in _GETOPT  # noqa: PLR2004 - a dash and a letter


def parse(words: Sequence[str]) -> CommandLine | None:
    """Return what the words after the program's name say, None when one of them is not known."""
    try:
        found, rest = getopt.getopt([word for word in words if word], _GETOPT)
    except getopt.GetoptError:
        return None
    if rest:
        return None
    configs = [value for name, value in found if name == "-f"]
    kept = tuple(name + value for name, value in found if name in _KEPT)
    names = {name for name, dummy in found}
    return CommandLine(
        options=kept,
        config=configs[-1] if configs else paths.SSHD_CONFIG,
        serves_one="-i" in names,
        checks=bool(names & _CHECKS),
    )
