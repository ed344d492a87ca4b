# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which a host asks for codes, compared with what the planner would make of them.

Pure code. Private to this collection: may change at any time. A line that is there proves nothing: something before it
can let a user in. So a file counts only where the planner has nothing to change in it and nothing to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    pam,
    paths,
    plan,
    secrets,
    sshd,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import View
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared


@dataclass
class Drift:
    """What is not as planned. ``unsafe`` holds the planner's reasons against a file, by the name of the service."""

    edited: list[str] = field(default_factory=list)
    unsafe: dict[str, TwofactorError] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    """The services that ask for a code in a way that nothing before it can avoid, sshd among them."""
    ssh_edited: bool = False
    """Whether the drop-in is not as it would be written."""

    @property
    def is_any(self) -> bool:
        """Tell whether a file is not as planned."""
        return bool(self.edited or self.unsafe)


def find(declared: Declared, let_off: Collection[str], view: View) -> Drift:
    """Return how the files differ from what is declared; ``let_off`` are users with a bypass."""
    found = Drift()
    if declared.policy.state != "enabled":
        found.edited += _left_behind(view)
        return found
    found.edited += _edited_policy(declared, let_off, view)
    if not found.edited:
        _compare_services(declared, view, found)
    left_out = _enrolled_left_out(declared, view)
    if declared.ssh_asks():
        _compare_ssh(declared, let_off, view, found)
    if left_out:
        found.edited.append(paths.ENROLLED)
        found.asking.clear()
    return found


def _left_behind(view: View) -> list[str]:
    """Return the declaration, where it is off or has gone and files still ask for codes: nobody knows how."""
    asking = (paths.PAM_POLICY, paths.service_file(sshd.PAM_SERVICE))
    return [paths.POLICY] if any(pam.asks_code(view.read(path) or "") for path in asking) else []


def _edited_policy(declared: Declared, let_off: Collection[str], view: View) -> list[str]:
    policy = declared.policy
    wanted = {paths.PAM_POLICY: pam.render_policy(policy, let_off)}
    if policy.exempt.networks:
        wanted[paths.EXEMPT_NETWORKS] = pam.render_exempt_networks(policy.exempt.networks)
    return [path for path, text in wanted.items() if view.read(path) != text]


def _enrolled_left_out(declared: Declared, view: View) -> set[str]:
    """Return users with a token who are taken for users without one, who get in without a code."""
    if declared.policy.unenrolled != "allow":
        return set()
    listed = (view.read(paths.ENROLLED) or "").split("\n")
    return set(secrets.enrolled_users(view)) - set(listed)


def _compare_services(declared: Declared, view: View, found: Drift) -> None:
    covered = _covered(declared, view)
    others = [name for name in view.names(paths.PAM_FOLDER) if name not in ("sshd", "twofactor", *covered)]
    left = [name for name in others if pam.is_included(view.read(paths.service_file(name)) or "")]
    by_another = []
    for name in [*covered, *left]:
        text = view.read(paths.service_file(name)) or ""
        try:
            if pam.is_covered_by(marks.without_pam_include(text), name, covered, _reader(view)):
                by_another.append(name)
            elif pam.with_include(text, name, _reader(view)) == text:
                found.asking.add(name)
            elif pam.is_included(text):
                found.edited.append(paths.service_file(name))
        except TwofactorError as error:
            found.unsafe[name] = error
    for name in by_another:
        stacks = {line.stack for line in pam.auth_lines(view.read(paths.service_file(name)) or "")}
        if stacks & found.asking:
            found.asking.add(name)


def _covered(declared: Declared, view: View) -> list[str]:
    try:
        return plan.covered_services(declared.policy, view)
    except TwofactorError:
        return []  # one that is named is not installed; that is said elsewhere


def _compare_ssh(declared: Declared, let_off: Collection[str], view: View, found: Drift) -> None:
    path = paths.service_file(sshd.PAM_SERVICE)
    service = view.read(path) or ""
    try:
        is_planned = plan.ssh_service(service, declared.policy, let_off, view) == service
    except TwofactorError as error:
        found.unsafe[sshd.PAM_SERVICE] = error
        is_planned = False
    if is_planned:
        found.asking.add(sshd.PAM_SERVICE)
    elif pam.asks_code(service) and sshd.PAM_SERVICE not in found.unsafe:
        found.edited.append(path)
    dropin = sshd.render_dropin(declared.ssh, declared.ssh.exempt(declared.policy))
    found.ssh_edited = view.read(paths.SSHD_DROPIN) != dropin
    if found.ssh_edited:
        found.edited.append(paths.SSHD_DROPIN)


def _reader(view: View) -> Callable[[str], str | None]:
    return lambda name: view.read(name if name.startswith("/") else paths.service_file(name))
