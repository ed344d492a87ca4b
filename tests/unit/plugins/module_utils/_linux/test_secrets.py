from __future__ import annotations

import json
import time

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, secrets, tokens
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Policy,
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    SEEDS,
    FakeHost,
)

STATE = "\t0\t264320\t2026-11-24T06:18:01L"
NEW, BACKUP, OTHER = b"N" * 20, b"B" * 20, b"O" * 20


def wanted(*users: UserSecret | str, state: str = "present", renewal: str = "", exclusive: bool = False,
           back: bool = False) -> SecretsChange:  # fmt: skip
    named = tuple(UserSecret(user) if isinstance(user, str) else user for user in users)
    return SecretsChange(state, named, exclusive=exclusive, renewal=renewal, return_secrets=back)


def alice(seed: bytes | None = SEEDS["alice"], backup: bytes | None = None) -> UserSecret:
    return UserSecret("alice", seed, backup)


def planned(
    host: FakeHost, change: SecretsChange | None, policy: Policy | None = None
) -> secrets.SecretsPlan:
    return secrets.plan_secrets(change, policy or Policy(), host)


def done(host: FakeHost, change: SecretsChange, policy: Policy | None = None) -> secrets.SecretsPlan:
    plan = planned(host, change, policy)
    for path, text in plan.files.items():
        if text is None:
            del host.texts[path]
        else:
            host.texts[path] = text
    return plan


def reasons(host: FakeHost, change: SecretsChange) -> list[str]:
    before = dict(host.texts)
    with pytest.raises(Refused) as caught:
        planned(host, change)
    assert host.texts == before
    return [reason.code for reason in caught.value.reasons]


def file_of(name: str, host: FakeHost) -> str | None:
    return host.texts.get(paths.token_file(name))


def test_no_change_is_no_plan() -> None:
    assert planned(FakeHost(), None) == secrets.SecretsPlan()


@pytest.mark.parametrize("policy", [Policy(), Policy(digits=8, interval=60)])
def test_enrolling(policy: Policy) -> None:
    host = FakeHost()
    plan = done(host, wanted(alice()), policy)

    assert plan.added == plan.fresh == ["alice"]
    assert plan.made == {}
    assert (
        file_of("alice", host)
        == f"HOTP/T{policy.interval}/{policy.digits}\talice\t-\t{SEEDS['alice'].hex()}\n"
    )
    assert done(host, wanted(alice()), policy).files == {}


@pytest.mark.parametrize("user", [alice(), alice(None), alice(None, None)])
def test_present_keeps_replay_state(user: UserSecret) -> None:
    host = FakeHost().enrol("alice", state=STATE)

    assert planned(host, wanted(user)).files == {}


def test_another_secret_replaces_the_present_one() -> None:
    host = FakeHost().enrol("alice", state=STATE)
    plan = done(host, wanted(alice(NEW)))

    assert (plan.added, plan.renewed, plan.fresh) == ([], [], ["alice"])
    assert NEW.hex() in str(file_of("alice", host))


def test_backup_alone_makes_no_fresh_user() -> None:
    host = FakeHost().enrol("alice", state=STATE)
    plan = done(host, wanted(alice(None, BACKUP)))

    assert plan.fresh == []
    assert [line.seed for line in tokens.parse(str(file_of("alice", host)), "alice")] == [
        SEEDS["alice"],
        BACKUP,
    ]
    assert done(host, wanted(alice(None))).files == {}


def test_backup_that_becomes_primary_keeps_its_state_and_one_line() -> None:
    host = FakeHost()
    done(host, wanted(alice(backup=BACKUP)))
    text = str(file_of("alice", host))
    host.texts[paths.token_file("alice")] = text[:-1] + STATE + "\n"
    done(host, wanted(alice(BACKUP)))

    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{BACKUP.hex()}{STATE}\n"


# Who is refused, all at once.


