#!/usr/bin/env python3
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of the soak that runs on a host: what changes, and the logins of one user. Standard library only.

on_host.py changes FOLDER     changes tokens and policy until FOLDER/stop is there
on_host.py solo FOLDER        logs one user in as often as FOLDER/config.json says
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import struct
import subprocess
import sys
import time
from typing import Any


def code_at(secret: str, when: float) -> str:
    """Return the code of a moment (RFC 6238)."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(when) // 30), "sha1").digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def accepted(answer: str, ahead: int) -> subprocess.Popen[str]:
    """Ask the PAM stack of sshd after a key, with a clock that is some seconds ahead; see ``came``."""
    key = ["-E", "SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA"]
    process = subprocess.Popen(
        ["faketime", "-f", f"+{ahead}s", "pamtester", *key, "sshd", "solo", "authenticate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(answer + "\n")
    process.stdin.close()
    process.stdin = None
    return process


def came(process: subprocess.Popen[str]) -> bool:
    """Wait for an answer of PAM."""
    return "successfully authenticated" in process.communicate(timeout=60)[0]


def solo(secret: str, logins: int) -> dict[str, Any]:
    """Log in again and again; every code once more when it is used, every fourth twice at the same instant."""
    refused, twice, at_once, both = [], 0, 0, 0
    for number in range(logins):
        ahead = 30 * number
        code = code_at(secret, time.time() + ahead)
        if number % 4 == 3:
            at_once += 1
            pair = [came(process) for process in [accepted(code, ahead), accepted(code, ahead)]]
            # liboath refuses whoever comes while another login writes: one of the two, at times both. It reads before
            # it locks, though, so that at times neither is; docs/threat-model.md says so.
            both += all(pair)
            if not any(pair) and not came(accepted(code, ahead)):
                refused.append(number)
        elif not came(accepted(code, ahead)):
            refused.append(number)
        twice += came(accepted(code, ahead))
    return {"refused": refused, "twice": twice, "at once": at_once, "both": both}


def changes(folder: str, others: list[str], everybody: list[dict[str, str]]) -> dict[str, Any]:
    """Change what is not the users' who log in, without a pause; they are named too, as they are."""
    made, failed = 0, []
    while not os.path.exists(os.path.join(folder, "stop")):
        kept, coming = others[:3], others[3:]
        fresh = [{"name": name, "secret": base64.b32encode(os.urandom(20)).decode()} for name in others]
        turns: list[dict[str, Any]] = [
            {"secrets": {"users": fresh[:3], "state": "renewed", "renewal": f"number {made}"}},
            {"policy": {"window": 8 + made % 3}},
            {"secrets": {"users": [*everybody, *fresh[3:]]}},
            {
                "policy": {"window": 10 - made % 3},
                "secrets": {"users": [{"name": n} for n in coming], "state": "absent"},
            },
        ]
        assert len(kept) == len(coming)
        done = subprocess.run(
            ["/usr/local/sbin/twofactor", "apply"],
            input=json.dumps({**turns[made % 4], "guard": False}),
            capture_output=True,
            text=True,
            check=False,
        )
        made += 1
        if done.returncode != 0:
            failed.append(done.stderr.strip())
    return {"changes": made, "failed": failed}


def main() -> None:
    """Run one half and print what came of it as JSON."""
    verb, folder = sys.argv[1:]
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
        config = json.load(stream)
    found = (
        changes(folder, config["others"], config["everybody"])
        if verb == "changes"
        else solo(config["solo"], config["logins"])
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
