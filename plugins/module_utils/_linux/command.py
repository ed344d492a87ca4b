# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of /usr/local/sbin/twofactor, for the console and for the host's own timers.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Callable, TextIO

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform

if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]
_Action = Callable[[LinuxPlatform, argparse.Namespace], None]


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    os.umask(0o022)  # whoever calls it may have any
    try:
        options.action(LinuxPlatform(), options)
        return 0
    except TwofactorError as error:
        _write(sys.stderr, f"twofactor: {error}")
    except OSError as error:
        _write(sys.stderr, f"twofactor: {error} (are you root?)")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twofactor", description="The second factor of this host.", allow_abbrev=False
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _verb(verbs, "status", _status, "say what is in effect")
    off = _verb(verbs, "disable", _disable, "take the second factor off everywhere; tokens are kept")
    off.add_argument("--reason", default="", help="for the log")
    off.add_argument("--lasts", default="", metavar="TIME", help="come back on after 90s, 30m, 2h or 1d")
    on = _verb(verbs, "enable", _enable, "switch it on again as it was declared")
    on.add_argument(
        "--no-guard", action="store_true", help="even if somebody is shut out by it; goes into the log"
    )
    _verb(verbs, "confirm", _confirm, "let a pending change stand")
    _verb(verbs, "revert", _revert, "take a pending change back")
    _verb(
        verbs,
        "apply",
        _apply,
        "make the change that standard input holds as JSON (options of twofactor_host)",
    )
    _verb(verbs, "boot", _boot, "take back or end what was under way when the machine went down")
    over = _verb(
        verbs, "expire", _expire, "take back what was cut short or not confirmed in time; end what is over"
    )
    over.add_argument(
        "--end", type=float, metavar="TIME", help="the end that has come, in seconds since 1970 (for timers)"
    )
    return parser


def _verb(verbs: _Verbs, name: str, action: _Action, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, allow_abbrev=False)
    parser.set_defaults(action=action)
    return parser


def _status(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    del options
    _write(sys.stdout, json.dumps(platform.info(), indent=2))


def _disable(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    policy: dict[str, object] = {"state": "disabled", "reason": options.reason}
    _say(
        platform.apply(Change(policy=policy, lasts=options.lasts), False).changed, "The second factor is off."
    )


def _enable(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    change = Change(policy={"state": "enabled"}, guard=not options.no_guard)
    _say(platform.apply(change, False).changed, "The second factor is on.")


def _confirm(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    del options
    _say(platform.settle(True, False).changed, "The pending change stands.")


def _revert(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    del options
    _say(platform.settle(False, False).changed, "The pending change has been taken back.")


def _apply(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils import _args

    del options
    params = _args.complete_host_params(json.load(sys.stdin))
    _say(platform.apply(_args.host_change(params), False).changed, "Changed.")


def _boot(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import unattended

    del options
    unattended.after_boot(platform)


def _expire(platform: LinuxPlatform, options: argparse.Namespace) -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import unattended

    unattended.expire(platform, options.end)


def _say(changed: bool, sentence: str) -> None:
    _write(sys.stdout, sentence if changed else "Nothing to do.")


def _write(stream: TextIO | None, text: str) -> None:
    """Say something, as far as there is somebody to say it to and the terminal's encoding knows the characters."""
    if stream is not None:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding) + "\n")
