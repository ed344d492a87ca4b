# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many users at once, and many users in one call."""

from __future__ import annotations

import base64
import os

from tests.login.fleet import Host, Token

# In sshd's place: it has accepted a key, and leaves the code to PAM.
AT_ONCE = """
import concurrent.futures, subprocess, sys
users, codes = sys.argv[1].split(","), sys.argv[2].split(",")
def login(user, code):
    command = ["pamtester", "-E", "SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA", "sshd", user, "authenticate"]
    done = subprocess.run(command, input=code + "\\n", text=True, capture_output=True)
    return "successfully authenticated" in done.stdout + done.stderr
with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
    print(sum(pool.map(login, users, codes)))
"""


def test_twenty_at_the_same_instant_ten_times_over(host: Host) -> None:
    names = [f"crowd{number:02}" for number in range(20)]
    host.users(*names)
    tokens = {name: Token() for name in names}
    host.apply(
        secrets={"users": [{"name": name, "secret": token.secret} for name, token in tokens.items()]},
        policy={"state": "enabled", "window": 10, "exempt_users": ["ansible"]},
        ssh={"state": "enabled", "methods": ["key_and_code"]},
    )
    host.shell("cat > /root/at_once.py", stdin=AT_ONCE)
    accepted = 0
    for step in range(-5, 5):
        codes = ",".join(token.code(step) for token in tokens.values())
        accepted += int(host.shell(f"python3 /root/at_once.py {','.join(names)} {codes}"))
    assert accepted == 200


def test_a_thousand_users_in_one_call(host: Host) -> None:
    host.shell(
        "seq -w 1000 | sed 's/.*/m&:x:5&:100::\\/nonexistent:\\/usr\\/sbin\\/nologin/' > /root/many;"
        "grep -q ^m0001: /etc/passwd || cat /root/many >> /etc/passwd"
    )
    secrets = {f"m{n:04}": base64.b32encode(os.urandom(20)).decode() for n in range(1, 1001)}
    users = [{"name": name, "secret": secret} for name, secret in secrets.items()]
    result = host.module("twofactor_secret", "-vvv", "--diff", users=users)
    assert len(result["users"]["added"]) == 1000
    again = host.module("twofactor_secret", "-vvv", "--diff", users=users)
    assert not again["changed"]
    assert result["printed"].count("PUT") == 0, "with pipelining everything goes in one round trip"
    spoken = result["printed"] + again["printed"] + host.shell("journalctl --no-pager -q -n 2000")
    for secret in secrets.values():
        assert secret not in spoken
        assert base64.b32decode(secret).hex() not in spoken.lower()
    assert host.shell("ls /var/lib/twofactor/tokens | wc -l").strip() == "1000"
    host.shell("sed -i '/^m[0-9]\\{4\\}:/d' /etc/passwd")


def test_nothing_secret_in_what_a_whole_run_prints(host: Host) -> None:
    token, backup = Token(), Token()
    secrets = {"users": [{"name": "alice", "secret": token.secret, "backup_secret": backup.secret}]}
    policy = {"state": "enabled", "exempt_users": ["ansible"]}
    spoken = host.apply("-vvvv", "--diff", secrets=secrets, policy=policy, ssh={"state": "enabled"})[
        "printed"
    ]
    spoken += host.module("twofactor_info", "-vvvv")["printed"]
    spoken += host.module(
        "twofactor_secret", "-vvvv", "--diff", users=[{"name": "x y", "secret": token.secret}]
    )["printed"]
    spoken += host.shell(
        "journalctl --no-pager -q -n 2000; cat /etc/twofactor/policy.json; ls -R /tmp /run /root"
    )
    spoken += host.shell(
        "cat /var/lib/twofactor/users.json /var/lib/twofactor/journal/* 2>/dev/null", check=False
    )
    for secret in (token.secret, backup.secret):
        assert secret not in spoken
        assert base64.b32decode(secret).hex() not in spoken.lower()
