# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of the doors suite that runs on a host, as root, with Python's standard library only.

    python3 -m tests.doors.on_host accounts FOLDER          make the accounts, and the key that they have
    python3 -m tests.doors.on_host report FOLDER            take the report
    python3 -m tests.doors.on_host drift FOLDER < drift     let something happen, take the report, try every door

FOLDER holds the command of the collection, unpacked (``unpacked``). ``drift`` reads the shell command from standard
input, and writes the report and what came of each attempt as JSON.
"""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import pwd
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from .model import NOTHING, RIGHT, SWAPPED, Attempt, Door, Factors, Kind, Outcome
from .oracle import accounts, attempts, shows_two
from .tables import DOORS, EXEMPT, EXEMPT_GROUP, FACTORS, VISITOR

PASSWORD = "correct horse battery staple"
WRONG_PASSWORD = "Tr0ub4dor&3"
AT_ONCE = 80
"""Attempts at the same time: a failing one waits for seconds."""
PATIENCE = 60.0
"""Seconds for one attempt."""
FORGED = {"SSH_AUTH_INFO_0": "publickey ssh-ed25519 AAAA", "SSH_USER_AUTH": "/tmp/forged"}
"""What a user would set who wants PAM to believe that sshd has accepted a key."""
ASKPASS = '#!/bin/sh\ncase "$1" in *One-time*) echo "$CODE";; *) echo "$PASSWORD";; esac\n'
_CODE_PROMPT = re.compile(r"One-time password[^\n]*: ?$")
_PASSWORD_PROMPT = re.compile(r"[Pp]assword[^\n]*: ?$")


class Answers(NamedTuple):
    """What is answered to each kind of prompt."""

    password: str
    code: str


def secret_of(user: str) -> str:
    """Return the shared secret of an account in base32, always the same."""
    return base64.b32encode(_seed(user)).decode()


def _seed(user: str) -> bytes:
    return hashlib.sha1(user.encode()).digest()


def code_of(user: str) -> str:
    """Return the present code of an account (RFC 6238)."""
    digest = hmac.new(_seed(user), struct.pack(">Q", int(time.time()) // 30), "sha1").digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def answers_for(factors: Factors, user: str) -> Answers:
    """Return what a user who shows ``factors`` answers."""
    code = code_of(user)
    at_password = {NOTHING: "", RIGHT: PASSWORD, SWAPPED: code}
    at_code = {NOTHING: "", RIGHT: code, SWAPPED: PASSWORD}
    wrong_code = f"{(int(code) + 500_000) % 1_000_000:06}"
    return Answers(at_password.get(factors.password, WRONG_PASSWORD), at_code.get(factors.code, wrong_code))


def try_ssh(folder: str, door: Door, factors: Factors, user: str, answers: Answers) -> str:
    """Log in with OpenSSH's client; return what it printed."""
    options = {
        "ControlPath": "none",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "IdentitiesOnly": "yes",
        "IdentityFile": f"{folder}/key" if factors.key else "none",
        "NumberOfPasswordPrompts": "1",
        "PreferredAuthentications": "publickey,keyboard-interactive,password"
        if factors.key
        else "keyboard-interactive,password",
        "KexAlgorithms": "curve25519-sha256",
        "ConnectTimeout": "10",
        "Port": str(door.port),
        "SetEnv": " ".join(f'{name}="{value}"' for name, value in FORGED.items()),
    }
    env = {
        "PATH": os.environ["PATH"],
        "SSH_ASKPASS": f"{folder}/askpass",
        "SSH_ASKPASS_REQUIRE": "force",
        "CODE": answers.code,
        "PASSWORD": answers.password,
    }
    command = ["ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items())]
    done = subprocess.run(
        [*command, f"{user}@{_address()}", "echo in as $(id -un)"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout


def _address() -> str:
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def try_terminal(folder: str, door: Door, factors: Factors, user: str, answers: Answers) -> str:
    """Run a command on a terminal of its own, answer its prompts once each, and return what it printed."""
    del folder, factors
    ours, theirs = os.openpty()
    who = pwd.getpwnam(door.run_as.format(user=user))
    command = ["setsid", "--ctty", "--wait", *(word.format(user=user) for word in door.command)]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "TERM": "dumb", **FORGED},
        cwd="/",
        user=who.pw_uid,
        group=who.pw_gid,
        extra_groups=os.getgrouplist(who.pw_name, who.pw_gid),
    )
    os.close(theirs)
    try:
        return _converse(process, ours, answers)
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _converse(process: subprocess.Popen[bytes], terminal: int, answers: Answers) -> str:
    """Answer one prompt of each kind, until the program ends, asks for more, or has taken too long."""
    deadline = time.monotonic() + PATIENCE
    said = ""
    left = [(_CODE_PROMPT, answers.code), (_PASSWORD_PROMPT, answers.password)]
    answered = 0
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:  # no process has it open: the last one has gone, or login opens it anew (vhangup(2))
            if _has_ended(process):
                break
            continue
        said += data.decode(errors="replace")
        heard = said[answered:]
        prompt = next((one for one in left if one[0].search(heard)), None)
        if prompt:
            os.write(terminal, f"{prompt[1]}\n".encode())
            answered = len(said)
            left.remove(prompt)
        elif re.search(r"(One-time|[Pp])assword[^\n]*: ?$|login: ?$", heard):
            break
    return said


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process ends within a moment."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return False
    return True


def try_console(folder: str, door: Door, factors: Factors, user: str, answers: Answers) -> str:
    """Log in to Cockpit over HTTPS as its page does: the password first, then an answer to each further question."""
    del folder, factors
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", door.port, timeout=PATIENCE, context=unverified)
    token = base64.b64encode(f"{user}:{answers.password}".encode()).decode()
    authorization = f"Basic {token}"
    said = ""
    for _turn in range(4):
        connection.request("GET", "/cockpit/login", headers={"Authorization": authorization})
        response = connection.getresponse()
        response.read()
        asked = response.getheader("WWW-Authenticate", "")
        said += f"{response.status} {response.reason} {asked}\n"
        if response.status == http.client.OK:
            return said + f"in as {user}"
        if not asked.lower().startswith("x-conversation"):
            return said
        dummy, number, prompt = asked.split(" ", 2)
        said += base64.b64decode(prompt).decode(errors="replace") + "\n"
        answer = answers.code if "One-time" in said.splitlines()[-1] else answers.password
        authorization = f"X-Conversation {number} {base64.b64encode(answer.encode()).decode()}"
    return said


DRIVERS: dict[str, Callable[[str, Door, Factors, str, Answers], str]] = {
    "ssh": try_ssh,
    "terminal": try_terminal,
    "console": try_console,
}


def is_open(door: Door) -> bool:
    """Tell whether something answers at a door."""
    if not door.port:
        return True
    with socket.socket() as one:
        one.settimeout(5)
        return one.connect_ex((_address(), door.port)) == 0


def make_attempt(folder: str, attempt: Attempt) -> list[Outcome]:
    """Try a door; where two factors have opened it, try once more with the code that has been used."""
    door = next(one for one in DOORS if one.name == attempt.door)
    factors = next(one for one in FACTORS if one.name == attempt.factors)
    answers = answers_for(factors, attempt.user)
    first = _try(folder, door, factors, attempt, answers)
    if not (first.entered and shows_two(attempt)):
        return [first]
    return [first, _try(folder, door, factors, replace(attempt, again=True), answers)]


def _try(folder: str, door: Door, factors: Factors, attempt: Attempt, answers: Answers) -> Outcome:
    try:
        said = DRIVERS[door.driver](folder, door, factors, attempt.user, answers)
    except (OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
        return Outcome(attempt, False, f"{type(error).__name__}: {error}"[-300:])
    return Outcome(attempt, door.success.format(user=attempt.user) in said, said[-300:])


def make_attempts(folder: str) -> list[Outcome]:
    """Try every door that is there with everything, all at the same time."""
    there = {door.name for door in DOORS if is_open(door)}
    wanted = [attempt for attempt in attempts() if attempt.door in there or _is_required(attempt)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return [
            outcome for some in pool.map(lambda one: make_attempt(folder, one), wanted) for outcome in some
        ]


def _is_required(attempt: Attempt) -> bool:
    return next(door for door in DOORS if door.name == attempt.door).required


def take_report(folder: str) -> dict[str, object]:
    """Return what twofactor_info says, from the same code; an error of its own is a problem, a crash is none."""
    done = subprocess.run(
        ["/usr/bin/python3", "-IB", f"{folder}/unpacked", "status"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 0:
        report: dict[str, object] = json.loads(done.stdout)
        return report
    is_crash = "Traceback" in done.stderr
    return {"problems": [] if is_crash else [{"code": "report_failed", "message": done.stderr, "remedy": ""}]}


def make_accounts(folder: str) -> None:
    """Make every account, with the password and the key, without the seconds that useradd takes for a hundred."""
    kinds = accounts()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"], check=True)
    public = Path(folder, "key.pub").read_text(encoding="ascii")
    names = [*kinds, VISITOR]
    _append(
        "/etc/passwd", [f"{name}:x:{_uid(n)}:{_uid(n)}::/home/{name}:/bin/sh" for n, name in enumerate(names)]
    )
    _append("/etc/shadow", [f"{name}:*:20000:0:99999:7:::" for name in names])
    _append("/etc/group", [f"{name}:x:{_uid(number)}:" for number, name in enumerate(names)])
    _append("/etc/group", [f"{EXEMPT_GROUP}:x:{_uid(len(names))}:{','.join(_of_kind(kinds, EXEMPT))}"])
    passwords = "".join(f"{name}:{PASSWORD}\n" for name in names)
    # Hundreds are checked for each drift: a hash that costs next to nothing.
    subprocess.run(["chpasswd", "-c", "SHA256", "-s", "1000"], input=passwords, text=True, check=True)
    for number, name in enumerate(names):
        _make_home(Path("/home", name), _uid(number), public)
    Path(folder, "askpass").write_text(ASKPASS, encoding="ascii")
    os.chmod(f"{folder}/askpass", 0o755)


def _append(path: str, lines: list[str]) -> None:
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in lines))


def _uid(number: int) -> int:
    return 2000 + number


def _of_kind(kinds: dict[str, Kind], kind: Kind) -> list[str]:
    return [name for name, one in kinds.items() if one is kind]


def _make_home(home: Path, uid: int, public_key: str) -> None:
    """Make a home whose owner may log in with the key, and whose login shell says who is in."""
    files = {
        home / ".ssh" / "authorized_keys": public_key,
        home / ".profile": "echo in as $(id -un)\n[ $0 = -sh ] && exit\n",
    }
    (home / ".ssh").mkdir(parents=True)
    for path, text in files.items():
        path.write_text(text, encoding="ascii")
    for path in (home, home / ".ssh", *files):
        os.chown(path, uid, uid)
        path.chmod(0o700)


def main() -> None:
    """Run one of the commands."""
    command, folder = sys.argv[1:]
    if command == "accounts":
        make_accounts(folder)
    elif command == "report":
        print(json.dumps(take_report(folder)))
    else:
        print(json.dumps(go_through(folder, sys.stdin.read())))


def go_through(folder: str, happening: str) -> dict[str, object]:
    """Let something happen, take the report of that moment, and try every door."""
    done = subprocess.run(
        ["sh", "-c", happening], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    report = take_report(folder)
    outcomes = make_attempts(folder)
    return {
        "status": done.returncode,
        "said": (done.stdout + done.stderr)[-2000:],
        "report": report,
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


if __name__ == "__main__":
    main()
