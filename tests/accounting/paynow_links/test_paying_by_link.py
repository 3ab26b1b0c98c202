"""Clients pay from each of the five kinds of links: read from the books, once, and never too much.

The kinds are those of Wise-Pay's own page "Payment Option: Configure PayNow Links" (merchantadmin.wise-pay.com,
36000138972); Xero's placeholders those of help.xero.com/us/PaymentServices_CustomSetup. Links that charge another
amount than they show are odoo/odoo#223554; invoices that are paid twice by one link, killbill/killbill#1015 and
own-pay/OwnPay#184.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import LedgerContact, LedgerInvoice
from merchants.models import PayNowLink
from payers.models import PayerCompany
from payments.models import Attempt, Payment
from tests.accounting.invoices.scenario import PAYER, InvoiceScenario, only_xero
from tests.accounting.paynow_links.steps import (
    EVENT,
    MAIL,
    QUICK,
    XERO,
    Guest,
    age_reading,
    get_active_link,
    get_key_path,
    get_text,
)
from tests.tenants import Tenant

Deliver = Callable[..., int]


@pytest.fixture
def billing(any_tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(any_tenant)


@only_xero
@pytest.mark.parametrize("kind", PayNowLink.Kind.values)
def test_a_client_pays_from_each_kind_of_link(billing: InvoiceScenario, kind: str, deliver: Deliver) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    PayerCompany.objects.update(email="secret@harbourdental.example", phone="02 5550 4321")
    path = guest.open(kind, invoice)
    page = guest.read(path)
    assert "A$500.00" in page
    assert "Harbour Dental" in page
    payment = guest.start(path, "500.00")
    checkout = guest.client.get(f"/pay/{payment.reference}/guest").content.decode()
    assert "secret@" not in checkout  # what is known of the client is nothing that a link tells
    assert "5550 4321" not in checkout
    answer = guest.pay(payment)
    assert (answer["status"], answer["next"]) == ("succeeded", f"/pay/{payment.reference}")
    assert "Paid. Thank you." in guest.read(answer["next"])
    deliver()
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert billing.list_postings(payment) == [("invoice_payment", "posted", 50000)]
    age_reading(invoice)
    assert "is paid already" in guest.read(path)
    assert len([mail for mail in billing.tenant.mails(PAYER) if "A$500.00" in str(mail["subject"])]) == 1
    assert get_active_link(billing.tenant, kind).last_used_at is not None


def test_a_part_is_paid_by_link_and_then_the_rest(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    assert guest.pay(guest.start(path, "120.50", shown=50000))["status"] == "succeeded"
    deliver()
    age_reading(invoice)
    assert "379.50" in guest.read(path)
    assert guest.pay(guest.start(path, "379.50"))["status"] == "succeeded"
    deliver()
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert billing.tenant.total_charged() == 50000


@only_xero
def test_a_client_whom_nobody_invited_pays_as_the_contact_of_the_books(any_tenant: Tenant, deliver: Deliver) -> None:
    """Payments are taken without any payer record (Wise-Pay, Payer Overview, 36000040373)."""
    billing = InvoiceScenario(any_tenant)
    billing.act_in_ledger("make_contact", name="Never Invited Ltd")
    billing.act_in_ledger(
        "make_invoice", contact="Never Invited Ltd", amount="80.00", number="INV-NI", due_date="2026-12-31"
    )
    billing.sync_mirror()
    invoice, guest = billing.get_invoice("INV-NI"), Guest(billing)
    assert invoice.company is None
    assert LedgerContact.objects.filter(contact_id=invoice.contact_id).exists()
    payment = guest.start(guest.open(QUICK, invoice), "80.00")
    assert guest.pay(payment)["status"] == "succeeded"
    deliver()
    company = PayerCompany.objects.get(merchant=any_tenant.merchant, contact_id=invoice.contact_id)
    assert (company.name, billing.get_invoice("INV-NI").company) == ("Never Invited Ltd", company)
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")


@only_xero
def test_who_signs_in_pays_by_a_saved_method_and_sees_it_in_the_portal(billing: InvoiceScenario) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    answer = guest.submit(path, "500.00", shown=50000, way="account")
    payment = Payment.objects.get()
    assert answer["Location"] == f"/accounts/login/?next=%2Fpay%2F{payment.reference}%2Fcheckout"
    guest.client.force_login(billing.access.user)
    assert guest.client.get(f"/pay/{payment.reference}/checkout").status_code == 200
    # A good link opens whoever is signed in, as PrestaShop/PrestaShop#35537 asks.
    assert "Continue as Ada Payer" in guest.read(path)
    assert guest.submit(path, "500.00", shown=50000, way="account")["Location"] == f"/pay/{payment.reference}/checkout"


@only_xero
def test_two_browsers_with_the_same_link_pay_once(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice, one, two = billing.create_invoice("500.00"), Guest(billing), Guest(billing)
    first = one.start(one.open(EVENT, invoice), "500.00")
    second = two.start(two.open(MAIL, invoice), "500.00")
    assert first != second
    assert one.pay(first)["status"] == "succeeded"
    answer = two.pay(second)
    assert (answer["status"], answer["code"]) == ("refused", "not_payable")
    deliver()
    assert billing.tenant.total_charged() == 50000
    assert Attempt.objects.count() == 1


# What was paid in the books before the link was followed, what the bookkeeper does then, and what is due by that.
CHANGES = {
    "paid in part": ("", ("pay", {"amount": "200.00"}), "500.00", "A$300.00"),
    "made larger": ("", ("edit", {"amount": "640.00"}), "500.00", "A$640.00"),
    "a payment was taken off": ("200.00", ("delete_payment", {}), "300.00", "A$500.00"),
}


@only_xero
@pytest.mark.parametrize("what", CHANGES)
def test_an_amount_that_changed_is_shown_anew_and_nothing_is_charged(billing: InvoiceScenario, what: str) -> None:
    before, (act, parameters), shown, now_due = CHANGES[what]
    number = billing.make_invoice("500.00")
    if before:
        billing.act_in_ledger("pay", invoice=number, amount=before)
    billing.sync_mirror()
    invoice, guest = billing.get_invoice(number), Guest(billing)
    path = guest.open(EVENT, invoice)
    payment = guest.start(path, shown)
    billing.act_in_ledger(act, invoice=number, **parameters)
    age_reading(invoice)
    answer = guest.pay(payment)
    assert (answer["status"], answer["code"]) == ("refused", "amount_changed")
    assert now_due in guest.read(path)
    # Whoever has the page of before open is shown the amount too, before a card.
    stale = guest.submit(path, shown, shown=payment.amount)
    assert stale.status_code == 422
    assert now_due in get_text(stale)
    assert "Choose again" in get_text(guest.client.get(f"/pay/{payment.reference}/guest"))
    assert billing.tenant.total_charged() == 0


@only_xero
def test_an_address_that_another_program_filled_in_fits_before_and_after_a_change(billing: InvoiceScenario) -> None:
    """Xero's button knows an edited amount before the mirror does, and a mail still says the one of before."""
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    billing.act_in_ledger("edit", invoice=invoice.number, amount="640.00")
    age_reading(invoice)
    path = guest.open(XERO, invoice, "640.00")
    assert "A$640.00" in guest.read(path)
    assert billing.get_invoice(invoice.number).former_totals == [50000]
    old = guest.client.get(get_key_path(billing.tenant, MAIL), {"invoice": invoice.number, "amount": "500.00"})
    assert "Your copy says A$500.00. By the books A$640.00 can be paid now." in get_text(
        guest.client.get(old["Location"])
    )


