from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import other_factors
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.marks import PAM_INCLUDE

UNIX = "auth required pam_unix.so\n"


def module(sssd_prompts: bool = False, **files: str) -> str | None:
    names = {name.replace("_", "-"): text for name, text in files.items()}
    return other_factors.module_of("sudo", names.get, sssd_prompts=sssd_prompts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (UNIX, None),
        (f"{UNIX}-auth [success=1 default=die] /lib/security/pam_u2f.so cue\n", "pam_u2f.so"),
        (f"{UNIX}auth required pam_radius_auth.so\n", "pam_radius_auth.so"),
        (f"{UNIX}auth [default=ignore] pam_oslogin_login.so\n", "pam_oslogin_login.so"),
        (f"{UNIX}auth required pam_python.so /lib/security/privacyidea_pam.py url=x\n", "privacyidea"),
        (f"{UNIX}auth required pam_python.so /lib/security/other.py\n", None),
        (f"{UNIX}auth optional pam_exec.so /usr/bin/true\n", None),
        (f"{UNIX}account required pam_duo.so\n", None),
        (f"#auth required pam_duo.so\n{UNIX}", None),
        (UNIX + PAM_INCLUDE, None),
        ("", None),
    ],
)
def test_module_of_a_service(text: str, found: str | None) -> None:
    assert module(sudo=text) == found


def test_included_files_are_followed() -> None:
    deep = "auth required pam_google_authenticator.so\n"
    for how in ("@include common-auth\n", "auth substack common-auth\n", "auth include common-auth\n"):
        assert module(sudo=how, common_auth="@include deep\n", deep=deep) == "pam_google_authenticator.so"
    assert module(sudo="@include sudo\n") is None
    assert module(sudo="@include missing\n") is None


def test_our_own_module_by_an_included_service_is_none_of_others() -> None:
    files = {"su": UNIX + "auth substack twofactor\n", "twofactor": "auth required pam_oath.so\n"}
    assert module(sudo="auth include su\n", **files) is None


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("[sssd]\nservices = pam\n", False),
        ("# [prompting/2fa]\n", False),
        ("[prompting/password]\npassword_prompt = x\n", False),
        ("[sssd]\n [prompting/2fa/sshd]\nsingle_prompt = False\n", True),
    ],
)
def test_sssd_that_prompts_for_two_factors(text: str, prompts: bool) -> None:
    assert other_factors.sssd_prompts(["", text]) is prompts
    found = module(sssd_prompts=prompts, sudo="auth sufficient pam_sss.so\n")
    assert found == ("pam_sss.so" if prompts else None)


def test_service_that_answers_every_question_with_the_password() -> None:
    other_factors.refuse_mute(["sudo", "cockpit"])
    with pytest.raises(TwofactorError, match="proxmox-ve-auth") as caught:
        other_factors.refuse_mute(["sudo", "proxmox-ve-auth"])
    assert caught.value.code == "service_cannot_ask"
