from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    doors,
    files,
    paths,
    sshd,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import SOMEWHERE, Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt, SshPolicy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    FakeHost,
    sshds,
)

KEY = SshPolicy(state="enabled")
EXPECTED = sshd.expected(KEY, is_exempt=False)
EXEMPT = sshd.expected(KEY, is_exempt=True)


class Seen(FakeHost):
    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.texts if sshd._matches(path, pattern))


class Sshd:
    """An sshd program that answers what it is told to, and remembers what it was asked."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path
        self.commands: list[list[str]] = []
        self.configs: list[str] = []
        self.test = Ran(0, "", "")
        self.settings: dict[str, dict[str, str]] = {}
        self.default = dict(EXPECTED)
        self.answer: Callable[[list[str]], dict[str, str]] = lambda _command: {}
        monkeypatch.setattr(daemon, "distributions_sshd", lambda: "/usr/sbin/sshd")
        monkeypatch.setattr(sshd_check, "run", self.run)
        monkeypatch.setattr(sshd_check.tempfile, "mkdtemp", self.mkdtemp)
        monkeypatch.setattr(files, "make_folder", lambda *_arguments: None)
        self.configs_of_others: dict[str, str] = {}
        monkeypatch.setattr(doors, "roots_text", self.configs_of_others.get)

    def mkdtemp(self, **_named: str) -> str:
        (self.folder / "staged").mkdir()
        return str(self.folder / "staged")

    def run(self, command: list[str]) -> Ran:
        self.commands.append(command)
        config = Path(command[command.index("-f") + 1])
        self.configs.append(config.read_text() if config.exists() else "")
        if "-t" in command:
            return self.test
        user = command[-1].split(",")[0].removeprefix("user=")
        settings = {**self.settings.get(user, self.default), **self.answer(command)}
        return Ran(0, "".join(f"{key} {value}\n" for key, value in settings.items()), "")

    @property
    def asked(self) -> list[str]:
        return [command[-1] for command in self.commands if "-T" in command]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    return Sshd(tmp_path, monkeypatch)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a group "robots": one member by number, one by name, one in a directory that does not list its users."""
    numbers = {"ansible": 4242, "alice": 1, "backup": 1, "remote": 2}
    listed = [SimpleNamespace(pw_name=name, pw_gid=numbers[name]) for name in ("ansible", "alice", "backup")]
    monkeypatch.setattr(pwd, "getpwall", lambda: listed)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_gid=numbers[name]))
    further = {"backup": [4242], "remote": [4242, 4711]}
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, *further.get(name, [])])
    names = {4242: "robots", 1: "users", 2: "domain users"}
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_name=names[number]))


def told(exempt: Exempt, *users: str) -> list[tuple[str, str, bool]]:
    return [(one.user, one.address, one.is_exempt) for one in sshd_check.visitors(exempt, list(users))]


def test_every_user_and_root_are_judged() -> None:
    assert told(Exempt(), "alice", "bob") == [
        ("alice", SOMEWHERE, False),
        ("bob", SOMEWHERE, False),
        ("root", SOMEWHERE, False),
    ]


def test_exempt_users_and_members_are_judged_as_such(directory: None) -> None:
    assert told(Exempt(users=("alice", "carol"), groups=("robots", "missing")), "alice", "bob", "remote") == [
        ("alice", SOMEWHERE, True),
        ("bob", SOMEWHERE, False),
        ("remote", SOMEWHERE, True),
        ("root", SOMEWHERE, False),
        ("ansible", SOMEWHERE, True),
        ("backup", SOMEWHERE, True),
        ("carol", SOMEWHERE, True),
    ]


def test_one_client_of_each_network_is_judged() -> None:
    assert told(Exempt(networks=("198.51.100.0/24", "2001:db8::/32")))[1:] == [
        ("root", "198.51.100.0", True),
        ("root", "2001:db8::", True),
    ]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "192.0.2.0/24", SOMEWHERE])
def test_network_that_has_everybody_in_it(network: str) -> None:
    assert {exempt for _, _, exempt in told(Exempt(networks=(network,)), "alice")} == {True}


