#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leak hunt: one run of everything at -vvvv, then a search of every place where a secret could have come to rest.

    leaks.py [--short]

Two hosts of the lab are taken from nothing to a second factor and back, with pipelining and without: the playbooks
enroll, site (the roles ntp, sshd and twofactor), rotate and status, each module directly, async, refusals, and the
emergency; with --diff, a fact
cache, a callback that writes down all that callbacks are handed, a log file and retry files. Meanwhile the process
lists are read every 50 ms (those of the hosts are part of the machine's) and so is what lies in Ansible's folders on
the hosts. Then everything printed or written is searched for each secret, in base32, hexadecimal and base64, upper and
lower case, in groups of four, and so in any otpauth URI, and for the codes that were right at some time of the run.

Where a secret may be: the token files, the store, the sheets, and nothing else. One more is
not this collection's to prevent: without pipelining, and always with async, Ansible itself sends a module's options as
a file below ~/.ansible/tmp (mode 0600, in a folder of mode 0700) and removes it when the module has ended. Those are
counted apart ("passing"), must be closed to others, and must be gone at the end; with pipelining and without async
there must be none.

In the end a secret is leaked on purpose in as many ways as there are places to look at, and each has to be found:
otherwise finding nothing says nothing. --short leaves out the runs without pipelining. The last line says how many runs
there were, for how many secrets, and the hits.
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
from typing import NamedTuple

import pyotp
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAB = ROOT / "tests" / "lab" / "lab"
BIN = Path(sys.executable).parent
HOSTS = ("debian12", "debian13")
USERS = ("alice", "bob", "carol")
MADE_BY_HOSTS = "dora"
"""A user without a secret in the store: each host makes one, which goes onto a sheet."""
ENV = {**os.environ, "FLEETAUTH_LAB": os.environ.get("FLEETAUTH_LAB", "leaks")}
_EIGHT_DIGITS = re.compile(rb"(?<![0-9])[0-9]{8}(?![0-9])")
EVERY = 0.05
"""Seconds between two looks at the process lists."""
PLAYBOOKS = (
    *("fleetauth.twofactor.enroll", "fleetauth.twofactor.site", "fleetauth.twofactor.rotate"),
    *(str(HERE / "everything.yml"), "fleetauth.twofactor.status", "fleetauth.twofactor.emergency_disable"),
)
PLANTED = ("output.txt", "ansible.log", "events.json", "facts", "/var/tmp/planted", "journal", "process list")
"""Where the leaks on purpose are, by a part of the place's name."""
CODE = "import pyotp,sys; print(pyotp.TOTP(open(sys.argv[1]).read().strip(), digits=8).now())"

ON_HOST = r"""
import json, os, re, sys
task = json.load(sys.stdin)
literals = [word.encode() for word in task["secrets"]]
codes = {code.encode() for code in task["codes"]}
eight_digits = re.compile(task["eight_digits"].encode())
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
            alone = eight_digits.finditer(data) if codes else ()
            if any(word in data for word in literals) or any(m.group() in codes for m in alone):
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


class Needles:
    """What is looked for: secrets in any form anywhere, and codes where they stand alone."""

    def __init__(self, secrets: list[str], codes: list[str]) -> None:
        self.secrets = [form for secret in secrets for form in forms(secret)]
        self.codes = codes
        self._literals = [form.encode() for form in self.secrets]
        self._codes = {code.encode() for code in codes}

    def find(self, data: bytes) -> int:
        """Return where the first one is, -1 when there is none. Fast, since the data is large and clean."""
        for literal in self._literals:
            place = data.find(literal)
            if place >= 0:
                return place
        return next((m.start() for m in _EIGHT_DIGITS.finditer(data) if m.group() in self._codes), -1)


@dataclass
class Watch:
    """What is looked at while Ansible runs."""

    needles: Needles
    roots: dict[str, str]
    pipelined: bool = True
    samples: int = 0
    read: int = 0
    seen: set[bytes] = field(default_factory=set)
    hits: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
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

    def look_again(self, needles: Needles) -> None:
        """Search the process lists once more, for secrets and codes that have become known since."""
        found = [data for data in self.seen if needles.find(data) >= 0]
        self.hits |= {"process list: " + data[:60].decode(errors="replace") for data in found}

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
                if self.needles.find(data) >= 0:
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
            if not os.path.isfile(path) or self.needles.find(Path(path).read_bytes()) < 0:
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
    options = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="leaks-run-") as run,
            tempfile.TemporaryDirectory(prefix="store-") as store,
        ):
            (Path(store) / "password").write_text(pyotp.random_base32())
            return hunt(Path(run), Path(store), options)
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")


def hunt(run: Path, store: Path, options: argparse.Namespace) -> int:
    began, since = time.time(), time.time() - 1
    _boot(run)
    roots = {host: f"/proc/{_init_of(host)}/root" for host in HOSTS}
    old, new, backup = ({name: pyotp.random_base32() for name in USERS} for dummy in range(3))
    recovery = [pyotp.random_base32()]
    (store / "alice").write_text(new["alice"])
    users = [{"name": n, "secret": old[n], "backup_secret": backup[n]} for n in USERS]
    users[0]["recovery_secret"] = recovery[0]
    base = {
        "leaks_users": users,
        "leaks_renewed": [{"name": n, "secret": new[n]} for n in USERS],
        "leaks_code": f"{sys.executable} -c '{CODE}' {store}/alice",
        **_variables(store),
    }
    secrets = [*old.values(), *new.values(), *backup.values()]
    watches = []
    for number, pipelining in enumerate([True] if options.short else [True, False]):
        words = {"leaks_word": f"word {number}", "renewal": f"q{number}"}
        if pipelining:  # a renewal whose old secrets are still good is not followed by another such
            words["accept_until"] = "2999-12-31"
        (store / "vars.json").write_text(json.dumps({**base, **words}))
        for name in PLAYBOOKS:
            with Watch(Needles([*secrets, *recovery], []), roots, pipelining) as watch:
                _play(name, run, store, pipelining)
            watches.append((name, watch))
            for fresh in _in_store(store):
                (recovery if fresh.is_recovery else secrets).append(fresh.secret)
            secrets += _made_by_hosts()
            secrets, recovery = sorted({*secrets}), sorted({*recovery})
    codes = _codes(secrets, recovery, began)
    needles = Needles([*secrets, *recovery], codes)
    for dummy, watch in watches:
        watch.look_again(needles)  # for what was made while it ran, too
    searched = search(run, store, since, needles)
    hits = report(searched, watches)
    missed = missed_leaks(run, store, roots)
    for place in missed:
        print(f"LEAK that was put there on purpose and not found: {place}")
    print(
        f"leaks: {len(watches)} runs, {len(secrets) + len(recovery)} secrets and {len(codes)} codes in "
        f"{searched.places} places, {hits} hits; {len(PLANTED) - len(missed)} of {len(PLANTED)} leaks made on "
        "purpose found"
    )
    return 1 if hits or missed else 0


def _boot(run: Path) -> None:
    lab("up", "clock=timeserver", *(f"{host}={host}" for host in HOSTS))
    (run / "lab.yml").write_text(lab("inventory"))
    (run / "fleet.yml").write_text(
        json.dumps({"all": {"children": {"fleet": {"children": {host: {} for host in HOSTS}}}}})
    )
    for host in HOSTS:
        names = " ".join((*USERS, MADE_BY_HOSTS))
        script = f"for u in {names}; do id $u >/dev/null 2>&1 || useradd -m -s /bin/bash $u; done"
        lab("shell", host, "--", "sh", "-c", script)


def _variables(store: Path) -> dict[str, object]:
    """Return what the playbooks are told."""
    return {
        "twofactor_users": "{{ query('fleetauth.twofactor.secret') + leaks_made_by_hosts }}",
        "leaks_made_by_hosts": [{"name": MADE_BY_HOSTS}],
        "twofactor_people": USERS,
        "twofactor_store": f"{store}/store.yml",
        "twofactor_sheets": f"{store}/sheets",
        "twofactor_sheet_formats": ["html", "svg", "png", "txt"],
        "twofactor_backup": True,
        "twofactor_issuer": "Example Fleet",
        "twofactor_digits": 8,
        "twofactor_guard": False,
        "twofactor_services": ["sudo"],
        "twofactor_exempt_users": ["ansible", "root"],
        "ntp_servers": ["clock"],
        "twofactor_hosts": "fleet",
        "twofactor_status_fail_on": "never",
        "reason": "phones lost",
    }


class Fresh(NamedTuple):
    """A secret that the collection made by itself."""

    secret: str
    is_recovery: bool


def _in_store(store: Path) -> list[Fresh]:
    """Return the secrets that the store holds now."""
    view = [
        f"{BIN}/ansible-vault",
        "view",
        "--vault-password-file",
        f"{store}/password",
        f"{store}/store.yml",
    ]
    data = yaml.safe_load(subprocess.run(view, capture_output=True, check=True).stdout)
    pairs = [pair for user in data["users"].values() for pair in user.items() if pair[0].endswith("secret")]
    return [Fresh(value, "recovery" in name) for name, value in pairs]


def _made_by_hosts() -> list[str]:
    """Return the secrets that hosts have made by now."""
    script = f"cat /var/lib/twofactor/tokens/{MADE_BY_HOSTS}.oath 2>/dev/null || true"
    texts = [lab("shell", host, "--", "sh", "-c", script) for host in HOSTS]
    return [base64.b32encode(bytes.fromhex(text.split()[3])).decode() for text in texts if text]


def missed_leaks(run: Path, store: Path, roots: dict[str, str]) -> list[str]:
    """Leak a secret in every place, search all of them, and return those where it was not found."""
    secret, since = pyotp.random_base32(), time.time() - 1
    planted = {"leaks_planted": secret, "leaks_planted_hex": base64.b32decode(secret).hex()}
    (store / "vars.json").write_text(json.dumps(planted))
    needles = Needles([secret], [])
    with Watch(needles, roots) as watch:
        _play(str(HERE / "plant.yml"), run, store, pipelining=True)
    found = [*watch.hits, *search(run, store, since, needles).hits]
    return [place for place in PLANTED if not any(place in hit for hit in found)]


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
        *(
            "-e",
            f"@{store}/vars.json",
            "--vault-password-file",
            f"{store}/password",
            "-vvvv",
            "--diff",
            playbook,
        ),
    ]
    with (run / "output.txt").open("ab") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=run, check=False)
    if done.returncode != 0:
        tail = (run / "output.txt").read_text(errors="replace")[-3000:]
        raise SystemExit(f"{playbook} ended with {done.returncode}: {tail}")


def _codes(secrets: list[str], recovery: list[str], began: float) -> list[str]:
    """Return the codes that were right at some time of the run, and all recovery codes."""
    steps = range(int(began) // 30 - 1, int(time.time()) // 30 + 2)
    timed = {pyotp.TOTP(secret, digits=8).at(step * 30) for secret in secrets for step in steps}
    return sorted(timed | {pyotp.HOTP(secret, digits=8).at(n) for secret in recovery for n in range(10)})


@dataclass
class Searched:
    """What a search has come to. ``allowed`` are token files, where secrets may be."""

    places: int = 0
    size: int = 0
    allowed: int = 0
    hits: list[str] = field(default_factory=list)


def search(run: Path, store: Path, since: float, needles: Needles) -> Searched:
    """Search all that was written since, here and on the hosts, and the hosts' journals."""
    done = Searched()
    task = {"secrets": needles.secrets, "codes": needles.codes, "since": since, "folders": ["/"]}
    task["eight_digits"] = _EIGHT_DIGITS.pattern.decode()
    for path in _controller_files(run, store, since):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        done.places, done.size = done.places + 1, done.size + len(data)
        place = needles.find(data)
        if place >= 0:
            done.hits.append(f"controller: {path}: …{_blind(data, place)}")
    for host in HOSTS:
        one = json.loads(lab("shell", host, "--", "python3", "-c", ON_HOST, stdin=json.dumps(task)))
        log = lab("shell", host, "--", "journalctl", "--no-pager", "-q", "-a", "-o", "export").encode()
        done.places, done.size = done.places + one["places"] + 1, done.size + one["bytes"] + len(log)
        done.hits += [f"{host}: {path}" for path in one["hits"]]
        place = needles.find(log)
        done.hits += [f"{host}: its journal: …{_blind(log, place)}"] if place >= 0 else []
        done.allowed += len(one["allowed"])
    return done


def report(searched: Searched, watches: list[tuple[str, Watch]]) -> int:
    """Print what was found, in the search and while Ansible ran; return the number of hits."""
    hits = list(searched.hits)
    passing: set[str] = set()
    for name, watch in watches:
        searched.places, searched.size = searched.places + len(watch.seen), searched.size + watch.read
        hits += sorted(f"{name}: {hit}" for hit in watch.hits)
        passing |= watch.passing
        in_passing = [one for one in watch.passing if watch.pipelined and "everything" not in name]
        hits += [f"{name}, with pipelining: {one}" for one in in_passing]
    if searched.allowed != len(HOSTS) * len((*USERS, MADE_BY_HOSTS)):
        hits.append(f"{searched.allowed} token files hold secrets, and not one for each user of each host")
    for word in sorted(passing):
        print(f"leaks: passing, by Ansible itself: {word}")
    for hit in hits:
        print(f"LEAK {hit}")
    samples = sum(watch.samples for dummy, watch in watches)
    print(f"leaks: {searched.size} bytes searched, {samples} looks at the process lists")
    return len(hits)


def _blind(data: bytes, place: int) -> str:
    """Return what stands before a find."""
    return data[max(0, place - 60) : place].decode(errors="replace").replace("\n", " ")


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
