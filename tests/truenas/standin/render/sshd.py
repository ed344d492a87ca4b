# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/ssh/sshd_config as each release writes it. What comes first in it wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..releases import Release

Record = dict[str, Any]

SFTP = "/usr/lib/openssh/sftp-server"


@dataclass(frozen=True)
class SshFacts:
    """What the file depends on besides the settings of the service."""

    settings: Record
    code: bool
    addresses: Sequence[str] = ()
    root_password: bool = False
    password_users: Sequence[str] = ()

    @property
    def passwords(self) -> str:
        """Return the word for whether passwords are accepted at all."""
        return _word(self.settings["passwordauth"])


def _word(value: bool) -> str:
    return "yes" if value else "no"


def sshd_config(release: Release, facts: SshFacts) -> str:
    """Return the whole file."""
    lines = [
        *_common(facts),
        f"PermitRootLogin {_word(True) if facts.root_password else 'without-password'}",
        *([] if release.options_last else _options(facts)),
        *(_per_user(release, facts) if release.ssh_per_user else _global(release, facts)),
        *(_options(facts) if release.options_last else []),
    ]
    return "\n".join(lines) + "\n"


def _common(facts: SshFacts) -> Iterator[str]:
    settings = facts.settings
    log = [("-l", settings["sftp_log_level"]), ("-f", settings["sftp_log_facility"])]
    words = [word for option, value in log if value for word in (option, value)]
    yield f"Subsystem sftp {' '.join([SFTP, *words])}"
    yield f"Port {settings['tcpport']}"
    yield from (f"ListenAddress {address}" for address in facts.addresses)
    yield f"AllowTcpForwarding {_word(settings['tcpfwd'])}"
    yield f"Compression {'delayed' if settings['compression'] else 'no'}"
    if settings["kerberosauth"]:
        yield "GSSAPIAuthentication yes"
    if "AES128-CBC" in settings["weak_ciphers"]:
        yield "Ciphers +aes128-cbc"
    yield "PubkeyAuthentication yes"
    yield "PrintMotd no"
    yield "ClientAliveInterval 15"


def _options(facts: SshFacts) -> list[str]:
    text = str(facts.settings["options"])
    return text.splitlines()


def _global(release: Release, facts: SshFacts) -> Iterator[str]:
    """Return how one may log in, before there were settings for each user."""
    yield f"UsePAM {_word(facts.code)}"
    yield f"ChallengeResponseAuthentication {_word(facts.code)}"
    yield f"PasswordAuthentication {facts.passwords}"
    if release.admin_option and not facts.settings["adminlogin"]:
        yield "Match User admin"
        yield "    PasswordAuthentication no"


def _per_user(release: Release, facts: SshFacts) -> Iterator[str]:
    yield f"UsePAM {_word(release.pam_always or facts.code)}"
    if not release.keyboard_open:
        yield f"ChallengeResponseAuthentication {_word(facts.code)}"
    elif not facts.code:
        # With codes on the line is left out, and OpenSSH's default is yes, for everyone.
        yield "ChallengeResponseAuthentication no"
    yield "PasswordAuthentication no"
    groups = [f'"{name}"' for name in facts.settings["password_login_groups"]]
    for match in [
        *(f'User "{name}"' for name in facts.password_users),
        *(f"Group {name}" for name in groups),
    ]:
        yield f"Match {match}"
        yield f"    PasswordAuthentication {facts.passwords}"
        if release.keyboard_open:
            yield f"    ChallengeResponseAuthentication {facts.passwords}"
