# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is effective on a Linux host now, whatever was declared. Never a secret.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    bypass,
    cockpit,
    coverage,
    doors,
    drift,
    empty_passwords,
    guard,
    guessing,
    journal,
    own_files,
    packages,
    pam,
    paths,
    pending,
    plan,
    policy_file,
    secrets,
    ssh_report,
    sudoers,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    clock as clocks,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Host,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared

BYPASS_GRACE = 90.0
"""Seconds after its end in which a bypass, or a secret before, may still be there: its timer, and a second try."""

_Data = dict[str, Any]


def report() -> _Data:
    """Return the state of this host as plain data for twofactor_info."""
    host = Host()
    problems: list[_Data] = []
    declared = _declared(host, problems)
    enforced = pam.asks_code(host.read(paths.PAM_POLICY) or "")
    users = _users(host, problems)
    enrolled = [user["name"] for user in users if user["enrolled"]]
    clock = clocks.read_clock()
    let_off = _let_off(host)
    differs = drift.find(declared, let_off, host)
    services = _services(host, declared, enforced, differs, problems)
    ssh, of_ssh = ssh_report.read(host, declared, differs, enrolled)
    problems += _as_data(of_ssh)
    asks = ssh["state"] == "enabled" or any(s["asks_code"] for s in services)
    _judge(host, declared, enforced, asks or differs.is_any, users, clock, problems)
    problems += _other_doors(host) if asks or declared.policy.state == "enabled" else []
    problems += _as_data(empty_passwords.find(host.read("/etc/shadow") or "")) if asks else []
    bypasses = _bypasses(host, problems)
    problems += _edited(differs) + _as_data(_nobody_asked(host, declared, enrolled, let_off)) + _open_files()
    problems += _as_data(agent.problems(enforced))
    problems += _as_data(guessing.problems(host, declared.policy, time.time()))
    return {
        **_pending(problems),
        "bypass": bypasses,
        "platform": "linux",
        "version": _version(host),
        "state": "enabled" if asks else "disabled",
        "policy": policy_file.as_data(declared)["policy"],
        "services": services,
        "ssh": ssh,
        "users": users,
        "clock": asdict(clock),
        "missing_packages": packages.missing("pam_oath", "chrony", "sshd"),
        "problems": problems,
    }


def _let_off(host: Host) -> tuple[str, ...]:
    """Return the users with a bypass, none where the list is damaged, which is said elsewhere."""
    try:
        return tuple(bypass.parse(host.read(paths.BYPASS)).users)
    except TwofactorError:
        return ()


def _edited(differs: drift.Drift) -> list[_Data]:
    """Return what is to be said of files that are not as they were written."""
    found = _as_data(list(differs.unsafe.values()))
    if differs.edited:
        verb = "differs" if len(differs.edited) == 1 else "differ"
        found.append(
            _problem(
                "policy_edited",
                f"{' and '.join(differs.edited)} {verb} from what is declared, so somebody may get in without a code.",
                "Run the role again, which writes it anew.",
            )
        )
    return found


def _nobody_asked(
    host: Host, declared: Declared, enrolled: list[str], let_off: tuple[str, ...]
) -> list[TwofactorError]:
    if declared.policy.state != "enabled":
        return []
    exempt = declared.ssh.exempt(declared.policy) if declared.ssh_asks() else declared.policy.exempt
    population = coverage.read(host, exempt, enrolled)
    return coverage.judge(declared, exempt, population, enrolled, let_off)


def _open_files() -> list[_Data]:
    found = own_files.find()
    if not found:
        return []
    more = f" and {len(found) - 3} more" if found[3:] else ""
    named = ", ".join(f"{one.path} ({one.now} instead of {one.wanted:04o})" for one in found[:3])
    return [
        _problem(
            "own_files_open",
            f"Others than root may read or change files of the second factor: {named}{more}.",
            "Run the role again, which repairs them. Renew the secrets of users whose token files others could read.",
        )
    ]


def _as_data(found: list[TwofactorError]) -> list[_Data]:
    return [_problem(one.code, one.message, one.remedy) for one in found]


def _other_doors(host: Host) -> list[_Data]:
    """Return the login servers beside SSH and the web console, which ask nobody for a code."""
    others = host.doors().others
    return _as_data(doors.problems_of(others) + doors.problems_of_users(others))


def _problem(code: str, message: str, remedy: str) -> _Data:
    return {"code": code, "message": message, "remedy": remedy}


