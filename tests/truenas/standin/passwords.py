# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password hashes, by the C library's own crypt."""

from __future__ import annotations

import ctypes
import hmac
import secrets
import string
import threading
from ctypes.util import find_library

_LOCK = threading.Lock()
_SALT = string.ascii_letters + string.digits + "./"


def _crypt(password: str, setting: str) -> str:
    library = ctypes.CDLL(find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    with _LOCK:  # its result lies in a buffer of its own
        hashed = library.crypt(password.encode(), setting.encode())
    return (hashed or b"*").decode("ascii")


def hashed(password: str) -> str:
    """Return a fresh SHA-512 hash."""
    salt = "".join(secrets.choice(_SALT) for _ in range(16))
    return _crypt(password, f"$6${salt}$")


def is_right(password: object, unixhash: str) -> bool:
    """Tell whether a password belongs to a hash; to no hash does any."""
    if not isinstance(password, str) or not unixhash.startswith("$"):
        return False
    return hmac.compare_digest(_crypt(password, unixhash), unixhash)
