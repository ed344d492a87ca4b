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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    marks,
    pam,
    paths,
    sshd,
    token_lock,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text

Originals = dict[str, Optional[dict[str, Any]]]
"""Path to content (base64), mode and owner; None for a file that was not there."""

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
    try:
        with open(path, "rb") as stream:
            data = stream.read()
            there = os.fstat(stream.fileno())
    except (FileNotFoundError, NotADirectoryError):
        return None
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
    waiting = dict(originals)
    files_of_sshd = [path for path in _SSHD_FILES if path in waiting]
    in_between = _asks_for_everything_in_between(originals)
    bridged = not in_between and _bridge(originals, reload_sshd)
    order = [path for path in waiting if _comes_first(path, originals)]
    first_sshd = not bridged and _will_ask(originals.get(_SERVICE)) and not _asks_now()
    if in_between:
        first_sshd = marks.skips_password(_text(originals[_SERVICE]))
    services = [path for path in waiting if path.startswith(paths.PAM_FOLDER + "/") and path not in order]
    services = [path for path in services if path != paths.PAM_POLICY]
    order += files_of_sshd + services if first_sshd else services + files_of_sshd
    order += [path for path in reversed(list(waiting)) if path not in order]
    with token_lock.cleared_if_killed([path for path in order if _is_token_file(path)]):
        for path in order:
            try:
                _put_back_file(path, originals[path])
                if path in files_of_sshd and path == files_of_sshd[-1]:
                    reload_sshd()
            except (OSError, TwofactorError) as error:
                failed.append(error)
    if failed:
        raise failed[0]


def _comes_first(path: str, originals: Originals) -> bool:
    """Tell whether services need this file from the moment they ask for a code."""
    needed = path in (paths.PAM_POLICY, paths.EXEMPT_NETWORKS, paths.ENROLLED) or path.startswith(
        paths.TOKENS
    )
    return needed and originals[path] is not None


def _text(original: dict[str, Any] | None) -> str:
    return base64.b64decode(original["data"]).decode("utf-8", "surrogateescape") if original else ""


def _asks_for_everything_in_between(originals: Originals) -> bool:
    """Tell whether SSH goes between key and code and password and code, with no key alone on either side.

    Then the right order has sshd ask for the key and PAM for password and code in between, as on the way there.
    """
    if _SERVICE not in originals or paths.SSHD_DROPIN not in originals or not _asks_now():
        return False
    dropins = (read_text(paths.SSHD_DROPIN) or "", _text(originals[paths.SSHD_DROPIN]))
    return _will_ask(originals[_SERVICE]) and not any(sshd.lets_key_alone_in(text) for text in dropins)


def _bridge(originals: Originals, reload_sshd: Callable[[], None]) -> bool:
    """Have a key alone open the door while the PAM service of sshd changes; tell whether that is so now."""
    if _SERVICE not in originals or paths.SSHD_DROPIN not in originals:
        return False
    if read_text(_SERVICE) == _text(originals[_SERVICE]):
        return False
    try:
        files.replace(paths.SSHD_DROPIN, marks.KEY_ONLY, 0o600)
        reload_sshd()
    except (OSError, TwofactorError):
        return False
    return True


def _will_ask(original: dict[str, Any] | None) -> bool:
    return pam.is_included(_text(original))


def _asks_now() -> bool:
    return pam.is_included(read_text(_SERVICE) or "")


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
