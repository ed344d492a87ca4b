# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheet as people meet it: on a screen, on a phone, on paper, read out."""

from __future__ import annotations

from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._folder import FORMATS, write
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet, page
from tests.enrolment import browser as seen

NAMES = [
    ("alice", "Example Fleet"),
    ("alice@example.com", "Söhne & Töchter + Co. 100 %"),
    ("Jürgen Müßig", "A&B=C?#/;%41+%20"),
    ("x" * 60, "y" * 60),
    ("名前 🔑", "<b>\"Fleet\"</b> 'quoted'"),
]
SECRET, BACKUP, RECOVERY = (letter * 32 for letter in "ABC")


def _sheet(account: str, issuer: str, is_backup: bool = False, digits: int = 6, interval: int = 30) -> Sheet:
    entry = Entry(SECRET, digits, interval, BACKUP, RECOVERY, 10, issued="2026-11-24")
    hosts = tuple(f"server{n:02}.example.com" for n in range(40))
    return Sheet("alice", account, issuer, entry, hosts, is_backup)


@pytest.mark.parametrize(("number", "names"), list(enumerate(NAMES)))
def test_qr_is_read_back_from_every_rendering(
    browser: Browser, tmp_path: Path, number: int, names: tuple[str, str]
) -> None:
    sheet = _sheet(*names)
    html = tmp_path / "sheet.html"
    html.write_text(page(sheet))
    for size in seen.SIZES:
        picture = seen.ARTIFACTS / f"sheet-{number}-{size}.png"
        seen.screenshot(browser, html, size, picture)
        assert seen.qr_in(picture) == sheet.uri
    for paper in seen.PAPERS:
        pages = seen.printed(browser, html, paper, seen.ARTIFACTS / f"sheet-{number}-{paper}")
        assert len(pages) == 1, "one side"
        assert seen.qr_in(pages[0]) == sheet.uri
    parsed = pyotp.parse_uri(sheet.uri)
    assert (parsed.secret, parsed.name, parsed.issuer) == (SECRET, *names)


def _shown(folder: Path, file: str) -> Path:
    """Return a page that shows a QR code alone: a picture, or a dark terminal with the text."""
    body = f"<img src='{file}' style='width: min(100%, 66mm)'>"
    if file.endswith(".txt"):
        text = (folder / file).read_text()
        wide = 0.602 * len(text.splitlines()[0])  # in em, of this font
        size = f"font: min(16px, calc(90vw / {wide})) 'DejaVu Sans Mono'; line-height: 1.204em"
        colours = "background: #000; color: #fff; print-color-adjust: exact"
        body = f'<pre style="{size}; {colours}">{text}</pre>'
    shown = folder / f"{file}.html"
    shown.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><meta name=viewport content='width=device-width'>{body}"
    )
    return shown


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "html"])
@pytest.mark.parametrize(("number", "names"), list(enumerate(NAMES)))
def test_qr_alone_is_read_back_in_every_format(
    browser: Browser, tmp_path: Path, number: int, names: tuple[str, str], kind: str
) -> None:
    sheet = _sheet(*names, digits=8, interval=60)
    write(str(tmp_path), "", sheet, (kind,))
    shown = _shown(tmp_path, f"alice.{kind}")
    stem = seen.ARTIFACTS / f"qr-{number}-{kind}"
    pictures = [Path(f"{stem}-{size}.png") for size in seen.SIZES]
    for size, picture in zip(seen.SIZES, pictures):
        seen.screenshot(browser, shown, size, picture)
    for picture in [*pictures, *seen.printed(browser, shown, "A4", Path(f"{stem}-A4"))]:
        parsed = pyotp.parse_uri(seen.qr_in(picture))
        assert isinstance(parsed, pyotp.TOTP)
        assert (parsed.secret, parsed.name, parsed.issuer) == (SECRET, *names)
        assert (parsed.digits, parsed.interval) == (8, 60)


def test_the_fullest_sheet_is_one_side(browser: Browser, tmp_path: Path) -> None:
    entry = Entry(SECRET, 8, 60, BACKUP, RECOVERY, 20, issued="2026-11-24")
    hosts = tuple(f"server{n:02}-{'with-a-long-name' * 3}.example.com" for n in range(40))
    html = tmp_path / "sheet.html"
    html.write_text(page(Sheet("u" * 32, "x" * 60, "y" * 60, entry, hosts)))
    for paper in seen.PAPERS:
        pages = seen.printed(browser, html, paper, seen.ARTIFACTS / f"sheet-fullest-{paper}")
        assert len(pages) == 1
        assert pyotp.parse_uri(seen.qr_in(pages[0])).secret == SECRET


@pytest.mark.parametrize("is_backup", [False, True])
def test_what_the_page_says(browser: Browser, tmp_path: Path, is_backup: bool) -> None:
    sheet = _sheet("alice", "Example Fleet", is_backup)
    html = tmp_path / "sheet.html"
    html.write_text(page(sheet))
    view = browser.new_page(viewport={"width": 360, "height": 740})
    requests: list[str] = []
    view.on("request", lambda request: requests.append(request.url))
    view.goto(html.as_uri())
    text = view.inner_text("body")
    assert " ".join([sheet.secret[:4]] * 8) in " ".join(text.split())
    assert "Example Fleet" in text
    assert "6 digits, every 30 seconds" in text
    assert "2026-11-24" in text
    assert "server00.example.com" in text
    assert "28 more hosts" in text
    codes = [item.replace(" ", "") for item in view.locator(".codes li").all_inner_texts()]
    assert codes == ([] if is_backup else [pyotp.HOTP(RECOVERY).at(n) for n in range(10)])
    assert (BACKUP if is_backup else SECRET) in page(sheet).replace(" ", "")
    assert (SECRET if is_backup else BACKUP)[:16] not in page(sheet).replace(" ", "")
    assert len(requests) == 1, "it loads nothing"
    assert view.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no scrolling sideways"
    view.close()


def test_a_screen_reader_finds_its_way(browser: Browser, tmp_path: Path) -> None:
    html = tmp_path / "sheet.html"
    html.write_text(page(_sheet("alice", "Example Fleet")))
    view = browser.new_page()
    view.goto(html.as_uri())
    assert view.locator("html").get_attribute("lang") == "en"
    assert view.get_by_role("heading", level=1).count() == 1
    assert view.get_by_role("heading", level=2).all_inner_texts() == ["Three steps", "Recovery codes"]
    assert view.get_by_role("img").get_attribute("aria-label") == "QR code for your authenticator app"
    assert view.get_by_role("main").count() == 1
    colours = view.evaluate(
        "[...new Set([...document.querySelectorAll('main, main *:not(svg *)')].map(e => getComputedStyle(e).color))]"
    )
    assert colours == ["rgb(0, 0, 0)"]
    view.close()
