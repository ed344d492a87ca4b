# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/secrets.md, to be run as they stand."""

from __future__ import annotations

import re

from tests.enrolment.controller import ROOT

PAGE = ROOT / "docs" / "secrets.md"


def examples(heading: str, language: str) -> list[str]:
    """Return the examples in a language below a heading of the page."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith(heading + "\n"))
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
