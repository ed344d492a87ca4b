# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: calls that return a number at once and go on by themselves."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import CallError, ValidationErrors

Record = dict[str, Any]
ENDED = ("SUCCESS", "FAILED", "ABORTED")


@dataclass
class Job:
    """One job and what became of it."""

    number: int
    method: str
    arguments: list[Any]
    state: str = "WAITING"
    result: Any = None
    error: str | None = None
    exception: str | None = None
    extra: list[list[object]] | None = None
    kind: str = ""
    started: float = field(default_factory=time.time)
    finished: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, state: str) -> None:
        """Note that it is over; what ended once does not end again."""
        if self.state not in ENDED:
            self.state = state
            self.finished = time.time()
        self.ended.set()

    def record(self) -> Record:
        """Return what core.get_jobs tells."""
        percent = 100 if self.state == "SUCCESS" else 0
        return {
            "id": self.number,
            "method": self.method,
            "arguments": self.arguments,
            "transient": False,
            "description": None,
            "abortable": False,
            "logs_path": None,
            "logs_excerpt": None,
            "progress": {"percent": percent, "description": "", "extra": None},
            "result": self.result,
            "error": self.error,
            "exception": self.exception,
            "exc_info": self._exc_info(),
            "state": self.state,
            "time_started": _date(self.started),
            "time_finished": _date(self.finished),
        }

    def _exc_info(self) -> Record | None:
        if self.error is None:
            return None
        return {"type": self.kind, "extra": self.extra, "repr": self.error}


def _date(moment: float | None) -> Record | None:
    return None if moment is None else {"$date": int(moment * 1000)}


class Jobs:
    """All jobs since the middleware started."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = threading.Lock()

    def all(self) -> list[Job]:
        """Return the jobs, the oldest first."""
        return list(self._jobs)

    def get(self, number: object) -> Job:
        """Return one job."""
        for job in self._jobs:
            if job.number == number:
                return job
        raise CallError(f"Job {number} does not exist")

    def start(self, method: str, arguments: list[Any], work: Callable[[], Any] | None) -> Job:
        """Start work in the background; without any the job never ends."""
        with self._lock:
            job = Job(len(self._jobs) + 1, method, arguments)
            self._jobs.append(job)
        job.state = "RUNNING"
        if work is not None:
            threading.Thread(target=_run, args=(job, work), daemon=True).start()
        return job


def _run(job: Job, work: Callable[[], Any]) -> None:
    try:
        job.result = work()
        job.end("SUCCESS")
    except Exception as error:  # a job's end is told, whatever it is
        job.kind, job.error = type(error).__name__, str(error)
        if isinstance(error, ValidationErrors):
            job.kind, job.extra = "VALIDATION", error.extra
        job.exception = traceback.format_exc()
        job.end("FAILED")
