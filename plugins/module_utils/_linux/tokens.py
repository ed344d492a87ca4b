# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Token files: parse, merge and render pam_oath's user file, one file for each user.

Pure code. Private to this collection: may change at any time. The format is described in pam_oath's
README and liboath's ``usersfile.c``: ``TYPE USER PIN HEXSEED [FACTOR [LASTOTP [TIMESTAMP]]]``. The last
three fields are the replay state: whoever drops them makes a used code valid again.

Recovery codes are one event-based line: code number n is the HOTP value of counter n, and pam_oath writes down
the counter of the last one used. It knows no last code, so a line of which all codes that were handed out are
used is set aside behind a comment sign, with its state: no code of it works again, whatever is run later.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass, field, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._otp import MAX_SEED_BYTES

_TIME_TYPE = re.compile(r"HOTP/T(30|60)(?:/([678]))?")
_EVENT_TYPE = re.compile(r"HOTP(?:/E(?:/([678]))?)?")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_MIN_FIELDS = 4
_MAX_FIELDS = 7
"""Type, user, PIN and seed; then moving factor, last code and time of the last login."""
_LAST_CODE = 5
_SPENT = "#spent "
"""Stands before a line whose recovery codes are used up; pam_oath takes it for a comment and keeps it."""
_PREVIOUS = "# accepted beside the present secret"
_PREVIOUS_LINE = re.compile(_PREVIOUS + r"(?:, for a while| until (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))")
"""Device lines below this one are of the secret before. pam_oath keeps it, and knows no date: the host removes them."""
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class TokenLine:
    """One line of a token file, kept as it was read.

    ``interval`` is in seconds and 0 for an event-based line (recovery codes); ``seed`` is raw bytes and
    empty on a line that is not a token (comment, blank). ``text`` is the line without its newline. ``used``
    counts the codes of an event-based line that are gone, ``spent`` says that it has been set aside;
    ``previous`` marks a device with the secret before, accepted for a while: until ``until`` (seconds since 1970), if
    that is not 0.
    """

    text: str
    user: str = ""
    seed: bytes = b""
    interval: int = 0
    digits: int = 0
    last_used: str = ""
    used: int = 0
    spent: bool = False
    previous: bool = False
    until: float = 0.0
    end: str = field(default="\n", compare=False)
    """The newline; a last line may lack it."""

    def __repr__(self) -> str:
        """Leave seed and text out: a traceback must not show them."""
        return f"TokenLine(user={self.user!r}, interval={self.interval}, digits={self.digits})"

    @property
    def is_time_based(self) -> bool:
        """Tell whether this line is a device that shows time-based codes."""
        return bool(self.seed) and self.interval > 0

    @property
    def is_event_based(self) -> bool:
        """Tell whether this line holds recovery codes."""
        return bool(self.seed) and self.interval == 0


def parse(content: str, user: str) -> list[TokenLine]:
    """Parse the token file of ``user``.

    Raises TwofactorError for a line that pam_oath would skip without a word, or that names another
    user: both would leave ``user`` without the token that the file seems to hold.
    """
    lines = []
    mark = None
    for number, text in _numbered(content):
        mark = mark or _PREVIOUS_LINE.fullmatch(text)
        line = _parse_line(text, user, number)
        if mark and line.is_time_based:
            line = replace(line, previous=True, until=_time_in(mark))
        lines.append(line)
    if lines and not content.endswith("\n"):
        lines[-1] = replace(lines[-1], end="")
    return lines


def _time_in(mark: re.Match[str]) -> float:
    try:
        return float(calendar.timegm(time.strptime(mark[1], _TIME))) if mark[1] else 0.0
    except ValueError:
        return 1.0  # no such day: somebody has been at the file, and it is over


def _numbered(content: str) -> list[tuple[int, str]]:
    lines = content.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return list(enumerate(lines, 1))


