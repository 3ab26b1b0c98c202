"""What comes back from a consent page and must not connect: each is a page that says what to do, and stores nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connections.models import Authorisation, Connection, LinkedOrganisation
from connections.services import switch_multi_connection
from merchants.models import Membership, Merchant
from sandbox.launch import Running
from tests.connections.walk import CALLBACK, HERE, come_back, consent, set_out
from tests.people import PASSWORD, House, build_house
from wisepay.models import User

ADMIN = "admin@kauri-it.example"
AGAIN = "Start again from Accounting Connections"
REFUSED, AWAY = "refused the code", "does not answer at the moment"
GOOD_TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 1800, "token_type": "Bearer"}


@dataclass(frozen=True)
class Side:
    """One provider of the practice world: its journals for tokens and for companies, and a second app of ours."""

    provider: str
    other: str
    prefix: str
    tokens: str
    companies: str
    app: str
    second_app: tuple[str, str]


SIDES = {
    "xero": Side(
        "xero",
        "quickbooks",
        "XERO",
        "xero-oauth",
        "xero-identity",
        "sandbox-client",
        ("sandbox-client-2", "sandbox-secret-2"),
    ),
    "quickbooks": Side(
        "quickbooks",
        "xero",
        "INTUIT",
        "quickbooks-oauth",
        "quickbooks",
        "sandbox-intuit",
        ("sandbox-intuit-2", "sandbox-intuit-secret-2"),
    ),
}


@dataclass
class Scene:
    """A merchant that is connected to nothing, whose admin went to the consent page; and one that is connected."""

    side: Side
    mine: House
    theirs: House
    settings: Settings
    kept: dict[str, Any] = field(default_factory=dict)

    def brought(self, *organisations: str, **changes: Any) -> dict[str, Any]:
        """What the browser brings of a walk on which access was allowed."""
        return consent(self.set_out(self.mine), *(organisations or ("nz",)), login=ADMIN) | changes

    def set_out(self, house: House, *, tier: str = "wise_pay") -> str:
        """Somebody goes to the consent page; its URL."""
        return set_out(house, tier=tier, provider=self.side.provider)

    def back(self, brought: dict[str, Any], *, client: Client | None = None, provider: str = "") -> HttpResponse:
        """The browser comes back."""
        return come_back(client or self.mine.admin, brought, provider=provider or self.side.provider)

    def back_while(self, service: str, kind: str, **fault: Any) -> HttpResponse:
        """It comes back while the provider is in trouble."""
        brought = self.brought()
        with self.mine.world.faulty(service, kind, times=None, **fault):
            return self.back(brought)

    def back_after(self, change: Callable[[], object]) -> HttpResponse:
        """It comes back after something changed."""
        brought = self.brought()
        change()
        return self.back(brought)

    def colleague(self) -> Client:
        """Another admin of the same merchant."""
        return self.somebody("second@kauri-it.example", merchant=self.mine.merchant)

    def somebody(self, email: str, *, merchant: Merchant | None = None) -> Client:
        """A signed-in person, an admin if a merchant is named."""
        user = User.objects.create_user(email, PASSWORD)
        if merchant:
            Membership.objects.create(merchant=merchant, user=user, role="admin")
        client = Client()
        client.force_login(user)
        return client

    def memberships(self) -> Any:
        """Of the walk's admin."""
        return Membership.objects.filter(user__email=ADMIN)

    def used(self) -> dict[str, Any]:
        """A walk that was refused once already."""
        brought = self.brought()
        self.back(brought | {"code": "wrong"})
        return brought

    def replayed(self) -> dict[str, Any]:
        """A code that connected once, on a walk of its own."""
        first = self.brought()
        self.back(first)
        self.mine.admin.post(self.mine.url(f"{HERE}wise_pay/disconnect"))
        self.remember()
        return self.brought(code=first["code"])

    def other_company(self) -> HttpResponse:
        """A second tier of a merchant whose first one has another company."""
        self.back(self.brought())
        switch_multi_connection(self.mine.merchant, is_on=True, now=timezone.now())
        self.remember()
        return self.back(consent(self.set_out(self.mine, tier="company"), "us", login=ADMIN))

    def tier_switched_off(self) -> HttpResponse:
        """The tier of the walk is gone when it ends."""
        switch_multi_connection(self.mine.merchant, is_on=True, now=timezone.now())
        brought = consent(self.set_out(self.mine, tier="company"), "nz", login=ADMIN)
        switch_multi_connection(self.mine.merchant, is_on=False, now=timezone.now())
        return self.back(brought)

    def change_app(self, client_id: str, secret: str) -> None:
        """An operator changes the app."""
        setattr(self.settings, f"{self.side.prefix}_CLIENT_ID", client_id)
        setattr(self.settings, f"{self.side.prefix}_CLIENT_SECRET", secret)

    def remember(self) -> None:
        """What is stored now must be all that is stored in the end."""
        self.kept = stored()