def test_every_reason_is_said_at_once() -> None:
    names = ["nobody1", "a/b", "a:b", "a b", "", "nobody2", "alice"]
    users = [UserSecret(name, NEW) for name in names] + [alice(), UserSecret("bob", NEW, NEW)]

    assert reasons(FakeHost(), wanted(*users)) == [
        "unknown_user",
        *["bad_user_name"] * 4,
        "unknown_user",
        "user_twice",
        "same_secret_twice",
    ]


def test_secret_that_nobody_would_know_is_refused_for_each_user() -> None:
    host = FakeHost().enrol("bob")

    assert reasons(host, wanted("alice", "bob", "carol")) == ["secret_nobody_knows"] * 2


def test_broken_token_file_is_refused_and_replaced_whole_by_a_renewal() -> None:
    host = FakeHost({paths.token_file("alice"): "HOTP/T45/6 alice - 00\n"})

    assert reasons(host, wanted(alice(NEW))) == ["token_file_broken"]
    plan = done(host, wanted(alice(NEW), state="renewed", renewal="w"))
    assert plan.fresh == ["alice"]
    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{NEW.hex()}\n"


# Secrets made here.


def test_secret_made_here_comes_back_once() -> None:
    host = FakeHost()
    made = done(host, wanted("alice", back=True)).made

    assert list(made) == ["alice"]
    assert _otp.seed_from_base32(made["alice"], "alice").hex() in str(file_of("alice", host))
    assert done(host, wanted("alice", back=True)).made == {}


def test_given_secret_never_comes_back() -> None:
    assert done(FakeHost(), wanted(alice(), back=True)).made == {}


def test_each_user_gets_another_secret() -> None:
    made = planned(FakeHost(), wanted("alice", "bob", "carol", back=True)).made

    assert len(set(made.values())) == 3


# Renewals.


def test_renewal_happens_once_for_each_word() -> None:
    host = FakeHost().enrol("alice", state=STATE)
    first = done(host, wanted(alice(NEW), state="renewed", renewal="2026-Q4"))

    assert (first.added, first.renewed, first.fresh) == ([], ["alice"], ["alice"])
    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{NEW.hex()}\n"
    used = str(file_of("alice", host))[:-1] + STATE + "\n"
    host.texts[paths.token_file("alice")] = used
    assert done(host, wanted(alice(NEW), state="renewed", renewal="2026-Q4")).files == {}
    assert file_of("alice", host) == used
    assert reasons(host, wanted(alice(NEW), state="renewed", renewal="2027-Q1")) == ["renewal_same_secret"]
    assert done(host, wanted(alice(BACKUP), state="renewed", renewal="2027-Q1")).renewed == ["alice"]


def test_renewal_made_here_happens_once() -> None:
    host = FakeHost().enrol("alice")
    change = wanted("alice", state="renewed", renewal="w", back=True)
    made = done(host, change).made

    assert made["alice"] != _otp.seed_to_base32(SEEDS["alice"])
    assert done(host, change) == secrets.SecretsPlan()


def test_renewal_needs_a_secret_that_somebody_knows() -> None:
    assert reasons(FakeHost().enrol("alice"), wanted("alice", state="renewed", renewal="w")) == [
        "secret_nobody_knows"
    ]


def test_renewal_of_somebody_new_enrols() -> None:
    plan = done(FakeHost(), wanted(alice(), state="renewed", renewal="w"))

    assert plan.added == plan.renewed == ["alice"]


@pytest.mark.parametrize(
    "user", [alice(SEEDS["alice"]), alice(BACKUP), alice(NEW, SEEDS["alice"]), alice(NEW, BACKUP)]
)
def test_renewal_with_a_present_secret_is_refused(user: UserSecret) -> None:
    host = FakeHost()
    done(host, wanted(alice(backup=BACKUP)))
    host.texts[paths.token_file("alice")] = str(file_of("alice", host)).upper().replace("ALICE", "alice")

    assert reasons(host, wanted(user, state="renewed", renewal="w")) == ["renewal_same_secret"]


