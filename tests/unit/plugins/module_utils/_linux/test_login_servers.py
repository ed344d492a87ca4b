from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import login_servers
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.login_servers import SSHD, Server


@pytest.mark.parametrize(
    ("program", "words", "product"),
    [
        ("/usr/sbin/dropbear", "dropbear -p 2222", "Dropbear"),
        ("/usr/sbin/in.telnetd", "in.telnetd", "a telnet server"),
        ("/usr/bin/Xtigervnc", "/usr/bin/Xtigervnc :1", "a VNC server"),
        ("/usr/bin/busybox", "busybox telnetd -F", "a telnet server"),
        ("/usr/bin/busybox", "telnetd -F", "a telnet server"),
        ("/usr/bin/busybox", "busybox httpd", None),
        (
            "/usr/bin/perl",
            "/usr/bin/perl /usr/share/webmin/miniserv.pl /etc/webmin/miniserv.conf",
            "Webmin or Usermin",
        ),
        ("/usr/bin/perl", "pveproxy", "Proxmox"),
        ("/usr/bin/node", "node /opt/wetty/build/main.js --port 3000", "WeTTY"),
        ("/usr/bin/python3.11", "/usr/bin/python3 -I /usr/bin/jupyter-lab", "Jupyter"),
        ("/usr/bin/python3.11", "python3 -m http.server", None),
        ("/usr/bin/python3.11", "python3 /srv/app.py --watch /usr/sbin/dropbear", None),
        ("/usr/bin/tcpserver", "tcpserver 0 2222 /usr/sbin/tinysshd /etc/keys", "TinySSH"),
        ("/usr/bin/socat1", "socat TCP-LISTEN:2222,fork EXEC:/usr/sbin/sshd -i,nofork", SSHD),
        (
            "/usr/lib/systemd/systemd-socket-activate",
            "x -l 23 /usr/sbin/telnetd",
            "a telnet server",
        ),
        ("/usr/sbin/nginx", "nginx: master process", None),
        ("/usr/sbin/nginx", "nginx -c /etc/dropbear", None),
        ("/usr/sbin/cupsd", "cupsd", None),
        ("", "", None),
    ],
)
def test_what_listens(program: str, words: str, product: str | None) -> None:
    found = login_servers.recognize(program, words.split(" "))
    assert (found.product if found else None) == product


def test_words_are_kept_of_what_is_started_itself() -> None:
    words = ["/usr/sbin/sshd", "-i", "-f", "/etc/own"]
    assert login_servers.recognize("/usr/sbin/sshd", words) == Server(SSHD, tuple(words))
    assert login_servers.recognize("/bin/sh", ["sh", "-c", "exec /usr/sbin/sshd -i"]) == Server(SSHD)


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("#!/bin/sh\nexec /usr/sbin/sshd -i\n", SSHD),
        ("#!/bin/sh\n# not /usr/sbin/sshd\necho dropbear\n", None),
        ("#!/bin/sh\nPATH=/usr/local/bin /usr/sbin/dropbear -i\n", "Dropbear"),
    ],
)
def test_script(text: str, product: str | None) -> None:
    assert login_servers.in_script(text) == product


INETD = """\
# telnet stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.telnetd
login stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.rlogind
daytime stream tcp nowait root internal
"""
XINETD = """\
defaults
{
    instances = 60
}
service telnet
{
    disable = %s
    server = /usr/sbin/in.telnetd
}
service ftp
{
    server = /usr/sbin/vsftpd
}
"""


@pytest.mark.parametrize(
    ("text", "products"),
    [
        ("", []),
        (INETD, ["an rlogin, rsh or rexec server"]),
        (XINETD % "no", ["a telnet server"]),
        (XINETD % "yes", []),
        ("2222 stream tcp nowait root /usr/sbin/sshd sshd -i\n" * 2, [SSHD]),
    ],
)
def test_what_inetd_starts(text: str, products: list[str]) -> None:
    assert login_servers.in_inetd_conf(text) == products
