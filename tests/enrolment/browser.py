# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium: it shows sheets and prints them, and logs in to Cockpit."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Error, Page

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
"""Pictures of what was seen; git ignores the folder."""
SIZES = {"desktop": (1100, 1300), "phone": (390, 844)}
PAPERS = ("A4", "Letter")


def screenshot(browser: Browser, page_file: Path, size: str, picture: Path) -> None:
    """Show a page and take its picture, all of it."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(page_file.as_uri())
    page.screenshot(path=str(picture), full_page=True)
    page.close()


def printed(browser: Browser, page_file: Path, paper: str, stem: Path) -> list[Path]:
    """Print a page to PDF and return a picture of each sheet of paper, at 150 dots an inch."""
    page = browser.new_page()
    page.goto(page_file.as_uri())
    page.pdf(path=f"{stem}.pdf", format=paper)
    page.close()
    subprocess.run(["pdftoppm", "-r", "150", "-png", f"{stem}.pdf", str(stem)], check=True)
    return sorted(stem.parent.glob(f"{stem.name}-*.png"))


def qr_in(picture: Path) -> str:
    """Return what the one QR code in a picture says."""
    with Image.open(picture) as image:
        found = zxingcpp.read_barcodes(
            image.convert("L"), formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        )
    assert len(found) == 1, f"{len(found)} codes in {picture}"
    return str(found[0].text)


class Console:
    """Cockpit's login page of a host."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._context = browser.new_context(ignore_https_errors=True, viewport={"width": 1100, "height": 800})
        self.page: Page = self._context.new_page()
        for dummy in range(5):
            try:
                self.page.goto(f"https://{address}:9090/")
                break
            except Error as error:
                # Chromium gives up when any interface of the machine comes or goes, such as one of another lab.
                if "ERR_NETWORK_CHANGED" not in str(error):
                    raise
                time.sleep(0.5)
        self.page.wait_for_selector("#login-user-input", state="visible")

    def log_in(self, user: str, password: str, code: str | None = None, picture: str = "") -> bool:
        """Log in, answering with ``code`` when one is asked for; tell whether the console opened."""
        self.page.fill("#login-user-input", user)
        self.page.fill("#login-password-input", password)
        self.page.click("#login-button")
        self._wait()
        if self.asks:
            if picture:
                self.page.screenshot(path=str(ARTIFACTS / f"{picture}.png"))
            if code is None:
                return False
            self.page.fill("#conversation-input", code)
            self.page.click("#login-button")
            self._wait(after_code=True)
        return self.page.locator("#nav-system").is_visible()

    @property
    def asks(self) -> bool:
        """Tell whether the page asks one more question."""
        return self.page.locator("#conversation-input").is_visible()

    def _wait(self, after_code: bool = False) -> None:
        seen = ["#nav-system", "#login-error-message", "#login-error-title"]
        seen += [] if after_code else ["#conversation-input"]
        self.page.wait_for_selector(", ".join(f"{one}:visible" for one in seen), timeout=30_000)

    def close(self) -> None:
        """Forget the session."""
        self._context.close()
