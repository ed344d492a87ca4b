# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that a host says it has made gets onto a sheet only when an app can do with it what the sheet says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._made import refuse_bad

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OTHER = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
URI = f"otpauth://totp/iXsystems:root-nas1%40TrueNAS?secret={SECRET}&issuer=iXsystems&digits=8&period=60"
OPTIONS = {"return_secrets": True, "users": [{"name": "root"}, {"name": "bob", "secret": OTHER}]}


def reason(made: list[dict[str, Any]], options: dict[str, Any] = OPTIONS, issuer: str = "") -> str:
    with pytest.raises(TwofactorError) as caught:
        refuse_bad(made, options, issuer)
    assert caught.value.code == "made_unfit"
    assert not [secret for secret in (SECRET, OTHER) if secret in str(caught.value)]
    return caught.value.message


@pytest.mark.parametrize(
    "entry",
    [
        {"uri": URI},
        {"uri": URI.replace("&digits=8&period=60", "")},
        {"uri": f"{URI}&algorithm=SHA1"},
        {"digits": 7, "interval": 30},
    ],
)
def test_what_platforms_make_is_fit(entry: dict[str, Any]) -> None:
    refuse_bad([{"name": "root", "secret": SECRET, **entry}], OPTIONS, "Example Fleet")


@pytest.mark.parametrize("made", [None, []])
def test_nothing_made_is_fit(made: object) -> None:
    refuse_bad(made, {})


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (URI.replace("totp", "hotp"), "time-based"),
        (URI.replace("otpauth", "https"), "time-based"),
        (URI.replace("totp/", "totp@example.com/"), "time-based"),
        ("javascript:alert(1)", "URI"),
        (f"{URI}#fragment", "time-based"),
        (URI.replace(SECRET, OTHER), "another secret"),
        (URI.replace(SECRET, SECRET.lower()), "another secret"),
        (f"{URI}&secret={OTHER}", "twice"),
        (f"{URI}&image=https%3A%2F%2Fexample.com", "do not share"),
        (f"{URI}&algorithm=SHA256", "SHA1"),
        (URI.replace("digits=8", "digits=4"), "digits"),
        (URI.replace("digits=8", "digits=%2B8"), "digits"),
        (URI.replace("digits=8", "digits=٨"), "characters"),
        (URI.replace("period=60", "period=1"), "interval"),
        (URI.replace("root-nas1", "a%0Ab"), "account or issuer"),
        (URI.replace("root-nas1%40TrueNAS", ""), "account or issuer"),
        (f"{URI}&issuer", "cannot be read"),
        ("otpauth://[totp/x", "cannot be read"),
        (f"{URI}&issuer={'x' * 600}", "too long"),
        (URI.replace("iXsystems", "Example%20Fleet"), "the fleet's own"),
    ],
)
def test_a_uri_of_another_kind(uri: str, why: str) -> None:
    assert why in reason([{"name": "root", "secret": SECRET, "uri": uri}], issuer="Example Fleet")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"name": "carol", "digits": 6, "interval": 30}, "not asked"),
        ({"name": "bob", "digits": 6, "interval": 30}, "not asked"),
        ({"name": "../root", "digits": 6, "interval": 30}, "not asked"),
        ({"name": None, "digits": 6, "interval": 30}, "not asked"),
        ({"digits": 9, "interval": 30}, "digits"),
        ({"digits": 6}, "digits"),
        ({"digits": 6, "interval": 30, "secret": None}, "secret_length"),
        ({"digits": 6, "interval": 30, "secret": "AAAA"}, "secret_length"),
        ({"digits": 6, "interval": 30, "secret": SECRET * 9}, "secret_length"),
        ({"digits": 6, "interval": 30, "secret": SECRET[:-1] + "1"}, "secret_not_base32"),
        ({"digits": 6, "interval": 30, "secret": SECRET.lower()}, "base32"),
        ({"digits": 6, "interval": 30, "secret": f"{SECRET[:16]} {SECRET[16:]}"}, "base32"),
    ],
)
def test_an_entry_of_another_kind(entry: dict[str, Any], why: str) -> None:
    assert why in reason([{"name": "root", "secret": SECRET, **entry}])


def test_one_secret_for_a_user() -> None:
    entry = {"name": "root", "secret": SECRET, "digits": 6, "interval": 30}

    assert "more than one" in reason([entry, entry])


@pytest.mark.parametrize("options", [{}, {**OPTIONS, "return_secrets": "no"}, {**OPTIONS, "users": "not: ["}])
def test_nothing_was_to_be_made(options: dict[str, Any]) -> None:
    assert "not asked" in reason([{"name": "root", "secret": SECRET, "uri": URI}], options)


def test_options_as_one_types_them() -> None:
    refuse_bad(
        [{"name": "root", "secret": SECRET, "uri": URI}],
        {"return_secrets": "yes", "users": ["name=root"]},
    )
