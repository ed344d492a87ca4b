#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leak hunt: one run of everything at -vvvv, then a search of every place where a secret could have come to rest.

    leaks.py [--short] [--plant]

Two hosts of the lab are taken from nothing to a second factor and back, with pipelining and without: the site playbook
(the roles ntp, sshd and twofactor), each module directly, async, refusals, and the emergency; with --diff, a fact
cache, a callback that writes down all that callbacks are handed, a log file and retry files. Meanwhile the process
lists are read every 50 ms (those of the hosts are part of the machine's) and so is what lies in Ansible's folders on
the hosts. Then everything printed or written is searched for each secret, in base32, hexadecimal and base64, upper and
lower case, in groups of four, and so in any otpauth URI, and for the codes that were right at some time of the run.

Where a secret may be: the token files, the file beside the inventory from which it came, and nothing else. One more is
not this collection's to prevent: without pipelining, and always with async, Ansible itself sends a module's options as
a file below ~/.ansible/tmp (mode 0600, in a folder of mode 0700) and removes it when the module has ended. Those are
counted apart ("passing"), must be closed to others, and must be gone at the end; with pipelining and without async
there must be none.

--short leaves out the run without pipelining; --plant leaks on purpose, so it must end badly. The last line says how
much was searched, and the hits.
"""

from __future__ import annotations

import argparse
import base64
import glob
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAB = ROOT / "tests" / "lab" / "lab"
BIN = Path(sys.executable).parent
HOSTS = ("debian12", "debian13")
USERS = ("alice", "bob", "carol")
ENV = {**os.environ, "FLEETAUTH_LAB": os.environ.get("FLEETAUTH_LAB", "leaks")}
EVERY = 0.05
"""Seconds between two looks at the process lists."""
CODE = "import pyotp,sys; print(pyotp.TOTP(open(sys.argv[1]).read().strip(), digits=8).now())"

ON_HOST = r"""
import json, os, re, sys
task = json.load(sys.stdin)
finds = re.compile(task["pattern"].encode())
places = size = 0
hits, allowed = [], []
for top in task["folders"]:
    for where, folders, names in os.walk(top):
        folders[:] = [f for f in folders if os.path.join(where, f) not in ("/proc", "/sys", "/dev")]
        for name in names:
            path = os.path.join(where, name)
            try:
                there = os.lstat(path)
                if not os.path.isfile(path) or os.path.islink(path):
                    continue
                if there.st_ctime < task["since"] and not path.startswith(("/etc", "/var/lib/twofactor")):
                    continue
                with open(path, "rb") as stream:
                    data = stream.read()
            except OSError:
                continue
            places, size = places + 1, size + len(data)
            if finds.search(data):
                token = re.fullmatch(r"/var/lib/twofactor/tokens/[^/]+\.oath", path)
                (allowed if token else hits).append(path)
print(json.dumps({"places": places, "bytes": size, "hits": hits, "allowed": allowed}))
"""


def lab(*words: str, stdin: str = "") -> str:
    """Run a command of the lab and return what it printed."""
    done = subprocess.run([LAB, *words], input=stdin, capture_output=True, text=True, env=ENV, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def forms(secret: str) -> list[str]:
    """Return a secret in every form in which it might turn up."""
    seed = base64.b32decode(secret)
    grouped = " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))
    plain = [secret, secret.lower(), seed.hex(), seed.hex().upper(), grouped, grouped.lower()]
    return (
        plain
        + [shifted for text in (secret, seed.hex()) for shifted in _base64_forms(text.encode())]
        + [base64.b64encode(seed).decode().rstrip("=")]
    )


def _base64_forms(data: bytes) -> Iterator[str]:
    """Return what of ``data`` is seen in base64 whatever stands before and after it."""
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        yield whole[(shift * 8 + 5) // 6 : len(data) * 8 // 6 - 2]


def pattern_of(secrets: list[str], codes: list[str]) -> str:
    """Return what finds any form of the secrets, and the codes where they stand alone."""
    found = "|".join(re.escape(form) for secret in secrets for form in forms(secret))
    return f"(?:{found})|(?<![0-9])(?:{'|'.join(codes)})(?![0-9])" if codes else found


@dataclass
class Watch:
    """What is looked at while Ansible runs."""

    pattern: str
    roots: dict[str, str]
    pipelined: bool = True
    samples: int = 0
    read: int = 0
    seen: set[bytes] = field(default_factory=set)
    hits: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._finds = re.compile(self.pattern.encode())
        self._threads = [
            threading.Thread(target=self._loop, args=(look,)) for look in (self._processes, self._files)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _loop(self, look):  # type: ignore[no-untyped-def]
        while not self._stop.wait(EVERY):
            look()

    def _processes(self) -> None:
        self.samples += 1
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                data = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if data and data not in self.seen:
                self.seen.add(data)
                self.read += len(data)
                if self._finds.search(data):
                    self.hits.add("process list: " + data[:60].decode(errors="replace"))

    def _files(self) -> None:
        for host, root in self.roots.items():
            for home in ("root", "home/ansible"):
                for top in (f"{root}/{home}/.ansible/tmp", f"{root}/{home}/.ansible_async"):
                    for path in glob.glob(f"{top}/**", recursive=True, include_hidden=True):
                        self._file(host, path, top)
            for path in glob.glob(f"{root}/tmp/**", recursive=True, include_hidden=True):
                self._file(host, path, "")

    def _file(self, host: str, path: str, top: str) -> None:
        try:
            if not os.path.isfile(path) or not self._finds.search(Path(path).read_bytes()):
                return
            folder, file = os.stat(os.path.dirname(path)), os.stat(path)
        except OSError:
            return
        name = re.sub(r"-?[0-9.]{5,}[0-9.-]*", "-N", path[len(self.roots[host]) :])
        closed = stat.S_IMODE(folder.st_mode) & 0o077 == 0
        if top.endswith("/tmp") and closed and os.path.basename(path).startswith(("AnsiballZ_", ".ansible")):
            self.passing.add(f"{host}: {name} ({file.st_mode & 0o777:o} in {folder.st_mode & 0o777:o})")
        else:
            self.hits.add(f"{host}: {name} while it ran")


def main() -> int:
    """Run everything and search everything; 1 when anything was found."""
    parser = argparse.ArgumentParser(description="The leak hunt.")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--plant", action="store_true")
    options = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="leaks-run-") as run,
            tempfile.TemporaryDirectory(prefix="store-") as store,
        ):
            return hunt(Path(run), Path(store), options)
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")


def hunt(run: Path, store: Path, options: argparse.Namespace) -> int:
    began, since = time.time(), time.time() - 1
    lab("up", "clock=timeserver", *(f"{host}={host}" for host in HOSTS))
    (run / "lab.yml").write_text(lab("inventory"))
    (run / "fleet.yml").write_text(
        json.dumps({"all": {"children": {"fleet": {"children": {host: {} for host in HOSTS}}}}})
    )
    for host in HOSTS:
        script = f"for u in {' '.join(USERS)}; do id $u >/dev/null 2>&1 || useradd -m -s /bin/bash $u; done"
        lab("shell", host, "--", "sh", "-c", script)
    old, new, backup = ({name: pyotp.random_base32() for name in USERS} for dummy in range(3))
    recovery = pyotp.random_base32()
    secrets = [*old.values(), *new.values(), *backup.values(), recovery]
    (store / "alice").write_text(new["alice"])
    users = [{"name": n, "secret": old[n], "backup_secret": backup[n]} for n in USERS]
    users[0]["recovery_secret"] = recovery
    base = {
        "leaks_users": users,
        "twofactor_users": users,
        "twofactor_digits": 8,
        "twofactor_guard": False,
        "twofactor_services": ["sudo"],
        "twofactor_exempt_users": ["ansible", "root"],
        "ntp_servers": ["clock"],
        "twofactor_hosts": "fleet",
        "leaks_renewed": [{"name": n, "secret": new[n]} for n in USERS],
        "leaks_code": f"{sys.executable} -c '{CODE}' {store}/alice",
        "leaks_plant": options.plant,
        "reason": "phones lost",
    }
    pattern = pattern_of(secrets, [])
    roots = {host: f"/proc/{_init_of(host)}/root" for host in HOSTS}
    watches = []
    for number, pipelining in enumerate([True] if options.short else [True, False]):
        (store / "vars.json").write_text(json.dumps({**base, "leaks_word": f"word {number}"}))
        for name in (
            "fleetauth.twofactor.site",
            str(HERE / "everything.yml"),
            "fleetauth.twofactor.emergency_disable",
        ):
            with Watch(pattern, roots, pipelining) as watch:
                _play(name, run, store, pipelining)
            watches.append((name, watch))
    codes = _codes([*old.values(), *new.values(), *backup.values()], began)
    return report(run, store, since, secrets, codes, watches)


def _init_of(host: str) -> int:
    """Return the number, on this machine, of a host's first process."""
    wanted = lab("shell", host, "--", "cat", "/etc/machine-id").strip()
    for name in sorted((n for n in os.listdir("/proc") if n.isdigit()), key=int):
        try:
            if Path(f"/proc/{name}/root/etc/machine-id").read_text().strip() == wanted:
                return int(name)
        except OSError:
            continue
    raise SystemExit(f"{host} has no process")


def _play(playbook: str, run: Path, store: Path, pipelining: bool) -> None:
    env = {
        **ENV,
        "ANSIBLE_HOME": str(run / "home"),
        "ANSIBLE_PIPELINING": str(int(pipelining)),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(run / "facts"),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "everything",
        "ANSIBLE_LOG_PATH": str(run / "ansible.log"),
        "ANSIBLE_RETRY_FILES_ENABLED": "1",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": str(run / "retry"),
        "ANSIBLE_KEEP_REMOTE_FILES": "0",
        "LEAKS_EVENTS": str(run / "events.json"),
    }
    command = [
        *(f"{BIN}/ansible-playbook", "-i", f"{run}/lab.yml", "-i", f"{run}/fleet.yml"),
        *("-e", f"@{store}/vars.json", "-vvvv", "--diff", playbook),
    ]
    with (run / "output.txt").open("ab") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=run, check=False)
    if done.returncode != 0:
        tail = (run / "output.txt").read_text(errors="replace")[-3000:]
        raise SystemExit(f"{playbook} ended with {done.returncode}: {tail}")


