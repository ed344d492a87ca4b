# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the database of a NAS that has just been installed."""

from __future__ import annotations

import re
from typing import Any

from .machine import Machine
from .passwords import hashed
from .releases import Release

Record = dict[str, Any]

# The same for every NAS of the lab: a test logs in with it, and it opens nothing else.
ROOT_PASSWORD = "correct horse battery staple"

NO_HOME = {(22, 2): "/nonexistent", (22, 12): "/nonexistent", (23, 10): "/nonexistent"}
SHELLS = ("/usr/bin/zsh", "/usr/bin/bash", "/usr/bin/sh", "/bin/bash", "/bin/sh", "/usr/sbin/nologin")
ADMINISTRATORS = 544

# Services by the id they have; only ssh is more than a line in a list.
SERVICES = ("ftp", "iscsitarget", "nfs", "snmp", "ssh", "cifs", "ups", "smartd")


def no_home(release: Release) -> str:
    """Return the home of users that have none."""
    return NO_HOME.get(release.series, "/var/empty")


def initial(release: Release, machine: Machine) -> Record:
    """Return a new database; the accounts of the system itself come from the host."""
    groups = _groups(release, machine.read("/etc/group") or "")
    users = _users(release, machine.read("/etc/passwd") or "", groups)
    return {
        "twofactor": {
            "enabled": False,
            "window": 0,
            "services": {},
            "otp_digits": 6,
            "interval": 30,
            "secret": None,
        },
        "users": users,
        "directory": [],
        "groups": groups,
        "ssh": _ssh(release),
        "services": [
            # An administrator who comes in with a key must find the door open.
            {"id": number, "service": name, "enable": name == "ssh"}
            for number, name in enumerate(SERVICES, 1)
        ],
        "ntp": [
            {"id": number + 1, "address": f"{number}.debian.pool.ntp.org", **NTP_DEFAULTS}
            for number in range(3)
        ],
        "security": {"enable_fips": False, "enable_gpos_stig": False, "authenticator_level": 1},
        "enterprise": False,
        "api_keys": [],
    }


def upgrade(data: Record, release: Release) -> None:
    """Bring an older release's database to this one, as far as its settings go."""
    fresh = _ssh(release)
    data.setdefault("directory", [])
    data["ssh"] = {name: data["ssh"].get(name, value) for name, value in fresh.items()}
    for account in data["users"]:
        if release.intervals and account["twofactor"]["interval"] not in release.intervals:
            account["twofactor"].update(secret=None, interval=30)


def directory_user(name: str, number: int, password: str) -> Record:
    """Return a user of the domain that the NAS has joined. There is no row of codes before the first secret."""
    return {
        "uid": 100_000_000 + number,
        "username": name,
        "unixhash": hashed(password),
        "home": f"/home/{name.replace(chr(92), '/')}",
        "shell": "/usr/bin/bash",
        "full_name": name,
        "sid": f"S-1-5-21-1-2-3-{number}",
        "locked": False,
        "password_disabled": False,
        "twofactor": None,
    }


NTP_DEFAULTS: Record = {"burst": False, "iburst": True, "prefer": False, "minpoll": 6, "maxpoll": 10}


def _ssh(release: Release) -> Record:
    settings: Record = {
        "bindiface": [],
        "tcpport": 22,
        "passwordauth": False,
        "kerberosauth": False,
        "tcpfwd": False,
        "compression": False,
        "sftp_log_level": "",
        "sftp_log_facility": "",
        "weak_ciphers": [],
        "options": "",
    }
    if release.root_option:
        settings["rootlogin"] = False
    if release.admin_option:
        settings["adminlogin"] = False
    if release.ssh_per_user:
        settings["password_login_groups"] = []
    return settings


def user(release: Release, **known: Any) -> Record:
    """Return a user's record, with everything that is not ``known`` as it is by default."""
    record: Record = {
        "id": 0,
        "uid": 0,
        "username": "",
        "full_name": "",
        "home": no_home(release),
        "shell": "/usr/bin/zsh",
        "unixhash": "*",
        "builtin": False,
        "smb": True,
        "password_disabled": False,
        "ssh_password_enabled": False,
        "locked": False,
        "email": None,
        "group": 0,
        "groups": [],
        "twofactor": {"secret": None, "otp_digits": 6, "interval": 30},
        "onetime_password": None,
    }
    return {**record, **known}


def _users(release: Release, passwd: str, groups: list[Record]) -> list[Record]:
    by_gid = {group["gid"]: group["id"] for group in groups}
    users: list[Record] = []
    for line in passwd.splitlines():
        name, _, uid, gid, full_name, home, shell = line.split(":")
        system = {"home": home, "shell": shell, "full_name": full_name or name, "smb": False}
        # They have no password, and nothing but that says so.
        known = {**system, "builtin": True}
        users.append(
            user(
                release,
                **known,
                id=len(users) + 1,
                uid=int(uid),
                username=name,
                group=by_gid[int(gid)],
                unixhash=hashed(ROOT_PASSWORD) if name == "root" else "*",
            )
        )
    if release.administrator:
        administrators = [group["id"] for group in groups if group["gid"] == ADMINISTRATORS]
        users.append(
            user(
                release,
                id=len(users) + 1,
                uid=950,
                username=release.administrator,
                full_name="Local Administrator",
                builtin=release.series >= (24, 10),
                home=f"/home/{release.administrator}",
                password_disabled=True,
                group=by_gid[950],
                groups=administrators,
            )
        )
    return users


def _groups(release: Release, group: str) -> list[Record]:
    groups: list[Record] = []

    def add(name: str, gid: int, builtin: bool = True) -> None:
        groups.append({"id": len(groups) + 1, "gid": gid, "group": name, "builtin": builtin, "smb": False})

    for name, gid in re.findall(r"^([^:]+):[^:]*:(\d+):", group, re.MULTILINE):
        add(name, int(gid))
    if release.series >= (22, 12):
        add("builtin_administrators", ADMINISTRATORS)
        add("builtin_users", 545)
        add(release.administrator, 950, builtin=release.series >= (24, 10))
    return groups
