# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd: our drop-in, its place in the merged configuration, and what sshd makes of it.

Pure code. Private to this collection: may change at any time. In sshd_config(5) the first value read wins
for global settings, and the first matching Match block wins for each keyword. So the drop-in is read
first, and it ends in ``Match all``, which outranks every later Match block of the administrator's.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from typing import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.marks import (
    SSHD_INCLUDE,
    without_sshd_include,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Exempt,
    SshPolicy,
)

_AUTHENTICATION = {
    "key_and_code": "publickey,keyboard-interactive:pam",
    "password_and_code": "keyboard-interactive:pam",
    "key": "publickey",
}
PAM_SERVICE = "sshd"
"""The PAM service that our line is in; an sshd may be told to use another (PAMServiceName, sshd_config(5))."""
ROOT_LOGIN = {"allowed": "yes", "denied": "no"}
"""The values of PermitRootLogin; it is left alone while root_login is unmanaged."""
_KEYWORD = re.compile(r"^\s*(?P<keyword>[A-Za-z]+)(?:\s*=\s*|\s+)(?P<value>.*?)\s*$")


def authentication_methods(methods: tuple[str, ...]) -> str:
    """Return the value of AuthenticationMethods for ``methods``, in a fixed order."""
    return " ".join(value for name, value in _AUTHENTICATION.items() if name in methods)


def methods_of(value: str) -> list[str]:
    """Return our words for a value of AuthenticationMethods; ways in that have none are left out."""
    names = {sshd_value: name for name, sshd_value in _AUTHENTICATION.items()}
    return [names[word] for word in value.split() if word in names]


def render_dropin(ssh: SshPolicy, exempt: Exempt) -> str:
    """Return the drop-in that makes sshd ask for a code."""
    methods = authentication_methods(ssh.methods)
    lines = [
        "# Written by fleetauth.twofactor; changed by hand it is put back by the next run.",
        "UsePAM yes",
        "KbdInteractiveAuthentication yes",
    ]
    for criteria in _exempt_criteria(exempt):
        lines += [f"Match {criteria}", "    AuthenticationMethods publickey", "    PubkeyAuthentication yes"]
    lines += [
        "Match all",
        f"    AuthenticationMethods {methods}",
        "    KbdInteractiveAuthentication yes",
        "    PasswordAuthentication no",
    ]
    if "publickey" in methods:
        lines.append("    PubkeyAuthentication yes")
    if ssh.root_login in ROOT_LOGIN:
        lines.append(f"    PermitRootLogin {ROOT_LOGIN[ssh.root_login]}")
    return "\n".join(lines) + "\n"


def _exempt_criteria(exempt: Exempt) -> list[str]:
    criteria = []
    if exempt.users:
        criteria.append("User " + ",".join(exempt.users))
    if exempt.groups:
        criteria.append("Group " + ",".join(exempt.groups))
    if exempt.networks:
        criteria.append("Address " + ",".join(exempt.networks))
    return criteria


def reads_dropin_first(main: str, drop_ins: list[str]) -> bool:
    """Tell whether sshd reads our drop-in before any other setting.

    ``drop_ins`` are the paths that exist in the drop-in folder, ours among them or not. What an Include of
    another folder reads is not known here, so it counts as a setting.
    """
    existing = {*drop_ins, paths.SSHD_DROPIN}
    for line in main.split("\n"):
        text = line.split("#", 1)[0]
        if not text.strip():
            continue
        match = _KEYWORD.match(text)
        if not match or match.group("keyword").lower() != "include":
            return False
        for full in include_patterns(match.group("value")):
            if posixpath.dirname(full) != posixpath.dirname(paths.SSHD_DROPIN):
                return False
            hits = sorted(path for path in existing if _matches(path, full))
            if hits:
                return hits[0] == paths.SSHD_DROPIN
    return False


def include_patterns(value: str) -> list[str]:
    """Return the patterns of an Include as sshd reads them: relative to /etc/ssh (sshd_config(5))."""
    words = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', value)]
    return [posixpath.normpath(posixpath.join("/etc/ssh", word)) for word in words]


def _matches(path: str, pattern: str) -> bool:
    """Tell whether glob(7) finds ``path``: a wildcard matches neither a slash nor a leading dot."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(
        fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
        for name, part in zip(names, wanted)
    )


def with_include(main: str) -> str:
    """Return an sshd_config whose first line is our Include."""
    return SSHD_INCLUDE + without_sshd_include(main)


def staged_main(main: str, staged: dict[str, str | None], expand: Callable[[str], list[str]]) -> str:
    """Return an sshd_config that reads other files where drop-ins of ours would be read, for a check.

    ``staged`` maps a drop-in to the file in its place, None when it is to be left out, as after a disable. ``expand``
    lists the files that an Include pattern matches now.
    """
    out = []
    for line in split_lines(main):
        match = _KEYWORD.match(line.split("#", 1)[0])
        if match and match.group("keyword").lower() == "include":
            line = _staged_include(match.group("value"), staged, expand)  # noqa: PLW2901
        out.append(line)
    return "".join(out)


def _staged_include(patterns: str, staged: dict[str, str | None], expand: Callable[[str], list[str]]) -> str:
    wanted = []
    for full in include_patterns(patterns):
        wanted += sorted({*expand(full), *(path for path in staged if _matches(path, full))})
    named = [staged.get(path, path) for path in wanted]
    lines = [f'Include "{path}"\n' if " " in path else f"Include {path}\n" for path in named if path]
    return "".join(lines)


def parse_effective(text: str) -> dict[str, str]:
    """Parse what ``sshd -T`` prints: one keyword in lower case and its value on each line."""
    effective: dict[str, str] = {}
    for line in text.splitlines():
        keyword, dummy, value = line.strip().partition(" ")
        if keyword:  # a list such as AllowUsers is printed with a line for each of its words
            before = effective.get(keyword.lower())
            effective[keyword.lower()] = f"{before} {value.strip()}" if before else value.strip()
    return effective


def expected(ssh: SshPolicy, *, is_exempt: bool) -> dict[str, str]:
    """Return what ``sshd -T -C`` must say for somebody who is exempt or is not."""
    if is_exempt:
        return {"usepam": "yes", "authenticationmethods": "publickey", "pubkeyauthentication": "yes"}
    wanted = {
        "usepam": "yes",
        "authenticationmethods": authentication_methods(ssh.methods),
        "kbdinteractiveauthentication": "yes",
        "passwordauthentication": "no",
        "pamservicename": PAM_SERVICE,
    }
    if "publickey" in wanted["authenticationmethods"]:
        wanted["pubkeyauthentication"] = "yes"
    if ssh.root_login in ROOT_LOGIN:
        wanted["permitrootlogin"] = ROOT_LOGIN[ssh.root_login]
    return wanted


def differences(effective: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return a sentence for each setting that is not as wanted; PAMServiceName is new with OpenSSH 10."""
    told = {"pamservicename": PAM_SERVICE, **effective}
    return [
        f"{keyword} is '{told.get(keyword, '')}' and not '{value}'"
        for keyword, value in wanted.items()
        if told.get(keyword, "").lower() != value.lower()
    ]
