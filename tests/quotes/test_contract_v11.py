"""Version 1.1 of the contract: what it adds is optional, kept and shown; what version 1 sent gets the same answers.

Vendor pages: ConnectWise CPQ's REST document (Quotes, QuoteItems, QuoteTerms, Customers: the fields that senders have);
Stripe's "Evidence for disputes" (the customer's signature, IP address and time of acceptance).
"""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client

from payers.models import TermsAcceptance
from payments.models import Payment, PaymentLines
from payments.receipts import get_receipt, render_receipt_pdf
from payments.recurring import RecurringPart
from quotes.models import Quote
from quotes.timeline import get_timeline
from tests.payments.signed_in_payer import SignedInPayer
from tests.pdf_text import get_pdf_text
from tests.quotes.api_helpers import (
    CHECKOUTS,
    FULL_CHECKOUT,
    LINES,
    TERMS,
    V1_CHECKOUT,
    count_stored_rows,
    get_refused_fields,
)
from tests.tenants import BODY, Tenant, merge_body
from wisepay import clock
from wisepay.clock import add_months, format_date, get_local_date

pytestmark = pytest.mark.django_db
# The answer of version 1 to `BODY`, whose ids, addresses and times are ours.
V1_ANSWER = (
    '{"id": "ID", "status": "open", "url": "URL", "quote": {"id": "b1c6", "number": 1042, "version": 1, '
    '"name": "Managed services onboarding"}, "amount_due": {"amount": "625.00", "currency": "AUD"}, '
    '"expires_at": "TIME", "payment": null}'
)


def with_lines(*lines: dict[str, Any], **amounts: str) -> dict[str, Any]:
    """A checkout with these lines, and amounts in the place of its own."""
    return merge_body(BODY, {"quote": {"lines": list(lines)}, "amounts": amounts})


def line(**changes: Any) -> dict[str, Any]:
    """The one line of a quote over 1,250.00."""
    whole = {"description": "Onboarding", "quantity": "1", "unit_price": "1250.00", "amount": "1250.00"}
    return whole | changes


def test_what_version_1_sent_is_answered_byte_for_byte_as_before(shop: Tenant) -> None:
    answer = shop.call(BODY)
    body = json.loads(answer.content)
    expected = V1_ANSWER
    for name, value in (("ID", body["id"]), ("URL", body["url"]), ("TIME", body["expires_at"])):
        expected = expected.replace(f'"{name}"', json.dumps(value))
    assert answer.content.decode() == expected
    path = f"{CHECKOUTS}/{body['id']}"
    assert Client().get(path, headers={"X-API-Key": shop.api_key}).content.decode() == expected
    assert (answer.status_code, answer["Wisepay-Contract"]) == (201, "1.1")
    assert shop.call("{")["Wisepay-Contract"] == "1.1"


def test_the_whole_of_version_1_stores_what_it_stored(shop: Tenant) -> None:
    assert shop.call(V1_CHECKOUT).status_code == 201
    payment, quote = Payment.objects.get(), Quote.objects.get()
    assert [label for label, _ in payment.details["rows"]] == [
        "One-time total",
        "Including tax",
        "Then every month",
        "Number of payments",
        "Recurring total",
    ]
    assert "line_count" not in payment.details
    assert (payment.recurring_starts_on, payment.recurring_agreement, quote.acceptance) == (None, "", {})
    assert not PaymentLines.objects.exists()


def test_lines_are_shown_before_paying_and_on_the_receipt_as_they_were_sent(shop: Tenant) -> None:
    first = LINES[0] | {"description": "<b>Onboarding</b> & שלום"}
    checkout, browser = shop.open_checkout(quote={"lines": [first, *LINES[1:]]}), Client()
    page = browser.get(checkout.path).content.decode()
    assert "<bdi>&lt;b&gt;Onboarding&lt;/b&gt; &amp; שלום</bdi>" in page
    assert [words in page for words in ("-A$10.00", "4 × A$12.50", "every month", "4 lines")] == [True] * 4
    assert checkout.pay(client=browser).status_code == 200
    assert checkout.payment.paid_amount == 62500
    receipt = browser.get(f"{checkout.path}/receipt").content.decode()
    assert "&lt;b&gt;Onboarding&lt;/b&gt;" in receipt
    printed = get_pdf_text(render_receipt_pdf(get_receipt(checkout.payment)))
    assert [words in printed for words in ("Welcome discount", "4 × Cables", "-A$10.00", "What it is for")] == [
        True
    ] * 4


