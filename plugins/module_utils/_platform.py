# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platform this host is, and what every platform can do.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
        NtpChange,
        SshdChange,
    )

_TRUENAS_MARKS = ("/usr/bin/midclt", "/data/freenas-v1.db", "/run/middleware")
"""The middleware's client as TrueNAS installs it, its database, its socket's folder. One of them will do: a NAS
that is broken must not be taken for a Linux host, whose files would then be edited under the middleware's feet."""


class Platform(Protocol):
    """What the modules ask of a host, whatever it is."""

    name: str

    def apply(self, change: Change, check_mode: bool) -> Outcome:
        """Carry out a change, or only plan it."""

    def missing_packages(self, *wanted: str) -> list[str]:
        """Return the packages to install for those of pam_oath, chrony and sshd that are missing."""

    def settle(self, confirmed: bool, check_mode: bool) -> Outcome:
        """Let a pending change stand, or take it back."""

    def verify(self, user: str, code: str, check_mode: bool) -> Outcome:
        """Say whether a code is right for a user now, and remember that it was."""

    def info(self) -> dict[str, object]:
        """Return what is effective now."""

    def set_ntp(self, change: NtpChange, check_mode: bool) -> Outcome:
        """Set the time sources and wait for a right clock."""

    def set_sshd(self, change: SshdChange, check_mode: bool) -> Outcome:
        """Bring the SSH service to what codes need."""


def current_platform() -> Platform:
    """Return the platform of this host."""
    if any(os.path.exists(path) for path in _TRUENAS_MARKS):
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import (
            TruenasPlatform,
        )

        return TruenasPlatform()
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform

    return LinuxPlatform()
