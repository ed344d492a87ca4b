# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a host, made fit for a terminal and a page.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)
"""Control characters but tab and newline, what turns the direction of writing or takes no room, lone surrogates."""
_ESCAPE = re.compile(r"""\\(?:u([0-9a-fA-F]{4})|.)""")
_SUSPECT = re.compile(r"\\[ubfr]")
"""What has none of these, as nearly every answer, needs no closer look."""
_SURROGATES = range(0xD800, 0xE000)


def lines(text: str) -> str:
    """Return a text in which nothing but tab and newline controls a terminal."""
    return _UNPRINTABLE.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """Return a text as one line in which nothing controls a terminal."""
    return lines(" ".join(re.split(r"[\t\n\r]+", text)))


def json_text(text: str) -> str:
    """Return the text of a JSON document whose strings, once parsed, do not control a terminal.

    Surrogates stay, since two of them are one character there. Lines may end as those of a terminal do.
    """
    text = lines(text.replace("\r\n", "\n"))
    return _ESCAPE.sub(_without_control, text) if _SUSPECT.search(text) else text


def _without_control(escape: re.Match[str]) -> str:
    if escape[0] in (r"\b", r"\f", r"\r"):
        return REPLACEMENT
    number = int(escape[1] or "0", 16)
    if not escape[1] or number in _SURROGATES or not _UNPRINTABLE.match(chr(number)):
        return escape[0]
    return REPLACEMENT
