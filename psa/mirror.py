"""PSA's invoices as they are kept here: read by the poll, stored page by page, joined to those of the books."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import batched

from django.db.models import Count, Q
from django.db.models.functions import Coalesce

from accounting.models import LedgerInvoice
from psa.joins import join_invoices
from psa.models import PsaConnection, PsaInvoice
from psa.protocol import Psa, RemoteInvoice
from wisepay.money import Money

OVERLAP = timedelta(minutes=5)  # PSA may show a change a little after its time
CLOCKS_APART = timedelta(hours=2)  # where PSA's clock differs by more, it is not believed
FULL_EVERY = timedelta(hours=24)  # deleted records, and balances that change without a date, are not among the changes
KEEP_CLOSED = timedelta(days=90)  # closed ones are read that changed since
KEEP_ROWS = timedelta(days=180)  # of invoices on which nothing is owed, and of those that are gone
CHUNK = 10_000  # rows a statement
GONE = {"is_gone": True, "ledger_invoice": None, "match": PsaInvoice.Match.NONE}
MOST_MISSING = 1000  # invoices that are read one by one after a full reading
COLUMNS = (
    "number", "kind", "company_id", "company_identifier", "company_name", "currency", "total", "balance", "paid",
    "is_closed", "is_gone", "issued_on", "due_on", "term_id", "changed_at", "read_at",
)  # fmt: skip


def read_invoices(psa: Psa, connection: PsaConnection, *, now: datetime) -> bool:
    """Read what changed, or once a day everything that is open, and join it; answer whether a down payment changed.

    A reading that breaks off is read again from where the last whole one began. Raises Unavailable, Rejected or
    Disconnected.
    """
    currency = find_usual_currency(connection)
    is_full = connection.invoices_read_at is None or connection.invoices_read_at <= now - FULL_EVERY
    if is_full:
        found = psa.list_open_invoices(changed_since=now - KEEP_CLOSED, currency=currency)
    else:
        found = psa.list_changed_invoices((connection.read_until or now - FULL_EVERY) - OVERLAP, currency=currency)
    has_down_payment = store_invoices(connection, found, now=now)
    begun_at = psa.first_answered_at
    if is_full:
        read_missing(psa, connection, currency=currency, now=now)
    join_invoices(connection, is_everything=is_full, now=now)
    is_sane = begun_at is not None and abs(begun_at - now) < CLOCKS_APART
    columns = {"polled_at": now, "read_until": begun_at if is_sane else now - CLOCKS_APART}
    PsaConnection.objects.filter(pk=connection.pk).update(**columns, **({"invoices_read_at": now} if is_full else {}))
    return has_down_payment


def find_usual_currency(connection: PsaConnection) -> str:
    """The currency of most of the books' invoices, for invoices of PSA that name none."""
    rows = LedgerInvoice.objects.filter(merchant=connection.merchant_id).values("currency")
    return rows.annotate(count=Count("pk")).order_by("-count").values_list("currency", flat=True).first() or ""


def store_invoices(connection: PsaConnection, found: Iterable[RemoteInvoice], *, now: datetime) -> bool:
    """Store invoices as they are read; answer whether one is a new or changed down payment."""
    has_down_payment = False
    for chunk in batched(found, CHUNK):
        rows = {one.id: one for one in chunk}
        downs = [one for one in rows.values() if one.kind == "DownPayment"]
        has_down_payment = has_down_payment or (bool(downs) and has_news(connection, downs))
        upsert_invoices(connection, list(rows.values()), now=now)
    return has_down_payment


def has_news(connection: PsaConnection, invoices: Sequence[RemoteInvoice]) -> bool:
    """Whether one of these is not stored as it is now."""
    stored = PsaInvoice.objects.filter(connection=connection, invoice_id__in=[one.id for one in invoices])
    known = dict(stored.values_list("invoice_id", "changed_at"))
    return any(known.get(one.id) != one.updated_at or one.updated_at is None for one in invoices)


def upsert_invoices(connection: PsaConnection, invoices: Sequence[RemoteInvoice], *, now: datetime) -> None:
    """Store invoices as they were read. One statement; what they are joined to stays."""
    rows = [build_row(connection, one, now=now) for one in invoices]
    if rows:
        PsaInvoice.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["connection", "invoice_id"], update_fields=COLUMNS
        )


def build_row(connection: PsaConnection, one: RemoteInvoice, *, now: datetime) -> PsaInvoice:
    """The row of an invoice, not saved."""
    return PsaInvoice(
        connection=connection,
        invoice_id=one.id,
        number=one.number.strip(),
        kind=one.kind,
        company_id=one.company_id,
        company_identifier=one.company_identifier,
        company_name=one.company_name,
        currency=one.currency if len(one.currency) == 3 else "",
        total=get_minor(one.total),
        balance=get_minor(one.balance),
        paid=get_minor(one.paid),
        is_closed=one.is_closed,
        is_gone=False,
        issued_on=one.issued_on,
        due_on=one.due_on,
        term_id=one.term_id,
        changed_at=one.updated_at,
        read_at=now,
    )


def get_minor(amount: Money | None) -> int | None:
    """Minor units, where they are known and a column holds them."""
    return amount.amount if amount is not None and abs(amount.amount) < 2**62 else None


def read_missing(psa: Psa, connection: PsaConnection, *, currency: str, now: datetime) -> None:
    """After a full reading: read those that were open before and did not come; what is not there is gone."""
    rows = PsaInvoice.objects.filter(connection=connection, is_gone=False, balance__gt=0, read_at__lt=now)
    missing = list(rows.order_by("read_at").values_list("invoice_id", flat=True)[:MOST_MISSING])
    if not missing:
        return
    upsert_invoices(connection, psa.list_invoices(missing, currency=currency), now=now)
    rows.filter(invoice_id__in=missing).update(**GONE)


def store_one(connection: PsaConnection, invoice: RemoteInvoice, *, now: datetime) -> None:
    """Store one invoice that was read by itself, and join its number."""
    upsert_invoices(connection, [invoice], now=now)
    join_invoices(connection, numbers=[invoice.number.strip()], now=now)


def mark_gone(connection: PsaConnection, invoice_id: int) -> None:
    """Note that PSA has an invoice no more."""
    PsaInvoice.objects.filter(connection=connection, invoice_id=invoice_id).update(**GONE)


def delete_old_invoices(*, now: datetime) -> int:
    """Delete what was kept of invoices that nobody pays any more; answer how many."""
    is_over = Q(is_gone=True) | Q(balance__lte=0)
    old = PsaInvoice.objects.annotate(at=Coalesce("changed_at", "read_at")).filter(is_over, at__lt=now - KEEP_ROWS)
    return int(old.delete()[0])
