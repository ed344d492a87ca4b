# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SSH asks for, of everybody: what sshd says, for each kind of login that its configuration tells apart.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    doors,
    match_visitors,
    pam,
    paths,
    sshd,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.drift import Drift
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared

_WITH_CODE = ("key_and_code", "password_and_code")


@dataclass(frozen=True)
class Answer:
    """What an sshd would apply to a login, by keyword in small letters (``sshd -T -C``)."""

    visitor: Visitor
    settings: dict[str, str]


def read(
    host: Host, declared: Declared, drift: Drift, enrolled: list[str]
) -> tuple[dict[str, Any], list[TwofactorError]]:
    """Return the state of SSH as twofactor_info tells it, and the problems with it."""
    if daemon.distributions_sshd() is None:
        return {"state": "disabled", "methods": [], "root_login": None, "running": False, "exempt": None}, []
    problems: list[TwofactorError] = []
    answers: list[Answer] = []
    try:
        for line in sshd_check.readers(host):
            found = _visits(host, declared, drift, enrolled, line)
            problems += _untried(found.untried)
            answers += [
                Answer(one, sshd_check.effective(line.config, one, line.options)) for one in found.visitors
            ]
    except TwofactorError as error:
        problems.append(error)
        answers = []
    let_in = [one.visitor for one in answers if not is_asked(one, declared)]
    has_line = pam.asks_code(host.read(paths.service_file(sshd.PAM_SERVICE)) or "")
    sshd_asks = bool(answers) and not let_in
    if declared.ssh_asks() and not (sshd_asks and has_line):
        problems.append(_not_asking(let_in if len(let_in) < len(answers) else []))
    # A line that something before it can avoid is said elsewhere.
    asks = sshd_asks and has_line and (sshd.PAM_SERVICE in drift.asking or not declared.ssh_asks())
    if asks or declared.ssh_asks():
        problems += sshd_check.other_sshds(host)
    settings = answers[0].settings if answers else {}
    state = {
        "state": "enabled" if asks else "disabled",
        "methods": sshd.methods_of(settings.get("authenticationmethods", "")) if asks else [],
        "root_login": settings.get("permitrootlogin"),
        "running": bool(host.doors().sshds),
        "exempt": asdict(declared.ssh.exempt(declared.policy)),
    }
    return state, problems


def _visits(
    host: Host, declared: Declared, drift: Drift, enrolled: list[str], line: CommandLine
) -> match_visitors.Visits:
    """Return the logins to ask an sshd about: an ordinary one, and those that its configuration tells apart."""
    exempt = declared.ssh.exempt(declared.policy)
    logins = sshd_check.visitors(exempt, enrolled)
    ordinary = [login for login in logins if not login.is_exempt] or logins
    ordinary.sort(key=lambda login: login.user == "root")  # who stands for all is rather somebody else
    counts = not drift.ssh_edited and declared.ssh_asks() and _reads_ours_first(host, line)
    first = (
        ordinary[:1]
        if counts
        else [*ordinary[:1], *(login for login in ordinary[1:] if login.user == "root")]
    )
    main = (
        host.read(line.config) if line.config == paths.SSHD_CONFIG else doors.roots_text(line.config)
    ) or ""
    further = match_visitors.find(host, main, exempt, ordinary[0].user, dropin_counts=counts)
    return match_visitors.Visits(tuple(dict.fromkeys([*first, *further.visitors])), further.untried)


def _reads_ours_first(host: Host, line: CommandLine) -> bool:
    """Tell whether our drop-in is what an sshd reads first: then no Match block outranks it any more."""
    folder = os.path.dirname(paths.SSHD_DROPIN)
    there = [f"{folder}/{name}" for name in host.names(folder)]
    main = host.read(paths.SSHD_CONFIG) if line.config == paths.SSHD_CONFIG else doors.roots_text(line.config)
    return paths.SSHD_DROPIN in there and sshd.reads_dropin_first(main or "", there)


def is_asked(answer: Answer, declared: Declared) -> bool:
    """Tell whether each way in that sshd leaves to a login is one that was declared.

    Whoever is exempt may come with a key alone.
    """
    methods = declared.ssh.methods if declared.ssh_asks() else _WITH_CODE
    allowed = set(sshd.authentication_methods(methods).split())
    ways = set(answer.settings.get("authenticationmethods", "any").split())
    if answer.visitor.is_exempt and ways == {"publickey"}:
        return True
    by_pam = answer.settings.get("usepam") == "yes"
    service = answer.settings.get("pamservicename", sshd.PAM_SERVICE)
    return by_pam and service == sshd.PAM_SERVICE and ways <= allowed


def _not_asking(let_in: list[Visitor]) -> TwofactorError:
    names = list(dict.fromkeys(_login_in_words(visitor) for visitor in let_in))
    more = f" and {len(names) - 5} more" if names[5:] else ""
    whose = f" of {', '.join(names[:5])}{more}" if names else ""
    return TwofactorError(
        "ssh_not_asking",
        f"SSH logins{whose} are not asked for a code although they are declared to be.",
        "Run the role again; something has overridden its drop-in or its PAM line.",
    )


def _login_in_words(visitor: Visitor) -> str:
    where = "" if visitor.address == sshd_check.SOMEWHERE else f" from {visitor.address}"
    return visitor.user + where + "".join(f", {name} {value}" for name, value in visitor.more)


def _untried(blocks: Iterable[str]) -> Iterator[TwofactorError]:
    for block in blocks:
        yield TwofactorError(
            "sshd_not_judged",
            f"sshd's configuration has '{block}', for which sshd cannot be asked what it would do, so it is not known "
            "whether everybody is asked for a code.",
            "Take AuthenticationMethods and PAMServiceName out of that block.",
        )
