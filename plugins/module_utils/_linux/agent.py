# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command /usr/local/sbin/twofactor: this collection's own code, left on the host.

Private to this collection: may change at any time. It takes back a change that nobody confirmed, ends a bypass
and the time for which a secret before is accepted, mends what a power cut left, and lets somebody at the console switch
the second factor off. It is a zip archive of these very modules (zipapp, in the standard library's words), so that
nothing is done in two ways. A few lines of shell stand before the archive and look for a Python each time: the one of
today is gone after an upgrade of the distribution.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import io
import os
import shlex
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    paths,
    token_lock,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    find_program,
    run,
)

_PACKAGE = "ansible_collections.fleetauth.twofactor.plugins.module_utils"
MODULES = (
    *("_args", "_change", "_errors", "_model", "_otp"),
    *(
        f"_linux.{name}"
        for name in (
            *(
                "agent",
                "as_users",
                "audit",
                "bypass",
                "checks",
                "clock",
                "cockpit",
                "command",
                "coverage",
                "daemon",
                "describe",
                "doors",
                "drift",
                "emergency",
                "empty_passwords",
                "files",
            ),
            *(
                "guard",
                "guessing",
                "host",
                "journal",
                "lines",
                "listening",
                "lock",
                "login_servers",
                "marks",
                "match_visitors",
                "other_factors",
                "own_files",
                "packages",
                "pam",
                "pam_check",
                "pam_outcome",
                "paths",
                "plan",
                "platform",
            ),
            *(
                "pending",
                "people",
                "policy_file",
                "process",
                "report",
                "secrets",
                "selinux",
                "service",
                "socket_units",
                "ssh_report",
                "sshd",
                "sshd_args",
                "sshd_check",
                "sshd_match",
                "sudoers",
                "token_lock",
                "tokens",
            ),
            *("transaction", "unattended", "units", "verify"),
        )
    ),
)
"""All that the command needs. A unit test compares this with the folder."""

_MAIN = f"import sys\nfrom {_PACKAGE}._linux.command import main\nsys.exit(main(sys.argv[1:]))\n"
_PYTHONS = (
    *(
        "/usr/bin/python3",
        "/usr/libexec/platform-python",
        "/usr/bin/python3.[0-9]",
        "/usr/bin/python3.[0-9][0-9]",
    ),
    *("/usr/local/bin/python3", "/usr/local/bin/python3.[0-9]", "/usr/local/bin/python3.[0-9][0-9]"),
)
"""Patterns of the shell. The first one is the distribution's own, and stays when it is upgraded."""
_HEADER = """\
#!/bin/sh
# Left by fleetauth.twofactor: a Python archive behind a few lines of shell that look for a Python.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
works='import argparse, json, subprocess, sys; sys.exit(sys.version_info < (3, 9))'
for python in {pythons}; do
    [ -x "$python" ] || continue
    if "$python" -I -S -c "$works" 2>/dev/null; then
        exec "$python" -I "$0" "$@"
    fi
done
echo 'twofactor: this host has no Python 3.9 or later that works' >&2
exit 127
"""
"""No option of the shell's own is used, and what follows it is never read, so that any /bin/sh will do."""
BOOT_LIMIT = 45
"""Seconds that the way into a host waits at boot for what had been under way."""
BOOT_UNIT = f"""\
[Unit]
Description=Two-factor authentication: take back or end what was under way when the machine went down
DefaultDependencies=no
RequiresMountsFor={paths.STATE_FOLDER} {paths.COMMAND}
After=sysinit.target
ConditionPathExists=|{paths.ORIGINALS}
ConditionPathExists=|{paths.PENDING}
ConditionPathExists=|{paths.DISABLING}
ConditionPathExists=|{paths.BYPASS}
ConditionDirectoryNotEmpty=|{paths.TOKENS}
Before=ssh.service sshd.service ssh.socket sshd.socket sshd-unix-local.socket sshd-vsock.socket
Before=cockpit.socket systemd-user-sessions.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh {paths.COMMAND} boot
TimeoutStartSec={BOOT_LIMIT}
TimeoutStopSec=5
"""
"""Before the sockets on which logins wait, so not after basic.target as a service is by default: that comes after all
sockets, and of such a circle systemd leaves something out, maybe this. It is ended when it takes too long: then SSH
comes up all the same, and a timer tries again. The shell runs the command, so that /usr/local may be mounted noexec."""
BOOT_WANTED = "[Unit]\nWants=twofactor-boot.service\n"


if TYPE_CHECKING:
    # Named here so that Ansible sends it along: it is not imported by what modules do.
    from ansible_collections.fleetauth.twofactor.plugins.module_utils import _args
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import command

    SENT_ALONG = (_args, command)


