"""One state, one word: every list says of a payment what its own page says.

After people's reports of other consoles: govuk-pay/pay-selfservice#4944, whose list went on to say "Success" of a
disputed payment; Automattic/woocommerce-payments#738 and #794, where disputes and inquiries stood as paid or refunded.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payments.models import Attempt, Dispute, Payment, Refund
from tests.accounting.posting.debits import submit_debit
from tests.payments.signed_in_payer import ONLY_RECURRING, SignedInPayer
from tests.tenants import Checkout, Tenant

Change = Callable[[Checkout], None]
UNPAID: dict[str, Any] = {"state": "open", "paid_amount": None, "paid_at": None}
SETTLING: dict[str, Any] = {"state": "processing", "method_kind": "us_bank_account", "submitted_at": timezone.now()}


def change_rows(payment: dict[str, Any], **attempt: Any) -> Change:
    """Give the payment and its attempt these columns."""

    def change(checkout: Checkout) -> None:
        Payment.objects.filter(pk=checkout.payment.pk).update(**payment or {"refunded_amount": 0})
        Attempt.objects.filter(payment=checkout.payment).update(**attempt or {"failure_code": ""})

    return change


def add_refund(amount: int, state: str) -> Change:
    def change(checkout: Checkout) -> None:
        payment, now = checkout.payment, timezone.now()
        Payment.objects.filter(pk=payment.pk).update(refunded_amount=amount)
        Refund.objects.create(
            payment=payment,
            attempt=checkout.attempts[0],
            amount=amount,
            idempotency_key=f"refund-{payment.reference}",
            state=state,
            state_at=now,
        )

    return change


def add_dispute(state: str, amount: int = 62_500) -> Change:
    def change(checkout: Checkout) -> None:
        Dispute.objects.create(
            attempt=checkout.attempts[0],
            stripe_dispute_id=f"dp_{checkout.payment.reference}",
            amount=amount,
            state=state,
            state_at=timezone.now(),
        )

    return change


def leave_untouched(checkout: Checkout) -> None:
    Attempt.objects.filter(payment=checkout.payment).delete()
    Payment.objects.filter(pk=checkout.payment.pk).update(**UNPAID)


def let_expire(checkout: Checkout) -> None:
    leave_untouched(checkout)
    Payment.objects.filter(pk=checkout.payment.pk).update(expires_at=timezone.now() - timedelta(hours=1))


# What happened, the state of its badge, and its word.
STANDINGS: list[tuple[Change, str, str]] = [
    (leave_untouched, "open", "Open"),
    (let_expire, "expired", "Expired"),
    (change_rows(UNPAID, state="failed", failure_code="insufficient_funds"), "failed", "Failed"),
    (change_rows(UNPAID, state="processing"), "processing", "Processing"),
    (change_rows(UNPAID, state="requires_action"), "requires_action", "Waiting for the bank"),
    (change_rows(UNPAID, **SETTLING), "settling", "Bank debit on its way"),
    (change_rows(UNPAID, **SETTLING | {"state": "failed"}), "returned", "Bank debit returned"),
    (change_rows({}), "succeeded", "Paid"),
    (add_refund(10_000, "processing"), "refunding", "Refund on its way"),
    (add_refund(10_000, "succeeded"), "part_refunded", "Refunded in part"),
    (add_refund(62_500, "succeeded"), "refunded", "Refunded"),
    (add_dispute("inquiry"), "inquiry", "Bank asks about it"),
    (add_dispute("open"), "disputed", "Disputed"),
    (add_dispute("closed"), "succeeded", "Paid"),
    (add_dispute("won"), "succeeded", "Paid"),
    (add_dispute("lost", 20_000), "part_lost", "Dispute lost in part"),
    (change_rows({"state": "reversed"}, state="reversed"), "reversed", "Reversed"),
]


def read_badges(page: str) -> list[tuple[str, str]]:
    """The state and the word of every badge."""
    return re.findall(r'class="badge[^"]*" data-state="([^"]+)">([^<]+)<', page)


@pytest.mark.parametrize(
    ("change", "state", "word"), STANDINGS, ids=[f"{n}-{row[1]}" for n, row in enumerate(STANDINGS)]
)
def test_every_list_says_what_the_payments_own_page_says(tenant: Tenant, change: Change, state: str, word: str) -> None:
    checkout = tenant.open_checkout()
    checkout.pay()
    change(checkout)
    expected = (state, word)
    detail = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}")).content.decode()
    assert read_badges(detail)[0] == expected
    for path in ("payments/", "quotes/"):
        assert read_badges(tenant.admin.get(tenant.url(path)).content.decode()) == [expected], path
    recent = tenant.admin.get(tenant.url("payments/recent")).content.decode()
    is_paid = checkout.payment.state in ("succeeded", "reversed")
    assert (checkout.payment.company.name in recent) is is_paid
    assert read_badges(recent) == ([expected] if is_paid and state != "succeeded" else [])


def test_a_payment_that_only_saved_a_method_says_so_and_nothing_of_paid(tenant: Tenant) -> None:
    checkout = tenant.open_checkout(**ONLY_RECURRING)
    SignedInPayer(tenant).save(checkout)
    detail = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}")).content.decode()
    lists = [tenant.admin.get(tenant.url(path)).content.decode() for path in ("payments/", "quotes/")]
    assert [read_badges(page)[0] for page in (detail, *lists)] == [("saved", "Method saved")] * 3
    rows = [re.sub(r"<form.*?</form>", "", page, flags=re.DOTALL) for page in (detail, *lists)]
    assert not any(re.search(r">\s*Paid\b", page) for page in rows)


def test_a_draft_that_was_taken_out_again_is_not_in_the_books(tenant: Tenant, deliver: Callable[..., int]) -> None:
    debit = submit_debit(tenant)
    deliver()
    path = tenant.url(f"postings/of/{debit.payment.reference}")
    assert ("posted", "In the books") in read_badges(tenant.admin.get(path).content.decode())
    debit.fail()
    deliver()
    assert debit.note.state == "removed"
    found = read_badges(tenant.admin.get(path).content.decode())
    assert ("undone", "Taken out of the books") in found
    assert ("posted", "In the books") not in found


def test_a_list_costs_the_same_number_of_statements_however_long(tenant: Tenant) -> None:
    counts = []
    tenant.admin.get(tenant.url("payments/"))  # the first page of a session costs more
    for _ in range(2):
        for _ in range(3):
            tenant.open_checkout().pay()
        with CaptureQueriesContext(connection) as seen:
            tenant.admin.get(tenant.url("payments/"))
        counts.append(len(seen))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("code", ["insufficient_funds", "do_not_honor", "expired_card"])
def test_a_decline_is_told_to_the_merchant_in_the_merchants_words(tenant: Tenant, code: str) -> None:
    checkout = tenant.open_checkout()
    checkout.pay()
    change_rows(UNPAID, state="failed", failure_code=code)(checkout)
    page = tenant.admin.get(tenant.url(f"payments/{checkout.payment.reference}")).content.decode()
    assert "bank declined the card" in page
    assert code.replace("_", " ") in page
    assert "Your bank" not in page
    assert "Try another card" not in page
