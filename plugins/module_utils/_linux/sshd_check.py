# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking sshd itself what it would make of a configuration, before it is put in place.

Private to this collection: may change at any time. A drop-in that is valid by itself proves nothing, and
neither does ``sshd -t`` on the merged file: what counts is what ``sshd -T -C`` says for each user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    doors,
    files,
    marks,
    paths,
    sshd,
    sshd_args,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Host,
    groups_of,
    run,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Exempt,
    SshPolicy,
)

SOMEWHERE = "192.0.2.1"
"""An address of RFC 5737 that no host has: stands for a client anywhere."""


@dataclass(frozen=True)
class Visitor:
    """A login to be judged: who, from where, and whether it is exempt."""

    user: str
    address: str
    is_exempt: bool
    more: tuple[tuple[str, str], ...] = ()
    """Further words for sshd's option -C, such as the host's name or the local port."""


def visitors(ssh_exempt: Exempt, users: list[str]) -> list[Visitor]:
    """Return one login for each kind that the drop-in tells apart, and one for each user."""
    import ipaddress

    exempt_members = set(ssh_exempt.users) | _members(ssh_exempt.groups, users)
    networks = [ipaddress.ip_network(network) for network in ssh_exempt.networks]
    everybody = any(ipaddress.ip_address(SOMEWHERE) in network for network in networks)
    found = [
        Visitor(name, SOMEWHERE, everybody or name in exempt_members) for name in sorted({*users, "root"})
    ]
    found += [Visitor(name, SOMEWHERE, True) for name in sorted(exempt_members - {*users, "root"})]
    found += [Visitor("root", str(network[0]), True) for network in networks]
    return found


def _members(groups: tuple[str, ...], users: list[str]) -> set[str]:
    """Return who is in any of ``groups``: of all accounts that are listed, and of ``users`` who may not be."""
    import pwd

    if not groups:
        return set()
    accounts = {account.pw_name: account.pw_gid for account in pwd.getpwall()}
    for name in users:
        if name not in accounts:  # a directory need not list those that it knows
            with contextlib.suppress(KeyError):
                accounts[name] = pwd.getpwnam(name).pw_gid
    return {name for name, gid in accounts.items() if groups_of(name, gid) & set(groups)}


def without_our_dropin(host: Host) -> dict[str, str]:
    """Return what sshd would apply to root from anywhere if our drop-in were not there."""
    main = marks.without_sshd_include(host.read(paths.SSHD_CONFIG) or "")
    with _staged(host, main, {paths.SSHD_DROPIN: None}) as path:
        line = next(iter(readers(host)), CommandLine())
        return effective(path, Visitor("root", SOMEWHERE, False), line.options)


def takes_passwords(host: Host) -> str:
    """Return of whom sshd without our drop-in surely takes a password: "all", "users" (not root) or nothing."""
    main = marks.without_sshd_include(host.read(paths.SSHD_CONFIG) or "")
    if _tells_users_apart(main, host):
        return ""
    try:
        settings = without_our_dropin(host)
    except TwofactorError:
        return ""
    by_pam = settings.get("usepam") == "yes" and settings.get("kbdinteractiveauthentication") == "yes"
    if settings.get("authenticationmethods", "any") != "any":
        return ""
    if not by_pam and settings.get("passwordauthentication") != "yes":
        return ""
    return "all" if settings.get("permitrootlogin") == "yes" else "users"


def check_staged(
    host: Host, main: str, dropin: str | None, ssh: SshPolicy | None, logins: list[Visitor]
) -> None:
    """Refuse a configuration that sshd would not take or would read differently for somebody.

    ``main`` and ``dropin`` are the texts as they shall be; ``ssh`` None checks the syntax alone. The host
    is not changed.
    """
    lines = readers(host)
    usual = [line for line in lines if _is_usual(line)] or [CommandLine()]
    with _staged(host, main, {paths.SSHD_DROPIN: dropin}) as path:
        _refuse_invalid(path, usual)
        if ssh is None:
            return
        if not lines:
            raise _other_config(host)
        for login in _relevant(logins, main, host):
            _refuse_different(path, login, ssh, usual)
    for line in lines:
        if not _is_usual(line):
            _check_beside(host, line, dropin, ssh, logins)


