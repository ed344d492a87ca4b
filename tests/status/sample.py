# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet could have answered: one with every kind of problem, one of five hundred hosts, one that is hostile."""

from __future__ import annotations

import random
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_page import page as render

MADE = 1795518000.0
"""2026-11-24 11:00 UTC."""
PEOPLE = ["alice", "bob", "carol"]
Data = dict[str, Any]


def user(name: str, **changes: Any) -> Data:
    """Return a user as twofactor_info has it on Linux."""
    return {
        "name": name,
        "enrolled": True,
        "backup": False,
        "digits": 6,
        "interval": 30,
        "last_used": "2026-11-23T08:15:30",
        "verified": True,
        "recovery_left": 9,
        "previous": False,
        **changes,
    }


def problem(code: str, message: str = "Something is wrong.", remedy: str = "Mend it.") -> Data:
    """Return a problem as a host words it."""
    return {"code": code, "message": message, "remedy": remedy}


def host(**changes: Any) -> Data:
    """Return the registered result of twofactor_info on a Debian host where all is well."""
    info = {
        "platform": "linux",
        "version": "Debian GNU/Linux 13 (trixie)",
        "state": "enabled",
        "policy": {"state": "enabled", "exempt": {"users": ["ansible"], "groups": [], "networks": []}},
        "services": [{"name": "cockpit", "asks_code": True}],
        "ssh": {
            "state": "enabled",
            "methods": ["key_and_code"],
            "root_login": "without-password",
            "running": True,
        },
        "users": [user(name) for name in PEOPLE],
        "clock": {"synchronised": True, "offset": 0.000012, "source": "192.0.2.10", "daemon": "chrony"},
        "missing_packages": [],
        "bypass": {"host": None, "users": {}},
        "problems": [],
        **changes,
    }
    return {"changed": False, "failed": False, "twofactor": info}


def nas(**changes: Any) -> Data:
    """Return the same of a TrueNAS."""
    people = [user(name, last_used=None, ssh_password=True) for name in ("alice", "bob")]
    for one in people:
        del one["verified"], one["recovery_left"], one["previous"]
    ways = {"state": "enabled", "methods": ["password_and_code", "key"], "root_login": "no", "running": True}
    told: Data = {
        "platform": "truenas",
        "version": "TrueNAS-25.10.1",
        "services": [{"name": "web interface and API", "asks_code": True}],
        "ssh": ways,
        "users": people,
        "clock": {**clock(-0.0021), "now": MADE, "servers": []},
    }
    return host(**{**told, **changes})


def clock(offset: float | None, synchronised: bool = True) -> Data:
    """Return a clock."""
    return {"synchronised": synchronised, "offset": offset, "source": "192.0.2.10", "daemon": "chrony"}


_OWN_END = "It ends by itself; end it now with state: enabled, or twofactor_bypass and state: absent."
_OFF_UNTIL = "The second factor is off for"
_NO_SSH = {"state": "disabled", "methods": [], "root_login": "without-password", "running": True}
UNREACHABLE = {
    "unreachable": True,
    "msg": "Failed to connect to the host via ssh: Connection timed out",
    "changed": False,
}
FAILED = {"failed": True, "msg": "The module interpreter '/usr/bin/python3' was not found.", "rc": 127}


