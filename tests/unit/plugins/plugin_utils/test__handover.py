"""Entries that go from one store into another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._handover import part_of, take_in

A, B, C = (Entry(letter * 32) for letter in "ABC")
ALICE, BOB, BOB_THERE = (FLEET, "alice"), (FLEET, "bob"), ("web1", "bob")


def test_some_or_all() -> None:
    book = Book({ALICE: A, BOB: B, BOB_THERE: C})

    assert part_of(book, (), "x") == book
    assert part_of(book, ("bob",), "x").entries == {BOB: B, BOB_THERE: C}
    with pytest.raises(TwofactorError, match="no 'carol' in /there") as caught:
        part_of(book, ("bob", "carol"), "/there")
    assert caught.value.code == "not_in_store"


def test_what_is_new_is_taken_in_once() -> None:
    book = Book({ALICE: A})
    part = Book({ALICE: replace(A, printed=False), BOB: replace(B, printed=False)})

    assert take_in(book, part) == [BOB]
    assert book.entries == {ALICE: A, BOB: B}
    assert take_in(book, part) == []


def test_nobody_is_overwritten() -> None:
    book = Book({ALICE: A, BOB_THERE: C})
    with pytest.raises(Refused) as caught:
        take_in(book, Book({ALICE: B, BOB_THERE: A, BOB: B}))
    assert [reason.code for reason in caught.value.reasons] == ["already_in_store"] * 2
    assert book.entries == {ALICE: A, BOB_THERE: C}
