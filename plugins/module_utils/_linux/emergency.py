# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the second factor off, when little else works.

Private to this collection: may change at any time. No guard, no lock, no network, no clock, no package
manager; a full disk and a change that was cut short do not stop it. It takes our lines out of whatever
files are there now, keeps every token, and goes on after a file that it cannot change.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    audit,
    daemon,
    files,
    marks,
    paths,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text


def disable(reason: str, check_mode: bool, lasts: str = "") -> Outcome:
    """Take the second factor off everywhere on this host, SSH too; with ``lasts`` for that long only.

    Raises Refused at the end when a file could not be changed, after everything else has been done.
    """
    outcome = Outcome()
    services = _services_with_our_line()
    ssh_service = services.pop(paths.service_file("sshd"), None)
    main = _read(paths.SSHD_CONFIG) or ""
    clean_main = marks.without_sshd_include(main)
    dropin = _read(paths.SSHD_DROPIN)
    policy = _read(paths.POLICY)
    disabled = _disabled(policy, reason)
    gone = [paths.PAM_POLICY, paths.EXEMPT_NETWORKS, paths.ENROLLED, *_half_written()]
    present = [path for path in gone if os.path.lexists(path)]
    end = _End(lasts, reason, was_on=bool(services or ssh_service or disabled))
    outcome.warnings += end.warnings
    outcome.changed = bool(
        services
        or ssh_service
        or dropin is not None
        or clean_main != main
        or present
        or disabled
        or end.differs
    )
    _describe(outcome, [*services, *([paths.service_file("sshd")] if ssh_service else [])], dropin)
    if check_mode:
        return outcome
    if not outcome.changed:
        files.remove(paths.DISABLING)
        return outcome
    failed: list[OSError] = []
    _note_begun(reason, lasts)
    _take_ssh_off(ssh_service, main, failed)
    for path, text in services.items():
        _attempt(failed, _shrink, path, marks.without_pam_include(text))
    if not _services_with_our_line():  # a service that still includes the policy would refuse everybody
        for path in present:
            _attempt(failed, files.remove, path)
    for path in (paths.ORIGINALS, paths.PENDING):
        _attempt(failed, files.remove, path)
    outcome.warnings += end.arrange()
    if disabled is not None:
        try:
            files.replace(paths.POLICY, disabled, 0o600)
        except OSError as error:
            outcome.warnings.append(
                f"{paths.POLICY} could not be rewritten ({error.strerror}); it still says enabled, so the "
                "next run of the role switches the second factor on again."
            )
    _attempt(failed, files.remove, paths.DISABLING)
    audit.log("disabled", why=reason, lasts=lasts, failed=len(failed) or "")
    if failed:
        raise Refused([_explained(error) for error in failed])
    return outcome


def _note_begun(reason: str, lasts: str) -> None:
    """Have a boot finish this when the machine goes down in the middle of it; without the note it works as well."""
    with contextlib.suppress(OSError):
        files.make_folder(paths.STATE_FOLDER, 0o700)
        files.make_folder(paths.JOURNAL, 0o700)
        files.replace(paths.DISABLING, json.dumps({"reason": reason, "lasts": lasts}) + "\n", 0o600)


def finish() -> bool:
    """Take the second factor off where a run was cut short that was doing so; tell whether there was one."""
    text = _read(paths.DISABLING)
    files.remove(paths.DISABLING + files.NEW)
    if text is None:
        return False
    try:
        note = json.loads(text)
        reason, lasts = str(note["reason"]), str(note["lasts"])
    except (ValueError, KeyError, TypeError, RecursionError):
        reason, lasts = "", ""
    disable(reason, False, lasts)
    files.remove(paths.DISABLING)
    return True


_NOT_BACK = "The second factor will not come back on by itself"
_SAME_END = 60.0
"""Seconds by which two ends may differ and count as the same."""


