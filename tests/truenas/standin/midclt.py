# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``midclt``, with the quirks that it has in each release."""

from __future__ import annotations

import argparse
import json
import os
import pprint
import sys
import time
from pathlib import Path
from typing import Any

from .places import RELEASE
from .releases import Release, release_named
from .wire import Connection, ConnectionLost

Record = dict[str, Any]

NOT_RUNNING = "Failed to run middleware call. Daemon not running?"
POLL = 0.2
ENDED = ("SUCCESS", "FAILED", "ABORTED")


class Failed(Exception):
    """A call was answered with an error, or not at all."""

    def __init__(self, reason: str, trace: str | None = None, extra: object = None) -> None:
        super().__init__(reason)
        self.reason, self.trace, self.extra = reason, trace, extra


class LoginFailed(Exception):
    """The name, the password or the key is wrong."""


class Raw(Exception):
    """A fault of the lab: print this and end."""

    def __init__(self, raw: Record) -> None:
        super().__init__()
        self.raw = raw


def parser(release: Release) -> argparse.ArgumentParser:
    """Return the parser of a release's command line."""
    top = argparse.ArgumentParser(prog="midclt")
    if release.quiet == "global":
        top.add_argument("-q", "--quiet", action="store_true")
    top.add_argument("-u", "--uri")
    top.add_argument("-U", "--username")
    top.add_argument("-P", "--password")
    top.add_argument("-K", "--api-key")
    top.add_argument("-t", "--timeout", type=int)
    if release.stdin_payload:
        for option in ("--insecure", "--plain", "--no-channel-binding"):
            top.add_argument(option, action="store_true")
    commands = top.add_subparsers(dest="name")
    call = commands.add_parser("call")
    if release.quiet == "call":
        call.add_argument("-q", "--quiet", action="store_true")
    if release.job_option == "flag":
        call.add_argument("-j", "--job", action="store_true")
    else:
        # What follows is taken for its value, whatever it is, and any text but none is true.
        call.add_argument("-j", "--job", type=bool, default=False)
    call.add_argument("-jp", "--job-print", choices=("progressbar", "description"), default="progressbar")
    call.add_argument("method", nargs="+")
    commands.add_parser("ping")
    if release.waitready:
        commands.add_parser("waitready")
    return top


def decoded(word: str) -> Any:
    """Return an argument: JSON if it is that, else the text itself."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def shown(result: Any) -> str:
    """Return a result the way it is printed; a bool is an int to Python, so it is no JSON."""
    return str(result) if isinstance(result, (int, str)) else json.dumps(result)


class Client:
    """A connection that raises for errors."""

    def __init__(self, options: argparse.Namespace, release: Release) -> None:
        self._release = release
        timeout = options.timeout or float(os.environ.get("CALL_TIMEOUT", "60"))
        self._connection = Connection(timeout)

    def call(self, method: str, *arguments: Any) -> Any:
        """Return a call's result."""
        try:
            answer = self._connection.call(method, *arguments)
        except TimeoutError:
            raise Failed("Call timeout") from None
        except ConnectionLost:
            raise Failed("Connection closed") from None
        if "raw" in answer:
            raise Raw(answer["raw"])
        if "error" in answer:
            error = answer["error"]
            raise Failed(error["reason"], error["trace"], error["extra"])
        return answer["result"]

    def log_in(self, options: argparse.Namespace) -> None:
        """Log in if there are credentials; root needs none."""
        if options.api_key:
            self._log_in_with_key(options)
        elif options.username and options.password:
            self._log_in_with_password(options)

    def _log_in_with_password(self, options: argparse.Namespace) -> None:
        if not self._release.says_code_required:
            if not self.call("auth.login", options.username, options.password):
                raise LoginFailed("Invalid username or password")
            return
        data = {"mechanism": "PASSWORD_PLAIN", "username": options.username, "password": options.password}
        answer = self.call("auth.login_ex", data)["response_type"]
        if answer == "OTP_REQUIRED":
            raise LoginFailed("Two-factor authentication is required for this account.")
        if answer != "SUCCESS":
            raise LoginFailed("Invalid username or password")

    def _log_in_with_key(self, options: argparse.Namespace) -> None:
        if self._release.stdin_payload:
            key = Path(options.api_key).read_text(encoding="ascii").strip()
            data = {"mechanism": "API_KEY_PLAIN", "username": options.username, "api_key": key}
            right = self.call("auth.login_ex", data)["response_type"] == "SUCCESS"
        else:
            right = self.call("auth.login_with_api_key", options.api_key)
        if not right:
            raise LoginFailed("Invalid API key")

    def wait(self, number: int) -> Any:
        """Return a job's result when it is there."""
        while True:
            jobs = self.call("core.get_jobs", [["id", "=", number]])
            if jobs and jobs[0]["state"] in ENDED:
                break
            time.sleep(POLL)
        if jobs[0]["state"] != "SUCCESS":
            raise Failed(jobs[0]["error"] or jobs[0]["state"], jobs[0]["exception"])
        return jobs[0]["result"]


def _arguments(options: argparse.Namespace, release: Release) -> list[Any]:
    words = options.method[1:]
    if release.stdin_payload and words == ["-"]:
        return [json.loads(sys.stdin.read())]
    return [decoded(word) for word in words]


def _call(options: argparse.Namespace, release: Release) -> int:
    client = Client(options, release)
    try:
        client.log_in(options)
    except (LoginFailed, Failed) as error:
        print("Failed to login: ", error)
        return 0
    try:
        result = client.call(options.method[0], *_arguments(options, release))
        if options.job:
            result = client.wait(result)
    except Failed as error:
        if not getattr(options, "quiet", False):
            _complain(error)
        return 1
    print(shown(result))
    return 0


def _complain(error: Failed) -> None:
    print(error.reason, file=sys.stderr)
    if error.trace:
        print(error.trace, file=sys.stderr)
    if error.extra:
        pprint.pprint(error.extra, stream=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run one command; return its exit status."""
    release = release_named(RELEASE.read_text(encoding="ascii").strip())
    top = parser(release)
    options = top.parse_args(arguments)
    if options.uri:
        top.error("the stand-in speaks over its own socket only")
    if release.stdin_payload and options.api_key and not options.username:
        top.error("-K needs -U")
    try:
        if options.name == "call":
            return _call(options, release)
        if options.name in ("ping", "waitready"):
            print(Client(options, release).call("core.ping"))
            return 0
    except (FileNotFoundError, ConnectionRefusedError):
        print(NOT_RUNNING, file=sys.stderr)
        return 1
    except Raw as fault:
        sys.stdout.write(fault.raw["stdout"])
        sys.stderr.write(fault.raw["stderr"])
        return int(fault.raw["status"])
    top.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
