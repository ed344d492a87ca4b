from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import tokens
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.tokens import TokenLine

A, B, C, RECOVERY = (bytes([number]) * 20 for number in (0xA1, 0xB2, 0xC3, 0xD4))
STATE = "\t0\t264320\t2026-11-24T06:18:01L"


def line(seed: bytes, state: str = "", kind: str = "HOTP/T30/6", user: str = "alice") -> str:
    return f"{kind}\t{user}\t-\t{seed.hex()}{state}\n"


def parsed(*lines: str) -> list[TokenLine]:
    return tokens.parse("".join(lines), "alice")


def merged(lines: list[TokenLine], *seeds: bytes | None, interval: int = 30, digits: int = 6) -> str:
    primary, backup = (*seeds, None, None)[:2]
    return tokens.render(tokens.merge(lines, "alice", (primary, backup), interval, digits))


@pytest.mark.parametrize(
    ("kind", "interval", "digits"),
    [
        ("HOTP/T30", 30, 6),
        ("HOTP/T30/6", 30, 6),
        ("HOTP/T30/7", 30, 7),
        ("HOTP/T60", 60, 6),
        ("HOTP/T60/8", 60, 8),
        ("HOTP", 0, 6),
        ("HOTP/E", 0, 6),
        ("HOTP/E/8", 0, 8),
    ],
)
def test_types(kind: str, interval: int, digits: int) -> None:
    (found,) = parsed(line(A, kind=kind))

    assert (found.seed, found.interval, found.digits) == (A, interval, digits)
    assert found.is_time_based is (interval > 0)
    assert found.is_event_based is (interval == 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line(A, kind="HOTP/T45/6"), "not a token"),
        (line(A, kind="HOTP/T30/9"), "not a token"),
        (line(A, kind="HOTP/T30/"), "not a token"),
        (line(A, kind="HOTP/T300"), "not a token"),
        (line(A, kind="TOTP/T30/6"), "not a token"),
        (line(A, kind="hotp/t30/6"), "not a token"),
        (line(A, kind="HOTP/E/30"), "not a token"),
        ("HOTP/T30/6\talice\t-\n", "not a token"),
        (line(A, STATE + "\tmore"), "not a token"),
        ("HOTP/T30/6\x0calice - " + A.hex(), "not a token"),
        ("HOTP/T30/6\N{NO-BREAK SPACE}alice - " + A.hex(), "not a token"),
        (line(A, user="bob"), "another user, 'bob'"),
        (line(A, user="Alice"), "another user, 'Alice'"),
        ("HOTP/T30/6 alice - abc\n", "not hexadecimal"),
        ("HOTP/T30/6 alice - xy\n", "not hexadecimal"),
        ("HOTP/T30/6 alice - 0xa1a1\n", "not hexadecimal"),
        (line(b"x" * 33), "does not accept"),
    ],
)
def test_line_that_pam_oath_would_skip_is_refused(text: str, why: str) -> None:
    with pytest.raises(TwofactorError, match=why) as caught:
        tokens.parse("# first\n" + text, "alice")
    assert caught.value.code == "token_file_broken"
    assert str(caught.value).startswith("Line 2 of the token file of user 'alice'")
    assert A.hex() not in str(caught.value)


LINES = st.one_of(
    st.builds(
        "{}{}alice{}-{}{}{}{}".format,
        st.sampled_from(["HOTP/T30/6", "HOTP/T60/8", "HOTP/E/6"]),
        *[st.sampled_from([" ", "\t", " \t "])] * 3,
        st.binary(min_size=1, max_size=32).map(bytes.hex).map(str.upper),
        st.sampled_from(["", STATE, " 3", " 3 123456"]),
        st.sampled_from(["", " ", "\t", "\r"]),
    ),
    st.sampled_from(["", "   ", "# comment", "#HOTP/T45/6 bob - 00", "\t# indented"]),
)


@given(st.lists(LINES, max_size=6).map("\n".join), st.sampled_from(["", "\n"]))
def test_lines_come_back_byte_for_byte(content: str, last: str) -> None:
    lines = tokens.parse(content + last, "alice")

    assert tokens.render(lines).rstrip("\n") == content.rstrip("\n")
    assert tokens.parse(tokens.render(lines), "alice") == lines


@given(st.lists(LINES, max_size=6).map("\n".join), st.sampled_from([(30, 6), (60, 8)]))
def test_nothing_given_changes_no_device(content: str, kind: tuple[int, int]) -> None:
    lines = tokens.parse(content, "alice")
    have = tokens.devices(lines)
    wanted_kind = all((found.interval, found.digits) == kind for found in have)

    if wanted_kind and len({found.seed for found in have}) == len(have) <= 2:
        assert tokens.merge(lines, "alice", (None, None), *kind) == lines


