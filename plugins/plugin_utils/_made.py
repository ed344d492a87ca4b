# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that a host says it has made, checked before they get onto a sheet and into an app.

Pure code. Private to this collection: may change at any time. An app keeps what a QR code says: a URI of another kind,
or with another secret than the one typed in, would leave its user without a valid code, or with somebody else's entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_list

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import DIGITS, INTERVALS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._otp import (
    seed_from_base32,
    seed_to_base32,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _otpauth

_LONGEST_URI = 500
"""Characters; a QR code with more is hard to scan."""
_PARAMETERS = {"secret", "issuer", "algorithm", "digits", "period"}
_ALGORITHM = "SHA1"


def refuse_bad(made: Any, options: dict[str, Any], issuer: str = "") -> None:
    """Raise TwofactorError unless every secret in ``made`` is one that ``options`` ask the host to make.

    ``options`` are those of the module twofactor_secret. ``issuer`` is the fleet's own, empty for none: an entry of
    that name in an app is not a host's to make.
    """
    if not made:
        return
    wanted = _wanted(options) if asks_for_secrets(options) else set()
    names = [entry.get("name") for entry in made]
    for entry, name in zip(made, names):
        if name not in wanted:
            raise _bad(name, "it was not asked to make one for this user")
        if names.count(name) > 1:
            raise _bad(name, "there is more than one")
        for reason in _objections(entry, issuer):
            raise _bad(name, reason)


def asks_for_secrets(options: dict[str, Any]) -> bool:
    """Tell whether the host is asked to hand secrets over, so that what it prints is not to be shown."""
    try:
        return bool(check_type_bool(options.get("return_secrets") or False))
    except TypeError:
        return True


def _bad(name: object, reason: str) -> TwofactorError:
    return TwofactorError(
        "made_unfit",
        f"The host says that it has made a secret for '{name}' which cannot be used: {reason}.",
        "No sheet was written. Find out what runs as Python on the host, then renew the secrets of this host's users.",
    )


def _wanted(options: dict[str, Any]) -> set[str]:
    """Return the users for whom the host was asked to make a secret."""
    try:
        users = [check_type_dict(user) for user in check_type_list(options.get("users") or [])]
    except (TypeError, ValueError):
        return set()
    return {str(user.get("name")) for user in users if not user.get("secret")}


def _objections(entry: dict[str, Any], issuer: str) -> Iterable[str]:
    """Return why an entry is unfit, without its secret."""
    try:
        secret = seed_to_base32(seed_from_base32(str(entry.get("secret") or ""), str(entry["name"])))
    except TwofactorError as error:
        return [f"{error.code}"]
    if entry.get("secret") != secret:
        return ["the secret is not written as base32 is"]
    if entry.get("uri"):
        return _objections_to_uri(entry["uri"], secret, issuer)
    if entry.get("digits") not in DIGITS or entry.get("interval") not in INTERVALS:
        return ["no app shows codes of such digits and interval"]
    return []


def _objections_to_uri(uri: str, secret: str, issuer: str) -> Iterable[str]:
    if len(uri) > _LONGEST_URI or not uri.isascii() or not uri.isprintable():
        return ["the URI is too long, or has characters that a URI does not have"]
    try:
        parts = urlsplit(uri)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
        account, named_issuer = _otpauth.labels_of(uri)
    except ValueError:
        return ["the URI cannot be read"]
    if (parts.scheme, parts.netloc, parts.fragment) != ("otpauth", "totp", "") or "totp/" not in uri:
        return ["the URI is not one of time-based codes (otpauth://totp)"]
    parameters = dict(pairs)
    if len(pairs) != len(parameters) or not set(parameters) <= _PARAMETERS:
        return ["the URI has a parameter twice, or one that apps do not share"]
    if parameters.get("secret") != secret:
        return ["the URI has another secret"]
    return _objections_to_kind(parameters, account, named_issuer, issuer)


def _objections_to_kind(
    parameters: dict[str, str], account: str, named_issuer: str, issuer: str
) -> Iterable[str]:
    digits, period = parameters.get("digits", "6"), parameters.get("period", "30")
    if digits not in map(str, DIGITS) or period not in map(str, INTERVALS):
        return ["no app shows codes of such digits and interval"]
    if parameters.get("algorithm", _ALGORITHM) != _ALGORITHM:
        return ["the algorithm is not SHA1"]
    try:
        _otpauth.refuse_bad_names(account, named_issuer)
    except TwofactorError:
        return ["account or issuer is empty, or has a character that an app takes for something else"]
    if named_issuer == issuer:
        return ["its issuer is the fleet's own, whose entry in the app it would replace"]
    return []