def check(host: FakeHost, *logins: Visitor, dropin: str | None = "UsePAM yes\n") -> None:
    sshd_check.check_staged(host, host.texts[paths.SSHD_CONFIG], dropin, KEY, list(logins))  # type: ignore[arg-type]


ALICE, BOB, ROOT = (Visitor(name, SOMEWHERE, False) for name in ("alice", "bob", "root"))
ROBOT = Visitor("robot", SOMEWHERE, True)


def test_merged_configuration_is_checked_and_removed(program: Sshd) -> None:
    host = Seen()
    host.texts["/etc/ssh/sshd_config.d/50-x.conf"] = "Port 22\n"
    program.settings["robot"] = EXEMPT
    check(host, ROBOT, ROOT, ALICE)

    assert (
        f"Include {program.folder}/staged/00-twofactor.conf\nInclude /etc/ssh/sshd_config.d/50-x.conf\n"
        in program.configs[0]
    )
    assert {" ".join(command[:2]) for command in program.commands} == {"/usr/sbin/sshd -f"}
    assert list(program.folder.iterdir()) == []


def test_syntax_alone(program: Sshd) -> None:
    host = Seen()
    sshd_check.check_staged(host, "UsePAM yes\n", None, None, [])  # type: ignore[arg-type]

    assert [command[-1] for command in program.commands] == ["-t"]
    assert program.configs == ["UsePAM yes\n"]


def test_configuration_that_sshd_refuses(program: Sshd) -> None:
    program.test = Ran(255, "", "line 3: Bad\n  configuration option\n")
    with pytest.raises(TwofactorError, match="line 3: Bad configuration option") as caught:
        check(Seen(), ALICE)
    assert caught.value.code == "sshd_config_invalid"
    assert list(program.folder.iterdir()) == []


@pytest.mark.parametrize("setting", list(EXPECTED))
def test_user_for_whom_sshd_would_do_otherwise(program: Sshd, setting: str) -> None:
    program.settings["bob"] = {**EXPECTED, setting: "other"}
    host = Seen()
    host.texts["/etc/ssh/sshd_config.d/50-x.conf"] = "Match User bob\n"
    with pytest.raises(Refused, match=f"user bob: {setting} is 'other'") as caught:
        check(host, ALICE, BOB, ROOT)
    assert caught.value.code == "sshd_overridden"


def test_exempt_user_who_would_be_asked(program: Sshd) -> None:
    with pytest.raises(Refused, match="user robot: authenticationmethods"):
        check(Seen(), ROBOT, ROOT, ALICE)


@pytest.mark.parametrize(
    ("main", "asked"),
    [
        ("UsePAM yes\n", ["robot", "root", "alice"]),
        ("UsePAM yes\n  match user x\n", ["alice", "bob", "robot", "root"]),
    ],
)
def test_one_of_each_kind_is_asked_for_unless_settings_tell_users_apart(
    program: Sshd, main: str, asked: list[str]
) -> None:
    host = Seen()
    host.texts[paths.SSHD_CONFIG] = main
    host.texts[paths.SSHD_DROPIN] = sshd.render_dropin(KEY, Exempt(users=("robot",)))
    program.settings["robot"] = EXEMPT
    check(host, ALICE, BOB, ROBOT, ROOT)

    assert [words.split(",")[0].removeprefix("user=") for words in program.asked] == asked


def test_host_without_the_program(program: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "distributions_sshd", lambda: None)
    with pytest.raises(TwofactorError) as caught:
        check(Seen(), ALICE)
    assert caught.value.code == "sshd_missing"


def test_options_of_the_running_sshd_count(program: Sshd) -> None:
    check(Seen(open_doors=sshds(CommandLine(("-oPort=42",)))), ALICE)

    assert program.commands[0][:3] == ["/usr/sbin/sshd", "-oPort=42", "-f"]


