# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of sudo's by which it does not ask PAM, or asks another of its services.

Pure code. Private to this collection: may change at any time. See sudoers(5). NOPASSWD for single users or commands is
the administrator's decision, which automation needs; a default concerns everybody whom it names.
"""

from __future__ import annotations

import re
from typing import Protocol

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

MAIN = "/etc/sudoers"
FOLDER = "/etc/sudoers.d"
SERVICES = ("sudo", "sudo-i")
_AVOIDS = re.compile(
    r"^\s*Defaults[^#]*?(!\s*authenticate\b|\bpam_(?:login_)?service\s*=\s*\"?(?P<service>[\w.-]+))"
)


class View(Protocol):
    """What is needed of a host."""

    def read(self, path: str) -> str | None:
        """Return a file's text, None when missing."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""


def other_ways(view: View) -> list[TwofactorError]:
    """Return each file of sudo's by which it does not ask for a code although its service does."""
    drop_ins = [
        f"{FOLDER}/{name}" for name in view.names(FOLDER) if "." not in name and not name.endswith("~")
    ]
    return [
        TwofactorError(
            "sudo_not_asking",
            f"{path} has '{setting}', so sudo does not ask PAM, or asks another of its services than 'sudo'.",
            "Take that out of it with visudo, or leave 'sudo' out of 'services'.",
        )
        for path in (MAIN, *drop_ins)
        for setting in _settings(view.read(path) or "")
    ]


def _settings(text: str) -> list[str]:
    found = []
    for line in text.replace("\\\n", " ").split("\n"):
        match = _AVOIDS.match(line)
        if match and match["service"] not in SERVICES:
            found.append(" ".join(line.split()))
    return found
