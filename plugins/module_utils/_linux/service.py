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
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import unit_state
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    Host,
    find_program,
    run,
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
    systemctl = find_program("systemctl")
    if systemctl is None:
        return
    unit, active, enabled = unit_state(("ssh", "sshd"))
    socket, socket_active, socket_enabled = _socket_state(systemctl)
    if (active and enabled) or (socket_active and socket_enabled):
        return
    unit = f"{socket}.socket" if socket_enabled else f"{unit}.service"
    outcome.changed = True
    outcome.before["ssh"] = "running" if active or socket_active else "stopped"
    outcome.after["ssh"] = "running"
    if check_mode:
        return
    ran = run([systemctl, "enable", "--now", unit], timeout=60)
    if ran.status != 0:
        raise TwofactorError(
            "sshd_start",
            f"'systemctl enable --now {unit}' failed: {' '.join(ran.err.split())}.",
            f"Look at 'journalctl -u {unit}' on the host.",
        )


def _socket_state(systemctl: str) -> tuple[str, bool, bool]:
    for name in ("ssh", "sshd"):
        ran = run([systemctl, "show", "-p", "LoadState,ActiveState,UnitFileState", f"{name}.socket"])
        state = dict(line.partition("=")[::2] for line in ran.out.splitlines())
        if state.get("LoadState") == "loaded":
            return name, state.get("ActiveState") == "active", state.get("UnitFileState") == "enabled"
    return "ssh", False, False
