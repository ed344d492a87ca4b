"""A host in a dictionary, and what its PAM stacks and its sshd would let in."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, sshd
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors, Sshd
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import Plan, Step, make_plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange, UserSecret

AT = SimpleNamespace(**{name: value for name, value in vars(paths).items() if name.isupper()})
"""Where things are on a host, also while a test has put them below a folder of its own."""
COMMON_AUTH = """\
# here are the per-package modules (the "Primary" block)
auth\t[success=1 default=ignore]\tpam_unix.so nullok
# here's the fallback if no module succeeds
auth\trequisite\t\t\tpam_deny.so
auth\trequired\t\t\tpam_permit.so
auth\toptional\t\t\tpam_cap.so
"""
DEBIAN = {
    "/etc/pam.d/common-auth": COMMON_AUTH,
    "/etc/pam.d/sshd": "# PAM for SSH\n@include common-auth\naccount required pam_nologin.so\n",
    "/etc/pam.d/sudo": "#%PAM-1.0\nsession required pam_limits.so\n\n@include common-auth\n",
    "/etc/pam.d/sudo-i": "#%PAM-1.0\nsession required pam_limits.so\n\n@include common-auth\n",
    "/etc/pam.d/su": "auth sufficient pam_rootok.so\nsession required pam_env.so\n@include common-auth\n",
    "/etc/pam.d/su-l": "#%PAM-1.0\nauth\t\tinclude\t\tsu\naccount\t\tinclude\t\tsu\n",
    "/etc/pam.d/cockpit": "auth required pam_sepermit.so\nauth substack common-auth\nauth optional pam_ssh_add.so\n",
    "/etc/pam.d/other": "@include common-auth\n",
    "/etc/ssh/sshd_config": (
        "# the server's configuration\nInclude /etc/ssh/sshd_config.d/*.conf\n\n"
        "KbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\n"
    ),
}
"""What Debian installs, shortened."""
USUAL_DOORS = Doors((Sshd("/usr/sbin/sshd", "on port 22 (process 42)", CommandLine()),))
SEEDS = {name: bytes([number]) * 20 for number, name in enumerate(("alice", "bob", "carol", "root"), 1)}
PASSWORD_ALLOWED = {"passwordauthentication": "yes", "kbdinteractiveauthentication": "no"}
KEYS_ONLY = {"passwordauthentication": "no", "kbdinteractiveauthentication": "no"}


@dataclass
class FakeHost:
    """Files by path, and the accounts that exist."""

    texts: dict[str, str] = field(default_factory=lambda: dict(DEBIAN))
    users: tuple[str, ...] = tuple(SEEDS)
    stale: tuple[str, ...] = ()
    takes: str = "users"
    open_doors: Doors = USUAL_DOORS

    def doors(self) -> Doors:
        return self.open_doors

    def read(self, path: str) -> str | None:
        return self.texts.get(path)

    def names(self, folder: str) -> list[str]:
        inside = [path[len(folder) + 1 :] for path in self.texts if path.startswith(folder + "/")]
        return sorted({name.split("/", 1)[0] for name in inside})

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.texts if sshd._matches(path, pattern))

    def has_user(self, name: str) -> bool:
        return name in self.users

    def leftovers(self) -> list[str]:
        return [path for path in self.stale if path in self.texts]

    def takes_passwords(self) -> str:
        return self.takes

    def carry_out(self, steps: Iterable[Step]) -> None:
        for step in steps:
            for change in step.changes:
                if change.text is None:
                    self.texts.pop(change.path, None)
                else:
                    self.texts[change.path] = change.text

    def converge(self, change: Change) -> Plan:
        """Plan a change, carry it out, and return the plan."""
        plan = make_plan(change, self)
        self.carry_out(plan.steps)
        return plan

    def enrol(self, *names: str, digits: int = 6, interval: int = 30, state: str = "") -> FakeHost:
        for name in names:
            text = f"HOTP/T{interval}/{digits}\t{name}\t-\t{SEEDS[name].hex()}{state}\n"
            self.texts[paths.token_file(name)] = text
        return self


def sshds(*lines: CommandLine | None) -> Doors:
    """Return a host's sshds by what they were started with, on ports from 2200 on."""
    return Doors(
        tuple(Sshd("/usr/sbin/sshd", f"on port {2200 + number}", line) for number, line in enumerate(lines))
    )


