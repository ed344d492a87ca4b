# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Token files: read and written back, merged with what is wanted, and what a login wrote in between."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import bypass, tokens
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter, attempt

Seeds = tuple[Optional[bytes], Optional[bytes]]


@pytest.mark.weight(3)
@given(text=shapes.TOKEN_FILES)
def test_read_and_written_back(counter: Counter, text: str) -> None:
    try:
        lines = tokens.parse(text, "alice")
    except TwofactorError as error:
        spoken = f"{error.code} {error}"
        long_words = [word for word in text.split() if len(word) >= 30]
    else:
        spoken, long_words = "token_file_broken", []
        assert tokens.render(lines) == text
        assert all(line.user == "alice" for line in tokens.devices(lines))
    assert spoken.startswith("token_file_broken")
    assert not [word for word in long_words if word in spoken], "the error must not hold the seed"
    counter()


@pytest.mark.weight(3)
@given(
    text=st.one_of(shapes.good_token_files("alice"), shapes.TOKEN_FILES),
    seeds=st.tuples(st.none() | shapes.SEEDS, st.none() | shapes.SEEDS),
    keep=st.tuples(st.booleans(), st.booleans()),
    kind=st.sampled_from([(30, 6), (60, 8)]),
)
def test_a_merge(
    counter: Counter, text: str, seeds: Seeds, keep: tuple[bool, bool], kind: tuple[int, int]
) -> None:
    lines = attempt("token_file_broken", tokens.parse, text, "alice")
    if lines is None:
        counter()
        return
    have = tokens.devices(lines)
    # Now and then a seed that is wanted is there already, as the other device too.
    chosen = [have[-1 - n].seed if keep[n] and n < len(have) else seeds[n] for n in range(2)]
    merged = tokens.merge(lines, "alice", (chosen[0], chosen[1]), *kind)
    again = tokens.parse(tokens.render(merged), "alice")
    assert [(line.seed, line.interval) for line in again] == [(line.seed, line.interval) for line in merged]
    wanted = [seed for seed in chosen if seed is not None]
    found = [line.seed for line in tokens.devices(merged)]
    assert set(wanted) <= set(found)
    others = [line.text for line in lines if not line.is_time_based]
    assert [line.text for line in merged if not line.is_time_based] == others
    for line in tokens.devices(merged):
        same = [
            old.text
            for old in have
            if (old.seed, old.interval, old.digits) == (line.seed, line.interval, line.digits)
        ]
        assert line.text in same or not same, "its replay state is lost"
    assert tokens.merge(merged, "alice", (chosen[0], chosen[1]), *kind) == merged
    counter()


@pytest.mark.weight(2)
@given(mine=shapes.good_token_files("alice"), theirs=shapes.good_token_files("alice"), shared=st.booleans())
def test_a_login_in_between(counter: Counter, mine: str, theirs: str, shared: bool) -> None:
    wanted = tokens.parse(mine, "alice")
    fresh = tokens.parse(mine + theirs if shared else theirs, "alice")
    result = tokens.with_state_of(wanted, fresh)
    assert [(line.seed, line.interval, line.digits) for line in result] == [
        (line.seed, line.interval, line.digits) for line in wanted
    ]
    newest = {(line.seed, line.interval, line.digits): line.text for line in fresh}
    for line in result:
        if line.seed:
            assert line.text == newest.get((line.seed, line.interval, line.digits), line.text)
    tokens.parse(tokens.render(result), "alice")
    counter()


@given(
    text=st.one_of(
        st.text(max_size=8), st.from_regex(r"[0-9]{1,9} ?[smhd]", fullmatch=True), st.just("9" * 5000 + "s")
    )
)
def test_a_duration(counter: Counter, text: str) -> None:
    seconds = attempt("bad_duration", bypass.seconds_of, text)
    assert seconds is None or 0 < seconds <= bypass.LONGEST
    counter()