def build() -> str:
    """Return the command's bytes as text (surrogateescape), the same for the same sources."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, source in _sources():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), source)
    data = _header(sys.executable).encode() + stream.getvalue()
    return data.decode("utf-8", "surrogateescape")


def _header(present: str) -> str:
    """Return the shell's part: the usual places first, then the Python of today if it is none of them.

    The same text whichever Python in a usual place is asked, so that a run by another one changes nothing.
    """
    is_usual = any(fnmatch.fnmatchcase(present, pattern) for pattern in _PYTHONS)
    return _HEADER.format(pythons=" ".join((*_PYTHONS, *([] if is_usual else [shlex.quote(present)]))))


def _sources() -> list[tuple[str, str]]:
    found = [("__main__.py", _MAIN)]
    parts = f"{_PACKAGE}._linux".split(".")
    folders = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    found += [(f"{folder}/__init__.py", "") for folder in folders]
    for name in MODULES:
        full = f"{_PACKAGE}.{name}"
        found.append((full.replace(".", "/") + ".py", _source(full)))
    return found


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    source = spec.loader.get_source(name) if spec and spec.loader else None  # type: ignore[attr-defined]
    if source is None:
        raise TwofactorError(
            "command_source", f"The source of {name} is not at hand.", "Report this as a bug."
        )
    return str(source)


def install() -> None:
    """Have the command and the unit that runs it at boot on the host."""
    for path, text, mode in wanted_files():
        if read_text(path) != text:
            files.replace(path, text, mode)


def wanted_files() -> tuple[tuple[str, str, int], ...]:
    """Return path, text and mode of the command and of what has it run at boot."""
    return (
        (paths.COMMAND, build(), 0o755),
        (paths.BOOT_UNIT, BOOT_UNIT, 0o644),
        (paths.BOOT_WANTED, BOOT_WANTED, 0o644),
    )


_LAST_YEAR = 2199
"""The last year that systemd takes in a date (systemd.time(7), MAX_YEAR in its calendarspec.c)."""


def arm_end(end: float) -> None:
    """Have the host look at what ends at ``end`` (seconds since 1970): after the time until then, and on that date.

    The clock may be wrong now. What ends after a while does so after that while, whatever the clock says then; and when
    the clock is set forward past the end, systemd sees to it at once.
    """
    arm(max(1.0, end - time.time()), "expire", end)


def arm(seconds: float, verb: str, end: float | None = None) -> None:
    """Have the host run the command with ``verb`` after some seconds, whatever becomes of this session.

    With ``end`` also on that date (seconds since 1970), which it is told. Raises TwofactorError when that cannot be
    arranged; nothing is to be changed then.
    """
    command = ["/bin/sh", paths.COMMAND, verb] + ([] if end is None else ["--end", f"{end:.0f}"])
    systemd_run = find_program("systemd-run")
    if systemd_run is None or not os.path.isdir("/run/systemd/system"):
        _arm_without_systemd(seconds, command, end)
        return
    # Without AccuracySec a timer may fire a minute late.
    timer = [f"--on-active={seconds:.1f}s", "--timer-property=AccuracySec=100ms", "--quiet", "--collect"]
    date = None if end is None else time.gmtime(end + 1)
    if date is not None and date.tm_year <= _LAST_YEAR:
        timer.append(f"--on-calendar={time.strftime('%Y-%m-%d %H:%M:%S UTC', date)}")
    ran = run([systemd_run, *timer, *command])
    if ran.status != 0:
        raise TwofactorError(
            "cannot_arm",
            f"The host cannot be made to come back by itself: {' '.join(ran.err.split())}.",
            "See why systemd-run fails there, or leave confirm_within and lasts out.",
        )


_WAIT = """\
left=$1 end=$2
shift 2
while [ "$left" -gt 0 ]; do
    [ "$end" -eq 0 ] || [ "$(date +%s)" -lt "$end" ] || break
    nap=$((left < 60 ? left : 60))
    sleep "$nap"
    left=$((left - nap))
done
exec "$@"
"""
"""The shell's stand-in for a timer: so many seconds, or until a date; it looks at the clock each minute."""


def _arm_without_systemd(seconds: float, command: list[str], end: float | None) -> None:
    # A process of its own session, which outlives ours; run_command would wait for it.
    subprocess.Popen(  # pylint: disable=ansible-bad-function
        ["/bin/sh", "-c", _WAIT, "sh", f"{seconds:.0f}", f"{end or 0:.0f}", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def problems(enforced: bool) -> list[TwofactorError]:
    """Return what keeps a host from accepting codes where they are ``enforced``, and from putting itself right."""
    found = token_lock.unwritable() if enforced else []
    return [*found, *(_broken_command() if enforced or os.path.lexists(paths.BYPASS) else [])]


def _broken_command() -> list[TwofactorError]:
    """Return why the command does not run on this host, nothing where it does."""
    lacking = [
        path for path in (paths.COMMAND, paths.BOOT_UNIT, paths.BOOT_WANTED) if not os.path.exists(path)
    ]
    why = f"{lacking[0]} is missing" if lacking else _why_it_does_not_run()
    if not why:
        return []
    return [
        TwofactorError(
            "command_broken",
            f"The command {paths.COMMAND} cannot do its work: {why}. So the host cannot take a change back or end a "
            "bypass by itself.",
            f"Run the role again, which writes the command anew; see that the host has Python 3.9 or later and that "
            f"{os.path.dirname(paths.COMMAND)} is not mounted noexec.",
        )
    ]


def _why_it_does_not_run() -> str:
    try:
        ran = run([paths.COMMAND, "--help"])
    except OSError as error:
        return f"it cannot be started ({error.strerror})"
    except TwofactorError as error:
        return error.message.rstrip(".")
    return "" if ran.status == 0 else " ".join(ran.err.split()[-20:]) or f"exit status {ran.status}"
