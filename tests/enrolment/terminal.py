# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody at a terminal of a host, who runs sudo, su or login and answers what is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.login.fleet import Host

_ON_HOST = r"""
import json, os, pty, select, sys, time
asked, shown, given = [], "", json.loads(sys.argv[1])
child, terminal = pty.fork()  # a session of its own with this terminal, as login wants it
if child == 0:
    os.execvp(given["command"][0], given["command"])
end = time.monotonic() + 30
while time.monotonic() < end:
    if not select.select([terminal], [], [], 0.2)[0]:
        line = shown[shown.rfind("\n") + 1:]
        kind = "code" if "One-time" in line else "password" if "assword" in line else ""
        if line.endswith("login: ") or kind in asked:
            break  # refused: it begins anew
        if kind and line.rstrip().endswith(":"):
            asked.append(kind)
            os.write(terminal, given[kind].encode() + b"\n")
            shown += "\n"
        elif line.endswith("$ "):
            os.write(terminal, b"echo in as $(id -un); exit\n")
            shown += "\n"
        continue
    try:
        data = os.read(terminal, 4096)
    except OSError:  # it has ended, or hangs up and opens the terminal anew, as login does
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.05)
        continue
    shown += data.decode(errors="replace").replace("\r", "")
os.close(terminal)
print(json.dumps({"asked": asked, "shown": shown}))
"""


@dataclass(frozen=True)
class Talk:
    """What was asked, in order, and whose shell it ended in; empty for nobody's."""

    asked: tuple[str, ...]
    shown: str

    def is_in_as(self, user: str) -> bool:
        """Tell whether the user's shell or command ran."""
        return f"in as {user}\n" in self.shown


def talk(host: Host, command: list[str], password: str, code: str) -> Talk:
    """Run a command on a terminal of the host, answering with password and code."""
    given = json.dumps({"command": command, "password": password, "code": code})
    told = json.loads(
        host.shell(f"cat > /run/talk.json; python3 -c '{_ON_HOST}' \"$(cat /run/talk.json)\"", stdin=given)
    )
    return Talk(tuple(told["asked"]), told["shown"])