Known = frozenset[str]
"""What somebody has: "password", "code", "key"; to PAM a key is one that sshd has accepted."""


@dataclass(frozen=True)
class Login:
    """Somebody at the door."""

    service: str
    user: str = "alice"
    has: Known = frozenset()
    groups: tuple[str, ...] = ()
    is_uid_0: bool = False


_STACK = re.compile(r"-?auth\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)|@include\s+(\S+)()()")
_WORDS = {
    "required": {"success": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "default": "ignore"},
    "optional": {"success": "ok", "default": "ignore"},
}
_Stack = list[Any]
"""Modules with their actions and arguments, and substacks."""


def _stack(texts: dict[str, str], name: str) -> _Stack:
    """Return a stack as pam.d(5) builds it: a substack stays a stack of its own, an include does not."""
    if f"{AT.PAM_FOLDER}/{name}" not in texts:
        return [({"default": "bad"}, "missing", "")]
    found: _Stack = []
    for line in texts[f"{AT.PAM_FOLDER}/{name}"].replace("\\\n", " ").split("\n"):
        match = _STACK.fullmatch(line.split("#", 1)[0].strip())
        if not match:
            continue
        control, what, arguments = match.group(1), match.group(2), match.group(3)
        if match.group(4):
            found += _stack(texts, match.group(4))
        elif control == "include":
            found += _stack(texts, what)
        elif control == "substack":
            found.append(_stack(texts, what))
        else:
            pairs = re.findall(r"(\w+)=(\w+)", control)
            found.append((_WORDS.get(control) or dict(pairs), what, arguments or ""))
    return found


def pam_lets_in(texts: dict[str, str], login: Login) -> bool:
    """Tell whether the auth stack of a service succeeds (pam.d(5), ``_pam_dispatch_aux``)."""
    return _run(_stack(texts, login.service), texts, login, None) is True


def _run(stack: _Stack, texts: dict[str, str], login: Login, verdict: bool | None) -> bool | None:
    """Return the verdict after a stack: True, False or None for undecided."""
    number = 0
    while number < len(stack):
        entry = stack[number]
        number += 1
        if isinstance(entry, list):
            verdict = _run(entry, texts, login, verdict)
            continue
        actions, module, arguments = entry
        result = _module(module, arguments, texts, login)
        action = actions.get(result) or actions.get("default", "bad")
        if action.isdigit():
            number += int(action)  # says nothing about the verdict, unless it leads nowhere
            verdict = False if number > len(stack) else verdict
        elif action in ("ok", "done"):
            if verdict is None:
                verdict = result == "success"
            if action == "done" and verdict:
                return verdict
        elif action in ("bad", "die"):
            verdict = False
            if action == "die":
                return verdict
    return verdict


def _module(module: str, arguments: str, texts: dict[str, str], login: Login) -> str:
    answers: dict[str, Callable[[], bool]] = {
        "pam_unix.so": lambda: "password" in login.has,
        "pam_ldap.so": lambda: "password" in login.has,
        "pam_oath.so": lambda: "code" in login.has and f"{AT.TOKENS}/{login.user}.oath" in texts,
        "pam_faillock.so": lambda: "authfail" not in arguments,
        "pam_exec.so": lambda: "key" in login.has,
        "pam_permit.so": lambda: True,
        "pam_rootok.so": lambda: login.is_uid_0,
        "pam_succeed_if.so": lambda: _succeed_if(arguments, login),
        "pam_listfile.so": lambda: login.user not in texts.get(AT.ENROLLED, login.user).split("\n"),
        "pam_always.so": lambda: True,
    }
    if module in ("pam_cap.so", "pam_env.so", "pam_faildelay.so", "pam_sepermit.so", "pam_ssh_add.so"):
        return "ignore"
    return "success" if answers.get(module, lambda: False)() else "auth_err"


