"""What the tests of this scenario do to its hosts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pyotp
import yaml
from testinfra.host import Host

SCENARIO = Path(__file__).parents[1]
FLEET = SCENARIO / "inventory" / "fleet.yml"
HOSTS = ("bookworm", "trixie")


def secrets_of(user: str) -> dict[str, str]:
    """Return a user's entry in the inventory."""
    fleet = yaml.safe_load(FLEET.read_text())["all"]["children"]["fleet"]
    return next(dict(entry) for entry in fleet["vars"]["twofactor_users"] if entry["name"] == user)


class Codes:
    """The codes of one of a user's devices."""

    def __init__(self, host: Host, user: str, device: str = "secret") -> None:
        self.totp = pyotp.TOTP(secrets_of(user)[device])
        self.tokens = host.file(f"/var/lib/twofactor/tokens/{user}.oath")

    def right(self) -> str:
        """Return a code that is right now and not used yet, also when the tests run again at once."""
        used = self.tokens.content_string.split()
        return next(code for code in (self.at(0), self.at(1)) if code not in used)

    def wrong(self) -> str:
        """Return a code that none of the steps around now has."""
        near = {self.at(steps) for steps in range(-12, 13)}
        return next(code for code in ("000000", "123456", "654321") if code not in near)

    def at(self, steps: int) -> str:
        """Return the code so many steps from now."""
        return self.totp.at(int(time.time()) + steps * self.totp.interval)


def accepts(host: Host, service: str, user: str, *answers: str, key: bool = False) -> bool:
    """Tell whether a PAM service of the host lets a user in who answers its prompts like this.

    With ``key`` it is told what sshd tells PAM once it has accepted a key.
    """
    lines = " ".join("%s" for _ in answers)
    after_key = "-E 'SSH_AUTH_INFO_0=publickey a key'" if key else ""
    command = f"printf '%%s\\n' {lines} | pamtester {after_key} %s %s authenticate"
    done = host.run(command, *answers, service, user)
    return bool(done.rc == 0)


def settings_for(host: Host, user: str) -> dict[str, str]:
    """Return what sshd itself says it would apply to a login of this user from elsewhere."""
    text = host.check_output("sshd -T -C user=%s,host=elsewhere,addr=192.0.2.1", user)
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def converge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge playbook once more, with further arguments; all it says is in ``stdout``."""
    lab = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "lab.yml")
    return subprocess.run(
        ["ansible-playbook", "-i", lab, "-i", FLEET, SCENARIO / "converge.yml", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"},
    )