def stored() -> dict[str, Any]:
    """Everything that a walk could leave behind, except that it happened."""
    columns = ["merchant", "tier", "state", "organisation_id", "client_id", "remote_id", "connected_at", "cause"]
    rows = Connection.objects.order_by("pk")
    return {
        "connections": list(rows.values_list(*columns)),
        "tokens": [c.refresh_token.stored for c in rows],
        "links": list(LinkedOrganisation.objects.order_by("pk").values_list("merchant", "organisation_id")),
    }


def ago(**delta: float) -> Callable[[], object]:
    """The walk began too long ago."""
    return lambda: Authorisation.objects.update(expires_at=timezone.now() - timedelta(**delta))


STATES: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "no state": (lambda s: s.back({"code": s.brought()["code"]}), AGAIN),
    "an empty state": (lambda s: s.back(s.brought(state="")), AGAIN),
    "a state of nobody": (lambda s: s.back(s.brought(state="x" * 43)), AGAIN),
    "a state with another end": (
        lambda s: s.back((b := s.brought()) | {"state": b["state"][:-1] + "~"}),
        AGAIN,
    ),
    "a state in capitals": (lambda s: s.back((b := s.brought()) | {"state": b["state"].upper() + "A"}), AGAIN),
    "a state with a letter more": (lambda s: s.back((b := s.brought()) | {"state": b["state"] + "A"}), AGAIN),
    "a state of ten thousand letters": (lambda s: s.back(s.brought(state="x" * 10_000)), AGAIN),
    "a state with a NUL": (lambda s: s.back(s.brought(state="a\x00b")), AGAIN),
    "a state that is no ASCII": (lambda s: s.back(s.brought(state="\u2028🔑")), AGAIN),
    "a second state after the good one": (lambda s: s.back((b := s.brought()) | {"state": [b["state"], "x"]}), AGAIN),
    "a state that was used": (lambda s: s.back(s.used()), AGAIN),
    "a state that is too old": (lambda s: s.back_after(ago(seconds=1)), AGAIN),
    "a state of a colleague": (lambda s: s.back(s.brought(), client=s.colleague()), AGAIN),
    "a state of another merchant": (lambda s: s.back(s.brought(), client=s.theirs.admin), AGAIN),
    "a state of somebody who belongs nowhere": (lambda s: s.back(s.brought(), client=s.somebody("a@b.example")), AGAIN),
    "a state of one package at the other": (lambda s: s.back(s.brought(), provider=s.side.other), AGAIN),
    "a state at a package that we do not know": (lambda s: s.back(s.brought(), provider="myob"), AGAIN),
}
CODES: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "no code": (lambda s: s.back({"state": s.brought()["state"]}), REFUSED),
    "an empty code": (lambda s: s.back(s.brought(code="")), REFUSED),
    "an invented code": (lambda s: s.back(s.brought(code="x" * 43)), REFUSED),
    "a code of ten thousand letters": (lambda s: s.back(s.brought(code="x" * 10_000)), REFUSED),
    "a code that was used": (lambda s: s.back(s.replayed()), REFUSED),
    "a code of somebody else's walk": (
        lambda s: s.back(s.brought() | {"code": consent(s.set_out(s.theirs), "us")["code"]}),
        REFUSED,
    ),
    "a code that is too old": (lambda s: s.back_after(lambda: s.mine.world.advance(301)), REFUSED),
    "a code for an app that was taken away": (
        lambda s: s.back_after(lambda: s.change_app(*s.side.second_app)),
        "is no longer set up",
    ),
    "a code while our secret is wrong": (
        lambda s: s.back_after(lambda: s.change_app(s.side.app, "nonsense")),
        AWAY,
    ),
}
ANSWERS: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "access denied": (lambda s: s.back({"error": "access_denied", "state": s.brought()["state"]}), "not allowed"),
    "access denied without a state": (lambda s: s.back({"error": "access_denied"}), "You can try again"),
    "denied, and a code all the same": (lambda s: s.back(s.brought(error="access_denied")), "not allowed"),
    "a denied walk that comes back": (
        lambda s: (s.back((b := s.brought()) | {"error": "access_denied"}), s.back(b))[1],
        AGAIN,
    ),
    "trouble at Xero": (lambda s: s.back(s.brought(error="server_error")), "trouble of its own"),
    "Xero is busy": (lambda s: s.back(s.brought(error="temporarily_unavailable")), AWAY),
    "scopes that Xero does not know": (lambda s: s.back(s.brought(error="invalid_scope")), "tell our support"),
    "an app that Xero does not accept": (lambda s: s.back(s.brought(error="unauthorized_client")), "tell our support"),
    "an error that nobody knows": (lambda s: s.back(s.brought(error="<script>x</script>")), "You can try again"),
    "less access than is needed": (
        lambda s: s.back_while(s.side.tokens, "status", status=200, body=GOOD_TOKENS | {"scope": "openid email"}),
        "less than Wise-Pay needs",
    ),
}
COMPANIES: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "a company of another merchant": (lambda s: s.back(s.brought("au")), "already linked to another merchant"),
    "another company than the other connections": (lambda s: s.other_company(), "is another company than"),
    "a list that is none": (lambda s: s.back_while(s.side.companies, "status", status=200, body={"rows": 1}), AWAY),
    "a list that our new token may not see": (lambda s: s.back_while(s.side.companies, "status", status=401), REFUSED),
    "a list that fails": (lambda s: s.back_while(s.side.companies, "status", status=500), AWAY),
    "a list of HTML": (lambda s: s.back_while(s.side.companies, "html", status=200), AWAY),
    "a list that never comes": (lambda s: s.back_while(s.side.companies, "timeout", seconds=30), AWAY),
}
TOKENS: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "tokens refused": (lambda s: s.back_while(s.side.tokens, "status", status=400), REFUSED),
    "tokens for another app": (
        lambda s: s.back_while(s.side.tokens, "status", status=401, body={"error": "invalid_client"}),
        AWAY,
    ),
    "too many tokens": (lambda s: s.back_while(s.side.tokens, "status", status=429), AWAY),
    "tokens that fail": (lambda s: s.back_while(s.side.tokens, "status", status=500), AWAY),
    "tokens of HTML": (lambda s: s.back_while(s.side.tokens, "html", status=200), AWAY),
    "tokens behind a proxy's page": (lambda s: s.back_while(s.side.tokens, "html", status=403), AWAY),
    "tokens that are a list": (lambda s: s.back_while(s.side.tokens, "status", status=200, body=[1]), AWAY),
    "an access token alone": (
        lambda s: s.back_while(s.side.tokens, "status", status=200, body={"access_token": "a", "expires_in": 1800}),
        AWAY,
    ),
    "a life that is no number": (
        lambda s: s.back_while(s.side.tokens, "status", status=200, body=GOOD_TOKENS | {"expires_in": "soon"}),
        AWAY,
    ),
    "a connection that is cut before the tokens": (lambda s: s.back_while(s.side.tokens, "drop_before"), AWAY),
    "a connection that is cut after them": (lambda s: s.back_while(s.side.tokens, "drop_after"), AWAY),
    "tokens that never come": (lambda s: s.back_while(s.side.tokens, "timeout", seconds=30), AWAY),
}
PEOPLE: dict[str, tuple[Callable[[Scene], HttpResponse], str]] = {
    "somebody who is no admin any more": (
        lambda s: s.back_after(lambda: s.memberships().update(role="user")),
        "Only merchant admins",
    ),
    "somebody who left": (
        lambda s: s.back_after(lambda: s.memberships().delete()),
        "Only merchant admins",
    ),
    "a tier that was switched off": (lambda s: s.tier_switched_off(), "is switched off"),
}
Cases = dict[str, tuple[Callable[[Scene], HttpResponse], str]]
XERO_ONLY: Cases = {
    "a code of an earlier walk of mine": (lambda s: s.back(s.brought() | {"code": s.brought()["code"]}), REFUSED),
    "no company": (
        lambda s: s.back_while(s.side.companies, "status", status=200, body=[]),
        "No organisation was chosen",
    ),
    "a company that is none": (
        lambda s: s.back_while(
            "xero-identity", "status", status=200, body=[{"tenantType": "PRACTICE", "id": "1", "tenantId": "2"}]
        ),
        "No organisation was chosen",
    ),
    "a company without an id": (
        lambda s: s.back_while(s.side.companies, "status", status=200, body=[{"tenantType": "ORGANISATION"}]),
        AWAY,
    ),
}
NONE_CHOSEN = "No organisation was chosen"
# Intuit tells the company in the browser, so whatever a browser can say must be met.
QUICKBOOKS_ONLY: Cases = {
    "no company": (lambda s: s.back({k: v for k, v in s.brought().items() if k != "realmId"}), NONE_CHOSEN),
    "an empty company": (lambda s: s.back(s.brought(realmId="")), NONE_CHOSEN),
    "a company that is a path": (lambda s: s.back(s.brought(realmId="1/../../query")), NONE_CHOSEN),
    "a company of ten thousand digits": (lambda s: s.back(s.brought(realmId="9" * 10_000)), NONE_CHOSEN),
    "a company of other digits": (lambda s: s.back(s.brought(realmId="\u0661\u0662")), NONE_CHOSEN),
    "a company that was not allowed": (lambda s: s.back(s.brought(realmId="9341452000000001")), REFUSED),
    "a company of another merchant that was not allowed": (
        lambda s: s.back(s.brought(realmId=s.theirs.connection.organisation_id)),
        REFUSED,
    ),
    "a company that is nobody's": (lambda s: s.back(s.brought(realmId="123")), REFUSED),
    "a company without a name": (
        lambda s: s.back_while(s.side.companies, "status", status=200, body={"CompanyInfo": {}}),
        AWAY,
    ),
}
CASES: Cases = STATES | CODES | ANSWERS | COMPANIES | TOKENS | PEOPLE
CASES_OF = {"xero": CASES | XERO_ONLY, "quickbooks": CASES | QUICKBOOKS_ONLY}
ALL = [(provider, name) for provider, cases in CASES_OF.items() for name in cases]


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> str:
    """Which package the walk leads to; Xero where a test does not say."""
    return str(getattr(request, "param", "xero"))


