"""A secret given in the wrong way is refused by the role's specification, before any host, and not shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECRET = "KQ3XG4TBNRSHA2DPMZUW4ZLMMFXGOZLS"
COLLECTIONS = next(path for path in sys.path if Path(path, "ansible_collections").is_dir())
PLAYBOOK = """\
- hosts: localhost
  connection: ansible.builtin.local
  gather_facts: false
  roles:
    - fleetauth.twofactor.twofactor
"""


def run_role(folder: Path, variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    playbook = folder / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    # As a file: what is on the command line would come out in -vvv by itself.
    extra = folder / "variables.json"
    extra.write_text(json.dumps(variables))
    checkout = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "LC_ALL": "C.UTF-8",
    }
    command = [
        Path(sys.executable).with_name("ansible-playbook"),
        "-vvv",
        "--diff",
        "--check",
        "-i",
        "localhost,",
    ]
    return subprocess.run(
        [*command, "--extra-vars", f"@{extra}", playbook],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=checkout,
    )


# A list in the place of one user is not among these: ansible-core itself shows it ("in the sub parameter field").
@pytest.mark.parametrize(
    "users",
    [
        [f"alice {SECRET}"],
        f"alice {SECRET}",
        {"alice": SECRET},
        [{"secret": SECRET}],
        [{"name": "alice", "secrit": SECRET}],
        [{"name": "alice", "secret": SECRET, "backup_secret": {"value": SECRET}, "digits": 6}],
    ],
    ids=["string", "one string", "mapping", "no name", "misspelt", "more than there is"],
)
def test_wrong_shape_is_refused_without_being_shown(tmp_path: Path, users: Any) -> None:
    done = run_role(tmp_path, {"twofactor_users": users})

    assert done.returncode == 2
    assert "Validating arguments against arg spec" in done.stdout
    assert "failed=1" in done.stdout
    assert "ok=0" in done.stdout
    assert SECRET.lower() not in (done.stdout + done.stderr).lower()
