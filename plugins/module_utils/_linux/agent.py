# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command /usr/local/sbin/twofactor: this collection's own code, left on the host.

Private to this collection: may change at any time. It takes back a change that nobody confirmed, ends a bypass
and the time for which a secret before is accepted, mends what a power cut left, and lets somebody at the console switch
the second factor off. It is a zip archive of these very modules (zipapp, in the standard library's words), so that
nothing is done in two ways.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files, paths
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
                "daemon",
                "describe",
                "doors",
                "emergency",
                "files",
            ),
            *(
                "guard",
                "host",
                "journal",
                "lines",
                "listening",
                "lock",
                "login_servers",
                "marks",
                "other_factors",
                "packages",
                "pam",
                "pam_check",
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
                "sshd",
                "sshd_args",
                "sshd_check",
                "token_lock",
                "tokens",
            ),
            *("transaction", "unattended", "verify"),
        )
    ),
)
"""All that the command needs. A unit test compares this with the folder."""

_MAIN = f"import sys\nfrom {_PACKAGE}._linux.command import main\nsys.exit(main(sys.argv[1:]))\n"
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
Before=ssh.service sshd.service ssh.socket sshd.socket cockpit.socket systemd-user-sessions.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
ExecStart={paths.COMMAND} boot
"""
"""Before the sockets on which logins wait, so not after basic.target as a service is by default: that comes after all
sockets, and of such a circle systemd leaves something out, maybe this."""
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
    data = f"#!{sys.executable} -I\n".encode() + stream.getvalue()
    return data.decode("utf-8", "surrogateescape")


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


def arm(seconds: float, verb: str) -> None:
    """Have the host run the command with ``verb`` after some seconds, whatever becomes of this session.

    Raises TwofactorError when that cannot be arranged; nothing is to be changed then.
    """
    systemd_run = find_program("systemd-run")
    if systemd_run is None or not os.path.isdir("/run/systemd/system"):
        _arm_without_systemd(seconds, verb)
        return
    # Without AccuracySec a timer may fire a minute late.
    timer = [f"--on-active={seconds:.1f}s", "--timer-property=AccuracySec=100ms", "--quiet", "--collect"]
    ran = run([systemd_run, *timer, paths.COMMAND, verb])
    if ran.status != 0:
        raise TwofactorError(
            "cannot_arm",
            f"The host cannot be made to come back by itself: {' '.join(ran.err.split())}.",
            "See why systemd-run fails there, or leave confirm_within and lasts out.",
        )


def _arm_without_systemd(seconds: float, verb: str) -> None:
    script = 'sleep "$1" && exec "$2" "$3"'
    # A process of its own session, which outlives ours; run_command would wait for it.
    subprocess.Popen(  # pylint: disable=ansible-bad-function
        ["/bin/sh", "-c", script, "sh", f"{seconds:.0f}", paths.COMMAND, verb],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
