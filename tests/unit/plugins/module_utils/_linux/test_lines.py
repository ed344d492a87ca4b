from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines


@given(st.text(alphabet="a\n\r\x0c\x1c\x85\u2028", max_size=30))
def test_lines_end_at_newlines_only_and_join_to_the_text(text: str) -> None:
    lines = split_lines(text)

    assert "".join(lines) == text
    assert [line.rstrip("\n") for line in lines] == text.split("\n")[: len(lines)]
    assert all(line.endswith("\n") for line in lines[:-1])
