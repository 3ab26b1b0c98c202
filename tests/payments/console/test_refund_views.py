"""Refunds in the console: two steps, once, by admins; the panel lists refunds and disputes."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_subatomic.db import transaction

from payments.attempts.services import reverse_attempt
from payments.models import Attempt, Dispute, Payment, Refund
from tests.payments.portal.factories import BANK, HTMX_HEADERS, create_company, create_paid_attempt, create_payment
from tests.tenants import Checkout, Tenant, give_role
from wisepay.addresses import new_reference
from wisepay.models import AuditEntry


def get_panel_path(tenant: Tenant, of: Payment) -> str:
    """The panel's path."""
    return tenant.url(f"payments/{of.reference}/refunds")


def build_form(amount: str = "100.00", step: str = "ask", **more: str) -> dict[str, str]:
    """What a form posts."""
    return {"amount": amount, "step": step, "key": new_reference(), "reason": ""} | more


def get_panel(tenant: Tenant, of: Payment) -> str:
    """The panel as the payment's page fetches it."""
    return tenant.admin.get(get_panel_path(tenant, of), headers=HTMX_HEADERS).content.decode()


@pytest.fixture
def paid_checkout(tenant: Tenant, checkout: Checkout) -> Payment:
    """A payment of 625.00 that was paid by card at the practice Stripe."""
    assert checkout.pay().status_code == 200
    return checkout.payment


def list_stripe_refunds(tenant: Tenant) -> list[int]:
    """The amounts that the practice Stripe gave back."""
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    rows = tenant.world.get("/stripe/v1/refunds?limit=100", headers=auth).json()["data"]
    return [row["amount"] for row in rows]


def get_hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    form = page.rpartition("<form")[2]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}


def test_the_panel_offers_what_is_left_and_asks_before_it_orders(tenant: Tenant, paid_checkout: Payment) -> None:
    page = get_panel(tenant, paid_checkout)
    assert "A$625.00 can be given back" in page
    assert 'value="625.00"' in page
    assert "<html" not in page
    answer = tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("100", reason="Two seats too many"))
    text = answer.content.decode()
    for words in ("Refund A$100.00 to Harbour Dental", "Visa ···· 4242", "PF_CR", "A$525.00 of the payment are left"):
        assert words in text
    assert list_stripe_refunds(tenant) == []
    assert not Refund.objects.exists()


def test_ordering_gives_money_back_and_says_so(tenant: Tenant, paid_checkout: Payment) -> None:
    asked = tenant.admin.post(
        get_panel_path(tenant, paid_checkout), build_form("100", reason="Two seats")
    ).content.decode()
    answer = tenant.admin.post(get_panel_path(tenant, paid_checkout), get_hidden_fields(asked))
    assert answer["Location"] == tenant.url(f"payments/{paid_checkout.reference}")
    assert list_stripe_refunds(tenant) == [10000]
    [refund] = Refund.objects.all()
    assert (refund.state, refund.amount, refund.reason, refund.ordered_by) == (
        "succeeded",
        10000,
        "Two seats",
        tenant.user,
    )
    page = get_panel(tenant, paid_checkout)
    for words in ("A$100.00", "Refunded</span>", "Two seats", "A$525.00 can be given back"):
        assert words in page
    entry = AuditEntry.objects.get(action="payment.refunded")
    assert (entry.user, entry.detail, entry.merchant_id) == (tenant.user, "A$100.00", tenant.merchant.pk)


def test_the_same_form_twice_makes_one_refund(tenant: Tenant, paid_checkout: Payment) -> None:
    order = build_form("100", "order")
    for _ in range(2):
        assert tenant.admin.post(get_panel_path(tenant, paid_checkout), order).status_code == 302
    assert list_stripe_refunds(tenant) == [10000]
    assert "ordered already" in tenant.admin.get(tenant.url(f"payments/{paid_checkout.reference}")).content.decode()
    assert tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("100", "order")).status_code == 302
    assert list_stripe_refunds(tenant) == [10000, 10000]


def test_everything_goes_back_and_then_nothing_is_left(tenant: Tenant, paid_checkout: Payment) -> None:
    tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("625.00", "order"))
    assert 'name="amount"' not in get_panel(tenant, paid_checkout)
    answer = tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("0.01", "order"))
    assert answer.status_code == 422
    assert list_stripe_refunds(tenant) == [62500]


@pytest.mark.parametrize("step", ["ask", "order"])
@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("625.01", "No more than what is left"),
        ("0", "No more than what is left"),
        ("1.234", "AUD has 2 decimals"),
        ("-5", "Write the amount as digits"),
        ("abc", "Write the amount as digits"),
        ("", "This field is required"),
        ("9" * 20, "too large"),
    ],
)
def test_amounts_that_cannot_be_given_back_are_told_in_their_place(
    tenant: Tenant, paid_checkout: Payment, amount: str, words: str, step: str
) -> None:
    answer = tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form(amount, step))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert list_stripe_refunds(tenant) == []


