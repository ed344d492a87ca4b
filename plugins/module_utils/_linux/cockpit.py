# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into Cockpit that ask PAM for nothing, so that a line in its service file does not make them ask for a code.

Private to this collection: may change at any time. Cockpit has PAM authenticate somebody who gives a password. Who
comes with a Kerberos ticket or a certificate is only looked up there, and a scheme whose section names a program is
left to that program (cockpit.conf(5), and seen with Cockpit 287 and 337).
"""

from __future__ import annotations

import ctypes
import os
import re

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host

SERVICE = "cockpit"
CONF = "/etc/cockpit/cockpit.conf"
KEYTAB = "/etc/cockpit/krb5.keytab"
"""Where it is there, Cockpit takes no other."""

_SECTION = re.compile(r"\s*\[([^]\[\x00-\x1f\x7f]+)\]\s*$")
_SETTING = re.compile(r"\s*([A-Za-z0-9-]+)\s*=\s*(.*)$")
_IGNORED = re.compile(r"\s*(#.*)?$")
_COCKPITS_OWN = ("cockpit-session", "/run/cockpit/session")
_NO_KEYS = 2
"""Bytes: a keytab with its version and nothing else."""

Settings = dict[tuple[str, str], str]


def other_ways(host: Host) -> list[TwofactorError]:
    """Return each way into this host's Cockpit that asks nobody for a code."""
    return judge(parse(host.read(CONF) or ""), _keytab())


def parse(text: str) -> Settings:
    """Return cockpit.conf's values by section and name, both in small letters; the last one counts.

    As Cockpit does, nothing of a file with a line that it does not know is taken, and blanks at the end belong to a
    value.
    """
    found: Settings = {}
    section = None
    for line in text.split("\n"):
        if match := _SECTION.match(line):
            section = match[1].lower()
        elif (match := _SETTING.match(line)) and section is not None:
            found[section, match[1].lower()] = match[2]
        elif not _IGNORED.match(line):
            return {}
    return found


def judge(settings: Settings, keytab: str | None) -> list[TwofactorError]:
    """Return the ways that these settings, and a keytab that holds keys, leave open."""
    found = []
    if keytab and _is_open(settings, "negotiate"):
        found.append(
            _way(
                f"with a Kerberos ticket ({keytab})",
                f"Write 'action = none' under [negotiate] in {CONF}",
            )
        )
    wanted = settings.get(("webservice", "clientcertauthentication"), "").lower()
    if wanted in ("yes", "true", "1") and _is_open(settings, "tls-cert"):
        found.append(
            _way(
                f"with a certificate (ClientCertAuthentication in {CONF})",
                "Take ClientCertAuthentication out of it",
            )
        )
    for (section, name), program in sorted(settings.items()):
        if (
            name in ("command", "unixpath")
            and section != "ssh-login"
            and _is_other(settings, section, program)
        ):
            found.append(_way(f"by way of {program} ([{section}] in {CONF})", "Take that section out of it"))
    return found


def _is_open(settings: Settings, scheme: str) -> bool:
    """Tell whether Cockpit itself looks at those who come with a scheme."""
    named = {name for section, name in settings if section == scheme} & {"command", "unixpath"}
    return settings.get((scheme, "action")) != "none" and not named


def _is_other(settings: Settings, section: str, program: str) -> bool:
    return settings.get((section, "action")) != "none" and not program.endswith(_COCKPITS_OWN)


def _way(how: str, remedy: str) -> TwofactorError:
    return TwofactorError(
        "cockpit_other_way",
        f"Cockpit lets users in {how} without asking PAM, so that nobody is asked for a code there.",
        f"{remedy}, or leave '{SERVICE}' out of 'services'.",
    )


def _keytab() -> str | None:
    """Return the keytab by which Cockpit would take tickets, None when there is none with a key in it."""
    path = KEYTAB if os.path.exists(KEYTAB) else _default_keytab()
    try:
        return path if path and os.path.getsize(path) > _NO_KEYS else None
    except OSError:
        return None


def _default_keytab() -> str | None:
    """Return what libkrb5 says is the keytab of this host (krb5_kt_default_name), None where that is no file."""
    name = ctypes.create_string_buffer(4096)
    context = ctypes.c_void_p()
    try:
        library = ctypes.CDLL("libkrb5.so.3")
    except OSError:
        return None  # then Cockpit cannot take tickets either
    if library.krb5_init_context(ctypes.byref(context)):
        return None
    try:
        if library.krb5_kt_default_name(context, name, ctypes.c_int(len(name))):
            return None
    finally:
        library.krb5_free_context(context)
    kind, dummy, path = name.value.decode("utf-8", "surrogateescape").rpartition(":")
    return path if kind in ("", "FILE", "WRFILE") else None
