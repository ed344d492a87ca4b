# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that an attacker owns: its Python runs nothing, writes down what it is sent, and answers as it is told."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from tests.login.fleet import Host

_PYTHON = r"""#!/bin/sh
heard=$(mktemp -p /var/liar/heard)
# Without pipelining the module is a file, and the input a terminal that has no end.
if [ $# -gt 0 ]; then cat "$@" >"$heard" 2>/dev/null; else cat >"$heard"; fi
module=$(grep -aoE "ansible_module='[a-z_.]+'" "$heard" | head -n 1 | cut -d "'" -f 2)
answers=/var/liar/answers/${module##*.}
[ -d "$answers" ] || answers=/var/liar/answers/default
# Each in turn, the first again after the last.
turn=$(cat "$answers.turn" 2>/dev/null || echo 0)
set -- "$answers"/*
echo $((turn + 1)) >"$answers.turn"
shift $((turn % $#))
cat "$1"
"""
_INSTALL = (
    "rm -rf /var/liar; mkdir -p /var/liar; tar -xf - -C /var/liar; mkdir /var/liar/heard; "
    "test -e /usr/bin/python3.honest || mv /usr/bin/python3 /usr/bin/python3.honest; "
    "rm -f /usr/bin/python3; install -m 755 /var/liar/python3 /usr/bin/python3"
)
Answers = dict[str, list[str | dict[str, Any]]]


def lie(host: Host, answers: Answers) -> None:
    """Have the host answer each module in turn with what is listed for it, or else with what is for ``default``.

    A text is printed as it is, a mapping as JSON.
    """
    files = {"python3": _PYTHON}
    for module, texts in answers.items():
        for number, text in enumerate(texts):
            plain = text if isinstance(text, str) else json.dumps(text)
            files[f"answers/{module}/{number:04}"] = plain + "\n"
    host.shell(_INSTALL, stdin=_archive(files))


def heard(host: Host) -> list[str]:
    """Return everything that the host's Python was sent since it began to lie."""
    found = host.shell(
        "cd /var/liar/heard && for file in *; do tr -d '\\000' <\"$file\"; printf '\\000'; done"
    )
    return [text for text in found.split("\0") if text]


def _archive(files: dict[str, str]) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue().decode("utf-8")
