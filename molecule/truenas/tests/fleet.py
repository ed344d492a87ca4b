"""What the tests of this scenario do to its NASes, and read of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.tests.login.fleet import Host as Door
from ansible_collections.fleetauth.twofactor.tests.login.fleet import Login, Token

SCENARIO = Path(__file__).parents[1]
ONE_SECRET = "nas2212"
"""The NAS whose release has one secret, root's."""
NASES = (ONE_SECRET, "nas2310", "nas2410", "nas2510")


def name_of(host: Host) -> str:
    """Return the name of a NAS."""
    return str(host.backend.host)


def people(host: Host) -> list[str]:
    """Return who can have a secret there, of root and alice."""
    return ["root"] if name_of(host) == ONE_SECRET else ["root", "alice"]


def call(host: Host, method: str, *arguments: object) -> Any:
    """Return what the middleware answers."""
    words = " ".join("%s" for _ in arguments)
    said = host.check_output(f"midclt call {method} {words}", *map(json.dumps, arguments))
    return json.loads(said)


def changing_calls(host: Host) -> list[str]:
    """Return the methods that may have changed something since the log was last emptied."""
    lines = host.check_output("stand-in calls --changing").splitlines()
    return [json.loads(line)["method"] for line in lines]


def sheet(host: Host, user: str) -> str:
    """Return the sheet that was written for a user of this NAS."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "sheets")
    return (folder / f"{user}~{name_of(host)}.html").read_text()


def device(host: Host, user: str) -> Token:
    """Return the device of a user who has typed in what the sheet says."""
    found = re.search(r'<dd class="typed">([A-Z2-7 ]+)</dd>', sheet(host, user))
    assert found
    return Token(secret=found[1].replace(" ", ""))


def log_in(host: Host, user: str, **answers: Any) -> Login:
    """Log in with OpenSSH's client, from the controller."""
    lab = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab.yml")
    door = Door(name_of(host), os.environ["FLEETAUTH_LAB"], lab, host.ansible.get_variables())
    return door.ssh(user, **answers)


def converge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge playbook once more, with further arguments; all it says is in ``stdout``."""
    lab = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab.yml")
    fleet = SCENARIO / "inventory" / "fleet.yml"
    return subprocess.run(
        ["ansible-playbook", "-i", lab, "-i", fleet, SCENARIO / "converge.yml", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"},
    )