def _succeed_if(arguments: str, login: Login) -> bool:
    words = [word for word in arguments.split() if word != "quiet"]
    for left, operator, right in zip(words[::3], words[1::3], words[2::3]):
        have = login.user
        holds = {
            "ne": left == "uid" and (login.user == "root") != (right == "0"),
            "notin": have not in right.split(":"),
            "notingroup": right not in login.groups,
        }
        if not holds[operator]:
            return False
    return True


def sshd_settings(texts: dict[str, str], own: dict[str, str], user: str) -> dict[str, str]:
    """Return what sshd applies to ``user``: our drop-in if it is read, then the administrator's ``own``."""
    dropin = texts.get(AT.SSHD_DROPIN)
    main = texts[AT.SSHD_CONFIG]
    settings: dict[str, str] = {}
    matched: dict[str, str] = {}
    if dropin is not None:
        assert AT.SSHD_DROPIN in main or "Include /etc/ssh/sshd_config.d/*.conf\n" in main
        target: dict[str, str] | None = settings
        for line in dropin.split("\n"):
            words = line.split("#", 1)[0].split(None, 1)
            if not words:
                continue
            keyword, value = words[0].lower(), words[1]
            if keyword == "match":
                criterion, _, names = value.partition(" ")
                hit = criterion == "all" or (criterion == "User" and user in names.split(","))
                target = matched if hit else None
            elif target is not None:
                target.setdefault(keyword, value)
    defaults = {"usepam": "yes", "permitrootlogin": "prohibit-password", "authenticationmethods": "any"}
    return {**defaults, **own, **settings, **matched}


def takes_passwords(own: dict[str, str]) -> str:
    """Return of whom the administrator's own settings take a password (View)."""
    if own["passwordauthentication"] == "no":
        return ""
    return "all" if own.get("permitrootlogin") == "yes" else "users"


def ssh_lets_in(texts: dict[str, str], own: dict[str, str], user: str, has: Known) -> bool:
    """Tell whether somebody who has just ``has`` can log in by SSH as ``user``."""
    settings = sshd_settings(texts, own, user)
    root_login = settings["permitrootlogin"] if user == "root" else "yes"

    def passes(method: str, accepted: Known) -> bool:
        if root_login == "no" or (root_login == "prohibit-password" and method != "publickey"):
            return False
        if method == "publickey":
            return "key" in has and settings.get("pubkeyauthentication", "yes") == "yes"
        if method.startswith("keyboard-interactive"):
            on = settings["kbdinteractiveauthentication"] == "yes"
            return on and pam_lets_in(texts, Login("sshd", user, has - {"key"} | accepted))
        # The password method answers every prompt with the same word.
        words = [frozenset({word}) for word in has - {"key"}]
        on = settings["passwordauthentication"] == "yes"
        return on and any(pam_lets_in(texts, Login("sshd", user, word | accepted)) for word in words)

    ways = settings["authenticationmethods"]
    lists = ["publickey", "password", "keyboard-interactive"] if ways == "any" else ways.split()
    return any(
        all(passes(method, _key_before(way, number)) for number, method in enumerate(way.split(",")))
        for way in lists
    )


def _key_before(way: str, number: int) -> Known:
    """Return the key that sshd tells PAM about when it has accepted one before a method's turn."""
    return frozenset({"key"}) if "publickey" in way.split(",")[:number] else frozenset()


def every_having() -> list[Known]:
    words = ("password", "code", "key")
    return [frozenset(word for bit, word in enumerate(words) if number & 1 << bit) for number in range(8)]


def folder_of(texts: dict[str, str], *folders: str) -> dict[str, str]:
    """Return the files below some folders."""
    return {path: text for path, text in texts.items() if path.startswith(folders) and posixpath.isabs(path)}


ON = {"state": "enabled"}
KEY: dict[str, object] = {"state": "enabled", "methods": ("key_and_code",)}
ENROL = SecretsChange(users=(UserSecret("root", b"R" * 20),))
WHOLE = Change({**ON, "services": ("sudo",), "reason": "rollout"}, KEY, ENROL)
"""A change that does everything at once."""
