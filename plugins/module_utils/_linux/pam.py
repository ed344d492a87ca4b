# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM: the policy file, the lines by which a service includes it, and those that sshd's service has.

Pure code. Private to this collection: may change at any time. See pam.d(5), pam_exec(8), pam_faillock(8) and the
README of pam_oath.

A stack of ours is cut short, empty or gone without letting anybody in: what lets a user off jumps to the last line,
a jump that finds no line is an error, and nothing before the last line counts as success.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import pam_outcome, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.marks import (
    PAM_INCLUDE,
    PAM_MARK,
    without_pam_include,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy

_PRIMARY_STACKS = ("common-auth", "system-auth", "password-auth", "system-login", "system-local-login")
_PRIMARY_MODULES = ("pam_unix.so", "pam_sss.so", "pam_winbind.so", "pam_ldap.so", "pam_krb5.so")
_LINE = re.compile(
    r"^-?auth\s+(?P<control>\[[^\]]*\]|\S+)\s+(?P<what>\S+)|^@include\s+(?P<include>\S+)",
    re.IGNORECASE,
)

ALIASES = {"sudo": ("sudo", "sudo-i"), "su": ("su", "su-l")}
"""Services that a program uses under a second name; covering one alone would only look protected."""


@dataclass(frozen=True)
class AuthLine:
    """One auth line of a service file. ``number`` counts from 0; ``stack`` is what it includes."""

    number: int
    control: str
    what: str
    stack: str = ""

    @property
    def is_primary(self) -> bool:
        """Tell whether this is the service's password check."""
        module = self.what.rsplit("/", 1)[-1]
        return self.stack in _PRIMARY_STACKS or module in _PRIMARY_MODULES

    @property
    def can_end_early(self) -> bool:
        """Tell whether success here can end the stack before a line further down is reached."""
        return self.control == "sufficient" or bool(re.search(r"=\s*done\b", self.control))


def auth_lines(content: str) -> list[AuthLine]:
    """Return the auth lines and includes of a PAM file, in order."""
    found = []
    for number, line in enumerate(content.split("\n")):
        match = _LINE.match(line.strip())
        if not match:
            continue
        if match.group("include"):
            found.append(AuthLine(number, "@include", "", match.group("include")))
            continue
        control, what = match.group("control").lower(), match.group("what")
        stack = what if control in ("include", "substack") else ""
        found.append(AuthLine(number, control, what, stack))
    return found


def asks_code(content: str) -> bool:
    """Tell whether the policy file, or the service file of sshd, asks for a code at all."""
    return any(line.what.rsplit("/", 1)[-1] == "pam_oath.so" for line in auth_lines(content))


def is_included(content: str) -> bool:
    """Tell whether a service file asks the second factor's policy."""
    return any(line.stack == "twofactor" for line in auth_lines(content))


def is_covered_by(
    content: str, service: str, covered: Collection[str], read: Callable[[str], str | None]
) -> bool:
    """Tell whether a service is asked for the code by a covered one that it includes, as su-l is by su.

    Raises TwofactorError when it could succeed before it comes to that.
    """
    line = next((line for line in auth_lines(content) if line.stack in covered), None)
    if line is None:
        return False
    before = "".join(split_lines(content)[: line.number])
    _refuse_early_end(before, service, line, read)
    _refuse_jump_over(before, service, read)
    return True


def with_include(content: str, service: str, read: Callable[[str], str | None]) -> str:
    """Return a service file that asks for the code right after its primary authentication.

    ``read`` returns the content of another PAM file by name (for the includes), None when missing.
    Raises TwofactorError when the file is not in a shape that can be edited safely.
    """
    clean, primary = _checked(content, service, read)
    return _around(clean, primary.number, "", PAM_INCLUDE)


def with_ssh_stack(
    content: str, policy: Policy, let_off: Collection[str], read: Callable[[str], str | None]
) -> str:
    """Return sshd's service file with the code after a key, and after the primary authentication without one.

    A key counts when sshd itself says that it has accepted one, in SSH_AUTH_INFO_0 of PAM's environment (OpenSSH,
    auth-pam.c); pam_exec hands on that environment and nothing else, and a client has no part in it. Whoever is
    ``let_off`` still shows the first factor. See with_include for the rest.
    """
    clean, primary = _checked(content, "sshd", read)
    lines = split_lines(clean)
    _refuse_jump_into("".join(lines[: primary.number]), read)
    skips = _skips_of_ssh(policy, let_off)
    before = after_key(skips, code_lines(policy))
    after = _stack(skips, code_lines(policy), _DONE)
    return _around(clean, primary.number, _marked(before), _marked(after))


def after_key(skips: list[Skip], code: list[str]) -> list[str]:
    """Return the lines that ask for a code and for nothing more after a key, and do nothing without one.

    What the service asks after the password they leave out, as sshd did when a key was enough.
    """
    lines = _stack(skips, code, "auth [success=done default=die] pam_permit.so twofactor")
    return [f"auth [success=ignore default={len(lines)}] {_KEY_ACCEPTED}", *lines]


_KEY_ACCEPTED = (
    'pam_exec.so quiet /bin/sh -c [case $SSH_AUTH_INFO_0 in "publickey "*) exit 0;; esac; exit 1] twofactor'
)
_DONE = "auth required pam_permit.so twofactor"


def _marked(lines: list[str]) -> str:
    return "".join(f"{line} {PAM_MARK}\n" for line in lines)


def _around(content: str, number: int, before: str, after: str) -> str:
    """Return a file with lines of ours before and after one of its lines."""
    lines = split_lines(content)
    if not lines[number].endswith("\n"):
        lines[number] += "\n"
        after = after.rstrip("\n")
    return "".join([*lines[:number], before, lines[number], after, *lines[number + 1 :]])


def _checked(content: str, service: str, read: Callable[[str], str | None]) -> tuple[str, AuthLine]:
    """Return a service file without our lines, and its primary authentication; refuse what is not safe to edit."""
    clean = without_pam_include(content)
    primary = _primary_line(clean, service)
    _refuse_early_end(clean, service, primary, read)
    asked = "".join(split_lines(clean)[: primary.number + 1])
    _refuse_jump_over(asked, service, read)
    if pam_outcome.lets_everybody_pass(_steps(asked, read)):
        raise _unsafe(
            service,
            "(or a file that it includes) lets users pass without a password, so a code alone is enough",
        )
    return clean, primary


def _steps(content: str, read: Callable[[str], str | None], depth: int = 0) -> tuple[pam_outcome.Step, ...]:
    """Return the auth lines of a PAM file with included ones in their place, for pam_outcome."""
    steps: list[pam_outcome.Step] = []
    for line in auth_lines(content):
        inner = _steps(read(line.stack) or "", read, depth + 1) if line.stack and depth <= _DEEPEST else ()
        if line.control in ("@include", "include"):
            steps += inner
        elif line.stack:
            steps.append(pam_outcome.Step("required", stack=inner))
        else:
            steps.append(pam_outcome.Step(line.control, line.what.rsplit("/", 1)[-1]))
    return tuple(steps)


def _refuse_jump_into(before: str, read: Callable[[str], str | None]) -> None:
    """Refuse a line before our first one that jumps past it, into what is asked after a key."""
    flat = _flat(before, read)
    for number, line in enumerate(flat):
        if any(number + int(steps) + 1 > len(flat) for steps in re.findall(r"=\s*(\d+)", line.control)):
            raise _unsafe("sshd", f"can jump into the lines for a key at '{line.what}'")


def _primary_line(content: str, service: str) -> AuthLine:
    primary = [line for line in auth_lines(content) if line.is_primary]
    if not primary:
        raise _unsafe(service, "has no line that checks a password, so there is no place for the code")
    if not (primary[-1].stack or _fails(primary[-1].control)):
        raise _unsafe(service, f"goes on after a wrong password at '{primary[-1].what}'")
    return primary[-1]


def _fails(control: str) -> bool:
    """Tell whether a wrong password is the end of it under this control."""
    actions = dict(re.findall(r"(\w+)\s*=\s*(\w+)", control))
    wrong = actions.get("auth_err", actions.get("default", "bad"))
    return control in ("required", "requisite") or (control.startswith("[") and wrong in ("bad", "die"))


def _refuse_early_end(
    content: str, service: str, primary: AuthLine, read: Callable[[str], str | None]
) -> None:
    """Refuse a stack in which a right password can end it before the code is asked for."""
    _refuse_continued(split_lines(content)[: primary.number + 1], service)
    for line in auth_lines(content):
        if line.number > primary.number:
            return
        if line.what.rsplit("/", 1)[-1] == "pam_rootok.so":
            continue
        if line.can_end_early:
            raise _unsafe(service, f"can succeed at '{line.what}' before the code is asked for")
        if line.control in ("@include", "include"):
            _refuse_early_end_inside(line.stack, service, read, depth=0)


_DEEPEST = 8
"""Includes within includes, more than any real stack has: a loop."""


def _refuse_early_end_inside(name: str, service: str, read: Callable[[str], str | None], depth: int) -> None:
    content = read(name)
    if content is None or depth > _DEEPEST:
        raise _unsafe(service, f"includes '{name}', which is missing or includes itself")
    _refuse_continued(split_lines(content), service)
    for line in auth_lines(content):
        if line.can_end_early:
            raise _unsafe(service, f"includes '{name}', which can succeed at '{line.what}' before the code")
        if line.control in ("@include", "include"):
            _refuse_early_end_inside(line.stack, service, read, depth + 1)


def _refuse_continued(lines: list[str], service: str) -> None:
    """Refuse lines that go on after a backslash: what they do is not seen line by line."""
    if any(line.rstrip().endswith("\\") and "#" not in line for line in lines):
        raise _unsafe(service, "(or a file that it includes) continues a line on the next one")


def _refuse_jump_over(before: str, service: str, read: Callable[[str], str | None]) -> None:
    """Refuse a line before ours that jumps past it, as ``success=1`` of a bare pam_unix does.

    A jump that ends at ours is fine for a password that was right. Any other has left out what stands in between,
    which may be the password, so that something before ours still has to decide.
    """
    flat = _flat(before, read)
    decides = [number for number, line in enumerate(flat) if line.stack or _fails(line.control)]
    for number, line in enumerate(flat):
        for outcome, steps in re.findall(r"(\w+)\s*=\s*(\d+)", line.control):
            was_right = line.is_primary and outcome in ("success", "new_authtok_reqd")
            goes_on_at = number + int(steps) + 1
            if goes_on_at > (len(flat) if was_right else max(decides, default=-1)) and int(steps):
                raise _unsafe(service, f"can jump over the code, or over the password, at '{line.what}'")


def _flat(content: str, read: Callable[[str], str | None]) -> list[AuthLine]:
    """Return the auth lines that PAM counts jumps by: includes count line by line, a substack as one."""
    flat: list[AuthLine] = []
    for line in auth_lines(content):
        included = line.control in ("@include", "include")
        flat += _flat(read(line.stack) or "", read) if included else [line]
    return flat


def _unsafe(service: str, why: str) -> TwofactorError:
    return TwofactorError(
        "pam_service_unsafe",
        f"The PAM service file {paths.service_file(service)} {why}.",
        "Bring it into the distribution's shape, or leave this service out of 'services'.",
    )


def render_policy(policy: Policy, let_off: Collection[str] = ()) -> str:
    """Return the content of /etc/pam.d/twofactor, for all services but SSH; ``let_off`` are users with a bypass."""
    over_the_refusal = "auth [success=1 default=die] pam_permit.so twofactor"
    lines = _stack(_skips(policy, let_off), code_lines(policy), _DONE)
    first = "# Written by fleetauth.twofactor; changed by hand it is put back by the next run."
    return "\n".join([first, *lines, over_the_refusal]) + "\n"


Skip = tuple[str, str]
"""A result of a PAM module that lets a user off, and the module.

For pam_succeed_if it is the result of a condition that does not hold: without its condition the module succeeds.
"""


def _stack(skips: list[Skip], code: list[str], last: str) -> list[str]:
    """Return lines that ask for the code, unless one of ``skips`` lets off, and then come to ``last``."""
    end = len(skips) + len(code)
    jumps = [f"auth [{skip[0]}={end - n - 1} default=ignore] {skip[1]}" for n, skip in enumerate(skips)]
    return [*jumps, *code, last]


def _skips_of_ssh(policy: Policy, let_off: Collection[str]) -> list[Skip]:
    """Return who is not asked for a code by SSH; what exempts there sshd judges itself, and takes a key alone."""
    skips = _user_lists(let_off)
    if policy.unenrolled == "allow":
        module = f"pam_listfile.so item=user sense=deny file={paths.ENROLLED} onerr=fail quiet"
        skips.append(("success", module))
    return skips


def _skips(policy: Policy, let_off: Collection[str]) -> list[Skip]:
    exempt = policy.exempt
    skips = [*_skips_of_ssh(policy, let_off), *_user_lists(exempt.users)]
    for group in exempt.groups:
        skips.append(("auth_err", f"pam_succeed_if.so quiet user notingroup {group}"))
    if exempt.networks:
        module = f"pam_access.so accessfile={paths.EXEMPT_NETWORKS} noaudit nodefgroup"
        skips.append(("success", module))
    return skips


def _user_lists(users: Collection[str]) -> list[Skip]:
    """Return conditions that hold for all but ``users``; PAM cuts a line of more than 1,023 characters in two."""
    lists: list[str] = []
    names = ""
    for user in sorted(users):
        if len(names) + len(user) > _LIST_LENGTH:
            lists.append(names)
            names = ""
        names += f":{user}" if names else user
    if names:
        lists.append(names)
    return [("auth_err", f"pam_succeed_if.so quiet user notin {names}") for names in lists]


_LIST_LENGTH = 500


def code_lines(policy: Policy, tokens: str = paths.TOKENS, failures: str = paths.FAILURES) -> list[str]:
    """Return the lines that ask for a code, with the folders of the token files and of the failures counted.

    They go on after a valid code and end the stack after any other. The rate limit has a folder of its own, so that
    invalid codes and wrong passwords are counted apart; a locked user is asked for none, and burns none.
    """
    oath = f"pam_oath.so usersfile={tokens}/${{USER}}.oath window={policy.window} digits={policy.digits}"
    limit = failure_limit(policy.max_failures, policy.unlock_after, failures)
    return [
        f"auth [success=ignore ignore=ignore default=die] pam_faillock.so preauth silent {limit}",
        f"auth [success=1 default=bad] {oath}",
        f"auth [default=die] pam_faillock.so authfail {limit}",
        f"auth [success=ignore ignore=ignore default=die] pam_faillock.so authsucc {limit}",
    ]


def failure_limit(max_failures: int, unlock_after: int, failures: str = paths.FAILURES) -> str:
    """Return the arguments by which pam_faillock counts invalid codes, always the same for the same user.

    ``max_failures`` 0 counts without a limit; ``unlock_after`` is in seconds.
    With an empty configuration, since /etc/security/faillock.conf could exempt users from the limit
    (local_users_only); where it is missing pam_faillock refuses everybody, and this one never is.
    """
    return (
        f"conf=/dev/null deny={max_failures} unlock_time={unlock_after} fail_interval={max(900, unlock_after)} "
        f"even_deny_root root_unlock_time={unlock_after} dir={failures}"
    )


def render_exempt_networks(networks: tuple[str, ...]) -> str:
    """Return the access.conf(5) table that tells pam_access which networks are exempt."""
    rows = [f"+:ALL:{network}" for network in networks]
    return "\n".join(["# Written by fleetauth.twofactor.", *rows, "-:ALL:ALL"]) + "\n"
