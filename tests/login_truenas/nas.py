# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS of the lab: what an administrator does on it, and what only a test can do to it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shlex
import subprocess
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible.release

from tests.login.fleet import LAB, PASSWORD, ROOT, Host, Token

RELEASES = ("22.02", "22.12", "23.10", "24.04", "24.10", "25.04", "25.10", "26.0")
ONE_SECRET = ("22.02", "22.12")
_ANSIBLE = Path(ansible.release.__file__).parent
_PACKAGE = "ansible_collections/fleetauth/twofactor"
_PATIENCE = 240.0
"""Seconds for one answer of the agent. A job that never ends is given up after 120."""


@dataclass(frozen=True)
class Called:
    """A call in the stand-in's log."""

    method: str
    changing: bool
    private: bool
    text: str


class Nas(Host):
    """One NAS; ``release`` is what its image is called after."""

    def __init__(self, release: str, name: str, lab: str, inventory: Path, facts: dict[str, Any]) -> None:
        super().__init__(name, lab, inventory, facts)
        self.release = release
        self._agent: subprocess.Popen[str] | None = None

    def bring_code(self) -> None:
        """Have on the NAS what the agent needs: the collection's code for hosts, and Ansible's."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
            for path in sorted((ROOT / "plugins").rglob("module*/**/*.py")):
                archive.add(path, f"{_PACKAGE}/{path.relative_to(ROOT)}")
            for path in sorted((_ANSIBLE / "module_utils").rglob("*.py")):
                archive.add(path, f"ansible/{path.relative_to(_ANSIBLE)}")
            archive.add(Path(__file__).with_name("agent.py"), "agent.py")
        text = base64.b64encode(stream.getvalue()).decode("ascii")
        # Ansible, too, sends a package of its own that has little more than a version.
        version = f"__version__ = {ansible.release.__version__!r}"
        script = f'mkdir -p /root/code/ansible && cd /root/code && echo "{version}" > ansible/__init__.py'
        super().shell(f"{script} && base64 -d | tar -xzf -", stdin=text)

    def _ask(self, **question: Any) -> dict[str, Any]:
        """Have the agent do something."""
        if self._agent is None:
            self._agent = subprocess.Popen(
                [LAB, "shell", self.name, "--", "python3", "/root/code/agent.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._env,
            )
        agent = self._agent
        assert agent.stdin
        assert agent.stdout
        timer = threading.Timer(_PATIENCE, agent.kill)
        timer.start()
        try:
            agent.stdin.write(json.dumps(question) + "\n")
            agent.stdin.flush()
            line = agent.stdout.readline()
        finally:
            timer.cancel()
        assert line, f"no answer of {self.name} to {question}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def hang_up(self) -> None:
        """Let the agent go, as it must before the host does."""
        if self._agent is not None:
            assert self._agent.stdin
            assert self._agent.stdout
            with contextlib.suppress(BrokenPipeError):  # it has ended together with the NAS
                self._agent.stdin.close()
            self._agent.stdout.close()
            self._agent.wait(30)
            self._agent = None

    def restart(self) -> None:
        """Cut the power, and boot again on the same disk."""
        self.hang_up()
        super().restart()

    def restore(self) -> None:
        """Put back what the suite's snapshot has, and boot."""
        self.hang_up()
        super().restore()

    def wait_until_ready(self) -> None:
        """Wait until the NAS has booted to the end, its middleware too, and its clock is synchronized."""
        self.shell("systemctl is-system-running --wait; chronyc waitsync 300 0 0 0.1", check=False)

    def shell(self, command: str, check: bool = True, stdin: str = "") -> str:
        """Run a shell command as root; return what it printed."""
        done = self._ask(shell=command, stdin=stdin)
        if check and done["status"] != 0:
            raise AssertionError(f"{command!r} on {self.name}: {done['out']}{done['err']}")
        return str(done["out"])

    def ansible(self, module: str, *extra: str, **options: Any) -> dict[str, Any]:
        """Run a module by way of Ansible and SSH, with the guard on as it is by default."""
        if module in ("twofactor", "twofactor_host", "twofactor_ssh"):
            options.setdefault("guard", True)
        return super().module(module, *extra, **options)

    def module(self, module: str, *extra: str, user: str = "", **options: Any) -> dict[str, Any]:
        """Run a module of the collection and return its result; by way of Ansible if there is more than ``--check``."""
        assert not user
        if set(extra) - {"--check"}:
            return self.ansible(module, *extra, **options)
        settings = {
            "_ansible_check_mode": "--check" in extra,
            "_ansible_diff": False,
            "_ansible_verbosity": 0,
        }
        done = self._ask(module=module, arguments={**options, **settings})
        printed = done["out"] + done["err"]
        assert done["out"].lstrip().startswith("{"), printed
        result = json.loads(done["out"])
        return {"changed": False, "failed": False, "unreachable": False, **result, "printed": printed}

    def direct(self, **parts: Any) -> dict[str, Any]:
        """Make a change as the roles do."""
        return self.module("twofactor_host", **parts)

    @property
    def per_user(self) -> bool:
        """Whether every user has a secret, or root alone."""
        return self.release not in ONE_SECRET

    @property
    def people(self) -> list[str]:
        """Who can have a secret here, of root and alice."""
        return ["root", "alice"] if self.per_user else ["root"]

    def midclt(self, method: str, *arguments: object, check: bool = True) -> str:
        """Make a call by hand and return what is printed."""
        words = " ".join(shlex.quote(json.dumps(argument)) for argument in arguments)
        return self.shell(f"midclt call {method} {words} 2>&1", check=check).strip()

    def stand_in(self, *words: str) -> str:
        """Do what only a test can."""
        return self.shell(f"stand-in {shlex.join(words)}").strip()

    def secret(self, name: str) -> str:
        """Return a user's seed, whatever the release tells."""
        return self.stand_in("secret", name)

    def calls(self) -> list[Called]:
        """Return the calls since the log was last emptied."""
        entries = [json.loads(line) for line in self.stand_in("calls").splitlines()]
        return [Called(e["method"], e["changing"], e.get("private", False), json.dumps(e)) for e in entries]

    def changes(self) -> list[str]:
        """Return the methods that may have changed something since the log was last emptied."""
        return [called.method for called in self.calls() if called.changing]

    def add_user(self, name: str, *, ssh_password: bool = False) -> None:
        """Have one more account, with the password of all."""
        entry: dict[str, Any] = {
            "username": name,
            "full_name": name,
            "password": PASSWORD,
            "group_create": True,
            "shell": "/usr/bin/bash",
        }
        if ssh_password and self.per_user:
            entry["ssh_password_enabled"] = True
        self.midclt("user.create", entry)

    def settings(self) -> dict[str, Any]:
        """Return what the middleware itself says."""
        found: dict[str, Any] = json.loads(self.midclt("auth.twofactor.config"))
        return found

    def protect(self, *extra: str, users: list[str] | None = None, **more: Any) -> dict[str, Any]:
        """Enrol, switch on, and have SSH ask: the whole of it in one call."""
        return self.apply(
            *extra,
            secrets={"users": [{"name": name} for name in users or self.people], "return_secrets": True},
            policy={"state": "enabled", "window": 1, **more.pop("policy", {})},
            ssh={"state": "enabled", "root_login": "allowed"},
            **more,
        )

    def token(self, name: str = "root", digits: int = 6, interval: int = 30) -> Token:
        """Return the device of a user who has just scanned the QR code."""
        return Token(digits, interval, self.secret(name))
