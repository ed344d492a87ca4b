# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM fails closed by itself: whatever becomes of sshd's configuration, one factor is not made of two.

A user who logs in without a key always shows the password, and one who is enrolled the code as well.
"""

from __future__ import annotations

import concurrent.futures
from dataclasses import dataclass

import pytest

from tests.login.fleet import PASSWORD, Host, Login, Token

SECOND_PORT = 2222
SECOND_SSHD = f"""
Port {SECOND_PORT}
PidFile /run/second.pid
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PermitUserEnvironment yes
AcceptEnv *
Include /etc/ssh/sshd_config.d/99-lab.conf
"""
FORGED = ("SetEnv=SSH_AUTH_INFO_0='publickey ssh-ed25519 AAAA' SSH_USER_AUTH=/etc/passwd", "SendEnv=*")
"""What a client sends along in the hope that PAM takes it for what sshd says."""
ENVIRONMENT = "SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA"
METHODS = {
    "key": ["key_and_code"],
    "password": ["password_and_code"],
    "both": ["key_and_code", "password_and_code"],
    "either": ["password_and_code", "key"],
}


@dataclass(frozen=True)
class Drift:
    """Something that happens to a host, and whether a password is enough afterwards.

    ``key_alone`` tells whether sshd itself, without PAM, lets users in with a key then.
    """

    name: str
    command: str
    port: int = 22
    password_alone: bool = False
    key_alone: bool = False


DRIFTS = (
    Drift("nothing", "true"),
    Drift(
        "drop-in gone",
        "rm /etc/ssh/sshd_config.d/00-twofactor.conf; systemctl restart ssh",
        key_alone=True,
    ),
    Drift("second sshd", "/usr/sbin/sshd -f /root/second", port=SECOND_PORT, key_alone=True),
    Drift("service file restored", "cp -p /root/baseline/pam.d/sshd /etc/pam.d/sshd", password_alone=True),
    Drift(
        "environment accepted",
        "printf 'AcceptEnv *\\nPermitUserEnvironment yes\\n' > /etc/ssh/sshd_config.d/10-env.conf; "
        "systemctl restart ssh",
    ),
    Drift("policy gone", "rm /etc/pam.d/twofactor"),
    Drift("list of the enrolled gone", "rm -f /var/lib/twofactor/enrolled"),
    Drift("list of the enrolled empty", ": > /var/lib/twofactor/enrolled"),
    Drift("tokens gone", "rm -r /var/lib/twofactor/tokens"),
    Drift("limit turned off", "echo local_users_only >> /etc/security/faillock.conf"),
)


@pytest.fixture
def host(host: Host) -> Host:
    """A host with a configuration for a second sshd, and users who have sshd set what it tells PAM."""
    host.shell(f"printf '%s' '{SECOND_SSHD}' > /root/second")
    host.shell(
        "for user in alice bob carol robot; do "
        f"printf '%s\\n' '{ENVIRONMENT}' > /home/$user/.ssh/environment; "
        "chown $user: /home/$user/.ssh/environment; done"
    )
    return host


def _on(host: Host, methods: list[str], unenrolled: str) -> dict[str, Token]:
    """Enroll Alice and Carol, give Carol a bypass, exempt the robot; Bob has no token."""
    tokens = {"alice": Token(), "carol": Token()}
    host.apply(
        secrets={"users": [{"name": name, "secret": token.secret} for name, token in tokens.items()]},
        policy={
            "state": "enabled",
            "services": [],
            "max_failures": 0,
            "unenrolled": unenrolled,
            "exempt_users": ["robot", "ansible"],
        },
        ssh={"state": "enabled", "methods": methods},
    )
    result = host.module("twofactor_bypass", users=["carol"], lasts="1h", reason="phone lost")
    assert not result["failed"], result["printed"]
    return tokens


def _tries(host: Host, tokens: dict[str, Token], drift: Drift) -> dict[str, Login]:
    """Log in as everybody with each single factor, all at once; return what came of it by its name."""
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for user in ("alice", "bob", "carol", "robot"):
            code = tokens[user].code() if user in tokens else "000000"
            for what, given in {
                "wrong password": {"password": "wrong", "code": code},
                "code as password": {"password": code, "code": code},
                "forged": {"password": "wrong", "code": code, "options": FORGED},
                "password": {"password": PASSWORD},
                "key": {"key": True},
            }.items():
                jobs[f"{user}: {what}"] = pool.submit(host.ssh, user, port=drift.port, **given)  # type: ignore[arg-type]
        return {name: job.result() for name, job in jobs.items()}


def _is_let_off(user: str, drift: Drift, unenrolled: str) -> bool:
    """Tell whether PAM asks a user for no code; the list of the enrolled tells who has none."""
    if user == "carol":
        return True
    if unenrolled == "deny" or drift.name == "list of the enrolled gone":
        return False
    return user in ("bob", "robot") or drift.name == "list of the enrolled empty"


def _may(user: str, what: str, drift: Drift, methods: list[str], unenrolled: str) -> bool:
    """Tell whether somebody may get in with one factor: let off, or by an sshd that asks PAM for nothing."""
    let_off = _is_let_off(user, drift, unenrolled)
    if user == "robot" and not drift.key_alone:
        return what == "key"  # sshd takes its key and nothing else
    if what == "key":
        after_key = let_off and "key_and_code" in methods and not drift.password_alone
        return drift.key_alone or "key" in methods or after_key
    asks_password = drift.key_alone or "password_and_code" in methods
    return asks_password and (let_off or drift.password_alone)


@pytest.mark.parametrize("unenrolled", ["allow", "deny"])
@pytest.mark.parametrize("methods", list(METHODS.values()), ids=list(METHODS))
def test_one_factor_is_not_enough_after_a_drift(host: Host, methods: list[str], unenrolled: str) -> None:
    tokens = _on(host, methods, unenrolled)
    host.shell(
        "rm -rf /root/on; mkdir -m 700 /root/on; cp -a /etc/pam.d /etc/ssh /var/lib/twofactor /root/on/"
    )
    drifts = DRIFTS if methods == METHODS["both"] else DRIFTS[:4]
    for drift in drifts:
        host.shell(drift.command)
        got_in = {name for name, login in _tries(host, tokens, drift).items() if login}
        allowed = {
            f"{user}: {what}"
            for user in ("alice", "bob", "carol", "robot")
            for what in ("password", "key")
            if _may(user, what, drift, methods, unenrolled)
        }
        assert got_in == allowed, (drift.name, sorted(got_in - allowed), sorted(allowed - got_in))
        host.shell(
            "rm -rf /etc/pam.d /etc/ssh /var/lib/twofactor; cp -a /root/on/pam.d /root/on/ssh /etc/; "
            "cp -a /root/on/twofactor /var/lib/; systemctl restart ssh"
        )


def test_both_methods_at_once(host: Host) -> None:
    tokens = _on(host, METHODS["both"], "deny")
    alice = tokens["alice"]
    assert not host.ssh("alice", key=True), "the key alone"
    assert not host.ssh("alice", password=PASSWORD), "the password alone"
    assert not host.ssh("alice", key=True, password=PASSWORD), "key and password"
    old = alice.code(-1)
    by_key = host.ssh("alice", key=True, code=old)
    assert by_key
    assert by_key.asked_code
    assert not by_key.asked_password
    by_password = host.ssh("alice", password=PASSWORD, code=alice.code())
    assert by_password
    assert by_password.asked_code
    assert by_password.asked_password
    info = host.module("twofactor_info")["twofactor"]
    assert info["ssh"]["methods"] == ["key_and_code", "password_and_code"]
    assert info["ssh"]["state"] == "enabled"


def test_a_key_is_no_way_around_the_password(host: Host) -> None:
    """With password and code alone sshd accepts no key, so PAM is told of none."""
    tokens = _on(host, METHODS["password"], "deny")
    login = host.ssh("alice", key=True, password="wrong", code=tokens["alice"].code())
    assert not login
    assert login.asked_password
    assert host.ssh("alice", key=True, password=PASSWORD, code=tokens["alice"].code())


def test_a_policy_that_is_cut_short_refuses(host: Host) -> None:
    """For another service than SSH, whose own file holds its lines; tried at the end of each line and inside."""
    token = _on(host, METHODS["key"], "allow")["alice"]
    host.apply(policy={"services": ["sudo"]})
    script = r"""cd /root; cp /etc/pam.d/twofactor whole
        { grep -ob '^auth' whole | cut -d: -f1; grep -ob ' ' whole | cut -d: -f1 | sed -n 0~5p; } > ends
        while read -r end; do
            head -c "$end" whole > /etc/pam.d/twofactor
            printf '%s\n000000\n' "$PASSWORD" | pamtester sudo alice authenticate >/dev/null 2>&1 && echo "at $end"
        done < ends; cp whole /etc/pam.d/twofactor; test "$(wc -l < ends)" -gt 10"""
    quick = "sed -i '/pam_unix/s/$/ nodelay/' /etc/pam.d/common-auth"
    assert host.shell(f"PASSWORD='{PASSWORD}'; {quick}; {script}") == ""
    answers = f"{PASSWORD}\\n{token.code()}\\n"
    assert "successfully" in host.shell(f"printf '{answers}' | pamtester sudo alice authenticate 2>&1", False)
