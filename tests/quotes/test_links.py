"""Quotes that come by link: what is read, what is charged, what is refused, and what is never told.

The rules stand for ConnectWise's own CPQ REST document (developer.connectwise.com) and for what public clients of it
met: msoukhomlinov/n8n-nodes-connectwise-cpq (500 for what cannot be read), krisgranger/equote_dev (passcode links).
"""

import itertools
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connections.rate_limiter import limiter
from quotes.models import CpqConnection, CpqWord, Quote
from quotes.providers.cpq import CpqKeys
from tests.quotes.link_helpers import KEYS, LinkedQuote, connect_cpq, count_stored, list_cpq_calls
from tests.tenants import Tenant
from wisepay.logs import redact_text
from wisepay.models import AuditEntry, RateWindow

pytestmark = pytest.mark.django_db
UNKNOWN_PASSCODE = "0" * 32


def test_a_link_opens_the_checkout_with_the_amounts_of_cpq(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    answer = made.follow()
    assert answer.status_code == 303
    assert made.passcode not in answer["Location"]
    assert (answer["Referrer-Policy"], "no-store" in answer["Cache-Control"]) == ("no-referrer", True)
    quote = Quote.objects.select_related("payment").get()
    assert (quote.number, quote.version, quote.source) == (made.number, 1, "link")
    assert (quote.total, quote.tax) == (498300, 45300)
    payment = quote.payment
    assert (payment.amount, payment.full_amount, payment.currency) == (249150, 498300, "AUD")
    assert payment.company.name == "Ridgeline Legal Pty Ltd"
    assert quote.customer["address"]["country"] == "AU"
    assert quote.acceptance["ip"] == "203.0.113.7"
    assert made.passcode not in json.dumps(list(Quote.objects.values()), default=str)
    page = Client().get(answer["Location"])
    assert "Ridgeline Legal" in page.content.decode()


@pytest.mark.parametrize(
    ("like", "calls", "due", "recurring"),
    [
        ("one-time", 3, 125000, None),
        ("deposit", 3, 249150, None),
        ("mixed", 4, 814000, (34900, "month", 12)),
        ("recurring", 4, 0, (34900, "month", 36)),
        ("jpy", 3, 165000, None),
    ],
)
def test_calls_stand_at_their_lower_bound(
    linked: Tenant, like: str, calls: int, due: int, recurring: tuple[int, str, int] | None
) -> None:
    """The quote, its newest version, its customers, and its terms where something recurs; one more for an attempt."""
    made = LinkedQuote.create(linked, like)
    before = len(list_cpq_calls(linked))
    checkout = made.open()
    assert len(list_cpq_calls(linked)) - before == calls
    payment = checkout.payment
    assert payment.amount == due
    found = (payment.recurring_amount, payment.recurring_interval, payment.recurring_periods)
    assert found == (recurring or (None, "", None))
    if recurring is None:
        assert checkout.pay().status_code == 200
        assert len(list_cpq_calls(linked)) - before == calls + 1
        assert list_cpq_calls(linked)[-1] == f"GET /api/quotes/{made.number}/versions/latest"


def test_it_is_paid_once_and_the_receipt_page_leads_back_to_the_quote(linked: Tenant) -> None:
    CpqConnection.objects.update(order_porter_url="https://na1.orderporter.com/OrderPorter2024/online.order")
    made, payer = LinkedQuote.create(linked), Client()
    location = made.follow(payer)["Location"]
    checkout = made.open()
    answer = checkout.pay(client=payer)
    assert json.loads(answer.content)["status"] == "succeeded"
    again = made.follow(payer)
    assert again["Location"] == location
    assert (count_stored(), linked.total_charged()) == ((1, 1), 249150)
    returned = payer.get(f"/quotes/{checkout.quote.reference}/return")
    text = returned.content.decode()
    assert "Paid. Thank you." in text
    assert f"https://na1.orderporter.com/OrderPorter2024/online.order?passcode={made.passcode}" in text
    assert "Receipt" in text
    stranger = Client().get(f"/quotes/{checkout.quote.reference}/return").content.decode()
    assert made.passcode not in stranger


# ---- one quote, one checkout, one payment, whichever way it comes ---------------------------------


def build_contract_body(made: LinkedQuote, due: str = "2000.00") -> dict[str, Any]:
    """The same quote as CPQ's proxy would send it."""
    view = made.order("edit", fields={}, silently=True)["view"]
    return {
        "quote": {"id": view["id"], "number": made.number, "version": view["quoteVersion"], "currency": "AUD"},
        "customer": {"account_name": "Ridgeline Legal Pty Ltd", "email": "accounts@ridgelinelegal.example"},
        "amounts": {"one_time_total": "4983.00", "tax": "453.00", "due_now": due},
    }


def test_what_our_contract_opened_stays_as_it_was_sent(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    body = build_contract_body(made)
    body["quote"]["name"] = "As CPQ sent it"
    sent = linked.post_checkout(**body)
    assert sent.status_code == 201, sent.content
    checkout = made.open()
    assert checkout.quote.reference == json.loads(sent.content)["id"]
    quote = checkout.quote
    assert (quote.source, quote.payment.amount, quote.name) == ("contract", 200000, "As CPQ sent it")
    calls = len(list_cpq_calls(linked))
    assert checkout.pay().status_code == 200
    assert len(list_cpq_calls(linked)) == calls
    assert (count_stored(), linked.total_charged()) == ((1, 1), 200000)


def test_what_the_link_opened_is_taken_over_by_our_contract(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    opened = made.open()
    sent = linked.post_checkout(**build_contract_body(made))
    assert (sent.status_code, json.loads(sent.content)["id"]) == (200, opened.quote.reference)
    quote = opened.quote
    assert (quote.source, quote.payment.amount, bool(quote.return_url)) == ("contract", 200000, True)
    assert count_stored() == (1, 1)


# ---- every kind of no ----------------------------------------------------------------------------


def hide_keys(made: LinkedQuote) -> None:
    made.tenant.world.config(cpq_keys={"practice+another": {"private_key": "x"}})


def fail(kind: str, **order: Any) -> Callable[[LinkedQuote], None]:
    return lambda made: made.tenant.world.fault("cpq", kind, times=None, **order)


NO_QUERIES: list[tuple[str, dict[str, str]]] = [
    ("15 letters", {"k": "a" * 15}),
    ("65 letters", {"k": "a" * 65}),
    ("a quotation mark", {"k": 'a" or isArchive = False or name = "' + "a" * 16}),
    ("a backslash", {"k": "\\" * 32}),
    ("blanks", {"k": " " * 32}),
    ("other scripts", {"k": "ａ" * 32}),
    ("a wildcard", {"k": "*" * 32}),
    ("nothing", {"k": ""}),
    ("unknown", {"k": UNKNOWN_PASSCODE}),
]
NO_WORLDS: list[tuple[str, Callable[[LinkedQuote], object]]] = [
    ("the passcode was changed", lambda made: made.order("passcode")),
    ("the quote is deleted", lambda made: made.order("delete")),
    ("its passcode is empty in CPQ", lambda made: made.order("passcode", to="")),
    ("the link is switched off", lambda made: CpqConnection.objects.update(is_enabled=False)),
    ("keys of another tenant", lambda made: connect_cpq(made.tenant, keys=CpqKeys("elsewhere", *list_key_parts()))),
    ("the keys were revoked", hide_keys),
    ("429 without Retry-After", fail("status", status=429)),
    ("502 in HTML", fail("html", status=502)),
    ("no answer", fail("drop_before")),
    ("an answer that is no list", fail("odd", name="200 an empty object")),
    ("an answer cut off", fail("odd", name="200 cut JSON")),
    ("nested without end", fail("odd", name="200 nested deeply")),
    ("moved elsewhere", fail("odd", name="302")),
]


def list_key_parts() -> tuple[str, str]:
    return KEYS.public_key, KEYS.private_key


def read_no_page(made: LinkedQuote, **query: str) -> str:
    """Follow a link that leads nowhere: the page, without what changes from request to request."""
    answer = made.follow(**query)
    assert answer.status_code == 404, answer.content.decode()
    assert answer["Referrer-Policy"] == "no-referrer"
    return answer.content.decode().split("<body", 1)[1]


def test_every_kind_of_no_has_the_same_words_and_leaves_nothing(linked: Tenant, settings: Any) -> None:
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 10_000
    made = LinkedQuote.create(linked)
    elsewhere = Client().get("/q/nobody", {"k": made.passcode})
    assert elsewhere.status_code == 404
    first = elsewhere.content.decode().split("<body", 1)[1]
    before = len(list_cpq_calls(linked))
    for name, query in NO_QUERIES:
        assert read_no_page(made, **query) == first, name
    assert len(list_cpq_calls(linked)) == before + 1, "only what can be a passcode reaches CPQ"
    for name, change in NO_WORLDS:
        linked.world.reset(config=True)
        limiter.keyspace = uuid.uuid4().hex  # after a refusal for too many calls nobody calls for a while
        connect_cpq(linked)
        made = LinkedQuote.create(linked)
        change(made)
        assert read_no_page(made) == first, name
        assert count_stored() == (0, 0), name


CALLS = ("/api/quotes", "*/versions/latest", "*/customers", "*/quoteTerms")
# What may happen between two steps: the fault of the practice CPQ, and what the payer is answered.
BETWEEN: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("gone", {"kind": "status", "status": 404}, (404,)),
    ("refused", {"kind": "status", "status": 403}, (404,)),
    ("keys revoked", {"kind": "status", "status": 401}, (404,)),
    ("failing", {"kind": "status", "status": 503}, (404,)),
    ("silent", {"kind": "drop_before"}, (404,)),
    ("another shape", {"kind": "odd", "name": "200 null"}, (404,)),
    ("text", {"kind": "odd", "name": "200 HTML"}, (404,)),
    ("nothing in it", {"kind": "odd", "name": "200 a list"}, (404, 409)),
]


def test_whatever_happens_between_two_steps_leaves_nothing(linked: Tenant, settings: Any) -> None:
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 10_000
    settings.QUOTE_LINKS_PER_MERCHANT_MINUTE = settings.CPQ_CALLS_PER_MINUTE = 10_000
    made = LinkedQuote.create(linked, "mixed")
    for path, (name, fault, statuses) in itertools.product(CALLS, BETWEEN):
        with linked.world.inject_fault("cpq", path=path, **fault):
            answer = made.follow()
        assert answer.status_code in statuses, (path, name, answer.content)
        assert count_stored() == (0, 0), (path, name)
    changes = [
        ("quoteVersion", 2, 303),  # the newest version, with the same passcode
        ("orderPorterPasscode", "f" * 32, 409),
        ("isOrderPorterApproved", False, 409),
        ("quoteNumber", 7, 404),
        ("id", "../../settings/user", 404),
        ("quoteTotal", None, 409),
        ("quoteTotal", 1e300, 409),
        ("baseCurrency", 7, 409),
    ]
    for field, value, status in changes:
        with linked.world.inject_fault("cpq", "mutate", path="*/versions/latest", field=field, value=value):
            assert made.follow().status_code == status, field
    with linked.world.inject_fault("cpq", "mutate", path="*/customers", field="0.emailAddress", value="none"):
        assert LinkedQuote.create(linked).follow().status_code == 409


def test_the_clock_of_the_tenant_changes_nothing(linked: Tenant) -> None:
    linked.world.config(cpq_hours_ahead=13)
    checkout = LinkedQuote.create(linked).open()
    assert checkout.pay().status_code == 200


def test_another_merchants_passcode_opens_nothing(linked: Tenant, other_shop: Tenant) -> None:
    connect_cpq(other_shop, keys=CpqKeys("elsewhere", *list_key_parts()))
    made = LinkedQuote.create(linked)
    assert Client().get(f"/q/{other_shop.merchant.reference}", {"k": made.passcode}).status_code == 404
    assert count_stored() == (0, 0)


def test_a_passcode_is_compared_letter_by_letter_after_the_read(linked: Tenant) -> None:
    made = LinkedQuote.create(linked, passcode="abcdefabcdefabcdefabcdefabcdefab")
    assert made.follow(k=made.passcode.upper()).status_code == 404
    assert made.follow().status_code == 303


def test_links_are_limited_by_network_and_by_merchant(linked: Tenant, settings: Any) -> None:
    made = LinkedQuote.create(linked)
    settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 1  # is of other pages: their calls are not used up
    assert made.follow().status_code == 303
    RateWindow.objects.all().delete()
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE = 3
    assert [made.follow(k=UNKNOWN_PASSCODE).status_code for _ in range(4)] == [404, 404, 404, 429]
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE, settings.QUOTE_LINKS_PER_MERCHANT_MINUTE = 100, 4
    assert [made.follow(k=UNKNOWN_PASSCODE).status_code for _ in range(2)] == [404, 429]


def test_the_passcode_stands_in_no_log_line(linked: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    made = LinkedQuote.create(linked)
    for path in (f"/q/x?k={made.passcode}", f"https://host/q/x?a=1&k={made.passcode}&b=2", f"%3Fk%3D{made.passcode}"):
        assert made.passcode not in redact_text(f"GET {path} HTTP/1.1")
    asked = f"/api/quotes?conditions=orderPorterPasscode+%3D+%22{made.passcode}%22&pageSize=50"
    assert made.passcode not in redact_text(f"refused: url: {asked}")
    capfd.readouterr()
    for kind in ("drop_before", "html"):
        with linked.world.inject_fault("cpq", kind, status=502):
            made.follow()
    made.follow()
    shown = "".join(capfd.readouterr())
    assert made.passcode not in shown


# ---- refused with a reason -------------------------------------------------------------------------


def edit(**fields: Any) -> Callable[[LinkedQuote], object]:
    return lambda made: made.order("edit", fields=fields)


def terms(**fields: Any) -> Callable[[LinkedQuote], object]:
    return lambda made: made.order("rows", kind="terms", fields=fields)


def add_customer(made: LinkedQuote) -> None:
    made.order("rows", kind="customers", fields={"id": "c1"}, add={"accountName": "Somebody else"})


AMOUNTS = ("quoteTotal", "tax", "recurringTotal", "selectedTermsTotal")
REFUSED: list[tuple[str, Callable[[LinkedQuote], object], str, str]] = [
    ("not approved", lambda made: made.order("withdraw"), "not accepted yet", "has not accepted"),
    ("won by staff only", edit(isOrderPorterApproved=False, isAccepted=True), "not accepted yet", "by staff"),
    ("expired", lambda made: made.order("expire"), "has expired", "It expired on"),
    ("lost", edit(isLost=True), "no longer be paid", "Lost"),
    ("archived", edit(isArchive=True, quoteStatus="Active"), "can't be opened", ""),
    ("no decision", edit(quoteStatus="No Decision"), "no longer be paid", "No Decision"),
    ("unknown status", edit(quoteStatus="Parked"), "can't be paid online", "“Parked” is no status"),
    ("unknown currency", edit(baseCurrency="A$"), "can't be paid online", "“A$” is no currency"),
    ("no currency", edit(baseCurrency=None), "can't be paid online", "“(empty)” is no currency"),
    ("unknown interval", terms(periodInterval="Fortnightly"), "can't be paid online", "“Fortnightly” is no interval"),
    ("term without selection", terms(isSelected=False), "can't be paid online", "no term of it is chosen"),
    ("a term with a down payment", terms(downPayment=12.5), "can't be paid online", "down payment of its own"),
    ("terms that differ", terms(isSelected=True), "can't be paid online", "What recurs is"),
    ("half a period", terms(recurringPeriods=1.5), "can't be paid online", "recurs 1.5 times"),
    ("two customers", add_customer, "can't be paid online", "2 customers"),
    ("no customer", lambda made: made.order("rows", kind="customers", fields={"emailAddress": ""}), "online", "email"),
    ("a negative total", edit(quoteTotal=-1.0), "can't be paid online", "quoteTotal is -1"),
    ("a total that is text", edit(quoteTotal="12"), "can't be paid online", "no number"),
    ("more down than possible", edit(orderPorterDownPaymentPercent=-5.0), "online", "-5"),
    ("an unreadable last day", edit(expirationDate="soon"), "can't be paid online", "cannot be read"),
    ("nothing due", edit(**dict.fromkeys(AMOUNTS, 0.0)), "Nothing is due", "Nothing"),
    ("tax above the total", edit(tax=99_999.0), "can't be paid online", "tax"),
]


def test_what_cannot_be_paid_is_refused_with_words_for_both_sides(linked: Tenant, settings: Any) -> None:
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE = settings.QUOTE_LINKS_PER_MERCHANT_MINUTE = 10_000
    settings.VENDOR_CALLS_PER_NETWORK_MINUTE = settings.CPQ_CALLS_PER_MINUTE = 10_000
    for name, change, for_payer, for_merchant in REFUSED:
        made = LinkedQuote.create(linked, "mixed")
        change(made)
        answer = made.follow()
        text = answer.content.decode().replace("&#x27;", "'")
        assert answer.status_code == (409 if for_merchant else 404), (name, text)
        assert for_payer in text, (name, text)
        assert count_stored() == (0, 0), name
        if for_merchant:
            entry = AuditEntry.objects.filter(action="cpq.refused").select_related("details").latest("pk")
            assert entry.details.subject == f"Quote {made.number}", name
            assert for_merchant in entry.details.detail, (name, entry.details.detail)


def test_a_word_that_is_given_a_meaning_is_taken(linked: Tenant) -> None:
    made = LinkedQuote.create(linked, "mixed")
    made.order("edit", fields={"baseCurrency": "A$", "quoteStatus": "Signed off"})
    made.order("rows", kind="terms", fields={"periodInterval": "per month"})
    for kind, meaning in (("status", "payable"), ("currency", "AUD"), ("interval", "month")):
        assert made.follow().status_code == 409
        word = CpqWord.objects.get(meaning="")
        assert (word.kind, word.quote_number) == (kind, made.number)
        linked.admin.force_login(linked.user)
        path, named = linked.url("configure/merchants/integrations/cpq/words"), {"kind": kind, "word": word.word}
        for wrong in (
            {"meaning": "nonsense"},
            {"word": "other", "meaning": meaning},
            {"kind": "x", "meaning": meaning},
        ):
            assert linked.admin.post(path, named | wrong).status_code == 302
            assert not CpqWord.objects.exclude(meaning="").filter(pk=word.pk).exists()
        linked.admin.post(path, named | {"meaning": meaning})
    assert made.follow().status_code == 303


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"orderPorterDownPaymentPercent": None}, 498300),
        ({"orderPorterDownPaymentPercent": 33.333}, 166098),
        ({"orderPorterDownPaymentPercent": 10, "orderPorterDownPaymentMinimum": 1000.005}, 100001),
        ({"orderPorterDownPaymentPercent": 0, "orderPorterDownPaymentMinimum": 99999}, 498300),
        ({"orderPorterDownPaymentPercent": 200}, 498300),
        ({"quoteTotal": 4983.004999, "orderPorterDownPaymentPercent": 0}, 498300),
        ({"quoteTotal": 4983.1, "orderPorterDownPaymentPercent": 50}, 249155),
    ],
)
def test_what_is_due_is_the_down_payment_at_most_the_total(linked: Tenant, fields: dict[str, Any], due: int) -> None:
    made = LinkedQuote.create(linked)
    made.order("edit", fields=fields)
    assert made.open().payment.amount == due


def test_a_quote_is_valid_until_the_end_of_its_day_where_the_merchant_is(linked: Tenant) -> None:
    linked.merchant.time_zone = "Pacific/Auckland"
    linked.merchant.save()
    today = timezone.now().astimezone(linked.merchant.zone).date()
    made = LinkedQuote.create(linked)
    made.order("edit", fields={"expirationDate": f"{today}T00:00:00"})
    payment = made.open().payment
    assert payment.expires_at.astimezone(linked.merchant.zone).date() == today + timedelta(days=1)
    other = LinkedQuote.create(linked)
    other.order("edit", fields={"expirationDate": f"{today - timedelta(days=1)}T00:00:00"})
    assert other.follow().status_code == 409