def test_the_lines_of_the_newest_form_of_a_quote_are_the_ones_that_are_shown(shop: Tenant) -> None:
    shop.call(with_lines(line()))
    shop.call(with_lines(line(description="Onboarding, remote")))
    assert [row["description"] for row in Payment.objects.get().line_items] == ["Onboarding, remote"]
    shop.call(BODY)
    assert (Payment.objects.get().line_items, PaymentLines.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ([line(amount="1249.98", unit_price="1249.98")], {"quote.lines"}),
        ([line(amount="1250.00", unit_price="1250.02")], {"quote.lines.0.amount"}),
        ([line(quantity="0")], {"quote.lines.0.amount"}),
        ([line(amount="1250.001")], {"quote.lines.0.amount"}),
        ([line(tax="x")], {"quote.lines.0.tax"}),
        ([line(amount=1250)], {"quote.lines.0.amount"}),
        ([line(quantity=True)], {"quote.lines.0.quantity"}),
        ([line(quantity="1e3")], {"quote.lines.0.quantity"}),
        ([line(quantity=1e300)], {"quote.lines.0.quantity"}),
        ([line(recurs="fortnight")], {"quote.lines.0.recurs"}),
        ([line(recurs="month")], {"quote.lines"}),
        ([line(description=" ")], {"quote.lines.0.description"}),
        ([line(description="x" * 301)], {"quote.lines.0.description"}),
        ([line(description="a\u202eb")], {"quote.lines.0.description"}),
        ([line(sku="1")], {"quote.lines.0.sku"}),
        ([None], {"quote.lines.0"}),
        ([line()] * 501, {"quote.lines"}),
    ],
)
def test_lines_that_are_not_right_are_named(shop: Tenant, lines: list[Any], fields: set[str]) -> None:
    assert get_refused_fields(shop.call(with_lines(*lines))) == fields
    assert count_stored_rows() == {}


@pytest.mark.parametrize(
    "lines",
    [
        [line(tax="113.64")],
        [line(unit_price="1136.36", tax="113.64")],
        [line(quantity=2, unit_price="625")],
        [line(quantity="0.5", unit_price="2500.00")],
        [line(quantity="3", unit_price="416.6667")],
        [line(unit_price="1300", amount="1300"), line(unit_price="-50", amount="-50.00")],
        [line(), line(recurs="year", unit_price="9.99", amount="9.99")],
        [line(unit_price="2.499", amount="2.50")] * 500,
        [],
    ],
)
def test_lines_add_up_within_a_cent_each_and_never_change_what_is_charged(shop: Tenant, lines: list[Any]) -> None:
    assert shop.call(with_lines(*lines)).status_code == 201
    payment = Payment.objects.get()
    assert (payment.amount, payment.full_amount, len(payment.line_items)) == (62500, 125000, len(lines))


@pytest.mark.parametrize(
    ("quantity", "unit_price", "shown"),
    [
        ("1", "1250", "1 × A$1,250.00"),
        ("2500.50", "0.4999", "2,500.5 × AUD 0.4999"),
        ("0.001", "1250000", "0.001 × A$1,250,000.00"),
    ],
)
def test_quantities_and_prices_are_written_as_people_write_them(
    shop: Tenant, quantity: str, unit_price: str, shown: str
) -> None:
    shop.call(with_lines(line(quantity=quantity, unit_price=unit_price)))
    [row] = Payment.objects.get().line_items
    assert f"{row['quantity']} × {row['unit_price']}" == shown


def test_five_hundred_lines_fit_into_a_body(shop: Tenant) -> None:
    lines = [line(description=f"{number} " + "x" * 290, unit_price="2.50", amount="2.50") for number in range(500)]
    body = json.dumps(with_lines(*lines))
    assert 100_000 < len(body) < 512 * 1024
    assert shop.call(body).status_code == 201


