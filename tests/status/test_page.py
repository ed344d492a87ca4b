# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as people meet it: desktop and phone, light and dark, by mouse, keyboard, screen reader, without script."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.status import sample
from tests.status.conftest import ARTIFACTS

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    answers = sample.every_kind()
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(sample.html(answers, sample.people(answers)))
    return path


@pytest.fixture
def view(browser: Browser, file: Path) -> Any:
    """The page on a desktop; anything that it asks for or complains about fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert seen == [file.as_uri()], "it loads nothing and all of its script runs"


def first_cells(page: Page, table: str, shown_only: bool = True) -> list[str]:
    cells = page.locator(f"#{table} tbody tr{':not([hidden])' if shown_only else ''} th")
    return [text.strip() for text in cells.all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures(browser: Browser, file: Path, size: str, scheme: Any) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.screenshot(path=str(ARTIFACTS / f"status-{size}-{scheme}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no scrolling sideways"
    assert _least_contrast(page) >= 4.5
    page.close()


def _least_contrast(page: Page) -> float:
    """Return the least contrast of any words with what is behind them (WCAG 2: 4.5 for ordinary text)."""
    return float(
        page.evaluate("""() => {
          const parse = (c) => {
            const m = c.match(/[0-9.]+/g).map(Number);
            return m.length > 3 && m[3] === 0 ? null : m;
          };
          const light = (c) => {
            const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
            return .2126 * r + .7152 * g + .0722 * b;
          };
          const behind = (e) => {
            for (; e; e = e.parentElement) {
              const b = parse(getComputedStyle(e).backgroundColor);
              if (b) return b;
            }
            return [255, 255, 255];
          };
          let least = 99;
          for (const e of document.querySelectorAll('body *:not(svg *):not(script)')) {
            if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
            const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
            least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
          }
          return least; }""")
    )


def test_sorting(view: Page) -> None:
    assert first_cells(view, "hosts")[0] == "build1.example.com"
    head = view.locator("#hosts thead th").nth(0)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert first_cells(view, "hosts")[0] == "web6.example.com"
    view.locator("#hosts").get_by_role("button", name="Clock").click()
    assert head.get_attribute("aria-sort") is None
    lost = ["lab1.example.com", "lab2.example.com", "legacy1.example.com", "mail1.example.com"]
    assert sorted(first_cells(view, "hosts")[-4:]) == lost, "what is not known is last"
    view.locator("#hosts").get_by_role("button", name="Clock").click()
    assert first_cells(view, "hosts")[:2] == ["db1.example.com", "db2.example.com"], "the farthest off first"
    assert sorted(first_cells(view, "hosts")[-4:]) == lost, "also the other way round"
    view.locator("#hosts").get_by_role("button", name="Problems").click()
    view.locator("#hosts").get_by_role("button", name="Problems").click()
    kinds = view.locator("#hosts tbody td:nth-child(7)").all_inner_texts()
    assert [kind.strip() for kind in kinds[:6]] == ["1 error"] * 6


def test_filtering(view: Page) -> None:
    tools = view.locator("#hosts .tools")
    tools.get_by_label("Find").fill("bookworm DB")
    assert first_cells(view, "hosts") == ["db1.example.com", "db2.example.com", "db3.example.com"]
    assert tools.locator("output").inner_text() == "3 of 22"
    tools.get_by_label("Find").fill("")
    tools.get_by_label("Show").select_option("unreachable")
    assert first_cells(view, "hosts") == ["lab1.example.com", "lab2.example.com"]
    tools.get_by_label("Find").fill("nothing of the kind")
    assert first_cells(view, "hosts") == []
    expect(view.locator("#hosts").get_by_text("Nothing fits.")).to_be_visible()
    tools.get_by_label("Find").fill("")
    expect(view.locator("#hosts").get_by_text("Nothing fits.")).to_be_hidden()
    assert len(first_cells(view, "problems")) == 20, "a table of its own"
    view.get_by_role("link", name="6 errors").click()
    assert len(first_cells(view, "problems")) == 6
    view.get_by_role("link", name="in part").click()
    assert len(first_cells(view, "hosts")) == 3


def test_keyboard_alone(view: Page) -> None:
    view.keyboard.press("Tab")
    expect(view.get_by_role("link", name="To the problems")).to_be_focused()
    expect(view.get_by_role("link", name="To the problems")).to_be_in_viewport()
    for dummy in range(60):
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.closest('#problems .tools') !== null"):
            break
    view.keyboard.type("clock")
    assert len(first_cells(view, "problems")) == 3
    for dummy in range(60):
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.textContent") == "Severity":
            break
    outline = view.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px", "one sees where one is"
    view.keyboard.press("Enter")
    view.keyboard.press("Space")
    assert view.locator("#problems thead th").nth(1).get_attribute("aria-sort") == "descending"
    assert first_cells(view, "problems")[-1] == "db1.example.com"


@pytest.mark.parametrize("size", SIZES)
def test_screen_reader(browser: Browser, file: Path, size: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(file.as_uri())
    assert page.get_by_role("heading", level=1).count() == 1
    headings = [
        text.split("\n")[0].rstrip("0123456789 ")
        for text in page.get_by_role("heading", level=2).all_inner_texts()
    ]
    assert headings == ["Problems", "For a limited time", "Hosts", "Clocks", "Users", "Systems"]
    for role in ("main", "banner", "contentinfo", "navigation"):
        assert page.get_by_role(role).count() == 1, role
    hosts = page.get_by_role("table", name="What is in effect on each host.")
    assert hosts.get_by_role("row").count() == 23, "still a table where it looks like cards"
    assert hosts.get_by_role("rowheader").count() == 22
    assert hosts.get_by_role("columnheader").count() == 8
    assert "17 of 18 known offsets" in (page.locator("svg.clocks").get_attribute("aria-label") or "")
    assert page.locator("output[aria-live=polite]").count() == 2
    assert page.locator("input:not(label input), select:not(label select)").count() == 0
    page.close()


def test_without_script_it_is_complete(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#hosts tbody tr").count() == 22
    assert page.get_by_role("button").count() == 0
    assert page.get_by_label("Find").count() == 0 or not page.get_by_label("Find").first.is_visible()
    expect(page.locator("#problems tbody tr").last).to_be_visible()
    context.close()


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(sample.html(sample.hostile(), {sample.HOSTILE: [sample.HOSTILE]}))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.goto(path.as_uri())
    page.locator("#hosts").get_by_role("button", name="Host").click()
    page.screenshot(path=str(ARTIFACTS / "status-hostile.png"), full_page=True)
    assert "owned" not in page.title().split(":")[0]
    assert page.title().startswith("Two-factor authentication: 2 of 4 hosts protected")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert seen == [path.as_uri()]
    # And if something got out of its place, the page's own policy would stop it.
    page.evaluate("""() => { const s = document.createElement('script'); s.textContent = "document.title = 'owned'";
        document.body.append(s); }""")
    assert page.title() != "owned"
    page.close()


def test_five_hundred_hosts(browser: Browser, tmp_path: Path, record_property: Any, capsys: Any) -> None:
    """Nothing is asserted of the time it takes, which is printed."""
    answers = sample.many(500)
    start = time.perf_counter()
    text = json.dumps(answers, indent=1)
    (tmp_path / "answers.json").write_text(text)
    writing = time.perf_counter() - start
    start = time.perf_counter()
    path = tmp_path / "index.html"
    path.write_text(sample.html(answers))
    rendering = time.perf_counter() - start
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(path.as_uri())
    opening = time.perf_counter() - start
    assert len(first_cells(page, "hosts")) == 500
    start = time.perf_counter()
    page.locator("#hosts .tools").get_by_label("Find").fill("host77.")
    page.evaluate("new Promise(requestAnimationFrame)")
    filtering = time.perf_counter() - start
    assert first_cells(page, "hosts") == ["host77.example.com"]
    page.locator("#hosts .tools").get_by_label("Find").fill("")
    start = time.perf_counter()
    page.locator("#hosts").get_by_role("button", name="Clock").click()
    page.evaluate("new Promise(requestAnimationFrame)")
    sorting = time.perf_counter() - start
    page.screenshot(path=str(ARTIFACTS / "status-500.png"))
    page.close()
    with capsys.disabled():
        print(
            f"\n500 hosts: rendered in {rendering:.3f} s, {rendering / writing:.2f} times writing the same JSON "
            f"({writing:.3f} s); opened in {opening:.3f} s, filtered in {filtering:.3f} s, sorted in {sorting:.3f} s"
        )
