"""Payment Sync: what was paid or credited in the books since a date, matched by id, with what that did."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounting.models import LedgerApplication, PaymentSync, ScheduledPayment
from accounting.payment_sync import applications, lines_of, request_sync, usual_since
from connections.models import Connection
from tests.accounting.crediting_stage import Stage
from tests.accounting.invoices import only_xero
from tests.people import House, drain_outbox


@pytest.fixture
def stage(any_house: House) -> Stage:
    """The house, its payer and its bookkeeper."""
    drain_outbox()
    return Stage(any_house)


def press(stage: Stage, since: str = "") -> str:
    """Press Sync Payments and let the worker do it; answers the page then."""
    path = stage.house.url("books/sync")
    assert stage.house.admin.post(path, {"since": since} if since else {}).status_code == 302
    drain_outbox()
    return stage.house.admin.get(path).content.decode()


def told(stage: Stage) -> dict[str, tuple[str, ...]]:
    """What the last sync says by invoice."""
    sync = PaymentSync.objects.select_related("merchant").latest("pk")
    return {line.invoice.number: line.done for line in lines_of(sync, applications(sync))}


def test_what_was_paid_elsewhere_is_found_and_not_outstanding_any_more(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number, amount="500.00")
    page = press(stage)
    assert stage.billing.invoice(invoice.number).status == "paid"
    assert told(stage) == {invoice.number: ("Paid elsewhere.", "Not outstanding any more.")}
    assert "Paid elsewhere." in page
    sync = PaymentSync.objects.get()
    assert (sync.state, sync.payments, sync.credits, sync.invoices) == ("finished", 1, 0, 1)


def test_a_part_payment_says_what_is_still_outstanding(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number, amount="120.00")
    press(stage)
    assert told(stage) == {invoice.number: ("Paid elsewhere.", "A$380.00 still outstanding.")}


def test_what_we_put_there_ourselves_is_told_as_ours(stage: Stage) -> None:
    checkout = stage.paid_quote()
    credited = stage.bill(reference=f"Quote {checkout.quote.number}")
    paid = stage.bill("80.00", reference="Hardware")
    payment = stage.billing.chosen(paid, confirmed="on")
    stage.billing.pay(payment)
    drain_outbox()
    press(stage)
    assert told(stage) == {
        credited.number: (f"Credit of {checkout.payment.purpose}, synced.", "Not outstanding any more."),
        paid.number: ("Paid with Wise-Pay, and the books agree.", "Not outstanding any more."),
    }


def test_a_credit_that_a_bookkeeper_applied_is_synced(stage: Stage) -> None:
    checkout = stage.paid_quote()
    invoice = stage.bill("980.00", reference="Hardware")
    stage.by_hand("allocate", credit_note=stage.note(checkout).number, invoice=invoice.number)
    press(stage)
    match = stage.match(checkout)
    assert (match.state, match.synced_at is not None) == ("applied", True)
    assert told(stage)[invoice.number][0] == f"Credit of {checkout.payment.purpose}, synced."


def test_a_credit_that_is_not_ours_is_told_by_the_number_that_people_know(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("make_credit_note", contact=stage.billing.name, amount="90.00", number="CN-77")
    stage.by_hand("allocate", credit_note="CN-77", invoice=invoice.number)
    press(stage)
    assert told(stage) == {
        invoice.number: ("Credited in the accounting package by CN-77.", "A$410.00 still outstanding.")
    }


def test_the_same_sync_again_changes_nothing_and_reads_only_what_changed(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number)
    day = timezone.now().date().isoformat()
    press(stage, day)
    before, rows = told(stage), list(LedgerApplication.objects.values())
    press(stage, day)
    assert told(stage) == before
    assert list(LedgerApplication.objects.values()) == rows


def test_by_itself_it_looks_since_the_last_one_that_finished(stage: Stage) -> None:
    first = stage.bill("500.00")
    stage.by_hand("pay", invoice=first.number)
    press(stage)
    assert usual_since(stage.house.merchant, now=timezone.now()) == PaymentSync.objects.get().created_at
    second = stage.bill("70.00")
    stage.by_hand("pay", invoice=second.number, date="2026-01-05")
    press(stage)
    assert second.number in told(stage)


def test_before_the_date_nothing_is_told(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number, date="2026-01-05")
    press(stage, "2026-01-06")
    assert told(stage) == {}
    press(stage, "2026-01-05")
    assert list(told(stage)) == [invoice.number]


def test_a_scheduled_payment_of_an_invoice_that_is_paid_elsewhere_is_told_as_cancelled(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    now = timezone.now()
    ScheduledPayment.objects.create(
        merchant=stage.house.merchant, company=stage.billing.company, invoice=invoice, amount=50000,
        run_at=now + timedelta(days=3), state="cancelled", state_at=now,
    )  # fmt: skip
    stage.by_hand("pay", invoice=invoice.number)
    press(stage)
    assert PaymentSync.objects.get().cancelled == 1
    assert any("cancelled." in sentence for sentence in told(stage)[invoice.number])


def test_a_day_that_has_not_come_is_refused(stage: Stage) -> None:
    later = (timezone.now() + timedelta(days=3)).date().isoformat()
    answer = stage.house.admin.post(stage.house.url("books/sync"), {"since": later})
    assert answer.status_code == 422
    assert not PaymentSync.objects.exists()


def test_the_first_day_of_all_means_everything(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number, date="2020-02-03")
    press(stage, "0001-01-01")
    assert list(told(stage)) == [invoice.number]


def test_while_one_runs_no_second_one_begins_and_one_that_nobody_is_at_ends(stage: Stage) -> None:
    now = timezone.now()
    first = request_sync(stage.house.merchant, since=now, by=None, now=now)
    assert request_sync(stage.house.merchant, since=now, by=None, now=now) == first
    later = now + timedelta(minutes=16)
    second = request_sync(stage.house.merchant, since=now, by=None, now=later)
    first.refresh_from_db()
    assert (first.state, second.pk != first.pk) == ("failed", True)


@only_xero
def test_a_limit_of_the_books_is_said_and_waited_out(stage: Stage) -> None:
    headers = {"Retry-After": "40", "X-Rate-Limit-Problem": "minute"}
    stage.house.world.fault("xero", "status", status=429, headers=headers, path="/Invoices*", times=1)
    assert "It goes on by itself." in press(stage)
    drain_outbox(at=timezone.now() + timedelta(seconds=45))
    assert (PaymentSync.objects.get().state, PaymentSync.objects.get().error) == ("finished", "")


def test_without_a_connection_it_says_so(stage: Stage) -> None:
    Connection.objects.update(state="disconnected")
    assert "The accounting package is not connected." in press(stage)


def test_the_command_does_the_same_and_says_every_line(stage: Stage) -> None:
    invoice = stage.bill("500.00")
    stage.by_hand("pay", invoice=invoice.number)
    out = StringIO()
    call_command("sync_payments", stage.house.merchant.reference, stdout=out)
    assert f"{invoice.number} A$500.00 Paid elsewhere. Not outstanding any more." in out.getvalue()
    assert "1 payments, 0 credits, 1 invoices paid in full" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("sync_payments", "nobody")
    with pytest.raises(CommandError):
        call_command("sync_payments", stage.house.merchant.name, "--since", "yesterday")


def test_a_stranger_sees_nothing_of_it(stage: Stage, stranger: House) -> None:
    press(stage)
    assert stranger.admin.get(stage.house.url("books/sync")).status_code == 404
    assert stranger.admin.post(stage.house.url("books/sync")).status_code == 404
    assert "Not synced yet" in stranger.admin.get(stranger.url("books/sync")).content.decode()
