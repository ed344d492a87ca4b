"""The page: all of it is there, nothing of what a host says gets out of its place."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import Report, report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_page import page
from tests.status import sample

_VOID = {"meta", "wbr", "input", "br", "img", "link"}


class _Reader(HTMLParser):
    """Notes the elements, and that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, dummy in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.text += data


def made(answers: dict[str, Any], people: dict[str, Any] | None = None) -> Report:
    read = [answer(name, result, (people or {}).get(name)) for name, result in answers.items()]
    return report(read, sample.MADE, "Fleet")


def test_everything_is_on_the_page() -> None:
    answers = sample.every_kind()
    found = made(answers, sample.people(answers))
    read = _Reader(page(found))
    words = " ".join(read.text.split())
    for one in found.problems:
        assert " ".join(one.message.split()) in words
        assert one.remedy in words
        assert one.code in words
    for host in answers:
        assert host in words
    for there in (
        found.summary,
        "3 hosts gave no answer.",
        "Bypass for user bob",
        "2026-11-24 13:05 UTC in 2 h",
        "Change not confirmed",
        "phones lost",
        "TrueNAS-25.10.1",
        "+41.3 s",
        "password and code, key alone",
        "a token on build1.example.com, rollout1.example.com; new recovery codes",
    ):
        assert there in words, there


def test_an_empty_fleet_and_one_without_problems() -> None:
    assert "0 of 0 hosts protected" in _Reader(page(made({}))).text
    well = _Reader(page(made({"web1": sample.host()}))).text
    assert "Nothing is wrong on any host that answered." in well
    assert "gave no answer" not in well


def test_nothing_known_of_any_host() -> None:
    text = _Reader(page(made({"web1": sample.UNREACHABLE}))).text
    assert "One host gave no answer." in text
    assert "No clock could be read." in text


def test_hostile_words_stay_words() -> None:
    usual = _Reader(page(made(sample.every_kind())))
    answers = sample.hostile()
    read = _Reader(page(made(answers, {sample.HOSTILE: [sample.HOSTILE, "x"]})))
    assert {tag for tag, dummy in read.elements} <= {tag for tag, dummy in usual.elements} | {
        "details",
        "summary",
    }
    assert sum(tag == "script" for tag, dummy in read.elements) == 1
    names = {name for dummy, attrs in read.elements for name in attrs}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert [
        attrs["href"] for tag, attrs in read.elements if "href" in attrs if not attrs["href"].startswith("#")
    ] == []  # type: ignore[union-attr]
    assert sample.HOSTILE in read.text
    assert not re.search("[\u202a-\u202e\x1b\ud800-\udfff]", page(made(answers)))


def test_only_the_script_and_the_style_written_here_may_run() -> None:
    text = page(made(sample.every_kind()))
    policy = next(attrs["content"] for tag, attrs in _Reader(text).elements if attrs.get("http-equiv"))
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content
        checksum = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{checksum}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)


def test_a_screen_reader_has_tables() -> None:
    read = _Reader(page(made(sample.every_kind())))
    tables = [attrs for tag, attrs in read.elements if tag == "table"]
    assert len(tables) == 5
    for tag in ("caption", "thead", "tbody"):
        assert sum(one == tag for one, dummy in read.elements) == len(tables)
    assert {attrs.get("scope") for tag, attrs in read.elements if tag == "th"} == {"row", "col"}
    idents = [attrs["id"] for dummy, attrs in read.elements if "id" in attrs]
    assert len(idents) == len(set(idents))
    named = [attrs["aria-labelledby"] for dummy, attrs in read.elements if "aria-labelledby" in attrs]
    assert set(named) <= set(idents)
