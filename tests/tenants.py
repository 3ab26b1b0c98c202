"""The tenant of the tests: a merchant with its checkouts and its payers, and the test cards they pay with."""

import copy
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounting.configuration.services import save_accounting_settings
from accounting.handlers import import_lists
from accounting.models import LedgerAccount, LedgerItem, LedgerTaxCode
from connections.models import Connection
from connections.oauth_flow import receive_authorisation, start_authorisation
from connections.rate_limiter import limiter
from connections.services import disconnect_all
from merchants.models import EventNotification, Merchant, PayNowLink, Role
from merchants.paynow_links import create_paynow_link
from merchants.rights import Right
from merchants.services import create_merchant, update_event_notifications
from payers.companies import record_payer_company
from payers.models import Payer, PayerAccess, PayerCompany, fold_name
from payments.gateway_accounts import save_gateway_account, set_bank_debits
from payments.models import Attempt, Payment
from quotes.models import CpqIntegration, Quote
from quotes.services import get_integration, save_integration
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.consent_form import get_consent_fields
from wisepay import outbox
from wisepay.models import User

PASSWORD = "correct-horse-battery"
WEBHOOK_SECRET = "whsec_practice0secret"
ZERO_CODES = ("BAS Excluded", "No GST", "Tax Exempt", "Out of Scope", "NON", "No VAT")
numbers = itertools.count(1000)

BODY: dict[str, Any] = {
    "quote": {"id": "b1c6", "number": 1042, "version": 1, "name": "Managed services onboarding", "currency": "AUD"},
    "customer": {"account_name": "Harbour Dental Pty Ltd", "email": "accounts@harbourdental.example"},
    "amounts": {"one_time_total": "1250.00", "tax": "113.64", "due_now": "625.00", "full_payment_allowed": True},
    "allowed_methods": ["card", "bank_debit"],
    "return_url": "https://na1.orderporter.com/quote?key=1",
}


