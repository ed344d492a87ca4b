# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of the sheets: which files a user has there, written so that nobody else can read them.

Private to this collection: may change at any time. A tilde and a percent sign cannot be in a user's name, so that no
file is taken for another user's. The backslash of ``DOMAIN\\user`` becomes ``%5C``.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from collections.abc import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._private_file import replace
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._qr import qr_png, qr_svg, qr_text
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet, page

NAME = "twofactor_sheets"
_PROBE = 1 << 18
"""Bytes; a sheet in all formats has fewer."""
_RENDER: dict[str, Callable[[Sheet], bytes]] = {
    "html": lambda sheet: page(sheet).encode(),
    "svg": lambda sheet: qr_svg(sheet.uri).encode(),
    "png": lambda sheet: base64.b64decode(qr_png(sheet.uri)),
    "txt": lambda sheet: qr_text(sheet.uri).encode(),
}
FORMATS = tuple(_RENDER)


def make(folder: str) -> None:
    """Have the folder, for nobody but its owner."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
    except OSError as error:
        raise _unwritten(folder, error) from None


def refuse_unwritable(folder: str) -> None:
    """Raise TwofactorError when sheets could not be written there, before there is anything to write."""
    there = folder
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"\0" * _PROBE)
    except OSError as error:
        raise TwofactorError(
            "sheet_not_written",
            f"No sheet can be written to {folder}: {error.strerror}.",
            "Mend that, and run again. Nothing has changed.",
        ) from None


def write(folder: str, host: str, sheet: Sheet, formats: tuple[str, ...]) -> None:
    """Write a user's sheet in each of ``formats``, whole or not at all."""
    for name in formats:
        path = os.path.join(folder, f"{_stem(host, sheet.user, sheet.is_backup)}.{name}")
        data = _RENDER[name](sheet)
        try:
            replace(path, data)
        except OSError as error:
            raise _unwritten(path, error) from None


def remove(folder: str, host: str, user: str) -> bool:
    """Remove a user's sheets; tell whether there were any."""
    found = False
    for is_backup in (False, True):
        for name in FORMATS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, f"{_stem(host, user, is_backup)}.{name}"))
                found = True
    return found


def _stem(host: str, user: str, is_backup: bool) -> str:
    parts = [user, *([] if host == FLEET else [host]), *(["backup"] if is_backup else [])]
    return "~".join(part.replace(os.sep, "_").replace("\\", "%5C") for part in parts)


def _unwritten(path: str, error: OSError) -> TwofactorError:
    return TwofactorError(
        "sheet_not_written",
        f"{path} could not be written: {error.strerror}.",
        "The secrets are in the store. Mend that and run again: sheets that are missing are written then.",
    )
