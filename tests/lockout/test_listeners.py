# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Login servers that ask for no code: each is a problem, and refused, by what listens and not by its name."""

from __future__ import annotations

import subprocess

import pytest

from tests.lockout.points import (
    apply_at_the_console,
    carried_out,
    is_refused,
    log,
    problem_codes,
    protects,
    refused,
    snapshot,
    wanted,
)
from tests.login.fleet import PASSWORD, Host, Token, wait_until

pytestmark = pytest.mark.starting_point

PORT = 2222
SOCKET = f"""\
[Socket]
ListenStream={PORT}
Accept=yes
"""
SERVICE = """\
[Service]
ExecStart=-{command}
StandardInput=socket
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
"""
OWN_CONFIG = "UsePAM yes\nKbdInteractiveAuthentication yes\n"


@pytest.fixture
def doors(host: Host) -> Host:
    """A host where other login servers may be started."""
    return host


def _install(host: Host, *packages: str) -> None:
    """Have packages that start nothing by themselves."""
    host.shell(
        "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; "
        f"DEBIAN_FRONTEND=noninteractive apt-get install -qq {' '.join(packages)} 2>&1; rm /usr/sbin/policy-rc.d; "
        "systemctl stop tinysshd.socket inetutils-inetd shellinabox 2>/dev/null || true"
    )
    wait_until(lambda: not _listens(host, 4200), 60, "shellinabox has ended")


def _listens(host: Host, port: int) -> bool:
    return bool(host.shell(f"ss -Htln 'sport = {port}'"))


def _start(host: Host, command: str, port: int = PORT) -> None:
    """Run a command that starts a login server, and wait until it listens."""
    host.shell(f"({command}) </dev/null >/dev/null 2>&1")
    wait_until(lambda: _listens(host, port), 60, f"{command} listens")


def _by_socket_unit(host: Host, command: str) -> None:
    host.shell("cat > /etc/systemd/system/other.socket", stdin=SOCKET)
    host.shell("cat > /etc/systemd/system/other@.service", stdin=SERVICE.format(command=command))
    host.shell("systemctl daemon-reload; systemctl start other.socket")


def _is_said(host: Host, code: str, *words: str) -> None:
    """Check that a change is refused for a door, and that the report says so of a host that has been changed."""
    token = Token()
    result = refused(host, code, **wanted(token))
    for word in words:
        assert word in result["msg"]
    host.apply(**wanted(token), guard=False)
    protects(host, token)
    assert problem_codes(host) == [code]


def test_dropbear(doors: Host) -> None:
    _install(doors, "dropbear-bin")
    _start(doors, f"mkdir -p /etc/dropbear; /usr/sbin/dropbear -R -p {PORT}")
    _is_said(doors, "other_login_server", "/usr/sbin/dropbear", f"port {PORT}")
    assert doors.ssh("alice", key=True, port=PORT), "which is why"
    assert doors.ssh("alice", password=PASSWORD, port=PORT)
    doors.shell("kill $(cat /var/run/dropbear.pid)")
    assert problem_codes(doors) == []


def test_dropbear_by_another_name(doors: Host) -> None:
    _install(doors, "dropbear-bin")
    doors.shell("cp /usr/sbin/dropbear /root/strange; mkdir -p /etc/dropbear")
    _start(doors, f"/root/strange -R -p {PORT}")
    _is_said(doors, "other_login_server", "Dropbear", "/root/strange")


def test_tinyssh_that_systemd_starts(doors: Host) -> None:
    _install(doors, "tinysshd")
    _by_socket_unit(doors, "/usr/sbin/tinysshd ${TINYSSHDOPTS} -- /etc/tinyssh/sshkeydir")
    _is_said(doors, "other_login_server", "TinySSH", "other.socket")


def test_telnet_that_inetd_starts(doors: Host) -> None:
    _install(doors, "inetutils-telnetd")
    line = f"{PORT} stream tcp nowait root /usr/sbin/telnetd telnetd\n"
    doors.shell("cat > /etc/inetd.conf; systemctl start inetutils-inetd", stdin=line)
    wait_until(lambda: _listens(doors, PORT), 10, "inetd listens")
    _is_said(doors, "other_login_server", "telnet", f"port {PORT}")
    doors.shell("sed -i 's/^/#/' /etc/inetd.conf; systemctl restart inetutils-inetd")
    assert problem_codes(doors) == []


