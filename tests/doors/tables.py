# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables but for the drifts: declared states, kinds of users, sets of factors, doors."""

from __future__ import annotations

from .model import RIGHT, SWAPPED, WRONG, Door, Factors, Kind, State

STATES = (
    State("key, deny", ("key_and_code",)),
    State("password, deny", ("password_and_code",), exempt_by="exempt_groups"),
    State("key or password, allow", ("key_and_code", "password_and_code"), unenrolled="allow"),
    State("key, allow", ("key_and_code",), unenrolled="allow", exempt_by="exempt_groups"),
    State("password or a key alone, deny", ("password_and_code", "key")),
)

ENROLLED = Kind("enrolled", "e", enrolled=True)
UNENROLLED = Kind("unenrolled", "u")
EXEMPT = Kind("exempt", "x")
BYPASSED = Kind("bypassed", "b", enrolled=True)
KINDS = (ENROLLED, UNENROLLED, EXEMPT, BYPASSED)

FACTORS = (
    Factors("nothing"),
    Factors("key", key=True),
    Factors("password", password=RIGHT),
    Factors("password twice", password=RIGHT, code=SWAPPED),
    Factors("code", code=RIGHT),
    Factors("code twice", password=SWAPPED, code=RIGHT),
    Factors("wrong password, code", password=WRONG, code=RIGHT),
    Factors("key, wrong code", key=True, code=WRONG),
    Factors("password, wrong code", password=RIGHT, code=WRONG),
    Factors("key, password twice", key=True, password=RIGHT, code=SWAPPED),
    Factors("key, code", key=True, code=RIGHT),
    Factors("password, code", password=RIGHT, code=RIGHT),
)
WAIVED = ("nothing", "key", "password", "password twice")
"""What users try who have no token, or who are let off."""

_EVERYWHERE = "|".join(
    (
        *(
            r"/etc/pam\.d/twofactor",
            "common-auth",
            "pam_oath",
            r"policy\.json",
            "/var/lib/twofactor/enrolled",
        ),
        *("[Nn]obody is asked", "No user who may log in is asked", "empty password"),
        "token files of .* have gone",
    )
)
"""Found in a problem that is about every door."""
_SSH = r"\bSSH\b|sshd|" + _EVERYWHERE
_SAY = "echo in as $(id -un)"
_SAY_WHO_CALLED = "echo in as $SUDO_USER"
_SECOND_NAME = ("nothing", "password", "code", "password, code")
"""What is tried where the same program uses PAM under another name: its file may differ, its questions do not."""
VISITOR = "visitor"
"""Who calls su: an account without any privilege."""

DOORS = (
    Door("ssh", "ssh", _SSH, port=22, takes_key=True, is_ssh=True),
    Door(
        "ssh on 2222", "ssh", _SSH + "|2222|dropbear", port=2222, takes_key=True, is_ssh=True, required=False
    ),
    Door(
        "PAM service sshd",
        "terminal",
        _SSH,
        command=("pamtester", "sshd", "{user}", "authenticate"),
        run_as="root",
        success="successfully authenticated",
        is_ssh=True,
        required=False,
    ),
    Door("web console", "console", r"[Cc]ockpit|web console|" + _EVERYWHERE, port=9090),
    Door("sudo", "terminal", rf"\bsudo\b|{_EVERYWHERE}", command=("sudo", "-k", "sh", "-c", _SAY_WHO_CALLED)),
    Door(
        "sudo -i",
        "terminal",
        rf"\bsudo\b|{_EVERYWHERE}",
        command=("sudo", "-ki", "sh", "-c", _SAY_WHO_CALLED),
        tries=_SECOND_NAME,
    ),
    Door("su", "terminal", rf"\bsu\b|{_EVERYWHERE}", command=("su", "{user}", "-c", _SAY), run_as=VISITOR),
    Door(
        "su -l",
        "terminal",
        rf"\bsu\b|{_EVERYWHERE}",
        command=("su", "-l", "{user}", "-c", _SAY),
        run_as=VISITOR,
        tries=_SECOND_NAME,
    ),
    Door(
        "login",
        "terminal",
        rf"'login'|pam\.d/login|{_EVERYWHERE}",
        command=("login", "{user}"),
        run_as="root",
    ),
)
ABOUT_TOKENS = r"token|/var/lib/twofactor|pam_oath"
"""Found in a problem for which no code is valid, at whichever door."""
SERVICES = ("cockpit", "sudo", "su", "login")
EXEMPT_GROUP = "let-off"