def test_words_are_kept_by_user() -> None:
    host = FakeHost()
    done(host, wanted(alice(), state="renewed", renewal="one"))
    done(host, wanted(UserSecret("bob", NEW), state="renewed", renewal="two"))

    assert json.loads(host.texts[paths.USERS]) == {
        "alice": {"enrolled": True, "renewal": "one"},
        "bob": {"enrolled": True, "renewal": "two"},
    }


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"alice": 7}', '{"alice": null}'])
def test_damaged_words_are_said(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        planned(FakeHost({paths.USERS: text}), wanted(alice()))
    assert caught.value.code == "users_file_broken"


# Absent and exclusive.


def test_absent_takes_tokens_and_word_away() -> None:
    host = FakeHost().enrol("bob")
    done(host, wanted(alice(), state="renewed", renewal="w"))
    plan = done(host, wanted("alice", state="absent"))

    assert plan.removed == ["alice"]
    assert secrets.enrolled_users(host) == ["bob"]
    assert json.loads(host.texts[paths.USERS]) == {}
    assert done(host, wanted("alice", state="absent")).files == {}
    assert done(host, wanted(alice(), state="renewed", renewal="w")).added == ["alice"]


def test_absent_needs_no_account_and_no_whole_file() -> None:
    host = FakeHost({paths.token_file("gone"): "rubbish"}, users=())

    assert planned(host, wanted("gone", "never", state="absent")).removed == ["gone"]


def test_exclusive_removes_who_is_not_named() -> None:
    host = FakeHost().enrol("alice", "bob", "carol")
    plan = done(host, wanted("bob", exclusive=True))

    assert plan.removed == ["alice", "carol"]
    assert secrets.enrolled_users(host) == ["bob"]
    assert done(host, wanted("bob", exclusive=True)).files == {}


def test_exclusive_removes_nobody_when_one_user_is_refused() -> None:
    assert reasons(FakeHost().enrol("bob"), wanted("alice", exclusive=True)) == ["secret_nobody_knows"]


def test_exclusive_means_nothing_for_absent() -> None:
    assert planned(
        FakeHost().enrol("alice", "bob"), wanted("alice", state="absent", exclusive=True)
    ).removed == ["alice"]


def test_only_token_files_are_users() -> None:
    names = ("alice.oath", "alice.oath.lock", "alice.oath.new", "bob.oath.twofactor-new", "x.oath.oath")
    host = FakeHost({f"{paths.TOKENS}/{name}": "" for name in names})

    assert secrets.enrolled_users(host) == ["alice", "x.oath"]


def test_who_is_enrolled_after_a_plan() -> None:
    plan = secrets.SecretsPlan(added=["carol"], removed=["alice"])

    assert plan.enrolled_after(["alice", "bob"]) == ["bob", "carol"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("HOTP/T30/6 alice - 00\n", True),
        ("HOTP/T30/6 alice - 00\nHOTP/E/8 alice - 11\n", True),
        ("HOTP/T30/6 alice - 00\nHOTP/T30/8 alice - 11\n", False),
        ("HOTP/T60 alice - 00\n", False),
        ("rubbish\n", False),
        ("", True),
    ],
)
def test_whether_devices_show_the_right_kind_of_code(text: str, fits: bool) -> None:
    assert secrets.fits("alice", Policy(), FakeHost({paths.token_file("alice"): text})) is fits


def test_seeds_do_not_show() -> None:
    plan = planned(FakeHost(), wanted(alice(), "bob", back=True))

    assert repr(plan) == "SecretsPlan(added=['alice', 'bob'], renewed=[], removed=[])"


# Recovery codes, the secret before, and who is verified.

RECOVERY, MORE = b"R" * 20, b"M" * 20


def user_with(**seeds: bytes | int | None) -> UserSecret:
    return UserSecret("alice", **{"seed": SEEDS["alice"], **seeds})  # type: ignore[arg-type]


