"""Payment Sync writes to PSA what was paid in the books: once, not what is ours, and takes back what is gone there."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_subatomic.db import transaction

from accounting.models import LedgerApplication, LedgerInvoice, PaymentAllocation, Posting
from accounting.payment_sync.services import start_payment_sync
from payments.models import Payment
from psa.books_payments import PERHAPS_OURS, build_report, explain_skips, schedule_changed
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.psa.scene import PsaScene, deliver_later
from tests.tenants import Tenant
from wisepay.models import OutboxMessage


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    """Harbour Dental, whose invoices are in the books."""
    return InvoiceScenario(tenant)


def sync(scene: PsaScene, billing: InvoiceScenario, *, wanted: bool = True) -> str:
    """Press Sync Payments, and let workers do what follows; answers the report's page."""
    PsaConnection.objects.update(syncs_payments=wanted)
    now = timezone.now()
    start_payment_sync(scene.tenant.merchant, since=now - timedelta(days=30), by=billing.tenant.user, now=now)
    deliver_later()
    page: str = scene.tenant.admin.get(scene.tenant.url("psa/sync")).content.decode()
    return page


def pay_in_books(billing: InvoiceScenario, number: str, amount: str) -> None:
    """What a bookkeeper does."""
    billing.act_in_ledger("pay", invoice=number, amount=amount)


def test_what_was_paid_in_the_books_stands_in_psa_once(scene: PsaScene, billing: InvoiceScenario) -> None:
    key = scene.bill("INV-1", 500)
    billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    pay_in_books(billing, "INV-1", "120.00")
    page = sync(scene, billing)
    assert [p["amount"] for p in scene.list_payments(key)] == [120.0]
    assert "A$120.00 stands on invoice INV-1" in page
    sync(scene, billing)
    assert [p["amount"] for p in scene.list_payments(key)] == [120.0]
    pay_in_books(billing, "INV-1", "380.00")
    sync(scene, billing)
    assert sorted(p["amount"] for p in scene.list_payments(key)) == [120.0, 380.0]
    assert scene.get_invoice(key)["balance"] == 0


def test_nothing_is_written_until_the_merchant_wants_it(scene: PsaScene, billing: InvoiceScenario) -> None:
    key = scene.bill("INV-1", 500)
    billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    pay_in_books(billing, "INV-1", "120.00")
    page = sync(scene, billing, wanted=False)
    assert (scene.list_payments(key), PsaPayment.objects.count()) == ([], 0)
    assert "writes nothing to ConnectWise PSA" in page


def test_what_wise_pay_has_paid_is_not_written_a_second_time(scene: PsaScene, billing: InvoiceScenario) -> None:
    """Two writers of one payment: the warning of wise-sync.freshdesk.com 36000041647."""
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"), "100.00")
    billing.pay(payment)
    deliver_later()
    page = sync(scene, billing)
    assert [p["amount"] for p in scene.list_payments(key)] == [100.0]
    assert "nothing that was paid elsewhere" in page


def test_a_payment_that_a_person_booked_by_hand_is_not_taken_for_another(
    scene: PsaScene, billing: InvoiceScenario
) -> None:
    """The posting was refused and somebody booked it: the books show a payment that no number of ours is on."""
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"), "100.00")
    billing.pay(payment)
    deliver_later()
    Posting.objects.filter(payment=payment).update(ledger_id="")
    PaymentAllocation.objects.update(outcome="by_hand")
    page = sync(scene, billing)
    assert [p["amount"] for p in scene.list_payments(key)] == [100.0]
    assert "was made with Wise-Pay" in page


def test_what_psa_has_already_is_shown_and_not_written(scene: PsaScene, billing: InvoiceScenario) -> None:
    key = scene.bill("INV-1", 500)
    billing.create_invoice("500.00", number="INV-1")
    scene.control(pay={"invoice": key, "amount": 500.0})
    scene.poll()
    pay_in_books(billing, "INV-1", "500.00")
    page = sync(scene, billing)
    assert len(scene.list_payments(key)) == 1
    assert "entered by SyncTool" in page