def _check_beside(
    host: Host, line: CommandLine, dropin: str | None, ssh: SshPolicy, logins: list[Visitor]
) -> None:
    """Refuse a drop-in that an sshd with another configuration would read differently for somebody."""
    own = doors.roots_text(line.config) or ""
    with _staged(host, own, {paths.SSHD_DROPIN: dropin}) as path:
        for login in _relevant(logins, own, host):
            _refuse_different(path, login, ssh, [line])


def check_root(host: Host, main: str, dropin: str | None, permit_root_login: str) -> None:
    """Refuse a drop-in for root's login that sshd would not take, or that something else outranks.

    ``permit_root_login`` is what sshd has to say with it, nothing when it is to say what it likes; what it says for as
    long as it asks for codes is another module's to declare. The host is not changed.
    """
    running = [line for line in readers(host) if _is_usual(line)] or [CommandLine()]
    with _staged(host, main, {paths.SSHD_ROOT_DROPIN: dropin}) as path:
        _refuse_invalid(path, running)
    if not permit_root_login:
        return
    with _staged(host, main, {paths.SSHD_ROOT_DROPIN: dropin, paths.SSHD_DROPIN: None}) as path:
        root = Visitor("root", SOMEWHERE, False)
        wrong = _differences(path, root, {"permitrootlogin": permit_root_login}, running)
        if wrong:
            raise TwofactorError(
                "sshd_overridden",
                f"With {paths.SSHD_ROOT_DROPIN} in place sshd would still not do as declared for root: {wrong[0]}.",
                "Look for PermitRootLogin on sshd's command line, in what it reads before that, and in Match blocks; "
                "and see that sshd_config includes sshd_config.d.",
            )


@contextlib.contextmanager
def _staged(host: Host, main: str, dropins: dict[str, str | None]) -> Iterator[str]:
    files.make_folder("/run/sshd", 0o755)  # sshd -t wants it, and a stopped sshd has taken it away
    folder = tempfile.mkdtemp(prefix="twofactor-", dir="/run")
    try:
        named: dict[str, str | None] = dict.fromkeys(dropins)
        for path, text in dropins.items():
            if text is not None:
                staged = os.path.join(folder, os.path.basename(path))
                _write(staged, text)
                named[path] = staged
        staged_main = os.path.join(folder, "sshd_config")
        _write(staged_main, sshd.staged_main(main, named, host.glob))
        yield staged_main
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)


def readers(host: Host) -> list[CommandLine]:
    """Return what each sshd was started with that reads our drop-in first, the same once.

    Where none runs it is what systemd would start one with. Where all that run read something else there is none.
    """
    sshds = host.doors().sshds
    if not sshds:
        line = sshd_args.parse(daemon.configured_options()) or CommandLine()
        return [line] if _is_usual(line) else []
    lines = [_named_alike(door.line) for door in sshds if door.line and _reads_ours(door, host)]
    return list(dict.fromkeys(sorted(lines, key=lambda line: line.config != paths.SSHD_CONFIG)))


def _named_alike(line: CommandLine) -> CommandLine:
    return CommandLine(line.options, paths.SSHD_CONFIG if _is_usual(line) else line.config)


def _is_usual(line: CommandLine) -> bool:
    return os.path.realpath(line.config) == os.path.realpath(paths.SSHD_CONFIG)


def _reads_ours(door: doors.Sshd, host: Host) -> bool:
    """Tell whether an sshd reads the usual configuration, or another one that begins with our drop-in."""
    if door.line is None or not door.is_hosts:
        return False
    if _is_usual(door.line):
        return True
    folder = os.path.dirname(paths.SSHD_DROPIN)
    there = [f"{folder}/{name}" for name in host.names(folder)]
    text = doors.roots_text(door.line.config) if os.path.isabs(door.line.config) else None
    return sshd.reads_dropin_first(text or "", there)


def other_sshds(host: Host) -> list[TwofactorError]:
    """Return each sshd beside the usual one that would let users in by a configuration without our drop-in."""
    if host.doors().sshds and not readers(host):
        return []  # the usual one itself; that is said elsewhere
    others = [door for door in host.doors().sshds if not _reads_ours(door, host)]
    return [
        TwofactorError(
            "other_sshd",
            f"Another sshd ({door.program}) lets users in {door.where}. {_why_other(door)}, so it does not ask for a "
            "code.",
            "Stop it, or have its configuration begin with "
            f"'Include {os.path.dirname(paths.SSHD_DROPIN)}/*.conf'.",
        )
        for door in others
    ]