@pytest.mark.parametrize("change", [{"key": ""}, {"key": "x"}, {"step": "now"}, {"reason": "x" * 201}])
def test_forms_that_nobody_was_given_order_nothing(
    tenant: Tenant, paid_checkout: Payment, change: dict[str, str]
) -> None:
    assert (
        tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form(step="order") | change).status_code == 422
    )
    assert not Refund.objects.exists()


def test_a_currency_without_decimals_is_typed_without_them(tenant: Tenant) -> None:
    of = create_payment(create_company(tenant, "Tokyo Co"), amount=5000, currency="JPY")
    create_paid_attempt(of)
    assert 'value="5000"' in get_panel(tenant, of)
    assert "¥1,000" in tenant.admin.post(get_panel_path(tenant, of), build_form("1,000")).content.decode()


def test_users_look_and_only_admins_give_back(tenant: Tenant, stranger: Tenant, paid_checkout: Payment) -> None:
    where = get_panel_path(tenant, paid_checkout)
    for method in ("get", "post"):
        assert getattr(stranger.admin, method)(where, build_form(step="order")).status_code == 404
        assert getattr(Client(), method)(where).status_code == 302
        own_url = stranger.url(f"payments/{paid_checkout.reference}/refunds")
        assert getattr(stranger.admin, method)(own_url, build_form(step="order")).status_code == 404
    give_role(tenant.merchant, "user")
    assert 'name="amount"' not in get_panel(tenant, paid_checkout)
    assert tenant.admin.post(where, build_form(step="order")).status_code == 403
    assert not Refund.objects.exists()


def test_what_was_never_paid_has_nothing_to_give_back(tenant: Tenant, checkout: Checkout) -> None:
    assert "Only a paid payment can be refunded." in get_panel(tenant, checkout.payment)
    assert tenant.admin.post(get_panel_path(tenant, checkout.payment), build_form(step="order")).status_code == 404


def test_a_silent_stripe_leaves_the_refund_on_its_way_and_it_ends_by_itself(
    tenant: Tenant, paid_checkout: Payment, deliver: Any
) -> None:
    tenant.world.fault("stripe", "drop_after", path="/v1/refunds")
    tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("100", "order"))
    assert Refund.objects.get().state == "processing"
    assert "Stripe has not said how it ended." in get_panel(tenant, paid_checkout)
    assert "On its way</span>" in get_panel(tenant, paid_checkout)
    deliver(at=timezone.now() + timedelta(minutes=1))
    assert Refund.objects.get().state == "succeeded"
    assert list_stripe_refunds(tenant) == [10000]


def test_a_refund_that_stripe_refuses_is_listed_and_can_be_tried_again(tenant: Tenant, paid_checkout: Payment) -> None:
    refusal = {"error": {"type": "invalid_request_error", "code": "charge_disputed", "message": "It is disputed."}}
    tenant.world.fault("stripe", "status", path="/v1/refunds", status=400, body=refusal)
    tenant.admin.post(get_panel_path(tenant, paid_checkout), build_form("100", "order"))
    page = get_panel(tenant, paid_checkout)
    assert "Failed</span>" in page
    assert "charge_disputed" in page
    acts = AuditEntry.objects.filter(action__startswith="payment.refund").values_list("action", flat=True)
    assert list(acts) == ["payment.refund_refused"], "a refund that Stripe refused gave nothing back"
    assert "A$625.00 can be given back" in page


def test_disputes_say_what_to_do(tenant: Tenant) -> None:
    where = create_company(tenant, "Acme")
    by_card, by_bank = create_payment(where), create_payment(where)
    panels = {}
    for of, attempt in ((by_card, create_paid_attempt(by_card)), (by_bank, create_paid_attempt(by_bank, method=BANK))):
        create_dispute(attempt, f"dp_{of.pk}", "open")
        panels[of.pk] = get_panel(tenant, of)
    assert "Answer it at Stripe" in panels[by_card.pk]
    assert "final" in panels[by_bank.pk]
    Dispute.objects.update(state="won")
    assert "The bank decided for you" in get_panel(tenant, by_card)
    Dispute.objects.update(state="lost")
    assert "The bank decided for the payer" in get_panel(tenant, by_card)


def create_dispute(attempt: Attempt, name: str, state: str) -> None:
    """The payer disputed the payment at their bank."""
    Dispute.objects.create(
        attempt=attempt,
        stripe_dispute_id=name,
        amount=attempt.amount,
        reason="fraudulent",
        state=state,
        state_at=timezone.now(),
    )


def test_a_reversed_payment_cannot_be_refunded(tenant: Tenant) -> None:
    of = create_payment(create_company(tenant, "Acme"))
    attempt = create_paid_attempt(of, method=BANK)
    with transaction():
        reverse_attempt(attempt, reason="dispute:x", now=timezone.now())
    assert 'name="amount"' not in get_panel(tenant, of)
    assert tenant.admin.post(get_panel_path(tenant, of), build_form(step="order")).status_code == 422


def test_without_a_script_the_panel_is_a_page(tenant: Tenant, paid_checkout: Payment) -> None:
    assert "<html" in tenant.admin.get(get_panel_path(tenant, paid_checkout)).content.decode()
