# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change means for a host's files, in the order in which they may change.

Pure code: it sees the host through a ``View`` and touches nothing. Private to this collection: may change
at any time. The order is such that at no instant a door is open that was shut before and after, or shut
that was open before and after.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Protocol

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    bypass,
    marks,
    pam,
    paths,
    policy_file,
    secrets,
    sshd,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    BypassChange,
    Declared,
    Policy,
    check_exempt,
    check_methods,
    check_user_name,
)

WEB_CONSOLES = ("cockpit",)
"""PAM services of the web consoles that are covered when no services are named."""


class View(Protocol):
    """What the planner needs to see of a host."""

    def read(self, path: str) -> str | None:
        """Return a file's text, None when missing."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""

    def has_user(self, name: str) -> bool:
        """Tell whether an account exists."""

    def leftovers(self) -> list[str]:
        """Return the lock files that crashed logins left beside token files."""

    def takes_passwords(self) -> str:
        """Return of whom sshd without our drop-in surely takes a password: "all", "users" (not root) or nothing."""


@dataclass(frozen=True)
class FileChange:
    """A file as it shall be: ``text`` None means gone. ``mode`` is for a file that is new."""

    path: str
    text: str | None
    mode: int = 0o600


@dataclass(frozen=True)
class Step:
    """Files that change together, and whether sshd has to read its configuration afterwards."""

    name: str
    changes: tuple[FileChange, ...]
    reload_sshd: bool = False
    stays: bool = False
    """Whether this is not taken back with the rest: the command that takes things back."""


@dataclass
class Plan:
    """All steps of a change, in order; no steps means that the host is as wanted."""

    before: Declared
    after: Declared
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    secrets: secrets.SecretsPlan = field(default_factory=secrets.SecretsPlan)
    bypasses: bypass.Bypasses = field(default_factory=bypass.Bypasses)

    @property
    def changed(self) -> bool:
        """Tell whether anything is to be done."""
        return bool(self.steps)

    @property
    def next_end(self) -> float | None:
        """When something ends of which this plan knows, for the host to see to it; None when nothing does."""
        bypass_end = self.bypasses.next_end()
        return min(self.secrets.ends + ([] if bypass_end is None else [bypass_end]), default=None)

    @property
    def dropin(self) -> str | None:
        """The sshd drop-in as it stands after the last step that touches it, None if none does."""
        texts = [c.text for step in self.steps for c in step.changes if c.path == paths.SSHD_DROPIN]
        return texts[-1] if texts else None

    @property
    def touches_sshd(self) -> bool:
        """Tell whether sshd's configuration is to change."""
        return any(step.reload_sshd for step in self.steps)


def make_plan(change: Change, view: View) -> Plan:
    """Return what ``change`` means for the host behind ``view``.

    Raises TwofactorError (Refused when there are several reasons); nothing has happened then.
    """
    before = policy_file.parse(view.read(paths.POLICY))
    after = merge(before, change)
    secrets_plan = secrets.plan_secrets(change.secrets, after.policy, view)
    secrets.end_overlaps(secrets_plan, view)
    _refuse_mismatched_settings(before.policy, after.policy, secrets_plan, view)
    bypasses = _bypasses(change.bypass, after.policy, view)
    plan = Plan(before=before, after=after, secrets=secrets_plan, bypasses=bypasses)
    bypass_now, bypass_later = _bypass_changes(bypasses, view)
    if after.policy.state == "enabled" or bypass_now or secrets_plan.ends:
        _add_command(plan, view)
    _add(plan, "bypass", bypass_now)
    _add(plan, "leftovers", [FileChange(path, None) for path in view.leftovers()])
    enrolling = [FileChange(path, text) for path, text in secrets_plan.files.items() if text is not None]
    leaving = [FileChange(path, None) for path, text in secrets_plan.files.items() if text is None]
    policy_now, policy_later = _policy_changes(plan, view)
    services_in, services_out = _service_changes(after.policy, view)
    _add(plan, "tokens", enrolling)
    _add(plan, "policy", policy_now)
    _add(plan, "tokens", leaving)
    _add(plan, "services", services_in + services_out)
    plan.steps += _ssh_steps(plan, view)
    _add(plan, "policy", policy_later)
    _add(plan, "bypass", bypass_later)
    _add(plan, "declared", _declared_changes(after, view, forced=plan.changed))
    return plan