def test_each_sshd_that_reads_the_usual_file_is_asked(program: Sshd) -> None:
    every = sshds(CommandLine(), CommandLine(("-oUsePAM=no",)), CommandLine((), "/etc/ssh/own"), None)
    host = Seen(open_doors=every)
    check(host, ALICE)

    assert [(command[1], command[-1] == "-t") for command in program.commands] == [
        ("-f", True),
        ("-oUsePAM=no", True),
        ("-f", False),
        ("-oUsePAM=no", False),
    ]
    assert sshd_check.readers(host) == [CommandLine(), CommandLine(("-oUsePAM=no",))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "usual"),
    [([], True), (["-oUsePAM=no"], True), (["-f", "/etc/ssh/own"], False), (["nonsense"], True)],
)
def test_where_none_runs_it_is_the_one_that_systemd_would_start(
    program: Sshd, monkeypatch: pytest.MonkeyPatch, words: list[str], usual: bool
) -> None:
    monkeypatch.setattr(daemon, "configured_options", lambda: words)
    host = Seen(open_doors=Doors())
    options = tuple(word for word in words if word.startswith("-o"))

    assert sshd_check.readers(host) == [CommandLine(options)] * usual  # type: ignore[arg-type]
    assert sshd_check.other_sshds(host) == []  # type: ignore[arg-type]
    if not usual:
        with pytest.raises(TwofactorError, match="/etc/ssh/own"):
            check(host, ALICE)


def settings(**changed: str) -> dict[str, str]:
    own = {"usepam": "yes", "passwordauthentication": "no", "kbdinteractiveauthentication": "no"}
    return {**own, "authenticationmethods": "any", **changed}


@pytest.mark.parametrize(
    ("own", "takes"),
    [
        (settings(passwordauthentication="yes"), "users"),
        (settings(passwordauthentication="yes", permitrootlogin="yes"), "all"),
        (settings(kbdinteractiveauthentication="yes"), "users"),
        (settings(kbdinteractiveauthentication="yes", usepam="no"), ""),
        (settings(permitrootlogin="yes"), ""),
        (settings(passwordauthentication="yes", authenticationmethods="publickey,password"), ""),
        ({}, ""),
    ],
)
def test_of_whom_passwords_are_taken(program: Sshd, own: dict[str, str], takes: str) -> None:
    program.default = own
    host = Seen()
    host.texts[paths.SSHD_CONFIG] = sshd.with_include(host.texts[paths.SSHD_CONFIG])
    host.texts[paths.SSHD_DROPIN] = "left out\n"

    assert sshd_check.takes_passwords(host) == takes  # type: ignore[arg-type]
    assert "00-twofactor" not in program.configs[0]


def test_passwords_are_not_surely_taken_where_users_are_told_apart(program: Sshd) -> None:
    program.default = settings(passwordauthentication="yes")
    host = Seen()
    host.texts["/etc/ssh/sshd_config.d/50-x.conf"] = "Match Group staff\nPasswordAuthentication no\n"

    assert not sshd_check.takes_passwords(host)  # type: ignore[arg-type]


def test_passwords_are_not_surely_taken_where_sshd_cannot_say(
    program: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> Ran:
        return Ran(255, "", "no hostkeys available")

    monkeypatch.setattr(sshd_check, "run", fail)
    assert not sshd_check.takes_passwords(Seen())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(CommandLine((), "/etc/ssh/own"), "/etc/ssh/own", id="another file"),
        pytest.param(CommandLine((), "own"), "own", id="a relative path"),
        pytest.param(None, "something else", id="cannot be told"),
    ],
)
def test_sshd_that_reads_another_file(program: Sshd, line: CommandLine | None, words: str) -> None:
    host = Seen(open_doors=sshds(line))
    assert sshd_check.readers(host) == []  # type: ignore[arg-type]
    assert sshd_check.other_sshds(host) == []  # type: ignore[arg-type]
    with pytest.raises(TwofactorError, match=f"{words} .*would never read") as caught:
        check(host, ALICE)
    assert caught.value.code == "sshd_other_config"
    sshd_check.check_staged(host, host.texts[paths.SSHD_CONFIG], "", None, [])  # type: ignore[arg-type]


