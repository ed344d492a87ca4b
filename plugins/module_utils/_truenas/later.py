# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS does later by itself: take back a change that nobody confirms, or end a bypass.

Private to this collection: may change at any time. A systemd timer runs a small script of calls to the middleware,
which need nothing of Ansible nor of the session that armed it. At boot the script runs as well: a change that waited
is then taken back, a bypass ended if its time is over. Data and script lie beside the note; no secret is in them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import time
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    find_program,
    run,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import wire
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call

FOLDER = "/data"
UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system")
"""The second one is forgotten by a restart; it is for a NAS whose first one cannot be written."""
PENDING, BYPASS = "pending", "bypass"
SAME_END = 60.0
"""Seconds. A bypass of the same length that was asked for so recently is the same bypass."""
_UNTIL_BOOT = "A restart of this NAS before then would forget it: /etc/systemd/system cannot be written."


@dataclass(frozen=True)
class Later:
    """Calls to make at ``until`` (seconds since 1970 UTC), and who wanted that, from where, and why.

    ``seconds`` is how long it is from the moment at which a bypass was asked for.
    """

    until: float
    calls: list[list[Any]] = field(default_factory=list)
    by: str = ""
    reason: str = ""
    connection: str = ""
    seconds: float = 0.0


def as_utc(moment: float) -> str:
    """Return a moment (seconds since 1970 UTC) as ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def path(kind: str, ending: str = "json") -> str:
    """Return the path of a file of ours."""
    return f"{FOLDER}/fleetauth-twofactor-{kind}.{ending}"


def unit(kind: str) -> str:
    """Return the name of the systemd units, without their kind."""
    return f"fleetauth-twofactor-{kind}"


def read(kind: str, ending: str = "json") -> Later | None:
    """Return what is to be done later, None when nothing is or the file is damaged.

    What is being done just now has the ``ending`` begun.
    """
    try:
        return Later(**json.loads(read_text(path(kind, ending)) or ""))
    except (ValueError, TypeError):
        return None


def is_due(kind: str) -> bool:
    """Tell whether something is to be done later, or is being done just now."""
    return os.path.exists(path(kind)) or os.path.exists(path(kind, "begun"))


def was_reverted() -> bool:
    """Tell whether the last change that waited has been taken back by the NAS itself."""
    return os.path.exists(path(PENDING, "reverted"))


def arm(kind: str, later: Later) -> list[str]:
    """Have the NAS do something later. Return a warning when a restart would forget it.

    Raises TwofactorError when that cannot be arranged; nothing is to be changed then.
    """
    disarm(kind)
    try:
        files.remove(path(kind, "reverted"))  # of the change before
        files.replace(path(kind, "sh"), script(kind, later), 0o700)
        files.replace(path(kind), json.dumps(later.__dict__) + "\n", 0o600)
        folder = _write_units(kind, later)
    except OSError as error:
        disarm(kind)
        raise _cannot(f"{error.filename}: {error.strerror}") from None
    lasting = [f"{unit(kind)}.service"] + ([f"{unit(kind)}.timer"] if kind == BYPASS else [])
    runtime = [] if folder == UNIT_FOLDERS[0] else ["--runtime"]
    for words in (["daemon-reload"], ["enable", "-q", *runtime, *lasting], ["start", f"{unit(kind)}.timer"]):
        ran = run([find_program("systemctl") or "systemctl", *words])
        if ran.status != 0:
            disarm(kind)
            raise _cannot(" ".join(ran.err.split()))
    return [] if folder == UNIT_FOLDERS[0] else [_UNTIL_BOOT]


def _cannot(why: str) -> TwofactorError:
    return TwofactorError(
        "cannot_arm",
        f"This NAS cannot be made to come back by itself: {why}.",
        "Make room on the boot pool and look at 'systemctl status', or leave confirm_within and lasts out.",
    )


def _write_units(kind: str, later: Later) -> str:
    """Write the units into the first folder that takes them, and return it."""
    wanted = {"service": service_unit(kind), "timer": timer_unit(kind, later)}
    for folder in UNIT_FOLDERS:
        try:
            for ending, text in wanted.items():
                files.replace(f"{folder}/{unit(kind)}.{ending}", text, 0o644)
            return folder
        except OSError:
            if folder == UNIT_FOLDERS[-1]:
                raise
    return UNIT_FOLDERS[-1]


def disarm(kind: str) -> bool:
    """Forget what was to be done later; tell whether there was anything and it had not begun.

    The end of a bypass is stopped even if it has begun: it may be waiting for a middleware that is starting.
    """
    try:
        os.unlink(path(kind))
        there = True
    except FileNotFoundError:
        there = False
    if not there and not os.path.exists(path(kind, "sh")):
        return False
    systemctl = find_program("systemctl")
    if systemctl is not None:
        run([systemctl, "disable", "-q", "--now", f"{unit(kind)}.timer"])
        run([systemctl, "disable", "-q", *(["--now"] if kind == BYPASS else []), f"{unit(kind)}.service"])
    for name in (
        path(kind, "sh"),
        *([path(kind, "begun")] if kind == BYPASS else []),
        *(f"{f}/{unit(kind)}.{e}" for f in UNIT_FOLDERS for e in ("service", "timer")),
    ):
        with contextlib.suppress(OSError):
            files.remove(name)
    return there


def service_unit(kind: str) -> str:
    """Return the unit that runs the script, also at boot."""
    return (
        "[Unit]\n"
        f"Description=Two-factor authentication: {'a change to confirm' if kind == PENDING else 'a bypass to end'}\n"
        "After=middlewared.service\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"ExecStart=/bin/sh {path(kind, 'sh')}\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def timer_unit(kind: str, later: Later) -> str:
    """Return the unit that runs it in time: by the calendar where that has to outlive a restart."""
    end = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(math.ceil(later.until)))
    when = (
        f"OnCalendar={end}" if kind == BYPASS else f"OnActiveSec={max(1.0, later.until - time.time()):.1f}s"
    )
    return (
        "[Unit]\n"
        "Description=Two-factor authentication: in time\n"
        "[Timer]\n"
        f"{when}\n"
        "AccuracySec=100ms\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )


def script(kind: str, later: Later) -> str:
    """Return the script. Taking the data's name away is what decides between it and a confirmation."""
    data, begun = path(kind), path(kind, "begun")
    calls = [wire.command("midclt", call[0], tuple(call[1:])) for call in later.calls]
    if kind == BYPASS:
        early, end, event = (
            f'[ "$(date +%s)" -ge {math.ceil(later.until)} ] || exit 0',
            f"rm -f {begun}",
            "enabled",
        )
        why = "the bypass is over"
    else:
        early, end, event = "", f"mv {begun} {path(kind, 'reverted')}", "reverted"
        why = "nobody confirmed it in time"
    line = shlex.quote(f'{event} why="{why}" made_by="{later.by}"')
    lines = [
        "# Written by fleetauth.twofactor, and removed by itself.",
        early,
        f"mv {data} {begun} 2>/dev/null || [ -e {begun} ] || exit 0",
        *_patiently([shlex.join(call) for call in calls]),
        end,
        f"logger -t twofactor -p authpriv.notice -- {line}",
        f"systemctl disable -q {unit(kind)}.service {unit(kind)}.timer",
        f"systemctl stop -q {unit(kind)}.timer || true",  # at boot it has not been started
        f"rm -f {' '.join(f'{folder}/{unit(kind)}.*' for folder in UNIT_FOLDERS)} {path(kind, 'sh')}",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _patiently(commands: list[str]) -> list[str]:
    """Return lines that run all commands until all of them work, for some ten minutes.

    The middleware may be starting. And one call that it refuses must not hold up the others: it may refuse to change
    root's account only as long as the second factor is enabled. Each command sets a value, so that it may be repeated.
    """
    return [
        "tries=0",
        "while :; do",
        "failed=",
        *(f"{command} >/dev/null 2>&1 || failed=1" for command in commands),
        '[ "$failed" ] || break',
        'tries=$((tries + 1)); [ "$tries" -lt 120 ] || exit 1; sleep 5',
        "done",
    ]


def as_data(calls: list[Call]) -> list[list[Any]]:
    """Return calls as what is kept of them."""
    return [[call.method, *call.arguments] for call in calls]