def _add(plan: Plan, name: str, changes: list[FileChange]) -> None:
    if changes:
        plan.steps.append(Step(name, tuple(changes)))


def _add_command(plan: Plan, view: View) -> None:
    """Have the command on the host that takes changes back, and a unit that runs it at boot."""
    wanted = (FileChange(*one) for one in agent.wanted_files())
    needed = tuple(change for change in wanted if view.read(change.path) != change.text)
    if needed:
        plan.steps.append(Step("command", needed, stays=True))


def _bypasses(change: BypassChange | None, policy: Policy, view: View) -> bypass.Bypasses:
    """Return the bypasses after a change: those that are over, or no longer wanted, are left out."""
    now = time.time()
    running = bypass.parse(view.read(paths.BYPASS)).running(now)
    users = dict(running.users)
    if change is not None and change.state == "absent":
        users = {name: one for name, one in users.items() if name not in change.users}
    elif change is not None:
        _refuse_bypass(change, policy, view)
        until = now + bypass.seconds_of(change.lasts)
        fresh = bypass.Bypass(until, change.reason, change.by)
        users = {**dict.fromkeys(change.users, fresh), **users}
    return bypass.Bypasses(None if policy.state == "enabled" else running.host, users)


def _refuse_bypass(change: BypassChange, policy: Policy, view: View) -> None:
    for name in change.users:
        check_user_name(name)
    unknown = [name for name in change.users if not view.has_user(name)]
    if unknown:
        raise TwofactorError(
            "unknown_user",
            f"There is no user '{unknown[0]}' on this host.",
            "Take the name out of 'users'.",
        )
    if policy.state != "enabled":
        raise TwofactorError(
            "twofactor_off",
            "The second factor as a whole is off on this host, so there is nothing to let anybody off.",
            "Switch it on first, or leave it as it is.",
        )


def _bypass_changes(bypasses: bypass.Bypasses, view: View) -> tuple[list[FileChange], list[FileChange]]:
    """Return the change to the list of bypasses: written before anybody is let off, removed after."""
    text = bypass.render(bypasses)
    if view.read(paths.BYPASS) == text:
        return [], []
    change = [FileChange(paths.BYPASS, text)]
    return (change, []) if text is not None else ([], change)


def merge(before: Declared, change: Change) -> Declared:
    """Return the declared settings after ``change``, checked; options not given stay as they are."""
    policy = _merge_policy(before.policy, change.policy or {})
    ssh = replace(before.ssh, **change.ssh) if change.ssh else before.ssh  # type: ignore[arg-type]
    check_methods(ssh.methods)
    check_exempt(policy.exempt)
    check_exempt(ssh.exempt(policy))
    if change.ssh and ssh.state == "enabled" and policy.state == "disabled":
        why = f" (reason: {policy.reason})" if policy.reason else ""
        raise TwofactorError(
            "twofactor_off",
            f"The second factor as a whole is off on this host{why}, so SSH would not ask for a code.",
            "Switch it on first with fleetauth.twofactor.twofactor: state=enabled.",
        )
    return Declared(policy, ssh)


def _merge_policy(policy: Policy, options: dict[str, object]) -> Policy:
    exempt_options = {
        name.split("_", 1)[1]: value for name, value in options.items() if name.startswith("exempt_")
    }
    others = {name: value for name, value in options.items() if not name.startswith("exempt_")}
    exempt = replace(policy.exempt, **exempt_options)  # type: ignore[arg-type]
    if "state" in others:
        others.setdefault("reason", "")  # the reason of the change before says nothing about this one
    merged: Policy = replace(policy, exempt=exempt, **others)  # type: ignore[arg-type]
    if merged.services and "sshd" in merged.services:
        raise TwofactorError(
            "service_is_ssh",
            "SSH has a switch of its own, so 'sshd' cannot be among the services.",
            "Use fleetauth.twofactor.twofactor_ssh for it.",
        )
    return merged


