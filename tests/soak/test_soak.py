# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that go on while other users' tokens and the policy change: none fails that should work, no code works twice.

SOAK_LOGINS is how many logins there are on each host (200, or 40 with --short). Most are real ones over SSH, of many
users. One user's token file takes the others in quick succession: the PAM stack of sshd is asked with a clock that
libfaketime puts forward by a step each time, since a code is good for one login only. Each code is shown once more
right after it was accepted, and some are shown twice at the same instant. Meanwhile the host's own command adds,
renews and removes other users' tokens and changes the window, one change after the other without a pause; now and
then it is told those of the users who log in as well, which are as they were.
"""

from __future__ import annotations

import concurrent.futures
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.login.fleet import Host, Token
from tests.soak.conftest import logins_of

ROUNDS = (-6, -4, -2, 0)
"""Steps whose codes are shown; the window is never smaller than 8."""
SCRIPT = Path(__file__).with_name("on_host.py")
FOLDER = "/root/soak"
PATIENCE = 1200.0
"""Seconds."""


def test_logins_while_everything_else_changes(
    host: Host, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    logins = logins_of(request.config)
    crowd = [f"crowd{number:02}" for number in range(max(1, logins * 3 // 4 // len(ROUNDS)))]
    others = [f"other{number:02}" for number in range(6)]
    alone = logins - len(crowd) * len(ROUNDS)
    host.users("solo", *crowd, *others)
    tokens = {name: Token() for name in ["solo", *crowd, *others[:3]]}
    host.apply(
        secrets={"users": [{"name": name, "secret": token.secret} for name, token in tokens.items()]},
        policy={"state": "enabled", "window": 10, "max_failures": 0, "exempt_users": ["ansible"]},
        ssh={"state": "enabled", "methods": ["key_and_code"]},
        guard=False,
    )
    host.shell(f"mkdir -p {FOLDER}; rm -f {FOLDER}/*; cat > {FOLDER}/on_host.py", stdin=SCRIPT.read_text())
    everybody = [{"name": name, "secret": tokens[name].secret} for name in ["solo", *crowd]]
    config = {"others": others, "everybody": everybody, "solo": tokens["solo"].secret, "logins": alone}
    host.shell(f"umask 077; cat > {FOLDER}/config.json", stdin=json.dumps(config))

    for verb in ("changes", "solo"):
        host.shell(
            f"cd {FOLDER}; nohup python3 on_host.py {verb} {FOLDER} > {verb}.json 2> {verb}.err < /dev/null &"
        )
    try:
        refused, twice = _crowd(host, {name: tokens[name] for name in crowd})
        one = _wait_for(host, "solo")
    finally:
        host.shell(f"touch {FOLDER}/stop")
    made = _wait_for(host, "changes")

    record_property("logins", logins)
    record_property("refused", len(refused) + len(one["refused"]))
    record_property("at once", one["at once"])
    record_property("both", one["both"])
    record_property("twice", len(twice) + one["twice"])
    record_property("changes", made["changes"])
    assert not refused
    assert not one["refused"]
    assert not twice
    assert one["twice"] == 0
    assert made["failed"] == []
    assert made["changes"] >= 10, "the logins were over before there was a change to disturb them"


def _wait_for(host: Host, verb: str) -> dict[str, Any]:
    """Return what a half on the host has printed at its end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        text = host.shell(f"cat {FOLDER}/{verb}.json")
        if text:
            found: dict[str, Any] = json.loads(text)
            return found
        time.sleep(1)
    raise AssertionError(f"{verb} does not end: " + host.shell(f"cat {FOLDER}/{verb}.err"))


def _crowd(host: Host, tokens: dict[str, Token]) -> tuple[list[str], list[str]]:
    """Log everybody in once a round; return who was refused, and whose code was accepted again."""
    refused, twice = [], []

    def login(name: str, step: int) -> None:
        code = tokens[name].code(step)
        came = host.ssh(name, code=code, key=True)
        if not came:
            refused.append(f"{name} at {step}: {came.output} {came.prompts}")
        key = "-E 'SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA'"
        again = host.shell(f"echo {code} | pamtester {key} sshd {name} authenticate 2>&1", check=False)
        if "successfully authenticated" in again:
            twice.append(f"{name} at {step}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for step in ROUNDS:
            list(pool.map(lambda name, step=step: login(name, step), tokens))
    return refused, twice
