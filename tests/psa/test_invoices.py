"""Payments of the books' invoices stand on the same invoices of PSA, once, and go back with the money."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.refunds import send_refund, start_refund
from psa.models import PsaInvoice, PsaPayment
from psa.polling import poll_every_connection
from psa.services import update_psa_settings
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.psa.scene import PsaScene, connect, deliver_later
from tests.tenants import Tenant


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    """Harbour Dental, whose invoices are in the books."""
    return InvoiceScenario(tenant)


def list_invoice_calls(scene: PsaScene, since: int) -> list[str]:
    """The calls since then, without what stands before every path."""
    return [call.replace("/psa/v4_6_release/apis/3.0", "") for call in scene.list_calls()[since:]]


def test_a_paid_invoice_is_paid_in_psa_after_two_calls(scene: PsaScene, billing: InvoiceScenario) -> None:
    """ConnectWise's Developer Guide: there is no batch; payments are read, and one is written with source Default."""
    key = scene.bill("INV-1", 500)
    invoice = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    joined = PsaInvoice.objects.get(invoice_id=key)
    assert (joined.match, joined.ledger_invoice, joined.balance) == ("joined", invoice, 50000)
    payment = billing.create_payment(invoice, "320.00")
    billing.pay(payment)
    before = len(scene.list_calls())
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, row.explanation, row.invoice_id) == ("written", "", key)
    assert [(p["id"], p["amount"], p["source"]) for p in scene.list_payments(key)] == [
        (row.psa_payment_id, 320.0, "Default")
    ]
    assert [call.split(" ")[0] for call in list_invoice_calls(scene, before)] == ["GET", "POST"]
    page = scene.tenant.admin.get(scene.tenant.url(f"psa/of/{payment.reference}")).content.decode()
    assert "stands on invoice INV-1" in page
    assert "<time" in page
    page = scene.tenant.admin.get(scene.tenant.url("psa/invoices")).content.decode()
    assert "In the books" in page


def test_a_batch_of_n_invoices_takes_two_calls_for_each(scene: PsaScene, billing: InvoiceScenario) -> None:
    keys = [scene.bill(f"INV-{n}", 100) for n in range(4)]
    for n in range(4):
        billing.make_invoice("100.00", number=f"INV-{n}")
    billing.sync_mirror()
    scene.poll()
    chosen = {billing.get_invoice(f"INV-{n}"): "100.00" for n in range(4)}
    payment = billing.get_payment_by_path(billing.submit_batch(chosen)["Location"])
    billing.pay(payment)
    before = len(scene.list_calls())
    deliver_later()
    assert [row.state for row in scene.list_rows(payment)] == ["written"] * 4
    assert len(scene.list_calls()) == before + 2 * 4
    assert [[p["amount"] for p in scene.list_payments(key)] for key in keys] == [[100.0]] * 4


def test_an_invoice_that_the_poll_has_not_read_is_looked_for_by_its_number(
    scene: PsaScene, billing: InvoiceScenario
) -> None:
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    deliver_later()
    assert [row.state for row in scene.list_rows(payment)] == ["written"]
    assert scene.get_invoice(key)["balance"] == 0


def test_an_invoice_that_comes_to_psa_later_is_found_by_the_poll(scene: PsaScene, billing: InvoiceScenario) -> None:
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, "made in the books alone" in row.explanation) == ("waiting", True)
    before = len(scene.list_calls())
    scene.poll()
    deliver_later()
    assert len(scene.list_calls()) == before + 1  # the poll has read everything: nothing is asked for one by one
    key = scene.bill("INV-1", 500)
    scene.poll()
    deliver_later()
    assert [row.state for row in scene.list_rows(payment)] == ["written"]
    assert scene.get_invoice(key)["balance"] == 0


def test_what_never_comes_to_psa_is_left_after_a_month(scene: PsaScene, billing: InvoiceScenario) -> None:
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    deliver_later()
    PsaPayment.objects.update(created_at=timezone.now() - timedelta(days=31))
    scene.bill("INV-1", 500)
    scene.poll()
    deliver_later()
    assert [row.state for row in scene.list_rows(payment)] == ["cancelled"]


def pay_in_psa(scene: PsaScene, key: int) -> None:
    scene.control(pay={"invoice": key, "amount": 500.0})


def pay_another_amount(scene: PsaScene, key: int) -> None:
    scene.control(pay={"invoice": key, "amount": 499.99})


def close(scene: PsaScene, key: int) -> None:
    scene.control(close={"invoice": key})


def pay_and_close(scene: PsaScene, key: int) -> None:
    pay_in_psa(scene, key)
    close(scene, key)


def change_currency(scene: PsaScene, key: int) -> None:
    fields = {"currency": {"id": 2, "currencyCode": "USD"}}
    scene.control(change={"table": "invoices", "id": key, "fields": fields})


