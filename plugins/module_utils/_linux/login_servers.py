# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that let users log in, known by the name of their file.

Pure code. Private to this collection: may change at any time. None of them asks for a code: they let users in by a
protocol of their own, or ask PAM in a conversation of one password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SSHD = "sshd"
_PRODUCTS = {
    "Dropbear": ("dropbear", "dropbearmulti"),
    "TinySSH": ("tinysshd",),
    "lsh": ("lshd",),
    "Teleport": ("teleport",),
    "a telnet server": ("telnetd", "in.telnetd", "utelnetd", "telnetlogin"),
    "an rlogin, rsh or rexec server": (
        *("rlogind", "in.rlogind", "rshd", "in.rshd", "rexecd", "in.rexecd"),
        *("klogind", "kshd", "uucpd"),
    ),
    "Shell In A Box": ("shellinaboxd",),
    "ttyd": ("ttyd",),
    "GoTTY": ("gotty",),
    "WeTTY": ("wetty",),
    "WebSSH": ("wssh",),
    "Sshwifty": ("sshwifty",),
    "Butterfly": ("butterfly.server.py",),
    "code-server": ("code-server",),
    "Jupyter": ("jupyterhub", "jupyter-lab", "jupyter-notebook", "jupyter-server"),
    "RStudio Server": ("rserver",),
    "Webmin or Usermin": ("miniserv.pl",),
    "Proxmox": ("pveproxy", "pmgproxy", "proxmox-backup-proxy"),
    "xrdp": ("xrdp",),
    "a VNC server": (
        *(
            "xvnc",
            "xtigervnc",
            "xtightvnc",
            "xvnc4",
            "xvncserver",
            "x11vnc",
            "x0vncserver",
            "x0tigervncserver",
        ),
        *(
            "vino-server",
            "krfb",
            "wayvnc",
            "xvnc-core",
            "vncserver-x11-core",
            "xrealvnc",
            "kasmvnc",
            "xkasmvnc",
        ),
    ),
    "GNOME Remote Desktop": ("gnome-remote-desktop-daemon",),
    "Xpra": ("xpra",),
    "NoMachine": ("nxd", "nxserver.bin"),
}
_PRODUCT_OF = {name: product for product, names in _PRODUCTS.items() for name in names}
_INTERPRETERS = re.compile(r"(python|perl|node|nodejs|ruby|bash|sh|dash)[0-9.]*$")
_MULTI_CALL = ("busybox", "toybox")
_STARTERS = re.compile(
    r"(tcpserver|tcpsvd|ipsvd|s6-tcpserver.*|s6-ipcserver.*|socat[0-9]*|ncat|nc(\..*)?|systemd-socket-activate|tcpd|env|"
    r"sudo|setpriv|nice|ionice|taskset|chroot|unshare|nsenter|ip|busybox|toybox)$"
)
_SEPARATORS = re.compile(r"[\s,:;\"'=()]+")

MARKS = {
    b"authenticationmethods\0": SSHD,
    b"SSH-2.0-dropbear": "Dropbear",
    b"SSH-2.0-tinyssh": "TinySSH",
}
"""What the file of a program has in it, under whatever name: sshd's keyword, the greeting of others."""


@dataclass(frozen=True)
class Server:
    """A login server: what it is, and the words with which an sshd was started, its program first.

    ``words`` are empty where another program starts it, so that they cannot be told for sure.
    """

    product: str
    words: tuple[str, ...] = ()


def known_as(program: str) -> str | None:
    """Return the product that a program's file belongs to, SSHD for an sshd, None for anything else."""
    name = os.path.basename(program).lower()
    return SSHD if name == "sshd" else _PRODUCT_OF.get(name)


def recognize(program: str, words: Sequence[str]) -> Server | None:
    """Return the login server that a command is or starts, None where it is none that is known.

    ``program`` is the path of its file, ``words`` its argument vector.
    """
    product = known_as(program)
    if product is not None:
        return Server(product, (program, *words[1:]))
    name = os.path.basename(program).lower()
    if _INTERPRETERS.match(name):
        return _first(_script(words))
    if name in _MULTI_CALL:
        return _first([*words[:1], *words[1:2]])
    if _STARTERS.match(name):
        return _first(split_words(words[1:]))
    return None


def _script(words: Sequence[str]) -> list[str]:
    """Return the words of an interpreter's command that may name what it runs: a title, a module, a script's path."""
    named = [word for word in words[:1] if not _INTERPRETERS.match(os.path.basename(word.split(" ")[0]))]
    if "-c" in words:
        return [*named, *split_words(words[words.index("-c") + 1 :])]
    scripts = [word for word in words[1:] if not word.startswith("-")]
    return [*(word.split(" ")[0] for word in named), *"/".join(scripts[:1]).split("/")]


def split_words(texts: Iterable[str]) -> list[str]:
    """Return the words of some texts of other programs' languages: a shell's, socat's, inetd's."""
    return [word for text in texts for word in _SEPARATORS.split(text) if word]


def _first(words: Iterable[str]) -> Server | None:
    for word in words:
        product = known_as(word)
        if product is not None:
            return Server(product)
    return None


def in_script(text: str) -> str | None:
    """Return the login server that a script starts by its path, None for any other script."""
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    server = _first(word for word in split_words(lines) if word.startswith("/"))
    return server.product if server else None


def in_inetd_conf(text: str) -> list[str]:
    """Return the login servers that a file of inetd's or xinetd's starts (inetd.conf(5), xinetd.conf(5))."""
    found: list[str] = []
    for block in re.split(r"^\s*service\s", text, flags=re.MULTILINE):
        if re.search(r"^\s*disable\s*=\s*yes\s*$", block, re.MULTILINE | re.IGNORECASE):
            continue
        lines = [line for line in block.split("\n") if not line.lstrip().startswith("#")]
        products = [known_as(word) for word in split_words(lines) if word.startswith("/")]
        found += [product for product in products if product is not None]
    return list(dict.fromkeys(found))
