# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from . import images
from .common import LabError, check_host_name, lab_name
from .definitions import IMAGES, image_named
from .lab import Lab, inventory


def main(arguments: list[str]) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    action: Callable[[Lab, argparse.Namespace], None] = options.action
    # Folders that are made here become folders of hosts.
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise LabError("namespaces and bridges need root; run it with sudo")
        action(Lab(lab_name()), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    images_known = "\n".join(f"  {image.name:<18} {image.summary}" for image in IMAGES.values())
    parser = argparse.ArgumentParser(
        prog="lab",
        description="Real hosts to test on. FLEETAUTH_LAB=WORD names another lab than 'main'.",
        epilog=f"images:\n{images_known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(
        name: str, action: Callable[[Lab, argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        return command

    up = add("up", _up, "boot hosts, and make those that are new")
    up.add_argument("hosts", nargs="*", metavar="NAME[=IMAGE]", help="default: every host of the lab")
    down = add("down", _down, "remove hosts; without names the whole lab")
    down.add_argument("names", nargs="*", metavar="NAME")
    add("list", _list, "list hosts: name, image, address, state")
    add("inventory", _inventory, "print an Ansible inventory of the hosts")
    shell = add("shell", _shell, "run a command as root inside a host, without sshd")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    for name, action, text in (
        ("restart", _restart, "cut a host's power and boot it again"),
        ("cut", _cut, "take a host's network away"),
        ("mend", _mend, "give a host its network back"),
    ):
        add(name, action, text).add_argument("name", metavar="NAME")
    add("reset", _reset, "give hosts a fresh disk").add_argument("names", nargs="+", metavar="NAME")
    snapshot = add("snapshot", _snapshot, "keep what is on hosts' disks, and boot them on it")
    snapshot.add_argument("word", metavar="WORD")
    snapshot.add_argument("names", nargs="+", metavar="NAME")
    restore = add("restore", _restore, "put back what a snapshot has kept, and boot")
    restore.add_argument("--to", default="", metavar="WORD", help="default: the last one taken or restored")
    restore.add_argument("names", nargs="+", metavar="NAME")
    add("build", _build, "build images").add_argument("images", nargs="+", metavar="IMAGE")
    return parser


def _up(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        known = {host.name: host.image for host in lab.hosts()} if lab.exists() else {}
        wanted = dict(_host_and_image(word, known) for word in options.hosts) or known
        if not wanted:
            raise LabError("the lab has no hosts yet: lab up NAME=IMAGE")
        lab.up(wanted)


def _host_and_image(word: str, known: dict[str, str]) -> tuple[str, str]:
    name, _, image = word.partition("=")
    check_host_name(name)
    if not image and name not in known:
        raise LabError(f"{name} is new; which image? lab up {name}=IMAGE, with {', '.join(IMAGES)}")
    return name, image or known[name]


def _down(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        lab.down([check_host_name(name) for name in options.names])


def _list(lab: Lab, _options: argparse.Namespace) -> None:
    for host in lab.hosts() if lab.exists() else []:
        print(f"{host.name:<20} {host.image:<16} {host.address:<16} {host.state()}")


def _inventory(lab: Lab, _options: argparse.Namespace) -> None:
    print(inventory(lab), end="")


def _shell(lab: Lab, options: argparse.Namespace) -> None:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    words = lab.host(options.name).inside(command)
    os.execvp(words[0], words)


def _restart(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        lab.restart(lab.host(options.name))


def _cut(lab: Lab, options: argparse.Namespace) -> None:
    host = lab.host(options.name)
    host.network.plug(host.number, in_use=False)


def _mend(lab: Lab, options: argparse.Namespace) -> None:
    host = lab.host(options.name)
    host.network.plug(host.number, in_use=True)


def _reset(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        lab.reset(options.names)


def _snapshot(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        lab.snapshot(check_host_name(options.word), options.names)


def _restore(lab: Lab, options: argparse.Namespace) -> None:
    with lab.locked():
        lab.restore(options.names, options.to)


def _build(_lab: Lab, options: argparse.Namespace) -> None:
    images.ensure({image_named(name).name for name in options.images})
