"""Outbox handlers of the accounting floor."""

from datetime import datetime

import accounting.autopay.handlers
import accounting.crediting_handlers  # noqa: F401 (they register themselves)
from accounting import lists, promises, share_promises
from accounting.downloads import run_download as read_latest
from accounting.drain import drain_postings as drain
from accounting.facts import look_at_tasks as look
from accounting.hand_tasks import LOOK_EVERY
from accounting.mirror_orders import follow_company as move_documents
from accounting.mirror_orders import read_mirror as read_due
from accounting.mirror_orders import read_news
from accounting.models import Download
from accounting.reconciliation.reading import read_ledger_payments as read_back
from connections.models import Connection
from merchants.models import Merchant
from payers.companies import recall_contacts as recall
from payers.models import PayerCompany
from payments.models import Attempt, Payment, Refund
from wisepay.outbox import Retry, handler


def attempt_of(attempt_id: int) -> Attempt:
    """The attempt with its payment, merchant and company."""
    return Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=attempt_id)


def refund_of(refund_id: int) -> Refund:
    """The refund with its attempt, payment, merchant and company."""
    rows = Refund.objects.select_related("attempt__payment__merchant", "attempt__payment__company")
    return rows.get(pk=refund_id)


@handler("accounting.post_debit")
def post_debit(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Promise the draft of a quote's bank debit that was submitted."""
    attempt = attempt_of(attempt_id)
    if not share_promises.has_shares(attempt.payment):
        promises.post_debit(attempt, now=now)


@handler("accounting.post_payment")
def post_payment(*, payment_id: int, now: datetime, **_: object) -> None:
    """Promise a paid payment's documents."""
    payment = Payment.objects.select_related("merchant", "company").get(pk=payment_id)
    orders = share_promises if share_promises.has_shares(payment) else promises
    orders.post_payment(payment, now=now)


@handler("accounting.drop_debit")
def drop_debit(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Take the draft of a failed bank debit back."""
    promises.drop_debit(attempt_of(attempt_id), now=now)


@handler("accounting.reverse_payment")
def reverse_payment(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Take a reversed attempt's documents back."""
    attempt = attempt_of(attempt_id)
    orders = share_promises if share_promises.has_shares(attempt.payment) else promises
    orders.reverse_payment(attempt, now=now)


@handler("accounting.post_refund")
def post_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Promise that the credit, or the payments of the invoices, become smaller by a refund."""
    refund = refund_of(refund_id)
    orders = share_promises if share_promises.has_shares(refund.attempt.payment) else promises
    orders.post_refund(refund, now=now)


@handler("accounting.undo_refund")
def undo_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Take a refund that failed after all back."""
    refund = refund_of(refund_id)
    promises.undo_refund(refund, now=now)
    if share_promises.has_shares(refund.attempt.payment):
        share_promises.post_refund(refund, now=now)


@handler("accounting.drain_postings")
def drain_postings(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Send what waits for a merchant's books."""
    drain(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.look_at_tasks")
def look_at_tasks(*, merchant_id: int, now: datetime, **_: object) -> None:
    """See whether people did what the books needed of them; come back while they have not."""
    if look(Merchant.objects.get(pk=merchant_id), now=now):
        raise Retry("tasks are open", after=LOOK_EVERY.total_seconds())


@handler("accounting.run_download")
def run_download(*, download_id: int, now: datetime, **_: object) -> None:
    """Read the latest of the books, because a person wants it."""
    read_latest(Download.objects.select_related("merchant").get(pk=download_id), now=now)


@handler("accounting.read_mirror")
def read_mirror(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Look at what of a merchant's books is due."""
    read_due(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.read_heard")
def read_heard(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read again what a merchant's books said changed."""
    read_news(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.follow_company")
def follow_company(*, company_id: int, now: datetime, **_: object) -> None:
    """Give a company the documents of the contact that it is."""
    move_documents(PayerCompany.objects.select_related("merchant").get(pk=company_id), now=now)


@handler("accounting.read_ledger_payments")
def read_ledger_payments(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the payments of a merchant's books back."""
    read_back(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.recall_contacts")
def recall_contacts(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Know again which contact each company was, in an organisation that was connected before."""
    connection = Connection.objects.filter(merchant=merchant_id, state="connected").select_related("merchant").first()
    if connection is not None:
        recall(connection.merchant, organisation_id=connection.organisation_id)


@handler("accounting.import_lists")
def import_lists(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read what people choose from in the settings."""
    lists.import_lists(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.make_item")
def make_item(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Make the item that documents need."""
    lists.make_item(Merchant.objects.get(pk=merchant_id), now=now)