def test_a_shell_in_the_browser_that_a_system_account_serves(doors: Host) -> None:
    _install(doors, "shellinabox")
    _start(doors, "systemctl start shellinabox", 4200)
    _is_said(doors, "other_login_server", "Shell In A Box", "port 4200")


def test_a_script_that_serves_logins(doors: Host) -> None:
    """Webmin is a script of Perl's; what runs is the interpreter."""
    doors.shell("mkdir -p /root/strange/webmin")
    server = f"import socket, time\ns = socket.create_server(('', {PORT}))\ntime.sleep(600)\n"
    doors.shell("cat > /root/strange/webmin/miniserv.pl", stdin=server)
    _start(doors, "setsid python3 /root/strange/webmin/miniserv.pl &")
    _is_said(doors, "other_login_server", "Webmin")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        pytest.param("setsid sh -c '/usr/sbin/sshd -D {own}; true' &", "/etc/ssh/own", id="supervised"),
        pytest.param(
            "ln -s /usr/sbin/sshd /root/strange; /root/strange {own}", "/etc/ssh/own", id="by a link"
        ),
        pytest.param("cp /usr/sbin/sshd /root/strange; /root/strange {own}", "/root/strange", id="a copy"),
        pytest.param(
            "cp /usr/sbin/sshd /root/strange; echo >> /root/strange; /root/strange {own}; mv /root/strange /root/start",
            "/root/start",
            id="another build",
        ),
        pytest.param("env -i /usr/sbin/sshd {own}", "cannot be told", id="without room for a title"),
        pytest.param(
            "unshare -m sh -c 'mount --bind /etc/ssh/own /etc/ssh/sshd_config; /usr/sbin/sshd -p {port}'",
            "with this host's files",
            id="with other files",
        ),
    ],
)
def test_another_sshd(doors: Host, start: str, words: str) -> None:
    doors.shell("cat > /etc/ssh/own", stdin=OWN_CONFIG)
    _start(doors, start.format(own=f"-f /etc/ssh/own -p {PORT}", port=PORT))
    _is_said(doors, "other_sshd", words)
    assert doors.ssh("alice", key=True, port=PORT), "which is why"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("/usr/sbin/sshd -i -f /etc/ssh/own", id="directly"),
        pytest.param("/bin/sh -c 'exec /usr/sbin/sshd -i -f /etc/ssh/own'", id="by a shell"),
        pytest.param("/root/start", id="by a script"),
    ],
)
def test_an_sshd_that_systemd_starts_for_each_connection(doors: Host, command: str) -> None:
    doors.shell("cat > /etc/ssh/own", stdin=OWN_CONFIG)
    doors.shell(
        "cat > /root/start; chmod +x /root/start", stdin="#!/bin/sh\nexec /usr/sbin/sshd -i -f /etc/ssh/own\n"
    )
    _by_socket_unit(doors, command)
    _is_said(doors, "other_sshd", "other.socket")
    assert doors.ssh("alice", key=True, port=PORT), "which is why"


def test_an_sshd_that_systemd_starts_with_our_drop_in(doors: Host) -> None:
    _by_socket_unit(doors, "/usr/sbin/sshd -i")
    token = Token()
    carried_out(doors, token)
    assert problem_codes(doors) == []
    assert not doors.ssh("alice", key=True, port=PORT)
    assert doors.ssh("alice", key=True, code=token.code(1), port=PORT)