def _codes(secrets: list[str], began: float) -> list[str]:
    steps = range(int(began) // 30 - 1, int(time.time()) // 30 + 2)
    return sorted({pyotp.TOTP(secret, digits=8).at(step * 30) for secret in secrets for step in steps})


def report(
    run: Path,
    store: Path,
    since: float,
    secrets: list[str],
    codes: list[str],
    watches: list[tuple[str, Watch]],
) -> int:
    pattern = pattern_of(secrets, codes)
    finds = re.compile(pattern.encode())
    places = size = 0
    hits: list[str] = []
    allowed = 0
    passing: set[str] = set()
    for name, watch in watches:
        places, size = places + len(watch.seen), size + watch.read
        hits += sorted(f"{name}: {hit}" for hit in watch.hits)
        passing |= watch.passing
        in_passing = [one for one in watch.passing if watch.pipelined and "everything" not in name]
        hits += [f"{name}, with pipelining: {one}" for one in in_passing]
    for path in _controller_files(run, store, since):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        places, size = places + 1, size + len(data)
        found = finds.search(data)
        if found:
            hits.append(f"controller: {path}: …{_blind(data, found)}")
    for host in HOSTS:
        task = {"pattern": pattern, "since": since, "folders": ["/"]}
        one = json.loads(lab("shell", host, "--", "python3", "-c", ON_HOST, stdin=json.dumps(task)))
        log = lab("shell", host, "--", "journalctl", "--no-pager", "-q", "-a", "-o", "export").encode()
        places, size = places + one["places"] + 1, size + one["bytes"] + len(log)
        hits += [f"{host}: {path}" for path in one["hits"]]
        hits += [f"{host}: its journal: …{_blind(log, found)}" for found in [finds.search(log)] if found]
        allowed += len(one["allowed"])
    for word in sorted(passing):
        print(f"leaks: passing, by Ansible itself: {word}")
    for hit in hits:
        print(f"LEAK {hit}")
    samples = sum(watch.samples for dummy, watch in watches)
    print(
        f"leaks: {len(secrets)} secrets and {len(codes)} codes looked for; {samples} looks at the process lists; "
        f"{allowed} token files hold them, as they should"
    )
    if allowed != len(HOSTS) * len(USERS):
        hits.append("the search does not find what is there")
        print(f"LEAK {hits[-1]}")
    print(f"leaks: {places} places, {size} bytes searched, {len(hits)} hits")
    return 1 if hits else 0


def _blind(data: bytes, found: re.Match[bytes]) -> str:
    """Return what stands before a find."""
    return data[max(0, found.start() - 60) : found.start()].decode(errors="replace").replace("\n", " ")


def _controller_files(run: Path, store: Path, since: float) -> Iterator[Path]:
    """Return what Ansible has written on this side: its own folders, and what is new in those for everybody."""
    home = Path.home()
    tops = [run, Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), home / ".ansible", home / ".ansible_async"]
    for top in tops:
        for where, folders, names in os.walk(top):
            folders[:] = [name for name in folders if Path(where, name) not in (store, run) or top == run]
            for name in names:
                path = Path(where, name)
                try:
                    if (
                        path.is_file()
                        and not path.is_symlink()
                        and (top == run or path.lstat().st_ctime >= since)
                    ):
                        yield path
                except OSError:
                    continue


if __name__ == "__main__":
    sys.exit(main())
