"""Who gets which secret, and when."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._enrolment import Wish, carry_out

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
USERS = ("alice", "bob", "carol")
EVERYBODY = [(FLEET, user) for user in USERS]


def enrolled(**more: object) -> Book:
    book = Book()
    carry_out(replace(Wish(USERS), **more), book, NOW)  # type: ignore[arg-type]
    return book


def refusals(wish: Wish, book: Book) -> list[str]:
    before = dict(book.entries)
    with pytest.raises(Refused) as caught:
        carry_out(wish, book, NOW)
    assert book.entries == before
    return [reason.code for reason in caught.value.reasons]


def test_present_gives_secrets_once() -> None:
    book = Book()
    done = carry_out(Wish(USERS, backup=True), book, NOW)

    assert done.added == EVERYBODY
    secrets = [s for e in book.entries.values() for s in (e.secret, e.backup_secret, e.recovery_secret)]
    assert len(set(secrets)) == 9
    assert {len(secret) for secret in secrets} == {32}
    assert {entry.issued for entry in book.entries.values()} == {"2026-11-24"}
    assert not any(entry.printed for entry in book.entries.values())
    before = dict(book.entries)
    assert not carry_out(Wish((*USERS, "alice")), book, NOW).changed
    assert book.entries == before


def test_without_extras() -> None:
    entry = enrolled(recovery_count=0).entries[FLEET, "alice"]

    assert (entry.backup_secret, entry.recovery_secret, entry.recovery_count) == ("", "", 0)


def test_each_host_its_own() -> None:
    book = Book()
    carry_out(Wish(("alice",), hosts=("web1", "web2")), book, NOW)

    assert book.entries["web1", "alice"].secret != book.entries["web2", "alice"].secret


def test_renewed_once_for_each_word_in_batches() -> None:
    book = enrolled()
    before = dict(book.entries)
    wish = Wish(USERS, state="renewed", renewal="w", accept_until="2026-12-31", at_most=2)
    first = carry_out(wish, book, NOW)
    second = carry_out(wish, book, NOW)

    assert (first.renewed, first.left) == (EVERYBODY[:2], EVERYBODY[2:])
    assert (second.renewed, second.left) == (EVERYBODY[2:], [])
    assert not carry_out(wish, book, NOW).changed
    for who, entry in book.entries.items():
        assert entry.previous_secret == before[who].secret
        assert entry.previous_until == "2026-12-31"
        assert entry.secret != before[who].secret
        assert entry.recovery_secret != before[who].recovery_secret


def test_renewal_keeps_the_second_device() -> None:
    book = enrolled(backup=True)
    before = book.entries[FLEET, "bob"]
    carry_out(Wish(USERS, state="renewed", renewal="w", accept_until="2026-12-31"), book, NOW)
    after = book.entries[FLEET, "bob"]

    assert after.backup_secret not in ("", before.backup_secret)
    assert after.previous_backup_secret == before.backup_secret


def test_a_renewal_does_not_cut_the_one_before_short() -> None:
    book = enrolled()
    first = Wish(USERS, state="renewed", renewal="a", accept_until="2026-12-31", at_most=1)
    carry_out(first, book, NOW)
    second = Wish(USERS, state="renewed", renewal="b", accept_until="2027-01-31")

    assert refusals(second, book) == ["overlap_running"]
    assert carry_out(first, book, NOW).renewed == EVERYBODY[1:2]
    later = NOW + datetime.timedelta(days=38)
    assert carry_out(second, book, later).renewed == EVERYBODY
    at_once = Wish(USERS, state="renewed", renewal="c")
    assert carry_out(at_once, book, later).renewed == EVERYBODY
    assert {entry.previous_secret for entry in book.entries.values()} == {""}


def test_a_renewal_that_is_over_can_be_run_again() -> None:
    book = enrolled()
    wish = Wish(USERS, state="renewed", renewal="w", accept_until="2026-12-31")
    carry_out(wish, book, NOW)

    assert not carry_out(wish, book, NOW + datetime.timedelta(days=60)).changed


def test_renewal_without_an_overlap_or_with_other_digits() -> None:
    for wish in (
        Wish(USERS, state="renewed", renewal="w"),
        Wish(USERS, state="renewed", renewal="w", accept_until="2026-12-31", digits=8),
    ):
        book = enrolled()
        carry_out(wish, book, NOW)
        assert {entry.previous_secret for entry in book.entries.values()} == {""}
        assert {entry.digits for entry in book.entries.values()} == {wish.digits}


def test_renewal_enrols_who_is_new() -> None:
    book = Book()
    assert carry_out(Wish(USERS, state="renewed", renewal="w"), book, NOW).added == EVERYBODY
    assert not carry_out(Wish(USERS, state="renewed", renewal="w"), book, NOW).changed


def test_refill_touches_nothing_else() -> None:
    book = enrolled()
    before = book.entries[FLEET, "bob"]
    done = carry_out(Wish(("bob",), state="refilled", recovery_count=5), book, NOW)
    after = book.entries[FLEET, "bob"]

    assert done.refilled == [(FLEET, "bob")]
    assert after.recovery_secret != before.recovery_secret
    assert replace(after, recovery_secret=before.recovery_secret, recovery_count=10) == before


def test_absent() -> None:
    book = enrolled()

    assert carry_out(Wish(("bob", "dora"), state="absent"), book, NOW).removed == [(FLEET, "bob")]
    assert sorted(book.entries) == [(FLEET, "alice"), (FLEET, "carol")]


def test_refusals() -> None:
    book = enrolled()

    assert refusals(Wish(("a/b", "a b")), book) == ["bad_user_name"] * 2
    assert refusals(Wish(("dora", "bob"), state="refilled"), book) == ["not_in_store"]
    assert refusals(Wish(("dora",), state="printed"), book) == ["not_in_store"]
    assert refusals(Wish(("bob",), digits=8), book) == ["other_kind_in_store"]
    assert refusals(Wish(USERS, state="renewed", renewal="w", accept_until="2026-11-23"), book) == [
        "date_over"
    ]