@pytest.fixture
def scene(db: None, world: Running, settings: Settings, provider: str) -> Iterator[Scene]:
    settings.HTTP_TIMEOUT = (1, 0.3)
    house = build_house(world, provider=provider)
    merchant = Merchant.objects.create(name="Kauri IT", time_zone="UTC")
    user = User.objects.create_user(ADMIN, PASSWORD)
    Membership.objects.create(merchant=merchant, user=user, role="admin")
    mine = House(house.world, merchant, user, "")
    mine.admin.force_login(user)
    found = Scene(SIDES[provider], mine, house, settings)
    found.remember()
    with nothing_is_stored_but(found):
        yield found


@contextmanager
def nothing_is_stored_but(scene: Scene) -> Iterator[None]:
    """After the test the database holds what the scene remembers, and no walk keeps tokens."""
    yield
    assert stored() == scene.kept
    assert [walk.pk for walk in Authorisation.objects.all() if walk.tokens] == []


def test_there_are_forty_of_them() -> None:
    assert min(len(cases) for cases in CASES_OF.values()) >= 40


@pytest.mark.parametrize(("provider", "name"), ALL, indirect=["provider"])
def test_it_connects_nothing_and_says_what_to_do(scene: Scene, name: str) -> None:
    act, words = CASES_OF[scene.side.provider][name]
    answer = act(scene)
    text = answer.content.decode()
    assert answer.status_code == 400, text
    assert "Nothing was connected" in text
    assert words in text
    assert "no-store" in answer["Cache-Control"]
    for secret in ("<script>x", "Traceback", "sandbox-secret", "sandbox-intuit-secret"):
        assert secret not in text


@pytest.mark.parametrize("who", ["nobody", "somebody who was locked out"])
def test_without_a_session_it_leads_to_the_sign_in(scene: Scene, who: str) -> None:
    brought = scene.brought()
    if who != "nobody":
        User.objects.filter(email=ADMIN).update(is_active=False)
    answer = scene.back(brought, client=Client() if who == "nobody" else None)
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"/accounts/login/?next={CALLBACK}")


@pytest.mark.parametrize("provider", SIDES, indirect=True)
def test_the_same_walk_untouched_connects(scene: Scene) -> None:
    answer = scene.back(scene.brought())
    assert (answer.status_code, answer["Location"]) == (302, scene.mine.url(HERE))
    assert scene.mine.connection.state == "connected"
    scene.remember()


def test_a_callback_is_read_and_never_posted(scene: Scene) -> None:
    assert scene.mine.admin.post(CALLBACK, scene.brought()).status_code == 405


def test_the_page_leads_back_to_the_connections_of_those_who_may_make_them(scene: Scene) -> None:
    text = scene.back({"error": "access_denied"}).content.decode()
    assert f'href="{scene.mine.url(HERE)}"' in text
    assert "Northwind" not in text
