#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of the kill sweep that runs on a host: see killsweep.py beside it.

    on_host.py FOLDER [--short] [--scenario NAME ...]

Standard library only. FOLDER holds the command of the collection (``twofactor``) and the key to log in with (``key``).
"""

from __future__ import annotations

import argparse
import base64
import compileall
import concurrent.futures
import fcntl
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PASSWORD = "correct horse battery staple"
FOLDERS = ("/etc/pam.d", "/etc/ssh", "/etc/twofactor", "/var/lib/twofactor")
SINGLE_FILES = (
    "/usr/local/sbin/twofactor",
    "/etc/systemd/system/twofactor-boot.service",
    "/etc/systemd/system/multi-user.target.d/twofactor.conf",
)
CALLS = (
    "openat,open,creat,write,pwrite64,writev,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,"
    "symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,fsync,fdatasync,sync,kill,"
    "utimensat"
)
WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT)")
VOLATILE = ("/var/lib/twofactor/failures/", "/var/lib/twofactor/journal/reverted.json")
"""What is different in each run and decides nothing."""


@dataclass(frozen=True)
class Kind:
    """Somebody at the door: the account, what it holds, and whether it has a token."""

    name: str
    key: bool = False
    password: bool = False
    code: bool = False
    enrolled: bool = True


KINDS = (
    Kind("wkey", key=True),
    Kind("wkeycode", key=True, code=True),
    Kind("wpass", password=True),
    Kind("wpasscode", password=True, code=True),
    Kind("wcode", code=True),
    Kind("wall", key=True, password=True, code=True),
    Kind("robot", key=True, enrolled=False),
    Kind("stranger", enrolled=False),
)
ENROLLED = tuple(kind.name for kind in KINDS if kind.enrolled)
AUTOMATION = "robot"
FIRST = ENROLLED[:-1]
"""Who has a token before the second factor is switched on; whoever is left gets one in the same change."""
RENEWED = ("wkeycode", "wall")


def secret_of(name: str, generation: int = 0) -> str:
    """Return the secret of an account, always the same."""
    return base64.b32encode(hashlib.sha1(f"{name} {generation}".encode()).digest()).decode()


def codes_of(name: str, generation: int) -> str:
    """Return the present code of an account (RFC 6238)."""
    seed = hashlib.sha1(f"{name} {generation}".encode()).digest()
    digest = hmac.new(seed, struct.pack(">Q", int(time.time()) // 30), "sha1").digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


class Entry(NamedTuple):
    """A file as it is on the disk."""

    data: bytes
    mode: int
    uid: int
    gid: int


Disk = dict[str, Entry]


def read_disk() -> Disk:
    """Return every file that a change can touch."""
    found: Disk = {}
    paths = [path for path in SINGLE_FILES if os.path.isfile(path)]
    for folder in FOLDERS:
        for where, dummy, names in os.walk(folder):
            paths += [os.path.join(where, name) for name in names]
    for path in paths:
        if not os.path.islink(path):
            there = os.stat(path)
            with open(path, "rb") as stream:
                found[path] = Entry(stream.read(), there.st_mode & 0o7777, there.st_uid, there.st_gid)
    return found


def write_disk(disk: Disk) -> None:
    """Bring the files back to ``disk``, by other means than those under test."""
    now = read_disk()
    for path in now.keys() - disk.keys():
        os.unlink(path)
    for folder in ("/etc/twofactor", "/var/lib/twofactor", os.path.dirname(SINGLE_FILES[2])):
        if not any(path.startswith(folder + "/") for path in disk):
            shutil.rmtree(folder, ignore_errors=True)
    for path, entry in disk.items():
        if now.get(path) == entry:
            continue
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(entry.data)
        os.chmod(path, entry.mode)
        os.chown(path, entry.uid, entry.gid)


def part(disk: Disk, *prefixes: str) -> Disk:
    """Return what lies below some paths."""
    return {
        path: entry
        for path, entry in disk.items()
        if path.startswith(prefixes) and not path.startswith(VOLATILE)
    }


def fingerprint(disk: Disk) -> str:
    """Return the same word for states of the disk between which nothing that counts is different."""
    rows = []
    for path, entry in sorted(disk.items()):
        if path.startswith(VOLATILE):
            continue
        data = entry.data
        if "/journal/" in path:
            data = re.sub(rb'"deadline": [0-9.e+-]+', b"", data)
        if path.endswith(".lock"):
            data = b""
        rows.append(f"{path} {entry.mode:o} {entry.uid} {entry.gid} {hashlib.sha256(data).hexdigest()}")
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def sshd_pid() -> int:
    with open("/run/sshd.pid", encoding="ascii") as stream:
        return int(stream.read())


def reload_sshd() -> None:
    """Have the running sshd read its configuration, and wait until it has."""
    deadline = time.monotonic() + 20
    while not os.path.exists("/run/sshd.pid"):  # it is doing so already, told by the run that was killed
        if time.monotonic() > deadline:
            raise SystemExit("sshd has gone")
        time.sleep(0.005)
    before = os.stat("/run/sshd.pid").st_mtime_ns
    os.kill(sshd_pid(), signal.SIGHUP)
    while time.monotonic() < deadline:
        try:
            if os.stat("/run/sshd.pid").st_mtime_ns != before:
                return
        except FileNotFoundError:
            pass
        time.sleep(0.005)
    raise SystemExit("sshd does not come back")


def login(folder: str, kind: Kind, address: str, generation: int) -> bool:
    """Log in with OpenSSH's client and nothing but what this kind holds."""
    askpass = os.path.join(folder, "askpass")
    ways = [*(["publickey"] if kind.key else []), "keyboard-interactive", "password"]
    options = {
        "ControlPath": "none",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "IdentitiesOnly": "yes",
        "IdentityFile": os.path.join(folder, "key") if kind.key else "none",
        "NumberOfPasswordPrompts": "1",
        "PreferredAuthentications": ",".join(ways),
        "ConnectTimeout": "10",
    }
    command = ["ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items())]
    env = {
        "PATH": os.environ["PATH"],
        "SSH_ASKPASS": askpass,
        "SSH_ASKPASS_REQUIRE": "force",
        "CODE": codes_of(kind.name, generation) if kind.code else "",
        "PASSWORD": PASSWORD if kind.password else "",
    }
    for dummy in range(40):
        done = subprocess.run(
            [*command, f"{kind.name}@{address}", "echo in as $(id -un)"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            check=False,
            timeout=60,
        )
        # An sshd that reads its configuration again does not listen for some milliseconds.
        if "Connection re" not in done.stdout and "kex_exchange" not in done.stdout:
            break
        time.sleep(0.1)
    return f"in as {kind.name}" in done.stdout


def _read_at_logins(disk: Disk) -> Disk:
    """Return what sshd, PAM and pam_oath read of a disk: no half-written file, no journal, nothing declared."""
    read = part(disk, "/etc/pam.d/", "/etc/ssh/", "/etc/twofactor/exempt_networks", "/var/lib/twofactor/")
    ours = ("/var/lib/twofactor/journal/", "/var/lib/twofactor/users.json", "/var/lib/twofactor/bypass.json")
    return {
        path: e
        for path, e in read.items()
        if not path.endswith(".twofactor-new") and not path.startswith(ours)
    }


def _bare(line: str) -> str:
    """Return a call without what is different in each run: names made up, process ids, times, its outcome."""
    text = re.sub(r"/run/twofactor-\w+", "/run/twofactor-", line.rsplit(" = ", 1)[0])
    text = re.sub(r"^(write|pwrite64)\((\d+),.*", r"\1(\2", text)
    return re.sub(r"\d{3,}|(?<=^kill\()\d+", "N", text).rstrip(") ")


def _tells_sshd(line: str) -> bool:
    return line.startswith("kill(") and line.rstrip().endswith("= 0")


def _opened(line: str) -> str:
    """Return the path that a call opens, nothing when it is another one in each run."""
    found = re.search(r'"([^"]+)"', line)
    return found.group(1) if found and "/run/twofactor-" not in found.group(1) else ""


class Who(NamedTuple):
    """Who gets in, by the name of the kind."""

    admitted: frozenset[str]

    def __str__(self) -> str:
        return ",".join(sorted(self.admitted)) or "nobody"


@dataclass(frozen=True)
class Scenario:
    """A change: how to come to its start, the command, and the secrets' generation before and after."""

    name: str
    start: tuple[str, ...]
    command: tuple[str, ...]
    change: dict[str, Any] | None = None
    renews: bool = False
    half_made: str = ""
    """Cut the last change of the start short right before the first call that this matches."""


def _users(*names: str, generation: int = 0) -> dict[str, Any]:
    return {"users": [{"name": name, "secret": secret_of(name, generation)} for name in names]}


def _wanted(*methods: str, generation: int = 0, **more: Any) -> dict[str, Any]:
    secrets = _users(*(RENEWED if generation else ENROLLED), generation=generation)
    if generation:
        secrets.update(state="renewed", renewal=f"generation {generation}")
    return {
        "policy": {
            "state": "enabled",
            "services": ["sudo"],
            "max_failures": 100,
            "exempt_users": [AUTOMATION],
        },
        "ssh": {"state": "enabled", "methods": list(methods)},
        "secrets": secrets,
        "guard": False,
        **more,
    }


KEY, PASS = _wanted("key_and_code"), _wanted("password_and_code")
BOTH = _wanted("key_and_code", "password_and_code")
CHANGES: dict[str, dict[str, Any]] = {
    "tokens": {"secrets": _users(*FIRST), "guard": False},
    "key": KEY,
    "password": PASS,
    "both": BOTH,
    "key pending": {**KEY, "confirm_within": 3600},
    "password pending": {**PASS, "confirm_within": 3600},
}
APPLY = ("apply",)
DISABLE = ("disable", "--reason", "phones lost")
SCENARIOS = (
    Scenario("enable, key and code", ("tokens",), APPLY, KEY),
    Scenario("enable, password and code", ("tokens",), APPLY, PASS),
    Scenario("enable, both", ("tokens",), APPLY, BOTH),
    Scenario("from password to key", ("password",), APPLY, KEY),
    Scenario("from key to password", ("key",), APPLY, PASS),
    Scenario("disable, key and code", ("key",), DISABLE),
    Scenario("disable, password and code", ("password",), DISABLE),
    Scenario("disable, both", ("both",), DISABLE),
    Scenario("renew secrets", ("key",), APPLY, _wanted("key_and_code", generation=1), renews=True),
    Scenario("revert to nothing", ("tokens", "key pending"), ("revert",)),
    Scenario("revert to nothing, password", ("tokens", "password pending"), ("revert",)),
    Scenario("revert to password", ("password", "key pending"), ("revert",)),
    Scenario("emergency on half a change", ("tokens", "both"), DISABLE, half_made="rename.*pam.d/sshd"),
    Scenario("boot on half a change", ("key", "password"), ("boot",), half_made=r"kill\(.*SIGHUP"),
)
SHORT = ("enable, both", "from password to key", "renew secrets", "disable, both")


@dataclass
class Point:
    """A system call of the traced run: its name, strace's count of the calls of that name, and its line.

    With ``path`` only calls that name it are counted: how often the file in which sshd's number stands is opened is
    different in each run. ``reloads`` is how often sshd has been told before.
    """

    name: str
    number: int
    line: str
    path: str = ""
    reloads: int = 0

    def __str__(self) -> str:
        return f"{self.line[:100]} (number {self.number})"


@dataclass
class Sweep:
    """One scenario on this host."""

    folder: str
    address: str
    scenario: Scenario
    virgin: Disk
    points: int = 0
    broken: list[str] = field(default_factory=list)
    states: dict[str, bool] = field(default_factory=dict)
    logins: int = 0
    strayed: int = 0
    resting: list[Disk] = field(default_factory=list)
    """Further states in which a boot may leave the host."""
    _as_at_start: bool = False
    _reloads: int = 0
    _known: dict[tuple[str, int], Who] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        return ["/usr/bin/python3", "-IB", os.path.join(self.folder, "unpacked"), *words]

    def run(self, words: tuple[str, ...], change: dict[str, Any] | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            input=json.dumps(change) if change else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def traced(self, words: tuple[str, ...], change: dict[str, Any] | None, *inject: str) -> list[str]:
        """Run the command under strace and return the calls that it made, each as a line."""
        log = os.path.join(self.folder, "trace")
        with open(os.path.join(self.folder, "change.json"), "w+", encoding="utf-8") as stdin:
            stdin.write(json.dumps(change) if change else "")
            stdin.seek(0)
            subprocess.run(
                [
                    "strace",
                    "-qq",
                    "-s",
                    "200",
                    "-o",
                    log,
                    "-e",
                    f"trace={CALLS}",
                    *inject,
                    *self.command(*words),
                ],
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=120,
            )
        with open(log, encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n") for line in stream if re.match(r"[a-z]\w*\(", line)]

    def killed(self, words: tuple[str, ...], change: dict[str, Any] | None, point: Point) -> bool:
        """Run the command and kill it when it is about to make a call; that call is not made.

        Return whether it was that call: how many files of /proc are read before differs at times.
        """
        inject = ["-e", f"inject={point.name}:signal=SIGKILL:when={point.number}"]
        lines = self.traced(words, change, *inject, *(["-P", point.path] if point.path else []))
        with open("/run/twofactor.lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # what clears up behind a change that was killed holds it
        self._reloads = point.reloads if point.path else sum(map(_tells_sshd, lines))
        return bool(lines) and _bare(lines[-1]) == _bare(point.line)

    def enumerate(self, words: tuple[str, ...], change: dict[str, Any] | None) -> list[Point]:
        """Return every call of a whole run that may change a file or reach another process."""
        counts: dict[tuple[str, str], int] = {}
        points, reloads = [], 0
        for line in self.traced(words, change):
            name = line.split("(")[0]
            path = _opened(line) if name.startswith("open") else ""
            for key in {(name, ""), (name, path)}:
                counts[key] = counts.get(key, 0) + 1
            if not name.startswith("open") or WRITING.search(line):
                points.append(Point(name, counts[name, path], line, path, reloads))
            reloads += _tells_sshd(line)
        return points

    def who(self, disk: Disk, running: int) -> Who:
        """Return who gets in now, by real logins; once for each state of disk and running sshd."""
        known = (fingerprint(_read_at_logins(disk)), running)
        if known not in self._known:
            generations = [self._generation(disk, kind) for kind in KINDS]
            with concurrent.futures.ThreadPoolExecutor(len(KINDS)) as pool:
                came = list(pool.map(lambda k, g: login(self.folder, k, self.address, g), KINDS, generations))
            self.logins += len(KINDS)
            self._known[known] = Who(frozenset(kind.name for kind, ok in zip(KINDS, came) if ok))
            write_disk(disk)  # the codes just used may be used again
        return self._known[known]

    def _generation(self, disk: Disk, kind: Kind) -> int:
        """Return whether a user's app shows the codes of the new secret: whoever has both tries the right one."""
        entry = disk.get(f"/var/lib/twofactor/tokens/{kind.name}.oath")
        fresh = base64.b32decode(secret_of(kind.name, 1)).hex()
        return int(entry is not None and fresh in entry.data.decode())

    def fail(self, where: object, what: str) -> None:
        self.broken.append(f"{self.scenario.name}: {where}: {what}")
        print(f"BROKEN {self.broken[-1]}", flush=True)

    def prepare(self) -> Disk:
        """Bring the host to the scenario's start."""
        write_disk(self.virgin)
        reload_sshd()
        steps = list(self.scenario.start)
        last = steps.pop() if self.scenario.half_made else None
        for step in steps:
            done = self.run(APPLY, CHANGES[step])
            assert done.returncode == 0, done.stderr
        if last is not None:
            start = read_disk()
            points = self.enumerate(APPLY, CHANGES[last])
            write_disk(start)
            reload_sshd()
            point = next(p for p in points if re.search(self.scenario.half_made, p.line))
            self.killed(APPLY, CHANGES[last], point)
            self.resting.append(start)
            reload_sshd()
        return read_disk()

    def sweep(self, short: bool) -> None:
        scenario = self.scenario
        start = self.prepare()
        before = self.who(start, 0)
        points = self.enumerate(scenario.command, scenario.change)
        if short:
            points = [
                p
                for p in points
                if re.match(r"(rename|unlink|kill|link)", p.line) and "/run/twofactor-" not in p.line
            ]
        final = read_disk()
        after = self.who(final, -1)
        if before == after and not scenario.renews and not scenario.half_made:
            self.fail("the whole run", f"it makes no difference who gets in: {before}")
        for point in points:
            self.points += 1
            for dummy in range(3):
                if not self._as_at_start:
                    write_disk(start)
                    reload_sshd()
                hit = self.killed(scenario.command, scenario.change, point)
                self.judge(point, start, final, before, after)
                if hit:
                    break
            else:
                self.strayed += 1
                print(f"{scenario.name}: not hit: {point}", flush=True)

    def judge(self, point: Point, start: Disk, final: Disk, before: Who, after: Who) -> None:
        """See that the host is well after a kill, and comes out of it both ways."""
        disk, reloads = read_disk(), self._reloads
        known = f"{fingerprint(disk)} {reloads}"
        self._as_at_start = reloads == 0 and disk == start
        if known in self.states:
            if not self.states[known]:
                self.fail(point, "as above")
            return
        bad = len(self.broken)
        self.admits(point, "after the kill", self.who(disk, reloads), before, after)
        self.next_run(point, disk, final)
        self.next_boot(point, disk, start, final, before, after)
        self.states[known] = len(self.broken) == bad
        self._as_at_start = False

    def admits(self, point: Point, when: str, now: Who, before: Who, after: Who) -> None:
        shut = (before.admitted & after.admitted) - now.admitted
        opened = now.admitted - before.admitted - after.admitted
        if shut:
            self.fail(point, f"{when} {Who(shut)} cannot get in")
        if opened:
            self.fail(point, f"{when} {Who(opened)} can get in")

    def next_run(self, point: Point, disk: Disk, final: Disk) -> None:
        words, change = self.scenario.command, self.scenario.change
        done = self.run(words, change)
        if done.returncode != 0:
            self.fail(point, f"the next run fails: {done.stderr.strip()}")
            return
        self.compare(point, "after the next run", read_disk(), final)
        again = self.run(words, change)
        if words != ("boot",) and "Nothing to do" not in again.stdout:
            self.fail(point, f"the run after the next one changes something: {again.stdout}{again.stderr}")

    def compare(self, point: Point, when: str, now: Disk, *wanted: Disk) -> bool:
        """Assert that configuration, tokens and journal are one of those wanted, and nothing is left over."""
        shown = [part(disk, *FOLDERS) for disk in (now, *wanted)]
        if shown[0] in shown[1:]:
            return True
        paths = {path for path in {*shown[0], *shown[-1]} if shown[0].get(path) != shown[-1].get(path)}
        self.fail(point, f"{when} these are not as they should be: {' '.join(sorted(paths))}")
        return False

    def next_boot(self, point: Point, disk: Disk, start: Disk, final: Disk, before: Who, after: Who) -> None:
        """Go through a power cut: what runs at boot runs before sshd starts."""
        write_disk(disk)
        done = self.run(("boot",), None)
        subprocess.run(
            ["systemctl", "reset-failed", "ssh"], check=False
        )  # it counts how often one restarts it
        subprocess.run(["systemctl", "restart", "ssh"], check=True)
        if done.returncode != 0:
            self.fail(point, f"what runs at boot fails: {done.stderr.strip()}")
            return
        now = read_disk()
        etc = [part(d, "/etc/pam.d", "/etc/ssh") for d in (now, start, final, *self.resting)]
        if etc[0] not in etc[1:]:
            paths = {path for path in {*etc[0], *etc[1]} if etc[0].get(path) != etc[1].get(path)}
            self.fail(point, f"after a boot /etc is neither old nor new: {' '.join(sorted(paths))}")
        left = [
            path for path in now if "/journal/originals" in path or path.endswith((".lock", ".twofactor-new"))
        ]
        if left:
            self.fail(point, f"after a boot there is left: {' '.join(left)}")
        self.admits(point, "after a boot", self.who(now, -2), before, after)
        if self.run(self.scenario.command, self.scenario.change).returncode != 0:
            self.fail(point, "the run after a boot fails")
        elif self.scenario.command != ("revert",):
            self.compare(point, "after a boot and a run", read_disk(), final, *self.resting)


def main() -> int:
    """Run the sweep and print its numbers as JSON in the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--scenario", action="append")
    options = parser.parse_args()
    for kind in KINDS:
        subprocess.run(
            ["useradd", "-m", "-s", "/bin/bash", kind.name], check=False, stderr=subprocess.DEVNULL
        )
        subprocess.run(["chpasswd"], input=f"{kind.name}:{PASSWORD}", text=True, check=True)
        home = f"/home/{kind.name}/.ssh"
        os.makedirs(home, exist_ok=True)
        shutil.copy("/home/ansible/.ssh/authorized_keys", home)
        subprocess.run(["chown", "-R", f"{kind.name}:", home], check=True)
    with open(os.path.join(options.folder, "askpass"), "w", encoding="utf-8") as stream:
        stream.write('#!/bin/sh\ncase "$1" in *One-time*) echo "$CODE";; *) echo "$PASSWORD";; esac\n')
    os.chmod(os.path.join(options.folder, "askpass"), 0o755)
    with open("/etc/ssh/sshd_config.d/98-sweep.conf", "w", encoding="utf-8") as stream:
        stream.write("MaxStartups 100\n")
    # The managers of users start and end by themselves, and one process more to look at gives calls other numbers.
    subprocess.run(["sed", "-i", "/pam_systemd.so/d", "/etc/pam.d/common-session"], check=True)
    address = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()[0]
    virgin = read_disk()
    unpacked = os.path.join(
        options.folder, "unpacked"
    )  # compiled once, and not anew for each of a thousand runs
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(os.path.join(options.folder, "twofactor")) as archive:
        archive.extractall(unpacked)
    compileall.compile_dir(unpacked, quiet=1)
    names = options.scenario or [s.name for s in SCENARIOS if not options.short or s.name in SHORT]
    unknown = set(names) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}")
    totals = {"points": 0, "broken": 0, "states": 0, "logins": 0, "strayed": 0}
    for scenario in SCENARIOS:
        if scenario.name not in names:
            continue
        began = time.monotonic()
        one = Sweep(options.folder, address, scenario, virgin)
        one.sweep(options.short)
        if not one.points:
            raise SystemExit(f"{scenario.name}: no point at all")
        for name in totals:
            value = getattr(one, name)
            totals[name] += value if isinstance(value, int) else len(value)
        print(
            f"{scenario.name}: {one.points} points, {len(one.states)} states, {len(one.broken)} broken, "
            f"{one.logins} logins, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    write_disk(virgin)
    reload_sshd()
    print(json.dumps(totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
