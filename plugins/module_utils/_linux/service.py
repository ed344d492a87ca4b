# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH service itself: running, enabled, and whether root may log in at all.

Private to this collection: may change at any time.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    files,
    paths,
    sshd,
    sshd_check,
    units,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Host,
    find_program,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange


def render_root_dropin(root_login: str | None, current: str | None) -> str | None:
    """Return the drop-in that says whether root may log in; ``current`` when that was not asked."""
    if root_login is None:
        return current
    if root_login not in sshd.ROOT_LOGIN:
        return None
    return f"# Written by fleetauth.twofactor.\nPermitRootLogin {sshd.ROOT_LOGIN[root_login]}\n"


def set_sshd(change: SshdChange, check_mode: bool) -> Outcome:
    """Bring the SSH service to what one-time codes need of it.

    Raises TwofactorError when sshd is missing, was built without PAM, or refuses the configuration.
    """
    host = Host()
    main = host.read(paths.SSHD_CONFIG)
    if main is None or find_program("sshd") is None:
        if check_mode:
            return _with_sshd_installed(change)
        raise TwofactorError(
            "sshd_missing",
            "The OpenSSH server is not installed on this host.",
            "Install it, for example with the role fleetauth.twofactor.sshd.",
        )
    outcome = Outcome()
    _set_root_login(change, host, main, outcome, check_mode)
    if change.running:
        _have_it_run(outcome, check_mode)
    return outcome


def _with_sshd_installed(change: SshdChange) -> Outcome:
    """Return what the change would do once the package is there, which enables and starts the service."""
    outcome = Outcome(warnings=["sshd is not installed yet."])
    wanted = render_root_dropin(change.root_login, None)
    if wanted is not None:
        outcome.changed = True
        outcome.before[paths.SSHD_ROOT_DROPIN] = ""
        outcome.after[paths.SSHD_ROOT_DROPIN] = wanted
    return outcome


def _set_root_login(change: SshdChange, host: Host, main: str, outcome: Outcome, check_mode: bool) -> None:
    before = host.read(paths.SSHD_ROOT_DROPIN)
    wanted = render_root_dropin(change.root_login, before)
    # Asked for again it is looked at again: what has outranked it since is not passed over.
    if wanted != before or change.root_login in sshd.ROOT_LOGIN:
        sshd_check.check_root(host, main, wanted, sshd.ROOT_LOGIN.get(change.root_login or "", ""))
    if wanted == before:
        return
    outcome.changed = True
    outcome.before[paths.SSHD_ROOT_DROPIN] = before or ""
    outcome.after[paths.SSHD_ROOT_DROPIN] = wanted or ""
    if check_mode:
        return
    _replace(wanted)
    try:
        daemon.reload_sshd()
    except TwofactorError:
        _replace(before)
        raise


def _replace(text: str | None) -> None:
    if text is None:
        files.remove(paths.SSHD_ROOT_DROPIN)
    else:
        files.replace(paths.SSHD_ROOT_DROPIN, text, 0o600)


def _have_it_run(outcome: Outcome, check_mode: bool) -> None:
    if find_program("systemctl") is None:
        return
    service = units.read_unit(("ssh.service", "sshd.service"))
    socket = units.read_unit(("ssh.socket", "sshd.socket"))
    if (service.active and service.enabled) or (socket.active and socket.enabled):
        return
    unit = socket if socket.enabled else service
    outcome.changed = True
    outcome.before["ssh"] = "running" if service.active or socket.active else "stopped"
    outcome.after["ssh"] = "running"
    if check_mode:
        return
    try:
        after = units.start(unit)
    except units.NotStarted as error:
        raise TwofactorError("sshd_start", str(error), error.remedy) from None
    if after.unmet:
        raise TwofactorError(
            "sshd_start",
            f"systemd does not start {unit.name}, since {after.unmet} is not met.",
            f"Meet that condition, or take it out of the unit ('systemctl cat {unit.name}').",
        )
