# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QR codes. Private to this collection: may change at any time.

The library finds the symbol; drawing it takes a few lines each, and no other library.
"""

from __future__ import annotations

import base64
import struct
import zlib

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

BORDER = 4
"""Modules of quiet zone around a picture, as ISO/IEC 18004 has it."""
TEXT_BORDER = 2
"""On a terminal: cameras manage with 2, and lines are dear there."""
SCALE = 8
"""Pixels for each module of a PNG, so that a printer or a screen loses none."""

Modules = list[list[bool]]
"""Rows of a symbol; True is dark."""


def modules(content: str) -> Modules:
    """Return the symbol of ``content`` without a quiet zone.

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
    symbol = qrcode.QRCode(border=0, error_correction=qrcode.ERROR_CORRECT_M)
    symbol.add_data(content)
    try:
        symbol.make(fit=True)
    except (DataOverflowError, ValueError):
        raise TwofactorError(
            "qr_too_long",
            f"{len(content)} characters are too many for a QR code.",
            "Shorten account and issuer.",
        ) from None
    return [[bool(module) for module in row] for row in symbol.modules]


def qr_text(content: str) -> str:
    """Return ``content`` as a QR code of block characters, two modules high each, for a dark terminal."""
    rows = _with_border(modules(content), TEXT_BORDER)
    if len(rows) % 2:
        rows.append([True] * len(rows))  # below the symbol: the terminal's own dark
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    lines = (
        "".join(blocks[pair] for pair in zip(upper, lower)) for upper, lower in zip(rows[::2], rows[1::2])
    )
    return "".join(line + "\n" for line in lines)


def qr_svg(content: str, label: str = "QR code") -> str:
    """Return ``content`` as an SVG picture, black on white; ``label`` is what a screen reader says of it."""
    rows = modules(content)
    side = len(rows) + 2 * BORDER
    path = "".join(
        f"M{start + BORDER} {y + BORDER}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _runs(row)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" '
        f'aria-label="{_escaped(label)}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>'
    )


def qr_png(content: str) -> str:
    """Return ``content`` as a PNG picture in base64, since Ansible's templates hold text."""
    return base64.b64encode(png(modules(content))).decode("ascii")


def png(rows: Modules) -> bytes:
    """Return a symbol as a PNG picture of one bit a pixel (W3C PNG, colour type 0)."""
    framed = _with_border(rows, BORDER)
    side = len(framed) * SCALE
    lines = []
    for row in framed:
        bits = "".join(("0" if dark else "1") * SCALE for dark in row)
        packed = int(bits, 2).to_bytes(len(bits) // 8, "big")  # SCALE makes whole bytes
        lines.append((b"\0" + packed) * SCALE)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with_border(rows: Modules, width: int) -> Modules:
    side = len(rows) + 2 * width
    blank = [[False] * side for dummy in range(width)]
    return [*blank, *([False] * width + row + [False] * width for row in rows), *[list(row) for row in blank]]


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Return start and length of each run of dark modules."""
    found = []
    start = None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            found.append((start, x - start))
            start = None
    return found


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
