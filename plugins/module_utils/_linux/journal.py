# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: the originals of all files that a change touches, and how they are put back.

Private to this collection: may change at any time. ``originals.json`` is there while a change is being made,
``pending.json`` while one waits to be confirmed. Both hold token files, so the folder is root's alone.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Optional

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    marks,
    pam,
    paths,
    token_lock,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text

Originals = dict[str, Optional[dict[str, Any]]]
"""Path to content (base64), mode and owner; None for a file that was not there."""

_Action = Callable[[], object]
"""Something to do on the way back, which may fail without keeping the rest from it."""
_FAR = 1e12
"""Seconds. No clock gets that far, and no number above is taken for a time."""
_SERVICE = paths.service_file("sshd")
_SSHD_FILES = (paths.SSHD_DROPIN, paths.SSHD_CONFIG)


@dataclass(frozen=True)
class Journal:
    """A change that can be taken back.

    ``deadline`` is in seconds of the monotonic clock of the boot ``boot_id``; 0 while nothing has to be confirmed.
    ``connection`` is the SSH connection that made the change, ``by`` the account, ``reason`` why.
    """

    files: Originals
    deadline: float = 0.0
    boot_id: str = ""
    connection: str = ""
    by: str = ""
    reason: str = ""
    version: int = field(default=1)

    def __repr__(self) -> str:
        """Leave the contents out: token files are among them."""
        return f"Journal(files={sorted(self.files)}, deadline={self.deadline})"


def take(touched: list[str]) -> Originals:
    """Return the originals of ``touched`` as they are now."""
    return {path: _original(path) for path in touched}


def _original(path: str) -> dict[str, Any] | None:
    found = files.read_bytes(path)
    if found is None:
        return None
    data, there = found
    return {
        "data": base64.b64encode(data).decode("ascii"),
        "mode": there.st_mode & 0o7777,
        "uid": there.st_uid,
        "gid": there.st_gid,
    }


def write(journal: Journal) -> None:
    """Write the journal of a change that is about to be made."""
    files.replace(paths.ORIGINALS, json.dumps(asdict(journal)), 0o600)
    files.sync_folder(paths.JOURNAL)


def keep_as_pending() -> None:
    """Turn the journal of a change that has been made into one that waits for its confirmation."""
    os.rename(paths.ORIGINALS, paths.PENDING)
    files.sync_folder(paths.JOURNAL)


def forget(path: str) -> None:
    """Remove a journal: its change stands, or has been taken back."""
    files.remove(path)
    files.sync_folder(paths.JOURNAL)


