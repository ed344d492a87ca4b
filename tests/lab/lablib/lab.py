# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: its hosts, its key, its network, and what is done to them together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from . import chrony, images
from .cgroups import Group, remove_slice
from .common import STATE, LabError, ensure_packages, locked, read_json, run
from .definitions import image_named
from .host import Host, HostEnded, create
from .network import FIRST_HOST, LAST_HOST, Network, allocate, raise_limits, restore_limits

TOOLS = {
    "systemd-container": "/usr/bin/systemd-nspawn",
    "iproute2": "/usr/sbin/ip",
    "openssh-client": "/usr/bin/ssh-keygen",
}

PATIENCE = float(os.environ.get("FLEETAUTH_LAB_PATIENCE", "120"))
# Booting is work for the processor; more at once than this only makes each of them slower.
AT_ONCE = 2 * (os.cpu_count() or 1)


class Lab:
    """The lab called ``name``; its folder comes with the first host."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = STATE / name
        self.key = self.folder / "key"
        self.known_hosts = self.folder / "known_hosts"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let only one command at a time change the lab."""
        with locked(f"lab.{self.name}", f"the lab {self.name!r}"):
            yield

    def exists(self) -> bool:
        """Say whether the lab has anything on this machine."""
        return (self.folder / "lab.json").exists()

    @property
    def network(self) -> Network:
        """Return the lab's network."""
        record = read_json(self.folder / "lab.json")
        if record is None:
            raise LabError(f"the lab {self.name!r} is not up")
        return Network(record["index"])

    def host(self, name: str) -> Host:
        """Return one host."""
        return Host(self.folder / "hosts" / name, self.name, self.network)

    def hosts(self) -> list[Host]:
        """Return all hosts in the order of their addresses."""
        names = [record.parent.name for record in self.folder.glob("hosts/*/host.json")]
        return sorted((self.host(name) for name in names), key=lambda host: host.number)

    def up(self, wanted: dict[str, str]) -> None:
        """Make what hosts are missing and boot what is not running."""
        self._check(wanted)
        ensure_packages(TOOLS)
        images.ensure(set(wanted.values()))
        allocate(self.name)
        self._make_key()
        self.network.up()
        raise_limits()
        for name, image in wanted.items():
            if not (self.folder / "hosts" / name / "host.json").exists():
                self._create(name, image)
        self._write_names()
        self._boot(self.host(name) for name in wanted)

    def _check(self, wanted: dict[str, str]) -> None:
        for name, image in wanted.items():
            image_named(image)
            record = read_json(self.folder / "hosts" / name / "host.json")
            if record and record["image"] != image:
                raise LabError(f"{name} is a {record['image']} host; `lab down {name}` first")

    def _make_key(self) -> None:
        if not self.key.with_suffix(".pub").exists():
            self.key.unlink(missing_ok=True)
            comment = f"fleetauth-lab-{self.name}"
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", self.key)
            # Who came here through sudo runs Ansible as himself.
            os.chown(self.key, int(os.environ.get("SUDO_UID", "0")), -1)

    def _create(self, name: str, image: str, number: int | None = None) -> None:
        public_key = self.key.with_suffix(".pub").read_text(encoding="ascii")
        if number is None:
            taken = {host.number for host in self.hosts()}
            free = set(range(FIRST_HOST, LAST_HOST + 1)) - taken
            if not free:
                raise LabError(f"the lab {self.name!r} is full")
            number = min(free)
        with images.kept():
            create(self.folder / "hosts" / name, image, number, self.network, public_key)

    def _write_names(self) -> None:
        """Let hosts know each other by name, and let ssh on this machine know their keys."""
        hosts = self.hosts()
        text = names_of(hosts)
        for host in hosts:
            host.write_hosts(text)
        keys = "".join(f"{host.address},{host.name} {host.host_key}\n" for host in hosts)
        self.known_hosts.write_text(keys, encoding="ascii")

    def _boot(self, hosts: Iterable[Host]) -> None:
        """Boot hosts, some at a time; one that fails does not stop the others."""
        failures = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(boot, host) for host in hosts]
            for future in as_completed(running):
                try:
                    print(future.result(), flush=True)
                except (LabError, OSError) as error:
                    failures.append(str(error))
        if failures:
            raise LabError("\n\n".join(failures))

    def restart(self, host: Host) -> None:
        """Cut a host's power and switch it on again."""
        host.kill()
        self._boot([host])

    def reset(self, names: list[str]) -> None:
        """Give hosts a fresh disk and boot them."""
        images.ensure({self.host(name).image for name in names})
        for name in names:
            host = self.host(name)
            host.kill()
            self._create(name, host.image, host.number)
        self._write_names()
        self._boot(self.host(name) for name in names)

    def snapshot(self, word: str, names: list[str]) -> None:
        """Keep the disks of hosts as snapshots of that name; the hosts are booted anew on these."""
        hosts = [self.host(name) for name in names]
        for host in hosts:
            if host.has_snapshot(word):
                raise LabError(
                    f"{host.name} has a snapshot {word!r} already; `lab reset {host.name}` removes it"
                )
        names_known = names_of(self.hosts())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda host: freeze(host, word, names_known), hosts))
        self._boot(hosts)

    def restore(self, names: list[str], word: str = "") -> None:
        """Give hosts back the disk of a snapshot, by default the one that each stands on, and boot them."""
        hosts = [self.host(name) for name in names]
        for host in hosts:
            if not (word or host.snapshot):
                raise LabError(f"{host.name} has no snapshot; `lab snapshot WORD {host.name}` takes one")
        names_known = names_of(self.hosts())
        for host in hosts:
            host.kill()
            host.put_back(word or host.snapshot, names_known)
        self._boot(hosts)

    def down(self, names: list[str]) -> None:
        """Remove hosts; without names everything that is the lab's."""
        if not self.exists():
            images.remove_tree(self.folder)  # what a killed `down` had not got to
            return
        for host in [self.host(name) for name in names] or self.hosts():
            host.remove()
        if names:
            self._write_names()
            return
        # Folders without a record are hosts that a killed command was about to make or to remove.
        for leftover in self.folder.glob("hosts/*"):
            Group(self.name, leftover.name).kill()
        self.network.down()
        images.remove_tree(self.folder)
        if not any(STATE.glob("*/lab.json")):
            remove_slice()
            restore_limits()


