"""Paying invoices: full, in part and in batches, by card and bank debit, once whatever comes together."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.invoices.pdf import delete_old_documents
from accounting.invoices.services import InvoiceAmount, NotPayable, create_invoice_payment
from accounting.models import InvoiceDocument, LedgerInvoice, ScheduledPayment
from connections.services import disconnect_all
from payments.errors import AmountChanged
from payments.models import Attempt, Payment
from tests.accounting.invoices.scenario import InvoiceScenario, get_future_time, only_xero
from tests.pdf_text import get_pdf_text
from tests.tenants import Tenant, connect_provider

Deliver = Callable[..., int]


@pytest.fixture
def billing(any_tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(any_tenant)


def test_an_invoice_is_paid_by_card_and_the_books_show_it(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice = billing.create_invoice("500.00")
    assert invoice.number in billing.get_outstanding_widget()
    payment = billing.create_payment(invoice)
    assert (payment.amount, payment.origin, payment.purpose) == (50000, "invoices", f"Invoice {invoice.number}")
    answer = billing.pay(payment)
    assert (answer["status"], answer["next"]) == ("succeeded", f"/my/payments/{payment.reference}/paid")
    assert "Payment successful" in billing.client.get(answer["next"]).content.decode()
    assert "waiting for the books" in billing.get_outstanding_widget()
    deliver()
    assert billing.tenant.total_charged() == 50000
    number = f"PF-{payment.reference[:12].upper()}/1"
    assert billing.list_ledger_payments(invoice) == [(number, "500.00", "AUTHORISED")]
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert billing.list_postings(payment) == [("invoice_payment", "posted", 50000)]
    billing.sync_mirror()
    assert billing.get_invoice(invoice.number).status == LedgerInvoice.InvoiceStatus.PAID
    assert invoice.number not in billing.get_outstanding_widget()


def test_a_part_leaves_the_rest_to_be_paid(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice = billing.create_invoice("500.00")
    billing.pay(billing.create_payment(invoice, "120.50"))
    deliver()
    billing.sync_mirror()
    remaining = billing.get_invoice(invoice.number)
    assert remaining.due == 37950
    assert "A$379.50" in billing.get_outstanding_widget()
    billing.pay(billing.create_payment(remaining))
    deliver()
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert [amount for _, amount, _ in billing.list_ledger_payments(invoice)] == ["120.50", "379.50"]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("500.01", "At most A$500.00 can be paid."),
        ("0", "Pay at least A$0.50."),
        ("0.49", "Pay at least A$0.50."),
        ("499.70", "A$0.30 of invoice"),
        ("6,95", "Write the amount with a point"),
        ("-5", "Write the amount as digits"),
        ("1.005", "AUD has 2 decimals"),
        ("", "This field is required."),
    ],
)
def test_an_amount_that_does_not_fit_is_refused_in_its_place(billing: InvoiceScenario, amount: str, words: str) -> None:
    invoice = billing.create_invoice("500.00")
    answer = billing.client.post(f"/my/invoices/{invoice.reference}", {"amount": amount})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Payment.objects.exists()


def test_the_same_choice_again_is_the_same_payment_until_somebody_tries_it(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    first = billing.create_payment(invoice, "100.00")
    assert billing.create_payment(invoice, "100.00") == first
    assert billing.create_payment(invoice, "100.01") != first
    billing.pay(first, "4000000000000002")
    assert billing.create_payment(invoice, "100.00") != first


def test_what_was_only_chosen_is_in_no_list(billing: InvoiceScenario) -> None:
    payment = billing.create_payment(billing.create_invoice("500.00"))
    lists = [billing.client.get("/my/transactions"), billing.tenant.admin.get(billing.tenant.url("payments/"))]
    assert all(payment.reference not in page.content.decode() for page in lists)
    billing.pay(payment, "4000000000000002")
    lists = [billing.client.get("/my/transactions"), billing.tenant.admin.get(billing.tenant.url("payments/"))]
    assert all(payment.reference in page.content.decode() for page in lists)


# ---- bank debits ---------------------------------------------------------------------------------


def test_a_bank_debit_is_in_flight_until_it_settles_and_nothing_is_posted_before(
    billing: InvoiceScenario, deliver: Deliver
) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice, "300.00")
    assert billing.pay_by_bank(payment)["status"] == "settling"
    deliver()
    assert billing.list_ledger_payments(invoice) == []
    assert "Processing: bank debit of A$300.00 sent" in billing.get_outstanding_widget()
    refused = billing.submit_pay_invoice(invoice, "200.01", confirmed="on")
    assert "At most A$200.00 can be paid." in refused.content.decode()
    billing.tenant.act_at_stripe("settle", billing.get_latest_attempt(payment).stripe_payment_intent_id)
    deliver(at=get_future_time(hours=1))
    assert [amount for _, amount, _ in billing.list_ledger_payments(invoice)] == ["300.00"]


def test_a_rejected_debit_frees_the_invoice_and_says_why(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay_by_bank(payment)
    billing.tenant.act_at_stripe(
        "bounce", billing.get_latest_attempt(payment).stripe_payment_intent_id, code="insufficient_funds"
    )
    deliver(at=get_future_time(hours=1))
    assert billing.list_ledger_payments(invoice) == []
    assert "not enough money in the account" in billing.get_outstanding_widget()
    [mail] = [m for m in billing.tenant.mails(billing.email) if "rejected" in m["subject"]]
    assert "Pay Invoice" in mail["text"]
    assert "quote" not in mail["text"].lower()
    billing.pay(billing.create_payment(invoice))
    assert billing.tenant.total_charged() == 50000


# ---- batches -------------------------------------------------------------------------------------


@only_xero
def test_a_batch_is_one_payment_with_a_posting_for_each_invoice(billing: InvoiceScenario, deliver: Deliver) -> None:
    one, two, three = (billing.create_invoice(amount) for amount in ("100.00", "200.00", "300.00"))
    answer = billing.submit_batch({one: "100.00", three: "250.00"})
    payment = billing.get_payment_by_path(answer["Location"])
    assert payment.amount == 35000
    assert payment.purpose == f"2 invoices: {one.number}, {three.number}"
    page = billing.client.get(f"/pay/{payment.reference}").content.decode()
    assert all(words in page for words in (f"Invoice {one.number}", "A$100.00", f"Invoice {three.number}", "A$250.00"))
    assert billing.pay(payment)["status"] == "succeeded"
    before = len(billing.tenant.world.journal("xero"))
    deliver()
    sent = [
        e for e in billing.tenant.world.journal("xero")[before:] if (e["method"], e["path"]) == ("PUT", "/Payments")
    ]
    assert len(sent) == 1
    assert [billing.get_ledger_status(i) for i in (one, two, three)] == [
        ("PAID", "0.00"),
        ("AUTHORISED", "200.00"),
        ("AUTHORISED", "50.00"),
    ]
    [mail] = [m for m in billing.tenant.mails(billing.email) if "Receipt" in m["subject"]]
    assert f"Invoice {three.number}: A$250.00" in mail["text"]


def test_a_batch_that_allocates_too_much_is_refused_in_its_place(billing: InvoiceScenario) -> None:
    one, two = billing.create_invoice("100.00"), billing.create_invoice("200.00")
    answer = billing.submit_batch({one: "100.00", two: "200.01"})
    assert answer.status_code == 422
    assert "At most A$200.00 can be paid." in answer.content.decode()
    assert not Payment.objects.exists()


def test_a_batch_of_nothing_is_refused(billing: InvoiceScenario) -> None:
    one = billing.create_invoice("100.00")
    path = f"/my/invoices/batch?company={billing.company.reference}&currency=AUD"
    answer = billing.client.post(path, {f"amount-{one.reference}": "100.00"})
    assert (answer.status_code, "Choose at least one invoice." in answer.content.decode()) == (422, True)


@only_xero
def test_invoices_of_two_companies_or_currencies_are_never_one_payment(billing: InvoiceScenario) -> None:
    other = InvoiceScenario(billing.tenant, name="Reef Physio", email="reef@example.com")
    one, foreign, usd = (
        billing.create_invoice("100.00"),
        other.create_invoice("50.00"),
        billing.create_invoice("70.00", currency="USD"),
    )
    for wrong in (foreign, usd):
        with pytest.raises(NotPayable):
            create_invoice_payment(
                billing.company,
                [InvoiceAmount(one, 100), InvoiceAmount(wrong, 100)],
                by=None,
                origin="invoices",
                now=get_future_time(),
            )
    page = billing.client.get("/my/invoices/batch").content.decode()
    assert "AUD" in page
    assert "USD" in page
    assert foreign.number not in page


# ---- what changes between choosing and paying ----------------------------------------------------


def test_an_amount_that_changed_meanwhile_is_refused_before_anything_is_charged(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.act_in_ledger("pay", invoice=invoice.number, amount="200.00")
    billing.sync_mirror()
    answer = billing.pay(payment)
    assert (answer["code"], answer["next"]) == ("amount_changed", f"/pay/{payment.reference}")
    page = billing.client.get(answer["next"]).content.decode()
    assert "A$300.00 can be paid now, which is less than A$500.00" in page
    assert f'href="/my/invoices/{invoice.reference}"' in page
    assert billing.tenant.intents() == []


@pytest.mark.parametrize(("act", "words"), [("void", "was voided"), ("pay", "is paid already")])
def test_an_invoice_that_is_over_meanwhile_is_not_charged(billing: InvoiceScenario, act: str, words: str) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.act_in_ledger(act, invoice=invoice.number)
    billing.sync_mirror()
    answer = billing.pay(payment)
    assert answer["code"] == "not_payable"
    assert words in answer["message"]
    assert billing.tenant.intents() == []
    assert words in billing.client.get(f"/my/invoices/{invoice.reference}").content.decode()


def test_an_invoice_paid_in_the_ledger_without_an_event_is_refetched_while_the_payer_types(
    billing: InvoiceScenario, deliver: Deliver
) -> None:
    invoice = billing.create_invoice("500.00")
    LedgerInvoice.objects.update(read_at=get_future_time(minutes=-3))
    billing.act_in_ledger("pay", invoice=invoice.number, amount="500.00")
    payment = billing.create_payment(invoice)
    deliver()
    answer = billing.pay(payment)
    assert (answer["code"], "is paid already" in answer["message"]) == ("not_payable", True)
    assert billing.tenant.total_charged() == 0


def test_two_people_with_a_page_each_are_charged_once(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    ada, bo = billing.create_payment(invoice, "500.00"), billing.create_payment(invoice, "499.50")
    assert billing.pay(ada)["status"] == "succeeded"
    answer = billing.pay(bo, client=billing.create_other_payer())
    assert (answer["status"], answer["code"]) == ("refused", "not_payable")
    assert billing.tenant.total_charged() == 50000


def test_a_double_click_is_one_charge(billing: InvoiceScenario) -> None:
    payment = billing.create_payment(billing.create_invoice("500.00"))
    assert billing.pay(payment)["status"] == "succeeded"
    assert billing.pay(payment)["status"] == "refused"
    assert billing.tenant.total_charged() == 50000


def test_a_payment_in_flight_and_another_do_not_exceed_what_is_due(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    first, second = billing.create_payment(invoice, "300.00"), billing.create_payment(invoice, "200.01")
    billing.pay_by_bank(first)
    answer = billing.pay(second)
    assert answer["code"] == "amount_changed"
    assert "A$200.00 can be paid now" in answer["message"]
    assert Attempt.objects.count() == 1


def test_a_service_that_promises_too_much_is_refused(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    with pytest.raises(AmountChanged):
        create_invoice_payment(
            billing.company, [InvoiceAmount(invoice, 50001)], by=None, origin="automatic", now=get_future_time()
        )
    assert not ScheduledPayment.objects.exists()


# ---- who sees what -------------------------------------------------------------------------------


def test_only_people_of_the_whole_company_see_its_invoices(billing: InvoiceScenario, stranger: Tenant) -> None:
    invoice = billing.create_invoice("500.00")
    own = billing.create_other_payer("own@example.com", scope="own")
    other = Client()
    other.force_login(stranger.access("eve@example.com").user)
    for client in (own, other):
        assert invoice.number not in client.get("/my/outstanding").content.decode()
        for path in (f"/my/invoices/{invoice.reference}", f"/my/invoices/{invoice.reference}/pdf"):
            assert client.get(path).status_code == 404
        answer = client.post(f"/my/invoices/{invoice.reference}", {"amount": "1.00"})
        assert answer.status_code == 404


@only_xero
def test_after_another_company_is_connected_only_its_invoices_are_offered_and_paid(billing: InvoiceScenario) -> None:
    tenant = billing.tenant
    old = billing.create_invoice("500.00")
    chosen = billing.create_payment(old)
    disconnect_all(tenant.merchant, by="admin", now=timezone.now())
    assert old.number in billing.get_outstanding_widget(), "the books may only be away for a moment"
    connect_provider(tenant.merchant, tenant.user, provider="xero", organisation="nz")
    assert old.number not in billing.get_outstanding_widget()
    page = billing.client.get(f"/my/invoices/{old.reference}").content.decode()
    assert "is in books that are not used any more" in page
    assert "Amount to Pay" not in page
    assert billing.submit_batch({old: "500.00"}).status_code == 200, "there is nothing to choose"
    assert "not used any more" in billing.pay(chosen)["message"]
    with pytest.raises(NotPayable):
        create_invoice_payment(
            billing.company, [InvoiceAmount(old, 1)], by=None, origin="invoices", now=get_future_time()
        )
    assert tenant.total_charged() == 0


@only_xero
def test_pf_invoices_are_not_offered(billing: InvoiceScenario, deliver: Deliver) -> None:
    checkout = billing.tenant.open_checkout()
    billing.tenant.world.fault("xero", "status", status=503, method="PUT", path="/Payments*", times=1)
    checkout.pay()
    deliver()
    billing.sync_mirror()
    pf = billing.get_invoice(f"PF-{checkout.payment.reference[:12].upper()}")
    assert pf.is_payable
    assert pf.number not in billing.get_outstanding_widget()
    assert "belongs to a quote" in billing.submit_pay_invoice(pf).content.decode()


def test_the_document_is_the_one_of_the_books(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    answer = billing.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert invoice.number in get_pdf_text(answer.content)


@only_xero
def test_without_the_ledger_a_page_says_why_there_is_no_document(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    billing.tenant.world.fault("xero", "status", status=503, times=None)
    answer = billing.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert answer.status_code == 503
    assert "does not answer at the moment" in answer.content.decode()


@only_xero
def test_a_voided_invoice_has_no_document(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    billing.act_in_ledger("void", invoice=invoice.number)
    billing.sync_mirror()
    asked = len(billing.tenant.world.journal("xero"))
    answer = billing.client.get(f"/my/invoices/{invoice.reference}/pdf")
    assert (answer.status_code, "can&#x27;t be downloaded" in answer.content.decode()) == (503, True)
    assert len(billing.tenant.world.journal("xero")) == asked


def count_document_calls(billing: InvoiceScenario) -> int:
    """How often a ledger was asked for a PDF."""
    calls = [*billing.tenant.world.journal("xero"), *billing.tenant.world.journal("intuit")]
    return sum("pdf" in str(call).lower() for call in calls)


@only_xero
def test_a_document_is_read_once_for_each_version(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    path = f"/my/invoices/{invoice.reference}/pdf"
    first = [billing.client.get(path).content for _ in range(20)]
    assert len(set(first)) == 1
    assert count_document_calls(billing) == 1
    LedgerInvoice.objects.filter(pk=invoice.pk).update(changed_at=timezone.now() + timedelta(minutes=1))
    assert billing.client.get(path).content.startswith(b"%PDF")
    assert count_document_calls(billing) == 2


@only_xero
def test_a_person_has_so_many_documents_read_an_hour(billing: InvoiceScenario, settings: Any) -> None:
    settings.DOCUMENTS_PER_PERSON_HOUR = 2
    # Documents are read while half of a minute's calls are left: a sync for each invoice would use up nearly as many.
    invoices = billing.create_invoices(4)
    answers = [billing.client.get(f"/my/invoices/{invoice.reference}/pdf") for invoice in invoices]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 3601
    assert count_document_calls(billing) == 2
    assert billing.client.get(f"/my/invoices/{invoices[0].reference}/pdf").status_code == 200


@only_xero
def test_copies_of_documents_go_when_they_are_old_or_too_many(billing: InvoiceScenario, settings: Any) -> None:
    invoices = [billing.create_invoice("500.00") for _ in range(3)]
    now = timezone.now()
    for age, invoice in enumerate(invoices):
        content = b"%PDF" + b"x" * 600_000
        InvoiceDocument.objects.create(
            invoice=invoice, version=now, content=content, size=len(content), read_at=now - timedelta(hours=age * 13)
        )
    assert delete_old_documents(now=now) == 1
    settings.DOCUMENT_CACHE_MEGABYTES = 1
    assert delete_old_documents(now=now) == 1
    assert InvoiceDocument.objects.get().invoice == invoices[0]
