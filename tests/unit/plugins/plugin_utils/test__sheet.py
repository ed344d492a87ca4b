"""The sheet's text; how it looks is tested in tests/enrolment."""

from __future__ import annotations

from xml.etree import ElementTree

import pyotp
import pytest

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet, page

A, B, C = (letter * 32 for letter in "ABC")
ENTRY = Entry(A, 8, 60, B, C, 3, "2026-11-24")


def sheet(**more: object) -> Sheet:
    return Sheet(**{"user": "alice", "account": "alice", "issuer": "Fleet", "entry": ENTRY, **more})  # type: ignore[arg-type]


def test_codes_are_those_that_hosts_accept() -> None:
    assert sheet().recovery_codes() == [pyotp.HOTP(C, digits=8).at(n) for n in range(3)]
    assert sheet(is_backup=True).recovery_codes() == []
    assert sheet(entry=Entry(A)).recovery_codes() == []


def test_backup_device_has_its_own_secret_and_name() -> None:
    assert pyotp.parse_uri(sheet().uri).secret == A
    backup = pyotp.parse_uri(sheet(is_backup=True).uri)
    assert (backup.secret, backup.name) == (B, "alice (backup)")
    assert A not in page(sheet(is_backup=True)).replace(" ", "")


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ((), "for the whole fleet."),
        (("web1",), "for web1."),
        (tuple(f"w{n}" for n in range(15)), "w11 and 3 more hosts."),
    ],
)
def test_hosts(hosts: tuple[str, ...], words: str) -> None:
    assert words in page(sheet(hosts=hosts))


def test_names_cannot_become_markup() -> None:
    text = page(sheet(account="<i>&", issuer='<script>"'))

    assert "<script>" not in text
    assert "<i>" not in text


def test_picture_is_well_formed() -> None:
    text = page(sheet())
    svg = text[text.index("<svg") : text.index("</svg>") + 6]

    assert ElementTree.fromstring(svg).get("aria-label") == "QR code for your authenticator app"


def test_secrets_do_not_show() -> None:
    assert not {A, B, C} & set(repr(sheet()).split("'"))


def test_the_one_secret_of_a_nas_is_for_both_devices() -> None:
    uri = f"otpauth://totp/iXsystems:alice-nas1%40TrueNAS?secret={A}&issuer=iXsystems"
    nas = sheet(entry=Entry(A), made_by_host=uri)

    assert nas.uri == uri
    assert "both devices now" in page(nas)
    assert "both devices now" not in page(sheet())