def _parse_line(text: str, user: str, number: int) -> TokenLine:
    if text.startswith(_SPENT):
        return replace(_parse_line(text[len(_SPENT) :], user, number), text=text, spent=True)
    fields = [field for field in re.split(r"[ \t\r]+", text) if field]
    if not fields or fields[0].startswith("#"):
        return TokenLine(text=text)
    time_type = _TIME_TYPE.fullmatch(fields[0])
    event_type = _EVENT_TYPE.fullmatch(fields[0])
    if not (time_type or event_type) or not _MIN_FIELDS <= len(fields) <= _MAX_FIELDS:
        raise _broken(user, number, "is not a token that pam_oath understands")
    if fields[1] != user:
        raise _broken(user, number, f"belongs to another user, '{fields[1]}'")
    if not _HEX.fullmatch(fields[3]):
        raise _broken(user, number, "holds a seed that is not hexadecimal")
    seed = bytes.fromhex(fields[3])
    if not 0 < len(seed) <= MAX_SEED_BYTES:
        raise _broken(user, number, "holds a seed that pam_oath does not accept")
    digits = time_type.group(2) if time_type else event_type and event_type.group(1)
    return TokenLine(
        text=text,
        user=user,
        seed=seed,
        interval=int(time_type.group(1)) if time_type else 0,
        digits=int(digits or 6),
        last_used=fields[6] if len(fields) == _MAX_FIELDS else "",
        used=0 if time_type else _used(fields, user, number),
    )


def _used(fields: list[str], user: str, number: int) -> int:
    """Return how many codes of an event-based line are gone: the moving factor is that of the last one used."""
    factor = fields[_MIN_FIELDS] if len(fields) > _MIN_FIELDS else "0"
    if not (factor.isascii() and factor.isdigit()):
        raise _broken(user, number, "holds a moving factor that is no number")
    return int(factor) + (1 if len(fields) > _LAST_CODE else 0)


def _broken(user: str, number: int, why: str) -> TwofactorError:
    return TwofactorError(
        "token_file_broken",
        f"Line {number} of the token file of user '{user}' {why}.",
        "Renew the user's secret, or remove the user's tokens with state: absent and enrol again.",
    )


def render(lines: list[TokenLine]) -> str:
    """Return the file's text; lines that were parsed come back byte for byte."""
    return "".join(line.text + "\n" for line in lines[:-1]) + "".join(
        line.text + line.end for line in lines[-1:]
    )


def new_line(user: str, seed: bytes, interval: int, digits: int) -> TokenLine:
    """Return a fresh time-based line: no code of it has been used yet."""
    text = f"HOTP/T{interval}/{digits}\t{user}\t-\t{seed.hex()}"
    return TokenLine(text=text, user=user, seed=seed, interval=interval, digits=digits)


def devices(lines: list[TokenLine]) -> list[TokenLine]:
    """Return the time-based lines: the primary device, then the backup device if there is one."""
    return [line for line in lines if line.is_time_based and not line.previous]


def recovery(lines: list[TokenLine]) -> TokenLine | None:
    """Return the line of the recovery codes, None when there is none."""
    return next((line for line in lines if line.is_event_based), None)


def merge(
    lines: list[TokenLine],
    user: str,
    seeds: tuple[bytes | None, bytes | None],
    interval: int,
    digits: int,
) -> list[TokenLine]:
    """Return ``lines`` with the primary and the backup seed as wanted.

    A seed that is None is left as it is. A line whose seed and settings stay keeps its replay state, also
    when it moves from backup to primary. Lines that are no device (recovery codes, comments) stay. No seed
    gets a second line: each has a replay state of its own, so that a code would be accepted twice.
    """
    have = devices(lines)
    known = have + [replace(line, previous=False) for line in lines if line.previous]
    current = [line.seed for line in have[:2]] + [None, None]
    wanted = dict.fromkeys(seed if seed is not None else old for seed, old in zip(seeds, current))
    merged = [
        _kept(known, seed, interval, digits) or new_line(user, seed, interval, digits)
        for seed in wanted
        if seed is not None
    ]
    others = [line for line in lines if line not in have]
    if merged == have[: len(merged)] and len(have) == len(merged):
        return list(lines)
    return merged + others


