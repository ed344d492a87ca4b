# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds, codes and URIs as the middleware makes and checks them (RFC 4226, RFC 6238)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
import time
from urllib.parse import quote

ISSUER = "iXsystems"


def new_secret() -> str:
    """Return a fresh seed of 32 base32 characters."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def hex_of(secret: str) -> str:
    """Return a seed the way pam_oath wants it."""
    return base64.b32decode(secret).hex().upper()


def code_at(secret: str, digits: int, interval: int, at: float) -> str:
    """Return the code of the time step that ``at`` lies in."""
    counter = struct.pack(">Q", int(at) // interval)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 0xF
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def is_right(code: object, secret: str, digits: int, interval: int, window: int) -> bool:
    """Tell whether a code is right now, or was or will be within ``window`` steps."""
    now = time.time()
    steps = range(-window, window + 1)
    return isinstance(code, str) and any(
        hmac.compare_digest(code_at(secret, digits, interval, now + step * interval), code) for step in steps
    )


def provisioning_uri(secret: str | None, account: str, digits: int, interval: int) -> str:
    """Return the URI for a code app; only what differs from its own defaults is named in it."""
    options = f"?secret={secret}&issuer={quote(ISSUER)}"
    options += f"&digits={digits}" if digits != 6 else ""
    options += f"&period={interval}" if interval != 30 else ""
    return f"otpauth://totp/{quote(ISSUER)}:{quote(account, safe='')}{options}"
