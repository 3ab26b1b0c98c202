"""Sync the payments of the accounting package, to be compared with what we posted."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import CharField, Exists, Func, OuterRef, Q, QuerySet, Subquery, Value
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import Ledger, PaymentRemovalOrder, RemotePage, RemotePayment
from accounting.models import AccountingSettings, CreditNote, LedgerPayment, LedgerPaymentCursor, Posting
from accounting.models.posting_kinds import CLEARING_SIGNS, PAYMENT_KINDS, Kind
from accounting.unreadable import keep_apart, record_unreadable
from connections.availability import get_connection
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected

OUR_PREFIX = "PF"
OVERLAP = timedelta(minutes=5)  # the package's clock is not ours
ONE_DAY = timedelta(days=1)
FULL_READ_INTERVAL = timedelta(days=7)  # a busy company changes more than one answer about deletions holds
MAX_LOOKUPS = 30  # payments that a sync looks up by id; after more of them the next one reads everything again


def schedule_ledger_payments_sync(merchant: Merchant, *, now: datetime) -> None:
    """Schedule a sync of the merchant's payments."""
    outbox.schedule(f"read-money:{merchant.pk}", "accounting.read_ledger_payments", now=now, merchant_id=merchant.pk)


def list_due_merchants(*, now: datetime) -> "QuerySet[Merchant]":
    """Return the merchants who were not synced for a day although payments were posted since.

    What was posted in the last day before a sync is read once more, because a bookkeeper may change it next.
    """
    read = LedgerPaymentCursor.objects.filter(merchant=OuterRef("pk"))
    recent = read.filter(known_until__gte=now - ONE_DAY)
    posted = Posting.objects.filter(merchant=OuterRef("pk"), kind__in=PAYMENT_KINDS, state="posted")
    latest = LedgerPaymentCursor.objects.filter(merchant=OuterRef("merchant")).order_by("-known_until")
    since = Subquery(latest.values("known_until")[:1])
    return Merchant.objects.filter(
        Exists(posted.filter(Q(state_at__gte=since - ONE_DAY))) | Exists(posted) & ~Exists(read), ~Exists(recent)
    )


def sync_ledger_payments(merchant: Merchant, *, now: datetime) -> None:
    """Sync the payments that changed since the last time. Raises Unavailable or Retry.

    Each page is committed with the place where the next begins. A lasting failure is recorded on the cursor.
    """
    try:
        connection = get_connection(merchant, tier=Tier.SERVICE)
        cursor = get_cursor(merchant, connection, now=now)
        with cursor.hold_lease(now=now), open_ledger_session(connection, priority="service", now=now) as ledger:
            sync_pages(merchant, cursor, ledger, now=now)
    except Disconnected as error:
        LedgerPaymentCursor.objects.filter(merchant=merchant).update(error=str(error)[:300])
    except Rejected as error:
        LedgerPaymentCursor.objects.filter(merchant=merchant).update(error=error.message[:300])


def get_cursor(merchant: Merchant, connection: Connection, *, now: datetime) -> LedgerPaymentCursor:
    """Return the connected organisation's cursor. The first one begins a day before our first payment."""
    cursors = LedgerPaymentCursor.objects.filter(merchant=merchant)
    first = Posting.objects.filter(merchant=merchant, kind__in=PAYMENT_KINDS).order_by("pk").first()
    begins = first.created_at - ONE_DAY if first is not None else now
    if connection.connected_at is not None and cursors.exclude(organisation_id=connection.organisation_id).exists():
        begins = connection.connected_at
    return cursors.get_or_create(
        merchant=merchant, organisation_id=connection.organisation_id, defaults={"begins_at": begins}
    )[0]


def sync_pages(merchant: Merchant, cursor: LedgerPaymentCursor, ledger: Ledger, *, now: datetime) -> None:
    """Sync page by page, from where the last sync stopped. After a truncated list of changes the next sync is full."""
    began, page, pages = cursor.read_started_at or now, cursor.page, cursor.page + 1
    is_full = is_full_read_due(cursor, ledger, at=began)
    since = cursor.known_until - OVERLAP if cursor.known_until else cursor.begins_at
    while page < pages:
        found = ledger.read_payment_page(page + 1, since=None if is_full else since)
        page, pages = page + 1, found.pages
        with transaction():
            record_removed_payments(cursor, found.tombstones, now=now)
            keep_payments(merchant, cursor.organisation_id, found, now=now)
            incomplete = {"fully_read_at": None} if found.is_truncated else {}
            cursor.save_progress(read_started_at=began, page=page, **incomplete)
    link_postings(merchant, cursor.organisation_id)
    is_verified = ledger.deletion_feed_window is None or verify_unread_payments(
        cursor, ledger, began=began, is_full=is_full, now=now
    )
    full = {"fully_read_at": began} if is_full and is_verified else {}
    cursor.save_progress(known_until=began, read_started_at=None, page=0, error="", **full)


