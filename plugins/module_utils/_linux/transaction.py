# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the steps of a plan, all of them or none.

Private to this collection: may change at any time. The originals of all files go into a journal first. A
step that fails puts them back; a run that was killed leaves the journal, and the next run puts them back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    journal,
    paths,
    selinux,
    tokens,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.journal import Journal
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import (
    FileChange,
    Step,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.token_lock import (
    cleared_if_killed,
    token_lock,
)


def recover(reload_sshd: Callable[[], None]) -> bool:
    """Put back what a killed run left half-changed; tell whether there was anything."""
    files.remove(
        paths.ORIGINALS + files.NEW
    )  # killed while the journal was written: nothing had been changed
    broken = journal.read(paths.ORIGINALS)
    if broken is None:
        return False
    journal.put_back(broken.files, reload_sshd)
    journal.forget(paths.ORIGINALS)
    return True


def commit(steps: list[Step], reload_sshd: Callable[[], None], entry: Journal | None = None) -> None:
    """Carry out ``steps`` in order; when one fails, put every file back and raise its error.

    With an ``entry`` that has a deadline the change waits for its confirmation afterwards.
    """
    files.make_folder(paths.STATE_FOLDER, 0o700)
    selinux.label_for_authentication(paths.STATE_FOLDER)
    for folder in (paths.TOKENS, paths.FAILURES, paths.JOURNAL):
        files.make_folder(folder, 0o700)
    for step in (step for step in steps if step.stays):
        _carry_out(step)
    steps = [step for step in steps if not step.stays]
    originals = journal.take([change.path for step in steps for change in step.changes])
    entry = replace(entry or Journal({}), files=originals)
    journal.forget(paths.REVERTED)
    journal.write(entry)
    try:
        for step in steps:
            _carry_out(step)
            if step.reload_sshd:
                reload_sshd()
    except BaseException:
        journal.put_back(originals, reload_sshd)
        journal.forget(paths.ORIGINALS)
        raise
    if entry.deadline:
        journal.keep_as_pending()
    else:
        journal.forget(paths.ORIGINALS)


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
    with cleared_if_killed([change.path for change in changes]):
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
