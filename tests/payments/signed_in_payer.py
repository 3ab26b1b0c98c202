"""A payer with an account, as the page of one drives Pay Now; and the practice bank accounts of each currency."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import requests
from django.test import Client
from django.utils import timezone

from merchants.models import Merchant
from merchants.terms.services import get_current_terms
from payers.models import Payer, PayerAccess
from payments.models import Payment, SavedMethod, Setup
from tests.payments.consent_form import get_consent_fields
from tests.tenants import Checkout, Tenant
from wisepay.models import User

DAY = 86_400
numbers = itertools.count(1)
CARD = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2034"}
BANKS = {
    "usd": ("us_bank_account", {"routing_number": "110000000", "account_number": "000123456789"}),
    "aud": ("au_becs_debit", {"bsb_number": "000-000", "account_number": "000123456"}),
}
USD = {"quote": {"currency": "USD"}, "allowed_methods": ["card", "bank_debit"]}
RECURRING = {"recurring": {"total": "349.00", "interval": "month", "periods": 12}}
ONLY_RECURRING = RECURRING | {
    "amounts": {"one_time_total": "0.00", "tax": "0.00", "due_now": "0.00", "full_payment_allowed": False}
}


def create_card_token(tenant: Tenant, number: str = "4242424242424242") -> str:
    """What the Payment Element makes of a practice card."""
    return tenant.confirmation_token(number)


def create_bank_token(tenant: Tenant, currency: str = "usd", **account: str) -> str:
    """What the Payment Element makes of a practice bank account."""
    kind, usual = BANKS[currency]
    form = {"key": tenant.stripe_key.replace("sk_", "pk_"), "payment_method_data[type]": kind}
    form |= {f"payment_method_data[{kind}][{name}]": value for name, value in (usual | account).items()}
    if kind == "us_bank_account":
        form["payment_method_data[us_bank_account][account_holder_type]"] = "company"
    form["mandate_data[customer_acceptance][type]"] = "online"
    form["payment_method_data[billing_details][name]"] = "Harbour Dental"
    form["payment_method_data[billing_details][email]"] = "accounts@harbourdental.example"
    answer = requests.post(f"{tenant.world.url}/stripe/v1/confirmation_tokens", data=form, timeout=10).json()
    assert "id" in answer, answer
    return str(answer["id"])


def get_terms_id(merchant: Merchant, kind: str) -> int:
    """The id of the text in force."""
    return get_current_terms(merchant, kind).pk


@dataclass
class SignedInPayer:
    """A registered payer, signed in."""

    tenant: Tenant
    email: str = ""
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.email = self.email or f"payer{next(numbers)}@example.com"
        now = timezone.now()
        self.user = User.objects.create_user(self.email, "a long enough password", name="Pat Payer")
        Payer.objects.create(user=self.user, state="registered", state_at=now)
        self.client.force_login(self.user)

    def grant_access(self, payment: Payment, *, scope: str = "company") -> PayerAccess:
        """Access to the payment's company, as after an invitation."""
        fresh = {"state": "active", "state_at": timezone.now(), "scope": scope, "origin": "invited"}
        return PayerAccess.objects.get_or_create(user=self.user, company=payment.company, defaults=fresh)[0]

    def build_form(self, checkout: Checkout, **form: Any) -> dict[str, Any]:
        """The form as the page's script posts it."""
        who = {"name": "Pat Payer", "email": self.email, "phone": "", "amount": checkout.payment.amount}
        return {key: value for key, value in (who | form).items() if value != ""}

    def pay(self, checkout: Checkout, **form: Any) -> Any:
        """Post the pay form; by default with a new card that is not saved."""
        if "saved_method" not in form and "confirmation_token" not in form:
            form["confirmation_token"] = create_card_token(self.tenant)
        return self.client.post(f"{checkout.path}/attempts", self.build_form(checkout, **self.agree(checkout, form)))

    def agree(self, checkout: Checkout, form: dict[str, Any]) -> dict[str, Any]:
        """The form with every text ticked that applies to it, unless it says otherwise."""
        choice = {name: form.get(name, "") for name in ("method", "saved_method")}
        consent = get_consent_fields(
            checkout.payment,
            method=choice["method"] or "card",
            saves=bool(form.get("saves")),
            saved_method=choice["saved_method"],
        )
        return consent | form

    def pay_and_save(self, checkout: Checkout, number: str = "4242424242424242", **form: Any) -> Any:
        """Pay with a new card and keep it."""
        token = create_card_token(self.tenant, number)
        return self.pay(checkout, **{"confirmation_token": token, "saves": "1"} | form)

    def pay_by_bank(self, checkout: Checkout, *, saves: bool = False, account: dict[str, str] | None = None) -> Any:
        """Pay by bank debit from a practice account of the quote's currency."""
        form = {
            "method": "bank_debit",
            "confirmation_token": create_bank_token(self.tenant, checkout.payment.currency.lower(), **(account or {})),
            "saves": "1" if saves else "",
        }
        return self.pay(checkout, **form)

    def save(self, checkout: Checkout, number: str = "4242424242424242", **form: Any) -> Any:
        """Save a card for a quote that only recurs."""
        if "saved_method" not in form and "confirmation_token" not in form:
            form["confirmation_token"] = create_card_token(self.tenant, number)
        form = self.agree(checkout, {"saves": "1"} | form)
        return self.client.post(f"{checkout.path}/setups", self.build_form(checkout, **form))

    @property
    def methods(self) -> list[SavedMethod]:
        """What they saved, oldest first."""
        return list(SavedMethod.objects.filter(owner=self.user).order_by("pk"))

    @property
    def setups(self) -> list[Setup]:
        """Their setups, oldest first."""
        return list(Setup.objects.filter(user=self.user).order_by("pk"))
