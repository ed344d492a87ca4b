# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No text of a host moves a cursor, rings a bell or turns the direction of writing."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("as it is: é 名前 🔑", "as it is: é 名前 🔑"),
        ("\x1b[2J\x9b1m", "\ufffd[2J\ufffd1m"),
        ("a\rb", "a\ufffdb"),
        ("first\n\tsecond", "first\n\tsecond"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
    ],
)
def test_lines(given: str, shown: str) -> None:
    assert _printable.lines(given) == shown


def test_one_line_has_no_line_of_its_own() -> None:
    assert _printable.one_line("failed\n\nPLAY RECAP\r\n\tok=1") == "failed PLAY RECAP ok=1"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\x1b[2J", "\ufffd[2J"),
        ("\u202e", "\ufffd"),
        ("a\rb\b\f", "a\ufffdb\ufffd\ufffd"),
        ('🔑 \\ "quoted" \\u001b', '🔑 \\ "quoted" \\u001b'),
        ("first\n\tsecond", "first\n\tsecond"),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_document_says_the_same_without_control(value: str, shown: str, ascii_only: bool) -> None:
    document = json.dumps({"key": [value]}, ensure_ascii=ascii_only)

    assert json.loads(_printable.json_text(document)) == {"key": [shown]}


def test_a_document_over_a_terminal_is_still_one() -> None:
    assert json.loads(_printable.json_text('\r\n{"changed": true}\r\n')) == {"changed": True}


def test_what_is_no_document_is_shown_without_control() -> None:
    assert _printable.json_text("sudo: \x1b]0;title\x07 \\") == "sudo: \ufffd]0;title\ufffd \\"
