"""Receipts: the page and the PDF show who paid what, what was refunded, and whom to ask."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Merchant
from payers.models import PayerAccess
from payments.models import Payment
from tests.payments.portal.factories import (
    PortalPayer,
    create_attempt,
    create_company,
    create_paid_attempt,
    create_payer,
    create_payment,
    create_reversed_attempt,
    record_result,
)
from tests.pdf_text import get_pdf_text
from tests.tenants import Checkout, Tenant
from wisepay.money import Money


@pytest.fixture
def ada(tenant: Tenant) -> PortalPayer:
    tenant.merchant.contact_email = "help@northwind-it.example"
    tenant.merchant.save()
    found = create_payer("ada@harbourdental.example", "Ada Payer")
    found.give_access(create_company(tenant, "Harbour Dental"))
    return found


@pytest.fixture
def row(ada: PortalPayer) -> Payment:
    return create_payment(PayerAccess.objects.get(user=ada.user).company)


def get_page_and_pdf(ada: PortalPayer, row: Payment) -> tuple[str, str]:
    """The page, and the words of the document."""
    page = ada.get(f"/my/payments/{row.reference}/receipt")
    answer = ada.client.get(f"/my/payments/{row.reference}/receipt.pdf")
    assert answer["Content-Type"] == "application/pdf"
    return page, get_pdf_text(answer.content)


def test_a_receipt_says_who_paid_whom_what_and_how(ada: PortalPayer, row: Payment) -> None:
    create_paid_attempt(row)
    day = timezone.now().astimezone(row.merchant.zone)
    for text in get_page_and_pdf(ada, row):
        for words in (
            "Northwind IT",
            "Harbour Dental",
            "Accounts Payable",
            row.purpose,
            "A$625.00",
            row.details["reference"],
            row.reference,
            "help@northwind-it.example",
            f"{day.day} {day:%b %Y}",
            "4242",
        ):
            assert words in text


def test_the_file_is_named_after_the_reference(ada: PortalPayer, row: Payment) -> None:
    create_paid_attempt(row)
    Payment.objects.filter(pk=row.pk).update(details={"reference": 'Q1"\r\nX: 1/../ü'})
    answer = ada.client.get(f"/my/payments/{row.reference}/receipt.pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="receipt-Q1---X--1------{row.reference}.pdf"'


def test_refunds_and_what_is_left_stand_on_it(ada: PortalPayer, row: Payment) -> None:
    taken = create_paid_attempt(row)
    now = timezone.now()
    for number, (amount, state) in enumerate(((10000, "succeeded"), (2000, "processing"), (3000, "failed"))):
        row.refunds.create(attempt=taken, amount=amount, idempotency_key=f"r{number}", state=state, state_at=now)
    for text in get_page_and_pdf(ada, row):
        for words in ("Refunded", "A$100.00", "Refund, on its way", "could not be given back", "A$525.00"):
            assert words in text


def test_a_reversal_stands_on_it_and_nothing_is_left(ada: PortalPayer, row: Payment) -> None:
    create_reversed_attempt(row)
    for text in get_page_and_pdf(ada, row):
        assert "Receipt of a reversed payment" in text
        assert "It is owed again." in text
        assert "A$0.00" in text


def test_after_a_reversal_the_second_payment_counts(ada: PortalPayer, row: Payment) -> None:
    create_reversed_attempt(row)
    row.refresh_from_db()
    create_paid_attempt(row, at=timezone.now() + timedelta(minutes=1))
    for text in get_page_and_pdf(ada, row):
        assert "reversed payment" not in text
        assert "Reversed: the bank took it back" in text
        assert "Paid with Visa" in text


@pytest.mark.parametrize("state", ["open", "failed"])
def test_nothing_that_is_unpaid_has_a_receipt(ada: PortalPayer, row: Payment, state: str) -> None:
    if state == "failed":
        record_result(create_attempt(row), "failed", code="expired_card")
    for tail in ("receipt", "receipt.pdf"):
        assert ada.client.get(f"/my/payments/{row.reference}/{tail}").status_code == 404


def test_strangers_and_guests_get_no_receipt(ada: PortalPayer, row: Payment, stranger: Tenant) -> None:
    create_paid_attempt(row)
    other = create_payer("eve@example.com")
    other.give_access(create_company(stranger, "Other Co"))
    for tail in ("receipt", "receipt.pdf"):
        path = f"/my/payments/{row.reference}/{tail}"
        assert other.client.get(path).status_code == 404
        other.client.logout()
        assert other.client.get(path).status_code == 302
        other.client.force_login(other.user)


def test_the_document_says_itself_when_letters_are_lost(ada: PortalPayer, row: Payment) -> None:
    create_paid_attempt(row)
    assert "Some letters" not in get_page_and_pdf(ada, row)[1]
    Payment.objects.filter(pk=row.pk).update(purpose="Quote 7 v1: Łódź 株式会社 \\ " + "long " * 16)
    page, words = get_page_and_pdf(ada, row)
    assert "Łódź" in page
    assert "Łódź 株式会社" in words
    assert "Some letters" not in words
    Payment.objects.filter(pk=row.pk).update(purpose="Quote 7 v1: \U0001f600")
    assert "Some letters can't be printed here." in get_page_and_pdf(ada, row)[1]


@pytest.mark.parametrize("currency", ["INR", "ILS", "KRW", "PHP", "VND", "EUR", "GBP", "JPY", "NGN", "UAH", "TRY"])
def test_an_amount_is_printed_with_the_sign_of_its_currency(ada: PortalPayer, row: Payment, currency: str) -> None:
    """crater#42, cashier-stripe#781 and PrestaShop#9817: the sign became a question mark."""
    create_paid_attempt(row)
    Payment.objects.filter(pk=row.pk).update(currency=currency)
    words = get_page_and_pdf(ada, row)[1]
    amount = str(Money(row.amount, currency))
    assert amount in words
    assert "?" not in words.replace("Questions?", "")


