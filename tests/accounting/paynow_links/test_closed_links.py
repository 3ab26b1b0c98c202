"""Links that open nothing: altered, guessed, foreign, expired, replaced, off; and invoices that cannot be paid.

That the number alone of an invoice opens nothing is what 206Tours/DB#500 and invoiceninja/invoiceninja#6627 are about;
that a link cannot be guessed, SolidInvoice/SolidInvoice#1992.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounting.models import LedgerApplication, LedgerInvoice
from connections.models import LinkedOrganisation
from merchants.models import PayNowLink
from merchants.paynow_links import LinkUnknown, create_paynow_link, read_signed_link
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.paynow_links.steps import (
    BY_NUMBER,
    EVENT,
    MAIL,
    QUICK,
    XERO,
    Guest,
    get_active_link,
    get_event_path,
    get_key_path,
    get_text,
)
from tests.tenants import Tenant
from wisepay.models import User


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(tenant)


@pytest.fixture
def invoice(billing: InvoiceScenario) -> LedgerInvoice:
    """An invoice of 500.00 that was read a moment ago, so that nothing is asked of the books."""
    return billing.create_invoice("500.00")


def list_altered(path: str) -> list[str]:
    """A signed path with every part of it changed in turn."""
    token = path.removeprefix("/i/")
    text, _, signature = token.rpartition(":")
    number = re.search(r"\d+", text)
    assert number is not None
    return [
        *(
            f"{text}:{signature[:place]}{'B' if signature[place] != 'B' else 'C'}{signature[place + 1 :]}"
            for place in (0, 20)
        ),
        f"x{token[1:]}",
        f"{text[0]}{int(number[0]) + 1}{text[number.end() :]}:{signature}",
        token.replace(".i", ".p"),
        f"{text[:-1]}{(int(text[-1]) + 1) % 10}:{signature}",
        text,
        f"{text}:",
        f"{token}x",
        token.swapcase(),
        f"{text} :{signature}",
        "",
        "%00",
        "e1.i" + "a" * 20 + ".1:" + "a" * 43,
    ]


def test_a_link_that_was_altered_opens_nothing_and_tells_nothing(invoice: LedgerInvoice) -> None:
    path, bodies = get_event_path(invoice), set()
    assert Client().get(path).status_code == 200
    for altered in list_altered(path):
        answer = Client().get(f"/i/{altered}")
        assert answer.status_code == 404, altered
        bodies.add(get_text(answer) if altered else "")
    assert len(bodies) == 2


def test_a_signature_is_good_for_one_version_of_one_kind(invoice: LedgerInvoice) -> None:
    token = get_event_path(invoice).removeprefix("/i/")
    signed = read_signed_link(token)
    for kind in BY_NUMBER:
        other = PayNowLink.objects.get(kind=kind, is_active=True)
        forged = token.replace(f"e{signed.link_id}.", f"{kind[0]}{other.pk}.")
        with pytest.raises(LinkUnknown):
            read_signed_link(forged)


def replace(link: PayNowLink) -> None:
    create_paynow_link(link.merchant, kind=link.kind, acts_as=link.acts_as)


def switch_off(link: PayNowLink) -> None:
    PayNowLink.objects.filter(pk=link.pk).update(is_enabled=False)


def disable_person(link: PayNowLink) -> None:
    User.objects.filter(pk=link.acts_as_id).update(is_active=False)


CLOSED: dict[str, tuple[Callable[[PayNowLink], None], str]] = {
    "replaced": (replace, "This link was replaced"),
    "switched off": (switch_off, "This link does not work at the moment"),
    "its person is disabled": (disable_person, "This link does not work at the moment"),
}


@pytest.mark.parametrize("kind", PayNowLink.Kind.values)
@pytest.mark.parametrize("what", CLOSED)
def test_a_link_that_is_not_used_any_more_says_so_to_whoever_has_it(
    billing: InvoiceScenario, invoice: LedgerInvoice, what: str, kind: str
) -> None:
    close, words = CLOSED[what]
    opened = Guest(billing).open(kind, invoice)
    paths = [opened] if kind == EVENT else [opened, get_key_path(billing.tenant, kind)]
    close(get_active_link(billing.tenant, kind))
    for path in paths:
        answer = Client().get(path)
        assert (answer.status_code, words in get_text(answer)) == (410, True)
        assert invoice.number not in get_text(answer)
        assert Client().post(path, {"invoice": invoice.number, "amount": "500.00"}).status_code == 410
    if kind == EVENT and what == "replaced":
        assert Client().get(get_event_path(invoice)).status_code == 200


def test_links_expire_as_their_settings_say(billing: InvoiceScenario, invoice: LedgerInvoice) -> None:
    old = get_event_path(invoice, days_ago=181)
    assert "This link has expired" in get_text(Client().get(old))
    PayNowLink.objects.update(expires_days=None)
    assert Client().get(old).status_code == 200
    PayNowLink.objects.update(expires_days=10)
    LedgerInvoice.objects.update(issued_on=timezone.now().date() - timedelta(days=12))
    query = {"invoice": invoice.number, "amount": "500.00"}
    for kind in BY_NUMBER:
        answer = Client().get(get_key_path(billing.tenant, kind), query)
        assert (answer.status_code, "This link has expired" in get_text(answer)) == (410, True)


def set_status(invoice: LedgerInvoice, status: str, due: int) -> None:
    LedgerInvoice.objects.filter(pk=invoice.pk).update(status=status, due=due)


def leave_books(invoice: LedgerInvoice) -> None:
    LinkedOrganisation.objects.filter(merchant=invoice.merchant_id).update(organisation_id="another")


STATES: dict[str, tuple[Callable[[LedgerInvoice], None], str]] = {
    "paid": (lambda i: set_status(i, "paid", 0), "is paid already."),
    "voided": (lambda i: set_status(i, "voided", 0), "was voided, so nothing is due."),
    "deleted": (lambda i: set_status(i, "deleted", 0), "was deleted, so nothing is due."),
    "a draft again": (lambda i: set_status(i, "draft", 50000), "is a draft and not sent yet."),
    "in books of before": (leave_books, "is in books that are not used any more."),
}


@pytest.mark.parametrize("what", STATES)
def test_an_invoice_that_cannot_be_paid_says_why_to_whoever_has_its_link(invoice: LedgerInvoice, what: str) -> None:
    path = get_event_path(invoice)
    change, words = STATES[what]
    change(invoice)
    answer = Client().get(path)
    assert (answer.status_code, words in get_text(answer)) == (200, True)
    assert 'name="amount"' not in answer.content.decode()
    refused = Client().post(path, {"amount": "500.00", "shown": 50000, "way": "guest"})
    assert refused.status_code == 200
    assert words in get_text(refused)


# ---- by number and amount --------------------------------------------------------------------------

FITTING = (
    "500.00",
    "500",
    " 500.00 ",
    "$500.00",
    "A$ 500.00",
    "AUD 500.00",
    "500.00 AUD",
    "380.00",
    "300.00",
    "200.00",
)
MISFITTING = ("499.99", "500.01", "5000.0", "-500.00", "5e2", "50000", "500,00", "0", "0.00", "٥٠٠", "120.00", "x" * 40)


def apply_parts(invoice: LedgerInvoice, *parts: int) -> None:
    """Payments in the books, one a day."""
    for place, part in enumerate(parts):
        LedgerApplication.objects.create(
            merchant=invoice.merchant,
            organisation_id=invoice.organisation_id,
            invoice=invoice,
            kind="payment",
            ledger_id=f"part-{place}",
            source_id=f"part-{place}",
            amount=part,
            on=timezone.now().date() + timedelta(days=place),
        )
    LedgerInvoice.objects.filter(pk=invoice.pk).update(due=invoice.total - sum(parts))


def ask(path: str, number: str, amount: str) -> Any:
    """Type a number and an amount."""
    return Client().post(path, {"invoice": number, "amount": amount})


def test_an_amount_fits_as_it_stands_on_any_copy_of_the_invoice(
    billing: InvoiceScenario, invoice: LedgerInvoice, settings: Settings
) -> None:
    """The total, what is due, and what was due before each payment: mails and paper say what they said."""
    settings.INVOICE_GUESSES_PER_NETWORK_HOUR = 1000
    apply_parts(invoice, 12000, 8000, 10000)
    path = get_key_path(billing.tenant, QUICK)
    assert [a for a in FITTING if ask(path, invoice.number, a).status_code != 303] == []
    assert [a for a in MISFITTING if ask(path, invoice.number, a).status_code != 422] == []
    assert ask(path, f" {invoice.number.lower()} ", "500").status_code == 303
    page = Client().get(ask(path, invoice.number, "500.00")["Location"])
    assert "Your copy says A$500.00. By the books A$200.00 can be paid now." in get_text(page)


def normalise(answer: Any, *typed: str) -> str:
    """A page without what was typed into it, and without what every page has of its own."""
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|nonce="[^"]+"', "", answer.content.decode())
    for part in typed:
        text = text.replace(part, "…")
    return text


def test_known_and_unknown_numbers_get_the_same_page_by_the_same_statements(
    billing: InvoiceScenario, invoice: LedgerInvoice, stranger: Tenant
) -> None:
    """Nothing tells a number that exists from one that does not; draft and foreign invoices do not exist."""
    other = billing.create_invoice("70.00")
    set_status(other, "draft", 7000)
    path, pages, statements = get_key_path(billing.tenant, QUICK), set(), set()
    asked = [("INV-0000000", "500.00"), (invoice.number, "500.01"), (other.number, "70.00"), (invoice.number, "many")]
    ask(path, "INV-1", "1.00")  # the first one counts its network anew
    for number, amount in asked:
        with CaptureQueriesContext(connection) as queries:
            answer = ask(path, number, amount)
        assert answer.status_code == 422
        pages.add(normalise(answer, number, amount))
        statements.add(tuple(re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in queries.captured_queries))
    assert len(pages) == 1
    assert len(statements) == 1
    foreign = ask(get_key_path(stranger, QUICK), invoice.number, "500.00")
    assert foreign.status_code == 422


def test_guesses_end_after_a_few_for_a_network_and_for_all_of_them(
    billing: InvoiceScenario, invoice: LedgerInvoice, settings: Settings
) -> None:
    settings.INVOICE_GUESSES_PER_NETWORK_HOUR, settings.INVOICE_GUESSES_PER_MERCHANT_HOUR = 3, 5
    path = get_key_path(billing.tenant, QUICK)

    def guess(amount: str, ip: str) -> int:
        data = {"invoice": invoice.number, "amount": amount}
        return int(Client().post(path, data, REMOTE_ADDR=ip).status_code)

    assert [guess("500.00", "198.51.100.7") for _ in range(6)] == [303] * 6  # what fits is no guess
    assert [guess("1.00", "198.51.100.7") for _ in range(4)] == [422, 422, 422, 429]
    assert guess("500.00", "198.51.100.7") == 429
    assert [guess("1.00", "198.51.100.8") for _ in range(3)] == [422, 422, 429]
    assert guess("500.00", "198.51.100.9") == 429
    assert Client().post(path, {"invoice": invoice.number, "amount": "1.00"})["Retry-After"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"invoice": "[INVOICENUMBER]", "amount": "[AMOUNTDUE]"},
        {"invoice": "NUMBER", "amount": "AMOUNT"},
        {"invoice": "INV-1", "amount": ""},
        {"invoice": "", "amount": "500.00"},
    ],
)
def test_a_variable_that_was_not_filled_in_leads_to_the_form(billing: InvoiceScenario, query: dict[str, str]) -> None:
    """What a mail's template left as it was is a documented fault (merchantadmin.wise-pay.com, 36000173245)."""
    answer = Client().get(get_key_path(billing.tenant, XERO), query)
    assert (answer.status_code, "Which invoice do you want to pay?" in get_text(answer)) == (200, True)


