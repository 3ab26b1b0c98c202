"""The payments of the books, read back, so that they can be compared with what we put there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import CharField, Exists, Func, OuterRef, Q, QuerySet, Subquery, Value
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import Ledger, PaymentRemovalOrder, RemotePayment
from accounting.models import AccountingSettings, LedgerPayment, LedgerPaymentCursor, Posting
from connections.models import Connection, Tier
from connections.services import get_connection
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected

DocumentKind = Posting.Kind
PAYMENT_KINDS = (DocumentKind.PAYMENT, DocumentKind.INVOICE_PAYMENT, DocumentKind.REFUND)
OUR_PREFIX = "PF"
OVERLAP = timedelta(minutes=5)  # the books' clock is not ours
ONE_DAY = timedelta(days=1)
FULL_READ_INTERVAL = timedelta(days=7)  # a busy company changes more than one answer about deletions holds
MAX_LOOKUPS = 30  # payments that a reading asks for by id; after more of them the next one reads everything again


def schedule_ledger_payments_sync(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker read the payments of the books."""
    outbox.schedule(f"read-money:{merchant.pk}", "accounting.read_ledger_payments", now=now, merchant_id=merchant.pk)


def list_due_merchants(*, now: datetime) -> "QuerySet[Merchant]":
    """The merchants whose books were not read for a day although money was booked since: nobody else costs a call.

    What was booked in the last day before a reading is read once more, for what a bookkeeper does to it next.
    """
    read = LedgerPaymentCursor.objects.filter(merchant=OuterRef("pk"))
    lately = read.filter(known_until__gte=now - ONE_DAY)
    booked = Posting.objects.filter(merchant=OuterRef("pk"), kind__in=PAYMENT_KINDS, state="posted")
    latest = LedgerPaymentCursor.objects.filter(merchant=OuterRef("merchant")).order_by("-known_until")
    since = Subquery(latest.values("known_until")[:1])
    return Merchant.objects.filter(
        Exists(booked.filter(Q(state_at__gte=since - ONE_DAY))) | Exists(booked) & ~Exists(read), ~Exists(lately)
    )


def sync_ledger_payments(merchant: Merchant, *, now: datetime) -> None:
    """Read what changed among the payments of the books since the last time. Raises Unavailable or Retry.

    Each page is committed with the place where the next begins. What goes wrong for longer is on the cursor, in words.
    """
    try:
        connection = get_connection(merchant, tier=Tier.SERVICE)
        cursor = get_cursor(merchant, connection, now=now)
        with ledger_session(connection, priority="service", now=now) as ledger:
            sync_pages(merchant, cursor, ledger, now=now)
    except Disconnected as error:
        LedgerPaymentCursor.objects.filter(merchant=merchant).update(error=str(error)[:300])
    except Rejected as error:
        LedgerPaymentCursor.objects.filter(merchant=merchant).update(error=error.message[:300])


def get_cursor(merchant: Merchant, connection: Connection, *, now: datetime) -> LedgerPaymentCursor:
    """The connected organisation's cursor. The first one begins a day before the first document that we made."""
    known = LedgerPaymentCursor.objects.filter(merchant=merchant)
    first = Posting.objects.filter(merchant=merchant, kind__in=PAYMENT_KINDS).order_by("pk").first()
    begins = first.created_at - ONE_DAY if first is not None else now
    if connection.connected_at is not None and known.exclude(organisation_id=connection.organisation_id).exists():
        begins = connection.connected_at
    return known.get_or_create(
        merchant=merchant, organisation_id=connection.organisation_id, defaults={"begins_at": begins}
    )[0]


def sync_pages(merchant: Merchant, cursor: LedgerPaymentCursor, ledger: Ledger, *, now: datetime) -> None:
    """Page by page, from where the last reading stopped. After changes that were not all told the next one is whole."""
    began, page, pages = cursor.read_started_at or now, cursor.page, cursor.page + 1
    is_whole = is_full_read_due(cursor, ledger, at=began)
    since = cursor.known_until - OVERLAP if cursor.known_until else cursor.begins_at
    mine = LedgerPaymentCursor.objects.filter(pk=cursor.pk)
    while page < pages:
        found = ledger.read_payment_page(page + 1, since=None if is_whole else since)
        page, pages = page + 1, found.pages
        with transaction():
            record_removed_payments(cursor, found.tombstones, now=now)
            save_payments(merchant, cursor.organisation_id, found.rows, now=now)
            mine.update(read_started_at=began, page=page, **({"fully_read_at": None} if found.is_truncated else {}))
    link_postings(merchant, cursor.organisation_id)
    settled = ledger.deletion_feed_window is None or verify_unread_payments(
        cursor, ledger, began=began, is_whole=is_whole, now=now
    )
    whole = {"fully_read_at": began} if is_whole and settled else {}
    mine.update(known_until=began, read_started_at=None, page=0, error="", **whole)


