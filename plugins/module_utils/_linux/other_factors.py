# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second factors of others in PAM's services, and services that cannot ask for one.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import marks, pam

_MODULES = frozenset(
    {
        *("pam_google_authenticator.so", "pam_duo.so", "pam_oath.so", "pam_otpw.so", "pam_yubico.so"),
        *("pam_u2f.so", "pam_radius_auth.so", "pam_oslogin_login.so", "pam_linotp.so", "pam_securid.so"),
    }
)
_SCRIPTS = ("privacyidea",)
"""Words in the arguments of a module that runs a script."""
_BY_SCRIPT = ("pam_python.so", "pam_exec.so")
SSSD_FILES = ("/etc/sssd/sssd.conf", "/etc/sssd/conf.d")
_SSSD_PROMPT = re.compile(r"^\s*\[prompting/2fa", re.MULTILINE)
_DEEPEST = 8
_OURS = "twofactor"

_CANNOT_ASK = {
    "proxmox-ve-auth": "Proxmox VE",
    "proxmox-backup-auth": "Proxmox Backup Server",
    "vsftpd": "vsftpd",
    "dovecot": "Dovecot",
    "cups": "CUPS",
    "xrdp-sesman": "xrdp",
}
"""Services whose program answers every question of PAM with the password, so that no code could be given."""


def module_of(
    service: str, read: Callable[[str], str | None], *, sssd_prompts: bool, depth: int = 0
) -> str | None:
    """Return the module by which a service asks for another second factor, None where it asks for none.

    ``read`` returns the content of a PAM file by name, also of those that it includes.
    """
    content = marks.without_pam_include(read(service) or "")
    rows = content.split("\n")
    for line in pam.auth_lines(content):
        module = line.what.rsplit("/", 1)[-1]
        if line.stack:
            follow = depth < _DEEPEST and not line.stack.startswith(_OURS)
            found = (
                module_of(line.stack, read, sssd_prompts=sssd_prompts, depth=depth + 1) if follow else None
            )
        elif module == "pam_sss.so":
            found = module if sssd_prompts else None
        elif module in _BY_SCRIPT:
            found = next((word for word in _SCRIPTS if word in rows[line.number].lower()), None)
        else:
            found = module if module in _MODULES else None
        if found:
            return found
    return None


def sssd_prompts(texts: Iterable[str]) -> bool:
    """Tell whether SSSD asks for two factors one after the other (sssd.conf(5), prompting)."""
    return any(_SSSD_PROMPT.search(text) for text in texts)


def refuse_mute(services: Iterable[str]) -> None:
    """Refuse services whose program cannot hand on a question of PAM's, since nobody could log in there."""
    for service in services:
        if service in _CANNOT_ASK:
            raise TwofactorError(
                "service_cannot_ask",
                f"The PAM service '{service}' cannot ask for a code: {_CANNOT_ASK[service]} answers every question of "
                "PAM with the password, so that nobody could log in there.",
                f"Leave '{service}' out of 'services', and use the second factor that the program has itself.",
            )