class _End:
    """When the second factor comes back on by itself: as asked now, or never.

    Only what was on comes back on: no guard looks at that moment, and a host that never asked for a code would shut out
    its users then.
    """

    def __init__(self, lasts: str, reason: str, *, was_on: bool) -> None:
        self.warnings: list[str] = []
        self.differs = False
        self._reason = reason
        self._text = _read(paths.BYPASS)
        self._seconds = 0.0
        self._arms = False
        if not (lasts or self._text):
            return  # there is no bypass, and there is to be none
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import bypass

        self._seconds = bypass.seconds_of(lasts) if lasts else 0.0
        try:
            self._now = bypass.parse(self._text)
        except TwofactorError:
            self._now = bypass.Bypasses()  # damaged: it is replaced
        self._running = self._now.running().host
        self._decide(was_on)

    def _decide(self, was_on: bool) -> None:
        """Decide whether the end is to be armed anew: the one that runs counts, when it is the same."""
        if not self._seconds:
            self.differs = self._running is not None
        elif self._running is not None:
            late = time.time() + self._seconds - self._running.until
            self._arms = abs(late) > _SAME_END
            self.differs = self._arms
        elif was_on:
            self._arms = self.differs = True
        else:
            self.warnings.append(
                f"lasts: {_NOT_BACK}: it was disabled on this host already. Enable it with state: enabled."
            )

    def arrange(self) -> list[str]:
        """Write down the end and arm it; return a warning when that cannot be had: the factor goes off anyway."""
        if not (self._seconds or self._text):
            return []
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import bypass

        host = self._running if self._seconds else None
        if self._arms:
            host = bypass.Bypass(time.time() + self._seconds, self._reason, audit.account_behind())
        if host == self._now.host:
            return []
        text = bypass.render(bypass.Bypasses(host, self._now.users))
        try:
            if text is None:
                files.remove(paths.BYPASS)
            else:
                _arm(host.until if host else None)
                files.replace(paths.BYPASS, text, 0o600)
        except (OSError, TwofactorError) as error:
            return [f"{_NOT_BACK}: {error}"]
        return []


def _arm(end: float | None) -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent

    if end is not None:
        agent.install()
        agent.arm_end(end)


def _read(path: str) -> str | None:
    """Return a file's text, None also when it cannot be read: then there is nothing of ours to take out."""
    try:
        return read_text(path)
    except OSError:
        return None


def _half_written() -> list[str]:
    """Return the files that a run was killed over before it could put them in place."""
    folders = (
        *(paths.PAM_FOLDER, os.path.dirname(paths.SSHD_CONFIG), os.path.dirname(paths.SSHD_DROPIN)),
        os.path.dirname(paths.POLICY),
    )
    there = [f"{folder}/{name}" for folder in folders for name in _names(folder)]
    return [path for path in there if path.endswith(files.NEW)]


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _services_with_our_line() -> dict[str, str]:
    found = {}
    for name in _names(paths.PAM_FOLDER):
        path = paths.service_file(name)
        if name.endswith(files.NEW) or path == paths.PAM_POLICY:
            continue
        with contextlib.suppress(OSError):
            text = read_text(path)
            if text is not None and marks.without_pam_include(text) != text:
                found[path] = text
    return found


def _take_ssh_off(service: str | None, main: str, failed: list[OSError]) -> None:
    """Put SSH back: in between a password is enough, so that one who has one is not shut out while sshd changes."""
    if service is not None:
        with contextlib.suppress(OSError):
            _shrink(paths.service_file("sshd"), marks.with_password_alone(service, of_root=False))
    _attempt(failed, files.remove, paths.SSHD_DROPIN)
    if marks.without_sshd_include(main) != main:
        _attempt(failed, _shrink, paths.SSHD_CONFIG, marks.without_sshd_include(main))
    _attempt(failed, _reload_sshd)
    if service is not None:
        _attempt(failed, _shrink, paths.service_file("sshd"), marks.without_pam_include(service))


def _reload_sshd() -> None:
    with contextlib.suppress(ProcessLookupError):
        daemon.reload_sshd(wait=False)


def _attempt(failed: list[OSError], action, *arguments: str) -> bool:  # type: ignore[no-untyped-def]
    try:
        action(*arguments)
    except OSError as error:
        failed.append(error)
        return False
    return True


def _shrink(path: str, text: str) -> None:
    """Replace a file by a shorter text; on a full disk in place, which needs no new block."""
    try:
        files.replace(path, text, 0o644)
        return
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
    data = text.encode("utf-8", "surrogateescape")
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disabled(policy: str | None, reason: str) -> str | None:
    """Return policy.json with the state off, None when it already says so or cannot be read."""
    try:
        data = json.loads(policy or "")
        if data["policy"]["state"] == "disabled":
            return None
        data["policy"].update(state="disabled", reason=reason)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _describe(outcome: Outcome, service_files: list[str], dropin: str | None) -> None:
    outcome.after["state"] = "disabled"
    if outcome.changed:
        asking = sorted(path.rsplit("/", 1)[1] for path in service_files)
        outcome.before.update(state="enabled", asking=asking, sshd=dropin or "")
        outcome.after.update(asking=[], sshd="")
    else:
        outcome.before["state"] = "disabled"


def _explained(error: OSError) -> TwofactorError:
    return TwofactorError(
        "emergency_incomplete",
        f"{error.filename or 'A file'} could not be changed: {error.strerror}.",
        "Everything else has been taken off; mend this and run again.",
    )
