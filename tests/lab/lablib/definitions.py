# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images, as data. Whatever is written here goes into an image's hash: a change rebuilds it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .common import CHECKOUT, LabError
from .overlay import files_below, is_executable


@dataclass(frozen=True)
class File:
    """A file of an image: its text, or (``source``) a file or folder of the checkout to copy."""

    path: str
    text: str = ""
    mode: int = 0o644
    source: str = ""

    def fingerprint(self) -> list[tuple[str, str, int]]:
        """Return what decides whether an image with this file has to be built again."""
        if not self.source:
            return [(self.path, self.text, self.mode)]
        top = CHECKOUT / self.source
        files = [top] if top.is_file() else files_below(top)
        if not files:
            raise LabError(f"the image's file {self.path} comes from {top}, and nothing is there")
        parts = [(self.path, self.source, self.mode)]
        for file in files:
            place = str(file.relative_to(CHECKOUT))
            parts.append((place, _digest(file.read_bytes()), int(is_executable(file))))
        return parts


@dataclass(frozen=True)
class Image:
    """An image: a Debian release (``suite``), or a layer over the image named in ``base``.

    A layer costs only what it adds. It is built without a network: what it installs has to be on
    its base's ``shelf``, the small repository inside the image from which hosts install as well.
    """

    name: str
    summary: str
    suite: str = ""
    base: str = ""
    packages: tuple[str, ...] = ()
    shelf: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    script: str = ""
    # sshd bans addresses that fail too often, from OpenSSH 9.8 on: the lab's own is exempted.
    penalties: bool = False
    # Whom Ansible logs in as; a user other than root becomes root with sudo. Not part of the image.
    user: str = "ansible"


# The shape of what images.py makes of a definition; raise it when that changes.
FORMAT = 1

PACKAGES = (
    *("systemd", "systemd-sysv", "systemd-timesyncd", "libpam-systemd", "dbus"),
    *("openssh-server", "openssh-client", "openssh-sftp-server", "sudo", "login", "passwd"),
    *("libpam-runtime", "libpam-modules", "pamtester", "faketime", "strace"),
    *("python3", "python3-apt", "ca-certificates"),
    *("iproute2", "iputils-ping", "less", "procps"),
)

# What the roles install; a web console in a Kerberos realm; other login servers.
TWOFACTOR = ("chrony", "libpam-oath", "oathtool")
CONSOLE = (
    *("cockpit-ws", "cockpit-system", "cockpit-bridge"),
    *("krb5-kdc", "krb5-admin-server", "krb5-user", "curl"),
)
LOGIN_SERVERS = ("dropbear-bin", "tinysshd", "inetutils-telnetd", "shellinabox")
# What hosts can install, with everything that it needs.
SHELF = (*TWOFACTOR, *CONSOLE, *LOGIN_SERVERS)

# What the host has on which tests/lab/core runs Ansible, and pip's settings there.
CONTROLLER = ("git", "python3-venv")
PIP_SETTINGS = """\
[global]
no-index = true
find-links = /srv/wheels
"""

