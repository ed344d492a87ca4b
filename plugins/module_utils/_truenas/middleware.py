# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the middleware through midclt, in bounded time.

Private to this collection: may change at any time. Decides nothing about the second factor. No secret is ever
an argument: before 26 every argument can be seen in the process list.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Ran,
    find_program,
    run,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import wire

READ_SECONDS = 30.0
CHANGE_SECONDS = 50.0
"""A new time server alone is probed for five seconds, and services are reloaded. midclt itself gives up after 60."""
JOB_SECONDS = 120.0
RESTART_SECONDS = 30.0
"""How long to wait for a middleware that is starting."""
_AGAIN_AFTER = 1.0

Runner = Callable[[list[str], float], Ran]


@dataclass(frozen=True)
class Call:
    """One call that changes something, and why.

    ``user`` is whose new secret the answer holds or leads to. ``repeatable``: made twice it does the same as made
    once. ``answers`` is the type of a true answer.
    """

    method: str
    arguments: tuple[object, ...] = ()
    why: str = ""
    user: str = ""
    repeatable: bool = True
    job: bool = False
    answers: tuple[type, ...] = (object,)


def run_midclt(arguments: list[str], seconds: float) -> Ran:
    """Run midclt on this host. Raises TwofactorError when that cannot be done at all."""
    midclt = find_program(arguments[0])
    if midclt is None:
        raise TwofactorError(
            "middleware_absent",
            "This is a TrueNAS system, but it has no midclt to reach its middleware by.",
            "Repair the installation; nothing here can be managed without the middleware.",
        )
    if os.geteuid() != 0:
        raise TwofactorError(
            "not_root",
            "Only root can manage the second factor of a TrueNAS system.",
            "Log in as root, or run with become: true.",
        )
    return run([midclt, *arguments[1:]], timeout=seconds)


class Middleware:
    """The middleware of this host."""

    def __init__(
        self,
        runner: Runner = run_midclt,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        at_once: int = 4,
    ) -> None:
        self._runner = runner
        self._sleep = sleep
        self._now = now
        self._at_once = at_once

    def read(self, method: str, *arguments: object) -> object:
        """Make a call that changes nothing; while the middleware restarts, wait for it."""
        return self._call(method, arguments, READ_SECONDS, repeatable=True)

    def read_all(self, requests: list[tuple[Any, ...]]) -> list[object]:
        """Make several reading calls side by side: each has to start a Python of its own.

        A call that was refused has its ApiError in place of the answer; any other trouble is raised.
        """
        if self._at_once == 1 or len(requests) == 1:
            return [self._read_or_refused(request) for request in requests]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self._read_or_refused, requests))

    def _read_or_refused(self, request: tuple[Any, ...]) -> object:
        try:
            return self.read(*request)
        except wire.ApiError as error:
            return error

    def change(self, call: Call) -> object:
        """Make a call that changes something, and wait for its job if it is one."""
        answer = self._call(call.method, call.arguments, CHANGE_SECONDS, repeatable=call.repeatable)
        if call.job and isinstance(answer, int) and not isinstance(answer, bool):
            answer = self._job_result(call.method, answer)
        if not isinstance(answer, call.answers):
            raise rubbish(call.method)
        return answer

    def _call(
        self, method: str, arguments: tuple[object, ...], seconds: float, *, repeatable: bool
    ) -> object:
        give_up = self._now() + RESTART_SECONDS
        while True:
            ran = self._run(method, arguments, seconds)
            trouble = wire.connection_trouble(ran.status, ran.err)
            if not trouble:
                return wire.answer(method, ran.status, ran.out, ran.err)
            if trouble == "timeout":
                raise _timeout(method, seconds)
            if trouble == "lost" and not repeatable:
                raise TwofactorError(
                    "middleware_lost",
                    f"The connection to the middleware broke during {method}, which may have been carried out or not.",
                    "Run again, which finds out and finishes what is missing.",
                )
            if self._now() > give_up:
                raise TwofactorError(
                    "middleware_down",
                    f"The middleware of this TrueNAS is not running ({method} was tried for {RESTART_SECONDS:.0f} s).",
                    "Start it with 'systemctl restart middlewared' on the host, and look at /var/log/middlewared.log.",
                )
            self._sleep(_AGAIN_AFTER)

    def _run(self, method: str, arguments: tuple[object, ...], seconds: float) -> Ran:
        try:
            return self._runner(wire.command("midclt", method, arguments), seconds)
        except TwofactorError as error:
            if error.code != "command_timeout":
                raise
            raise _timeout(method, seconds) from None

    def _job_result(self, method: str, number: int) -> object:
        """Wait for a job. Raises TwofactorError when it fails or takes too long."""
        give_up = self._now() + JOB_SECONDS
        while True:
            job = _job(self.read("core.get_jobs", [["id", "=", number]]), method)
            state = job.get("state")
            if state == "SUCCESS":
                return job.get("result")
            if state in ("FAILED", "ABORTED"):
                why = str(job.get("error") or "no reason given").splitlines()[0][:300]
                raise TwofactorError(
                    "job_failed",
                    f"The job {method} of this TrueNAS ended as {state}: {why}",
                    f"See 'midclt call core.get_jobs' for job {number} on the host.",
                )
            if self._now() > give_up:
                raise TwofactorError(
                    "job_timeout",
                    f"The job {method} of this TrueNAS did not end within {JOB_SECONDS:.0f} s (it is {state}).",
                    f"See 'midclt call core.get_jobs' for job {number} on the host, then run again.",
                )
            self._sleep(_AGAIN_AFTER)


def _job(answer: object, method: str) -> dict[str, Any]:
    jobs = rows(answer, "core.get_jobs")
    if not jobs:
        raise TwofactorError(
            "job_lost",
            f"The middleware no longer knows the job {method} that it had begun; it was probably restarted.",
            "Run again, which finds out and finishes what is missing.",
        )
    return jobs[0]


def _timeout(method: str, seconds: float) -> TwofactorError:
    return TwofactorError(
        "middleware_timeout",
        f"The middleware did not answer {method} within {seconds:.0f} s.",
        "Look at its load and at /var/log/middlewared.log on the host, then run again; a change that it "
        "was asked for may still come about.",
    )


def rubbish(method: str) -> TwofactorError:
    """Return the error for an answer that is not of the kind that the method gives."""
    return TwofactorError(
        "middleware_rubbish",
        f"The middleware answered {method} with something that cannot be its answer.",
        f"Look at 'midclt call {method}' and /var/log/middlewared.log on the host, then run again.",
    )


def row(answer: object, method: str) -> dict[str, Any]:
    """Return an answer that has to be one entry. Raises TwofactorError for anything else."""
    if isinstance(answer, wire.ApiError):
        raise answer
    if not isinstance(answer, dict):
        raise rubbish(method)
    return answer


def rows(answer: object, method: str) -> list[dict[str, Any]]:
    """Return an answer that has to be a list of entries. Raises TwofactorError for anything else."""
    if isinstance(answer, wire.ApiError):
        raise answer
    if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
        raise rubbish(method)
    return answer


def text(answer: object, method: str) -> str:
    """Return an answer that has to be a string. Raises TwofactorError for anything else."""
    if isinstance(answer, wire.ApiError):
        raise answer
    if not isinstance(answer, str) or not answer:
        raise rubbish(method)
    return answer
