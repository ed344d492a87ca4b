# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh.*: the settings of the SSH service."""

from __future__ import annotations

from typing import Any

from .. import schema
from ..errors import ValidationErrors
from ..nas import Call
from ..registry import method
from ..releases import Release
from ..schema import BOOL, LIST, STR, Field

Record = dict[str, Any]

LEVELS = ("", "QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3")
FACILITIES = ("", "DAEMON", "USER", "AUTH", *(f"LOCAL{number}" for number in range(8)))
CIPHERS = ("AES128-CBC", "NONE")
# Ports of other services, as the check of 22.12 and later knows them.
TAKEN = {80: "WebUI Service", 443: "WebUI Service", 6000: "middlewared"}
KEYS = ("dsa", "ecdsa", "ed25519", "rsa")


def _description(release: Release) -> Field:
    fields = {
        **dict.fromkeys(("passwordauth", "kerberosauth", "tcpfwd", "compression"), BOOL),
        **dict.fromkeys(("bindiface", "weak_ciphers"), LIST),
        "tcpport": Field("int", minimum=1, maximum=65535),
        "sftp_log_level": Field("str", choices=LEVELS),
        "sftp_log_facility": Field("str", choices=FACILITIES),
        "options": STR,
    }
    if release.root_option:
        fields["rootlogin"] = BOOL
    if release.admin_option:
        fields["adminlogin"] = BOOL
    if release.ssh_per_user:
        fields["password_login_groups"] = LIST
    return Field("dict", fields=fields)


@method("ssh.config")
def config(call: Call) -> Record:
    shown = {"id": 1, **call.data["ssh"], "privatekey": ""}
    for kind in KEYS:
        path = f"/etc/ssh/ssh_host_{kind}_key"
        shown[f"host_{kind}_key"] = call.nas.machine.read(path)
        shown[f"host_{kind}_key_pub"] = call.nas.machine.read(f"{path}.pub")
        shown[f"host_{kind}_key_cert_pub"] = None
    return shown


@method("ssh.bindiface_choices")
def bindiface_choices(call: Call) -> dict[str, str]:
    return {name: name for name in call.nas.machine.interfaces()}


@method("ssh.update", changes=True)
def update(call: Call, data: Any) -> Record:
    release, settings = call.release, call.data["ssh"]
    argument = "data" if release.style == "models" else "ssh_update"
    schema.check(release.style, argument, _description(release), data)
    _check(call, data)
    settings.update(data)
    call.commit()
    call.nas.reload_running("ssh")
    return config(call)


def _check(call: Call, data: Record) -> None:
    errors = ValidationErrors()
    choices = call.nas.machine.interfaces()
    for number, name in enumerate(data.get("bindiface", [])):
        if name not in choices:
            errors.add(f"ssh_update.bindiface.{number}", f"{name} is not a valid interface")
    for number, name in enumerate(data.get("weak_ciphers", [])):
        if name not in CIPHERS:
            errors.add(f"ssh_update.weak_ciphers.{number}", f"Invalid choice: {name}")
    taken = TAKEN.get(data.get("tcpport", 0))
    if call.release.checks_ports and taken:
        port = data["tcpport"]
        text = f'The port is being used by following services:\n1) "0.0.0.0:{port}" used by {taken}'
        errors.add("ssh_update.tcpport", text)
    errors.check()
