from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import bypass
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.bypass import Bypass, Bypasses

ALL = Bypasses(
    Bypass(300.0, "phones lost", "root"), {"alice": Bypass(100.0), "bob": Bypass(200.0, "new phone")}
)


@pytest.mark.parametrize("bypasses", [ALL, Bypasses(ALL.host), Bypasses(None, ALL.users)])
def test_round_trip(bypasses: Bypasses) -> None:
    assert bypass.parse(bypass.render(bypasses)) == bypasses


def test_nobody_let_off_is_no_file() -> None:
    assert bypass.render(Bypasses()) is None
    assert bypass.parse(None) == Bypasses()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"users": {"alice": {}}}',
        '{"users": {"alice": 7}}',
        '{"users": []}',
        '{"host": {"x": 1}}',
    ],
)
def test_damage_is_said(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        bypass.parse(text)
    assert caught.value.code == "bypass_file_broken"


@pytest.mark.parametrize(
    ("now", "running", "end"),
    [
        (99.0, ALL, 100.0),
        (100.0, Bypasses(ALL.host, {"bob": ALL.users["bob"]}), 200.0),
        (300.0, Bypasses(), None),
    ],
)
def test_what_is_over_no_longer_runs(now: float, running: Bypasses, end: float | None) -> None:
    assert ALL.running(now) == running
    assert running.next_end() == end


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("7d", 604800), ("168h", 604800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert bypass.seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "0s", "-1h", "1.5h", "8d", "169h", "2w", "2 hours", "h2", "1h30m", "²h"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        bypass.seconds_of(text)
    assert caught.value.code == "bad_duration"
