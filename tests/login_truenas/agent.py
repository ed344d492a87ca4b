# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a NAS of the lab and does what tests ask, line by line: shell commands and modules of the collection.

A module runs as Ansible has it run, from its main() and with its options as JSON, in a process of its own that is
forked off. What is saved is the controller's part and a new Python each time, which is most of what a call takes.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from typing import Any

CODE = "/root/code"
COLLECTION = "ansible_collections.fleetauth.twofactor.plugins"
sys.path.insert(0, CODE)


def preload() -> None:
    """Import what modules use, so that the forked processes have it."""
    for folder in (f"{COLLECTION}.module_utils", f"{COLLECTION}.modules"):
        package = importlib.import_module(folder)
        for found in pkgutil.walk_packages(package.__path__, f"{folder}."):
            importlib.import_module(found.name)


def shell(command: str, stdin: str) -> dict[str, Any]:
    """Run a shell command."""
    done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, text=True, check=False)
    return {"out": done.stdout, "err": done.stderr, "status": done.returncode}


def module(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a module of the collection."""
    with tempfile.TemporaryFile("w+", dir="/run") as out, tempfile.TemporaryFile("w+", dir="/run") as err:
        pid = os.fork()
        if pid == 0:
            _become_module(name, arguments, out.fileno(), err.fileno())
        dummy, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return {"out": out.read(), "err": err.read(), "status": os.waitstatus_to_exitcode(status)}


def _become_module(name: str, arguments: dict[str, Any], out: int, err: int) -> None:
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        from ansible.module_utils import basic

        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        importlib.import_module(f"{COLLECTION}.modules.{name}").main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # A forked process must not go on as the agent.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Answer one line with one line, until there are no more."""
    preload()
    for line in sys.stdin:
        asked = json.loads(line)
        if "module" in asked:
            answer = module(asked["module"], asked["arguments"])
        else:
            answer = shell(asked["shell"], asked["stdin"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