def _refuse_mismatched_settings(
    before: Policy, after: Policy, secrets_plan: secrets.SecretsPlan, view: View
) -> None:
    """Refuse new digits or interval for users whose apps would go on showing the old kind of code.

    What counts is the kind of their tokens, since policy.json may have been lost.
    """
    if (before.digits, before.interval) == (after.digits, after.interval):
        return
    enrolled = set(secrets.enrolled_users(view)) - set(secrets_plan.removed)
    others = sorted(enrolled - set(secrets_plan.fresh))
    stranded = [name for name in others if not secrets.fits(name, after, view)]
    if stranded:
        names = ", ".join(stranded[:5]) + (f" and {len(stranded) - 5} more" if stranded[5:] else "")
        raise TwofactorError(
            "settings_strand_users",
            f"Digits {before.digits} and interval {before.interval} cannot become {after.digits} and "
            f"{after.interval} while users are enrolled ({names}): their apps would show codes that no "
            "longer match.",
            "Renew all of them in the same call (users with state: renewed in "
            "fleetauth.twofactor.twofactor_host), or remove their tokens first.",
        )


def _policy_changes(plan: Plan, view: View) -> tuple[list[FileChange], list[FileChange]]:
    """Return the policy files to write before the services and the ones to take away after them."""
    policy = plan.after.policy
    on = policy.state == "enabled"
    wanted: dict[str, tuple[str | None, int]] = {
        paths.EXEMPT_NETWORKS: (None, 0o644),
        paths.ENROLLED: (None, 0o600),
        paths.PAM_POLICY: (None, 0o644),
    }
    if on and policy.exempt.networks:
        wanted[paths.EXEMPT_NETWORKS] = (pam.render_exempt_networks(policy.exempt.networks), 0o644)
    if on and policy.unenrolled == "allow":
        users = plan.secrets.enrolled_after(secrets.enrolled_users(view))
        wanted[paths.ENROLLED] = (enrolled_list(users), 0o600)
    if on:
        wanted[paths.PAM_POLICY] = (pam.render_policy(policy, plan.bypasses.users), 0o644)
    changes = [
        FileChange(path, text, mode) for path, (text, mode) in wanted.items() if view.read(path) != text
    ]
    now = [change for change in changes if change.text is not None]
    later = [change for change in changes if change.text is None]
    return now, later[::-1]


def enrolled_list(users: list[str]) -> str:
    """Return the file by which pam_listfile knows who is asked for a code while others are not."""
    return "".join(f"{name}\n" for name in users)


def covered_services(policy: Policy, view: View) -> list[str]:
    """Return the PAM services that the policy covers on this host, SSH left out.

    Raises Refused when one that was named is not installed.
    """
    if policy.services is None:
        return [name for name in WEB_CONSOLES if view.read(paths.service_file(name)) is not None]
    there = {*view.names(paths.PAM_FOLDER)} - {"twofactor"}
    missing = [name for name in policy.services if name not in there]
    if missing:
        raise Refused(
            [
                TwofactorError(
                    "service_missing",
                    f"There is no PAM service '{name}' on this host ({paths.service_file(name)}).",
                    "Install it first, or leave it out of 'services'.",
                )
                for name in missing
            ]
        )
    known = [alias for name in policy.services for alias in pam.ALIASES.get(name, (name,))]
    return [name for name in known if view.read(paths.service_file(name)) is not None]


def _service_changes(policy: Policy, view: View) -> tuple[list[FileChange], list[FileChange]]:
    """Return the service files that get our line and the ones that lose it."""
    covered = covered_services(policy, view) if policy.state == "enabled" else []
    coming, going = [], []
    for name in view.names(paths.PAM_FOLDER):
        text = view.read(paths.service_file(name))
        if text is None or name in ("sshd", "twofactor"):
            continue
        if name in covered and not pam.is_covered_by(
            marks.without_pam_include(text), name, covered, _pam_reader(view)
        ):
            wanted = pam.with_include(text, name, _pam_reader(view))
            if wanted != text:
                coming.append(FileChange(paths.service_file(name), wanted))
        elif marks.without_pam_include(text) != text:
            going.append(FileChange(paths.service_file(name), marks.without_pam_include(text)))
    return coming, going