def test_the_only_sshd_is_behind_a_socket_with_a_configuration_of_its_own(doors: Host) -> None:
    host, token = doors, Token()
    host.apply(**wanted(token))
    host.shell("cat > /etc/ssh/own; systemctl stop ssh", stdin=OWN_CONFIG)
    _by_socket_unit(host, "/usr/sbin/sshd -i -f /etc/ssh/own")
    host.shell(f"sed -i 's/{PORT}/22/' /etc/systemd/system/other.socket; systemctl daemon-reload")
    host.shell("systemctl restart other.socket")
    assert host.ssh("alice", key=True), "the key alone"
    report = host.module("twofactor_info")["twofactor"]
    assert report["ssh"]["running"]
    # systemd 257 has another sshd, which reads the usual configuration, behind a unix socket.
    is_only = not host.shell("systemctl is-active --quiet sshd-unix-local.socket && echo there || true")
    assert report["ssh"]["state"] == ("disabled" if is_only else "enabled")
    problem = "ssh_not_asking" if is_only else "other_sshd"
    assert problem in [problem["code"] for problem in report["problems"]]
    before = snapshot(host)
    more = wanted(token)
    more["ssh"]["methods"] = ["password_and_code"]
    result = host.module("twofactor_host", **more, guard=True)
    reason = "sshd_other_config" if is_only else "other_sshd"
    assert [reason["code"] for reason in result["reasons"]] == [reason]
    is_refused(host, result["reasons"], before)


FAKE = """\
import os, signal, socket, time
signal.signal(signal.SIGHUP, lambda *_: open('/home/alice/x/hangup', 'w').close())
if os.fork():
    os._exit(0)
os.setsid()
s = socket.create_server(('', PORT))
time.sleep(600)
"""


def test_a_user_pretends_to_be_an_sshd(doors: Host) -> None:
    """By name, title and an open port; and with a pipe as its configuration, which whoever opens it waits for."""
    host, token = doors, Token()
    host.shell(
        "mkdir /home/alice/x; cp $(realpath /usr/bin/python3) /home/alice/x/sshd; mkfifo /home/alice/fifo"
    )
    host.shell(
        "cat > /home/alice/x/fake.py; chown -R alice: /home/alice", stdin=FAKE.replace("PORT", str(PORT))
    )
    title = "sshd: /usr/sbin/sshd -D -f /home/alice/fifo [listener] 0 of 10-100 startups"
    _start(host, f'su alice -c "bash -c \'exec -a \\"{title}\\" /home/alice/x/sshd /home/alice/x/fake.py\'"')
    carried_out(host, token)
    assert problem_codes(host) == []
    assert host.apply(policy={"state": "disabled"})["changed"]
    assert not host.shell("ls /home/alice/x/hangup 2>/dev/null", check=False), "it was sent a signal"
    assert _listens(host, PORT)


def test_a_login_server_of_a_user(doors: Host) -> None:
    """It lets in as this user alone, so it is said and holds nothing up."""
    _install(doors, "dropbear-bin")
    host, token = doors, Token()
    key = "dropbearkey -t ed25519 -f /home/alice/x/key"
    host.shell(f"mkdir /home/alice/x; chown alice: /home/alice/x; su alice -c '{key}'")
    _start(host, f"su alice -c '/usr/sbin/dropbear -r /home/alice/x/key -p {PORT} -P /home/alice/x/pid'")
    host.apply(**wanted(token), guard=True)
    assert host.ssh("alice", key=True, port=PORT)
    report = host.module("twofactor_info")["twofactor"]
    assert [problem["code"] for problem in report["problems"]] == ["user_login_server"]
    assert "'alice'" in report["problems"][0]["message"]


def test_a_port_that_a_client_forwards_is_no_door(doors: Host) -> None:
    host, token = doors, Token()
    command = [
        *(
            "ssh",
            "-F",
            "none",
            "-N",
            "-i",
            host.key,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "ControlPath=none",
        ),
        *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-R", f"{PORT}:localhost:22"),
        f"ansible@{host.address}",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as client:
        try:
            wait_until(lambda: _listens(host, PORT), 10, "the port is forwarded")
            carried_out(host, token)
            assert problem_codes(host) == []
        finally:
            client.kill()


def test_an_sshd_whose_program_a_package_has_replaced(doors: Host) -> None:
    host, token = doors, Token()
    host.shell("cp -p /usr/sbin/sshd /usr/sbin/sshd.new; mv /usr/sbin/sshd.new /usr/sbin/sshd")
    assert "(deleted)" in host.shell("ls -l /proc/$(cat /run/sshd.pid)/exe")
    carried_out(host, token)
    assert problem_codes(host) == []
    assert "Changed" in apply_at_the_console(host, {"policy": {"state": "disabled"}})
    assert host.ssh("alice", key=True), "it was told to read its configuration"
    assert "disabled" in log(host)
