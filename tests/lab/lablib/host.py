# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: its folder, what is its own on the disk, and booting and ending it.

    upper/        what the host has changed on its image or snapshot (overlay)
    snapshots/    what snapshots have in place of that: WORD/root/, read-only from then on
    host.json     its name, image, number and snapshot; written last, so a folder without it is no host
    console.log   what nspawn and the host's systemd said

The overlay is mounted in a mount namespace of the nspawn process, so it goes when that goes.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import time
import uuid
from pathlib import Path

from . import images
from .cgroups import Group
from .common import LabError, read_json, run, write_json
from .definitions import has_penalties, image_named, key_of
from .network import Network, forget_connections, remove_link
from .overlay import Upper, read

BOOT = """\
lower=$1 folder=$2
shift 2
rm -rf "$folder/work" "$folder/old"
mkdir -p "$folder/work" "$folder/root"
# The page cache outlives a host, so nothing is lost when the overlay does not write through.
mount -t overlay lab "$folder/root" \\
    -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work,volatile"
code=133
# 133 is how nspawn says that the host wants to be started again: systemctl reboot.
while [ "$code" -eq 133 ]; do
    code=0
    systemd-nspawn "$@" --directory="$folder/root" || code=$?
done
echo "lab: the host has ended ($code)"
"""

# Sorts before the packaged 80-container-host0.network. A cable that is cut and mended must not
# cost the address, as a switch that fails farther away would not either.
NETWORK = """\
[Match]
Name=host0

[Network]
Address={address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
IgnoreCarrierLoss=yes
"""

# SSH_MSG_DISCONNECT "by application" (RFC 4253, 6 and 11.1): length, padding, type, reason, texts.
GOODBYE = struct.pack(">IBBIII6x", 20, 6, 1, 11, 0, 0)

SHELL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HostEnded(LabError):
    """A host ended while somebody waited for it."""


