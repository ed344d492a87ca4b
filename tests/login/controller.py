# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that can vanish: Ansible with the role, in processes that are ended all at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.login.fleet import ROOT


class Controller:
    """The role ``twofactor`` with some variables, under way on one host of an inventory given as text."""

    def __init__(self, folder: Path, inventory: str, host: str, **variables: Any) -> None:
        (folder / "lab.yml").write_text(inventory)
        play = {
            "hosts": host,
            "gather_facts": False,
            "roles": [{"role": "fleetauth.twofactor.twofactor", "vars": variables}],
        }
        (folder / "play.yml").write_text(json.dumps([play]))
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_BECOME": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_TIMEOUT": "60",
        }
        program = ROOT / ".venv" / "bin" / "ansible-playbook"
        self._process = subprocess.Popen(
            [str(program), "-i", str(folder / "lab.yml"), str(folder / "play.yml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            start_new_session=True,
        )

    def vanish(self) -> None:
        """End Ansible and all that it has started, the connection too."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was printed."""
        out, dummy = self._process.communicate(timeout=120)
        return self._process.returncode, out