def test_two_invoices_of_one_number_are_told_apart_by_their_amounts_or_not_at_all(
    billing: InvoiceScenario, invoice: LedgerInvoice
) -> None:
    """QuickBooks lets two invoices have one number."""
    twin = billing.create_invoice("80.00")
    LedgerInvoice.objects.filter(pk=twin.pk).update(number=invoice.number)
    path = get_key_path(billing.tenant, MAIL)
    assert [ask(path, invoice.number, amount).status_code for amount in ("500.00", "80.00")] == [303, 303]
    LedgerInvoice.objects.filter(pk=twin.pk).update(total=50000, due=50000)
    assert ask(path, invoice.number, "500.00").status_code == 422
    LedgerInvoice.objects.filter(pk=twin.pk).update(status="paid", due=0)
    assert ask(path, invoice.number, "500.00").status_code == 303


def test_the_currency_of_an_address_has_to_be_the_invoices(billing: InvoiceScenario, invoice: LedgerInvoice) -> None:
    path, query = get_key_path(billing.tenant, XERO), {"invoice": invoice.number, "amount": "500.00"}
    assert Client().get(path, query | {"currency": "aud"}).status_code == 303
    assert Client().get(path, query | {"currency": "USD"}).status_code == 422


@pytest.mark.parametrize("key", ["", "short", "a" * 10, "2" * 32, "A" * 32, "é" * 12, "%00" * 4, "../../etc/passwd"])
def test_a_key_that_is_none_opens_the_page_of_every_no(invoice: LedgerInvoice, key: str) -> None:
    answer = Client().get(f"/l/{key}", {"invoice": invoice.number, "amount": "500.00"})
    assert answer.status_code == 404
    assert invoice.number not in get_text(answer)


def test_a_mail_about_a_payment_leads_to_it_or_to_its_invoice(billing: InvoiceScenario, invoice: LedgerInvoice) -> None:
    quote = billing.tenant.open_checkout()
    path = get_event_path(invoice, subject="p", reference=quote.payment.reference)
    assert Client().get(path)["Location"] == quote.path
    payment = billing.create_payment(invoice)
    path = get_event_path(invoice, subject="p", reference=payment.reference)
    assert f"Pay invoice {invoice.number}" in get_text(Client().get(path))
    billing.pay(payment)
    assert Client().get(path)["Location"] == f"/pay/{payment.reference}"
