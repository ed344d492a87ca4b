# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM: the policy file, and the one line by which a service includes it.

Pure code. Private to this collection: may change at any time. See pam.d(5), pam_faillock(8) and the
README of pam_oath.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.marks import (
    PAM_INCLUDE,
    SET_ASIDE,
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


def asks_code(policy: str) -> bool:
    """Tell whether the text of the policy file asks for a code at all."""
    return any(line.what.rsplit("/", 1)[-1] == "pam_oath.so" for line in auth_lines(policy))


def is_included(content: str) -> bool:
    """Tell whether a service file asks the second factor's policy."""
    return any(line.control == "substack" and line.stack == "twofactor" for line in auth_lines(content))


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


def with_include(
    content: str, service: str, read: Callable[[str], str | None], *, instead_of_password: bool = False
) -> str:
    """Return a service file that asks for the code right after its primary authentication.

    ``read`` returns the content of another PAM file by name (for the includes), None when missing.
    ``instead_of_password`` sets the primary authentication aside: sshd has already seen a key.
    Raises TwofactorError when the file is not in a shape that can be edited safely.
    """
    clean = without_pam_include(content)
    lines = split_lines(clean)
    primary = _primary_line(clean, service)
    before, asked, after = lines[: primary.number], lines[primary.number], lines[primary.number + 1 :]
    _refuse_early_end(clean, service, primary, read)
    _refuse_jump_over("".join(before if instead_of_password else [*before, asked]), service, read)
    if instead_of_password:
        asked = SET_ASIDE + asked
    if not asked.endswith("\n"):
        return "".join(before) + asked + "\n" + PAM_INCLUDE.rstrip("\n")
    return "".join([*before, asked, PAM_INCLUDE, *after])


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


def _refuse_early_end_inside(name: str, service: str, read: Callable[[str], str | None], depth: int) -> None:
    content = read(name)
    if content is None or depth > 8:  # noqa: PLR2004 - deeper than any real stack: an include loop
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


def render_policy(policy: Policy, let_off: tuple[str, ...] = ()) -> str:
    """Return the content of /etc/pam.d/twofactor; ``let_off`` are users with a bypass, for SSH too.

    sshd is left out of the exemptions: it lets its own exempt accounts in with their key alone and never
    comes here for them. The rate limit has a folder of its own, so that wrong codes and wrong passwords
    are counted apart; preauth is requisite, since a locked user must not burn a good code.
    """
    lines = ["# Written by fleetauth.twofactor; changed by hand it is put back by the next run."]
    if let_off:
        lines.append(
            f"auth [success=done default=ignore] pam_succeed_if.so quiet user in {':'.join(sorted(let_off))}"
        )
    lines += _exemptions(policy)
    if policy.unenrolled == "allow":
        lines.append(
            "auth [success=done default=ignore] pam_listfile.so item=user sense=deny "
            f"file={paths.ENROLLED} onerr=fail quiet"
        )
    lines += code_lines(policy)
    return "\n".join(lines) + "\n"


def _exemptions(policy: Policy) -> list[str]:
    exempt = policy.exempt
    lines = []
    if exempt.users:
        lines.append(_skip_if("user in " + ":".join(exempt.users)))
    lines += [_skip_if(f"user ingroup {group}") for group in exempt.groups]
    if exempt.networks:
        lines.append("auth [success=1 default=ignore] pam_succeed_if.so quiet service = sshd")
        lines.append(
            "auth [success=done default=ignore] pam_access.so "
            f"accessfile={paths.EXEMPT_NETWORKS} noaudit nodefgroup"
        )
    return lines


def _skip_if(condition: str) -> str:
    return f"auth [success=done default=ignore] pam_succeed_if.so quiet service != sshd {condition}"


def code_lines(policy: Policy, tokens: str = paths.TOKENS, failures: str = paths.FAILURES) -> list[str]:
    """Return the lines that ask for a code, with the folders of the token files and of the failures counted."""
    oath = f"pam_oath.so usersfile={tokens}/${{USER}}.oath window={policy.window} digits={policy.digits}"
    if policy.max_failures == 0:
        return [f"auth required {oath}"]
    limit = failure_limit(policy.max_failures, policy.unlock_after, failures)
    return [
        f"auth requisite pam_faillock.so preauth silent {limit}",
        f"auth [success=1 default=bad] {oath}",
        f"auth [default=die] pam_faillock.so authfail {limit}",
        f"auth required pam_faillock.so authsucc {limit}",
    ]


def failure_limit(max_failures: int, unlock_after: int, failures: str = paths.FAILURES) -> str:
    """Return the arguments by which pam_faillock counts wrong codes, always the same for the same user."""
    return (
        f"deny={max_failures} unlock_time={unlock_after} fail_interval={max(900, unlock_after)} even_deny_root "
        f"root_unlock_time={unlock_after} dir={failures}"
    )


def render_exempt_networks(networks: tuple[str, ...]) -> str:
    """Return the access.conf(5) table that tells pam_access which networks are exempt."""
    rows = [f"+:ALL:{network}" for network in networks]
    return "\n".join(["# Written by fleetauth.twofactor.", *rows, "-:ALL:ALL"]) + "\n"
