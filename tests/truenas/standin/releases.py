# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each release does: one row for each release, written as what it changed from the one before."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

SchemaStyle = Literal["schema1", "schema2", "models"]


@dataclass(frozen=True)
class Release:
    """One release. Methods that come and go carry their own bounds, in the modules of ``api``."""

    version: str
    # system.version is this and the version; system.info says so too, or has the bare version.
    prefix: str = "TrueNAS-SCALE-"
    bare_info_version: bool = False
    administrator: str = ""

    # Secrets and who has them.
    per_user: bool = False
    settings_per_user: bool = False
    wipes_secrets: bool = False
    renew_returns_uri: bool = False
    unset_while_enabled: bool = False
    intervals: tuple[int, ...] = ()
    password_needs_secret: bool = False
    guards_last_admin: bool = False
    # How an argument is called in errors: the options of a renewal.
    renewal_options: str = "twofactor_options"

    # Users of a directory (Active Directory): whether user.query answers them, whether it knows of their secrets,
    # and whether their entries have the flag for SSH passwords.
    directory: Literal["none", "asked", "always"] = "none"
    directory_knows_secrets: bool = True
    directory_ssh_flag: bool = True

    # users.oath: what is in it, when it is written, and who else reads it.
    oath_content: Literal["root", "ssh_on", "enabled"] = "root"
    oath_group: Literal["ssh", "user"] = "ssh"
    update_reloads: tuple[str, ...] = ("ssh",)
    update_generates: tuple[str, ...] = ()
    renew_generates_user: bool = False
    unset_generates_user: bool = False
    web_codes: Literal["database", "oath_file", "pam"] = "database"

    # service.start and the like: without options they end in an error of Python.
    service_options: bool = False

    # General Purpose OS STIG mode.
    stig: bool = False
    stig_needs_ssh: bool = False

    # Private methods are noted as a warning in the log.
    warns_private: bool = False

    # sshd_config.
    ssh_per_user: bool = False
    pam_always: bool = False
    keyboard_open: bool = False
    options_last: bool = False
    root_option: bool = False
    admin_option: bool = False
    checks_ports: bool = True

    # Words of a validation error, by kind of method.
    style: SchemaStyle = "schema1"
    user_style: SchemaStyle = "schema1"
    ntp_style: SchemaStyle = "schema1"

    # How the client reports, and where midclt takes its options.
    json_rpc: bool = False
    quiet: Literal["global", "call"] = "global"
    job_option: Literal["value", "flag"] = "value"
    waitready: bool = True
    stdin_payload: bool = False
    says_code_required: bool = False

    @property
    def series(self) -> tuple[int, int]:
        """Return (25, 10) for 25.10.6."""
        return series(self.version)

    @property
    def full_name(self) -> str:
        """Return what system.version says."""
        return self.prefix + self.version


def series(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(f"{version!r} is no version of TrueNAS SCALE")
    return int(numbers[1]), int(numbers[2])


_22_02 = Release("22.02.4", root_option=True, checks_ports=False)

_22_12 = replace(_22_02, version="22.12.4.2", administrator="admin", admin_option=True, checks_ports=True)

_23_10 = replace(
    _22_12,
    version="23.10.2",
    per_user=True,
    wipes_secrets=True,
    oath_content="ssh_on",
    directory="asked",
    ssh_per_user=True,
    root_option=False,
    admin_option=False,
)

_24_04 = replace(
    _23_10,
    version="24.04.2.5",
    settings_per_user=True,
    wipes_secrets=False,
    renewal_options="2fa_configuration_options",
)

_24_10_0 = replace(
    _24_04,
    version="24.10.0",
    administrator="truenas_admin",
    style="schema2",
    user_style="models",
    renewal_options="twofactor_options",
    directory="always",
    directory_knows_secrets=False,
    directory_ssh_flag=False,
)

_24_10 = replace(_24_10_0, version="24.10.2.4", password_needs_secret=True)

_25_04_0 = replace(
    _24_10,
    version="25.04.0",
    prefix="TrueNAS-",
    bare_info_version=True,
    directory_knows_secrets=True,
    renew_returns_uri=True,
    renew_generates_user=True,
    stig=True,
    pam_always=True,
    keyboard_open=True,
    ntp_style="models",
    json_rpc=True,
    job_option="flag",
)

_25_04_1 = replace(
    _25_04_0,
    version="25.04.1",
    oath_content="enabled",
    oath_group="user",
    update_reloads=("ssh", "user"),
    options_last=True,
    web_codes="oath_file",
)

_25_04 = replace(
    _25_04_1,
    version="25.04.2.6",
    stig_needs_ssh=True,
    guards_last_admin=True,
)

_25_10 = replace(
    _25_04,
    version="25.10.6",
    directory_ssh_flag=True,
    unset_while_enabled=True,
    unset_generates_user=True,
    warns_private=True,
    style="models",
    quiet="call",
    waitready=False,
)

_26_0_BETA_1 = replace(
    _25_10,
    version="26.0.0-BETA.1",
    update_generates=("pam",),
    service_options=True,
    web_codes="pam",
    stdin_payload=True,
    says_code_required=True,
)

_26_0 = replace(_26_0_BETA_1, version="26.0.0-BETA.3", intervals=(30, 60))

_26_0_STABLE = replace(_26_0, version="26.0.0")
_27_0 = replace(_26_0_STABLE, version="27.0.0-MASTER-20261120-093012")

# The eight that have an image of their own.
MAIN = (_22_02, _22_12, _23_10, _24_04, _24_10, _25_04, _25_10, _26_0)
OTHERS = (_24_10_0, _25_04_0, _25_04_1, _26_0_BETA_1, _26_0_STABLE, _27_0)

RELEASES = {release.version: release for release in (*MAIN, *OTHERS)}


def release_named(version: str) -> Release:
    """Return a release by its version."""
    try:
        return RELEASES[version]
    except KeyError:
        known = ", ".join(sorted(RELEASES))
        raise ValueError(f"there is no release {version!r} here; there are {known}") from None