def test_last_use_is_read() -> None:
    assert [found.last_used for found in parsed(line(A, STATE), line(B))] == ["2026-11-24T06:18:01L", ""]


def test_new_token() -> None:
    made = tokens.new_line("alice", A, 60, 8)

    assert made.text == f"HOTP/T60/8\talice\t-\t{A.hex()}"
    assert parsed(made.text) == [made]


# Merging: whoever drops the replay state makes a used code valid again.


def test_same_seed_keeps_everything() -> None:
    lines = parsed("# of alice\n", line(A, STATE), line(RECOVERY, " 3", "HOTP/E/6"))

    assert merged(lines, A) == tokens.render(lines)
    assert merged(lines, None) == tokens.render(lines)


def test_new_seed_starts_without_state() -> None:
    assert merged(parsed(line(A, STATE)), B) == line(B)


def test_backup_is_added_and_left_alone() -> None:
    with_backup = merged(parsed(line(A, STATE)), None, B)

    assert with_backup == line(A, STATE) + line(B)
    assert merged(parsed(with_backup), A) == with_backup
    assert merged(parsed(line(A, STATE), line(B, STATE)), C) == line(C) + line(B, STATE)


def test_devices_change_places_with_their_state() -> None:
    assert merged(parsed(line(A, STATE), line(B)), B, A) == line(B) + line(A, STATE)


def test_backup_moves_to_primary_and_is_not_there_twice() -> None:
    lines = parsed(line(A), line(B, STATE))

    assert merged(lines, B) == line(B, STATE)
    assert merged(lines, B, C) == line(B, STATE) + line(C)
    assert merged(lines, None, A) == line(A)


def test_seed_that_is_there_twice_is_mended() -> None:
    assert merged(parsed(line(A, STATE), line(A)), A) == line(A, STATE)
    assert merged([], A, A) == line(A)


def test_recovery_codes_and_comments_stay() -> None:
    lines = parsed("# of alice\n", line(A), "\n", line(RECOVERY, " 3 123456", "HOTP/E/6"))

    assert merged(lines, B) == line(B) + "# of alice\n\n" + line(RECOVERY, " 3 123456", "HOTP/E/6")


@pytest.mark.parametrize(("interval", "digits"), [(60, 6), (30, 8)])
def test_other_settings_make_a_new_line(interval: int, digits: int) -> None:
    text = merged(parsed(line(A, STATE)), A, interval=interval, digits=digits)

    assert text == line(A, kind=f"HOTP/T{interval}/{digits}")


# A login between plan and write.


def test_newer_state_is_taken_over_for_each_seed() -> None:
    planned = parsed("# c\n", line(A), line(B), line(RECOVERY, " 3", "HOTP/E/6"))
    now = parsed(line(RECOVERY, " 4", "HOTP/E/6"), line(A, STATE))

    assert tokens.render(tokens.with_state_of(planned, now)) == "# c\n" + line(A, STATE) + line(B) + line(
        RECOVERY, " 4", "HOTP/E/6"
    )


def test_state_of_other_settings_is_not_taken_over() -> None:
    planned = parsed(line(A, kind="HOTP/T60/6"))

    assert tokens.with_state_of(planned, parsed(line(A, STATE))) == planned


def test_seeds_do_not_show() -> None:
    assert repr(parsed(line(A, STATE))) == "[TokenLine(user='alice', interval=30, digits=6)]"


# Recovery codes: one event-based line; a code that is gone never comes back.


def with_recovery(lines: list[TokenLine], seed: bytes | None, count: int = 3, digits: int = 6) -> str:
    return tokens.render(tokens.with_recovery(lines, "alice", seed, count, digits))


def codes(state: str = "", seed: bytes = RECOVERY, kind: str = "HOTP/E/6") -> str:
    return line(seed, state, kind)


@pytest.mark.parametrize(
    ("state", "used"),
    [("", 0), ("\t0", 0), ("\t4", 4), ("\t0\t123456", 1), ("\t4\t123456\t2026-11-24T06:18:01L", 5)],
)
def test_codes_that_are_gone_are_counted(state: str, used: int) -> None:
    found = tokens.recovery(parsed(line(A), codes(state)))

    assert found is not None
    assert found.used == used


def test_moving_factor_that_is_no_number_is_refused() -> None:
    with pytest.raises(TwofactorError, match="no number"):
        parsed(codes("\t-1"))


