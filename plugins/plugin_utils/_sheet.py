# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The enrolment sheet: one printable page that a user scans, types from, or has read out.

Pure code. Private to this collection: may change at any time. The page loads nothing from anywhere, runs nothing, and
fits on one side of A4 and of Letter.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry, groups_of_four
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._otpauth import otpauth_uri
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._qr import qr_svg

_HOSTS_NAMED = 12
_HOSTS_LETTERS = 300
"""So that what is fullest still goes on one side."""

_STYLE = """\
@page { margin: 14mm; }
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #000; font: 11pt/1.4 system-ui, "Liberation Sans", Arial, sans-serif; }
main { max-width: 182mm; margin: 0 auto; padding: 6mm; }
h1 { font-size: 1.7em; line-height: 1.2; margin: 0 0 .3em; overflow-wrap: anywhere; }
h2 { font-size: 1.15em; margin: 1.1em 0 .3em; border-bottom: .3mm solid #000; }
p { margin: .3em 0; }
.top { display: flex; gap: 8mm; align-items: flex-start; }
.qr { flex: 0 0 66mm; margin: 0; }
.qr svg { display: block; width: 100%; height: auto; }
.facts { flex: 1; min-width: 0; margin: 0; }
dt { font-weight: bold; margin-top: .5em; }
dd { margin: 0; overflow-wrap: anywhere; }
.facts .typed { max-width: 20ch; }
.typed { font: bold 1.1em/1.5 "Liberation Mono", "DejaVu Sans Mono", monospace; }
ol { margin: .3em 0; padding-left: 1.6em; }
li { margin: .25em 0; }
.codes { columns: 3; column-gap: 8mm; padding-left: 2.4em; }
.codes li { break-inside: avoid; margin: 0 0 .4em; }
footer { margin-top: 1.2em; font-size: .9em; border-top: .3mm solid #000; padding-top: .4em; }
@media print { main { padding: 0; max-width: none; } body { font-size: 10.5pt; } }
@media screen and (max-width: 600px) {
  .top { display: block; }
  .qr { width: min(100%, 88mm); margin: 0 auto; }
  .codes { columns: 2; }
}
"""


@dataclass(frozen=True)
class Sheet:
    """What a page is about. ``hosts`` are those that it is for, ``is_backup`` the second device.

    ``made_by_host`` is the URI of a secret that the host has made itself, as TrueNAS always does: such a user has no
    other secret, and no recovery codes.
    """

    user: str
    account: str
    issuer: str
    entry: Entry
    hosts: tuple[str, ...] = ()
    is_backup: bool = False
    made_by_host: str = ""

    def __repr__(self) -> str:
        """Leave the secrets out: a traceback must not show them."""
        return f"Sheet(user={self.user!r}, is_backup={self.is_backup})"

    @property
    def secret(self) -> str:
        """Return the secret of the device that this page is for."""
        return self.entry.backup_secret if self.is_backup else self.entry.secret

    @property
    def uri(self) -> str:
        """Return what the QR code holds."""
        if self.made_by_host:
            return self.made_by_host
        account = f"{self.account} (backup)" if self.is_backup else self.account
        return otpauth_uri(self.secret, account, self.issuer, self.entry.digits, self.entry.interval)

    def recovery_codes(self) -> list[str]:
        """Return the recovery codes in the order in which they are to be used."""
        if self.is_backup or not self.entry.recovery_secret:
            return []
        seed = _otp.seed_from_base32(self.entry.recovery_secret, self.user)
        return [_otp.hotp(seed, n, self.entry.digits) for n in range(self.entry.recovery_count)]


def page(sheet: Sheet) -> str:
    """Return the sheet as an HTML document."""
    device = "second device" if sheet.is_backup else "login codes"
    title = f"{sheet.issuer}: {device} of {sheet.user}"
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_text(title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<main>
<h1>{_text(title)}</h1>
<div class="top">
<figure class="qr">{qr_svg(sheet.uri, "QR code for your authenticator app")}</figure>
{_facts(sheet)}
</div>
{_steps(sheet)}
{_one_secret(sheet)}{_recovery(sheet)}
{_footer(sheet)}
</main>
</body>
</html>
"""


def _facts(sheet: Sheet) -> str:
    account = f"{sheet.account} (backup)" if sheet.is_backup else sheet.account
    settings = f"time-based (TOTP), SHA-1, {sheet.entry.digits} digits, every {sheet.entry.interval} seconds"
    return f"""\
<dl class="facts">
<dt>Issuer</dt><dd>{_text(sheet.issuer)}</dd>
<dt>Account</dt><dd>{_text(account)}</dd>
<dt>Key, for typing in</dt>
<dd class="typed">{_text(groups_of_four(sheet.secret))}</dd>
<dt>Settings</dt><dd>{settings}</dd>
</dl>"""


def _steps(sheet: Sheet) -> str:
    digits, interval = sheet.entry.digits, sheet.entry.interval
    where = "on your second device" if sheet.is_backup else "on your phone"
    return f"""\
<h2>Three steps</h2>
<ol>
<li><strong>Scan.</strong> Open an authenticator app {where}, choose to add an account, and scan the picture above.
Without a camera, type in account and key, and choose <q>time-based</q>.</li>
<li><strong>Check.</strong> The app shows {digits} digits that change every {interval} seconds. They depend on the time:
let the device set its clock by itself.</li>
<li><strong>Log in</strong> as always. Where a one-time password is asked for, type the digits that the app shows. Each
works once; for a second login wait for the next.</li>
</ol>"""


def _one_secret(sheet: Sheet) -> str:
    if not sheet.made_by_host:
        return ""
    return """\
<h2>Two devices</h2>
<p>This system has one secret for you, no second one and no recovery codes. To have codes when a device is lost, scan
the picture with <strong>both devices now</strong>: they then show the same digits.</p>
"""


def _recovery(sheet: Sheet) -> str:
    codes = sheet.recovery_codes()
    if not codes:
        return ""
    items = "\n".join(f"<li>{_text(_halves(code))}</li>" for code in codes)
    return f"""\
<h2>Recovery codes</h2>
<p>For the day when the device is lost: each works once instead of a code from the app, in this order. Cross out what
you have used, and tell your administrator.</p>
<ol class="codes typed">
{items}
</ol>"""


def _footer(sheet: Sheet) -> str:
    shown = _HOSTS_NAMED
    while len(named := ", ".join(sheet.hosts[:shown])) > _HOSTS_LETTERS and shown > 1:
        shown -= 1
    more = len(sheet.hosts) - shown
    hosts = f"for {named}{f' and {more} more hosts' if more > 0 else ''}" if named else "for the whole fleet"
    return f"""\
<footer>
<p>Issued on {_text(sheet.entry.issued)} {_text(hosts)}.</p>
<p><strong>Whoever has this sheet can show your codes.</strong> Keep it where you keep keys, apart from the device, or
destroy it once the app shows codes. No administrator will ever ask you for the key or for a recovery code.</p>
</footer>"""


def _halves(code: str) -> str:
    """Return a code in two groups, which is how people read digits."""
    middle = (len(code) + 1) // 2
    return f"{code[:middle]} {code[middle:]}"


def _text(text: str) -> str:
    return html.escape(text)
