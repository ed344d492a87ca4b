# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds and one-time codes. Private to this collection: may change at any time.

Codes follow RFC 4226 (HOTP) and RFC 6238 (TOTP) with HMAC-SHA-1, the only algorithm that pam_oath
and every authenticator app share.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

MIN_SEED_BYTES = 16
"""RFC 4226, R6: a shared secret is at least 128 bits long."""
MAX_SEED_BYTES = 32
"""pam_oath ignores a line whose seed is longer, which would leave its user without a token."""
SEED_BYTES = 20
"""RFC 4226, R6 recommends 160 bits; they make 32 base32 characters without padding."""


def random_seed() -> bytes:
    """Return a new seed of SEED_BYTES from the system's random source."""
    return os.urandom(SEED_BYTES)


def seed_from_base32(text: str, owner: str) -> bytes:
    """Return the seed that ``text`` (base32, RFC 4648) stands for.

    Lower case, blanks and hyphens between groups and missing padding are accepted, since that is how
    people copy secrets. ``owner`` names the user in the error; the text itself never appears there.
    """
    compact = "".join(text.split()).replace("-", "").rstrip("=")
    try:
        seed = base64.b32decode(compact + "=" * (-len(compact) % 8), casefold=True)
    except (binascii.Error, ValueError):
        raise TwofactorError(
            "secret_not_base32",
            f"The secret of user '{owner}' is not base32 (letters A to Z and digits 2 to 7).",
            "Give the secret exactly as an authenticator app would show it.",
        ) from None
    if not MIN_SEED_BYTES <= len(seed) <= MAX_SEED_BYTES:
        raise TwofactorError(
            "secret_length",
            f"The secret of user '{owner}' is {len(seed)} bytes long; pam_oath takes at most "
            f"{MAX_SEED_BYTES} and RFC 4226 asks for at least {MIN_SEED_BYTES}.",
            f"Use {SEED_BYTES} random bytes, which are 32 base32 characters.",
        )
    return seed


def seed_to_base32(seed: bytes) -> str:
    """Return ``seed`` as base32 without padding, the form that otpauth URIs and apps use."""
    return base64.b32encode(seed).decode("ascii").rstrip("=")


def hotp(seed: bytes, counter: int, digits: int = 6) -> str:
    """Return the HOTP value of RFC 4226, section 5.3, as a string of ``digits`` figures."""
    mac = hmac.new(seed, counter.to_bytes(8, "big"), "sha1").digest()
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(when: float, interval: int = 30) -> int:
    """Return the time step (RFC 6238, section 4.2) of ``when``, seconds since 1970 UTC."""
    return int(when // interval)


def totp(seed: bytes, when: float, interval: int = 30, digits: int = 6) -> str:
    """Return the TOTP value of RFC 6238 at ``when``, seconds since 1970 UTC."""
    return hotp(seed, step_of(when, interval), digits)