def _kept(have: list[TokenLine], seed: bytes, interval: int, digits: int) -> TokenLine | None:
    same = (line for line in have if line.seed == seed)
    return next((ln for ln in same if (ln.interval, ln.digits) == (interval, digits)), None)


def with_recovery(
    lines: list[TokenLine], user: str, seed: bytes | None, count: int, digits: int
) -> list[TokenLine]:
    """Return ``lines`` with ``count`` recovery codes of ``seed``, or of the present one when it is None.

    Codes that are gone stay gone as long as the seed is the same, also when digits change. The line is set aside
    when all are used, and comes back when there are more.
    """
    have = recovery(lines)
    if have is None and seed is None:
        return list(lines)
    line = _recovery_line(have, user, seed if seed is not None else have.seed if have else b"", count, digits)
    if line == have:
        return list(lines)
    others = [other for other in lines if not other.is_event_based]
    number = next((n for n, other in enumerate(others) if _is_mark(other)), len(others))
    return [*others[:number], line, *others[number:]]


def _recovery_line(have: TokenLine | None, user: str, seed: bytes, count: int, digits: int) -> TokenLine:
    used = have.used if have is not None and have.seed == seed else 0
    text = f"HOTP/E/{digits}\t{user}\t-\t{seed.hex()}" + (f"\t{used}" if used else "")
    last_used = ""
    if have is not None and (have.seed, have.digits) == (seed, digits):
        text, last_used = have.text[len(_SPENT) :] if have.spent else have.text, have.last_used
    spent = used >= count
    return TokenLine(
        text=_SPENT + text if spent else text,
        user=user,
        seed=seed,
        digits=digits,
        last_used=last_used,
        used=used,
        spent=spent,
    )


def with_previous(
    lines: list[TokenLine], before: list[TokenLine], seeds: tuple[bytes | None, ...], until: float = 0.0
) -> list[TokenLine]:
    """Return ``lines`` with the secrets before accepted as well until ``until``, or with none of them.

    ``before`` are the lines that there were: only a line that is there can go on being accepted. What has been
    used of it stays used.
    """
    kept = [line for line in lines if not line.previous and not _is_mark(line)]
    wanted = set(seeds) - {line.seed for line in devices(kept)}
    old = {line.seed: line for line in before if line.is_time_based and line.seed in wanted}
    if not old:
        return kept
    end = f" until {time.strftime(_TIME, time.gmtime(until))}" if until else ", for a while"
    mark = TokenLine(text=_PREVIOUS + end)
    return [*kept, mark, *(replace(line, previous=True, until=until, end="\n") for line in old.values())]


def has_previous(content: str) -> bool:
    """Tell at a glance whether a file may hold secrets before."""
    return _PREVIOUS in content


def _is_mark(line: TokenLine) -> bool:
    return bool(_PREVIOUS_LINE.fullmatch(line.text))


def end_of_previous(lines: list[TokenLine]) -> float | None:
    """Return when the secrets before end, None when there are none or nobody has said."""
    return min((line.until for line in lines if line.previous and line.until), default=None)


def with_state_of(lines: list[TokenLine], fresh: list[TokenLine]) -> list[TokenLine]:
    """Return ``lines`` with the replay state that ``fresh`` (the file as it is now) has for each seed.

    A login between the plan and the write must not be forgotten.
    """
    newest = {(line.seed, line.interval, line.digits): line for line in fresh if line.seed}
    return [_newer(line, newest.get((line.seed, line.interval, line.digits))) for line in lines]


def _newer(line: TokenLine, now: TokenLine | None) -> TokenLine:
    if now is None or not line.seed:
        return line
    # Whether a line is set aside is the plan's affair; how far it has been used is what the file says now.
    text = now.text[len(_SPENT) :] if now.spent else now.text
    return replace(line, text=_SPENT + text if line.spent else text, last_used=now.last_used, used=now.used)
