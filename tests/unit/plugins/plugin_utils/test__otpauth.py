"""The otpauth URI, read back by pyotp: an independent reader of the format."""

from __future__ import annotations

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._otpauth import (
    kind_of,
    labels_of,
    otpauth_uri,
)

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_is_written_out_in_full() -> None:
    assert otpauth_uri(SECRET, "alice", "Example Fleet") == (
        f"otpauth://totp/Example%20Fleet:alice?secret={SECRET}&issuer=Example%20Fleet&algorithm=SHA1&digits=6&period=30"
    )


@pytest.mark.parametrize(
    ("account", "issuer"),
    [
        ("alice", "Fleet"),
        ("alice smith", "Fleet of ours"),
        ("jürgen", "Flöße & Söhne"),
        ("alice@example.com", "a+b"),
        ("50%", "100%25"),
        ("a/b?c#d=e", "x/y?z#w=v"),
        ("naïve+tag@exämple.com", "日本"),
    ],
)
def test_names_survive_a_round_trip(account: str, issuer: str) -> None:
    token = pyotp.parse_uri(otpauth_uri(SECRET, account, issuer))

    assert (token.name, token.issuer, token.secret) == (account, issuer, SECRET)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_survives_or_is_refused(account: str, issuer: str) -> None:
    try:
        uri = otpauth_uri(SECRET, account, issuer)
    except TwofactorError:
        return
    token = pyotp.parse_uri(uri)

    assert uri.isascii()
    assert (token.name, token.issuer) == (account, issuer)


@pytest.mark.parametrize("digits", [6, 7, 8])
@pytest.mark.parametrize("interval", [30, 60])
def test_settings_survive_a_round_trip(digits: int, interval: int) -> None:
    token = pyotp.parse_uri(otpauth_uri(SECRET, "alice", "Fleet", digits, interval))

    assert isinstance(token, pyotp.TOTP)
    assert (token.digits, token.interval) == (digits, interval)
    assert token.at(0) == pyotp.TOTP(SECRET, digits=digits, interval=interval).at(0)


def test_secret_loses_blanks_and_padding() -> None:
    # 16 bytes: 26 characters and six of padding.
    spoken = "gezd gnbv-gy3t qojq gezd gnbv gy======"

    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY&" in otpauth_uri(spoken, "alice", "Fleet")


def test_numbers_out_of_yaml_are_taken() -> None:
    digits_only = 23456723456723456723456723456723

    assert f"secret={digits_only}&" in otpauth_uri(digits_only, 1001, "Fleet", "8", "60")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("account", "issuer"),
    [("a:b", "Fleet"), ("alice", "x:y"), ("", "Fleet"), ("alice", ""), ("a\nb", "Fleet")],
)
def test_name_that_apps_would_misread_is_refused(account: str, issuer: str) -> None:
    with pytest.raises(TwofactorError, match="colon"):
        otpauth_uri(SECRET, account, issuer)


@pytest.mark.parametrize(("digits", "interval"), [(5, 30), (9, 30), (6, 45), (6, 0)])
def test_settings_that_pam_oath_lacks_are_refused(digits: int, interval: int) -> None:
    with pytest.raises(TwofactorError, match="30 or 60 seconds"):
        otpauth_uri(SECRET, "alice", "Fleet", digits, interval)


@pytest.mark.parametrize("secret", ["JBSWY3DPEHPK3PXP", "JBSWY3DP!HPK3PXPJBSWY3DPEHPK3PXP", ""])
def test_bad_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        otpauth_uri(secret, "alice", "Fleet")

    assert not secret or secret not in str(caught.value)
    assert "alice" in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "labels", "kind"),
    [
        (
            "otpauth://totp/iXsystems:root-nas%40TrueNAS?secret=A&issuer=iXsystems",
            ("root-nas@TrueNAS", "iXsystems"),
            (6, 30),
        ),
        ("otpauth://totp/Fleet:alice?secret=A&digits=8&period=60", ("alice", "Fleet"), (8, 60)),
        ("otpauth://totp/alice?secret=A", ("alice", ""), (6, 30)),
    ],
)
def test_what_another_system_has_made(uri: str, labels: tuple[str, str], kind: tuple[int, int]) -> None:
    assert labels_of(uri) == labels
    assert kind_of(uri) == kind