def merge_body(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, level by level; None as a value stays None."""
    result = copy.deepcopy(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merge_body(result[name], value) if both else value
    return result


@dataclass
class Checkout:
    """An open checkout as CPQ knows it, with what a payer's browser does with it."""

    tenant: "Tenant"
    body: dict[str, Any]

    @property
    def quote(self) -> Quote:
        """The row, read afresh."""
        return Quote.objects.select_related("payment__merchant").get(reference=self.body["id"])

    @property
    def payment(self) -> Payment:
        """The payment's row, read afresh."""
        return self.quote.payment

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt, oldest first."""
        return list(self.payment.attempts.order_by("pk"))

    @property
    def path(self) -> str:
        """The Pay Now page."""
        return str(urlsplit(self.body["url"]).path)

    def pay(self, card: str = "4242424242424242", *, client: Client | None = None, **form: Any) -> HttpResponse:
        """Post the pay form with a test card, as the page's script does."""
        data = {
            "name": "Accounts Payable",
            "email": "accounts@harbourdental.example",
            "phone": "",
            "amount": self.payment.amount,
            "confirmation_token": form.get("confirmation_token") or self.tenant.confirmation_token(card),
            **get_consent_fields(self.payment),
        }
        answer = (client or Client()).post(f"{self.path}/attempts", data | form)
        assert isinstance(answer, HttpResponse)
        return answer


@dataclass
class Tenant:
    """One merchant, set up in full in the sandbox."""

    world: SandboxProcess
    merchant: Merchant
    user: User
    stripe_key: str
    admin: Client = field(default_factory=Client)

    @property
    def integration(self) -> CpqIntegration:
        """The CPQ integration."""
        return get_integration(self.merchant)

    @property
    def api_key(self) -> str:
        """CPQ's key."""
        return str(self.integration.api_key.decrypt())

    @property
    def connection(self) -> Connection:
        """The Wise-Pay connection, read afresh."""
        return Connection.objects.select_related("merchant").get(merchant=self.merchant, tier="wise_pay")

    def url(self, tail: str = "") -> str:
        """A path of this merchant's console."""
        return f"/m/{self.merchant.reference}/{tail}"

    def call(self, body: Any, **headers: str) -> HttpResponse:
        """POST to the CPQ API as Order Porter does."""
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = Client().post(
            "/api/cpq/v1/checkouts",
            raw,
            content_type="application/json",
            headers={"X-API-Key": self.api_key, **headers},
        )
        assert isinstance(answer, HttpResponse)
        return answer

    def post_checkout(self, **changes: Any) -> HttpResponse:
        """Post a checkout of a new quote as CPQ; `changes` are laid over the usual body."""
        number = next(numbers)
        fresh = merge_body(BODY, {"quote": {"id": f"guid-{number}", "number": number}})
        return self.call(merge_body(fresh, changes))

    def open_checkout(self, **changes: Any) -> Checkout:
        """Open a checkout of a new quote; `changes` are laid over the usual body."""
        answer = self.post_checkout(**changes)
        assert answer.status_code in (200, 201), answer.content
        return Checkout(self, json.loads(answer.content))

    def read(self, checkout: Checkout) -> dict[str, Any]:
        """The checkout as CPQ reads it now."""
        path = f"/api/cpq/v1/checkouts/{checkout.body['id']}"
        found: dict[str, Any] = json.loads(Client().get(path, headers={"X-API-Key": self.api_key}).content)
        return found

    def post_to_stripe(self, path: str, **form: Any) -> dict[str, Any]:
        """Post to Stripe's API, as the merchant's own people do."""
        auth = {"Authorization": f"Bearer {self.stripe_key}"}
        answer = requests.post(f"{self.world.url}/stripe/v1/{path}", headers=auth, data=form, timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def act_at_stripe(self, act: str, subject: str, **details: Any) -> Any:
        """Do what a person does on Stripe's dashboard, or a payer's bank does, to `subject`."""
        kind = {"pi": "payment_intent", "re": "refund", "pm": "payment_method"}.get(subject[:2], "dispute")
        return self.world.post("/stripe/_control", {act: {kind: subject, **details}})[act]

    def send_stripe_webhook(self, kind: str, subject: dict[str, Any]) -> HttpResponse:
        """Send a signed webhook of Stripe about `subject`."""
        event = {"id": f"evt_{next(numbers)}", "object": "event", "type": kind, "data": {"object": subject}}
        body, stamp = json.dumps(event), int(time.time())
        signed = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
        answer = Client().post(
            f"/webhooks/stripe/{self.merchant.reference}",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": f"t={stamp},v1={signed}"},
        )
        assert isinstance(answer, HttpResponse)
        return answer

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Every email to an address."""
        rows: list[dict[str, Any]] = self.world.get("/mailbox/messages.json", params={"to": to}).json()["messages"]
        return [row for row in rows if to in str(row["to"])]

    def confirmation_token(self, card: str) -> str:
        """The confirmation token that the Payment Element creates for a test card."""
        form = {
            "key": self.stripe_key.replace("sk_", "pk_"),
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": card,
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "2034",
            "payment_method_data[card][cvc]": "123",
        }
        answer = requests.post(f"{self.world.url}/stripe/v1/confirmation_tokens", data=form, timeout=10)
        assert answer.ok, answer.text
        return str(answer.json()["id"])

    def company(self, name: str = "Harbour Dental Pty Ltd", *, email: str = "") -> PayerCompany:
        """A payer company, created the first time."""
        found = PayerCompany.objects.filter(merchant=self.merchant, folded_name=fold_name(name)).first()
        return found or record_payer_company(self.merchant, name=name, email=email)

    def access(
        self,
        email: str = "accounts@harbourdental.example",
        *,
        company: str = "Harbour Dental Pty Ltd",
        scope: str = "company",
        state: str = "active",
    ) -> PayerAccess:
        """A registered payer's access to a company of this merchant; the same person again gets one more."""
        user = User.objects.filter(email=email).first() or User.objects.create_user(email, PASSWORD, name="Ada Payer")
        at = {"state_at": timezone.now()}
        Payer.objects.get_or_create(user=user, defaults={"state": "registered", **at})
        fresh = {"scope": scope, "state": state, "origin": "invited", **at}
        return PayerAccess.objects.get_or_create(user=user, company=self.company(company), defaults=fresh)[0]

    def payer(self, email: str = "accounts@harbourdental.example", **access: str) -> Client:
        """A registered payer's browser, signed in; `access` as above."""
        client = Client()
        client.force_login(self.access(email, **access).user)
        return client

    def intents(self) -> list[dict[str, Any]]:
        """Every payment intent of the Stripe account."""
        auth = {"Authorization": f"Bearer {self.stripe_key}"}
        url = f"{self.world.url}/stripe/v1/payment_intents?limit=100"
        found: list[dict[str, Any]] = requests.get(url, headers=auth, timeout=10).json()["data"]
        return found

    def charges(self) -> list[dict[str, Any]]:
        """Every charge of the Stripe account."""
        auth = {"Authorization": f"Bearer {self.stripe_key}"}
        url = f"{self.world.url}/stripe/v1/charges?limit=100"
        found: list[dict[str, Any]] = requests.get(url, headers=auth, timeout=10).json()["data"]
        return found

    def total_charged(self) -> int:
        """Minor units that Stripe took, over all intents."""
        return sum(i["amount_received"] for i in self.intents())


# What a role may do by the names that tests use; "user" is the role that users of before roles were given.
ROLES = {"admin": Role.Kind.ADMINISTRATOR, "bookkeeper": Role.Kind.BOOKKEEPER, "reader": Role.Kind.READER}
OWN_ROLES = {
    "user": {Right.SEE, Right.EVERYDAY},
    "user who adds payers": {Right.SEE, Right.EVERYDAY, Right.MANAGE_PAYERS},
}


def get_role(merchant: Merchant, name: str, **more: Any) -> Role:
    """A role of the merchant: a built-in one by its name above, or an own one of these rights ("books people")."""
    if name in ROLES:
        return merchant.roles.get(kind=ROLES[name])
    rights = OWN_ROLES.get(name) or {Right.SEE, *map(Right, name.split())}
    fresh = {"chosen_rights": sorted(right.value for right in rights), **more}
    return merchant.roles.get_or_create(name=name[:60], defaults=fresh)[0]


def give_role(merchant: Merchant, name: str, **more: Any) -> None:
    """Give everybody who works for the merchant this role."""
    merchant.memberships.update(role=get_role(merchant, name, **more))


def create_tenant(
    world: SandboxProcess,
    *,
    name: str = "Northwind IT",
    email: str = "admin@northwind-it.example",
    organisation: str = "au",
    provider: str = "xero",
) -> Tenant:
    """Create a merchant with Stripe keys, an accounting connection, its accounts, and CPQ's API key."""
    now = timezone.now()
    merchant = create_merchant(
        name=name, admin_email=email, admin_name="", password=PASSWORD, time_zone="Australia/Sydney"
    )
    user = User.objects.get(email=email)
    key = f"sk_test_tenant{merchant.reference}"
    update_event_notifications(merchant, events=set(EventNotification.Event.values))
    for kind in PayNowLink.Kind.values:
        create_paynow_link(merchant, kind=kind, acts_as=user)
    save_gateway_account(
        merchant,
        publishable_key=key.replace("sk_", "pk_"),
        secret_key=key,
        webhook_secret=WEBHOOK_SECRET,
        now=now,
    )
    set_bank_debits(merchant, is_on=True)
    connect_provider(merchant, user, provider=provider, organisation=organisation)
    import_lists(merchant_id=merchant.pk, now=now)
    save_accounting_settings(merchant, **get_usual_accounts(merchant), now=now)
    save_integration(get_integration(merchant), is_enabled=True, hosts=["*.orderporter.com"], new_key=True, now=now)
    tenant = Tenant(world, merchant, user, key)
    tenant.admin.force_login(user)
    return tenant


def get_usual_accounts(merchant: Merchant) -> dict[str, str]:
    """The accounts, the 0 % tax code and, where one is needed, the item that every sandbox organisation has."""
    accounts = {a.name: a.code for a in LedgerAccount.objects.filter(merchant=merchant)}
    codes = LedgerTaxCode.objects.filter(merchant=merchant, rate=0, name__in=ZERO_CODES)
    item = LedgerItem.objects.filter(merchant=merchant, name="Wise-Pay Prepayment").first()
    return {
        "clearing_account": accounts["Wise-Pay Clearing"],
        "prepayments_account": accounts["Wise-Pay Prepayments"],
        "tax_code": codes.get().code,
        "item": item.code if item else "",
    }


def connect_xero(merchant: Merchant, user: User, *, organisation: str) -> None:
    """Connect Xero through its consent page."""
    connect_provider(merchant, user, provider="xero", organisation=organisation)


def connect_provider(merchant: Merchant, user: User, *, provider: str, organisation: str) -> None:
    """Connect a provider through its consent page."""
    url = start_authorisation(merchant, user=user, tier="wise_pay", provider=provider, now=timezone.now())
    consent = f"&auto={organisation}&login_hint={user.email}"
    answer = requests.get(url + consent, timeout=10, allow_redirects=False)
    callback = parse_qs(urlsplit(answer.headers["Location"]).query)
    receive_authorisation(
        user=user,
        provider=provider,
        state=callback["state"][0],
        code=callback["code"][0],
        company=callback.get("realmId", [""])[0],
        now=timezone.now(),
    )


def change_company(tenant: Tenant, *, provider: str, organisation: str) -> None:
    """Disconnect, connect another company (or the former one again), and choose its accounts."""
    disconnect_all(tenant.merchant, by=tenant.user.email, now=timezone.now())
    connect_provider(tenant.merchant, tenant.user, provider=provider, organisation=organisation)
    import_lists(merchant_id=tenant.merchant.pk, now=timezone.now())
    save_accounting_settings(tenant.merchant, **get_usual_accounts(tenant.merchant), now=timezone.now())


def deliver_outbox(*, at: datetime | None = None, rounds: int = 50) -> int:
    """Deliver everything that is due at `at` (or now), round by round, until nothing is; answers how many."""
    with rate_limiter_clock_at(at):
        total = 0
        for _ in range(rounds):
            now = at or timezone.now()
            due = outbox.list_due_keys(now=now)
            if not due:
                return total
            total += sum(outbox.deliver_message(key, now=now) for key in due)
    raise AssertionError("the outbox never comes to rest")


@contextmanager
def rate_limiter_clock_at(at: datetime | None) -> Iterator[None]:
    """Let the rate limiter's clock begin at `at` for the length of a block, and run on from there."""
    before, began = limiter.shared_clock, time.monotonic()
    if at is not None:
        first = at.timestamp()
        limiter.shared_clock = lambda: first + time.monotonic() - began
    try:
        yield
    finally:
        limiter.shared_clock = before