def delete(scene: PsaScene, key: int) -> None:
    scene.control(delete_invoice={"invoice": key})


def replace(scene: PsaScene, key: int) -> None:
    delete(scene, key)
    scene.bill("INV-1", 500)


def withdraw(right: str) -> Callable[[PsaScene, int], None]:
    def happen(scene: PsaScene, key: int) -> None:
        scene.control(withdraw={"right": right})

    return happen


CASES: dict[str, tuple[Callable[[PsaScene, int], None], str, str]] = {
    "another tool wrote the same": (pay_in_psa, "present", "SyncTool"),
    "another tool wrote the same and PSA closed the invoice": (pay_and_close, "present", "SyncTool"),
    "nearly all was paid in PSA": (pay_another_amount, "undecided", "balance of A$0.01"),
    "closed": (close, "undecided", "is closed"),
    "in another currency": (change_currency, "undecided", "USD"),
    "deleted": (delete, "waiting", "no invoice INV-1"),
    "deleted and made anew": (replace, "written", ""),
    "may not read invoices": (withdraw("invoicing:inquire"), "refused", "right"),
    "may not add payments": (withdraw("invoicing:add"), "refused", "Invoicing: add"),
}


# What is known of an invoice is as old as the last poll or callback; what PSA itself refuses is refused then.
UNNOTICED = {"closed": ("refused", "is closed"), "in another currency": ("written", "")}