def _declared(host: Host, problems: list[_Data]) -> Declared:
    try:
        return policy_file.parse(host.read(paths.POLICY))
    except TwofactorError as error:
        problems.append(_problem(error.code, error.message, error.remedy))
        return Declared()


def _version(host: Host) -> str:
    pairs = dict(line.partition("=")[::2] for line in (host.read("/etc/os-release") or "").split("\n"))
    return pairs.get("PRETTY_NAME", "").strip('"')


def _users(host: Host, problems: list[_Data]) -> list[_Data]:
    found = []
    try:
        entries = secrets.read_entries(host.read(paths.USERS))
    except TwofactorError as error:
        problems.append(_problem(error.code, error.message, error.remedy))
        entries = {}
    enrolled = secrets.enrolled_users(host)
    for name in enrolled:
        try:
            lines = tokens.parse(host.read(paths.token_file(name)) or "", name)
        except TwofactorError as error:
            problems.append(_problem(error.code, error.message, error.remedy))
            lines = []
        devices = tokens.devices(lines)
        found.append(
            {
                "name": name,
                "enrolled": bool(devices),
                "backup": len(devices) > 1,
                "digits": devices[0].digits if devices else None,
                "interval": devices[0].interval if devices else None,
                "last_used": max((line.last_used for line in devices), default="").rstrip("L") or None,
                "verified": secrets.is_verified(name, entries, host),
                "recovery_left": _recovery_left(lines, entries.get(name, {})),
                "previous": any(line.previous for line in lines),
                "previous_until": _clock_time(end) if (end := tokens.end_of_previous(lines)) else None,
            }
        )
    problems += _overlaps(found)
    missing = sorted(
        name for name, entry in entries.items() if entry.get("enrolled") and name not in enrolled
    )
    if missing:
        problems.append(
            _problem(
                "token_missing",
                f"The token files of {_some(missing)} have gone, so that no code of theirs is right.",
                "Run the role again with their secrets, or take them out with state: absent.",
            )
        )
    return found


def _overlaps(users: list[_Data]) -> list[_Data]:
    """Return a problem for users who have not used the new secret while the one before ends, or should have."""
    found = []
    for until in sorted({user["previous_until"] for user in users if user["previous_until"]}):
        group = [user for user in users if user["previous_until"] == until]
        unused = [user["name"] for user in group if not user["verified"]]
        if until < _clock_time(time.time() - BYPASS_GRACE):
            found.append(
                _problem(
                    "overlap_overdue",
                    f"The secret before is still accepted of {_some([user['name'] for user in group])}, though only "
                    f"until {until}.",
                    "Run 'twofactor expire' on the host, and see journalctl -t twofactor.",
                )
            )
        elif unused:
            found.append(
                _problem(
                    "renewal_unused",
                    f"{_some(unused)} have not shown a code of the new secret here; the one before ends at {until}.",
                    "Have them scan the new sheet before that, or give a later 'previous_until'.",
                )
            )
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if names[5:] else ""
    return ", ".join(f"'{name}'" for name in names[:5]) + more


def _recovery_left(lines: list[tokens.TokenLine], entry: _Data) -> int | None:
    """Return how many recovery codes are left, None for a user who has never had any from this collection."""
    line = tokens.recovery(lines)
    if line is None or "recovery_count" not in entry:
        return None
    return max(0, int(entry["recovery_count"]) - line.used)


def _services(
    host: Host, declared: Declared, enforced: bool, differs: drift.Drift, problems: list[_Data]
) -> list[_Data]:
    try:
        wanted = plan.covered_services(declared.policy, host)
    except TwofactorError as error:
        problems.append(_problem("service_missing", str(error), ""))
        wanted = []
    found = []
    texts = {name: host.read(paths.service_file(name)) or "" for name in host.names(paths.PAM_FOLDER)}
    including = {name for name, text in texts.items() if pam.is_included(text)}
    for name, text in texts.items():
        included = name in including or any(line.stack in including for line in pam.auth_lines(text))
        if name in ("sshd", "twofactor") or (name not in wanted and not included):
            continue
        is_planned = name in differs.asking or declared.policy.state != "enabled"
        found.append({"name": name, "asks_code": enforced and included and is_planned})
        if declared.policy.state == "enabled" and not included:
            problems.append(
                _problem(
                    "service_not_covered",
                    f"The PAM service '{name}' does not ask for a code although it is declared to.",
                    "Run the role again; something has replaced its service file.",
                )
            )
    if any(service["asks_code"] and service["name"] == cockpit.SERVICE for service in found):
        problems += _as_data(cockpit.other_ways(host))
    of_sudo = [service for service in found if service["asks_code"] and service["name"] in sudoers.SERVICES]
    ways = sudoers.other_ways(host) if of_sudo else []
    for service in of_sudo:
        service["asks_code"] = not ways
    problems += _as_data(ways)
    return found