@pytest.mark.parametrize(
    ("recurring", "fields"),
    [
        ({"terms": [TERMS[0]]}, {"recurring.terms"}),
        ({"terms": [TERMS[0] | {"total": "1.234"}]}, {"recurring.terms.0.total"}),
        ({"ends_on": "2098-12-31"}, {"recurring.ends_on"}),
        ({"ends_on": "2099-11-30"}, {"recurring.ends_on"}),
        ({"starts_on": "2020-01-01", "ends_on": None}, {"recurring.starts_on"}),
        ({"starts_on": "2020-01-01", "ends_on": "2020-12-31"}, {"recurring.ends_on"}),
        ({"starts_on": None, "periods": None, "ends_on": "2020-12-31"}, {"recurring.ends_on"}),
        ({"starts_on": "2099-02-30"}, {"recurring.starts_on"}),
        ({"starts_on": "2099-01-01T00:00:00Z"}, {"recurring.starts_on"}),
        ({"starts_on": "2101-01-01"}, {"recurring.starts_on"}),
        ({"starts_on": 4070908800}, {"recurring.starts_on"}),
    ],
)
def test_what_recurs_may_not_contradict_itself(shop: Tenant, recurring: dict[str, Any], fields: set[str]) -> None:
    assert get_refused_fields(shop.call(merge_body(FULL_CHECKOUT, {"recurring": recurring}))) == fields
    assert count_stored_rows() == {}


def test_terms_of_several_intervals_need_not_add_up(shop: Tenant) -> None:
    terms = [TERMS[0], TERMS[1] | {"interval": "year"}]
    assert shop.call(merge_body(FULL_CHECKOUT, {"recurring": {"terms": terms}})).status_code == 201


def test_days_alone_say_how_often_it_recurs(shop: Tenant) -> None:
    days = {"periods": None, "starts_on": "2099-01-31", "ends_on": "2099-06-29"}
    assert shop.call(merge_body(FULL_CHECKOUT, {"recurring": days})).status_code == 201
    assert Payment.objects.get().recurring_periods == 5


def test_a_last_day_alone_says_how_often_it_recurs_from_today(shop: Tenant) -> None:
    today = get_local_date(clock.now(), shop.merchant.zone)
    until = {"periods": None, "starts_on": None, "terms": None, "ends_on": add_months(today, 3).isoformat()}
    assert shop.call(merge_body(FULL_CHECKOUT, {"recurring": until})).status_code == 201
    assert Payment.objects.get().recurring_periods == 4
    assert dict(Payment.objects.get().details["rows"])["Number of payments"] == "4"


def test_what_began_already_is_counted_from_today_until_the_last_day_of_the_quote(shop: Tenant) -> None:
    today = get_local_date(clock.now(), shop.merchant.zone)
    first, last = add_months(today, -2), add_months(today, 9)
    began = {"starts_on": first.isoformat(), "ends_on": last.isoformat(), "terms": None}
    assert shop.call(merge_body(FULL_CHECKOUT, {"recurring": began})).status_code == 201
    part, row = Payment.objects.get().recurring, dict(Payment.objects.get().details["rows"])
    assert part is not None
    assert (row["Agreement starts"], row["Number of payments"], part.periods) == (format_date(first), "10", 10)
    assert f"is due on {format_date(today)}." in part.describe_start(today)
    assert f"payment 10, on {format_date(last)}." in part.describe_end(today)


def test_start_and_agreement_are_shown_where_the_payer_agrees_and_kept_with_it(shop: Tenant) -> None:
    checkout = shop.open_checkout(**{name: FULL_CHECKOUT[name] for name in ("recurring",)})
    row = dict(checkout.payment.details["rows"])
    assert (row["Agreement starts"], row["Agreement"]) == ("1 Jan 2099", "Managed services")
    part = checkout.payment.recurring
    assert part is not None
    today = clock.now().date()
    assert part.describe_start(today) == (
        "The first of these payments is due on 1 Jan 2099. They are for: Managed services."
    )
    assert "on 1 Dec 2099." in part.describe_end(today)
    assert part.get_key(today) != RecurringPart(part.money, part.interval, part.periods).get_key(today)
    assert len(part.get_key(today)) <= 60
    payer = SignedInPayer(shop)
    payer.grant_access(checkout.payment)
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    assert "The first of these payments is due on 1 Jan 2099. They are for: Managed services." in page
    assert payer.pay_and_save(checkout).status_code == 200
    kept = TermsAcceptance.objects.get(terms__kind="automatic_payments")
    assert (kept.starts_on, kept.ends_on, kept.periods) == (date(2099, 1, 1), date(2099, 12, 1), 12)
    assert (kept.agreement, "1 Jan 2099" in kept.shown) == ("Managed services", True)


