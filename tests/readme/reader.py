# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has nothing but ansible-core and follows a page to the letter: writes its files, types its commands.

The only help: the example names lead to hosts of the lab (host_vars), and prompts are answered.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pyotp

from tests.fleet.fleet import ROOT, Fleet
from tests.login.fleet import Host

README = (ROOT / "README.md").read_text()
START = README.partition("## Start\n")[2].partition("## What is in it\n")[0]
SITE = "ansible-playbook -i inventory/hosts.yml --ask-vault-pass fleetauth.twofactor.site"
ENROLL = "ansible-playbook -i inventory/hosts.yml --ask-vault-pass fleetauth.twofactor.enroll"
VAULT_PASSWORD = "a password of somebody's vault"
WEB = ("web1.example.com", "web2.example.com")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its lines."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def commands(page: str) -> list[str]:
    """Return the shell commands of a page, without comments."""
    lines = "\n".join(block.text for block in blocks(page) if block.language == "shell").splitlines()
    return [re.sub(r"\s+# .*", "", line) for line in lines if line.strip()]


@dataclass
class Reader:
    """Somebody who follows the page in a folder of their own."""

    folder: Path
    env: dict[str, str]
    fleet: Fleet
    hosts: list[Host]

    def in_copy(self, folder: Path) -> Reader:
        """Return the same somebody in a copy of the folder; connections that are open stay behind."""
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("cp"))
        path = self.env["PATH"].replace(str(self.folder), str(folder))
        return replace(self, folder=folder, env={**self.env, "HOME": str(folder), "PATH": path})

    def write_files(self, page: str) -> None:
        """Write each block that begins with the name of a file."""
        for block in blocks(page):
            name = re.match(r"# ([\w./-]+\.yml)\n", block.text)
            if block.language == "yaml" and name:
                path = self.folder / name[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)

    def type(self, command: str) -> str:
        """Type a command at a terminal, answer what it asks, and insist that it succeeds; return what it showed."""
        where = ROOT if "OLDPWD" in command else self.folder
        shell = pexpect.spawn(
            "/bin/bash", ["-c", command], cwd=str(where), env=self.env, timeout=300, encoding="utf-8"
        )
        shown = []
        while True:
            asked = shell.expect(
                [r"[Vv]ault password.*: ", r"User: ", r"Code that the app shows now: ", pexpect.EOF]
            )
            shown.append(str(shell.before) + str(shell.after if asked < 3 else ""))
            if asked == 3:
                break
            shell.sendline([VAULT_PASSWORD, "alice", self.code() if asked == 2 else ""][asked])
        shell.close()
        assert shell.exitstatus == 0, f"{command}\n{''.join(shown)}"
        return "".join(shown)

    def code(self, user: str = "alice", ahead: int = 0) -> str:
        """Return a user's code of now, or of some steps ahead, from what the sheet says."""
        sheet = next((self.folder / "inventory" / "twofactor_sheets").glob(f"{user}*.html")).read_text()
        secret = re.search(r"\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b", sheet)
        assert secret is not None
        return pyotp.TOTP(secret[0].replace(" ", "")).at(int(time.time()) + 30 * ahead)
