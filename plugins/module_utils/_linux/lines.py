# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of configuration files. Pure code. Private to this collection: may change at any time."""

from __future__ import annotations

import re


def split_lines(text: str) -> list[str]:
    """Return the lines with their newlines; joined they are ``text`` again.

    PAM and sshd end a line at a newline only. str.splitlines ends one at a form feed and others too, so that
    what it calls a line is not always what they read.
    """
    return [line for line in re.split(r"(?<=\n)", text) if line]
