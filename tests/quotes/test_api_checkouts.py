"""Opening and reading checkouts: versions, bringing up to date, idempotency, and the exact answers."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounting.models import AccountingSettings
from merchants.models import EventNotification, Merchant
from payments.models import Attempt, GatewayAccount, Payment
from quotes.models import IdempotentAnswer, Quote
from quotes.services import expire_quotes, sync_quote_state
from sandbox.harness.sandbox_process import SandboxProcess
from tests.quotes.api_helpers import (
    CHECKOUTS,
    FULL_CHECKOUT,
    PROBLEM_FIELDS,
    TERMS,
    check_problem,
    count_stored_rows,
    create_cpq_merchant,
)
from tests.tenants import BODY, Checkout, Tenant, merge_body

CHALLENGED = "4000002760003184"
DECLINED = "4000000000009995"
PAYMENT_KEYS = ["amount", "surcharge", "method", "brand", "last4", "reference", "paid_at", "error"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def build_version(version: int, **changes: Any) -> dict[str, Any]:
    """The usual body in another version."""
    return merge_body(merge_body(BODY, {"quote": {"version": version}}), changes)


def open_checkout(shop: Tenant, body: dict[str, Any] | None = None) -> Checkout:
    """A checkout of the usual body."""
    answer = shop.call(body or BODY)
    assert answer.status_code in (200, 201), answer.content
    return Checkout(shop, json.loads(answer.content))


def read_checkout(checkout: Checkout, tenant: Tenant | None = None) -> HttpResponse:
    """GET by its own merchant, or by another."""
    headers = {"X-API-Key": (tenant or checkout.tenant).api_key}
    answer = Client().get(f"{CHECKOUTS}/{checkout.body['id']}", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


def get_status(checkout: Checkout) -> str:
    """The status that GET answers."""
    return str(json.loads(read_checkout(checkout).content)["status"])


def expire_checkout(checkout: Checkout) -> None:
    """Move the deadline into the past."""
    Payment.objects.filter(pk=checkout.payment.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_the_answer_to_a_new_checkout_is_exactly_the_contracts(shop: Tenant) -> None:
    answer = shop.call(FULL_CHECKOUT)
    body = json.loads(answer.content)
    assert (answer.status_code, answer["Content-Type"]) == (201, "application/json; charset=utf-8")
    payment = Payment.objects.get()
    assert body == {
        "id": Quote.objects.get().reference,
        "status": "open",
        "url": f"http://127.0.0.1:8000/pay/{payment.reference}",
        "quote": {"id": "b1c6", "number": 1042, "version": 2, "name": "Managed services onboarding"},
        "amount_due": {"amount": "625.00", "currency": "AUD"},
        "expires_at": "2099-01-31T00:00:00Z",
        "payment": None,
    }
    assert re.fullmatch(r"chk_[2-9a-z]{20}", body["id"])
    assert list(body) == ["id", "status", "url", "quote", "amount_due", "expires_at", "payment"]


def test_what_cpq_said_is_kept(shop: Tenant) -> None:
    assert shop.call(FULL_CHECKOUT).status_code == 201
    quote = Quote.objects.select_related("payment__company").get()
    assert (quote.cpq_id, quote.number, quote.version, quote.opportunity_id) == ("b1c6", 1042, 2, "8841")
    assert (quote.total, quote.tax, quote.currency, quote.purchase_order_number) == (125000, 11364, "AUD", "PO-77")
    assert quote.customer == FULL_CHECKOUT["customer"] | {"psa_company_id": "250"}
    terms = [{"periods": None, "starts_on": None} | term | {"id": str(term["id"])} for term in TERMS]
    assert quote.recurring == FULL_CHECKOUT["recurring"] | {"amount": 34900, "terms": terms}
    payment = quote.payment
    assert (payment.amount, payment.full_amount, payment.methods) == (62500, 125000, ["card", "bank_debit"])
    assert (payment.needs_account, payment.company.email) == (True, "accounts@harbourdental.example")


@pytest.mark.parametrize(
    ("amounts", "due", "full"),
    [
        ({"due_now": "625.00", "full_payment_allowed": True}, 62500, 125000),
        ({"due_now": "625.00", "full_payment_allowed": False}, 62500, None),
        ({"due_now": "1250.00", "full_payment_allowed": True}, 125000, None),
        ({"due_now": "0.50", "full_payment_allowed": True}, 50, 125000),
        ({"one_time_total": "999999.99", "due_now": "999999.98"}, 99999998, 99999999),
    ],
)
def test_a_deposit_may_be_paid_in_full_only_where_cpq_says_so(
    shop: Tenant, amounts: dict[str, Any], due: int, full: int | None
) -> None:
    payment = open_checkout(shop, merge_body(BODY, {"amounts": amounts})).payment
    assert (payment.amount, payment.full_amount) == (due, full)


def test_nothing_due_with_a_recurring_part_is_accepted(shop: Tenant) -> None:
    checkout = open_checkout(shop, merge_body(FULL_CHECKOUT, {"amounts": {"due_now": "0.00"}}))
    assert checkout.body["amount_due"] == {"amount": "0.00", "currency": "AUD"}
    assert (checkout.payment.needs_account, checkout.payment.full_amount) == (True, None)


@pytest.mark.parametrize(("currency", "total", "due"), [("JPY", "120000", "60000"), ("KWD", "1250.500", "625.250")])
def test_currencies_without_cents_or_with_three_decimals(shop: Tenant, currency: str, total: str, due: str) -> None:
    AccountingSettings.objects.update(currencies=["JPY", "KWD"])
    amounts = {"one_time_total": total, "due_now": due, "tax": "0"}
    checkout = open_checkout(shop, merge_body(BODY, {"quote": {"currency": currency}, "amounts": amounts}))
    assert checkout.body["amount_due"] == {"amount": due, "currency": currency}
    assert checkout.payment.amount == int(due.replace(".", ""))


def test_a_time_of_another_zone_is_answered_in_utc(shop: Tenant) -> None:
    checkout = open_checkout(shop, merge_body(BODY, {"quote": {"expires_at": "2099-01-31T08:30:00+10:30"}}))
    assert checkout.body["expires_at"] == "2099-01-30T22:00:00Z"
    assert json.loads(read_checkout(checkout).content) == checkout.body


def test_a_quote_that_names_no_end_can_be_paid_for_thirty_days(shop: Tenant) -> None:
    ends = datetime.fromisoformat(open_checkout(shop).body["expires_at"])
    assert timedelta(days=29, hours=23) < ends - timezone.now() <= timedelta(days=30)


def test_the_same_version_again_is_the_same_checkout_brought_up_to_date(shop: Tenant) -> None:
    first = open_checkout(shop)
    changes = {"quote": {"name": "Onboarding", "number": 2000}, "customer": {"account_name": "Harbour Group"}}
    changes |= {"amounts": {"one_time_total": "800.00", "due_now": "800.00"}, "allowed_methods": ["card"]}
    answer = shop.call(merge_body(BODY, changes))
    again = json.loads(answer.content)
    assert answer.status_code == 200
    assert (again["id"], again["url"], again["status"]) == (first.body["id"], first.body["url"], "open")
    assert (again["quote"]["name"], again["quote"]["number"]) == ("Onboarding", 2000)
    assert again["amount_due"] == {"amount": "800.00", "currency": "AUD"}
    payment = first.payment
    assert (payment.amount, payment.full_amount, payment.company.name) == (80000, None, "Harbour Group")
    assert "Onboarding" in payment.purpose
    assert count_stored_rows() == {"Quote": 1, "Payment": 1, "PayerCompany": 2}


def test_a_newer_version_withdraws_the_older(shop: Tenant) -> None:
    first = open_checkout(shop)
    second = open_checkout(shop, build_version(2))
    assert second.body["id"] != first.body["id"]
    assert (get_status(first), get_status(second)) == ("withdrawn", "open")
    assert (first.payment.state, second.payment.state) == ("cancelled", "open")
    refused = first.pay()
    assert (refused.status_code, json.loads(refused.content)["code"]) == (409, "expired")
    check_problem(shop.call(BODY), 409, "superseded")


@pytest.mark.parametrize("changes", [{"id": "other-guid"}, {"number": 7}])
def test_versions_meet_by_id_and_by_number(shop: Tenant, changes: dict[str, Any]) -> None:
    first = open_checkout(shop)
    open_checkout(shop, build_version(2, quote=changes))
    assert get_status(first) == "withdrawn"


def test_versions_of_other_quotes_and_other_merchants_stay(shop: Tenant, other_shop: Tenant) -> None:
    first, other = open_checkout(shop), open_checkout(shop, merge_body(BODY, {"quote": {"id": "x", "number": 7}}))
    foreign = open_checkout(other_shop)
    open_checkout(shop, build_version(2))
    assert [get_status(c) for c in (first, other, foreign)] == ["withdrawn", "open", "open"]


def test_an_older_version_is_refused(shop: Tenant) -> None:
    open_checkout(shop, build_version(3))
    body = check_problem(shop.call(build_version(2)), 409, "superseded")
    assert "3" in body["detail"]
    assert Quote.objects.count() == 1


def test_a_paid_version_is_refused_and_a_newer_one_says_what_was_paid(
    shop: Tenant, deliver: Callable[..., int]
) -> None:
    first = open_checkout(shop)
    first.pay()
    check_problem(shop.call(BODY), 409, "already_paid")
    deliver()
    check_problem(shop.call(BODY), 409, "already_paid")
    second = open_checkout(shop, build_version(2))
    assert (get_status(first), get_status(second)) == ("paid", "open")
    assert "625.00" in second.payment.details["notice"]


def test_nothing_changes_while_an_attempt_is_live(shop: Tenant) -> None:
    checkout = open_checkout(shop)
    checkout.pay(CHALLENGED)
    assert get_status(checkout) == "processing"
    before = list(Quote.objects.values()), list(Payment.objects.values())
    answer = shop.call(merge_body(BODY, {"amounts": {"due_now": "1.00"}}))
    check_problem(answer, 409, "attempt_in_progress")
    assert answer["Retry-After"] == "60"
    check_problem(shop.call(build_version(2)), 409, "attempt_in_progress")
    assert (list(Quote.objects.values()), list(Payment.objects.values())) == before
    attempt = checkout.attempts[0]
    Client().post(f"{checkout.path}/attempts/{attempt.reference}/stop")
    assert get_status(checkout) == "open"
    assert shop.call(BODY).status_code == 200


def test_a_failed_payment_leaves_the_checkout_payable(shop: Tenant) -> None:
    checkout = open_checkout(shop)
    checkout.pay(DECLINED)
    assert get_status(checkout) == "failed"
    assert shop.call(BODY).status_code == 200
    assert json.loads(checkout.pay().content)["status"] == "succeeded"
    assert get_status(checkout) == "paid"


@pytest.mark.parametrize("swept", [False, True])
def test_an_expired_checkout_is_opened_again_by_publishing_again(shop: Tenant, swept: bool) -> None:
    checkout = open_checkout(shop)
    expire_checkout(checkout)
    if swept:
        assert expire_quotes(now=timezone.now()) == 1
    assert get_status(checkout) == "expired"
    again = open_checkout(shop, merge_body(BODY, {"quote": {"expires_at": "2099-01-31T00:00:00Z"}}))
    assert (again.body["id"], again.body["status"]) == (checkout.body["id"], "open")
    assert json.loads(again.pay().content)["status"] == "succeeded"


def test_an_expired_version_is_withdrawn_by_a_newer_one(shop: Tenant) -> None:
    checkout = open_checkout(shop)
    expire_checkout(checkout)
    expire_quotes(now=timezone.now())
    open_checkout(shop, build_version(2))
    assert get_status(checkout) == "withdrawn"


@pytest.mark.parametrize(
    ("code", "undo"),
    [
        ("prepayment_notification", lambda m: EventNotification.objects.update(is_enabled=False)),
        ("event_notification_link", lambda m: m.paynow_links.filter(kind="event_notification").delete()),
        ("quick_link", lambda m: m.paynow_links.filter(kind="quick_link").update(is_active=False)),
        ("gateway_keys", lambda m: GatewayAccount.objects.all().delete()),
        ("payments_enabled", lambda m: Merchant.objects.update(takes_payments=False)),
    ],
)
def test_a_merchant_who_is_not_ready_is_told_what_is_missing(
    shop: Tenant, code: str, undo: Callable[[Merchant], object]
) -> None:
    undo(shop.merchant)
    body = check_problem(shop.call(BODY), 409, "merchant_not_ready")
    assert body["missing"] == [code]
    assert body.keys() == PROBLEM_FIELDS | {"missing"}
    assert count_stored_rows() == {}


def test_everything_that_a_merchant_lacks_is_named_at_once(shop: Tenant) -> None:
    shop.merchant.paynow_links.all().delete()
    GatewayAccount.objects.all().delete()
    body = check_problem(shop.call(BODY), 409, "merchant_not_ready")
    assert body["missing"] == ["event_notification_link", "quick_link", "gateway_keys"]


@pytest.mark.parametrize(
    ("card", "status", "error"),
    [("4242424242424242", "paid", False), (DECLINED, "failed", True), (CHALLENGED, "processing", False)],
)
def test_a_checkout_that_was_tried_says_how_the_payment_went(shop: Tenant, card: str, status: str, error: bool) -> None:
    checkout = open_checkout(shop)
    checkout.pay(card)
    body = json.loads(read_checkout(checkout).content)
    payment = body["payment"]
    assert body["status"] == status
    assert list(payment) == PAYMENT_KEYS
    assert payment["amount"] == {"amount": "625.00", "currency": "AUD"}
    assert payment["surcharge"] == {"amount": "0.00", "currency": "AUD"}
    assert payment["reference"] == checkout.payment.reference
    assert bool(payment["paid_at"] and TIME.fullmatch(payment["paid_at"])) == (status == "paid")
    assert bool(payment["error"] and payment["error"].endswith(".")) == error
    known = {payment["method"], payment["brand"], payment["last4"]}
    assert status != "paid" or known == {"card", "visa", "4242"}
    assert card not in json.dumps(body)


def test_a_guest_who_pays_in_full_is_reported_with_the_full_amount(shop: Tenant) -> None:
    checkout = open_checkout(shop)
    checkout.pay(amount=125000)
    body = json.loads(read_checkout(checkout).content)
    assert body["payment"]["amount"] == {"amount": "1250.00", "currency": "AUD"}
    assert body["amount_due"] == {"amount": "625.00", "currency": "AUD"}


def test_another_merchants_checkout_is_not_found(shop: Tenant, other_shop: Tenant) -> None:
    checkout = open_checkout(shop)
    ours = check_problem(read_checkout(checkout, other_shop), 404, "not_found")
    checkout.body["id"] = "chk_nobodys"
    assert check_problem(read_checkout(checkout, other_shop), 404, "not_found") == ours


def test_the_same_key_gets_the_same_answer_and_nothing_new(shop: Tenant) -> None:
    first = shop.call(BODY, **{"Idempotency-Key": "k"})
    sync_quote_state(Quote.objects.get(), now=timezone.now())
    before = count_stored_rows()
    again = shop.call(BODY, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert count_stored_rows() == before == {"Quote": 1, "Payment": 1, "PayerCompany": 1, "IdempotentAnswer": 1}
    assert shop.call(BODY, **{"Idempotency-Key": "other"}).status_code == 200


def test_the_same_key_with_another_body_is_refused(shop: Tenant) -> None:
    shop.call(BODY, **{"Idempotency-Key": "k"})
    body = check_problem(shop.call(build_version(2), **{"Idempotency-Key": "k"}), 422, "idempotency_key_reused")
    assert [e["field"] for e in body["errors"]] == ["Idempotency-Key"]
    assert Quote.objects.count() == 1


def test_a_key_is_forgotten_after_a_day(shop: Tenant) -> None:
    shop.call(BODY, **{"Idempotency-Key": "k"})
    rows = IdempotentAnswer.objects.all()
    rows.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert shop.call(BODY, **{"Idempotency-Key": "k"}).status_code == 201
    rows.update(created_at=timezone.now() - timedelta(hours=24))
    assert shop.call(BODY, **{"Idempotency-Key": "k"}).status_code == 200
    assert shop.call(build_version(2)).status_code == 201


def test_a_key_belongs_to_one_merchant(shop: Tenant, other_shop: Tenant) -> None:
    first = shop.call(BODY, **{"Idempotency-Key": "k"})
    other = other_shop.call(build_version(2), **{"Idempotency-Key": "k"})
    assert (first.status_code, other.status_code) == (201, 201)
    assert json.loads(first.content)["id"] != json.loads(other.content)["id"]


def test_a_refusal_is_not_remembered(shop: Tenant) -> None:
    Merchant.objects.update(takes_payments=False)
    check_problem(shop.call(BODY, **{"Idempotency-Key": "k"}), 409, "merchant_not_ready")
    Merchant.objects.update(takes_payments=True)
    assert shop.call(BODY, **{"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.parametrize(("length", "status"), [(255, 201), (256, 422)])
def test_a_key_has_at_most_255_characters(shop: Tenant, length: int, status: int) -> None:
    answer = shop.call(BODY, **{"Idempotency-Key": "k" * length})
    assert answer.status_code == status
    if status == 422:
        body = check_problem(answer, 422, "invalid")
        assert [e["field"] for e in body["errors"]] == ["Idempotency-Key"]


def post_concurrently(shop: Tenant, bodies: list[dict[str, Any]], **headers: str) -> list[HttpResponse]:
    """The answers to all these requests, sent from six threads."""

    def call(body: dict[str, Any]) -> HttpResponse:
        try:
            return shop.call(body, **headers)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(call, bodies))


@pytest.mark.django_db(transaction=True)
def test_of_versions_that_come_at_once_only_the_newest_can_be_paid(world: SandboxProcess) -> None:
    shop = create_cpq_merchant(world, name="Northwind IT", email="admin@northwind-it.example")
    answers = post_concurrently(shop, [build_version(n, quote={"id": f"v{n % 2}"}) for n in range(1, 13)])
    assert {a.status_code for a in answers} <= {201, 409}
    live = Quote.objects.filter(state="open", payment__state="open")
    assert list(live.values_list("version", flat=True)) == [12]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["", "k"])
def test_the_same_request_many_times_at_once_opens_one_checkout(world: SandboxProcess, key: str) -> None:
    shop = create_cpq_merchant(world, name="Northwind IT", email="admin@northwind-it.example")
    answers = post_concurrently(shop, [BODY] * 12, **({"Idempotency-Key": key} if key else {}))
    codes = [a.status_code for a in answers]
    assert set(codes) <= {200, 201, 409}
    assert codes.count(201) == (1 if not key else codes.count(201))
    assert len({json.loads(a.content)["id"] for a in answers if a.status_code < 300}) == 1
    assert (Quote.objects.count(), Payment.objects.count(), Attempt.objects.count()) == (1, 1, 0)
