# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's report for programs: JSON, and CSV for spreadsheets; and the folder that it is written to.

Private to this collection: may change at any time. What the files hold is documented with the module twofactor_report.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._private_file import replace
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import HostState, Report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report_page import page

NAME = "twofactor_report"
_FORMULA = re.compile(
    r"""(^|[,;|\t\r\n])(?=[\t\r]|[\s"']*[=+@\-\uff1d\uff0b\uff20\uff0d\ufe66\ufe62\ufe6b\ufe63])"""
)
"""Where a formula would begin, its sign also in full width or small: in a cell, or after what may separate cells."""
VERSION = 1
"""Of the JSON: raised when something in it is no longer where it was."""


def as_data(report: Report) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        "version": VERSION,
        "title": report.title,
        "made": _time(report.made),
        "summary": {
            "text": report.summary,
            "worst": report.worst,
            "hosts": len(report.hosts),
            **report.statuses,
            "errors": report.count("error"),
            "warnings": report.count("warning"),
            "users": len(report.users),
            "users_enrolled": sum(not user.missing for user in report.users),
            "users_verified": sum(bool(user.verified) for user in report.users),
        },
        "problems": [
            {"severity": one.severity, **asdict(one), "hosts": list(one.hosts)} for one in report.problems
        ],
        "passing": [{**asdict(one), "until": _time(one.until)} for one in report.passing],
        "hosts": [_host(host) for host in report.hosts],
        "users": [
            {
                "name": user.name,
                **{name: list(getattr(user, name)) for name in ("hosts", "enrolled", "verified", "missing")},
                "backup": user.backup,
                "last_used": user.last_used or None,
                "recovery_left": user.recovery,
            }
            for user in report.users
        ],
        "systems": [
            {"platform": platform, "version": version, "hosts": count}
            for platform, version, count in report.releases
        ],
    }


def _host(host: HostState) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": host.name,
        "status": host.status,
        "errors": host.count("error"),
        "warnings": host.count("warning"),
    }
    info = host.info
    if info is None:
        return {**data, "reason": host.answer.reason}
    return {
        **data,
        "platform": info.platform,
        "version": info.version,
        "ssh": {"asks_code": info.ssh_asks, "methods": list(info.ssh_methods), "running": info.ssh_running},
        "services": [asdict(service) for service in info.services],
        "enrolled": [user.name for user in info.users if user.enrolled],
        "clock": asdict(info.clock),
    }


def as_json(report: Report) -> str:
    """Return the report as JSON."""
    return json.dumps(as_data(report), indent=1, ensure_ascii=False) + "\n"


_HOST_HEADS = (
    *("host", "status", "errors", "warnings", "platform", "version", "ssh_asks_code", "ssh_methods"),
    *("users_enrolled", "clock_synchronised", "clock_offset", "problems", "reason"),
)


def hosts_csv(report: Report) -> str:
    """Return a row for each host."""
    rows: list[Iterable[object]] = [_HOST_HEADS]
    for host in report.hosts:
        info, codes = host.info, " ".join(sorted(problem.code for problem in host.problems))
        start = (host.name, host.status, host.count("error"), host.count("warning"))
        if info is None:
            rows.append((*start, *[""] * 7, codes, host.answer.reason))
            continue
        ways = " ".join(info.ssh_methods)
        enrolled = sum(user.enrolled for user in info.users)
        rest = (info.clock.synchronised, info.clock.offset, codes, "")
        rows.append((*start, info.platform, info.version, info.ssh_asks, ways, enrolled, *rest))
    return _csv(rows)


def problems_csv(report: Report) -> str:
    """Return a row for each problem on each host."""
    rows: list[Iterable[object]] = [("host", "severity", "code", "user", "problem", "remedy")]
    for one in report.problems:
        rows += [(host, one.severity, one.code, one.user, one.message, one.remedy) for host in one.hosts]
    return _csv(rows)


FORMATS: dict[str, tuple[tuple[str, Callable[[Report], str]], ...]] = {
    "html": (("index.html", page),),
    "json": (("report.json", as_json),),
    "csv": (("hosts.csv", hosts_csv), ("problems.csv", problems_csv)),
}


def write(report: Report, folder: str, formats: Iterable[str]) -> list[str]:
    """Write the report for its owner alone; return the paths. A folder that is there keeps its mode."""
    written = []
    path = folder
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
        for name, render in (file for one in formats for file in FORMATS[one]):
            path = os.path.join(folder, name)
            replace(path, render(report).encode())
            written.append(path)
    except OSError as error:
        raise TwofactorError(
            "report_not_written",
            f"{path} could not be written: {error.strerror}.",
            "Give another folder, in the variable twofactor_report_folder.",
        ) from None
    return written


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, at whatever separator it splits a line."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


def _time(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
