# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty users on five hosts get new secrets in batches, and none of them is without a working code."""

from __future__ import annotations

import datetime
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.enrolment.controller import ISSUER, Controller
from tests.login.fleet import Host

PEOPLE = [f"user{number:02}" for number in range(50)]
EVERYBODY = set(PEOPLE)
BATCH = 20
STEP = 30
TURNS = 5
ASK = r"""printf '%s\n' 'auth include twofactor' 'auth required pam_deny.so' 'account required pam_permit.so' \
    > /etc/pam.d/asks-$$
while read -r user code; do
    printf '%s\n' "$code" | pamtester asks-$$ "$user" authenticate >/dev/null 2>&1 && echo "$user"
done
rm /etc/pam.d/asks-$$"""
"""One PAM conversation for each user, on the host itself; prints who was let in."""

Secrets = dict[str, str]


@pytest.fixture
def crowd(five: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Fifty users with two devices each, under the site playbook on all hosts."""
    for host in five.values():
        host.shell(f"for user in {' '.join(PEOPLE)}; do useradd $user; done")
    variables = {
        "twofactor_people": PEOPLE,
        "twofactor_issuer": ISSUER,
        "twofactor_backup": True,
        "twofactor_users": "{{ query('fleetauth.twofactor.secret', *twofactor_people) }}",
        "twofactor_users_exclusive": True,
        "twofactor_exempt_users": ["ansible"],
        "twofactor_guard": False,
        "twofactor_max_failures": 0,
        "ntp_servers": ["clock"],
    }
    desk = Controller(
        tmp_path_factory.mktemp("crowd"),
        {"all": {"hosts": {name: host.facts for name, host in five.items()}, "vars": variables}},
    )
    for name in ("enroll", "site"):
        ran = desk.playbook(f"fleetauth.twofactor.{name}")
        assert ran.ok, ran.out
    return desk


def _accepted(host: Host, secrets: Secrets, when: float) -> set[str]:
    """Return whose code of a moment opens the second factor of a host."""
    codes = "".join(f"{user} {pyotp.TOTP(secret).at(int(when))}\n" for user, secret in secrets.items())
    return set(host.shell(ASK, stdin=codes).split()) if codes else set()


def _everywhere(hosts: list[Host], secrets: Secrets) -> list[set[str]]:
    """Return who is let in on each host with a code that nobody has used before."""
    _wait_for_a_step()
    now = time.time()
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(lambda host: _accepted(host, secrets, now), hosts))


def _wait_for_a_step() -> None:
    """Wait for codes that nobody has used."""
    time.sleep(STEP - time.time() % STEP)


class Watch:
    """Has users log in on every host, with the old secret or the new one, while something goes on.

    A code works once, so each user's turn comes once in a step: a fifth of them at a time, on each host another fifth.
    """

    def __init__(self, hosts: list[Host], desk: Controller, old: Secrets) -> None:
        self._hosts, self._desk, self._old = hosts, desk, old
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.shut_out: list[str] = []

    def __enter__(self) -> Watch:
        _wait_for_a_step()
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_a_look(self) -> None:
        """Wait until everybody has logged in somewhere, or could not, once more."""
        self._looked.clear()
        assert self._looked.wait(4 * STEP), "nobody looks any more"

    def _run(self) -> None:
        slot = STEP // TURNS
        while not self._stop.wait(slot - time.time() % slot):
            now = time.time()
            turns = [(int(now) // slot + number) % TURNS for number in range(len(self._hosts))]
            with ThreadPoolExecutor(len(self._hosts)) as pool:
                found = pool.map(self._of_host, self._hosts, turns, [now] * len(self._hosts))
                self.shut_out += [who for of_host in found for who in of_host]
            self._looked.set()

    def _of_host(self, host: Host, turn: int, now: float) -> list[str]:
        missing = set(PEOPLE[turn::TURNS])
        # The lock under which a token file is replaced refuses its user for some milliseconds: once more.
        for secrets in (self._old, self._old, _secrets(self._desk)):
            missing -= _accepted(host, {user: secrets[user] for user in missing}, now)
        return [f"{user} on {host.name} at {now:.0f}" for user in sorted(missing)]


def _secrets(desk: Controller, key: str = "secret") -> Secrets:
    return {name: entry[key] for name, entry in desk.read()["users"].items() if entry.get(key)}


def _unchanged(out: str) -> int:
    return out[out.index("PLAY RECAP") :].count("changed=0 ")


def _not_yet(out: str) -> set[str]:
    """Return whom the playbook named in the end."""
    found = re.findall(r'"not_yet": (\[[^\]]*\])', out)
    return set(json.loads(found[-1]))


def test_rotation_of_many_with_an_overlap(crowd: Controller, five: dict[str, Host], tmp_path: Path) -> None:
    hosts = list(five.values())
    old, old_backup = _secrets(crowd), _secrets(crowd, "backup_secret")
    assert _everywhere(hosts, old) == [EVERYBODY] * len(hosts)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    options: dict[str, Any] = {
        "renewal": "2026-Q4",
        "accept_until": (today + datetime.timedelta(days=30)).isoformat(),
        "at_most": BATCH,
    }
    with Watch(hosts, crowd, old) as watch:
        for renewed in (20, 40, 50):
            ran = crowd.playbook("fleetauth.twofactor.rotate", **options)
            assert ran.ok, ran.out
            words = [entry.get("renewal") for entry in crowd.read()["users"].values()]
            assert words.count("2026-Q4") == renewed
            watch.wait_for_a_look()
    assert watch.shut_out == []
    new = _secrets(crowd)
    assert not set(new.values()) & set(old.values())
    assert (_secrets(crowd, "previous_secret"), _secrets(crowd, "previous_backup_secret")) == (
        old,
        old_backup,
    )
    assert _not_yet(ran.out) == EVERYBODY, "nobody has used the new one"
    assert {problem["code"] for problem in _info(hosts[0])["problems"]} == {"renewal_unused"}
    assert _everywhere(hosts, old_backup) == [EVERYBODY] * len(hosts), "the old ones go on"
    assert _everywhere(hosts, new) == [EVERYBODY] * len(hosts), "and so do the new ones"
    again = crowd.playbook("fleetauth.twofactor.rotate", **options)
    assert _unchanged(again.out) == len(hosts), again.out
    assert _not_yet(again.out) == set()
    assert _info(hosts[0])["problems"] == []

    end = _let_it_end(crowd, tmp_path, seconds=150)
    brought = crowd.playbook("fleetauth.twofactor.site")
    assert brought.ok, brought.out
    hosts[0].restart()  # a host that goes down in between
    hosts[1].shell("systemctl stop 'run-*.timer'")  # and one that is down at the end, as far as timers know
    assert time.time() < end - 1, "too slow for the end that was set"
    assert _everywhere(hosts[2:], old) == [EVERYBODY] * len(hosts[2:]), "until the end"
    time.sleep(max(0.0, end + 2 - time.time()))
    hosts[1].restart()
    _nothing_before_is_left(hosts)
    assert _everywhere(hosts, old) == [set()] * len(hosts), "without any run"
    assert _everywhere(hosts, old_backup) == [set()] * len(hosts)
    assert _everywhere(hosts, new) == [EVERYBODY] * len(hosts)
    for name, given in (("site", {}), ("rotate", options)):
        ran = crowd.playbook(f"fleetauth.twofactor.{name}", **given)
        assert ran.ok, ran.out
        assert _unchanged(ran.out) == len(hosts), ran.out


def _info(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = host.module("twofactor_info")["twofactor"]
    return found


def _let_it_end(desk: Controller, tmp_path: Path, seconds: int) -> float:
    """Set another end in the store by hand, as the documentation has it; return when it is."""
    end = int(time.time()) + seconds
    moment = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).isoformat()
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\nsed -i "s/previous_until: .*/previous_until: {moment}/" "$1"\n')
    editor.chmod(0o700)
    edited = desk.vault("edit", str(desk.store), editor=str(editor))
    assert edited.ok, edited.out
    return float(end)


def _nothing_before_is_left(hosts: list[Host]) -> None:
    """Wait until the hosts have ended it: the timers, and what a boot takes."""
    deadline = time.monotonic() + 20
    look = "grep -l accepted /var/lib/twofactor/tokens/* || true"
    while left := [host.name for host in hosts if host.shell(look)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