class Host:
    """A host of a lab, running or not."""

    def __init__(self, folder: Path, lab: str, network: Network) -> None:
        record = read_json(folder / "host.json")
        if record is None:
            raise LabError(f"there is no host {folder.name!r} in the lab {lab!r}; see `lab list`")
        self.folder = folder
        self.name = folder.name
        self.image: str = record["image"]
        self.key: str = record["key"]
        self.number: int = record["number"]
        self.snapshot: str = record.get("snapshot", "")
        self.network = network
        self.address = network.address(self.number)
        self.group = Group(lab, self.name)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> str:
        """Return the public key by which the host's sshd is known."""
        return read([self.upper, *self.layers()], "etc/ssh/ssh_host_ed25519_key.pub").strip()

    @property
    def upper(self) -> Path:
        """Return the folder with the host's own part of its disk."""
        return self.folder / "upper"

    def layers(self) -> list[Path]:
        """Return the folders beneath the host's own, the uppermost first."""
        return [*self._snapshot_layers(self.snapshot), *images.layers(self.key)]

    def _snapshot_layers(self, word: str) -> list[Path]:
        if not word:
            return []
        folder = self._snapshot_folder(word)
        record = read_json(folder / "snapshot.json")
        if record is None:
            raise LabError(
                f"{self.name} has no snapshot {word!r}; `lab snapshot {word} {self.name}` takes it"
            )
        return [folder / "root", *self._snapshot_layers(record["below"])]

    def _snapshot_folder(self, word: str) -> Path:
        return self.folder / "snapshots" / word

    def disk(self) -> Upper:
        """Return the host's own part of its disk, to write while the host is stopped; made where it is missing."""
        return Upper(self.upper, self.layers())

    def state(self) -> str:
        """Return running, cut (its cable is out) or stopped."""
        leader = self.group.leader()
        if leader is None:
            return "stopped"
        # Until nspawn has become systemd it is still plugging the cable in.
        plugged = name_of(leader) != "systemd" or not self.network.is_cut(self.number)
        return "running" if plugged else "cut"

    def boot(self) -> None:
        """Start the host's nspawn process; see wait() for when it is of use."""
        self.kill()
        command = [
            *self.group.launcher(),
            *("unshare", "--mount", "--propagation", "slave", "--"),
            *("sh", "-euc", BOOT, "fleetauth-lab-host"),
            ":".join(str(layer) for layer in self.layers()),
            str(self.folder),
            *("--boot", "--quiet", "--register=no", "--keep-unit", "--link-journal=no"),
            *("--resolv-conf=off", "--timezone=off", f"--hostname={self.name}"),
            f"--machine={self.network.machine(self.number)}",
            f"--network-bridge={self.network.bridge}",
        ]
        # Debian 13's systemd starts on the unified hierarchy only. nspawn can give a host that on
        # a machine with the old one too; the kernel then just offers no controllers in it.
        settings = {
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_LOCK": "0",
            "TERM": "dumb",
        }
        with open(self.folder / "console.log", "ab") as console:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={"PATH": SHELL_PATH, **settings},
                cwd="/",
                start_new_session=True,
            )

    def wait(self, patience: float) -> None:
        """Return when the host lets users in through sshd; raise HostEnded if it does not last."""
        deadline = time.monotonic() + patience
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: no answer from sshd after {patience:.0f} s\n{self.console()}")
            if self._has_ended():
                raise HostEnded(f"{self.name}: the host ended while it booted\n{self.console()}")
            time.sleep(0.05)

    def _has_ended(self) -> bool:
        # What we started is the supervising process itself; an earlier command's is in its group.
        return self.process.poll() is not None if self.process else not self.group.processes()

    def is_going_down(self) -> bool:
        """Say whether the host has been told to stop or reboot and is still at it."""
        leader = self.group.leader()
        if leader is None:
            return False
        # For the last steps systemd gives its place to systemd-shutdown.
        if "shutdow" in name_of(leader):
            return True
        # A host in trouble may not answer; it is taken for one that stays.
        return self.ask("timeout", "5", "systemctl", "is-system-running").strip() == "stopping"

    def _is_ready(self) -> bool:
        """Look from inside first: a connection tried too early costs a second of ARP silence."""
        leader = self.group.leader()
        if leader is None:
            return False
        try:
            # A socket of systemd's listens for both by the newer one.
            tables = [Path(f"/proc/{leader}/net/{name}") for name in ("tcp", "tcp6")]
            sockets = "".join(table.read_text(encoding="ascii") for table in tables)
        except OSError:
            return False
        if not re.search(r": \w+:0016 \w+:0000 0A ", sockets):
            return False
        # While it is there PAM turns everybody but root away.
        return not Path(f"/proc/{leader}/root/run/nologin").exists() and self._greets()

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=2) as connection:
                greeting = connection.recv(4)
                # Take leave in good order: sshd would log a hang-up as an error.
                connection.sendall(b"SSH-2.0-lab\r\n" + GOODBYE)
                while connection.recv(4096):
                    pass
                return greeting == b"SSH-"
        except OSError:
            return False

    def console(self, lines: int = 25) -> str:
        """Return the end of the console's log."""
        try:
            log = (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(nothing on the console)"
        said = [line for line in log.splitlines() if line.strip()]
        return f"the end of {self.folder}/console.log:\n" + "\n".join(said[-lines:])

    def kill(self) -> None:
        """End the host as a power cut does; what it had written stays."""
        self.group.kill()
        remove_link(self.network.veth(self.number))
        forget_connections(self.address)
        for kind in ("propagate", "unix-export"):
            leftover = Path("/run/systemd/nspawn", kind, self.network.machine(self.number))
            if leftover.is_dir():
                leftover.rmdir()

    def remove(self) -> None:
        """End the host and forget it."""
        self.kill()
        # First the record: a folder without one is no host, should we be killed halfway.
        (self.folder / "host.json").unlink(missing_ok=True)
        images.remove_tree(self.folder)

    def write_hosts(self, text: str) -> None:
        """Write /etc/hosts: through the running host, as its overlay must not change beneath it."""
        leader = self.group.leader()
        if leader is not None:
            file = Path(f"/proc/{leader}/root/etc/hosts")
            if file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
        elif read([self.upper, *self.layers()], "etc/hosts") != text:
            self.disk().write("etc/hosts", text)

    def power_off(self, patience: float) -> None:
        """Shut a running host down in good order, so that its files are complete."""
        if self.group.leader() is not None:
            self.ask("systemctl", "poweroff")
        deadline = time.monotonic() + patience
        while self.group.processes():
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.name}: still running {patience:.0f} s after poweroff\n{self.console()}"
                )
            time.sleep(0.05)
        self.kill()

    def keep(self, word: str, names: str) -> None:
        """Make the stopped host's disk a snapshot, and let the host stand on it with an empty disk of its own.

        ``names`` is what the lab has written to /etc/hosts; somebody may have added to it since.
        """
        folder = self._snapshot_folder(word)
        images.remove_tree(folder)  # one without a record, which a killed command has left
        folder.mkdir(parents=True)
        self.upper.rename(folder / "root")
        write_json(folder / "snapshot.json", {"below": self.snapshot, "names": names})
        self.put_back(word, names)

    def has_snapshot(self, word: str) -> bool:
        """Say whether the host has a snapshot of that name."""
        return (self._snapshot_folder(word) / "snapshot.json").exists()

    def put_back(self, word: str, names: str) -> None:
        """Let the stopped host stand on a snapshot, with an empty disk of its own; boot() removes the old one.

        /etc/hosts is left as it is there, unless hosts have come or gone since.
        """
        self._snapshot_layers(word)
        old = self.folder / "old"
        if self.upper.exists():
            images.remove_tree(old)
            self.upper.rename(old)
        self.snapshot = word
        record = read_json(self.folder / "host.json") or {}
        write_json(self.folder / "host.json", {**record, "snapshot": word})
        disk = self.disk()
        known = read_json(self._snapshot_folder(word) / "snapshot.json") or {}
        if known.get("names") != names:
            disk.write("etc/hosts", names)

    def ask(self, *command: str) -> str:
        """Run a command inside the running host that may fail, and return what it prints."""
        leader = self.group.leader()
        into = ("nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid")
        return run(*into, *command, check=False)

    def inside(self, command: list[str]) -> list[str]:
        """Return what runs a command as root inside the host, or a shell without one; sshd is not needed for it."""
        leader = self.group.leader()
        if leader is None:
            raise LabError(f"{self.name} is not running; `lab up` boots it")
        terminal = os.environ.get("TERM", "dumb")
        return [
            *self.group.joiner(leader),
            *("setpriv", f"--bounding-set=-all,{_capabilities(leader)}", "--"),
            *("nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid"),
            *("--cgroup", "--", "env", "-i", "-C", "/root", f"PATH={SHELL_PATH}", "HOME=/root"),
            *("USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8", f"TERM={terminal}"),
            *(command or ["bash", "--login"]),
        ]


