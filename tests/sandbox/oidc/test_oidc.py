"""The practice OpenID providers: codes work once and only for whom they were made, tokens say who it is."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from sandbox.harness.sandbox_process import SandboxProcess

VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:9/back"
ASKED = {
    "client_id": "sandbox-sign-on",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
APP = {"client_id": "sandbox-sign-on", "client_secret": "sandbox-sign-on-secret"}


def give_consent(sandbox: SandboxProcess, provider: str = "xero", **form: str) -> dict[str, list[str]]:
    """Answer the sign-in page; what comes back to the app."""
    data = {"email": "Ada@Payer.example", "decision": "allow", "verified": "on"} | form
    address = f"{sandbox.url}/oidc/{provider}/authorize"
    answer = requests.post(address, params=ASKED, data=data, allow_redirects=False, timeout=10)
    assert answer.headers["Location"].startswith(BACK)
    return parse_qs(urlsplit(answer.headers["Location"]).query)


def exchange_code(sandbox: SandboxProcess, code: str, provider: str = "xero", **changes: str) -> requests.Response:
    """Give the code for tokens."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return requests.post(f"{sandbox.url}/oidc/{provider}/token", data=APP | form | changes, timeout=10)


def test_a_code_becomes_a_signed_token_that_says_who_it_is(sandbox: SandboxProcess) -> None:
    back = give_consent(sandbox)
    assert back["state"] == ["s"]
    found: dict[str, Any] = exchange_code(sandbox, back["code"][0]).json()
    about = sandbox.get("/oidc/xero/.well-known/openid-configuration").json()
    key = jwt.PyJWKSet.from_dict(requests.get(about["jwks_uri"], timeout=10).json()).keys[0]
    claims = jwt.decode(found["id_token"], key, algorithms=["RS256"], audience=APP["client_id"], issuer=about["issuer"])
    assert (claims["email"], claims["email_verified"], claims["nonce"]) == ("ada@payer.example", True, "n")
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    person = requests.get(about["userinfo_endpoint"], headers=bearer, timeout=10).json()
    assert person == {name: claims[name] for name in ("sub", "email", "email_verified")}


def test_a_code_works_once(sandbox: SandboxProcess) -> None:
    [code] = give_consent(sandbox)["code"]
    assert exchange_code(sandbox, code).status_code == 200
    assert exchange_code(sandbox, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 64}, {"redirect_uri": "http://127.0.0.1:9/other"}, {"provider": "microsoft"}]
)
def test_a_code_works_only_for_whom_it_was_made(sandbox: SandboxProcess, changes: dict[str, str]) -> None:
    [code] = give_consent(sandbox)["code"]
    assert exchange_code(sandbox, code, **changes).status_code == 400


def test_a_code_dies_after_five_minutes(sandbox: SandboxProcess) -> None:
    [code] = give_consent(sandbox)["code"]
    sandbox.advance(301)
    assert exchange_code(sandbox, code).status_code == 400


def test_only_the_app_gets_tokens(sandbox: SandboxProcess) -> None:
    [code] = give_consent(sandbox)["code"]
    assert exchange_code(sandbox, code, client_secret="guess").status_code == 401


def test_a_person_may_refuse(sandbox: SandboxProcess) -> None:
    assert give_consent(sandbox, decision="cancel") == {"error": ["access_denied"], "state": ["s"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": "http://evil.example/"},
        {"response_type": "token"},
        {"scope": "email"},
        {"state": ""},
        {"nonce": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_request_that_is_not_right_is_not_even_shown(sandbox: SandboxProcess, changes: dict[str, str]) -> None:
    answer = requests.get(f"{sandbox.url}/oidc/xero/authorize", params=ASKED | changes, timeout=10)
    assert answer.status_code == 400
    assert "<form" not in answer.text


def test_userinfo_is_for_the_bearer_of_a_token(sandbox: SandboxProcess) -> None:
    answer = requests.get(f"{sandbox.url}/oidc/xero/userinfo", headers={"Authorization": "Bearer x"}, timeout=10)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
