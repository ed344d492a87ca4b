# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's report as one HTML page that needs nothing else: no network, no server, no script to be complete.

Pure code. Private to this collection: may change at any time. Its own policy lets the one script and the one style run
that are written here, known by their checksums, and nothing that a host has smuggled in.
"""

from __future__ import annotations

import base64
import hashlib
import html
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _report_clocks as clocks
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import (
    HostState,
    Passing,
    Problem,
    Report,
    UserState,
    number,
    some,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_style import SCRIPT, STYLE

_STATUS = {
    "protected": ("ok", "✓", "Protected"),
    "partly": ("warning", "◐", "In part"),
    "off": ("error", "✕", "Off"),
    "unreachable": ("none", "?", "Unreachable"),
    "not_read": ("none", "?", "Not read"),
}
_FILLS = {"protected": "ok", "partly": "warning", "off": "error", "unreachable": "none", "not_read": "dark"}
_SEVERITY = {"error": ("error", "✕", "Error"), "warning": ("warning", "!", "Warning")}
_PARTS = {
    "problems": "Problems",
    "passing": "For a limited time",
    "hosts": "Hosts",
    "clocks": "Clocks",
    "users": "Users",
    "systems": "Systems",
}
_WAYS = {"key_and_code": "key and code", "password_and_code": "password and code", "key": "key alone"}


_FEW = 8
"""Rows up to which everything is in sight and nothing needs to be found."""


@dataclass(frozen=True)
class _Table:
    """A table: its columns (those that sort as numbers have a # in front), and the rows as HTML."""

    ident: str
    caption: str
    columns: tuple[str, ...]
    rows: Sequence[str]
    kinds: tuple[tuple[str, str], ...] = ()
    """What the rows can be filtered by, as value and words."""


def page(report: Report) -> str:
    """Return the report as an HTML document."""
    tables = [_problems(report), _passing(report), _hosts(report), _users(report), _systems(report)]
    shown = {table.ident: table for table in tables if table.rows or table.ident == "problems"}
    style = STYLE + _phone_labels(shown.values())
    body = [
        _glance(report),
        _section(shown["problems"], "" if report.problems else _NOTHING),
        _section(shown["passing"]) if "passing" in shown else "",
        _section(shown["hosts"]) if "hosts" in shown else "",
        _clocks(report),
        _section(shown["users"]) if "users" in shown else "",
        _section(shown["systems"]) if "systems" in shown else "",
    ]
    policy = f"default-src 'none'; style-src {_sum(style)}; script-src {_sum(SCRIPT)}"
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{_text(report.title)}: {_text(report.summary)}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#problems">To the problems</a>
<header class="top">
<h1>{_text(report.title)}</h1>
<p class="made">{_text(report.summary)}. As it was on {_time(report.made)}.</p>
{_navigation(shown)}
</header>
<main>
{"".join(body)}</main>
<footer class="foot"><p>Written by fleetauth.twofactor.status from what the hosts said was in effect, not from what was
declared. There is no secret on this page, but it says where a fleet is weak: keep it to those who look after
it.</p></footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


_NOTHING = "<p>Nothing is wrong on any host that answered.</p>"


def _sum(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _text(text: object) -> str:
    return html.escape(str(text))


def _name(name: str) -> str:
    """Return a host's name, which may go on in a new line after a dot."""
    return _text(name).replace(".", ".<wbr>")


def _time(when: float) -> str:
    there = time.gmtime(when)
    shown = time.strftime("%Y-%m-%d %H:%M UTC", there)
    return f'<time datetime="{time.strftime("%Y-%m-%dT%H:%M:%SZ", there)}">{shown}</time>'


def _badge(kind: str, sign: str, word: str) -> str:
    return f'<span class="badge {kind}"><span aria-hidden="true">{sign}</span> {_text(word)}</span>'


def _phone_labels(tables: Iterable[_Table]) -> str:
    """Return the style by which cells say what they are where a table is a list of cards."""
    rules = "\n".join(
        f'#{table.ident} td:nth-child({n}):not(:empty)::before {{ content: "{label.lstrip("#")}: "; }}'
        for table in tables
        for n, label in enumerate(table.columns, 1)
    )
    return f"@media (max-width: 700px) {{\n{rules}\n}}\n"


def _navigation(shown: dict[str, _Table]) -> str:
    items = "\n".join(
        f'<li><a href="#{ident}">{name}</a></li>'
        for ident, name in _PARTS.items()
        if ident in shown or ident == "clocks"
    )
    return f'<nav aria-label="Parts of this page"><ul>\n{items}\n</ul></nav>'


def _section(table: _Table, instead: str = "") -> str:
    ident = table.ident
    content = instead or f"{_tools(table)}\n{_html_table(table)}"
    count = "" if instead else f" <small>{len(table.rows)}</small>"
    return f"""\
<section id="{ident}" aria-labelledby="{ident}-h">
<h2 id="{ident}-h">{_PARTS[ident]}{count}</h2>
{content}
</section>
"""


def _tools(table: _Table) -> str:
    """Return what a table is filtered with; the script shows it."""
    if len(table.rows) < _FEW:
        return ""
    options = "".join(f'<option value="{value}">{_text(words)}</option>' for value, words in table.kinds)
    only = f'<label>Show<select><option value="">all</option>{options}</select></label>' if options else ""
    return (
        f'<div class="tools" role="search" aria-labelledby="{table.ident}-h" hidden>'
        f'<label>Find<input type="search" autocomplete="off" spellcheck="false"></label>{only}'
        '<output aria-live="polite"></output></div>'
    )


def _html_table(table: _Table) -> str:
    heads = "".join(
        f'<th scope="col"{" data-number" if name.startswith("#") else ""}>{name.lstrip("#")}</th>'
        for name in table.columns
    )
    rows = "\n".join(table.rows)
    return f"""\
<div class="scroll" role="region" aria-labelledby="{table.ident}-h" tabindex="0">
<table class="live">
<caption>{table.caption}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p class="none-found">Nothing fits.</p>"""


def _row(kind: str, first: str, cells: Iterable[str]) -> str:
    return f'<tr data-kind="{kind}"><th scope="row">{first}</th>{"".join(cells)}</tr>'


def _cell(content: str, key: object = None) -> str:
    return f"<td>{content}</td>" if key is None else f'<td data-key="{_text(key)}">{content}</td>'


def _problems(report: Report) -> _Table:
    # The first problems are the worst; without the script they stay on top.
    return _Table(
        "problems",
        "What is wrong, errors first; each with what to do about it.",
        ("Host", "Severity", "Problem", "What to do"),
        [_problem(problem) for problem in report.problems],
        (("error", "errors"), ("warning", "warnings")),
    )


def _problem(one: Problem) -> str:
    return _row(
        one.severity,
        _many(one.hosts),
        (
            _cell(_badge(*_SEVERITY[one.severity]), one.severity),
            _cell(f"{_text(one.message)} <code>{_text(one.code)}</code>"),
            _cell(_text(one.remedy)),
        ),
    )


def _many(names: Sequence[str]) -> str:
    """Return some names, and all of them on demand."""
    shown = some(names)
    if shown == ", ".join(names):
        return _name(shown)
    return f"<details><summary>{_name(shown)}</summary>{_name(', '.join(names))}</details>"


def _passing(report: Report) -> _Table:
    return _Table(
        "passing",
        "Bypasses, and changes that the host takes back unless somebody confirms them.",
        ("Host", "What", "Until", "By", "Reason"),
        [_limited(one, report.made) for one in report.passing],
        (("bypass", "bypasses"), ("pending", "pending changes")),
    )


def _limited(one: Passing, made: float) -> str:
    if one.kind == "pending":
        what = "Change not confirmed"
    else:
        what = f"Bypass for user {one.user}" if one.user else "Bypass for the whole host"
    left = f'<span class="soft">in {_span(one.until - made)}</span>'
    over = '<span class="t-error">its end has passed</span>'
    return _row(
        one.kind,
        _name(one.host),
        (
            _cell(_text(what)),
            _cell(f"{_time(one.until)} {left if one.until > made else over}", round(one.until)),
            _cell(_text(one.by)),
            _cell(_text(one.reason)),
        ),
    )


def _span(seconds: float) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {word}"
    return f"{seconds:.0f} s"


_HOST_COLUMNS = (
    "Host",
    "Second factor",
    "SSH asks for",
    "Other services",
    "#Tokens",
    "#Clock",
    "#Problems",
    "System",
)


def _hosts(report: Report) -> _Table:
    return _Table(
        "hosts",
        "What is in effect on each host.",
        _HOST_COLUMNS,
        [_host(host) for host in report.hosts],
        tuple((status, _STATUS[status][2].lower()) for status, count in report.statuses.items() if count),
    )


def _host(host: HostState) -> str:
    badge = _badge(*_STATUS[host.status])
    errors, warnings = host.count("error"), host.count("warning")
    found = [
        f'<span class="t-{word}">{number(count, word)}</span>'
        for word, count in (("error", errors), ("warning", warnings))
        if count
    ]
    trouble = _cell(", ".join(found), 1000 * errors + warnings)
    state = _cell(badge, list(_STATUS).index(host.status))
    info = host.info
    if info is None:
        unknown = _cell('<span class="soft">unknown</span>')
        return _row(host.status, _name(host.name), (state, "<td></td>" * 4, trouble, unknown))
    enrolled = sum(user.enrolled for user in info.users)
    ways = ", ".join(_WAYS.get(way, way) for way in info.ssh_methods) if info.ssh_asks else ""
    closed = "no code" if info.ssh_running else "SSH does not run"
    services = ", ".join(one.name + ("" if one.asks_code else " (no code)") for one in info.services)
    return _row(
        host.status,
        _name(host.name),
        (
            state,
            _cell(_text(ways or closed)),
            _cell(_text(services)),
            _cell(str(enrolled)),
            _clock_cell(info.clock.synchronised, info.clock.offset),
            trouble,
            _cell(_text(info.version or info.platform)),
        ),
    )


def _clock_cell(synchronised: bool, offset: float | None) -> str:
    if offset is None:
        word = "synchronised" if synchronised else '<span class="t-warning">not synchronised</span>'
        return _cell(word, "")
    level = clocks.level(offset)
    shown = clocks.words(offset)
    return _cell(shown if level == "ok" else f'<span class="t-{level}">{shown}</span>', f"{abs(offset):.9f}")


def _users(report: Report) -> _Table:
    return _Table(
        "users",
        "Users whom the inventory or a host names, on the hosts that answered. Verified: has shown a right code there.",
        ("User", "#Token on", "#Verified on", "#Recovery codes left", "Second device", "Last used", "Needs"),
        [_user(user) for user in report.users],
        (("fine", "nothing to do"), ("warning", "something to do")),
    )


def _user(user: UserState) -> str:
    needs = []
    if user.missing:
        needs.append(f"a token on {_many(user.missing)}")
    if user.is_unseen:
        needs.append("to show a code")
    least = user.recovery_least
    if user.is_running_out:
        needs.append("new recovery codes")
    known, enrolled, verified = len(user.hosts), len(user.enrolled), len(user.verified)
    seen = (
        f"{verified} of {enrolled}" if verified or not user.untold else '<span class="soft">not told</span>'
    )
    used = user.last_used.replace("T", " ").rstrip("L")
    return _row(
        "warning" if user.has_needs else "fine",
        _text(user.name),
        (
            _cell(f"{enrolled} of {known}", f"{enrolled / known:.6f}"),
            _cell(seen if enrolled else "", f"{verified / enrolled:.6f}" if enrolled else ""),
            _cell("" if least is None else str(least)),
            _cell("yes" if user.backup else "no"),
            _cell(_text(used)),
            _cell("; ".join(needs)),
        ),
    )


def _systems(report: Report) -> _Table:
    return _Table(
        "systems",
        "Releases, as the hosts that answered name them.",
        ("System", "Platform", "#Hosts"),
        [
            _row("", _text(version or "unknown"), (_cell(_text(platform)), _cell(str(count))))
            for platform, version, count in report.releases
        ],
    )


def _clocks(report: Report) -> str:
    return f"""\
<section id="clocks" aria-labelledby="clocks-h">
<h2 id="clocks-h">Clocks</h2>
<figure>
{clocks.picture(report.hosts)}
<figcaption>{_text(clocks.sentences(report.hosts))} To the right: ahead.</figcaption>
</figure>
</section>
"""


def _glance(report: Report) -> str:
    statuses, total = report.statuses, len(report.hosts)
    silent = statuses["unreachable"] + statuses["not_read"]
    notice = ""
    if silent:
        who = "One host" if silent == 1 else f"{silent} hosts"
        notice = (
            f'<p class="notice"><strong>{who} gave no answer.</strong> '
            "Nothing is known there, which counts as not protected.</p>\n"
        )
    return f"""\
{notice}<section class="glance" aria-label="At a glance">
<div class="card"><h3>Hosts protected</h3>
<p class="big">{statuses["protected"]} <small>of {total}</small></p>
{_bar([(statuses[status], _FILLS[status]) for status in _STATUS])}
{_legend(statuses)}</div>
{_users_card(report)}
{_problems_card(report)}
{_clocks_card(report)}
</section>
"""


def _bar(parts: Sequence[tuple[int, str]]) -> str:
    """Return shares of a whole as a bar; the words beside it say the same."""
    total, at, found = sum(count for count, dummy in parts) or 1, 0.0, []
    for count, fill in parts:
        width = 100 * count / total
        found.append(
            f'<rect class="fill-{fill}" x="{at:.3f}%" width="{width:.3f}%" height="100%"/>' if count else ""
        )
        at += width
    return f'<svg class="bar" aria-hidden="true">{"".join(found)}</svg>'


def _legend(statuses: dict[str, int]) -> str:
    items = "\n".join(
        f'<li><svg aria-hidden="true"><rect class="fill-{_FILLS[status]}" width="11" height="11" rx="3"/></svg>'
        f'<a href="#hosts" data-only="{status}">{_STATUS[status][2].lower()}</a> {count}</li>'
        for status, count in statuses.items()
        if count
    )
    return f'<ul class="legend">\n{items}\n</ul>'


def _users_card(report: Report) -> str:
    total = len(report.users)
    enrolled = sum(not user.missing for user in report.users)
    verified = sum(bool(user.verified) for user in report.users)
    lacking = sum(user.has_needs for user in report.users)
    return f"""\
<div class="card"><h3>Users enrolled everywhere</h3>
<p class="big">{enrolled} <small>of {total}</small></p>
{_bar([(enrolled, "ok"), (total - enrolled, "none")])}
<ul class="facts"><li>{verified} verified</li>
<li><a href="#users" data-only="warning">{lacking} with something to do</a></li></ul></div>"""


def _problems_card(report: Report) -> str:
    errors, warnings = report.count("error"), report.count("warning")
    return f"""\
<div class="card"><h3>Problems</h3>
<p class="big">{errors + warnings}</p>
{_bar([(errors, "error"), (warnings, "warning")])}
<ul class="facts"><li><a href="#problems" data-only="error">{number(errors, "error")}</a></li>
<li><a href="#problems" data-only="warning">{number(warnings, "warning")}</a></li></ul></div>"""


def _clocks_card(report: Report) -> str:
    read = [host.info.clock for host in report.hosts if host.info]
    total = len(report.hosts)
    right = sum(c.synchronised and (c.offset is None or clocks.level(c.offset) == "ok") for c in read)
    return f"""\
<div class="card"><h3>Clocks right</h3>
<p class="big">{right} <small>of {total}</small></p>
{_bar([(right, "ok"), (len(read) - right, "warning"), (total - len(read), "none")])}
<ul class="facts"><li><a href="#clocks">{len(read) - right} to look at</a></li>
<li>{total - len(read)} not read</li></ul></div>"""