def _why_other(door: doors.Sshd) -> str:
    if door.line is None:
        return "What it was started with cannot be told"
    if not door.is_hosts:
        return f"It is not {daemon.distributions_sshd()} with this host's files"
    return f"Its configuration is {door.line.config}"


def _other_config(host: Host) -> TwofactorError:
    door = next(iter(host.doors().sshds), None)
    line = door.line if door else sshd_args.parse(daemon.configured_options())
    what = line.config if line and not _is_usual(line) else "something else"
    return TwofactorError(
        "sshd_other_config",
        f"sshd was started with {what} as its configuration, so it would never read {paths.SSHD_DROPIN}.",
        "Take -f off its command line (/etc/default/ssh, the service unit) and restart it.",
    )


def _sshd_command(options: Sequence[str], config: str, *more: str) -> list[str]:
    program = daemon.distributions_sshd()
    if program is None:
        raise TwofactorError(
            "sshd_missing", "There is no sshd program on this host.", "Install the OpenSSH server."
        )
    return [program, *options, "-f", config, *more]


def _refuse_invalid(config: str, running: list[CommandLine]) -> None:
    for line in running:
        ran = run(_sshd_command(line.options, config, "-t"))
        if ran.status != 0:
            why = " ".join(ran.err.split()) or f"exit status {ran.status}"
            raise TwofactorError(
                "sshd_config_invalid",
                f"sshd would not take its configuration with the change in it: {why}.",
                "Mend the configuration that sshd names, then run again.",
            )


def effective(config: str, visitor: Visitor, options: Sequence[str]) -> dict[str, str]:
    """Return what sshd would apply to a login, by keyword in lower case (``sshd -T -C``).

    ``options`` are those that it was started with.
    """
    words = {"user": visitor.user, "host": visitor.address, "addr": visitor.address, **dict(visitor.more)}
    where = ",".join(f"{name}={value}" for name, value in words.items())
    ran = run(_sshd_command(options, config, "-T", "-C", where))
    if ran.status != 0:
        raise TwofactorError(
            "sshd_config_invalid",
            f"sshd cannot say what it would ask {visitor.user} for: {' '.join(ran.err.split())}.",
            "Mend the configuration that sshd names, then run again.",
        )
    return sshd.parse_effective(ran.out)


def _differences(
    config: str, visitor: Visitor, wanted: dict[str, str], running: list[CommandLine]
) -> list[str]:
    """Return a sentence for each setting of a login that one of the sshds would not have as wanted."""
    return [
        sentence
        for line in running
        for sentence in sshd.differences(effective(config, visitor, line.options), wanted)
    ]


def _refuse_different(config: str, visitor: Visitor, ssh: SshPolicy, running: list[CommandLine]) -> None:
    wanted = sshd.expected(ssh, is_exempt=visitor.is_exempt)
    wrong = _differences(config, visitor, wanted, running)
    if wrong:
        raise Refused(
            [
                TwofactorError(
                    "sshd_overridden",
                    f"With the change in place sshd would still not do as declared for user "
                    f"{visitor.user}: {'; '.join(wrong)}.",
                    "Look for an option on sshd's command line (/etc/default/ssh, the service unit), and for "
                    "PAMServiceName in its configuration.",
                )
            ]
        )


def _relevant(logins: list[Visitor], main: str, host: Host) -> list[Visitor]:
    """Return the logins to ask sshd about: all, or one of each kind when no Match tells users apart."""
    if _tells_users_apart(main, host):
        return logins
    ordinary = [login for login in logins if not login.is_exempt]
    root = [login for login in ordinary if login.user == "root"]
    return [login for login in logins if login.is_exempt] + root + ordinary[:1]


def _tells_users_apart(main: str, host: Host) -> bool:
    """Tell whether the administrator's own settings have a Match block."""
    folder = os.path.dirname(paths.SSHD_DROPIN)
    texts = [main] + [host.read(f"{folder}/{name}") or "" for name in host.names(folder)]
    foreign = "\n".join(text for text in texts if "fleetauth.twofactor;" not in text)
    return any(line.strip().lower().startswith("match") for line in foreign.split("\n"))