def name_of(process: int) -> str:
    """Return the name of the program that a process runs, or nothing if it is gone."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def create(folder: Path, image: str, number: int, network: Network, public_key: str) -> None:
    """Put a new host on the disk: what it has of its own, as the upper part of its overlay."""
    images.remove_tree(folder)
    definition = image_named(image)
    seed = Upper(folder / "upper", images.layers(key_of(definition)))
    seed.write("etc/machine-id", uuid.uuid4().hex + "\n", 0o444)
    seed.write("etc/hostname", folder.name + "\n")
    seed.write("etc/systemd/network/10-lab.network", NETWORK.format(address=network.address(number)))
    seed.write("root/.ssh/authorized_keys", public_key, 0o600)
    seed.write("home/ansible/.ssh/authorized_keys", public_key, 0o600)
    if has_penalties(definition):
        # Negative tests would get the machine banned from the hosts.
        seed.write("etc/ssh/sshd_config.d/99-lab.conf", f"PerSourcePenaltyExemptList {network.subnet}\n")
    key = seed.write("etc/ssh/ssh_host_ed25519_key", "")
    key.unlink()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{folder.name}", "-f", key)
    write_json(
        folder / "host.json",
        {
            "name": folder.name,
            "image": image,
            "key": key_of(definition),
            "number": number,
            "snapshot": "",
        },
    )


def _capabilities(leader: int) -> str:
    """Return what the host's own processes may have, for setpriv(1); above all not the setting of the clock."""
    status = Path(f"/proc/{leader}/status").read_text(encoding="utf-8")
    found = re.search(r"^CapBnd:\s*(\w+)$", status, re.MULTILINE)
    allowed = int(found[1], 16) if found else 0
    return ",".join(f"+cap_{number}" for number in range(allowed.bit_length()) if allowed >> number & 1)
