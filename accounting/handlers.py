"""Outbox handlers of the accounting floor."""

from datetime import datetime

from accounting import lists, promises
from accounting.downloads import run_download as read_latest
from accounting.drain import drain_postings as drain
from accounting.facts import look_at_tasks as look
from accounting.hand_tasks import LOOK_EVERY
from accounting.models import Download
from merchants.models import Merchant
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
    """Promise the draft of a bank debit that was submitted."""
    promises.post_debit(attempt_of(attempt_id), now=now)


@handler("accounting.post_payment")
def post_payment(*, payment_id: int, now: datetime, **_: object) -> None:
    """Promise a paid payment's documents."""
    promises.post_payment(Payment.objects.select_related("merchant", "company").get(pk=payment_id), now=now)


@handler("accounting.drop_debit")
def drop_debit(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Take the draft of a failed bank debit back."""
    promises.drop_debit(attempt_of(attempt_id), now=now)


@handler("accounting.reverse_payment")
def reverse_payment(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Take a reversed attempt's documents back."""
    promises.reverse_payment(attempt_of(attempt_id), now=now)


@handler("accounting.post_refund")
def post_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Promise that the credit becomes smaller by a refund."""
    promises.post_refund(refund_of(refund_id), now=now)


@handler("accounting.undo_refund")
def undo_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Take a refund that failed after all back."""
    promises.undo_refund(refund_of(refund_id), now=now)


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
    """Read the latest contacts and credit notes."""
    read_latest(Download.objects.select_related("merchant").get(pk=download_id), now=now)


@handler("accounting.import_lists")
def import_lists(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read what people choose from in the settings."""
    lists.import_lists(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.make_item")
def make_item(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Make the item that documents need."""
    lists.make_item(Merchant.objects.get(pk=merchant_id), now=now)