@pytest.mark.parametrize("is_polled", [False, True], ids=["meanwhile", "before the poll"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_in_the_way_becomes_words_and_never_a_second_payment(
    scene: PsaScene, billing: InvoiceScenario, name: str, is_polled: bool
) -> None:
    """What people report of payment syncs: wise-sync.freshdesk.com 36000041647 and 36000383567."""
    happen, state, words = CASES[name]
    if not is_polled and name in UNNOTICED:
        state, words = UNNOTICED[name]
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    if not is_polled:
        scene.poll()
    happen(scene, key)
    if is_polled:
        scene.poll()
    before = scene.control()["payments"]
    billing.pay(payment)
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, words in row.explanation) == (state, True), row.explanation
    written = [p for p in scene.control()["payments"] if p not in before]
    assert len(written) == (1 if state == "written" else 0)
    for path in (f"psa/{row.reference}", "psa/", "psa/invoices", f"psa/of/{payment.reference}"):
        assert scene.tenant.admin.get(scene.tenant.url(path)).status_code == 200


@pytest.mark.parametrize(("back", "state"), [(50000, "removed"), (20000, "stuck")])
def test_a_refund_takes_the_payment_back_or_says_what_to_do(
    scene: PsaScene, billing: InvoiceScenario, back: int, state: str
) -> None:
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    deliver_later()
    refund = start_refund(payment, amount=back, reason="", by=billing.tenant.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    deliver_later()
    [row] = scene.list_rows(payment)
    assert row.state == state, row.explanation
    assert len(scene.list_payments(key)) == (0 if state == "removed" else 1)
    if state == "stuck":
        assert "A$300.00" in row.explanation


def test_a_refund_of_a_batch_takes_back_the_last_invoices_first(scene: PsaScene, billing: InvoiceScenario) -> None:
    """As in the books: what remains of each part there is what remains of it in PSA."""
    keys = [scene.bill(f"INV-{n}", 100) for n in range(2)]
    for n in range(2):
        billing.make_invoice("100.00", number=f"INV-{n}")
    billing.sync_mirror()
    chosen = {billing.get_invoice(f"INV-{n}"): "100.00" for n in range(2)}
    payment = billing.get_payment_by_path(billing.submit_batch(chosen)["Location"])
    billing.pay(payment)
    deliver_later()
    refund = start_refund(payment, amount=10000, reason="", by=billing.tenant.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    deliver_later()
    left = {row.ledger_invoice.number: row.state for row in scene.list_rows(payment) if row.ledger_invoice}
    counts = [len(scene.list_payments(key)) for key in keys]
    assert sorted(left.values()) == ["removed", "written"]
    parts = billing.list_allocations(payment)
    assert left[parts[-1].invoice.number] == "removed"
    assert counts[int(parts[0].invoice.number[-1])] == 1


@pytest.mark.parametrize("written_by", ["nobody", "other"])
def test_nothing_is_written_or_read_where_it_is_not_ours_to_write(tenant: Tenant, written_by: str) -> None:
    scene = connect(tenant, written_by=written_by)
    billing = InvoiceScenario(tenant)
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    before = len(scene.list_calls())
    poll_every_connection(now=timezone.now())
    deliver_later()
    assert not PsaPayment.objects.exists()
    assert scene.list_payments(key) == []
    assert len(scene.list_calls()) == before


def test_two_equal_payments_of_one_invoice_are_two_payments_there(scene: PsaScene, billing: InvoiceScenario) -> None:
    """A foreign payment stands for one of them only, and ours are never taken for each other."""
    key = scene.bill("INV-1", 500)
    invoice = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    scene.control(pay={"invoice": key, "amount": 100.0})
    for _ in range(2):
        billing.pay(billing.create_payment(invoice, "100.00", confirmed="on"))
    deliver_later()
    assert sorted(PsaPayment.objects.values_list("state", flat=True)) == ["present", "written"]
    assert len(scene.list_payments(key)) == 2


def test_the_first_payment_of_a_merchant_waits_for_a_person(tenant: Tenant) -> None:
    scene = connect(tenant, confirmed=False)
    billing = InvoiceScenario(tenant)
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, scene.list_payments(key)) == ("unconfirmed", [])
    path = tenant.url(f"psa/{row.reference}")
    assert tenant.admin.post(f"{path}/decisions", {"act": "write"}).status_code == 302
    assert [row.state for row in scene.list_rows(payment)] == ["written"]
    assert "appliedBy" in tenant.admin.get(path).content.decode()


def test_what_was_paid_before_wise_pay_writes_is_not_written_when_some_of_it_goes_back(tenant: Tenant) -> None:
    """Somebody else has seen to it: the rest after a refund would be a second payment."""
    scene = connect(tenant, written_by="other")
    billing = InvoiceScenario(tenant)
    key = scene.bill("INV-1", 500)
    payment = billing.create_payment(billing.create_invoice("500.00", number="INV-1"))
    billing.pay(payment)
    checkout = scene.pay(scene.sell())
    deliver_later()
    update_psa_settings(scene.connection, written_by="us", writes_debits="settled", now=timezone.now())
    for paid in (payment, checkout.payment):
        refund = start_refund(paid, amount=10000, reason="", by=tenant.user, now=timezone.now())
        send_refund(refund, now=timezone.now())
    deliver_later()
    assert (PsaPayment.objects.count(), scene.list_payments(key)) == (0, [])


def test_a_person_chooses_among_several_of_one_number_and_it_is_remembered(
    scene: PsaScene, billing: InvoiceScenario
) -> None:
    first, second = scene.bill("INV-1", 500), scene.bill("INV-1", 500)
    invoice = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    payment = billing.create_payment(invoice, "100.00")
    billing.pay(payment)
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, "Choose the one that was paid" in row.explanation) == ("undecided", True)
    path = scene.tenant.url(f"psa/{row.reference}")
    page = scene.tenant.admin.get(path).content.decode()
    assert f'value="{first}"' in page
    assert f'value="{second}"' in page
    assert scene.tenant.admin.post(f"{path}/decisions", {"act": "choose", "invoice": "77"}).status_code == 422
    assert scene.tenant.admin.post(f"{path}/decisions", {"act": "choose", "invoice": str(second)}).status_code == 302
    assert [len(scene.list_payments(key)) for key in (first, second)] == [0, 1]
    again = billing.create_payment(invoice, "50.00", confirmed="on")
    billing.pay(again)
    deliver_later()
    assert [len(scene.list_payments(key)) for key in (first, second)] == [0, 2]
    scene.poll()
    assert PsaInvoice.objects.get(ledger_invoice=invoice).invoice_id == second


def test_a_payment_goes_on_when_somebody_says_which_invoice_of_the_books_it_is(
    scene: PsaScene, billing: InvoiceScenario, stranger: Tenant
) -> None:
    key = scene.bill("INV-1", 512)
    scene.control(insert={"table": "companies", "rows": [{"identifier": "LL", "name": "Lakeside Legal"}]})
    other = scene.control()["invoices"][-1]["company"] | {"id": 4, "name": "Lakeside Legal", "identifier": "LL"}
    scene.control(change={"table": "invoices", "id": key, "fields": {"company": other}})
    invoice = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    deliver_later()
    [row] = scene.list_rows(payment)
    assert (row.state, "another company" in row.explanation) == ("undecided", True)
    path = scene.tenant.url(f"psa/invoices/{key}/join")
    assert "Say which invoice" in scene.tenant.admin.get(scene.tenant.url("psa/invoices")).content.decode()
    assert stranger.admin.post(path, {"ledger_invoice": invoice.reference}).status_code == 404
    assert scene.tenant.admin.post(path, {"ledger_invoice": "none0such0thing0here"}).status_code == 302
    assert PsaInvoice.objects.get().match == "different"
    assert scene.tenant.admin.post(path, {"ledger_invoice": invoice.reference}).status_code == 302
    deliver_later()
    assert [row.state for row in scene.list_rows(payment)] == ["written"]
    assert len(scene.list_payments(key)) == 1