# Units that cost boot time or wake up at odd moments, and matter to no test. The consoles are
# among them since nobody sits at one; network-online must not wait for a route that never comes.
MASKED = (
    *("console-getty.service", "getty.target", "getty-static.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "man-db.timer", "logrotate.timer"),
    *("systemd-networkd-wait-online.service", "systemd-pstore.service", "remote-fs.target"),
    *("systemd-hwdb-update.service", "systemd-firstboot.service", "ldconfig.service"),
)

DPKG_SETTINGS = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""

APT_SETTINGS = """\
APT::Install-Recommends "false";
Acquire::Languages "none";
DPkg::Use-Pty "false";
"""

# A host shares the machine's clock, so chronyd must measure it and never set it: -x. The package's
# own condition would keep chronyd from starting in a container at all.
CHRONY_DROP_IN = """\
[Unit]
ConditionCapability=

[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd $DAEMON_OPTS -x
"""

DEBIAN_FILES = (
    File("/etc/apt/apt.conf.d/90lab", APT_SETTINGS),
    File("/etc/apt/sources.list.d/lab.list", "deb [trusted=yes] file:/srv/repo ./\n"),
    File("/etc/dpkg/dpkg.cfg.d/lab", DPKG_SETTINGS),
    File("/etc/default/locale", "LANG=C.UTF-8\n"),
    File("/etc/systemd/system/chrony.service.d/lab.conf", CHRONY_DROP_IN),
    File("/etc/sudoers.d/ansible", "ansible ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440),
    # Without a name server a look-up fails at once instead of after a time-out.
    File("/etc/resolv.conf", "# The lab has no name server.\n"),
)

# Host keys and the machine's identity are each host's own: host.py makes them.
DEBIAN_SCRIPT = f"""\
useradd --create-home --shell /bin/bash ansible
install -d -m 0700 /root/.ssh
install -d -m 0700 -o ansible -g ansible /home/ansible/.ssh
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id
systemctl enable systemd-networkd.service
systemctl mask {" ".join(MASKED)}
apt-get -q update
"""


def _debian(number: int, suite: str, penalties: bool, shelf: tuple[str, ...] = SHELF) -> Image:
    return Image(
        name=f"debian{number}",
        summary=f"Debian {number} as it comes, with sshd, sudo, Python and PAM",
        suite=suite,
        packages=PACKAGES,
        shelf=shelf,
        files=DEBIAN_FILES,
        script=DEBIAN_SCRIPT,
        penalties=penalties,
    )


def _with_packages(number: int) -> tuple[Image, Image]:
    """Return layers that spare each host of a suite the installing."""
    base = f"debian{number}"
    return (
        Image(
            name=f"{base}-twofactor",
            summary=f"Debian {number} with the packages that the roles install",
            base=base,
            packages=TWOFACTOR,
        ),
        Image(
            name=f"{base}-console",
            summary="the same with a web console, and what a Kerberos realm takes",
            base=f"{base}-twofactor",
            packages=CONSOLE,
        ),
    )


TIME_SERVER_SETTINGS = """\
# The lab's own source of time: it serves the machine's clock, whatever that says.
local stratum 5
allow 10.0.0.0/8
driftfile /var/lib/chrony/chrony.drift
"""

# A NAS has no user ansible and knows only what its middleware wrote; zsh is its users' shell.
TRUENAS_SCRIPT = """\
userdel --remove ansible 2>/dev/null
rm /etc/sudoers.d/ansible
ln -s bash /usr/bin/zsh
"""

# See tests/truenas/README.md. The eight differ in one line: which release they are.
TRUENAS_RELEASES = (
    *("22.02.4", "22.12.4.2", "23.10.2", "24.04.2.5"),
    *("24.10.2.4", "25.04.2.6", "25.10.6", "26.0.0-BETA.3"),
)

STAND_IN = "tests/truenas"
STAND_IN_FILES = (
    File("/usr/lib/stand-in/standin", source=f"{STAND_IN}/standin"),
    File("/usr/bin/midclt", source=f"{STAND_IN}/host/midclt", mode=0o755),
    File("/usr/local/sbin/stand-in", source=f"{STAND_IN}/host/stand-in", mode=0o755),
    File("/etc/systemd/system/middlewared.service", source=f"{STAND_IN}/host/middlewared.service"),
    File("/etc/tmpfiles.d/stand-in.conf", source=f"{STAND_IN}/host/stand-in.conf"),
)


def _truenas(version: str) -> Image:
    release = ".".join(version.split(".")[:2])
    return Image(
        name=f"truenas-{release}",
        summary=f"a NAS: Debian 12 with the simulated middleware of TrueNAS SCALE {version}",
        base="truenas",
        files=(
            *STAND_IN_FILES,
            File("/etc/stand-in/release", f"{version}\n"),
            File("/etc/version", f"{version}\n"),
        ),
        script="python3 -m compileall -q /usr/lib/stand-in\nsystemctl enable middlewared.service\n",
        user="root",
    )


IMAGES: dict[str, Image] = {
    image.name: image
    for image in (
        _debian(12, "bookworm", penalties=False),
        _debian(13, "trixie", penalties=True, shelf=(*SHELF, *CONTROLLER)),
        Image(
            name="timeserver",
            summary="a Debian 12 host whose chronyd serves the time to the others",
            base="debian12",
            packages=("chrony",),
            files=(File("/etc/chrony/chrony.conf", TIME_SERVER_SETTINGS),),
        ),
        Image(
            name="controller",
            summary="a Debian 13 host on which Ansible can run",
            base="debian13",
            packages=CONTROLLER,
            files=(File("/etc/pip.conf", PIP_SETTINGS),),
        ),
        Image(
            name="truenas",
            summary="what the NASes have in common; of no use by itself",
            base="debian12",
            packages=("chrony", "libpam-oath"),
            script=TRUENAS_SCRIPT,
        ),
        *_with_packages(12),
        *_with_packages(13),
        *map(_truenas, TRUENAS_RELEASES),
    )
}


def image_named(name: str) -> Image:
    """Return an image's definition."""
    try:
        return IMAGES[name]
    except KeyError:
        raise LabError(f"there is no image {name!r}; there are {', '.join(IMAGES)}") from None


def key_of(image: Image) -> str:
    """Return the name under which the image as it is defined now lies in the cache."""
    content = {**asdict(image), "files": [file.fingerprint() for file in image.files]}
    del content["user"]
    parts = {
        "format": FORMAT,
        "base": key_of(image_named(image.base)) if image.base else "",
        "image": content,
    }
    return f"{image.name}-{_digest(json.dumps(parts).encode())[:12]}"


def has_penalties(image: Image) -> bool:
    """Say whether the image's sshd bans addresses; a layer's is its base's."""
    return has_penalties(image_named(image.base)) if image.base else image.penalties


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def source_of(file: File) -> Path:
    """Return where in the checkout a copied file comes from."""
    return CHECKOUT / file.source
