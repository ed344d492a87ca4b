# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change that broke off may have left: settings in the middleware's database that are in no file yet.

Pure code. Private to this collection: may change at any time. The middleware writes its database first and the
files of PAM, sshd and chrony after that, and it does not write them again for settings that stay the same. So before
a change it is noted which services it touches, and after one that broke off they are made to read everything anew.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.releases import Release

LOGINS = ("ssh", "user")
SSH = ("ssh",)
TIME = ("ntpd",)


def calls(services: tuple[str, ...], release: Release) -> list[Call]:
    """Return the calls after which ``services`` have their files from the database."""
    return [_call(name, release) for name in services if name != "user" or release.oath_file == "enabled"]


def _call(name: str, release: Release) -> Call:
    verb = "restart" if name == "ntpd" else "reload"
    why = f"the files of '{name}', which a change that broke off may not have written"
    if release.service == "control":
        return Call("service.control", (verb.upper(), name), why, job=True)
    return Call(f"service.{verb}", (name,), why)
