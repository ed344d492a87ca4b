# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller that nobody but their owner can read, whole or not there at all.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import os


def replace(path: str, data: bytes) -> None:
    """Put ``data`` in the place of a file, with mode 0600."""
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)  # of a run that was killed
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