def is_full_read_due(cursor: LedgerPaymentCursor, ledger: Ledger, *, at: datetime) -> bool:
    """Return whether all payments are read, because deletions since the last full read may not be listed any more."""
    if ledger.deletion_feed_window is None:
        return False
    return cursor.fully_read_at is None or at - cursor.fully_read_at > min(
        ledger.deletion_feed_window, FULL_READ_INTERVAL
    )


@transaction_required
def record_removed_payments(cursor: LedgerPaymentCursor, removed_ids: Sequence[str], *, now: datetime) -> None:
    """Record that payments were removed; a refund's id begins with its payment's."""
    standing = LedgerPayment.objects.filter(
        merchant_id=cursor.merchant_id, organisation_id=cursor.organisation_id, is_standing=True
    )
    if removed_ids:
        before = Func("ledger_id", Value("-"), Value(1), function="split_part", output_field=CharField())
        standing.annotate(before=before).filter(before__in=removed_ids).update(is_standing=False, read_at=now)


def verify_unread_payments(
    cursor: LedgerPaymentCursor, ledger: Ledger, *, began: datetime, is_full: bool, now: datetime
) -> bool:
    """Look up by id the payments that should have been read and were not; those that do not exist are marked removed.

    Returns False when there may be more of them than one sync looks up.
    """
    standing = LedgerPayment.objects.filter(
        merchant_id=cursor.merchant_id, organisation_id=cursor.organisation_id, is_standing=True
    )
    missing = {row.ledger_id: row for row in standing.filter(read_at__lt=began)[:MAX_LOOKUPS]} if is_full else {}
    unread = {row.ledger_id: row for row in list_unread_postings(cursor, until=began)[: MAX_LOOKUPS - len(missing)]}
    orders = [PaymentRemovalOrder(key, key) for key in {**unread, **missing}]
    for begin in range(0, len(orders), ledger.batch_size):
        some = orders[begin : begin + ledger.batch_size]
        removed = {result.id for result in ledger.find_removed_payments(some)}
        standing.filter(ledger_id__in=removed & missing.keys()).update(is_standing=False)
        LedgerPayment.objects.bulk_create(
            [create_removed_payment(cursor, unread[key], now=now) for key in removed & unread.keys()],
            ignore_conflicts=True,
        )
    LedgerPayment.objects.filter(pk__in=[row.pk for row in missing.values()]).update(read_at=now)
    return len(orders) < MAX_LOOKUPS


def list_unread_postings(cursor: LedgerPaymentCursor, *, until: datetime) -> "QuerySet[Posting]":
    """Return what we posted to this organisation before then and no sync has read."""
    rows = Posting.objects.filter(
        merchant_id=cursor.merchant_id,
        sent_to=cursor.organisation_id,
        kind__in=PAYMENT_KINDS,
        state="posted",
        ledger_payment=None,
        state_at__lt=until - OVERLAP,
    )
    return rows.filter(created_at__gte=cursor.begins_at).exclude(ledger_id="").select_related("payment").order_by("-pk")


def create_removed_payment(cursor: LedgerPaymentCursor, posting: Posting, *, now: datetime) -> LedgerPayment:
    """Return a payment that was removed before any sync, as we posted it."""
    return LedgerPayment(
        merchant_id=cursor.merchant_id,
        organisation_id=cursor.organisation_id,
        ledger_id=posting.ledger_id,
        is_received=CLEARING_SIGNS[Kind(posting.kind)] > 0,
        is_standing=False,
        amount=posting.money.amount,
        currency=posting.money.currency,
        on=posting.on or now.date(),
        remark=posting.number,
        posting=posting,
        read_at=now,
    )