def entry_of(host: FakeHost, name: str = "alice") -> object:
    return json.loads(host.texts.get(paths.USERS, "{}")).get(name)


def use_code(host: FakeHost, factor: int) -> None:
    text = str(file_of("alice", host)).partition("\t-\t" + RECOVERY.hex())[0]
    host.texts[paths.token_file("alice")] = (
        f"{text}\t-\t{RECOVERY.hex()}\t{factor}\t123456\t2026-11-24T06:18:01L\n"
    )


def test_recovery_codes_are_made_once_and_kept() -> None:
    host = FakeHost()
    plan = done(host, wanted(user_with(recovery_seed=RECOVERY)))

    assert plan.refilled == ["alice"]
    assert entry_of(host) == {"enrolled": True, "recovery_count": 10}
    assert str(file_of("alice", host)).endswith(f"HOTP/E/6\talice\t-\t{RECOVERY.hex()}\n")
    assert done(host, wanted(user_with(recovery_seed=RECOVERY))).files == {}
    assert done(host, wanted(alice())).files == {}
    refill = done(host, wanted(user_with(recovery_seed=MORE, recovery_count=5)))
    assert (refill.refilled, refill.fresh) == (["alice"], [])
    assert entry_of(host) == {"enrolled": True, "recovery_count": 5}


def test_recovery_codes_used_up_are_set_aside_by_any_run() -> None:
    host = FakeHost()
    done(host, wanted(user_with(recovery_seed=RECOVERY, recovery_count=2)))
    use_code(host, 1)
    plan = done(host, wanted(alice()))

    assert "#spent HOTP/E/6" in str(file_of("alice", host))
    assert (plan.refilled, plan.fresh) == ([], [])
    assert done(host, wanted(user_with(recovery_seed=RECOVERY, recovery_count=2))).files == {}


def test_event_line_of_somebody_else_is_left_alone() -> None:
    host = FakeHost().enrol("alice")
    host.texts[paths.token_file("alice")] += f"HOTP/E/6 alice - {RECOVERY.hex()} 40 123456\n"

    assert done(host, wanted(alice())).files == {}


def test_recovery_codes_need_a_window() -> None:
    with pytest.raises(Refused, match="never come to the second") as caught:
        planned(FakeHost(), wanted(user_with(recovery_seed=RECOVERY)), Policy(window=0))
    assert caught.value.reasons[0].code == "recovery_needs_window"


@pytest.mark.parametrize("keeps", [False, True], ids=["a lost phone", "a planned one"])
def test_renewal_ends_every_device_that_is_not_given_anew(keeps: bool) -> None:
    host = FakeHost().enrol("alice")
    done(host, wanted(user_with(backup_seed=BACKUP)))
    previous = SEEDS["alice"] if keeps else None
    done(host, wanted(user_with(seed=NEW, previous_seed=previous), state="renewed", renewal="w"))
    text = host.texts[paths.token_file("alice")]

    assert NEW.hex() in text
    assert BACKUP.hex() not in text
    assert (SEEDS["alice"].hex() in text) == keeps
    # Without a renewal the second device stays, whatever becomes of the first one.
    done(host, wanted(user_with(backup_seed=BACKUP)))
    done(host, wanted(user_with(seed=b"S" * 20)))
    assert BACKUP.hex() in host.texts[paths.token_file("alice")]


def test_renewal_drops_recovery_codes_that_are_not_given_anew() -> None:
    host = FakeHost()
    done(host, wanted(user_with(recovery_seed=RECOVERY)))

    assert reasons(
        host, wanted(user_with(seed=NEW, recovery_seed=RECOVERY), state="renewed", renewal="w")
    ) == ["renewal_same_secret"]
    done(host, wanted(alice(NEW), state="renewed", renewal="w"))
    assert RECOVERY.hex() not in str(file_of("alice", host))
    assert entry_of(host) == {"enrolled": True, "renewal": "w"}