def test_who_accepted_a_quote_is_kept_for_disputes_and_shown_to_the_merchant(shop: Tenant) -> None:
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None}))
    quote = Quote.objects.select_related("payment", "merchant").get()
    assert quote.acceptance == FULL_CHECKOUT["acceptance"]
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None, "acceptance": None}))
    quote.refresh_from_db()
    assert quote.acceptance == FULL_CHECKOUT["acceptance"]
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None, "acceptance": {"ip": "203.0.113.9", "signed_by": ""}}))
    quote.refresh_from_db()
    assert quote.acceptance == FULL_CHECKOUT["acceptance"] | {"ip": "203.0.113.9"}
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None}))
    quote.refresh_from_db()
    words = get_timeline(quote, now=clock.now())[0].words
    assert "on 2 Nov 2026, 03:04 UTC, by Mia Chen, e-mail mia@harbourdental.example, from 203.0.113.7" in words


@pytest.mark.parametrize("other", [{"signed_by": "Li Wei"}, {"signed_at": "2026-11-03T03:04:05Z"}])
def test_another_acceptance_takes_nothing_from_the_one_before(shop: Tenant, other: dict[str, str]) -> None:
    """Evidence that mixes two signatures proves neither."""
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None}))
    shop.call(merge_body(FULL_CHECKOUT, {"recurring": None}) | {"acceptance": other})
    assert Quote.objects.get().acceptance == other


@pytest.mark.parametrize(
    ("acceptance", "field"),
    [
        ({"ip": "203.0.113.256"}, "ip"),
        ({"ip": "example.com"}, "ip"),
        ({"email": "mia"}, "email"),
        ({"signed_at": "2026-11-02"}, "signed_at"),
        ({"signed_at": "2099-11-02T00:00:00Z"}, "signed_at"),
        ({"signed_by": "a\u0000b"}, "signed_by"),
        ({"device": "x"}, "device"),
    ],
)
def test_an_acceptance_that_nobody_gave_is_refused(shop: Tenant, acceptance: dict[str, Any], field: str) -> None:
    answer = shop.call(merge_body(FULL_CHECKOUT, {"acceptance": acceptance}))
    assert get_refused_fields(answer) == {f"acceptance.{field}"}
    assert count_stored_rows() == {}


def test_two_numbers_of_one_opportunity_are_one(shop: Tenant) -> None:
    only = {"quote": {"opportunity_id": "", "psa_opportunity_id": 8842}}
    assert shop.call(merge_body(FULL_CHECKOUT, only)).status_code == 201
    assert Quote.objects.get().opportunity_id == "8842"
    both = merge_body(FULL_CHECKOUT, {"quote": {"psa_opportunity_id": "9"}})
    assert get_refused_fields(shop.call(both)) == {"quote.psa_opportunity_id"}


def test_payer_information_begins_with_the_quotes_own_contact_and_no_account_is_shown(shop: Tenant) -> None:
    address = {"line1": "1 Quay St", "city": "Sydney", "postal_code": "2000", "country": "AU"}
    first = shop.open_checkout(customer={"contact_name": "Mia Chen", "phone": "+61 2 5550 1234", "address": address})
    shop.open_checkout(customer={"email": "later@harbourdental.example", "contact_name": "Later"})
    page = Client().get(f"{first.path}/guest").content.decode()
    for words in ("Mia Chen", "accounts@harbourdental.example", "+61 2 5550 1234", "1 Quay St"):
        assert words in page
    assert "later@harbourdental.example" not in page
    payer = SignedInPayer(shop, email="accounts@harbourdental.example")
    payer.grant_access(first.payment)
    payer.user.payer.address = {"line1": "7 Own Rd", "city": "Perth", "country": "AU"}
    payer.user.payer.save()
    assert "7 Own Rd" not in Client().get(f"{first.path}/guest").content.decode()
    own = payer.client.get(f"{first.path}/checkout").content.decode()
    assert ("7 Own Rd" in own, "1 Quay St" in own) == (True, False)