def read(path: str) -> Journal | None:
    """Return the journal at ``path``, None when there is none.

    Raises TwofactorError when it is damaged.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        journal = Journal(**json.loads(text))
        _check(journal)
        return journal
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TwofactorError(
            "journal_broken",
            f"{path} is damaged, so the change that it belongs to cannot be taken back.",
            "Use state: disabled, which needs no journal, and enable again.",
        ) from None


def _check(journal: Journal) -> None:
    """Raise TypeError, ValueError or KeyError for a journal that could not be put back whole."""
    if type(journal.deadline) not in (int, float) or not abs(journal.deadline) < _FAR:
        raise TypeError
    if not all(
        isinstance(word, str) for word in (journal.boot_id, journal.connection, journal.by, journal.reason)
    ):
        raise TypeError
    for original in journal.files.values():
        if original is None:
            continue
        base64.b64decode(original["data"], validate=True)
        numbers = [original[name] for name in ("mode", "uid", "gid")]
        if not all(isinstance(number, int) and 0 <= number < 1 << 32 for number in numbers):
            raise TypeError


def put_back(originals: Originals, reload_sshd: Callable[[], None]) -> None:
    """Put every original back, in an order that opens no door and shuts none on the way.

    A file that cannot be put back does not keep the others from it, and neither does an sshd that does not read
    its configuration; the first error is raised in the end.
    """
    failed: list[Exception] = []
    with token_lock.cleared_if_killed([path for path in originals if _is_token_file(path)]):
        for action in _actions(originals, reload_sshd):
            try:
                action()
            except (OSError, TwofactorError) as error:
                failed.append(error)
    if failed:
        raise failed[0]


def _actions(originals: Originals, reload_sshd: Callable[[], None]) -> Iterator[_Action]:
    """Yield what puts every original back, in order."""
    first = [path for path in originals if _comes_first(path, originals)]
    services = [path for path in originals if path.startswith(paths.PAM_FOLDER + "/") and path not in first]
    services = [path for path in services if path not in (paths.PAM_POLICY, _SERVICE)]
    of_ssh = (_SERVICE, *_SSHD_FILES)
    rest = [path for path in originals if path not in (*first, *services, *of_ssh)]
    for path in (*first, *services):
        yield partial(_put_back_file, path, originals[path])
    yield from _actions_of_ssh(originals, reload_sshd)
    for path in reversed(rest):
        yield partial(_put_back_file, path, originals[path])


def _actions_of_ssh(originals: Originals, reload_sshd: Callable[[], None]) -> Iterator[_Action]:
    """Yield what puts sshd and its PAM service back, in the order in which a plan changes them."""
    service: list[_Action] = []
    config: list[_Action] = []
    for path in (_SERVICE, *_SSHD_FILES):
        if path in originals:
            (service if path == _SERVICE else config).append(partial(_put_back_file, path, originals[path]))
    if config:
        config.append(reload_sshd)
    now, then = read_text(_SERVICE) or "", _text(originals.get(_SERVICE))
    will_ask = pam.asks_code(then)
    takes = _takes_passwords() if config and service and pam.asks_code(now) != will_ask else ""
    if takes:
        between = marks.with_password_alone(then if will_ask else now, of_root=takes == "all")
        yield partial(files.replace, _SERVICE, between, 0o644)
        yield from [*config, *service]
    else:
        yield from [*service, *config] if will_ask else [*config, *service]


def _takes_passwords() -> str:
    """Return of whom sshd without our drop-in surely takes a password (View)."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import sshd_check
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host

    return sshd_check.takes_passwords(Host())


def _comes_first(path: str, originals: Originals) -> bool:
    """Tell whether services need this file from the moment they ask for a code."""
    needed = path in (paths.PAM_POLICY, paths.EXEMPT_NETWORKS, paths.ENROLLED) or path.startswith(
        paths.TOKENS
    )
    return needed and originals[path] is not None


def _text(original: dict[str, Any] | None) -> str:
    return base64.b64decode(original["data"]).decode("utf-8", "surrogateescape") if original else ""


def _is_token_file(path: str) -> bool:
    return path.startswith(paths.TOKENS + "/") and path.endswith(".oath")


def _put_back_file(path: str, original: dict[str, Any] | None) -> None:
    with contextlib.ExitStack() as held:
        if _is_token_file(path):
            with contextlib.suppress(OSError, TwofactorError):  # it is put back all the same
                held.enter_context(token_lock.token_lock(path))
        _put_back_content(path, original)


def _put_back_content(path: str, original: dict[str, Any] | None) -> None:
    files.remove(path + files.NEW)
    if _original(path) == original:
        return  # it may be what could not be changed in the first place
    if original is None:
        files.remove(path)
        return
    text = _text(original)
    if _is_token_file(path):
        text = _with_newer_state(path, text)
    files.replace(path, text, original["mode"])
    os.chmod(path, original["mode"])
    os.chown(path, original["uid"], original["gid"])


def _with_newer_state(path: str, text: str) -> str:
    """Return a token file's original with the replay state of the logins since: a used code stays used."""
    user = os.path.basename(path)[: -len(".oath")]
    with contextlib.suppress(TwofactorError):
        fresh = tokens.parse(read_text(path) or "", user)
        return tokens.render(tokens.with_state_of(tokens.parse(text, user), fresh))
    return text
