# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QR codes. Private to this collection: may change at any time."""

from __future__ import annotations

import io

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

TEXT_BORDER = 2
"""Modules of quiet zone on a terminal. The standard says 4; cameras manage with 2, and lines are dear there."""


def qr_text(content: str) -> str:
    """Return ``content`` as a QR code of block characters, two modules high each, for a dark terminal.

    Raises TwofactorError when qrcode is not installed or the content is too long for any QR code.
    """
    try:
        import qrcode
        from qrcode.exceptions import DataOverflowError
    except ImportError:
        raise TwofactorError(
            "qrcode_missing",
            "The Python library 'qrcode' is not installed on the controller.",
            "Install it where ansible-core is, with 'pip install qrcode'.",
        ) from None
    symbol = qrcode.QRCode(border=TEXT_BORDER, error_correction=qrcode.ERROR_CORRECT_M)
    symbol.add_data(content)
    out = io.StringIO()
    try:
        symbol.print_ascii(out=out, invert=True)
    except (DataOverflowError, ValueError):
        raise TwofactorError(
            "qr_too_long",
            f"{len(content)} characters are too many for a QR code.",
            "Shorten account and issuer.",
        ) from None
    # The library draws dark modules as no-break spaces, which get lost when somebody copies the text.
    return out.getvalue().replace("\N{NO-BREAK SPACE}", " ")
