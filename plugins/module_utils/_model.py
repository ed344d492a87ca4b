# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of this collection as typed data: no files, no Ansible, no platform.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)

DIGITS = (6, 7, 8)
INTERVALS = (30, 60)
"""Seconds. pam_oath parses T30 and T60 and nothing else, on Linux and on every TrueNAS release."""
RECOVERY_COUNT = 10
"""Recovery codes of a user for whom nobody has said how many."""

_USER_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+-]*\$?")
"""Names that stay one word in a PAM line, an sshd pattern, a token file and a file name."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})")
"""What every Python reads alike."""
_DAY_SECONDS = 86400
_LAST_YEAR = 9998
"""So that the end of each day can still be written as a date."""
_NETWORK = re.compile(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?")
"""No scope, in which Python allows a newline, and no netmask, which sshd does not read."""


@dataclass(frozen=True)
class Exempt:
    """Who may log in without a code."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.networks)


@dataclass(frozen=True)
class Policy:
    """A host's settings for the second factor as a whole.

    ``services`` is None while nobody has named any: then it is the web consoles installed.
    ``window`` is in steps either side, ``unlock_after`` in seconds; ``max_failures`` 0 is no limit.
    """

    state: str = "disabled"
    digits: int = 6
    interval: int = 30
    window: int = 1
    services: tuple[str, ...] | None = None
    unenrolled: str = "deny"
    max_failures: int = 5
    unlock_after: int = 60
    exempt: Exempt = field(default_factory=Exempt)
    reason: str = ""


@dataclass(frozen=True)
class SshPolicy:
    """What SSH logins are asked for.

    An exemption that is None is taken over from the host's policy; ``root_login`` is allowed, denied or
    unmanaged, which leaves the administrator's own setting alone.
    """

    state: str = "disabled"
    methods: tuple[str, ...] = ("key_and_code",)
    root_login: str = "unmanaged"
    exempt_users: tuple[str, ...] | None = None
    exempt_groups: tuple[str, ...] | None = None
    exempt_networks: tuple[str, ...] | None = None
    reason: str = ""

    def exempt(self, policy: Policy) -> Exempt:
        """Return who logs in by SSH without a code, with the host's policy behind it."""
        host = policy.exempt
        return Exempt(
            users=host.users if self.exempt_users is None else self.exempt_users,
            groups=host.groups if self.exempt_groups is None else self.exempt_groups,
            networks=host.networks if self.exempt_networks is None else self.exempt_networks,
        )


@dataclass(frozen=True)
class Declared:
    """What has been declared for a host, kept so that it can come back on as it was."""

    policy: Policy = field(default_factory=Policy)
    ssh: SshPolicy = field(default_factory=SshPolicy)

    def ssh_asks(self) -> bool:
        """Tell whether SSH logins are to be asked for a code: both switches are on."""
        return self.policy.state == "enabled" and self.ssh.state == "enabled"


@dataclass(frozen=True)
class UserSecret:
    """What is wanted for one user's tokens. Seeds are raw bytes, None when not given.

    ``previous_seed`` and ``previous_backup_seed`` are those before, accepted as well for as long as they are given, and
    not after ``previous_until`` (seconds since 1970, 0 for no end); ``recovery_count`` is how many codes of
    ``recovery_seed`` there are, None to leave it.
    """

    name: str
    seed: bytes | None = None
    backup_seed: bytes | None = None
    recovery_seed: bytes | None = None
    recovery_count: int | None = None
    previous_seed: bytes | None = None
    previous_backup_seed: bytes | None = None
    previous_until: float = 0.0

    def __repr__(self) -> str:
        """Leave the seeds out: a traceback must not show them."""
        return f"UserSecret(name={self.name!r})"


@dataclass(frozen=True)
class SecretsChange:
    """What is wanted for the tokens of any number of users.

    ``renewal`` is the word under which a renewal happens once. ``return_secrets`` allows seeds made
    on the host to come back in the result.
    """

    state: str = "present"
    users: tuple[UserSecret, ...] = ()
    exclusive: bool = False
    renewal: str = ""
    return_secrets: bool = False


