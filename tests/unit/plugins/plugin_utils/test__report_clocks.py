"""The clocks as a picture, and the same in words."""

from __future__ import annotations

import re

import pytest

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import HostState, report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_clocks import (
    level,
    picture,
    sentences,
    words,
)
from tests.status import sample


def hosts(*offsets: float | None) -> tuple[HostState, ...]:
    answers = [answer(f"h{n}", sample.host(clock=sample.clock(offset))) for n, offset in enumerate(offsets)]
    return report(answers, sample.MADE, "").hosts


@pytest.mark.parametrize(
    ("offset", "said", "bad"),
    [
        (0.0, "+0 µs", "ok"),
        (0.000012, "+12 µs", "ok"),
        (-0.0021, "−2.1 ms", "ok"),
        (1.5, "+1.5 s", "ok"),
        (-2.5, "−2.5 s", "warning"),
        (10.5, "+10.5 s", "error"),
        (1e10, "+10000000000.0 s", "error"),
    ],
)
def test_an_offset_in_words(offset: float, said: str, bad: str) -> None:
    assert (words(offset), level(offset)) == (said, bad)


def test_what_stands_where() -> None:
    text = picture(hosts(-1e9, -20, -9.9, 0, 9.9, 20, 1e9))
    dots = re.findall(r'<circle class="(\w+)" cx="([0-9.]+)%"', text)
    assert [kind for kind, dummy in dots] == ["error", "error", "warning", "ok", "warning", "error", "error"]
    places = [float(place) for dummy, place in dots]
    assert places == sorted(places)
    assert all(0 < place < 100 for place in places)
    band = re.search(r'class="band" x="([0-9.]+)%" width="([0-9.]+)%"', text)
    assert band
    left, right = float(band[1]), float(band[1]) + float(band[2])
    assert [left - 0.6 < place < right + 0.6 for place in places] == [
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_five_hundred_stay_inside() -> None:
    text = picture(hosts(*[0.0001] * 500))
    heights = [float(place) for place in re.findall(r' cy="([0-9.]+)"', text)]
    assert len(heights) == 500
    assert min(heights) > 20


def test_all_is_said() -> None:
    assert sentences(hosts(0.5, -12, None)) == (
        "1 of 2 known offsets are within ±10 s; the largest is −12.0 s on h1; "
        "1 synchronised without a known offset."
    )
    lost = report([answer("a", sample.UNREACHABLE), answer("b", sample.host())], 0, "").hosts
    assert "1 could not be read" in sentences(lost)
    unsure = report([answer("a", sample.host(clock=sample.clock(None, False)))], 0, "").hosts
    assert sentences(unsure) == "0 of 0 known offsets are within ±10 s; not synchronised: a."
