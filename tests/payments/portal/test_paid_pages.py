"""After paying in the portal, and the history of a payment: what is said, with which days."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from payers.models import PayerAccess
from payments.attempts.services import apply_attempt_result, reverse_attempt
from payments.gateways import OperationResult
from payments.models import Payment
from tests.payments.portal.factories import (
    BANK,
    PortalPayer,
    create_attempt,
    create_company,
    create_paid_attempt,
    create_payer,
    create_payment,
    create_reversed_attempt,
)
from tests.payments.signed_in_payer import USD, SignedInPayer
from tests.tenants import Checkout, Tenant
from wisepay.clock import format_instant


@pytest.fixture
def ada(tenant: Tenant) -> PortalPayer:
    found = create_payer("ada@harbourdental.example", "Ada Payer")
    found.give_access(create_company(tenant, "Harbour Dental"))
    return found


@pytest.fixture
def row(ada: PortalPayer) -> Payment:
    return create_payment(PayerAccess.objects.get(user=ada.user).company)


def test_a_quote_paid_from_the_portal_ends_on_a_page_that_says_so(tenant: Tenant) -> None:
    checkout, payer = tenant.open_checkout(), SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    first = payer.client.get(f"{checkout.path}?from=portal")
    assert (first.status_code, first["Location"]) == (302, f"{checkout.path}/checkout")
    assert "Back to your payments" in payer.client.get(first["Location"]).content.decode()
    answer = payer.pay(checkout).json()
    page = payer.client.get(answer["next"]).content.decode()
    reference = checkout.payment.reference
    assert answer["next"] == f"/my/payments/{reference}/paid"
    for words in ("Payment successful", "A$625.00", reference, f"/my/payments/{reference}/receipt"):
        assert words in page
    assert re.search("AEDT|AEST", page)


def test_a_debit_from_the_portal_ends_on_a_page_that_says_that_it_is_on_its_way(tenant: Tenant) -> None:
    checkout, payer = tenant.open_checkout(**USD), SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    payer.client.get(f"{checkout.path}?from=portal")
    page = payer.client.get(payer.pay_by_bank(checkout).json()["next"]).content.decode()
    assert "Your bank debit is on its way" in page
    assert "Payment successful" not in page


def test_without_the_portal_the_way_leads_back_to_the_quote(checkout: Checkout, tenant: Tenant) -> None:
    assert SignedInPayer(tenant).pay(checkout).json()["next"] == checkout.payment.done_path


def test_the_page_of_what_is_not_paid_is_the_payments_own(ada: PortalPayer, row: Payment, stranger: Tenant) -> None:
    path = f"/my/payments/{row.reference}/paid"
    assert ada.client.get(path)["Location"] == f"/my/payments/{row.reference}"
    create_attempt(row)
    assert ada.client.get(path)["Location"] == f"/pay/{row.reference}"
    assert stranger.payer("eve@elsewhere.example").get(path).status_code == 404
    assert Client().get(path)["Location"].startswith("/accounts/login/")


def test_each_step_of_a_debit_stands_with_its_own_day(ada: PortalPayer, row: Payment) -> None:
    began = timezone.now() - timedelta(days=9)
    attempt = create_attempt(row, at=began)
    row.attempts.filter(pk=attempt.pk).update(submitted_at=began + timedelta(days=1))
    attempt.refresh_from_db()
    money = attempt.money
    settled = timezone.now() - timedelta(days=3)
    from_gateway = OperationResult("succeeded", "pi_x", money, method=BANK)
    apply_attempt_result(attempt, from_gateway, by="gateway", now=settled)
    with transaction.atomic():
        reverse_attempt(attempt, reason="dispute:debit_not_authorized", now=timezone.now())
    page = ada.get(f"/my/payments/{row.reference}")
    shown = [
        page.index(words)
        for words in ("took this payment back", "The bank debit settled", "debit was sent", "Started.")
    ]
    assert shown == sorted(shown)
    for at in (began, began + timedelta(days=1), settled):
        assert format_instant(at, row.merchant.time_zone) in page


def test_words_of_a_receipt_follow_the_facts(ada: PortalPayer, row: Payment) -> None:
    create_paid_attempt(row)
    path = f"/my/payments/{row.reference}/receipt"
    assert "Total paid" in ada.get(path)
    assert "after refunds" not in ada.get(path)
    create_refund(row)
    assert "Paid after refunds and reversals" in ada.get(path)


def create_refund(row: Payment) -> None:
    """Half of it went back."""
    attempt = row.attempts.get()
    half = attempt.amount // 2
    at = {"state": "succeeded", "state_at": timezone.now()}
    row.refunds.create(attempt=attempt, amount=half, idempotency_key="half", **at)
    Payment.objects.filter(pk=row.pk).update(refunded_amount=half)


def test_pay_now_says_that_it_was_refunded(ada: PortalPayer, row: Payment, browser: Client) -> None:
    create_paid_attempt(row)
    assert "refunded" not in browser.get(f"/pay/{row.reference}").content.decode()
    create_refund(row)
    assert "A$312.50 of it was refunded since" in browser.get(f"/pay/{row.reference}").content.decode()


def test_books_of_what_went_back_do_not_promise_a_document(ada: PortalPayer, row: Payment) -> None:
    assert "no credit note of this payment yet" in ada.get(f"/my/payments/{row.reference}/documents")
    create_reversed_attempt(row)
    assert "because the money went back" in ada.get(f"/my/payments/{row.reference}/documents")


def test_signing_in_to_pay_keeps_merchant_amount_and_ways(checkout: Checkout, browser: Client) -> None:
    page = browser.get("/accounts/login/", {"next": f"{checkout.path}/checkout"}).content.decode()
    for words in ("Sign in to pay Quote", "Northwind IT", "A$625.00", f'href="{checkout.path}"', "/register"):
        assert words in page
    wrong = {"login": "a@b.example", "password": "nothing at all", "next": f"{checkout.path}/checkout"}
    assert "Sign in to pay Quote" in browser.post("/accounts/login/", wrong).content.decode()
    for other in ("/my/", "https://evil.example/pay/x", "/pay/unknown"):
        assert "Sign in to pay" not in browser.get("/accounts/login/", {"next": other}).content.decode()


CPQ_ADDRESS = {
    "contact_name": "Mira Manager",
    "address": {"line1": "1 Wharf Road", "city": "Sydney", "postal_code": "2000", "country": "AU"},
}


def test_what_cpq_knows_of_the_payer_is_filled_in(tenant: Tenant, browser: Client) -> None:
    checkout = tenant.open_checkout(customer=CPQ_ADDRESS)
    for tail in ("/guest", "/register"):
        assert 'value="Mira Manager"' in browser.get(checkout.path + tail).content.decode()
    assert "&quot;country&quot;: &quot;AU&quot;" in browser.get(f"{checkout.path}/guest").content.decode()


@pytest.mark.parametrize(
    ("methods", "words"),
    [(["card"], "with a saved card"), (["bank_debit"], "by bank debit"), (["card", "bank_debit"], "by card or bank")],
)
def test_the_first_page_says_which_methods_are_allowed(
    tenant: Tenant, browser: Client, methods: list[str], words: str
) -> None:
    page = browser.get(tenant.open_checkout(quote={"currency": "USD"}, allowed_methods=methods).path).content.decode()
    assert f"With an account you can pay {words}" in page
    assert "US$625.00" in page


def test_a_receipt_of_a_mail_is_delivered_once(checkout: Checkout, tenant: Tenant, deliver: Callable[..., int]) -> None:
    checkout.pay()
    deliver()
    deliver()
    assert len([m for m in tenant.mails("accounts@harbourdental.example") if "Receipt" in m["subject"]]) == 1