def test_an_invoice_that_is_paid_in_psa_since_long_is_no_task(scene: PsaScene, billing: InvoiceScenario) -> None:
    key = scene.bill("INV-1", 500)
    billing.create_invoice("500.00", number="INV-1")
    scene.control(pay={"invoice": key, "amount": 500.0, "paymentDate": "2020-01-01T00:00:00Z"})
    scene.poll()
    pay_in_books(billing, "INV-1", "500.00")
    sync(scene, billing)
    assert [row.state for row in PsaPayment.objects.all()] == ["present"]
    assert len(scene.list_payments(key)) == 1


def test_what_is_not_in_psa_is_a_line_of_the_report(scene: PsaScene, billing: InvoiceScenario) -> None:
    billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    pay_in_books(billing, "INV-1", "500.00")
    page = sync(scene, billing)
    assert "not joined" in page
    assert not PsaPayment.objects.exists()


def test_a_payment_that_is_gone_from_the_books_is_taken_off_the_invoice(
    scene: PsaScene, billing: InvoiceScenario
) -> None:
    key = scene.bill("INV-1", 500)
    billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    pay_in_books(billing, "INV-1", "120.00")
    sync(scene, billing)
    billing.act_in_ledger("delete_payment", invoice="INV-1")
    sync(scene, billing)
    assert ([row.state for row in PsaPayment.objects.all()], scene.list_payments(key)) == (["removed"], [])


def add_paid_invoices(scene: PsaScene, numbers: range) -> None:
    """Invoices that both have, each paid in the books, and by a payment of ours that the books do not show."""
    tenant, now = scene.tenant, timezone.now()
    where = {"merchant": tenant.merchant, "organisation_id": tenant.connection.organisation_id}
    read, money = {"read_at": now}, {"currency": "AUD", "amount": 100}
    fresh = {"state_at": now, "merchant": tenant.merchant, **money}
    shape = {"contact_id": "c", "currency": "AUD", "total": 100, "due": 0, "status": "paid", "changed_at": now, **read}
    invoices = LedgerInvoice.objects.bulk_create(
        LedgerInvoice(**where, **shape, ledger_id=f"l{n}", number=f"N{n}") for n in numbers
    )
    payments = Payment.objects.bulk_create(
        Payment(**fresh, company=tenant.company("Harbour Dental"), state="succeeded", paid_amount=100, paid_at=now,
                origin="invoices", purpose="An invoice", done_path="/", expires_at=now) for _ in numbers
    )  # fmt: skip
    for n, invoice, payment in zip(numbers, invoices, payments, strict=True):
        paid = {"invoice": invoice, "ledger_id": f"p{n}", "source_id": f"p{n}"}
        LedgerApplication.objects.create(**where, **paid, **read, kind="payment", amount=100, on=now.date())
        joined = {"invoice_id": n, "number": f"N{n}", "match": "joined", "ledger_invoice": invoice}
        PsaInvoice.objects.create(connection=scene.connection, **joined, **read)
        PaymentAllocation.objects.create(payment=payment, invoice=invoice, amount=100)
        row = {"invoice_id": n, "psa_payment_id": n, "books_payment_id": f"p{n}", "paid_on": now.date()}
        PsaPayment.objects.create(connection=scene.connection, **fresh, **row, ledger_invoice=invoice, state="written")


def count_statements(scene: PsaScene) -> int:
    """The statements of deciding about everything that was paid in the books."""
    applications = list(LedgerApplication.objects.order_by("pk"))
    with CaptureQueriesContext(connection) as seen:
        reasons = explain_skips(scene.connection, applications)
        build_report(scene.connection, applications)
        with transaction():
            schedule_changed(scene.connection, now=timezone.now())
    assert set(reasons.values()) == {PERHAPS_OURS}
    assert len(reasons) == len(applications)
    return len(seen)


def test_what_is_decided_of_many_payments_is_asked_once_for_all(scene: PsaScene) -> None:
    """A first sync finds the payments of years: wise-sync.freshdesk.com 36000041647."""
    add_paid_invoices(scene, range(1, 3))
    few = count_statements(scene)
    add_paid_invoices(scene, range(3, 31))
    assert (count_statements(scene), few <= 14) == (few, True)
    assert not OutboxMessage.objects.filter(handler="psa.write_payment").exists()
    LedgerApplication.objects.filter(ledger_id="p7").update(amount=60)
    with transaction():
        schedule_changed(scene.connection, now=timezone.now())
    assert OutboxMessage.objects.filter(handler="psa.write_payment").count() == 1
