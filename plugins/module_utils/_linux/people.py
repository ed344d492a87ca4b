# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard judges by, read from the host: accounts, keys, sshd, clock, tokens.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import errno
import glob
import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    as_users,
    audit,
    clock,
    cockpit,
    doors,
    other_factors,
    paths,
    secrets,
    sshd,
    sshd_check,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import (
    UnsafeFile,
    open_regular,
    read_text,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.guard import (
    Account,
    Facts,
    OwnLogin,
    SshFacts,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Host,
    groups_of,
)

_NO_SHELL = ("nologin", "false", "sync", "shutdown", "halt", "git-shell")
_LOOKED_AT = 1 << 20
"""Bytes of a file with keys in which the first one is looked for."""
_KEYS_ELSEWHERE = ("authorizedkeyscommand", "trustedusercakeys")


def read_facts(host: Host, services: tuple[str, ...], users: list[str]) -> Facts:
    """Return what the guard judges by; ``services`` are the PAM services that are to ask, SSH among them."""
    settings = _sshd_settings(host)
    keys = _keys(settings)
    state = clock.read_clock()
    address = audit.client()
    return Facts(
        accounts=tuple(_accounts(settings, keys)),
        ssh=_ssh_facts(settings),
        synchronised=state.synchronised,
        clock_offset=state.offset,
        own=OwnLogin(audit.account_behind(), address) if address else None,
        verified=frozenset(_verified(host)),
        broken_tokens=_broken_tokens(host, users),
        other_modules=_other_modules(host, services),
        other_ways=tuple(_other_ways(host, services)),
        unknown_keys=frozenset(name for name, answer in keys.items() if answer is None),
    )


def _sshd_settings(host: Host) -> dict[str, str]:
    try:
        return sshd_check.without_our_dropin(host)
    except TwofactorError:
        return {}


def _ssh_facts(settings: dict[str, str]) -> SshFacts:
    by_pam = settings.get("usepam") == "yes" and settings.get("kbdinteractiveauthentication") == "yes"
    return SshFacts(
        passwords=by_pam or settings.get("passwordauthentication", "yes") == "yes",
        root_login=settings.get("permitrootlogin", "without-password"),
        allow_users=tuple(settings.get("allowusers", "").split()),
        deny_users=tuple(settings.get("denyusers", "").split()),
        allow_groups=tuple(settings.get("allowgroups", "").split()),
        deny_groups=tuple(settings.get("denygroups", "").split()),
    )


def _accounts(settings: dict[str, str], keys: as_users.Answers) -> list[Account]:
    """Return the accounts with a shell; those of a directory as far as it lists them (getpwent(3)).

    Where sshd takes keys from elsewhere as well (a command, certificates), everybody may have one.
    """
    elsewhere = any(settings.get(name, "none") != "none" for name in _KEYS_ELSEWHERE)
    passwords = _passwords()
    return [
        Account(
            user.pw_name,
            tuple(sorted(groups_of(user.pw_name, user.pw_gid))),
            has_password=passwords.get(user.pw_name, False),
            has_key=elsewhere or bool(keys.get(user.pw_name)),
        )
        for user in _users_with_shell()
    ]


def _users_with_shell() -> list[pwd.struct_passwd]:
    return [user for user in pwd.getpwall() if os.path.basename(user.pw_shell or "/bin/sh") not in _NO_SHELL]


def _keys(settings: dict[str, str]) -> as_users.Answers:
    """Return for each account with a shell whether it has a key, as far as its files can be read."""
    patterns = settings.get("authorizedkeysfile", ".ssh/authorized_keys").split()
    return as_users.ask_as_users(_users_with_shell(), lambda user: _has_key(user, patterns))


def judged_with_unknown_keys(
    facts: Facts, judge: Callable[[Facts], list[TwofactorError]]
) -> list[TwofactorError]:
    """Return what ``judge`` finds whether users whose keys cannot be read have some or not.

    One reason more says so when that makes a difference.
    """
    unknown = sorted(facts.unknown_keys)
    with_none = judge(facts)
    if not unknown:
        return with_none
    with_keys = [str(reason) for reason in judge(_with_keys_for(facts, unknown))]
    in_both = [reason for reason in with_none if str(reason) in with_keys]
    is_same = len(in_both) == len(with_none) == len(with_keys)
    return in_both if is_same else [*in_both, _unreadable_keys(unknown)]


def _with_keys_for(facts: Facts, names: list[str]) -> Facts:
    accounts = (replace(one, has_key=True) if one.name in names else one for one in facts.accounts)
    return replace(facts, accounts=tuple(accounts))


def _unreadable_keys(names: list[str]) -> TwofactorError:
    more = f" and {len(names) - 5} more" if names[5:] else ""
    return TwofactorError(
        "keys_unreadable",
        f"The files with the SSH keys of {', '.join(names[:5])}{more} could not be read within "
        f"{as_users.PATIENCE:.0f} s, so the guard cannot tell whether these users would be shut out.",
        "See that their home directories answer (a file server that is down, a file system that hangs), and run again.",
    )


def _passwords() -> dict[str, bool]:
    """Return who has a password that can be given (shadow(5)): a hash, neither locked nor empty."""
    rows = (line.split(":") for line in (read_text("/etc/shadow") or "").split("\n"))
    return {row[0]: len(row[1]) > 1 and row[1][0] not in "!*" for row in rows if len(row) > 1}


def _has_key(user: pwd.struct_passwd, patterns: list[str]) -> bool:
    """Tell whether one of the files that AuthorizedKeysFile names holds a key, read as the user as sshd does.

    Raises OSError when that cannot be told.
    """
    for pattern in patterns:
        path = pattern.replace("%h", user.pw_dir).replace("%u", user.pw_name).replace("%%", "%")
        path = os.path.join(user.pw_dir, path)
        if any(_holds_key(name) for name in glob.glob(path)):
            return True
    return False


def _holds_key(path: str) -> bool:
    """Tell whether a file holds a line that is no comment. sshd takes regular files only, and so does this.

    Raises OSError when that cannot be told, also for a file that begins with more than enough comments.
    """
    try:
        stream = open_regular(path)
    except (PermissionError, UnsafeFile):
        return False
    if stream is None:
        return False
    with stream:
        lines = stream.read(_LOOKED_AT).split(b"\n")
        is_whole = not stream.read(1)
    if any(line.strip() and not line.lstrip().startswith(b"#") for line in lines):
        return True
    if not is_whole:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return False


def _verified(host: Host) -> list[str]:
    try:
        return secrets.verified_users(host)
    except TwofactorError:
        return []  # users.json is damaged; that is said elsewhere


def _broken_tokens(host: Host, users: list[str]) -> dict[str, str]:
    """Return what is wrong with token files that pam_oath would not read."""
    found = {}
    for user in users:
        try:
            lines = tokens.parse(host.read(paths.token_file(user)) or "", user)
            if lines and not tokens.devices(lines):
                found[user] = f"The token file of user '{user}' holds no device."
        except TwofactorError as error:
            found[user] = error.message
    return found


def _other_ways(host: Host, services: tuple[str, ...]) -> list[TwofactorError]:
    by_console = cockpit.other_ways(host) if cockpit.SERVICE in services else []
    by_ssh = sshd_check.other_sshds(host) if sshd.PAM_SERVICE in services else []
    asks_from_afar = {cockpit.SERVICE, sshd.PAM_SERVICE} & {*services}
    return by_console + by_ssh + (doors.problems_of(host.doors().others) if asks_from_afar else [])


def _other_modules(host: Host, services: tuple[str, ...]) -> dict[str, str]:
    prompts = other_factors.sssd_prompts(_sssd_settings(host))
    found = {
        service: other_factors.module_of(service, _pam_reader(host), sssd_prompts=prompts)
        for service in services
    }
    return {service: module for service, module in found.items() if module}


def _sssd_settings(host: Host) -> Iterator[str]:
    for path in other_factors.SSSD_FILES:
        yield host.read(path) or ""
        yield from (host.read(f"{path}/{name}") or "" for name in host.names(path))


def _pam_reader(host: Host) -> Callable[[str], str | None]:
    return lambda name: host.read(name if name.startswith("/") else paths.service_file(name))
