# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every starting point is held to: refused and nothing has changed, or carried out and logged in through."""

from __future__ import annotations

import json
from typing import Any

from tests.login.fleet import PASSWORD, ROOT, Host, Token

GUARD_PAGE = ROOT / "docs" / "guard.md"


def wanted(token: Token | None, method: str = "key_and_code", **policy: Any) -> dict[str, Any]:
    """Return a change that is right on a healthy host: Alice shows a code, Ansible's account is exempt."""
    users = [{"name": "alice", "secret": token.secret}] if token else []
    return {
        "policy": {"state": "enabled", "exempt_users": ["ansible"], "services": [], **policy},
        "ssh": {"state": "enabled", "methods": [method]},
        **({"secrets": {"users": users}} if users else {}),
    }


def snapshot(host: Host) -> list[str]:
    """Return kind, mode, owner, target and checksum of all that is in /etc and in our own folder."""
    folders = "/etc /var/lib/twofactor"
    return host.shell(
        f"{{ find {folders} -printf '%p %y %m %U:%G %l\\n'; find {folders} -type f -exec sha256sum {{}} +; }} "
        "2>/dev/null | sort"
    ).splitlines()


def refused(host: Host, *codes: str, module: str = "twofactor_host", **options: Any) -> dict[str, Any]:
    """Make a change that must be refused for just these reasons, and see that nothing has come of it."""
    way_in = host.ssh("alice", key=True).accepted
    before = snapshot(host)  # afterwards, since wrong codes are counted in our own folder
    if module in ("twofactor", "twofactor_ssh", "twofactor_host"):
        options.setdefault("guard", True)
    result = host.module(module, **options)
    assert result["failed"], result["printed"]
    assert not result["unreachable"], result["printed"]
    assert not result.get("changed")
    assert "Traceback" not in result["printed"]
    assert [reason["code"] for reason in result["reasons"]] == list(codes), result["printed"]
    is_refused(host, result["reasons"], before)
    assert host.ssh("alice", key=True).accepted == way_in
    return result


def is_refused(host: Host, reasons: list[dict[str, str]], before: list[str]) -> None:
    """Check that the reasons help, are documented and logged, and that the host is as it was."""
    after = snapshot(host)
    assert after == before, sorted(set(after) ^ set(before))
    page = GUARD_PAGE.read_text()
    for reason in reasons:
        assert reason["message"], reason
        assert reason["remedy"], reason
        assert f"`{reason['code']}`" in page, f"{reason['code']} is not in {GUARD_PAGE.name}"
    logged = log(host)
    assert "refused" in logged
    for reason in reasons:
        assert reason["code"] in logged


def log(host: Host, lines: int = 1) -> str:
    """Return the last lines that we have left in the host's log."""
    return host.shell(f"journalctl -q --no-pager -t twofactor -n {lines} -o cat")


def problem_codes(host: Host) -> list[str]:
    """Return the codes of what a host reports as problems."""
    return [problem["code"] for problem in host.module("twofactor_info")["twofactor"]["problems"]]


def carried_out(host: Host, token: Token, method: str = "key_and_code", **options: Any) -> dict[str, Any]:
    """Make a change with the guard on, and see that it holds what it says."""
    options = options or wanted(token, method)
    result = host.apply(**options, guard=True)
    assert result["changed"]
    protects(host, token, method)
    again = host.apply(**options, guard=True)
    assert not again["changed"], again["printed"]
    return result


def protects(host: Host, token: Token, method: str = "key_and_code", user: str = "alice") -> None:
    """Check that a right code opens the door and a wrong one does not, and that the automation comes in."""
    way: dict[str, Any] = {"key": True} if method == "key_and_code" else {"password": PASSWORD}
    assert not host.ssh(user, **way), "without a code"
    wrong = host.ssh(user, code=token.code(1000), **way)
    assert wrong.asked_code
    assert not wrong.accepted
    right = host.ssh(user, code=token.code(), **way)
    assert right.accepted, right.output
    assert right.asked_code
    info = host.module("twofactor_info")
    assert not info["unreachable"], "Ansible itself must come in"
    assert info["twofactor"]["ssh"]["state"] == "enabled"
    assert info["twofactor"]["ssh"]["methods"] == [method]


def prove(host: Host, user: str, token: Token) -> None:
    """Let a user show a right code, which makes the user a verified one and is not spent."""
    result = host.module("twofactor_verify", "-a", json.dumps({"user": user, "code": token.code()}))
    assert result["changed"], result["printed"]


def apply_at_the_console(host: Host, change: dict[str, Any]) -> str:
    """Make a change with the command on the host, not by way of SSH; return what it says."""
    host.shell("cat > /root/change.json", stdin=json.dumps(change))
    return host.shell("twofactor apply < /root/change.json 2>&1", check=False)
