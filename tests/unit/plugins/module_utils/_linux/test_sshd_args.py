from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, sshd_args
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], CommandLine()),
        (["-D", "-e", "-4"], CommandLine(("-4",))),
        (["-D", "-f", "/etc/own", "-oUsePAM=no", "-p22"], CommandLine(("-oUsePAM=no", "-p22"), "/etc/own")),
        (["-Df/etc/own"], CommandLine((), "/etc/own")),
        (["-f", "/etc/own", "-f", paths.SSHD_CONFIG], CommandLine()),
        (["-o", "AuthenticationMethods any", "-D"], CommandLine(("-oAuthenticationMethods any",))),
        (["-i", ""], CommandLine(serves_one=True)),
        (["-ie"], CommandLine(serves_one=True)),
        (["-T", "-C", "user=root"], CommandLine(checks=True)),
        (["-h", "/etc/key", "-E", "/var/log/x", "-u0", "-g", "20"], CommandLine()),
        (["-o"], None),
        (["-Z"], None),
        (["-D", "word"], None),
        (["$SSHD_OPTS"], None),
    ],
)
def test_words_of_a_command_line(words: list[str], line: CommandLine | None) -> None:
    assert sshd_args.parse(words) == line
    assert sshd_args.of_process(["/usr/sbin/sshd", *words]) == line


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", CommandLine()),
        (
            "sshd: /usr/sbin/sshd -o Port=22 -p 23 [listener] 0 of 10-100 startups",
            CommandLine(("-oPort=22", "-p23")),
        ),
        (
            "strange: /root/strange -o AuthenticationMethods any -f /etc/own [listener] 0 of 10-100 startups",
            CommandLine(("-oAuthenticationMethods any",), "/etc/own"),
        ),
        ("sshd: /usr/sbin/sshd -o Subsystem sftp x -l INFO [listener] 0 of 10-100 startups", None),
        ("sshd: /usr/sbin/ss", None),
        ("sshd: /usr/sbin/sshd [listener]", None),
        ("sshd: alice [priv]", CommandLine(checks=True)),
        ("sshd-session: root@pts/0,pts/1", CommandLine(checks=True)),
        ("sshd: CORP\\alice smith [priv]", CommandLine(checks=True)),
    ],
)
def test_title_of_a_process(title: str, line: CommandLine | None) -> None:
    assert sshd_args.of_process([title]) == line


def test_process_without_arguments() -> None:
    assert sshd_args.of_process([]) is None
    assert sshd_args.of_process([""]) == CommandLine()


@pytest.mark.parametrize(
    ("line", "listens"),
    [(CommandLine(), True), (CommandLine(serves_one=True), False), (CommandLine(checks=True), False)],
)
def test_which_one_listens(line: CommandLine, listens: bool) -> None:
    assert line.listens is listens
