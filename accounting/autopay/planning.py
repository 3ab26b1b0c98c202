"""Planning: every invoice under a billing term is compared with what is scheduled of it, in bulk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import connection, transaction

from accounting.autopay.comparing import Alter, Cancel, Change, Create, Hold, compare
from accounting.autopay.deciding import Gap, Plan, Rulebook, decide
from accounting.autopay.notices import tell_unmatched
from accounting.autopay.reading import Read, companies_of, is_paused, read_invoices, read_rulebook
from accounting.autopay.writing import alter, cancel, create, hold
from accounting.models import ScheduledPayment, UnmatchedInvoice
from merchants.models import Merchant

log = structlog.get_logger(__name__)

LOCK = 0xA7  # the class of the advisory locks under which one merchant is planned by one worker
NOTED = frozenset(UnmatchedInvoice.Code.values)


class PlanningUnderWay(Exception):
    """Another worker plans this merchant now."""


@dataclass(slots=True)
class Planned:
    """How many scheduled payments planning made, changed and ended, and how many invoices it could not match."""

    created: int = 0
    altered: int = 0
    cancelled: int = 0
    held: int = 0
    unmatched: int = 0


@dataclass(slots=True)
class Batch:
    """What one chunk of invoices changes."""

    creates: list[tuple[Read, Plan]] = field(default_factory=list)
    alters: list[Alter] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    gaps: list[tuple[int, Gap]] = field(default_factory=list)
    matched: list[int] = field(default_factory=list)

    def add(self, read: Read, decision: Plan | Gap, change: Change) -> None:
        """Take up what one invoice changes."""
        if isinstance(change, Create):
            self.creates.append((read, change.plan))
        elif isinstance(change, Alter):
            self.alters.append(change)
        elif isinstance(change, Cancel):
            self.cancels.append(change)
        elif isinstance(change, Hold):
            self.holds.append(change)
        self.note(read, decision, ends=isinstance(change, Cancel))

    def note(self, read: Read, decision: Plan | Gap, *, ends: bool) -> None:
        """Whether the invoice belongs on the list of unmatched ones."""
        code = decision.code if isinstance(decision, Gap) else ""
        stands = read.standing is not None and read.standing.state in ("scheduled", "held", "pending", "failed")
        if code in NOTED and (not stands or ends):
            if code != read.unmatched:
                self.gaps.append((read.invoice.id, Gap(code, getattr(decision, "reason", ""))))
        elif read.unmatched:
            self.matched.append(read.invoice.id)


def plan_merchant(merchant: Merchant, *, now: datetime, ids: Sequence[int] | None = None) -> Planned:
    """Bring what is scheduled up to date with the invoices, all of them or those with these ids.

    The same again changes nothing. Raises PlanningUnderWay.
    """
    with one_planner(merchant):
        paused = is_paused(merchant)
        companies = None if ids is None else companies_of(merchant, ids)
        book = read_rulebook(merchant, companies=companies)
        done = Planned()
        for chunk in read_invoices(merchant, book, ids=ids):
            apply(merchant, batch_of(chunk, book, now=now, paused=paused), done, now=now)
    log.debug("autopay.planned", merchant=merchant.reference, created=done.created, cancelled=done.cancelled)
    return done


class one_planner:  # noqa: N801 (it is used like a function)
    """One merchant is planned by one worker at a time; a lock of the session, gone with its connection."""

    def __init__(self, merchant: Merchant) -> None:
        self.key = [LOCK, merchant.pk % 2**31]

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", self.key)
            if not cursor.fetchone()[0]:
                raise PlanningUnderWay

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", self.key)


def batch_of(chunk: Iterable[Read], book: Rulebook, *, now: datetime, paused: bool) -> Batch:
    """What these invoices change."""
    batch = Batch()
    for read in chunk:
        decision = decide(read.invoice, book, now=now)
        change = compare(read.standing, decision, now=now, is_paused=paused)
        if not paused:
            batch.add(read, decision, change)
        elif isinstance(change, Cancel):
            batch.cancels.append(change)
    return batch


def apply(merchant: Merchant, batch: Batch, done: Planned, *, now: datetime) -> None:
    """Write one chunk's changes, each as it is still true, and tell the merchant of invoices that match nothing."""
    with transaction.atomic(durable=True):
        done.cancelled += cancel(batch.cancels, now=now)
        done.held += hold(batch.holds, now=now)
        done.altered += alter(batch.alters)
        done.created += create(merchant, batch.creates, now=now)
        note_unmatched(merchant, batch, now=now)
    done.unmatched += len(batch.gaps)


def note_unmatched(merchant: Merchant, batch: Batch, *, now: datetime) -> None:
    """Keep the list of unmatched invoices. A step of an open transaction."""
    if batch.matched:
        UnmatchedInvoice.objects.filter(invoice__in=batch.matched).delete()
    if batch.gaps:
        rows = [
            UnmatchedInvoice(merchant=merchant, invoice_id=pk, code=gap.code, reason=gap.reason[:300], noted_at=now)
            for pk, gap in batch.gaps
        ]
        UnmatchedInvoice.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["invoice"], update_fields=["code", "reason", "noted_at"]
        )
        tell_unmatched(merchant, rows, now=now)


def preview(merchant: Merchant, *, now: datetime) -> list[tuple[int, str]]:
    """Invoices under a billing term that would not be charged, with the reason; nothing is written."""
    book = read_rulebook(merchant)
    found: list[tuple[int, str]] = []
    for chunk in read_invoices(merchant, book):
        for read in chunk:
            decision = decide(read.invoice, book, now=now)
            if isinstance(decision, Gap) and decision.code in NOTED:
                found.append((read.invoice.id, decision.reason))
    return found


def live_of(invoice_id: int) -> ScheduledPayment | None:
    """The live scheduled payment of an invoice."""
    return ScheduledPayment.objects.filter(invoice=invoice_id, state__in=["scheduled", "pending", "held"]).first()