def _pam_reader(view: View):  # type: ignore[no-untyped-def]
    return lambda name: view.read(name if name.startswith("/") else paths.service_file(name))


def _ssh_steps(plan: Plan, view: View) -> list[Step]:
    """Return the steps that bring sshd and its PAM service to what is declared, in a safe order.

    PAM asks by itself for what is declared, whatever sshd's configuration is. Only one who logs in with a password
    by sshd's password method, which cannot ask for a code, must not be shut out while sshd changes.
    """
    asks = plan.after.ssh_asks()
    service = view.read(paths.service_file("sshd"))
    main = view.read(paths.SSHD_CONFIG)
    if service is None or main is None:
        if not asks:
            return []
        raise TwofactorError(
            "sshd_missing",
            "sshd is not installed here in a way that can ask for a code "
            f"({paths.SSHD_CONFIG} or {paths.service_file('sshd')} is missing).",
            "Install the OpenSSH server, for example with the role fleetauth.twofactor.sshd.",
        )
    wanted = _wanted_ssh_service(plan, service, view)
    config_step = _step("sshd", _wanted_sshd_files(plan.after, main, view), view, reload_sshd=True)
    asked = pam.asks_code(service)
    takes = view.takes_passwords() if config_step and asked != asks else ""
    if not takes:
        service_step = _ssh_service_step(service, wanted)
        return service_step + config_step if asks else config_step + service_step
    between = marks.with_password_alone(wanted if asks else service, of_root=takes == "all")
    return _ssh_service_step(service, between) + config_step + _ssh_service_step(between, wanted)


def _step(name: str, changes: list[FileChange], view: View, *, reload_sshd: bool = False) -> list[Step]:
    needed = tuple(change for change in changes if view.read(change.path) != change.text)
    return [Step(name, needed, reload_sshd)] if needed else []


def _ssh_service_step(now: str, wanted: str) -> list[Step]:
    if now == wanted:
        return []
    return [Step("ssh service", (FileChange(paths.service_file("sshd"), wanted),))]


def _wanted_ssh_service(plan: Plan, service: str, view: View) -> str:
    if not plan.after.ssh_asks():
        return marks.without_pam_include(service)
    return ssh_service(service, plan.after.policy, plan.bypasses.users, view)


def ssh_service(service: str, policy: Policy, let_off: Collection[str], view: View) -> str:
    """Return sshd's service file as it has to be where SSH asks for codes; ``let_off`` are users with a bypass."""
    return pam.with_ssh_stack(service, policy, let_off, _pam_reader(view))


def _wanted_sshd_files(after: Declared, main: str, view: View) -> list[FileChange]:
    if after.ssh_asks():
        return _sshd_files(sshd.render_dropin(after.ssh, after.ssh.exempt(after.policy)), main, view)
    return [
        FileChange(paths.SSHD_DROPIN, None),
        FileChange(paths.SSHD_CONFIG, marks.without_sshd_include(main)),
    ]


def _sshd_files(dropin: str, main: str, view: View) -> list[FileChange]:
    clean = marks.without_sshd_include(main)
    folder = paths.SSHD_DROPIN.rsplit("/", 1)[0]
    beside = [f"{folder}/{name}" for name in view.names(folder)]
    first = sshd.reads_dropin_first(clean, beside)
    return [
        FileChange(paths.SSHD_DROPIN, dropin),
        FileChange(paths.SSHD_CONFIG, clean if first else sshd.with_include(clean)),
    ]


def _declared_changes(after: Declared, view: View, *, forced: bool) -> list[FileChange]:
    """Return the change to policy.json, if any; a host that nobody configured gets none."""
    text = policy_file.render(after)
    current = view.read(paths.POLICY)
    if current == text or (current is None and not forced and after == Declared()):
        return []
    return [FileChange(paths.POLICY, text)]


def settings(declared: Declared) -> dict[str, object]:
    """Return declared settings as plain data, for a diff."""
    return policy_file.as_data(declared)
