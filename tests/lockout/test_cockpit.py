# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web console with ways in that ask PAM for nothing: it would be said to ask for a code, and would not."""

from __future__ import annotations

import pytest

from tests.lockout.points import carried_out, problem_codes, refused, wanted
from tests.login.fleet import PASSWORD, Host, Token

pytestmark = [pytest.mark.starting_point, pytest.mark.packages("console")]

REALM = "LAB.TEST"
CONF = "/etc/cockpit/cockpit.conf"
KERBEROS = f"""\
[libdefaults]
default_realm = {REALM}
dns_lookup_kdc = false
dns_canonicalize_hostname = false
[realms]
{REALM} = {{
    kdc = 127.0.0.1
}}
[domain_realm]
localhost = {REALM}
"""
TICKETS = f"""\
mkdir -p /etc/cockpit
kdb5_util create -s -r {REALM} -P master
for command in 'addprinc -pw "{PASSWORD}" alice' 'addprinc -randkey HTTP/localhost' 'ktadd HTTP/localhost'; do
    kadmin.local -q "$command" 2>&1
done
systemctl restart krb5-kdc
echo '{PASSWORD}' | kinit alice
"""
CAME_IN, STAYED_OUT = "200", "401"


@pytest.fixture
def console(host: Host) -> Host:
    """A host in a realm of its own, where Alice has a ticket; with Cockpit, which takes it."""
    host.shell("cat > /etc/krb5.conf", stdin=KERBEROS)
    host.shell(TICKETS)
    return host


def _comes_in(host: Host, how: str) -> str:
    """Return the status of a login at the console with these options of curl, by a Cockpit that starts anew."""
    host.shell(
        "systemctl stop cockpit.socket cockpit.service 'cockpit-wsinstance*'; systemctl reset-failed; "
        "systemctl start cockpit.socket"
    )
    login = "https://localhost:9090/cockpit/login"
    return host.shell(f"curl -sk -o /dev/null -w '%{{http_code}}' {how} {login}", check=False).strip()


def _with_ticket(host: Host) -> str:
    return _comes_in(host, "--negotiate -u :")


def test_a_kerberos_ticket_opens_the_web_console(console: Host) -> None:
    assert _with_ticket(console) == CAME_IN
    token = Token()
    options = wanted(token, services=["cockpit"])
    result = refused(console, "cockpit_other_way", **options)
    assert "/etc/krb5.keytab" in result["msg"]
    assert f"'action = none' under [negotiate] in {CONF}" in result["msg"]

    console.apply(**options, guard=False)
    assert _comes_in(console, f"-u 'alice:{PASSWORD}'") == STAYED_OUT, "a password asks for the code"
    assert _with_ticket(console) == CAME_IN, "and a ticket does not, whatever the service file says"
    assert problem_codes(console) == ["cockpit_other_way"]

    console.shell(f"printf '[negotiate]\\naction = none\\n' > {CONF}")  # the remedy
    assert _with_ticket(console) == STAYED_OUT
    assert problem_codes(console) == []
    assert not console.apply(**options, guard=True)["changed"]


def test_the_way_is_closed_first(console: Host) -> None:
    console.shell(f"printf '[negotiate]\\naction = none\\n' > {CONF}")
    token = Token()
    carried_out(console, token, **wanted(token, services=["cockpit"]))
    assert _with_ticket(console) == STAYED_OUT


def test_the_console_is_left_out(console: Host) -> None:
    token = Token()
    carried_out(console, token, **wanted(token, services=[]))
    assert problem_codes(console) == []


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        ("[WebService]\\nClientCertAuthentication = yes\\n", "certificate"),
        ("[bearer]\\ncommand = /usr/local/bin/token\\n", "/usr/local/bin/token"),
    ],
)
def test_another_way_into_the_web_console(console: Host, conf: str, word: str) -> None:
    console.shell(f"rm /etc/krb5.keytab; printf '{conf}' > {CONF}")
    result = refused(console, "cockpit_other_way", **wanted(Token(), services=["cockpit"]))
    assert word in result["msg"]


def test_a_reboot_takes_a_change_back_where_sockets_wait_for_logins(console: Host) -> None:
    """A unit that has to come before a socket must not have to come after all sockets."""
    console.shell("systemctl enable cockpit.socket ssh.socket 2>/dev/null; systemctl disable ssh 2>/dev/null")
    options = {**wanted(Token(), services=["cockpit"]), "confirm_within": 600}
    assert console.module("twofactor_host", **options, guard=False)["changed"]
    assert not console.ssh("alice", key=True)
    console.restart()
    assert not console.shell("journalctl -q --no-pager -b -g 'ordering cycle' || true")
    assert "before it was confirmed" in console.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    assert console.ssh("alice", key=True)