@dataclass(frozen=True)
class BypassChange:
    """Users who are let off for a time (``lasts``, such as 2h), or no longer. ``by`` is who does it."""

    users: tuple[str, ...]
    state: str = "present"
    lasts: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class NtpChange:
    """Where a host takes its time from. None means: leave as it is.

    ``wait`` is how many seconds to wait for a synchronised clock, ``max_offset`` how many seconds it may
    be off at the end; ``nts`` authenticates the sources (RFC 8915).
    """

    servers: tuple[str, ...] | None = None
    pools: tuple[str, ...] | None = None
    nts: bool = False
    wait: float = 60.0
    max_offset: float = 10.0
    force: bool = False


@dataclass(frozen=True)
class SshdChange:
    """What one-time codes need of the SSH service itself. ``root_login`` as in SshPolicy, or None."""

    running: bool = True
    root_login: str | None = None


def check_user_name(name: str) -> None:
    """Refuse a name that could not be written safely into PAM, sshd and token files."""
    if not _USER_NAME.fullmatch(name) or name in (".", ".."):
        raise TwofactorError(
            "bad_user_name",
            f"'{name}' cannot be a user or group name here: a slash, colon, comma, blank or "
            "pattern character in it would mean something else to PAM or sshd.",
            "Use letters, digits and . _ @ + - only, not starting with a hyphen.",
        )


def end_of(text: str) -> float:
    """Return when something accepted until ``text`` ends, in seconds since 1970.

    ``text`` is a day in UTC, which still counts, or a moment with its offset from UTC.
    """
    import datetime  # slow to import, and the emergency path does not need it

    try:
        is_day = bool(_DAY.fullmatch(text))
        if not is_day and not _MOMENT.fullmatch(text):
            raise ValueError
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if is_day:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        if not 1970 <= moment.year <= _LAST_YEAR:  # noqa: PLR2004 - the epoch
            raise ValueError
        return moment.timestamp() + (_DAY_SECONDS if is_day else 0)
    except ValueError:
        raise TwofactorError(
            "bad_date",
            f"'{text}' is neither a day nor a moment.",
            "Write 2026-12-31 for a day in UTC, which still counts, or 2026-12-31T18:00:00+01:00.",
        ) from None


def check_exempt(exempt: Exempt) -> None:
    """Refuse names and networks that PAM or sshd would read as something else."""
    import ipaddress  # slow to import, and the emergency path does not need it

    reasons: list[TwofactorError] = []
    for name in exempt.users + exempt.groups:
        try:
            check_user_name(name)
        except TwofactorError as error:
            reasons.append(error)
    for network in exempt.networks:
        try:
            if not _NETWORK.fullmatch(network):
                raise ValueError("it holds more than an address and a prefix length")
            ipaddress.ip_network(network)
        except ValueError as error:
            reasons.append(
                TwofactorError(
                    "bad_network",
                    f"{network!r} is not a network: {error}.",
                    "Write an address or a network such as 192.0.2.0/24 or 2001:db8::/32.",
                )
            )
    if reasons:
        raise Refused(reasons)


def check_methods(methods: tuple[str, ...]) -> None:
    """Refuse ways in that cancel each other out, or that ask nobody for a code."""
    wanted = set(methods)
    if {"key_and_code", "key"} <= wanted:
        raise TwofactorError(
            "methods_conflict",
            "methods cannot hold key and key_and_code together: whoever has the key would never "
            "be asked for a code.",
            "Leave key out, and exempt the accounts that may use a key alone.",
        )
    if not wanted & {"key_and_code", "password_and_code"}:
        raise TwofactorError(
            "methods_without_code",
            "methods names no way in that asks for a code, so SSH would only look protected.",
            "Add key_and_code or password_and_code, or use state: disabled.",
        )
