# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""core.*: jobs, methods, and signs of life."""

from __future__ import annotations

from typing import Any

from ..errors import CallError
from ..filters import query as filtered
from ..nas import Call
from ..registry import method, of_release

Record = dict[str, Any]


@method("core.ping", access="anybody")
def ping(_call: Call) -> str:
    return "pong"


@method("core.get_jobs", access="user")
def get_jobs(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    return filtered((job.record() for job in call.nas.jobs.all()), query_filters, query_options)


@method("core.job_abort", access="user")
def job_abort(call: Call, id_: Any) -> None:
    job = call.nas.jobs.get(id_)
    if job.state == "RUNNING":
        raise CallError("Job is not abortable")
    job.end("ABORTED")


@method("core.get_methods", access="user")
def get_methods(call: Call, service: Any = None, _target: Any = None) -> Record:
    return {
        entry.name: {"description": "", "job": entry.job, "filterable": entry.name.endswith(".query")}
        for entry in of_release(call.release)
        if service is None or entry.name.startswith(f"{service}.")
    }
