# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/users.oath as TrueNAS writes it: whom PAM really asks for a code, and of what kind.

Pure code but for one read. Private to this collection: may change at any time. The file is only ever read, and its
secrets are dropped at once. It is the one cheap source of users' digits and intervals: asking the middleware takes a
call for each user, private from 25.04 on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import INTERVALS

PATH = "/etc/users.oath"
SSH_SERVICE = "/etc/pam.d/sshd"
_TYPE = re.compile(r"HOTP/T(?P<interval>\d+)(?:/(?P<digits>\d+))?")
_LAST_USED = 6
_NAME = 1


@dataclass(frozen=True)
class Token:
    """A user's kind of code, and when one was last used as far as PAM remembers."""

    digits: int
    interval: int
    last_used: str = ""

    @property
    def usable(self) -> bool:
        """Tell whether pam_oath can read an entry with this interval."""
        return self.interval in INTERVALS


def read() -> dict[str, Token]:
    """Return the users whom PAM knows, none when there is no file."""
    return parse(read_text(PATH) or "")


def ssh_asks() -> bool | None:
    """Tell whether SSH's PAM service really asks for a code; None when there is no such file."""
    text = read_text(SSH_SERVICE)
    if text is None:
        return None
    lines = [line.strip() for line in text.splitlines()]
    return any("pam_oath.so" in line for line in lines if not line.startswith("#"))


def parse(text: str) -> dict[str, Token]:
    """Return the users of a file's text. A line that is none of TrueNAS's says nothing."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        matched = _TYPE.fullmatch(words[0]) if len(words) > _NAME else None
        if matched is not None:
            used = words[_LAST_USED].rstrip("L") if len(words) > _LAST_USED else ""
            found[words[_NAME]] = Token(int(matched["digits"] or 6), int(matched["interval"]), used)
    return found