def is_full_read_due(cursor: LedgerPaymentCursor, ledger: Ledger, *, at: datetime) -> bool:
    """Whether everything that stands is read, because the books may not have told of all that left them since."""
    if ledger.deletion_feed_window is None:
        return False
    return cursor.fully_read_at is None or at - cursor.fully_read_at > min(
        ledger.deletion_feed_window, FULL_READ_INTERVAL
    )


@transaction_required
def record_removed_payments(cursor: LedgerPaymentCursor, removed_ids: Sequence[str], *, now: datetime) -> None:
    """These stand no more; a refund is named by its payment and more behind it."""
    held = LedgerPayment.objects.filter(
        merchant_id=cursor.merchant_id, organisation_id=cursor.organisation_id, is_standing=True
    )
    if removed_ids:
        before = Func("ledger_id", Value("-"), Value(1), function="split_part", output_field=CharField())
        held.annotate(before=before).filter(before__in=removed_ids).update(is_standing=False, read_at=now)


def verify_unread_payments(
    cursor: LedgerPaymentCursor, ledger: Ledger, *, began: datetime, is_whole: bool, now: datetime
) -> bool:
    """Ask by its id for payments that should have been met and were not; what is gone is kept as gone.

    False when there may be more of them than one reading asks for.
    """
    standing = LedgerPayment.objects.filter(
        merchant_id=cursor.merchant_id, organisation_id=cursor.organisation_id, is_standing=True
    )
    lost = {row.ledger_id: row for row in standing.filter(read_at__lt=began)[:MAX_LOOKUPS]} if is_whole else {}
    unread = {row.ledger_id: row for row in list_unread_postings(cursor, until=began)[: MAX_LOOKUPS - len(lost)]}
    orders = [PaymentRemovalOrder(key, key) for key in {**unread, **lost}]
    for begin in range(0, len(orders), ledger.batch_size):
        some = orders[begin : begin + ledger.batch_size]
        gone = {said.id for said in ledger.find_removed_payments(some)}
        standing.filter(ledger_id__in=gone & lost.keys()).update(is_standing=False)
        LedgerPayment.objects.bulk_create(
            [create_removed_payment(cursor, unread[key], now=now) for key in gone & unread.keys()],
            ignore_conflicts=True,
        )
    LedgerPayment.objects.filter(pk__in=[row.pk for row in lost.values()]).update(read_at=now)
    return len(orders) < MAX_LOOKUPS


def list_unread_postings(cursor: LedgerPaymentCursor, *, until: datetime) -> "QuerySet[Posting]":
    """What we put into these books before then and no reading met."""
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
    """A payment that nobody read before it was gone, as we posted it."""
    return LedgerPayment(
        merchant_id=cursor.merchant_id,
        organisation_id=cursor.organisation_id,
        ledger_id=posting.ledger_id,
        is_received=posting.kind != DocumentKind.REFUND,
        is_standing=False,
        amount=posting.money.amount,
        currency=posting.money.currency,
        on=posting.on or now.date(),
        remark=posting.number,
        posting=posting,
        read_at=now,
    )


@transaction_required
def save_payments(merchant: Merchant, organisation_id: str, rows: Sequence[RemotePayment], *, now: datetime) -> None:
    """Write down those that concern us, each once by its id."""
    clearing = AccountingSettings.objects.filter(merchant=merchant).values_list("clearing_account", flat=True).first()
    ids = [row.id for row in rows]
    made = Posting.objects.filter(merchant=merchant, sent_to=organisation_id, ledger_id__in=ids, kind__in=PAYMENT_KINDS)
    read = LedgerPayment.objects.filter(merchant=merchant, organisation_id=organisation_id, ledger_id__in=ids)
    known = {*made.values_list("ledger_id", flat=True), *read.values_list("ledger_id", flat=True)}
    fresh = [
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
    said = ["is_received", "is_standing", "amount", "currency", "on", "account", "remark", "document_id"]
    LedgerPayment.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "ledger_id"],
        update_fields=[*said, "document_number", "read_at"],
    )


def link_postings(merchant: Merchant, organisation_id: str) -> None:
    """Say of every payment of the books which posting made it: by its id, else by our number where a person did it.

    Ids are the books' own: what was posted into others may have the same.
    """
    loose = LedgerPayment.objects.filter(merchant=merchant, organisation_id=organisation_id, posting=None)
    made = Posting.objects.filter(merchant=merchant, kind__in=PAYMENT_KINDS, ledger_payment=None)
    by_id = made.filter(ledger_id=OuterRef("ledger_id"), state="posted", sent_to=organisation_id).order_by("pk")
    loose.filter(Exists(by_id)).update(posting=Subquery(by_id.values("pk")[:1]))
    by_hand = made.filter(manual_tasks__done_by__isnull=False, state="cancelled")
    numbers = dict(by_hand.values_list("number", "pk"))
    for paper in loose.filter(remark__in=numbers, is_standing=True).order_by("pk"):
        posting = numbers.pop(paper.remark, None)
        if posting is not None:
            LedgerPayment.objects.filter(pk=paper.pk).update(posting=posting)