def every_kind() -> dict[str, Data]:
    """Return the answers of a fleet with every kind of problem."""
    answers = {f"web{n}.example.com": host() for n in range(1, 7)}
    answers |= {
        "db1.example.com": host(
            version="Debian GNU/Linux 12 (bookworm)",
            clock=clock(41.3),
            problems=[
                problem("clock_off", "The clock is off by 41.3 s.", "Step it with 'chronyc makestep'.")
            ],
        ),
        "db2.example.com": host(version="Debian GNU/Linux 12 (bookworm)", clock=clock(-3.2)),
        "db3.example.com": host(version="Debian GNU/Linux 12 (bookworm)", clock=clock(0.004)),
        "mail1.example.com": host(
            clock=clock(None, False),
            problems=[
                problem(
                    "clock_unsynchronised",
                    "The clock is not synchronised, so right codes may be refused.",
                    "Run the role fleetauth.twofactor.ntp, and check that its servers can be reached.",
                )
            ],
        ),
        "mail2.example.com": host(
            ssh=_NO_SSH,
            problems=[
                problem(
                    "ssh_not_asking",
                    "SSH logins are not asked for a code although they are declared to be.",
                    "Run the role again; something has overridden its drop-in or its PAM line.",
                )
            ],
        ),
        "build1.example.com": host(state="disabled", ssh=_NO_SSH, services=[], users=[]),
        "build2.example.com": host(
            state="disabled",
            ssh=_NO_SSH,
            services=[],
            bypass={"host": {"until": MADE + 7500, "by": "alice", "reason": "phones lost"}, "users": {}},
            problems=[
                problem(
                    "bypass",
                    f"{_OFF_UNTIL} the whole host until 2026-11-24T13:05:00Z, by 'alice': phones lost.",
                    _OWN_END,
                )
            ],
        ),
        "shell1.example.com": host(
            users=[
                user("alice"),
                user("bob", verified=False, last_used=None),
                user("dave", verified=False, last_used=None),
            ],
            bypass={
                "host": None,
                "users": {"bob": {"until": MADE + 900, "by": "ansible", "reason": "new phone"}},
            },
            problems=[
                problem(
                    "bypass",
                    "The second factor is off for user 'bob' until 2026-11-24T11:15:00Z, by 'ansible': new phone.",
                    _OWN_END,
                )
            ],
        ),
        "shell2.example.com": host(
            pending={"by": "ansible", "reason": "window of 2", "seconds_left": 84},
            users=[user("alice", recovery_left=0), user("bob", recovery_left=2), user("carol", backup=True)],
            problems=[
                problem(
                    "change_pending",
                    "A change by 'ansible' waits to be confirmed, for 84 s yet.",
                    "Confirm or revert it with fleetauth.twofactor.twofactor_change.",
                )
            ],
        ),
        "rollout1.example.com": host(
            users=[user("alice")],
            problems=[
                problem(
                    "unenrolled_allowed",
                    "Users without a token log in without a code (unenrolled: allow).",
                    "Enrol everybody, then set unenrolled: deny.",
                )
            ],
        ),
        "console1.example.com": host(ssh=_NO_SSH),
        "nas1.example.com": nas(),
        "nas2.example.com": nas(
            problems=[
                problem(
                    "api_keys_bypass", "API keys let in without a code: backup.", "Delete what is not needed."
                )
            ]
        ),
        "lab1.example.com": UNREACHABLE,
        "lab2.example.com": UNREACHABLE,
        "legacy1.example.com": FAILED,
    }
    return answers


def people(answers: dict[str, Data]) -> dict[str, list[str]]:
    """Return what the inventory says of each host: everybody everywhere."""
    return {name: [] if name.startswith("nas") else list(PEOPLE) for name in answers}


def many(number: int = 500) -> dict[str, Data]:
    """Return the answers of a large fleet of which a tenth has something."""
    chance = random.Random(number)
    answers: dict[str, Data] = {}
    for n in range(1, number + 1):
        name = f"host{n}.example.com"
        lot = chance.random()
        names = [user(f"user{chance.randrange(60)}") for dummy in range(20)]
        offset = chance.gauss(0, 0.0008) if lot < 0.97 else chance.gauss(0, 20)
        answers[name] = host(users=names, clock=clock(offset))
        if lot < 0.01:
            answers[name] = UNREACHABLE
        elif lot < 0.1:
            codes = chance.sample(["service_not_covered", "token_lock_stale", "change_interrupted"], 2)
            answers[name]["twofactor"]["problems"] = [problem(code) for code in codes]
    return answers


HOSTILE = "<img src=x onerror=\"document.title='owned'\">'\"</script><script>document.title='owned'</script>"
HIDDEN = "web1\u202emoc.elpmaxe\x1b[31m\ud800"


def hostile() -> dict[str, Data]:
    """Return answers in which every text of a host and its name is an attack."""
    bad = {"until": MADE + 60, "by": HOSTILE, "reason": HOSTILE}
    return {
        HOSTILE: host(
            platform=HOSTILE,
            version=HOSTILE,
            services=[{"name": HOSTILE, "asks_code": True}],
            ssh={"state": "enabled", "methods": [HOSTILE], "root_login": HOSTILE, "running": True},
            users=[user(HOSTILE, recovery_left=0), user(HOSTILE + "2", verified=False, last_used=None)],
            clock={"synchronised": True, "offset": 50, "source": HOSTILE, "daemon": HOSTILE},
            bypass={"host": None, "users": {HOSTILE: bad}},
            pending={"by": HOSTILE, "reason": HOSTILE, "seconds_left": 9},
            problems=[problem(HOSTILE, HOSTILE, HOSTILE)],
        ),
        HIDDEN: host(version=HIDDEN, problems=[problem("code", "x" * 100_000)]),
        "=HYPERLINK(1).example.com": {"failed": True, "msg": HOSTILE},
        "unreachable.example.com": {"unreachable": True, "msg": HOSTILE},
    }


def html(answers: dict[str, Any], people: dict[str, Any] | None = None) -> str:
    """Return the page for what hosts have answered."""
    read = [answer(name, result, (people or {}).get(name)) for name, result in answers.items()]
    return render(report(read, MADE, "Two-factor authentication"))
