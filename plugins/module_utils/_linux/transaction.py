# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the steps of a plan, all of them or none.

Private to this collection: may change at any time. The originals of all files go into a journal first. A
step that fails puts them back; a run that was killed leaves the journal, and the next run puts them back.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    paths,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import (
    FileChange,
    Step,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.token_lock import token_lock

_JOURNAL_FILE = f"{paths.JOURNAL}/originals.json"
_LOCK_PATIENCE = 20.0


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep a second change of the same host out while one runs."""
    files.make_folder(os.path.dirname(paths.LOCK), 0o755)
    with open(paths.LOCK, "w", encoding="utf-8") as lock:
        deadline = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TwofactorError(
                        "change_running",
                        f"Another change of this host has been running for {_LOCK_PATIENCE:.0f} s.",
                        "Wait for it to end and run again.",
                    ) from None
                time.sleep(0.05)
        yield


def recover(reload_sshd: Callable[[], None]) -> bool:
    """Put back what a killed run left half-changed; tell whether there was anything."""
    text = read_text(_JOURNAL_FILE)
    if text is None:
        return False
    _put_back(_parse_journal(text), reload_sshd)
    return True


def commit(steps: list[Step], reload_sshd: Callable[[], None]) -> None:
    """Carry out ``steps`` in order; when one fails, put every file back and raise its error."""
    paths_touched = [change.path for step in steps for change in step.changes]
    originals = {path: _original(path) for path in paths_touched}
    _write_journal(originals)
    try:
        for step in steps:
            _carry_out(step)
            if step.reload_sshd:
                reload_sshd()
    except BaseException:
        _put_back(originals, reload_sshd)
        raise
    _forget_journal()


def _carry_out(step: Step) -> None:
    token_changes = [change for change in step.changes if _is_token_file(change.path)]
    for change in step.changes:
        if change not in token_changes:
            _apply(change)
    if token_changes:
        _apply_tokens(token_changes)


def _is_token_file(path: str) -> bool:
    return path.startswith(paths.TOKENS + "/") and path.endswith(".oath")


def _apply(change: FileChange) -> None:
    if change.text is None:
        files.remove(change.path)
    else:
        files.replace(change.path, change.text, change.mode)
    files.sync_folder(os.path.dirname(change.path))


def _apply_tokens(changes: list[FileChange]) -> None:
    """Write token files: all texts first, one sync for all of them, then a short lock for each."""
    one_by_one = len(changes) <= 20  # noqa: PLR2004 - above, one sync of everything is cheaper
    for change in changes:
        if change.text is not None:
            files.write_beside(change.path, change.text, 0o600, sync=one_by_one)
    if not one_by_one:
        os.sync()
    for change in changes:
        with token_lock(change.path):
            if change.text is None:
                files.remove(change.path)
                continue
            _keep_newer_state(change)
            os.rename(change.path + files.NEW, change.path)
    files.sync_folder(paths.TOKENS)


def _keep_newer_state(change: FileChange) -> None:
    """Take over the replay state of a login that came between the plan and this write."""
    now = read_text(change.path)
    if now is None or change.text is None:
        return
    user = os.path.basename(change.path)[: -len(".oath")]
    try:
        wanted = tokens.parse(change.text, user)
        merged = tokens.render(tokens.with_state_of(wanted, tokens.parse(now, user)))
    except TwofactorError:
        return  # the file there is broken, which is why it is being replaced whole
    if merged != change.text:
        files.write_beside(change.path, merged, 0o600)


def _original(path: str) -> dict[str, object] | None:
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


def _write_journal(originals: dict[str, dict[str, object] | None]) -> None:
    for folder in (paths.STATE_FOLDER, paths.TOKENS, paths.FAILURES, paths.JOURNAL):
        files.make_folder(folder, 0o700)
    files.replace(_JOURNAL_FILE, json.dumps({"version": 1, "files": originals}), 0o600)
    files.sync_folder(paths.JOURNAL)


def _forget_journal() -> None:
    files.remove(_JOURNAL_FILE)
    files.sync_folder(paths.JOURNAL)


def _parse_journal(text: str) -> dict[str, dict[str, object] | None]:
    try:
        return dict(json.loads(text)["files"])
    except (ValueError, KeyError, TypeError):
        raise TwofactorError(
            "journal_broken",
            f"{_JOURNAL_FILE} is damaged, so a change that was cut short cannot be taken back.",
            "Use state: disabled, which needs no journal, and enable again.",
        ) from None


def _put_back(originals: dict[str, dict[str, object] | None], reload_sshd: Callable[[], None]) -> None:
    """Put every original back, the last one changed first, and let sshd read them.

    A file that cannot be put back does not keep the others from it. Then the journal stays, for the next run.
    """
    failed: list[OSError] = []
    for path, original in reversed(list(originals.items())):
        try:
            files.remove(path + files.NEW)
            if original is None:
                files.remove(path)
            else:
                _put_back_file(path, original)
        except OSError as error:
            failed.append(error)
    if any(path in (paths.SSHD_CONFIG, paths.SSHD_DROPIN) for path in originals):
        reload_sshd()
    if failed:
        raise failed[0]
    _forget_journal()


def _put_back_file(path: str, original: dict[str, object]) -> None:
    text = base64.b64decode(str(original["data"])).decode("utf-8", "surrogateescape")
    if _is_token_file(path):
        user = os.path.basename(path)[: -len(".oath")]
        with contextlib.suppress(TwofactorError):
            fresh = tokens.parse(read_text(path) or "", user)
            text = tokens.render(tokens.with_state_of(tokens.parse(text, user), fresh))
    files.replace(path, text, int(str(original["mode"])))
    os.chmod(path, int(str(original["mode"])))
    os.chown(path, int(str(original["uid"])), int(str(original["gid"])))