@pytest.mark.parametrize("state", ["present", "renewed"])
def test_previous_secret_goes_on_for_as_long_as_it_is_given(state: str) -> None:
    host = FakeHost().enrol("alice", state=STATE)
    both = wanted(user_with(seed=NEW, previous_seed=SEEDS["alice"]), state=state, renewal="w")
    plan = done(host, both)

    assert plan.fresh == ["alice"]
    assert f"{SEEDS['alice'].hex()}{STATE}\n" in str(file_of("alice", host))
    assert done(host, both).files == {}
    done(host, wanted(alice(NEW), state=state, renewal="w"))
    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{NEW.hex()}\n"


def test_secrets_before_end_without_being_taken_away() -> None:
    host = FakeHost().enrol("alice", "bob", state=STATE)
    until = float(int(time.time()) + 3600)
    user = user_with(seed=NEW, previous_seed=SEEDS["alice"], previous_until=until)
    assert done(host, wanted(user)).ends == [until]
    assert secrets.overlap_ends(host) == [until]
    assert _ended(host) == []

    at_end = str(file_of("alice", host)).replace(_mark(until), _mark(time.time() - 1))
    host.texts[paths.token_file("alice")] = at_end
    host.texts[paths.token_file("bob")] = "broken" + at_end
    assert _ended(host) == ["alice"]
    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{NEW.hex()}\n"
    assert secrets.overlap_ends(host) == []


def _mark(until: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))


def _ended(host: FakeHost) -> list[str]:
    plan = secrets.SecretsPlan()
    secrets.end_overlaps(plan, host)
    host.texts.update({path: text for path, text in plan.files.items() if text is not None})
    return plan.ended


def test_secrets_before_that_are_over_are_not_taken() -> None:
    host = FakeHost().enrol("alice")
    user = user_with(seed=NEW, previous_seed=SEEDS["alice"], previous_until=time.time() - 1)
    assert done(host, wanted(user)).ends == []
    assert file_of("alice", host) == f"HOTP/T30/6\talice\t-\t{NEW.hex()}\n"


def test_the_second_device_before_goes_on_too() -> None:
    host = FakeHost()
    done(host, wanted(alice(SEEDS["alice"], BACKUP)))
    new = user_with(seed=NEW, backup_seed=OTHER, previous_seed=SEEDS["alice"], previous_backup_seed=BACKUP)
    done(host, wanted(new))
    lines = tokens.parse(str(file_of("alice", host)), "alice")

    assert [line.seed for line in tokens.devices(lines)] == [NEW, OTHER]
    assert [line.seed for line in lines if line.previous] == [SEEDS["alice"], BACKUP]


def test_previous_secret_has_the_same_digits() -> None:
    with pytest.raises(Refused) as caught:
        planned(
            FakeHost().enrol("alice"),
            wanted(user_with(seed=NEW, previous_seed=SEEDS["alice"])),
            Policy(digits=8),
        )
    assert caught.value.reasons[0].code == "previous_other_digits"


def test_a_new_secret_has_to_be_proved_again() -> None:
    host = FakeHost().enrol("alice", "bob")
    host.texts[paths.USERS] = json.dumps(
        {name: {"verified": "x", "enrolled": True} for name in ("alice", "bob")}
    )

    assert done(host, wanted(alice(None, BACKUP))).files.get(paths.USERS) is None
    assert secrets.verified_users(host) == ["alice", "bob"]
    done(host, wanted(alice(NEW)))
    assert secrets.verified_users(host) == ["bob"]
    assert entry_of(host) == {"enrolled": True}


def test_who_has_logged_in_is_verified() -> None:
    host = FakeHost().enrol("alice", state=STATE).enrol("bob")
    host.texts[paths.token_file("carol")] = "rubbish\n"

    assert secrets.verified_users(host) == ["alice"]
