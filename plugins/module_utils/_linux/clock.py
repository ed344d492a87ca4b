# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock: whether it is right, and where it takes the time from.

Private to this collection: may change at any time. See chronyc(1), chrony.conf(5) and adjtimex(2).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import time
from dataclasses import asdict, dataclass, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files, units
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    find_program,
    run,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange

_CONFIGS = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
_SOURCES_NAME = "twofactor.sources"
_DEFAULT_SOURCEDIR = "/etc/chrony/sources.d"
_MARK = "# fleetauth.twofactor"
_UNITS = ("chrony.service", "chronyd.service")
_UNSYNCHRONISED_IDS = ("00000000", "7F7F0101")
"""No reference, or the local clock: chrony calls the second one normal although nothing is synchronised."""
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")
_TRACKING_FIELDS = 14


@dataclass(frozen=True)
class Clock:
    """What the host says of its clock. ``offset`` in seconds, positive when it is ahead; None unknown."""

    synchronised: bool
    offset: float | None
    source: str
    daemon: str


def read_clock() -> Clock:
    """Return the state of the clock, from chrony when it runs and from the kernel when it does not."""
    chronyc = find_program("chronyc")
    if chronyc is not None:
        ran = run([chronyc, "-n", "-c", "tracking"])
        if ran.status == 0:
            return parse_tracking(ran.out)
    return Clock(_kernel_synchronised(), None, "", "kernel")


def parse_tracking(text: str) -> Clock:
    """Parse ``chronyc -c tracking``: 14 comma-separated fields.

    The 5th is what has yet to be added to the clock ("System time", positive when it is slow), the 6th by how much
    it was ahead at the last update. chrony may count a step as done that the system has not made (chronyd -x), so
    the larger of the two is reported.
    """
    fields = text.strip().split(",")
    if len(fields) < _TRACKING_FIELDS:
        return Clock(False, None, "", "chrony")
    if fields[0].upper() in _UNSYNCHRONISED_IDS or fields[13] == "Not synchronised":
        return Clock(False, None, "", "chrony")
    offset = max(-float(fields[4]), float(fields[5]), key=abs)
    return Clock(True, offset + 0.0, fields[1], "chrony")


class _Timex(ctypes.Structure):
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    ]