@only_xero
def test_books_that_do_not_answer_charge_nothing(billing: InvoiceScenario) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    payment = guest.start(path, "500.00")
    billing.tenant.world.fault("xero", "status", status=503, times=None)
    age_reading(invoice)
    answer = guest.client.get(path)
    assert answer.status_code == 503
    assert "without them nothing is charged" in get_text(answer)
    refused = guest.pay(payment)
    assert (refused["status"], refused["code"]) == ("refused", "unavailable")
    assert not Attempt.objects.exists()
    billing.tenant.world.clear_faults()


@only_xero
@pytest.mark.parametrize("change", [{"is_active": False}, {"is_enabled": False}])
def test_a_link_that_was_replaced_or_switched_off_ends_its_open_checkouts(
    billing: InvoiceScenario, change: dict[str, bool]
) -> None:
    guest = Guest(billing)
    payment = guest.start(guest.open(MAIL, billing.create_invoice("500.00")), "500.00")
    PayNowLink.objects.filter(pk=get_active_link(billing.tenant, MAIL).pk).update(**change)
    refused = guest.pay(payment)
    assert (refused["status"], refused["code"]) == ("refused", "merchant_not_ready")
    assert not Attempt.objects.exists()


@only_xero
def test_what_may_be_paid_already_is_said_without_what_only_the_client_may_know(
    billing: InvoiceScenario, deliver: Deliver
) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    checkout = billing.tenant.open_checkout(customer={"account_name": billing.name})
    assert checkout.pay().status_code == 200
    deliver()
    page = guest.read(path)
    assert "There is a credit that is not used yet." in page
    assert "PF_CR" not in page
    assert guest.submit(path, "500.00", shown=50000).status_code == 422
    assert guest.pay(guest.start(path, "500.00", confirmed="on"))["status"] == "succeeded"


@only_xero
def test_one_invoice_is_read_only_so_often_for_whoever_reloads(billing: InvoiceScenario, settings: object) -> None:
    settings.INVOICE_READINGS_PER_MINUTE = 2  # type: ignore[attr-defined]
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    for status in (200, 200, 429):
        age_reading(invoice)
        assert guest.client.get(path).status_code == status


@only_xero
def test_an_amount_that_does_not_fit_is_refused_at_its_field(billing: InvoiceScenario) -> None:
    invoice, guest = billing.create_invoice("500.00"), Guest(billing)
    path = guest.open(EVENT, invoice)
    for amount, words in (
        ("500.01", "At most A$500.00 can be paid."),
        ("0.49", "Pay at least A$0.50."),
        ("499.70", "A$0.30 of invoice"),
        ("", "This field is required."),
        ("-5", "Write the amount as digits"),
    ):
        answer = guest.submit(path, amount, shown=50000)
        assert (answer.status_code, words in get_text(answer)) == (422, True), amount
    assert not Payment.objects.exists()


def test_nothing_of_another_merchant_is_opened(billing: InvoiceScenario, stranger: Tenant) -> None:
    """The stranger's keys and signatures open nothing of this merchant's."""
    invoice = billing.create_invoice("500.00")
    LedgerInvoice.objects.filter(pk=invoice.pk).update(read_at=timezone.now() + timedelta(hours=1))
    key = get_active_link(stranger, QUICK).api_key.decrypt()
    answer = Guest(billing).client.post(f"/l/{key}", {"invoice": invoice.number, "amount": "500.00"})
    assert answer.status_code == 422
    assert "No invoice of Other IT" in get_text(answer)
