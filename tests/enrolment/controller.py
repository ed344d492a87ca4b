# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's folder: an inventory, a vault password, and Ansible run in it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "the vault's own password"
ISSUER = "Example Fleet"


def _in_clear(store: Path, password: str) -> bytes:
    vault = VaultLib([("default", VaultSecret(password.encode()))])
    return bytes(vault.decrypt(store.read_bytes()))


def opened(store: Path, password: str) -> dict[str, Any]:
    """Return what is in a store, opened with a password."""
    data: dict[str, Any] = yaml.safe_load(_in_clear(store, password))
    return data


@dataclass(frozen=True)
class Ran:
    """What a run printed, and whether it went well."""

    ok: bool
    out: str

    def result(self) -> dict[str, Any]:
        """Return the result of the one task of an ad-hoc run."""
        found, dummy = json.JSONDecoder().raw_decode(self.out[self.out.index("{\n") :])
        result: dict[str, Any] = found
        return result


class Controller:
    """The folder, and commands run there."""

    def __init__(self, folder: Path, inventory: dict[str, Any]) -> None:
        self.folder = folder
        self.inventory = folder / "hosts.yml"
        self.store = folder / "twofactor_store.yml"
        self.sheets = folder / "twofactor_sheets"
        self.password = folder.parent / f"{folder.name}.password"
        self.password.write_text(PASSWORD + "\n")
        self.inventory.write_text(yaml.safe_dump(inventory))

    def command(self, program: str, *arguments: str, vault: bool = True) -> list[str]:
        """Return a command of Ansible's with the inventory and, unless unwanted, the vault password."""
        secret = [f"--vault-password-file={self.password}"] if vault else []
        return [str(ROOT / ".venv" / "bin" / program), "-i", str(self.inventory), *secret, *arguments]

    @property
    def env(self) -> dict[str, str]:
        """Return the environment that commands run in."""
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder.parent / "tmp"),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, command: list[str], timeout: float = 600) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.folder,
            check=False,
            timeout=timeout,
        )
        return Ran(done.returncode == 0, done.stdout + done.stderr)

    def vault(self, *arguments: str, editor: str = "") -> Ran:
        """Run ansible-vault with the vault password."""
        program = str(ROOT / ".venv" / "bin" / "ansible-vault")
        command = ["env", f"EDITOR={editor}", program, *arguments]
        return self.run([*command, f"--vault-password-file={self.password}"])

    def typed(self, line: str, new_password: str) -> Ran:
        """Run a line of the documentation, with the vault password from a file where it would be asked for."""
        new = self.folder / "new.password"
        new.write_text(new_password + "\n")
        line = line.replace("--ask-vault-pass ", "").replace(
            "rekey", f"rekey --new-vault-password-file={new}"
        )
        known = f"ANSIBLE_VAULT_PASSWORD_FILE={self.password}"
        path = f"PATH={ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        return self.run(["env", known, path, "EDITOR=true", "bash", "-euo", "pipefail", "-c", line])

    def playbook(self, name: str, vault: bool = True, **variables: Any) -> Ran:
        """Run a playbook of the collection, or one in the folder, with every word that Ansible has to say."""
        extra = ["-e", json.dumps(variables)] if variables else []
        return self.run(self.command("ansible-playbook", name, "-vvv", "--diff", *extra, vault=vault))

    def keep(self, vault: bool = True, **options: Any) -> Ran:
        """Run twofactor_store ad hoc."""
        return self.run(self.keep_command(vault, **options))

    def keep_command(self, vault: bool = True, **options: Any) -> list[str]:
        """Return the command that runs twofactor_store ad hoc."""
        options = {"issuer": ISSUER, **options}
        module = "fleetauth.twofactor.twofactor_store"
        return self.command(
            "ansible", "localhost", "-vvv", "-m", module, "-a", json.dumps(options), vault=vault
        )

    def read(self, path: Path | None = None, password: str = PASSWORD) -> dict[str, Any]:
        """Return what is in the store, opened by other means than those under test."""
        return opened(path or self.store, password)

    def opened(self, path: Path | None = None, password: str = PASSWORD) -> bytes:
        """Return the text of the store in clear."""
        return _in_clear(path or self.store, password)

    def write(self, text: str) -> None:
        """Put a text into the store, encrypted."""
        vault = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
        self.store.write_bytes(vault.encrypt(text))

    def secrets(self) -> list[str]:
        """Return every secret in the store."""
        users = [*self.read()["users"].values()]
        for host in self.read()["hosts"].values():
            users += host.values()
        return [value for user in users for key, value in user.items() if key.endswith("secret")]

    def clear_files(self) -> dict[str, str]:
        """Return all files below the folder but the sheets, and what is in them."""
        found = [
            path for path in self.folder.rglob("*") if path.is_file() and self.sheets not in path.parents
        ]
        return {str(path): path.read_text(errors="replace") for path in found}