def test_recovery_codes_come_after_the_devices() -> None:
    assert with_recovery(parsed(line(A, STATE)), RECOVERY) == line(A, STATE) + codes()
    assert tokens.recovery([]) is None
    assert with_recovery([], None) == ""


@pytest.mark.parametrize("seed", [None, RECOVERY])
def test_same_recovery_seed_keeps_its_state(seed: bytes | None) -> None:
    text = line(A) + codes("\t1\t123456\t2026-11-24T06:18:01L")

    assert with_recovery(parsed(text), seed) == text


def test_used_up_codes_are_set_aside_and_never_come_back() -> None:
    state = "\t2\t123456\t2026-11-24T06:18:01L"
    aside = with_recovery(parsed(line(A), codes(state)), RECOVERY)

    assert aside == line(A) + "#spent " + codes(state)
    assert with_recovery(parsed(aside), RECOVERY) == aside
    assert with_recovery(parsed(aside), None) == aside
    assert with_recovery(parsed(aside), RECOVERY, count=4) == line(A) + codes(state)
    assert merged(parsed(aside), B) == line(B) + "#spent " + codes(state)


def test_refill_replaces_the_codes() -> None:
    assert with_recovery(parsed("#spent " + codes("\t2\t123456")), C) == codes(seed=C)
    assert with_recovery(parsed(codes(), codes(seed=B)), None) == codes() + codes(seed=B)


def test_other_digits_keep_the_count() -> None:
    assert with_recovery(parsed(codes("\t1\t123456")), None, digits=8) == codes("\t2", kind="HOTP/E/8")


def test_login_in_between_does_not_bring_back_what_is_set_aside() -> None:
    planned = tokens.with_recovery(parsed(codes("\t2\t123456")), "alice", None, 3, 6)
    now = parsed(codes("\t3\t654321"))
    back = tokens.with_recovery(planned, "alice", None, 9, 6)

    assert tokens.render(tokens.with_state_of(planned, now)) == "#spent " + codes("\t3\t654321")
    assert tokens.render(tokens.with_state_of(back, planned)) == codes("\t2\t123456")


# The secret before, for a while.


def test_previous_secret_stands_apart_with_its_state() -> None:
    before = parsed(line(A, STATE))
    text = tokens.render(tokens.with_previous(parsed(line(B)), before, (A,)))
    lines = parsed(text)

    assert text.startswith(line(B) + "# ")
    assert text.endswith(line(A, STATE))
    assert [found.seed for found in tokens.devices(lines)] == [B]
    assert tokens.render(tokens.with_previous(lines, lines, (A,))) == text
    assert tokens.render(tokens.with_previous(lines, lines, ())) == line(B)
    assert with_recovery(lines, RECOVERY) == line(B) + codes() + text[len(line(B)) :]
    assert merged(lines, None) == text


def test_previous_secret_that_is_not_there_is_not_made() -> None:
    assert tokens.with_previous(parsed(line(B)), parsed(line(C)), (A,)) == parsed(line(B))
    assert tokens.with_previous(parsed(line(B)), parsed(line(B)), (B,)) == parsed(line(B))


def test_going_back_keeps_what_was_used() -> None:
    lines = tokens.with_previous(parsed(line(B)), parsed(line(A, STATE)), (A,))

    assert tokens.render(tokens.with_previous(parsed(merged(lines, A)), lines, ())) == line(A, STATE)


def test_previous_secrets_end_when_they_are_to() -> None:
    until = 1_798_761_600.0
    before = parsed(line(A, STATE)) + parsed(line(C))
    text = tokens.render(tokens.with_previous(parsed(line(B)), before, (A, C), until))
    lines = parsed(text)

    assert text == line(B) + "# accepted beside the present secret until 2027-01-01T00:00:00Z\n" + line(
        A, STATE
    ) + line(C)
    assert tokens.end_of_previous(lines) == until
    assert tokens.render(tokens.with_previous(lines, lines, (A, C), until)) == text
    assert tokens.end_of_previous(tokens.with_previous(lines, lines, (A, C))) is None
    assert tokens.end_of_previous(parsed(line(A))) is None
    assert with_recovery(lines, RECOVERY) == line(B) + codes() + text[len(line(B)) :]


def test_an_end_that_cannot_be_read_is_over() -> None:
    mark = "# accepted beside the present secret until 2027-02-31T00:00:00Z\n"

    assert tokens.end_of_previous(parsed(line(B) + mark + line(A))) == 1.0