@transaction_required
def keep_payments(merchant: Merchant, organisation_id: str, found: RemotePage[RemotePayment], *, now: datetime) -> None:
    """Save a page of payments; one that cannot be read or kept is recorded, and the others go on."""

    def save(rows: Sequence[RemotePayment]) -> list[int]:
        save_payments(merchant, organisation_id, rows, now=now)
        return []

    refused = keep_apart(found.rows, save)[1]
    faults = [*found.unreadable, *refused]
    readable = {*(row.id for row in found.rows), *found.tombstones} - {fault.id for fault in faults}
    record_unreadable(merchant, organisation_id, "payments", faults, readable_ids=readable, now=now)


@transaction_required
def save_payments(merchant: Merchant, organisation_id: str, rows: Sequence[RemotePayment], *, now: datetime) -> None:
    """Save the payments that concern us, each once by its id."""
    clearing = AccountingSettings.objects.filter(merchant=merchant).values_list("clearing_account", flat=True).first()
    ids = [row.id for row in rows]
    posted = Posting.objects.filter(
        merchant=merchant, sent_to=organisation_id, ledger_id__in=ids, kind__in=PAYMENT_KINDS
    )
    read = LedgerPayment.objects.filter(merchant=merchant, organisation_id=organisation_id, ledger_id__in=ids)
    known = {*posted.values_list("ledger_id", flat=True), *read.values_list("ledger_id", flat=True)}
    payments = [
        LedgerPayment(
            merchant=merchant,
            organisation_id=organisation_id,
            ledger_id=row.id,
            is_received=row.is_received,
            is_standing=row.is_standing,
            amount=row.amount.amount,
            currency=row.amount.currency,
            on=row.on,
            account=row.account[:20],
            remark=row.reference[:255],
            document_id=row.document_id,
            document_number=row.document_number[:255],
            read_at=now,
        )
        for row in rows
        if row.id in known or row.reference.startswith(OUR_PREFIX) or (clearing and row.account == clearing)
    ]
    fields = ["is_received", "is_standing", "amount", "currency", "on", "account", "remark", "document_id"]
    LedgerPayment.objects.bulk_create(
        payments,
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "ledger_id"],
        update_fields=[*fields, "document_number", "read_at"],
    )


def link_postings(merchant: Merchant, organisation_id: str) -> None:
    """Link every payment to the posting that created it: by its id, or by our number where a person entered it.

    Ids are unique only in their organisation. What a person entered without our number is known by its document,
    amount and direction.
    """
    unlinked = LedgerPayment.objects.filter(merchant=merchant, organisation_id=organisation_id, posting=None)
    postings = Posting.objects.filter(merchant=merchant, kind__in=PAYMENT_KINDS, ledger_payment=None)
    by_id = postings.filter(ledger_id=OuterRef("ledger_id"), state="posted", sent_to=organisation_id).order_by("pk")
    unlinked.filter(Exists(by_id)).update(posting=Subquery(by_id.values("pk")[:1]))
    by_hand = postings.filter(manual_tasks__done_by__isnull=False, state="cancelled")
    waiting = {(p.number, CLEARING_SIGNS[Kind(p.kind)] > 0): p for p in by_hand.select_related("payment").distinct()}
    for payment in unlinked.filter(remark__in=[number for number, _ in waiting], is_standing=True).order_by("pk"):
        link_posting(payment, waiting.pop((payment.remark, payment.is_received), None))
    for posting in waiting.values():
        same = unlinked.filter(
            is_standing=True,
            amount=posting.money.amount,
            currency=posting.money.currency,
            is_received=CLEARING_SIGNS[Kind(posting.kind)] > 0,
            document_id__in=list_document_ids(posting),
        )
        link_posting(same.exclude(remark__startswith=OUR_PREFIX).order_by("pk").first(), posting)


def link_posting(payment: LedgerPayment | None, posting: Posting | None) -> None:
    """Save that a payment is what a posting was to create, if there are both."""
    if payment is not None and posting is not None:
        LedgerPayment.objects.filter(pk=payment.pk, posting=None).update(posting=posting)


def list_document_ids(posting: Posting) -> list[str]:
    """Return the ids of the documents that a payment or refund by hand can be of."""
    if posting.payment_allocation is not None:
        return [posting.payment_allocation.invoice.ledger_id]
    invoices = Posting.objects.filter(payment=posting.payment_id, kind=Kind.INVOICE).values_list("ledger_id", flat=True)
    notes = CreditNote.objects.filter(attempt=posting.attempt_id).values_list("ledger_id", flat=True)
    return [key for key in (*invoices, *notes) if key]
