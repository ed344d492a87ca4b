from __future__ import annotations

import base64
import traceback

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

SEED = b"12345678901234567890"
SEEDS = st.binary(min_size=16, max_size=32)


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(
            [
                "755224",
                "287082",
                "359152",
                "969429",
                "338314",
                "254676",
                "287922",
                "162583",
                "399871",
                "520489",
            ]
        )
    ),
)
def test_hotp_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert _otp.hotp(SEED, counter) == code


@pytest.mark.parametrize(
    ("when", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_totp_of_rfc_6238_appendix_b(when: int, code: str) -> None:
    assert _otp.totp(SEED, when, digits=8) == code


@given(SEEDS, st.integers(0, 2**40), st.sampled_from([30, 60]), st.sampled_from([6, 7, 8]))
def test_codes_are_those_of_authenticator_apps(seed: bytes, when: int, interval: int, digits: int) -> None:
    app = pyotp.TOTP(_otp.seed_to_base32(seed), digits=digits, interval=interval)

    assert _otp.totp(seed, when, interval, digits) == app.generate_otp(when // interval)


@pytest.mark.parametrize(("when", "step"), [(0, 0), (29.999, 0), (30, 1), (59.5, 1), (60, 2)])
def test_steps_begin_at_1970(when: float, step: int) -> None:
    assert _otp.step_of(when) == step


def test_random_seeds_are_160_bits_and_never_the_same() -> None:
    seeds = {_otp.random_seed() for _ in range(50)}

    assert len(seeds) == 50
    assert {len(seed) for seed in seeds} == {20}


@given(SEEDS)
def test_base32_round_trip(seed: bytes) -> None:
    text = _otp.seed_to_base32(seed)

    assert "=" not in text
    assert _otp.seed_from_base32(text, "alice") == seed


@given(SEEDS, st.sampled_from(["", " ", "-", "\n", "\t"]), st.booleans())
def test_base32_as_people_copy_it(seed: bytes, between: str, padded: bool) -> None:
    text = base64.b32encode(seed).decode().lower()
    text = text if padded else text.rstrip("=")
    groups = between.join(text[start : start + 4] for start in range(0, len(text), 4))

    assert _otp.seed_from_base32(f" {groups}\n", "alice") == seed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(_otp.seed_to_base32(b"x" * 33), "secret_length", id="33 bytes"),
        pytest.param(_otp.seed_to_base32(b"x" * 15), "secret_length", id="15 bytes"),
        pytest.param("", "secret_length", id="empty"),
        pytest.param("====", "secret_length", id="padding only"),
        pytest.param("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "secret_not_base32", id="the digit 1"),
        pytest.param("GEZDGNBVGY3TQOJQ" + "G" * 9, "secret_not_base32", id="a length that base32 has not"),
        pytest.param("GEZDGNBVGY3TQOJQ=GEZDGNBVGY3TQOJQ", "secret_not_base32", id="padding inside"),
        pytest.param("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ\N{LATIN SMALL LETTER LONG S}", "secret_not_base32", id="long s"),
        pytest.param("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ\N{LATIN SMALL LETTER DOTLESS I}", "secret_not_base32", id="i"),
        pytest.param("{{ vault_secret_of_alice }}", "secret_not_base32", id="an unrendered template"),
        pytest.param("3132333435363738393031323334353637383930", "secret_not_base32", id="hexadecimal"),
    ],
)  # fmt: skip
def test_rubbish_is_refused_and_never_shown(text: str, code: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        _otp.seed_from_base32(text, "alice")
    told = f"{caught.value!r} {caught.value} {caught.value.args} " + "".join(
        traceback.format_exception(caught.value, chain=True)
    )

    assert caught.value.code == code
    assert "alice" in str(caught.value)
    assert len(text) < 8 or text not in told


@given(st.text(min_size=8, max_size=60))
def test_text_is_a_seed_or_refused(text: str) -> None:
    told = ""
    try:
        assert 16 <= len(_otp.seed_from_base32(text, "alice")) <= 32
    except TwofactorError as error:
        told = str(error)
    assert text not in told