def _kernel_synchronised() -> bool:
    """Tell whether the kernel calls its clock synchronised (adjtimex(2): TIME_ERROR, STA_UNSYNC)."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return False
    return 0 <= state < 5 and not timex.status & 0x40  # noqa: PLR2004 - 5 is TIME_ERROR


def set_ntp(change: NtpChange, check_mode: bool) -> Outcome:
    """Give chrony its sources, have it run, and wait until the clock is right.

    Raises TwofactorError when chrony is missing or the clock is not synchronised in time.
    """
    _refuse_bad_sources(change)
    config = next((path for path in _CONFIGS if read_text(path) is not None), None)
    if config is None or find_program("chronyc") is None:
        if check_mode:
            return _with_chrony_installed(change)
        raise TwofactorError(
            "chrony_missing",
            "chrony is not installed on this host.",
            "Install the package 'chrony', for example with the role fleetauth.twofactor.ntp.",
        )
    outcome = Outcome()
    restart = _declare_sources(change, config, outcome, check_mode)
    started = _have_it_run(outcome, check_mode, restart=restart)
    if outcome.changed and not check_mode and not (restart or started):
        run([str(find_program("chronyc")), "reload", "sources"])
    clock = read_clock() if check_mode else _wait(change)
    outcome.result["clock"] = asdict(clock)
    return outcome


def _with_chrony_installed(change: NtpChange) -> Outcome:
    """Return what the change would do once the package is there, whose own configuration reads a folder."""
    outcome = Outcome(warnings=["chrony is not installed yet."], result={"clock": asdict(read_clock())})
    if change.servers is not None or change.pools is not None:
        _differs(outcome, f"{_DEFAULT_SOURCEDIR}/{_SOURCES_NAME}", None, render_sources(change))
    return outcome


def _refuse_bad_sources(change: NtpChange) -> None:
    for name in (change.servers or ()) + (change.pools or ()):
        if not _SOURCE_NAME.fullmatch(name):
            raise TwofactorError(
                "bad_ntp_source",
                f"'{name}' is neither a host name nor an address.",
                "Name one time server or pool for each entry.",
            )


def render_sources(change: NtpChange) -> str:
    """Return the sources file (chrony.conf(5), sourcedir): one directive for each server and pool."""
    nts = " nts" if change.nts else ""
    rows = [f"server {name} iburst{nts}" for name in change.servers or ()]
    rows += [f"pool {name} iburst{nts}" for name in change.pools or ()]
    return "\n".join(["# Written by fleetauth.twofactor.", *rows]) + "\n"


def _with_present(change: NtpChange, sources: str) -> NtpChange:
    """Return the change with the servers or pools that it leaves alone, from the file as it is."""
    rows = [line.split() for line in sources.split("\n")]
    servers = tuple(row[1] for row in rows if row[:1] == ["server"])
    pools = tuple(row[1] for row in rows if row[:1] == ["pool"])
    return replace(
        change,
        servers=servers if change.servers is None else change.servers,
        pools=pools if change.pools is None else change.pools,
    )


def _declare_sources(change: NtpChange, config: str, outcome: Outcome, check_mode: bool) -> bool:
    """Write the sources file when it differs; tell whether chrony must be restarted for it."""
    if change.servers is None and change.pools is None:
        return False
    text = read_text(config) or ""
    folder = source_folder(text)
    needs_folder = folder is None
    path = f"{folder or _DEFAULT_SOURCEDIR}/{_SOURCES_NAME}"
    before = read_text(path)
    wanted = render_sources(_with_present(change, before or ""))
    if before != wanted:
        _differs(outcome, path, before, wanted)
        if not check_mode:
            files.replace(path, wanted, 0o644)
    if needs_folder:
        with_folder = _with_line(text, f"sourcedir {_DEFAULT_SOURCEDIR} {_MARK}")
        _differs(outcome, config, text, with_folder)
        if not check_mode:
            files.replace(config, with_folder, 0o644)
    return needs_folder


def source_folder(config: str) -> str | None:
    """Return the folder that a chrony.conf reads sources from and that lasts through a reboot."""
    for line in config.split("\n"):
        words = line.split()
        if len(words) > 1 and words[0] == "sourcedir" and not words[1].startswith("/run/"):
            return words[1]
    return None


def _with_line(text: str, line: str) -> str:
    return text + ("" if text.endswith("\n") or not text else "\n") + line + "\n"


def _differs(outcome: Outcome, path: str, before: str | None, after: str) -> None:
    outcome.changed = True
    outcome.before[path] = before or ""
    outcome.after[path] = after


def _have_it_run(outcome: Outcome, check_mode: bool, *, restart: bool) -> bool:
    """Enable, start or restart chrony as needed; tell whether it has just been started.

    Where systemd does not start it for a condition of its unit, as in a container that may not set the clock, the
    kernel's own state of the clock counts, and a warning names the condition.
    """
    if find_program("systemctl") is None:
        return False
    before = units.read_unit(_UNITS)
    if before.active and before.enabled and not restart:
        return False
    if check_mode:
        after = before if before.unmet else replace(before, active=True)
    else:
        after = _start(before, "restart" if before.active and restart else "start")
    if after.unmet:
        outcome.warnings.append(
            f"chrony does not run: systemd does not start {after.name}, since {after.unmet} is not met. "
            "The clock is judged by what the kernel says of it."
        )
    if not before.enabled or after.active != before.active:
        outcome.changed = True
        outcome.before["chrony"] = _state_of(before)
        outcome.after["chrony"] = _state_of(replace(after, enabled=True))
    return after.active and not check_mode


def _start(unit: units.Unit, verb: str) -> units.Unit:
    try:
        return units.start(unit, verb)
    except units.NotStarted as error:
        raise TwofactorError("chrony_start", str(error), error.remedy) from None


def _state_of(unit: units.Unit) -> str:
    state = "running" if unit.active else "stopped"
    return state if unit.enabled else f"{state}, not enabled"


def _wait(change: NtpChange) -> Clock:
    """Wait until the clock is synchronised and near enough.

    Raises TwofactorError when it is not within ``change.wait`` seconds; 0 asks once and accepts anything.
    """
    deadline = time.monotonic() + change.wait
    while True:
        clock = read_clock()
        good = clock.synchronised and abs(clock.offset or 0.0) <= change.max_offset
        if good or change.wait <= 0:
            return clock
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    state = f"is off by {clock.offset:.3f} s" if clock.offset is not None else "is not synchronised"
    raise TwofactorError(
        "clock_unsynchronised",
        f"The clock of this host {state} after {change.wait:.0f} s; codes would be refused.",
        "Check that its time servers can be reached ('chronyc sources' on the host).",
    )
