# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty users on five hosts get new secrets in batches, and none of them is without a working code."""

from __future__ import annotations

import datetime
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest

from tests.enrolment.conftest import IMAGES, MORE
from tests.enrolment.controller import ISSUER, Controller
from tests.login.fleet import Host

PEOPLE = [f"user{number:02}" for number in range(50)]
BATCH = 20


@pytest.fixture
def crowd(
    machines: dict[str, Host], facts: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Controller:
    """Fifty users under the site playbook on all hosts."""
    for host in machines.values():
        host.shell(
            "rm -rf /var/lib/twofactor/tokens/* /var/lib/twofactor/users.json; "
            f"for u in {' '.join(PEOPLE)}; do id $u >/dev/null 2>&1 || useradd $u; done"
        )
    variables = {
        "twofactor_people": PEOPLE,
        "twofactor_issuer": ISSUER,
        "twofactor_users": "{{ query('fleetauth.twofactor.secret', *twofactor_people) }}",
        "twofactor_users_exclusive": True,
        "twofactor_exempt_users": ["ansible"],
        "twofactor_guard": False,
        "twofactor_max_failures": 0,
        "ntp_servers": ["clock"],
    }
    desk = Controller(tmp_path_factory.mktemp("crowd"), {"all": {"hosts": facts, "vars": variables}})
    for name in ("enroll", "site"):
        ran = desk.playbook(f"fleetauth.twofactor.{name}")
        assert ran.ok, ran.out
    return desk


def _accepted(host: Host, secrets: dict[str, str]) -> set[str]:
    """Return whose present code opens the second factor of a host: one PAM conversation each, on the host."""
    left = 30 - time.time() % 30
    if left < 12:
        time.sleep(left + 0.1)
    codes = "\n".join(f"{user} {pyotp.TOTP(secret).now()}" for user, secret in secrets.items())
    script = (
        "printf 'auth substack twofactor\\naccount required pam_permit.so\\n' > /etc/pam.d/asks; "
        'while read -r user code; do printf "%s\\n" "$code" | pamtester asks "$user" authenticate '
        '>/dev/null 2>&1 && echo "$user"; done; rm /etc/pam.d/asks'
    )
    return set(host.shell(script, stdin=codes + "\n").split())


def _everywhere(hosts: list[Host], secrets: dict[str, str]) -> list[set[str]]:
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(lambda host: _accepted(host, secrets), hosts))


def _secrets(desk: Controller, key: str = "secret") -> dict[str, str]:
    return {name: entry[key] for name, entry in desk.read()["users"].items() if entry.get(key)}


def test_rotation_of_many_with_an_overlap(crowd: Controller, machines: dict[str, Host]) -> None:
    hosts = [machines[name] for name in (*IMAGES, *MORE)]
    old = _secrets(crowd)
    everybody = set(PEOPLE)
    assert _everywhere(hosts, old) == [everybody] * len(hosts)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    options: dict[str, Any] = {
        "renewal": "2026-Q4",
        "accept_until": (today + datetime.timedelta(days=30)).isoformat(),
        "at_most": BATCH,
    }
    for renewed in (20, 40, 50):
        ran = crowd.playbook("fleetauth.twofactor.rotate", **options)
        assert ran.ok, ran.out
        assert sum(entry.get("renewal") == "2026-Q4" for entry in crowd.read()["users"].values()) == renewed
        time.sleep(31)  # the codes of this step are used
        assert _everywhere(hosts, old) == [everybody] * len(hosts), "the old codes go on"
    new = _secrets(crowd)
    assert not set(new.values()) & set(old.values())
    assert _secrets(crowd, "previous_secret") == old
    not_yet = json.loads(
        ran.out[ran.out.rindex('"not_yet": ') + 11 : ran.out.index("]", ran.out.rindex('"not_yet"')) + 1]
    )
    assert set(not_yet) == everybody, "nobody has used the new one"
    assert _everywhere(hosts, new) == [everybody] * len(hosts), "and so do the new ones"
    again = crowd.playbook("fleetauth.twofactor.rotate", **options)
    recap = again.out[again.out.index("PLAY RECAP") :]
    assert recap.count("changed=0") == len(hosts), recap
    assert '"not_yet": []' in again.out
    _end_the_overlap(crowd, today)
    for unchanged in (0, len(hosts)):
        site = crowd.playbook("fleetauth.twofactor.site")
        assert site.ok, site.out
        recap = site.out[site.out.index("PLAY RECAP") :]
        assert recap.count("changed=0 ") == unchanged, recap
    time.sleep(31)
    assert _everywhere(hosts, old) == [set()] * len(hosts), "the old ones have ended"
    assert _everywhere(hosts, new) == [everybody] * len(hosts)


def _end_the_overlap(desk: Controller, today: datetime.date) -> None:
    """Let the last day be yesterday."""
    import yaml

    data = desk.read()
    for entry in data["users"].values():
        entry["previous_until"] = (today - datetime.timedelta(days=1)).isoformat()
    desk.write(yaml.safe_dump(data))
