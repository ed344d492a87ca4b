"""A fleet from no second factor to codes at the login, and back: what `make demo` runs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pyotp
import yaml

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._otpauth import otpauth_uri
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._qr import qr_text

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "tests" / "lab" / "lab"
HOSTS = {"bookworm": "debian12", "trixie": "debian13"}
TIME_SERVER = {"clock": "timeserver"}
PASSWORDS = {"alice": "alices-password", "bob": "bobs-password"}

ENVIRONMENT = {
    **os.environ,
    "FLEETAUTH_LAB": os.environ.get("FLEETAUTH_LAB", "demo"),
    "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".venv" / "collections"),
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_NOCOLOR": "1",
    "LC_ALL": "C.UTF-8",
}

# ssh asks this program instead of a person. It knows the code prompt from the password prompt.
ASKPASS = (
    "#!/bin/sh\n"
    'case "$1" in *One-time*) answer=$DEMO_CODE ;; *) answer=$DEMO_PASSWORD ;; esac\n'
    "printf '%s\\n' \"$answer\"\n"
)


class BrokenPromise(Exception):
    """Something was not as this collection promises."""


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


def run(*command: str | Path, stdin: str = "") -> str:
    """Run a command and return what it printed; what it printed is the error when it fails."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, cwd=CHECKOUT, check=False
    )
    if done.returncode != 0:
        words = shlex.join(str(word) for word in command)
        raise BrokenPromise(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Login:
    """An attempt to log in: what the user has, and whether it should be enough."""

    user: str
    host: str
    key: bool = False
    password: bool = False
    code: str = ""
    code_is: str = ""

    def __str__(self) -> str:
        things = [*(["key"] if self.key else []), *(["password"] if self.password else [])]
        return f"{self.user}@{self.host} with {' and '.join([*things, self.code_is or 'no code'])}"


class Demo:
    """The fleet, its users, and what is done with them. ``folder`` is for keys and inventories."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = {user: pyotp.random_base32() for user in PASSWORDS}
        self.key = folder / "key"
        self.askpass = folder / "askpass"
        self.vault_password = folder / "vault-password"
        self.inventories = [folder / "lab.yml", folder / "fleet.yml"]

    def boot(self) -> None:
        title("A fleet: Debian 12, Debian 13 and a time server, each with its own systemd, sshd and PAM")
        started = time.monotonic()
        wanted = [f"{name}={image}" for name, image in {**HOSTS, **TIME_SERVER}.items()]
        # The first time this builds images, and says so.
        subprocess.run([LAB, "up", *wanted], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
        say(f"booted in {time.monotonic() - started:.0f} s")
        self.inventories[0].write_text(run(LAB, "inventory"))

    def make_users(self) -> None:
        title("Two users, alice and bob, with a password and an SSH key each")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        public_key = self.key.with_suffix(".pub").read_text()
        script = """\
for user in alice bob; do
    useradd --create-home --shell /bin/bash $user
    install -d -m 0700 -o $user -g $user /home/$user/.ssh
    install -m 0600 -o $user -g $user /dev/null /home/$user/.ssh/authorized_keys
    printf '%s' "$1" > /home/$user/.ssh/authorized_keys
done
chpasswd
"""
        passwords = "".join(f"{user}:{password}\n" for user, password in PASSWORDS.items())
        for host in HOSTS:
            run(LAB, "shell", host, "--", "sh", "-euc", script, "sh", public_key, stdin=passwords)
        self.askpass.write_text(ASKPASS)
        self.askpass.chmod(0o700)
        for host in HOSTS:
            self.expect(True, Login("alice", host, key=True))
            self.expect(True, Login("bob", host, password=True))

    def write_inventory(self) -> None:
        title("Their secrets, encrypted with ansible-vault, and what is wanted of the fleet")
        users = [{"name": user, "secret": f"{{{{ vault_{user}_secret }}}}"} for user in self.secrets]
        fleet = {
            "vars": {
                "ntp_servers": ["timeserver"],
                "twofactor_users": users,
                "twofactor_exempt_users": ["ansible", "root"],
            },
            "children": {
                "debian12": {"vars": {"twofactor_ssh_methods": ["key_and_code"]}},
                "debian13": {"vars": {"twofactor_ssh_methods": ["password_and_code"]}},
            },
        }
        inventory = yaml.safe_dump({"fleet": fleet}, sort_keys=False)
        print(textwrap.indent(inventory, "     "), end="", flush=True)
        self.inventories[1].write_text(inventory)
        self.vault_password.touch(0o600)
        self.vault_password.write_text(pyotp.random_base32())
        encrypt = ("ansible-vault", "encrypt_string", *self.with_vault(), "--stdin-name")
        secrets = [run(*encrypt, f"vault_{user}_secret", stdin=self.secrets[user]) for user in self.secrets]
        variables = self.folder / "group_vars" / "fleet.yml"
        variables.parent.mkdir()
        variables.write_text("".join(secrets))
        print(textwrap.indent("\n".join(secrets[0].splitlines()[:3]), "     ") + " ...", flush=True)

    def with_vault(self) -> tuple[str, str]:
        return ("--vault-password-file", str(self.vault_password))

    def ansible(self, *command: str) -> str:
        shown = (word.replace(f"{self.folder}/", "") for word in command[1:])
        words = [f'"{word}"' if " " in word else word for word in shown]
        say(" ".join(["$", command[0], "-i", "INVENTORY", *words]))
        inventories = [word for inventory in self.inventories for word in ("-i", str(inventory))]
        return run(command[0], *inventories, *command[1:])

    def protect(self) -> None:
        site = (
            "ansible-playbook",
            *self.with_vault(),
            "fleetauth.twofactor.site",
            "-e",
            "twofactor_hosts=fleet",
        )
        title("The site playbook: clocks, SSH, packages, tokens, policy")
        output = self.ansible(*site)
        for line in output.splitlines():
            if "clocks synchronised" in line or " : ok=" in line:
                say(line.strip().removeprefix('"msg": '))
        title("Once more: nothing is left to do")
        output = self.ansible(*site)
        recap = [line for line in output.splitlines() if " : ok=" in line]
        for line in recap:
            say(line.strip())
        if len(recap) != len(HOSTS) or any("changed=0 " not in line for line in recap):
            raise BrokenPromise(f"a second run changed something:\n{output}")

    def show_qr_code(self) -> None:
        title("What alice scans with her authenticator app")
        print(qr_text(otpauth_uri(self.secrets["alice"], "alice", "Demo fleet")), flush=True)
        say(f"The app then shows {self.right_code('alice')}, and another code every 30 seconds.")

    def right_code(self, user: str) -> str:
        return pyotp.TOTP(self.secrets[user]).now()

    def wrong_code(self, user: str) -> str:
        near = {pyotp.TOTP(self.secrets[user]).at(int(time.time()) + 30 * steps) for steps in range(-9, 10)}
        return next(code for code in ("123456", "234567", "345678") if code not in near)

    def log_in_with_codes(self) -> None:
        title("Debian 12 asks for key and code")
        code, wrong = self.right_code("alice"), self.wrong_code("alice")
        self.expect(False, Login("alice", "bookworm", key=True))
        self.expect(False, Login("alice", "bookworm", key=True, code=wrong, code_is="a wrong code"))
        self.expect(False, Login("alice", "bookworm", password=True, code=code, code_is="the right code"))
        self.expect(True, Login("alice", "bookworm", key=True, code=code, code_is="the right code"))
        self.expect(False, Login("alice", "bookworm", key=True, code=code, code_is="the same code again"))

        title("Debian 13 asks for password and code")
        code, wrong = self.right_code("bob"), self.wrong_code("bob")
        self.expect(False, Login("bob", "trixie", password=True))
        self.expect(False, Login("bob", "trixie", password=True, code=wrong, code_is="a wrong code"))
        self.expect(False, Login("bob", "trixie", key=True, code=code, code_is="the right code"))
        self.expect(True, Login("bob", "trixie", password=True, code=code, code_is="the right code"))
        self.expect(False, Login("bob", "trixie", password=True, code=code, code_is="the same code again"))

    def emergency(self) -> None:
        title("Three in the morning, phones lost: one command takes the second factor off the fleet")
        started = time.monotonic()
        options = "state=disabled reason='phones lost'"
        output = self.ansible("ansible", "fleet", "-b", "-m", "fleetauth.twofactor.twofactor", "-a", options)
        say(f"{output.count('| CHANGED')} hosts, {time.monotonic() - started:.1f} s")
        for host in HOSTS:
            said = run(LAB, "shell", host, "--", "journalctl", "-t", "twofactor", "-o", "cat", "-n", "1")
            say(f"{host} has logged: {said.strip()}")
        self.expect(True, Login("alice", "bookworm", key=True))
        self.expect(True, Login("bob", "trixie", password=True))

    def expect(self, let_in: bool, login: Login) -> None:
        """Log in by ssh, say what came of it, and stop when that is not as promised."""
        answer = self.ssh(login)
        was_let_in = f"this is {login.user} on {login.host}" in answer
        say(f"{'let in ' if was_let_in else 'refused'}  {login}")
        if was_let_in != let_in:
            journal = run(LAB, "shell", login.host, "--", "journalctl", "--no-pager", "-n", "30")
            promised = "let in" if let_in else "refused"
            raise BrokenPromise(
                f"{login} should have been {promised}. ssh said:\n{answer}\nThe host:\n{journal}"
            )

    def ssh(self, login: Login) -> str:
        lab = yaml.safe_load(self.inventories[0].read_text())["all"]
        address = next(
            group["hosts"][login.host]["ansible_host"]
            for group in lab["children"].values()
            if login.host in group["hosts"]
        )
        prompts = login.password or bool(login.code)
        options = [
            *shlex.split(lab["vars"]["ansible_ssh_common_args"]),
            *("-F", "none", "-o", "ControlPath=none", "-o", "NumberOfPasswordPrompts=1"),
            *("-o", f"PubkeyAuthentication={'yes' if login.key else 'no'}", "-i", str(self.key)),
            *("-o", f"KbdInteractiveAuthentication={'yes' if prompts else 'no'}"),
            *("-o", f"PasswordAuthentication={'yes' if login.password else 'no'}"),
        ]
        answers = {
            "SSH_ASKPASS": str(self.askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "DEMO_PASSWORD": PASSWORDS[login.user] if login.password else "",
            "DEMO_CODE": login.code,
        }
        command = ["ssh", *options, f"{login.user}@{address}", 'echo "this is $(id -un) on $(hostname)"']
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**ENVIRONMENT, **answers},
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def down(self) -> None:
        title("The fleet goes down")
        run(LAB, "down")
        say("nothing of it is left")


def stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; whatever happens, take the fleet down."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    started = time.monotonic()
    status = 1
    with tempfile.TemporaryDirectory(prefix="fleetauth-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            demo.boot()
            demo.make_users()
            demo.write_inventory()
            demo.protect()
            demo.show_qr_code()
            demo.log_in_with_codes()
            demo.emergency()
            status = 0
        except (BrokenPromise, subprocess.SubprocessError) as error:
            print(f"\ndemo: not as promised: {error}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("\ndemo: stopped", file=sys.stderr, flush=True)
        finally:
            demo.down()
    say(f"{'all as promised' if status == 0 else 'FAILED'}, {time.monotonic() - started:.0f} s in all")
    return status


if __name__ == "__main__":
    sys.exit(main())
