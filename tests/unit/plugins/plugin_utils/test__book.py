"""What is in the store, as data and as text."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import (
    FLEET,
    Book,
    Entry,
    groups_of_four,
    parse,
    render,
)

A, B, C, D, E = (letter * 32 for letter in "ABCDE")
FULL = Entry(A, 8, 60, B, C, 5, "2026-11-24", "2026-Q4", D, E, "2026-12-31", printed=False)
END = datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc).timestamp()


def test_round_trip() -> None:
    book = Book({(FLEET, "alice"): FULL, (FLEET, "bob"): Entry(B), ("web1", "alice"): Entry(C)})

    assert parse(render(book).encode(), "x") == book
    assert parse(render(Book()).encode(), "x") == Book()


def test_what_is_a_default_is_not_written() -> None:
    assert "printed" not in render(Book({(FLEET, "alice"): Entry(A)}))


def test_a_date_of_yaml_is_a_day() -> None:
    text = f"version: 1\nusers: {{alice: {{secret: {A}, issued: 2026-11-24}}}}\n"

    assert parse(text.encode(), "x").entries[FLEET, "alice"].issued == "2026-11-24"


@pytest.mark.parametrize("written", ["2026-12-31", "2026-12-31T18:00:00+01:00", "'2026-12-31T18:00:00Z'"])
def test_an_end_is_a_day_or_a_moment(written: str) -> None:
    text = f"version: 1\nusers: {{alice: {{secret: {A}, previous_until: {written}}}}}\n"

    assert parse(text.encode(), "x").entries[FLEET, "alice"].previous_until == written.strip("'")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: 1\nusers: []\n",
        "version: 1\nhosts: {web1: [alice]}\n",
        "version: 1\nmore: {}\n",
        "version: '1'\n",
        "version: 1\nusers: {alice: {digits: 6}}\n",
        f"version: 1\nusers: {{alice: {{secret: {A}, printed: 1}}}}\n",
        f"version: 1\nusers: {{alice: {{secret: {A}, recovery_count: 21}}}}\n",
        f"version: 1\nusers: {{alice: {{secret: {A}, issued: yesterday}}}}\n",
        f"version: 1\nusers: {{alice: {{secret: {A}, backup_secret: '1'}}}}\n",
        "version: 1\nusers: {alice: {secret: AAAA}}\n",
        f"version: 1\nusers: {{alice: {{secret: {A}, previous_until: never}}}}\n",
        "\x00",
    ],
)
def test_anything_else_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        parse(text.encode(), "/there")
    assert caught.value.code == "store_broken"
    assert "/there" in caught.value.message
    assert A not in str(caught.value)


def test_a_host_has_its_own_or_the_fleets() -> None:
    book = Book({(FLEET, "alice"): Entry(A), ("web1", "alice"): Entry(B), ("web1", "bob"): Entry(C)})

    assert book.of("web1", "alice") == Entry(B)
    assert book.of("web2", "alice") == Entry(A)
    assert book.of("web2", "bob") is None
    assert (book.users_of("web1"), book.users_of("web2")) == (["alice", "bob"], ["alice"])


@pytest.mark.parametrize(("now", "accepted"), [(END - 1, True), (END, False)])
def test_what_hosts_get(now: float, accepted: bool) -> None:
    before = {"previous_secret": D, "previous_backup_secret": E, "previous_until": "2026-12-31"}
    wanted = {
        "name": "alice",
        "secret": A,
        "backup_secret": B,
        "recovery_secret": C,
        "recovery_count": 5,
        **(before if accepted else {}),
    }

    assert FULL.for_hosts("alice", now) == wanted
    assert Entry(A).for_hosts("alice", now) == {"name": "alice", "secret": A}


def test_secrets_do_not_show() -> None:
    assert not {A, B, C, D, E} & set(repr(FULL).split("'"))


def test_groups() -> None:
    assert groups_of_four("ABCDEFGHIJ") == "ABCD EFGH IJ"
