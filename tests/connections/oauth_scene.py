"""Somebody on the way through a provider's consent page, and what must not be stored when it goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connections.models import Authorisation, Connection, LinkedOrganisation
from connections.services import update_multi_connection
from merchants.models import Membership, Merchant
from tests.connections.oauth_steps import CONNECTIONS_PATH, allow_access, open_callback, start_consent
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay.models import User

ADMIN = "admin@kauri-it.example"


@dataclass(frozen=True)
class ProviderCase:
    """One provider of the practice world: its journals for tokens and for companies, and a second app of ours."""

    provider: str
    other: str
    prefix: str
    tokens: str
    companies: str
    app: str
    second_app: tuple[str, str]


PROVIDER_CASES = {
    "xero": ProviderCase(
        "xero",
        "quickbooks",
        "XERO",
        "xero-oauth",
        "xero-identity",
        "sandbox-client",
        ("sandbox-client-2", "sandbox-secret-2"),
    ),
    "quickbooks": ProviderCase(
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
class OAuthScene:
    """A merchant that is connected to nothing, whose admin went to the consent page; and one that is connected."""

    provider_case: ProviderCase
    mine: Tenant
    theirs: Tenant
    settings: Settings
    stored_before: dict[str, Any] = field(default_factory=dict)

    def get_callback_query(self, *organisations: str, **changes: Any) -> dict[str, Any]:
        """The callback's parameters after access was allowed."""
        return allow_access(self.start_consent(self.mine), *(organisations or ("nz",)), login=ADMIN) | changes

    def start_consent(self, tenant: Tenant, *, tier: str = "wise_pay") -> str:
        """Somebody goes to the consent page; its URL."""
        return start_consent(tenant, tier=tier, provider=self.provider_case.provider)

    def open_callback(
        self, brought: dict[str, Any], *, client: Client | None = None, provider: str = ""
    ) -> HttpResponse:
        """The browser comes back."""
        return open_callback(client or self.mine.admin, brought, provider=provider or self.provider_case.provider)

    def open_callback_during(self, service: str, kind: str, **fault: Any) -> HttpResponse:
        """It comes back while the provider is in trouble."""
        brought = self.get_callback_query()
        with self.mine.world.inject_fault(service, kind, times=None, **fault):
            return self.open_callback(brought)

    def open_callback_after(self, change: Callable[[], object]) -> HttpResponse:
        """It comes back after something changed."""
        brought = self.get_callback_query()
        change()
        return self.open_callback(brought)

    def colleague(self) -> Client:
        """Another admin of the same merchant."""
        return self.somebody("second@kauri-it.example", merchant=self.mine.merchant)

    def somebody(self, email: str, *, merchant: Merchant | None = None) -> Client:
        """A signed-in person, an admin if a merchant is named."""
        user = User.objects.create_user(email, PASSWORD)
        if merchant:
            Membership.objects.create(merchant=merchant, user=user, role=get_role(merchant, "admin"))
        client = Client()
        client.force_login(user)
        return client

    def memberships(self) -> Any:
        """The membership of the admin who authorises."""
        return Membership.objects.filter(user__email=ADMIN)

    def reuse_state(self) -> dict[str, Any]:
        """An authorisation that was refused once already."""
        brought = self.get_callback_query()
        self.open_callback(brought | {"code": "wrong"})
        return brought

    def replay_code(self) -> dict[str, Any]:
        """A code that connected once, in another authorisation."""
        first = self.get_callback_query()
        self.open_callback(first)
        self.mine.admin.post(self.mine.url(f"{CONNECTIONS_PATH}wise_pay/disconnect"))
        self.record_stored_rows()
        return self.get_callback_query(code=first["code"])

    def other_company(self) -> HttpResponse:
        """A second tier of a merchant whose first one has another company."""
        self.open_callback(self.get_callback_query())
        update_multi_connection(self.mine.merchant, is_on=True, now=timezone.now())
        self.record_stored_rows()
        return self.open_callback(allow_access(self.start_consent(self.mine, tier="company"), "us", login=ADMIN))

    def tier_switched_off(self) -> HttpResponse:
        """Switch the tiers off before the authorisation ends."""
        update_multi_connection(self.mine.merchant, is_on=True, now=timezone.now())
        brought = allow_access(self.start_consent(self.mine, tier="company"), "nz", login=ADMIN)
        update_multi_connection(self.mine.merchant, is_on=False, now=timezone.now())
        return self.open_callback(brought)

    def change_app(self, client_id: str, secret: str) -> None:
        """An operator changes the app."""
        setattr(self.settings, f"{self.provider_case.prefix}_CLIENT_ID", client_id)
        setattr(self.settings, f"{self.provider_case.prefix}_CLIENT_SECRET", secret)

    def record_stored_rows(self) -> None:
        """What is stored now must be all that is stored in the end."""
        self.stored_before = list_stored_rows()


def list_stored_rows() -> dict[str, Any]:
    """Everything that an authorisation could store, except itself."""
    columns = ["merchant", "tier", "state", "organisation_id", "client_id", "remote_id", "connected_at", "cause"]
    rows = Connection.objects.order_by("pk")
    return {
        "connections": list(rows.values_list(*columns)),
        "tokens": [c.refresh_token.stored for c in rows],
        "links": list(LinkedOrganisation.objects.order_by("pk").values_list("merchant", "organisation_id")),
    }


def expire_authorisation(**delta: float) -> Callable[[], object]:
    """Let the authorisation expire."""
    return lambda: Authorisation.objects.update(expires_at=timezone.now() - timedelta(**delta))
