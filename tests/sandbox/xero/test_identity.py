"""The practice Xero's identity service: consent, codes, tokens that rotate, connections."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.xero.app import ORGANISATION, XeroApp, get_redirect_params

MINUTE = 60
DAY = 24 * 60 * MINUTE


@pytest.fixture
def app(sandbox: SandboxProcess) -> XeroApp:
    return XeroApp(sandbox)


def test_a_person_chooses_organisations_and_the_app_gets_tokens(app: XeroApp) -> None:
    page = app.authorize()
    assert page.status_code == 200
    assert "Allow access" in page.text
    assert ORGANISATION in page.text
    rows = app.sandbox.get("/xero/_control").json()["organisations"]
    tenants = [row["tenant_id"] for row in rows[:2]]
    form = {"decision": "allow", "email": "someone@example.test", "tenant": tenants}
    answer = get_redirect_params(app.authorize("POST", form))
    assert answer["state"] == "state-1"
    app.tokens = app.exchange_code(answer["code"]).json()
    assert app.tokens["expires_in"] == 30 * MINUTE
    assert [row["tenantId"] for row in app.connections()] == tenants
    assert app.connections()[0]["tenantName"] == ORGANISATION


def test_the_access_token_tells_its_authentication_event_and_connections_are_filtered_by_it(app: XeroApp) -> None:
    app.connect()
    body = app.tokens["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["exp"] - claims["nbf"] == 30 * MINUTE
    assert claims["xero_userid"]
    event = claims["authentication_event_id"]
    assert [row["authEventId"] for row in app.connections(authEventId=event)] == [event]
    assert app.connections(authEventId="00000000-0000-0000-0000-000000000000") == []


def test_cancel_goes_back_with_access_denied(app: XeroApp) -> None:
    answer = get_redirect_params(app.authorize("POST", {"decision": "cancel"}))
    assert answer == {"error": "access_denied", "state": "state-1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", None),
        ("code_challenge", None),
        ("code_challenge_method", "plain"),
        ("client_id", "nobody"),
        ("redirect_uri", "http://elsewhere.example/callback"),
        ("scope", "accounting.everything"),
        ("response_type", "token"),
    ],
)
def test_a_consent_request_with_a_hole_leads_nowhere(app: XeroApp, name: str, value: str | None) -> None:
    changes: dict[str, Any] = {"auto": ORGANISATION, name: value}
    response = app.authorize(**changes)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_consent_needs_an_organisation(app: XeroApp) -> None:
    response = app.authorize("POST", {"decision": "allow", "email": "someone@example.test"})
    assert response.status_code == 422
    assert "Choose an organisation" in response.text


def test_a_code_works_once(app: XeroApp) -> None:
    code = get_redirect_params(app.authorize(auto=ORGANISATION))["code"]
    assert app.exchange_code(code).status_code == 200
    again = app.exchange_code(code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


def test_a_code_lives_five_minutes(app: XeroApp) -> None:
    code = get_redirect_params(app.authorize(auto=ORGANISATION))["code"]
    app.sandbox.advance(5 * MINUTE + 1)
    assert app.exchange_code(code).json() == {"error": "invalid_grant"}


def test_a_code_needs_its_own_verifier(app: XeroApp) -> None:
    code = get_redirect_params(app.authorize(auto=ORGANISATION))["code"]
    app.verifier = "x" * 43
    assert app.exchange_code(code).json() == {"error": "invalid_grant"}


def test_a_wrong_secret_is_an_unknown_client(app: XeroApp) -> None:
    app.secret = "wrong"
    response = app.refresh("whatever")
    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})


def test_a_refresh_token_rotates_and_the_old_one_has_thirty_minutes_of_grace(app: XeroApp) -> None:
    first = app.connect().tokens
    second = app.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    app.sandbox.advance(29 * MINUTE)
    third = app.refresh(first["refresh_token"])
    assert third.status_code == 200
    app.sandbox.advance(2 * MINUTE)
    assert app.refresh(first["refresh_token"]).json() == {"error": "invalid_grant"}
    assert app.refresh(second["refresh_token"]).status_code == 200
    assert app.refresh(third.json()["refresh_token"]).status_code == 200


def test_a_refresh_token_dies_after_sixty_idle_days(app: XeroApp) -> None:
    first = app.connect().tokens["refresh_token"]
    app.sandbox.advance(59 * DAY)
    second = app.refresh(first).json()["refresh_token"]
    app.sandbox.advance(60 * DAY + 1)
    assert app.refresh(second).json() == {"error": "invalid_grant"}


def test_a_refresh_token_belongs_to_one_app(app: XeroApp) -> None:
    token = app.connect().tokens["refresh_token"]
    other = XeroApp(app.sandbox, "sandbox-client-2", "sandbox-secret-2")
    assert other.refresh(token).json() == {"error": "invalid_grant"}


def test_an_access_token_lives_thirty_minutes(app: XeroApp) -> None:
    app.connect()
    app.sandbox.advance(30 * MINUTE + 1)
    response = app.call("GET", "/Organisation")
    assert response.status_code == 401
    assert "TokenExpired" in response.json()["Detail"]


def test_a_disconnected_organisation_is_forbidden(app: XeroApp) -> None:
    app.connect()
    assert app.call("GET", "/Organisation").status_code == 200
    assert app.identity("DELETE", f"/Connections/{app.connections()[0]['id']}").status_code == 204
    assert app.connections() == []
    assert app.call("GET", "/Organisation").status_code == 403
    assert app.identity("DELETE", "/Connections/00000000-0000-0000-0000-000000000000").status_code == 404


def test_revocation_ends_the_tokens_and_the_connections(app: XeroApp) -> None:
    app.connect()
    url = f"{app.sandbox.url}/xero/identity/connect/revocation"
    data, auth = {"token": app.tokens["refresh_token"]}, (app.client, app.secret)
    response = app.sandbox.session.post(url, data=data, auth=auth, timeout=10)
    assert response.status_code == 200
    assert app.refresh(app.tokens["refresh_token"]).json() == {"error": "invalid_grant"}
    assert app.call("GET", "/Organisation").status_code == 401
    assert app.sandbox.get("/xero/_control").json()["connections"] == []


def test_connecting_again_renews_the_same_connection(app: XeroApp) -> None:
    first = app.connect().connections()[0]
    second = app.connect().connections()[0]
    assert second["id"] == first["id"]
    assert second["authEventId"] != first["authEventId"]


def test_an_organisation_takes_two_uncertified_apps(app: XeroApp) -> None:
    names = ["sandbox-client", "sandbox-client-2", "sandbox-client-3"]
    app.sandbox.config(xero_uncertified_apps=names)
    app.connect()
    XeroApp(app.sandbox, names[1], "sandbox-secret-2").connect()
    third = XeroApp(app.sandbox, names[2], "sandbox-secret-3").authorize(auto=ORGANISATION)
    assert third.status_code == 422
    assert "two uncertified apps" in third.text


def test_people_can_disconnect_and_revoke_from_outside(app: XeroApp) -> None:
    app.connect()
    app.sandbox.post("/xero/_control", {"disconnect": app.connections()[0]["id"]})
    assert app.call("GET", "/Organisation").status_code == 403
    app.connect()
    app.sandbox.post("/xero/_control", {"revoke": "bookkeeper@example.test"})
    assert app.refresh(app.tokens["refresh_token"]).json() == {"error": "invalid_grant"}
