"""Signing in at the practice Intuit: consent, codes, refresh tokens that change once a day, the end of a grant."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from intuitlib.client import AuthClient  # type: ignore[import-untyped]
from intuitlib.enums import Scopes  # type: ignore[import-untyped]

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.intuit.app import CALLBACK, HIGH_LIMITS, IntuitApp, get_redirect_params

DAY, HOUR = 86_400, 3_600
AU = "9341452000000061"


@pytest.fixture
def app(sandbox: SandboxProcess) -> IntuitApp:
    sandbox.config(intuit_limits=HIGH_LIMITS)
    return IntuitApp(sandbox)


def get_status(app: IntuitApp) -> int:
    """What the books say to the access token."""
    return app.call("GET", f"/companyinfo/{app.realm}").status_code


def test_consent_names_the_company_that_was_chosen(app: IntuitApp) -> None:
    answer = get_redirect_params(app.authorize("POST", {"decision": "allow", "company": AU, "email": "a@example.test"}))
    assert (answer["realmId"], answer["state"]) == (AU, "state-1")
    tokens = app.exchange_code(answer["code"]).json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", HOUR)
    assert tokens["x_refresh_token_expires_in"] == 100 * DAY


def test_the_consent_page_lists_companies_and_can_be_cancelled(app: IntuitApp) -> None:
    assert "Prairie Systems Practice (US)" in app.authorize().text
    assert get_redirect_params(app.authorize("POST", {"decision": "cancel"}))["error"] == "access_denied"
    assert app.authorize("POST", {"decision": "allow"}).status_code == 422


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"redirect_uri": "http://example.test/callback"},
        {"response_type": "token"},
        {"state": None},
        {"scope": "everything"},
    ],
)
def test_a_question_that_makes_no_sense_leads_nowhere(app: IntuitApp, changes: dict[str, Any]) -> None:
    assert app.authorize(**changes).status_code == 400


def test_only_registered_addresses_are_led_back_to(app: IntuitApp) -> None:
    app.sandbox.config(intuit_redirects=["https://pay.example.test/callback"])
    assert app.authorize().status_code == 400
    assert app.authorize(redirect_uri="https://pay.example.test/callback").status_code == 200


def test_a_code_works_once_for_its_own_app_and_address_and_five_minutes(app: IntuitApp) -> None:
    code = get_redirect_params(app.authorize(auto="au"))["code"]
    assert app.exchange_code(code, "http://127.0.0.1:9/other").json() == {"error": "invalid_grant"}
    code = get_redirect_params(app.authorize(auto="au"))["code"]
    assert IntuitApp(app.sandbox, "sandbox-intuit-2", "sandbox-intuit-secret-2").exchange_code(code).status_code == 400
    code = get_redirect_params(app.authorize(auto="au"))["code"]
    assert app.exchange_code(code).status_code == 200
    assert app.exchange_code(code).status_code == 400
    code = get_redirect_params(app.authorize(auto="au"))["code"]
    app.sandbox.advance(301)
    assert app.exchange_code(code).status_code == 400


def test_a_wrong_secret_is_refused(app: IntuitApp) -> None:
    answer = IntuitApp(app.sandbox, secret="guessed").refresh("RT1-x")
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_an_access_token_lives_an_hour(app: IntuitApp) -> None:
    app.connect()
    assert get_status(app) == 200
    app.sandbox.advance(HOUR)
    answer = app.call("GET", f"/companyinfo/{app.realm}")
    assert answer.status_code == 401
    assert answer.json()["fault"]["error"][0]["code"] == "3200"
    app.tokens = app.refresh(app.tokens["refresh_token"]).json()
    assert get_status(app) == 200


def test_the_refresh_token_changes_after_a_day_and_the_old_one_dies_a_day_later(app: IntuitApp) -> None:
    first = app.connect().tokens["refresh_token"]
    app.sandbox.advance(23 * HOUR)
    assert app.refresh(first).json()["refresh_token"] == first
    app.sandbox.advance(HOUR)
    second = app.refresh(first).json()["refresh_token"]
    assert second != first
    app.sandbox.advance(23 * HOUR)
    assert app.refresh(first).json()["refresh_token"] == second
    app.sandbox.advance(HOUR)
    assert app.refresh(first).json() == {"error": "invalid_grant"}
    assert app.refresh(second).status_code == 200


def test_a_refresh_token_dies_unused_after_a_hundred_days(app: IntuitApp) -> None:
    app.connect()
    app.sandbox.advance(100 * DAY)
    assert app.refresh(app.tokens["refresh_token"]).status_code == 400


def test_consent_ends_after_five_years_however_much_it_is_used(app: IntuitApp) -> None:
    app.connect()
    for _ in range(19):
        app.sandbox.advance(95 * DAY)
        answer = app.refresh(app.tokens["refresh_token"])
        app.tokens = answer.json()
        assert answer.status_code == 200
    assert app.tokens["x_refresh_token_expires_in"] == pytest.approx(20 * DAY, abs=60)
    app.sandbox.advance(21 * DAY)
    assert app.refresh(app.tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
def test_revoking_either_token_ends_the_grant(app: IntuitApp, which: str) -> None:
    app.connect()
    assert app.revoke(app.tokens[which]).status_code == 200
    assert get_status(app) == 401
    assert app.refresh(app.tokens["refresh_token"]).status_code == 400
    assert app.revoke(app.tokens[which]).status_code == 400


def test_a_token_opens_one_company(app: IntuitApp) -> None:
    app.connect("us")
    app.realm = AU
    answer = app.call("GET", f"/companyinfo/{AU}")
    assert answer.status_code == 403
    assert answer.json()["Fault"]["Error"][0]["code"] == "3100"


def test_a_disconnected_company_refuses_its_tokens(app: IntuitApp) -> None:
    app.connect()
    app.send_orders(disconnect="au")
    assert get_status(app) == 401
    assert app.refresh(app.tokens["refresh_token"]).status_code == 400


def test_the_vendors_own_client_signs_in(app: IntuitApp) -> None:
    place = f"{app.sandbox.url}/intuit/.well-known/openid_configuration/"
    client = AuthClient(app.client, app.secret, CALLBACK, place)
    asked = client.get_authorization_url([Scopes.ACCOUNTING, Scopes.OPENID, Scopes.EMAIL])
    answer = get_redirect_params(requests.get(f"{asked}&auto=nz", allow_redirects=False, timeout=10))
    client.get_bearer_token(answer["code"], realm_id=answer["realmId"])
    before = client.access_token
    client.refresh()
    assert client.access_token != before
    assert client.get_user_info().json()["email"] == "bookkeeper@example.test"
    assert client.revoke() is True