def test_a_purpose_with_commands_of_pdf_or_markdown_is_only_text(ada: PortalPayer, row: Payment) -> None:
    create_paid_attempt(row)
    Payment.objects.filter(pk=row.pk).update(purpose="**x** ) Tj ET <b>y</b>")
    assert "**x** ) Tj ET <b>y</b>" in get_page_and_pdf(ada, row)[1]


COMPLETE = ("12 Harbour Street", "ABN 51 824 753 556", "PO-7781", "Including tax", "A$113.64", "Total paid")


@pytest.fixture
def complete(tenant: Tenant) -> Checkout:
    """A quote with a tax and a purchase order, of a merchant with an address and a tax number."""
    Merchant.objects.filter(pk=tenant.merchant.pk).update(
        postal_address="12 Harbour Street\nSydney NSW 2000", tax_number="ABN 51 824 753 556"
    )
    return tenant.open_checkout(quote={"purchase_order_number": "PO-7781"})


def test_page_document_and_mail_of_a_receipt_are_complete(
    tenant: Tenant, complete: Checkout, deliver: Callable[..., int]
) -> None:
    browser = Client()
    assert complete.pay(client=browser).status_code == 200
    deliver()
    page = browser.get(f"{complete.path}/receipt").content.decode()
    document = browser.get(f"{complete.path}/receipt.pdf").content
    [mail] = [m for m in tenant.mails("accounts@harbourdental.example") if "Receipt" in m["subject"]]
    for text in (page, get_pdf_text(document)):
        assert [words for words in COMPLETE if words not in text] == []
    assert [words for words in COMPLETE[:-1] if words not in mail["text"]] == []
    assert "AEDT" in page or "AEST" in page
    assert f"receipt-Q{complete.quote.number}-1-{complete.payment.reference}.pdf" in json.dumps(mail)


def test_a_guest_comes_to_the_receipt_by_the_link_of_the_mail_and_nobody_else_does(
    tenant: Tenant, complete: Checkout, deliver: Callable[..., int]
) -> None:
    complete.pay()
    deliver()
    [mail] = [m for m in tenant.mails("accounts@harbourdental.example") if "Receipt" in m["subject"]]
    link = urlsplit(re.search(r"https?://\S+/receipt\?key=\S+", mail["text"])[0])  # type: ignore[index]
    guest, stranger = Client(), Client()
    answer = guest.get(f"{link.path}?{link.query}")
    assert (answer.status_code, answer["Location"]) == (302, f"{complete.path}/receipt")
    for tail in ("receipt", "receipt.pdf"):
        seen = guest.get(f"{complete.path}/{tail}")
        assert seen.status_code == 200
        assert "no-store" in seen["Cache-Control"]
        assert stranger.get(f"{complete.path}/{tail}").status_code == 404
    for key in ("", "x", complete.payment.reference, link.query[4:] + "x"):
        assert stranger.get(link.path, {"key": key}).status_code == 404
    assert stranger.get(tenant.open_checkout().path + "/receipt", {"key": link.query[4:]}).status_code == 404


def test_who_only_tried_to_pay_sees_no_receipt_of_another(tenant: Tenant, complete: Checkout) -> None:
    tried = Client()
    complete.pay("4000000000009995", client=tried)
    complete.pay()
    assert tried.get(f"{complete.path}/receipt").status_code == 404
    assert "receipt" not in tried.get(complete.path).content.decode().partition("<main")[2].partition("by e-mail")[2]