def names_of(hosts: list[Host]) -> str:
    """Return /etc/hosts with the names of all hosts of a lab."""
    names = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    aliased = any(host.name == "timeserver" for host in hosts)
    for host in hosts:
        # Whatever the time server is called, hosts also find it under this name.
        alias = " timeserver" if host.image == "timeserver" and not aliased else ""
        aliased = aliased or bool(alias)
        names.append(f"{host.address} {host.name}{alias}")
    return "\n".join(names) + "\n"


def freeze(host: Host, word: str, names: str) -> None:
    """Shut a host down, its clock's measurements kept, and make its disk a snapshot."""
    if host.group.leader() is not None:
        chrony.prepare_resume(host)
    host.power_off(PATIENCE)
    host.keep(word, names)


def boot(host: Host) -> str:
    """Boot a host unless it runs, wait for its sshd, and return a line about it."""
    start = time.monotonic()
    took = "is up"
    if host.state() == "cut":
        took = "is cut off; `lab mend` puts its network back"
    elif not is_up(host):
        host.boot()
        host.wait(PATIENCE)
        took = f"booted in {time.monotonic() - start:.1f} s"
    return f"{host.name:<20} {host.image:<16} {host.address:<16} {took}"


def is_up(host: Host) -> bool:
    """Say whether a host runs, once it is clear whether it is only on its way down."""
    deadline = time.monotonic() + PATIENCE
    while host.is_going_down() and time.monotonic() < deadline:
        time.sleep(0.2)
    if not host.group.processes():
        return False
    try:
        host.wait(PATIENCE)
    except HostEnded:
        return False
    return True


def inventory(lab: Lab) -> str:
    """Return the hosts as an Ansible inventory, written by hand as Python's library has no YAML."""
    groups: dict[str, list[Host]] = {}
    for host in lab.hosts():
        groups.setdefault(host.image.replace("-", "_").replace(".", "_"), []).append(host)
    common = f"-o UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=accept-new"
    lines = [
        "all:",
        "  vars:",
        "    ansible_user: ansible",
        "    ansible_become: true",
        f"    ansible_ssh_private_key_file: {lab.key}",
        f'    ansible_ssh_common_args: "{common} -o IdentitiesOnly=yes"',
        "    ansible_python_interpreter: /usr/bin/python3",
        "  children:" if groups else "  children: {}",
    ]
    for group, hosts in groups.items():
        lines += [f"    {group}:"]
        user = image_named(hosts[0].image).user
        if user != "ansible":
            lines += ["      vars:", f"        ansible_user: {user}"]
        if user == "root":
            lines += ["        ansible_become: false"]
        lines += ["      hosts:"]
        for host in hosts:
            lines += [f"        {host.name}:", f"          ansible_host: {host.address}"]
    return "\n".join(lines) + "\n"
