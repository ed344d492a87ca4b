# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""otpauth URIs: what an authenticator app reads from a QR code.

Private to this collection: may change at any time. The format is the Key URI Format that the apps share. It
is written out here, since pyotp leaves out what is an app's default, and not all apps have the same.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import DIGITS, INTERVALS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._otp import (
    seed_from_base32,
    seed_to_base32,
)


def otpauth_uri(secret: str, account: str, issuer: str, digits: int = 6, interval: int = 30) -> str:
    """Return the URI that enrols ``account`` at ``issuer`` in an authenticator app.

    Raises TwofactorError for a value that an app or pam_oath would not take; the error never holds the secret.
    """
    # YAML makes a number of a value that has nothing but figures.
    secret, account, issuer = str(secret), str(account), str(issuer)
    digits, interval = int(digits), int(interval)
    refuse_bad_names(account, issuer)
    if digits not in DIGITS or interval not in INTERVALS:
        raise TwofactorError(
            "bad_settings",
            f"A code cannot have {digits} digits and an interval of {interval} seconds.",
            f"Use {_words(DIGITS)} digits, and {_words(INTERVALS)} seconds.",
        )
    parameters = {
        "secret": seed_to_base32(seed_from_base32(secret, account)),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": digits,
        "period": interval,
    }
    label = ":".join(quote(part, safe="") for part in (issuer, account))
    # quote_via: apps show a "+" as it is, so a blank must be %20.
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote, safe='')}"


def labels_of(uri: str) -> tuple[str, str]:
    """Return account and issuer of a URI that another system has made; empty where it names none."""
    parts = urlsplit(uri)
    label = unquote(parts.path.lstrip("/"))
    before, colon, after = label.partition(":")
    issuer = parse_qs(parts.query).get("issuer", [before if colon else ""])[0]
    return (after if colon else label).strip(), issuer


def kind_of(uri: str) -> tuple[int, int]:
    """Return digits and interval of a URI that another system has made, which leaves out what is usual."""
    parameters = parse_qs(urlsplit(uri).query)
    return int(parameters.get("digits", ["6"])[0]), int(parameters.get("period", ["30"])[0])


def refuse_bad_names(account: str, issuer: str) -> None:
    """Raise TwofactorError for a label that an app would read as something else."""
    for name, text in (("account", account), ("issuer", issuer)):
        if not text or ":" in text or not text.isprintable():
            raise TwofactorError(
                "bad_label",
                f"The {name} '{text}' is empty or has a colon or a character that cannot be shown in it.",
                "Apps tell issuer and account apart by a colon: leave it out of both.",
            )


def _words(numbers: tuple[int, ...]) -> str:
    return " or ".join(str(number) for number in numbers)