def _judge(  # noqa: PLR0913 - everything that has been read, side by side
    host: Host,
    declared: Declared,
    enforced: bool,
    asks: bool,
    users: list[_Data],
    clock: clocks.Clock,
    problems: list[_Data],
) -> None:
    """Add the problems that concern the host as a whole."""
    if not clock.synchronised:
        problems.append(
            _problem(
                "clock_unsynchronised",
                "The clock is not synchronised, so right codes may be refused.",
                "Run the role fleetauth.twofactor.ntp, and check that its servers can be reached.",
            )
        )
    elif clock.offset is not None and abs(clock.offset) > guard.CLOCK_TOLERANCE:
        problems.append(
            _problem(
                "clock_off",
                f"The clock is off by {clock.offset:.1f} s.",
                "Wait for chrony to correct it, or step it with 'chronyc makestep'.",
            )
        )
    if enforced and not asks:
        problems.append(
            _problem(
                "nothing_asks",
                "The second factor is on, but neither SSH nor any other service asks for a code.",
                "Switch it on for SSH with fleetauth.twofactor.twofactor_ssh, or name services.",
            )
        )
    if enforced and not any(user["enrolled"] for user in users):
        problems.append(
            _problem(
                "nobody_enrolled",
                "The second factor is on, and no user has a token.",
                "Enrol users with fleetauth.twofactor.twofactor_secret.",
            )
        )
    if enforced and declared.policy.unenrolled == "allow":
        problems.append(
            _problem(
                "unenrolled_allowed",
                "Users without a token log in without a code (unenrolled: allow).",
                "Enrol everybody, then set unenrolled: deny.",
            )
        )
    if enforced and not packages.has_pam_module("pam_oath"):
        problems.append(
            _problem(
                "pam_module_missing",
                "pam_oath is not installed, so nobody can log in where a code is asked for.",
                "Install its package, or use state: disabled.",
            )
        )
    if host.read(f"{paths.JOURNAL}/originals.json") is not None:
        problems.append(
            _problem(
                "change_interrupted",
                "A change was cut short; its originals are still in the journal.",
                "Run the role again: it takes the change back and makes it anew.",
            )
        )
    problems += _stale_locks(host)


def _pending(problems: list[_Data]) -> _Data:
    """Return the change that waits to be confirmed, nothing when there is none."""
    try:
        entry = journal.read(paths.PENDING)
    except TwofactorError as error:
        problems.append(_problem(error.code, error.message, error.remedy))
        return {}
    if entry is None:
        return {}
    left = round(pending.seconds_left(entry))
    problems.append(
        _problem(
            "change_pending",
            f"A change by '{entry.by}' waits to be confirmed, for {left} s yet.",
            "Confirm or revert it with fleetauth.twofactor.twofactor_change.",
        )
    )
    return {"pending": {"by": entry.by, "reason": entry.reason, "seconds_left": left}}


def _bypasses(host: Host, problems: list[_Data]) -> _Data:
    """Return who is let off and until when; one whose end has passed is a problem of its own."""
    try:
        found = bypass.parse(host.read(paths.BYPASS))
    except TwofactorError as error:
        problems.append(_problem(error.code, error.message, error.remedy))
        return {"host": None, "users": {}}
    everyone = [("the whole host", found.host)] if found.host else []
    for who, one in [*everyone, *((f"user '{name}'", one) for name, one in found.users.items())]:
        over = one.until < time.time() - BYPASS_GRACE
        problems.append(
            _problem(
                "bypass_overdue" if over else "bypass",
                f"The second factor is off for {who} until {_clock_time(one.until)}, by '{one.by}': {one.reason}.",
                "Its end has passed: run 'twofactor expire' on the host, and see journalctl -t twofactor."
                if over
                else "It ends by itself; end it now with state: enabled, or twofactor_bypass and state: absent.",
            )
        )
    return asdict(found)


def _clock_time(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


def _stale_locks(host: Host) -> list[_Data]:
    """Return a problem for each lock that a crashed login left: its user is refused until it goes."""
    return [
        _problem(
            "token_lock_stale",
            f"{path} has been left behind by a crash; its user is refused.",
            "Run the role again, which removes it.",
        )
        for path in host.leftovers()
    ]