def test_the_usual_file_by_another_name(program: Sshd) -> None:
    host = Seen(open_doors=sshds(CommandLine((), "/etc/ssh/../ssh/sshd_config")))
    assert sshd_check.readers(host) == [CommandLine()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("Port 2222\nUsePAM yes\n", True),
        ("Include /etc/ssh/sshd_config.d/*.conf\nPort 2222\n", False),
        ("Port 2222\nInclude /etc/ssh/sshd_config.d/*.conf\n", True),
        (None, True),
    ],
)
def test_sshd_beside_the_usual_one(program: Sshd, text: str | None, is_open: bool) -> None:
    own = CommandLine((), "/etc/ssh/own")
    host = Seen(open_doors=sshds(CommandLine(), own, CommandLine(("-p2200",))))
    if text is not None:
        program.configs_of_others["/etc/ssh/own"] = text
    found = sshd_check.other_sshds(host)  # type: ignore[arg-type]

    assert [one.code for one in found] == ["other_sshd"] * is_open
    assert all("/etc/ssh/own" in one.message and "on port 2201" in one.message for one in found)
    check(host, ALICE)
    asked = [config for config in program.configs if "Port 2222" in config]
    assert bool(asked) is not is_open, "it is asked what it would do with our drop-in"


@pytest.mark.parametrize(
    ("door", "words"),
    [
        (doors.Sshd("/usr/sbin/sshd", "here", None), "cannot be told"),
        (doors.Sshd("/opt/sshd", "here", CommandLine(), False), "not /usr/sbin/sshd with this host's files"),
    ],
)
def test_sshd_that_cannot_be_judged_is_another(program: Sshd, door: doors.Sshd, words: str) -> None:
    host = Seen(open_doors=Doors((*sshds(CommandLine()).sshds, door)))
    (found,) = sshd_check.other_sshds(host)  # type: ignore[arg-type]
    assert words in found.message
    assert door.program in found.message


def test_sshd_beside_the_usual_one_that_would_do_otherwise(program: Sshd) -> None:
    host = Seen(open_doors=sshds(CommandLine(), CommandLine(("-oUsePAM=no",), "/etc/ssh/own")))
    program.configs_of_others["/etc/ssh/own"] = "Include /etc/ssh/sshd_config.d/*.conf\n"
    program.answer = lambda command: {"usepam": "no"} if "-oUsePAM=no" in command else {}
    with pytest.raises(Refused) as caught:
        check(host, ALICE)
    assert caught.value.code == "sshd_overridden"


# Root's own drop-in.


def test_roots_login_is_judged_for_each_sshd(program: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sshds(CommandLine(), CommandLine(("-oPermitRootLogin=no",)))
    usual = sshd_check.run
    monkeypatch.setattr(
        sshd_check,
        "run",
        lambda command: (
            Ran(0, "permitrootlogin no\n", "")
            if "-T" in command and "-oPermitRootLogin=no" in command
            else usual(command)
        ),
    )
    program.default = {"permitrootlogin": "yes"}
    host = Seen(open_doors=lines)
    with pytest.raises(TwofactorError, match="permitrootlogin is 'no' and not 'yes'"):
        sshd_check.check_root(host, host.texts[paths.SSHD_CONFIG], "PermitRootLogin yes\n", "yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["yes", "no"])
def test_roots_login_is_judged_with_its_dropin_and_without_ours(program: Sshd, said: str) -> None:
    program.default = {"permitrootlogin": said}
    host = Seen()
    sshd_check.check_root(host, host.texts[paths.SSHD_CONFIG], "PermitRootLogin yes\n", "")  # type: ignore[arg-type]
    assert (program.asked, len(program.configs)) == ([], 1)

    main = host.texts[paths.SSHD_CONFIG]
    if said == "yes":
        sshd_check.check_root(host, main, "PermitRootLogin yes\n", "yes")  # type: ignore[arg-type]
    else:
        with pytest.raises(TwofactorError, match="permitrootlogin is 'no' and not 'yes'") as caught:
            sshd_check.check_root(host, main, "PermitRootLogin yes\n", "yes")  # type: ignore[arg-type]
        assert caught.value.code == "sshd_overridden"
    assert program.asked == [f"user=root,host={SOMEWHERE},addr={SOMEWHERE}"]
    assert f"Include {program.folder}/staged/01-twofactor-root.conf\n" in program.configs[-1]
    assert "00-twofactor" not in program.configs[-1]
    assert list(program.folder.iterdir()) == []
