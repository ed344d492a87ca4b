from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError

ONE = TwofactorError("one", "This is wrong.", "Mend it.")
TWO = TwofactorError("two", "That is wrong.")


def test_error_says_what_and_what_to_do() -> None:
    assert str(ONE) == "This is wrong. Mend it."
    assert str(TWO) == "That is wrong."


def test_one_reason_reads_like_an_error() -> None:
    assert (Refused([ONE]).code, str(Refused([ONE]))) == ("one", "This is wrong. Mend it.")


def test_several_reasons_are_numbered() -> None:
    refused = Refused([ONE, TWO])

    assert refused.code == "refused"
    assert str(refused) == "(1) This is wrong. Mend it. (2) That is wrong."
    assert refused.reasons == [ONE, TWO]
