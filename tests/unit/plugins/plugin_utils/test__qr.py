"""The QR code on a terminal, read back by zxing from a picture of the text."""

from __future__ import annotations

import base64
import io
import re
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._otpauth import otpauth_uri
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._qr import (
    BORDER,
    TEXT_BORDER,
    modules,
    qr_png,
    qr_svg,
    qr_text,
)

# Only the environment with all development tools has a reader of QR codes.
zxingcpp = pytest.importorskip("zxingcpp")

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BRIGHT = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}
"""What each character looks like on a dark terminal: its upper and its lower half."""
SCALE = 6


def picture_of(text: str) -> Image.Image:
    """Return what a camera sees of ``text`` on a dark terminal."""
    rows = [[BRIGHT[character][half] for character in line] for line in text.splitlines() for half in (0, 1)]
    picture = Image.new("L", (len(rows[0]), len(rows)))
    picture.putdata([pixel for row in rows for pixel in row])
    return picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.NEAREST)


@pytest.mark.parametrize(
    "content",
    ["x", otpauth_uri(SECRET, "alice", "Example Fleet"), otpauth_uri(SECRET, "jürgen", "Söhne & Co. + 5 %")],
)
def test_reads_back(content: str) -> None:
    found = zxingcpp.read_barcode(picture_of(qr_text(content)))

    assert found is not None
    assert found.text == content


def test_has_its_quiet_zone() -> None:
    lines = qr_text("x").splitlines()

    assert len({len(line) for line in lines}) == 1
    assert set(lines[0]) == {"█"}
    assert all(line.startswith("█" * TEXT_BORDER) and line.endswith("█" * TEXT_BORDER) for line in lines[:-1])
    assert set(lines[-1]) == {"▀"}  # an odd number of modules: the last line is half a one


def test_fits_a_terminal() -> None:
    lines = qr_text(otpauth_uri(SECRET, "alice@example.com", "Example Fleet", 8, 60)).splitlines()

    assert len(lines[0]) <= 80
    assert len(lines) <= 30


def test_content_too_long_for_any_symbol_is_refused() -> None:
    with pytest.raises(TwofactorError, match="too many"):
        qr_text("x" * 4000)


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qrcode", None)

    with pytest.raises(TwofactorError, match="pip install qrcode"):
        qr_text("x")


def test_png_reads_back() -> None:
    content = otpauth_uri(SECRET, "jürgen", "Söhne & Co. + 5 %")
    picture = Image.open(io.BytesIO(base64.b64decode(qr_png(content))))

    assert picture.mode == "1"
    assert picture.width == picture.height
    found = zxingcpp.read_barcode(picture.convert("L"))
    assert found is not None
    assert found.text == content


def test_svg_draws_the_same_modules() -> None:
    content = otpauth_uri(SECRET, "alice", "Example Fleet")
    root = ElementTree.fromstring(qr_svg(content, 'of "alice" & <bob>'))
    path = root[1].get("d") or ""
    drawn = {
        (int(x) + step - BORDER, int(y) - BORDER)
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path)
        for step in range(int(length))
    }

    assert drawn == {(x, y) for y, row in enumerate(modules(content)) for x, dark in enumerate(row) if dark}
    assert root.get("aria-label") == 'of "alice" & <bob>'
