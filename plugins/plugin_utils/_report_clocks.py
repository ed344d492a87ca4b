# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's clocks as a picture: a dot for each host over the offset of its clock, and the band that is tolerated.

Pure code. Private to this collection: may change at any time. Positions are in percent and sizes in pixels, so that the
picture fits any width and its words stay readable.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import (
    CLOCK_DRIFT,
    CLOCK_TOLERANCE,
    HostState,
    some,
)

_LINEAR = 1e-3
"""Seconds up to which the scale is about linear; beyond it is logarithmic."""
_END = 100.0
"""Seconds at either end of the scale. What is farther off stands there."""
_MARGIN = 4.0
_COLUMNS = 96
_HEIGHT, _BASE, _TOP = 190, 160, 34
_STEP = 9.0
_TICKS = ((0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"), (100.0, "100 s"))
_COARSE = (0.1, 10.0)
"""Those that have room on a phone."""


def words(offset: float) -> str:
    """Return an offset as people read it."""
    size = abs(offset)
    if size < _LINEAR:
        return f"{_sign(offset)}{size * 1e6:.0f} µs"
    if size < 1:
        return f"{_sign(offset)}{size * 1e3:.1f} ms"
    return f"{_sign(offset)}{size:.1f} s"


def level(offset: float) -> str:
    """Return how bad an offset is: ok, warning or error."""
    if abs(offset) > CLOCK_TOLERANCE:
        return "error"
    return "warning" if abs(offset) > CLOCK_DRIFT else "ok"


def sentences(hosts: Sequence[HostState]) -> str:
    """Return what the picture shows, in words."""
    read = [host.info for host in hosts if host.info]
    offsets = _offsets(hosts)
    if not read:
        return "No clock could be read."
    inside = sum(level(offset) != "error" for dummy, offset in offsets)
    said = [f"{inside} of {len(offsets)} known offsets are within ±{CLOCK_TOLERANCE:.0f} s"]
    if offsets:
        worst, offset = max(offsets, key=lambda one: abs(one[1]))
        said.append(f"the largest is {words(offset)} on {worst}")
    unsynchronised = [host.name for host in hosts if host.info and not host.info.clock.synchronised]
    if unsynchronised:
        said.append(f"not synchronised: {some(unsynchronised)}")
    unknown = len(read) - len(offsets) - len(unsynchronised)
    if unknown > 0:
        said.append(f"{unknown} synchronised without a known offset")
    if len(read) < len(hosts):
        said.append(f"{len(hosts) - len(read)} could not be read")
    return "; ".join(said) + "."


def picture(hosts: Sequence[HostState]) -> str:
    """Return the picture as SVG, for being put into an HTML page."""
    left, right = _x(-CLOCK_TOLERANCE), _x(CLOCK_TOLERANCE)
    return f"""\
<svg class="clocks" width="100%" height="{_HEIGHT}" role="img" aria-label="{html.escape(sentences(hosts))}">
<rect class="band" x="{left:.2f}%" width="{right - left:.2f}%" y="{_TOP - 14}" height="{_BASE - _TOP + 14}"/>
<text class="bandname" x="50%" y="14" text-anchor="middle">tolerated: ±{CLOCK_TOLERANCE:.0f} s</text>
<line class="axis" x1="0" x2="100%" y1="{_BASE}" y2="{_BASE}"/>
{_ticks()}
{_dots(hosts)}
</svg>"""


def _offsets(hosts: Sequence[HostState]) -> list[tuple[str, float]]:
    return [(h.name, h.info.clock.offset) for h in hosts if h.info and h.info.clock.offset is not None]


def _sign(offset: float) -> str:
    return "−" if offset < 0 else "+"


def _scaled(offset: float) -> float:
    """Return where an offset stands, from -1 to 1."""
    size = min(abs(offset), _END)
    return math.copysign(math.log10(1 + size / _LINEAR) / math.log10(1 + _END / _LINEAR), offset)


def _percent(scaled: float) -> float:
    return 50 + scaled * (50 - _MARGIN)


def _x(offset: float) -> float:
    return _percent(_scaled(offset))


def _ticks() -> str:
    marks = [(0.0, "0", ""), *(mark for size, name in _TICKS for mark in _pair(size, name))]
    return "\n".join(
        f'<g class="tick {kind}"><line x1="{_x(at):.2f}%" x2="{_x(at):.2f}%" y1="{_BASE}" y2="{_BASE + 5}"/>'
        f'<text x="{_x(at):.2f}%" y="{_BASE + 20}" text-anchor="middle">{name}</text></g>'
        for at, name, kind in marks
    )


def _pair(size: float, name: str) -> tuple[tuple[float, str, str], ...]:
    kind = "" if size in _COARSE else "fine"
    return (-size, f"−{name}", kind), (size, f"+{name}", kind)


def _dots(hosts: Sequence[HostState]) -> str:
    """Return a dot for each host, those of about the same offset above each other."""
    columns: dict[int, list[tuple[str, float]]] = {}
    for name, offset in sorted(_offsets(hosts), key=lambda one: abs(one[1])):
        columns.setdefault(round((_scaled(offset) + 1) / 2 * _COLUMNS), []).append((name, offset))
    highest = max((len(column) for column in columns.values()), default=1)
    step = min(_STEP, (_BASE - _TOP) / highest)
    return "\n".join(
        f'<circle class="{level(offset)}" cx="{_percent(column / _COLUMNS * 2 - 1):.2f}%" '
        f'cy="{_BASE - 6 - row * step:.1f}" r="4"><title>{html.escape(name)}: {words(offset)}</title></circle>'
        for column, members in sorted(columns.items())
        for row, (name, offset) in enumerate(members)
    )
