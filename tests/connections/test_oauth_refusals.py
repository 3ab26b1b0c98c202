"""Callbacks that must not connect: each answers a page that says what to do, and stores nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.http import HttpResponse
from django.test import Client
from django_subatomic.db import transaction
from pytest_django import Settings

from connections.models import Authorisation
from merchants.models import Membership
from merchants.services import add_merchant
from sandbox.harness.sandbox_process import SandboxProcess
from tests.connections.oauth_scene import ADMIN, PROVIDER_CASES, OAuthScene, expire_authorisation, list_stored_rows
from tests.connections.oauth_steps import CALLBACK, CONNECTIONS_PATH, allow_access
from tests.tenants import PASSWORD, Tenant, create_tenant, get_role, give_role
from wisepay.models import User

AGAIN = "Start again from Accounting Connections"
REFUSED, AWAY = "refused the code", "does not answer at the moment"
GOOD_TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 1800, "token_type": "Bearer"}


STATES: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "no state": (lambda s: s.open_callback({"code": s.get_callback_query()["code"]}), AGAIN),
    "an empty state": (lambda s: s.open_callback(s.get_callback_query(state="")), AGAIN),
    "a state of nobody": (lambda s: s.open_callback(s.get_callback_query(state="x" * 43)), AGAIN),
    "a state with another end": (
        lambda s: s.open_callback((b := s.get_callback_query()) | {"state": b["state"][:-1] + "~"}),
        AGAIN,
    ),
    "a state in capitals": (
        lambda s: s.open_callback((b := s.get_callback_query()) | {"state": b["state"].upper() + "A"}),
        AGAIN,
    ),
    "a state with a letter more": (
        lambda s: s.open_callback((b := s.get_callback_query()) | {"state": b["state"] + "A"}),
        AGAIN,
    ),
    "a state of ten thousand letters": (lambda s: s.open_callback(s.get_callback_query(state="x" * 10_000)), AGAIN),
    "a state with a NUL": (lambda s: s.open_callback(s.get_callback_query(state="a\x00b")), AGAIN),
    "a state that is no ASCII": (lambda s: s.open_callback(s.get_callback_query(state="\u2028🔑")), AGAIN),
    "a second state after the good one": (
        lambda s: s.open_callback((b := s.get_callback_query()) | {"state": [b["state"], "x"]}),
        AGAIN,
    ),
    "a state that was used": (lambda s: s.open_callback(s.reuse_state()), AGAIN),
    "a state that is too old": (lambda s: s.open_callback_after(expire_authorisation(seconds=1)), AGAIN),
    "a state of a colleague": (lambda s: s.open_callback(s.get_callback_query(), client=s.colleague()), AGAIN),
    "a state of another merchant": (lambda s: s.open_callback(s.get_callback_query(), client=s.theirs.admin), AGAIN),
    "a state of somebody who belongs nowhere": (
        lambda s: s.open_callback(s.get_callback_query(), client=s.somebody("a@b.example")),
        AGAIN,
    ),
    "a state of one package at the other": (
        lambda s: s.open_callback(s.get_callback_query(), provider=s.provider_case.other),
        AGAIN,
    ),
    "a state at a package that we do not know": (
        lambda s: s.open_callback(s.get_callback_query(), provider="myob"),
        AGAIN,
    ),
}
CODES: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "no code": (lambda s: s.open_callback({"state": s.get_callback_query()["state"]}), REFUSED),
    "an empty code": (lambda s: s.open_callback(s.get_callback_query(code="")), REFUSED),
    "an invented code": (lambda s: s.open_callback(s.get_callback_query(code="x" * 43)), REFUSED),
    "a code of ten thousand letters": (lambda s: s.open_callback(s.get_callback_query(code="x" * 10_000)), REFUSED),
    "a code that was used": (lambda s: s.open_callback(s.replay_code()), REFUSED),
    "a code of somebody else's authorisation": (
        lambda s: s.open_callback(
            s.get_callback_query() | {"code": allow_access(s.start_consent(s.theirs), "us")["code"]}
        ),
        REFUSED,
    ),
    "a code that is too old": (lambda s: s.open_callback_after(lambda: s.mine.world.advance(301)), REFUSED),
    "a code for an app that was taken away": (
        lambda s: s.open_callback_after(lambda: s.change_app(*s.provider_case.second_app)),
        "is no longer set up",
    ),
    "a code while our secret is wrong": (
        lambda s: s.open_callback_after(lambda: s.change_app(s.provider_case.app, "nonsense")),
        AWAY,
    ),
}
ANSWERS: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "access denied": (
        lambda s: s.open_callback({"error": "access_denied", "state": s.get_callback_query()["state"]}),
        "not allowed",
    ),
    "access denied without a state": (lambda s: s.open_callback({"error": "access_denied"}), "You can try again"),
    "denied, and a code all the same": (
        lambda s: s.open_callback(s.get_callback_query(error="access_denied")),
        "not allowed",
    ),
    "a denied authorisation that comes back": (
        lambda s: (s.open_callback((b := s.get_callback_query()) | {"error": "access_denied"}), s.open_callback(b))[1],
        AGAIN,
    ),
    "trouble at Xero": (lambda s: s.open_callback(s.get_callback_query(error="server_error")), "trouble of its own"),
    "Xero is busy": (lambda s: s.open_callback(s.get_callback_query(error="temporarily_unavailable")), AWAY),
    "scopes that Xero does not know": (
        lambda s: s.open_callback(s.get_callback_query(error="invalid_scope")),
        "tell our support",
    ),
    "an app that Xero does not accept": (
        lambda s: s.open_callback(s.get_callback_query(error="unauthorized_client")),
        "tell our support",
    ),
    "an error that nobody knows": (
        lambda s: s.open_callback(s.get_callback_query(error="<script>x</script>")),
        "You can try again",
    ),
    "less access than is needed": (
        lambda s: s.open_callback_during(
            s.provider_case.tokens, "status", status=200, body=GOOD_TOKENS | {"scope": "openid email"}
        ),
        "less than Wise-Pay needs",
    ),
}
COMPANIES: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "a company of another merchant": (
        lambda s: s.open_callback(s.get_callback_query("au")),
        "already linked to another merchant",
    ),
    "another company than the other connections": (lambda s: s.other_company(), "is another company than"),
    "a list that is none": (
        lambda s: s.open_callback_during(s.provider_case.companies, "status", status=200, body={"rows": 1}),
        AWAY,
    ),
    "a list that our new token may not see": (
        lambda s: s.open_callback_during(s.provider_case.companies, "status", status=401),
        REFUSED,
    ),
    "a list that fails": (lambda s: s.open_callback_during(s.provider_case.companies, "status", status=500), AWAY),
    "a list of HTML": (lambda s: s.open_callback_during(s.provider_case.companies, "html", status=200), AWAY),
    "a list that never comes": (
        lambda s: s.open_callback_during(s.provider_case.companies, "timeout", seconds=30),
        AWAY,
    ),
}
TOKENS: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "tokens refused": (lambda s: s.open_callback_during(s.provider_case.tokens, "status", status=400), REFUSED),
    "tokens for another app": (
        lambda s: s.open_callback_during(
            s.provider_case.tokens, "status", status=401, body={"error": "invalid_client"}
        ),
        AWAY,
    ),
    "too many tokens": (lambda s: s.open_callback_during(s.provider_case.tokens, "status", status=429), AWAY),
    "tokens that fail": (lambda s: s.open_callback_during(s.provider_case.tokens, "status", status=500), AWAY),
    "tokens of HTML": (lambda s: s.open_callback_during(s.provider_case.tokens, "html", status=200), AWAY),
    "tokens behind a proxy's page": (
        lambda s: s.open_callback_during(s.provider_case.tokens, "html", status=403),
        AWAY,
    ),
    "tokens that are a list": (
        lambda s: s.open_callback_during(s.provider_case.tokens, "status", status=200, body=[1]),
        AWAY,
    ),
    "an access token alone": (
        lambda s: s.open_callback_during(
            s.provider_case.tokens, "status", status=200, body={"access_token": "a", "expires_in": 1800}
        ),
        AWAY,
    ),
    "a life that is no number": (
        lambda s: s.open_callback_during(
            s.provider_case.tokens, "status", status=200, body=GOOD_TOKENS | {"expires_in": "soon"}
        ),
        AWAY,
    ),
    "a connection that is cut before the tokens": (
        lambda s: s.open_callback_during(s.provider_case.tokens, "drop_before"),
        AWAY,
    ),
    "a connection that is cut after them": (
        lambda s: s.open_callback_during(s.provider_case.tokens, "drop_after"),
        AWAY,
    ),
    "tokens that never come": (lambda s: s.open_callback_during(s.provider_case.tokens, "timeout", seconds=30), AWAY),
}
PEOPLE: dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]] = {
    "somebody who is no admin any more": (
        lambda s: s.open_callback_after(lambda: give_role(s.mine.merchant, "user")),
        "the right Settings",
    ),
    "somebody who left": (
        lambda s: s.open_callback_after(lambda: s.memberships().delete()),
        "the right Settings",
    ),
    "a tier that was switched off": (lambda s: s.tier_switched_off(), "is switched off"),
}
Cases = dict[str, tuple[Callable[[OAuthScene], HttpResponse], str]]
XERO_ONLY: Cases = {
    "a code of an earlier authorisation of mine": (
        lambda s: s.open_callback(s.get_callback_query() | {"code": s.get_callback_query()["code"]}),
        REFUSED,
    ),
    "no company": (
        lambda s: s.open_callback_during(s.provider_case.companies, "status", status=200, body=[]),
        "No organisation was chosen",
    ),
    "a company that is none": (
        lambda s: s.open_callback_during(
            "xero-identity", "status", status=200, body=[{"tenantType": "PRACTICE", "id": "1", "tenantId": "2"}]
        ),
        "No organisation was chosen",
    ),
    "a company without an id": (
        lambda s: s.open_callback_during(
            s.provider_case.companies, "status", status=200, body=[{"tenantType": "ORGANISATION"}]
        ),
        AWAY,
    ),
}
NONE_CHOSEN = "No organisation was chosen"
# Intuit tells the company in the browser, so whatever a browser can say must be met.
QUICKBOOKS_ONLY: Cases = {
    "no company": (
        lambda s: s.open_callback({k: v for k, v in s.get_callback_query().items() if k != "realmId"}),
        NONE_CHOSEN,
    ),
    "an empty company": (lambda s: s.open_callback(s.get_callback_query(realmId="")), NONE_CHOSEN),
    "a company that is a path": (lambda s: s.open_callback(s.get_callback_query(realmId="1/../../query")), NONE_CHOSEN),
    "a company of ten thousand digits": (
        lambda s: s.open_callback(s.get_callback_query(realmId="9" * 10_000)),
        NONE_CHOSEN,
    ),
    "a company of other digits": (lambda s: s.open_callback(s.get_callback_query(realmId="\u0661\u0662")), NONE_CHOSEN),
    "a company that was not allowed": (
        lambda s: s.open_callback(s.get_callback_query(realmId="9341452000000001")),
        REFUSED,
    ),
    "a company of another merchant that was not allowed": (
        lambda s: s.open_callback(s.get_callback_query(realmId=s.theirs.connection.organisation_id)),
        REFUSED,
    ),
    "a company that is nobody's": (lambda s: s.open_callback(s.get_callback_query(realmId="123")), REFUSED),
    "a company without a name": (
        lambda s: s.open_callback_during(s.provider_case.companies, "status", status=200, body={"CompanyInfo": {}}),
        AWAY,
    ),
}
CASES: Cases = STATES | CODES | ANSWERS | COMPANIES | TOKENS | PEOPLE
CASES_OF = {"xero": CASES | XERO_ONLY, "quickbooks": CASES | QUICKBOOKS_ONLY}
ALL = [(provider, name) for provider, cases in CASES_OF.items() for name in cases]


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> str:
    """The accounting package of the authorisation; Xero by default."""
    return str(getattr(request, "param", "xero"))


@pytest.fixture
def scene(db: None, world: SandboxProcess, settings: Settings, provider: str) -> Iterator[OAuthScene]:
    settings.HTTP_TIMEOUT = (1, 0.3)
    tenant = create_tenant(world, provider=provider)
    with transaction():
        merchant = add_merchant(name="Kauri IT", contact_email="admin@kauri-it.example", time_zone="UTC")
    user = User.objects.create_user(ADMIN, PASSWORD)
    Membership.objects.create(merchant=merchant, user=user, role=get_role(merchant, "admin"))
    mine = Tenant(tenant.world, merchant, user, "")
    mine.admin.force_login(user)
    found = OAuthScene(PROVIDER_CASES[provider], mine, tenant, settings)
    found.record_stored_rows()
    with assert_nothing_else_stored(found):
        yield found


@contextmanager
def assert_nothing_else_stored(scene: OAuthScene) -> Iterator[None]:
    """Check after the test that the database is unchanged and no authorisation has tokens."""
    yield
    assert list_stored_rows() == scene.stored_before
    assert [authorisation.pk for authorisation in Authorisation.objects.all() if authorisation.tokens] == []


def test_there_are_forty_of_them() -> None:
    assert min(len(cases) for cases in CASES_OF.values()) >= 40


@pytest.mark.parametrize(("provider", "name"), ALL, indirect=["provider"])
def test_it_connects_nothing_and_says_what_to_do(scene: OAuthScene, name: str) -> None:
    act, words = CASES_OF[scene.provider_case.provider][name]
    answer = act(scene)
    text = answer.content.decode()
    assert answer.status_code == 400, text
    assert "Nothing was connected" in text
    assert words in text
    assert "no-store" in answer["Cache-Control"]
    for secret in ("<script>x", "Traceback", "sandbox-secret", "sandbox-intuit-secret"):
        assert secret not in text


@pytest.mark.parametrize("who", ["nobody", "somebody who was locked out"])
def test_without_a_session_it_leads_to_the_sign_in(scene: OAuthScene, who: str) -> None:
    brought = scene.get_callback_query()
    if who != "nobody":
        User.objects.filter(email=ADMIN).update(is_active=False)
    answer = scene.open_callback(brought, client=Client() if who == "nobody" else None)
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"/accounts/login/?next={CALLBACK}")


@pytest.mark.parametrize("provider", PROVIDER_CASES, indirect=True)
def test_the_same_authorisation_untouched_connects(scene: OAuthScene) -> None:
    answer = scene.open_callback(scene.get_callback_query())
    assert (answer.status_code, answer["Location"]) == (302, scene.mine.url(CONNECTIONS_PATH))
    assert scene.mine.connection.state == "connected"
    scene.record_stored_rows()


def test_a_callback_is_read_and_never_posted(scene: OAuthScene) -> None:
    assert scene.mine.admin.post(CALLBACK, scene.get_callback_query()).status_code == 405


def test_the_page_leads_back_to_the_connections_of_those_who_may_make_them(scene: OAuthScene) -> None:
    text = scene.open_callback({"error": "access_denied"}).content.decode()
    assert f'href="{scene.mine.url(CONNECTIONS_PATH)}"' in text
    assert "Northwind" not in text
