# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same option has the same words wherever it appears."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ansible_collections.fleetauth.twofactor.plugins.doc_fragments.options import ModuleDocFragment


def _options(text: str) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load(text)["options"]
    return {name: _without_layout(option) for name, option in options.items()}


def _without_layout(option: Any) -> Any:
    """Return an option with its description as one text: a list of one sentence says the same."""
    if not isinstance(option, dict):
        return option
    below = {name: _without_layout(value) for name, value in option.items()}
    if isinstance(below.get("description"), list):
        below["description"] = " ".join(below["description"])
    return below


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("policy", ModuleDocFragment.POLICY),
        ("ssh", ModuleDocFragment.SSH),
        ("secrets", ModuleDocFragment.SECRETS),
    ],
)
def test_host_has_the_words_of_the_other_modules(part: str, text: str) -> None:
    below = _options(ModuleDocFragment.HOST)[part]["suboptions"]
    one_level_up = yaml.safe_load(re.sub(rf"O\({part}\.", "O(", yaml.safe_dump(below, width=10_000)))
    alone = _options(text)
    for option in alone.values():
        option.pop("required", None)
    for option in one_level_up.values():
        option.pop("required", None)
    assert one_level_up == alone
