# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS whose files are below a temporary folder and whose clock is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit, clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    later,
    notes,
    ntp,
    oath,
    report,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    Conversation,
    Line,
)


@dataclass
class Nas:
    """The files of a NAS, what was logged, and what its clock says of itself."""

    folder: Path
    clock: clock.Clock = field(default_factory=lambda: clock.Clock(True, 0.001, "192.0.2.1", "chrony"))
    logged: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    connection: str = "192.0.2.1 1111 192.0.2.2 22"
    systemctl_works: bool = True

    def run(self, command: list[str]) -> Ran:
        """Stand in for a command of the host's."""
        self.ran.append(" ".join(command))
        return Ran(0, "", "") if self.systemctl_works else Ran(1, "", "no such unit\n")

    @property
    def noted(self) -> notes.Notes:
        """What is remembered now."""
        return notes.read()

    def ssh_asks(self, asks: bool) -> None:
        """Have SSH's PAM service ask for a code, or not."""
        line = "auth required pam_oath.so usersfile=/etc/users.oath window=1"
        Path(oath.SSH_SERVICE).write_text(
            f"@include common-auth\n{'' if asks else '# '}{line}\n", encoding="ascii"
        )

    def lists(self, *users: str, interval: int = 30, digits: int = 6) -> None:
        """Have PAM know the secrets of some users."""
        lines = [f"HOTP/T{interval}/{digits}\t{name}\t-\tDEADBEEF\n" for name in users]
        Path(oath.PATH).write_text("".join(lines), encoding="ascii")


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nas:
    """A NAS on which nothing of ours is."""
    found = Nas(tmp_path)
    monkeypatch.setattr(notes, "PATH", f"{tmp_path}/data/fleetauth-twofactor.json")
    monkeypatch.setattr(notes, "LOCK", f"{tmp_path}/lock")
    monkeypatch.setattr(oath, "PATH", f"{tmp_path}/users.oath")
    monkeypatch.setattr(oath, "SSH_SERVICE", f"{tmp_path}/pam.d-sshd")
    monkeypatch.setattr(later, "FOLDER", f"{tmp_path}/data")
    monkeypatch.setattr(later, "UNIT_FOLDERS", (f"{tmp_path}/units", f"{tmp_path}/run-units"))
    monkeypatch.setattr(later, "run", found.run)
    monkeypatch.setattr(later, "find_program", lambda name: name)
    monkeypatch.setattr(audit, "connection", lambda: found.connection)
    monkeypatch.setattr(audit, "log", lambda event, **details: found.logged.append((event, details)))
    monkeypatch.setattr(clock, "read_clock", lambda: found.clock)
    monkeypatch.setattr(ntp, "read_clock", lambda: found.clock)
    monkeypatch.setattr(report, "read_clock", lambda: found.clock)
    return found


@pytest.fixture
def talks(nas: Nas) -> Iterator[Callable[..., TruenasPlatform]]:
    """Make a platform whose middleware has the conversation given, all of it."""
    conversations: list[Conversation] = []

    def platform(*lines: Line | list[Line]) -> Any:
        flat = [one for line in lines for one in (line if isinstance(line, list) else [line])]
        conversations.append(Conversation(flat))
        return TruenasPlatform(conversations[-1].nas())

    yield platform
    for conversation in conversations:
        conversation.over()
