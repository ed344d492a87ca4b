# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's clock beside the controller's, as near as the time that the call took lets one say."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.action.twofactor_info import compare


@pytest.mark.parametrize(
    ("now", "offset", "codes"),
    [
        (1000.0, 0.0, []),
        (1003.5, 0.0, []),
        (1014.5, 9.5, []),
        (1035.0, 30.0, ["clock_differs"]),
        (970.0, -30.0, ["clock_differs"]),
    ],
)
def test_an_offset(now: float, offset: float, codes: list[str]) -> None:
    report: dict[str, Any] = {"clock": {"now": now}, "problems": []}
    compare(report, 1000.0, 1005.0)

    assert report["clock"]["controller_offset"] == offset
    assert [problem["code"] for problem in report["problems"]] == codes


@pytest.mark.parametrize(
    "report", [None, {}, {"clock": {}, "problems": []}, {"clock": {"now": None}, "problems": []}]
)
def test_a_host_that_tells_no_time(report: dict[str, Any] | None) -> None:
    compare(report, 1000.0, 1005.0)

    assert "controller_offset" not in str(report)
