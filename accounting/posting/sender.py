"""Draining: everything that waits for one merchant's books goes out in as few calls as possible.

Kind after kind in the order of the desks, each in batches, or several kinds in one where the books can do that.
Before every call the batch is marked `sent`;
whatever is still `sent` when a worker comes back is looked for by its number before anything is done again,
so a document is made once, and undone once, whatever breaks. What is in other books, or went there, is not looked for
in these.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby

import structlog
from django.db.models import Exists, OuterRef, Q, QuerySet
from django_subatomic.db import transaction

from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import Ledger, OrderGroup, RemoteCreditNote, WriteResult
from accounting.models import AccountingSettings, Posting
from accounting.posting.credit_note_state import sync_credit_note_states
from accounting.posting.former_organisation import create_former_organisation_tasks
from accounting.posting.kinds import POSTING_KIND_BY_VALUE, POSTING_KINDS, SEND_POSITION, PostingKind
from accounting.posting.manual_tasks import CREDIT_NOTE_KINDS
from accounting.posting.orders import FORMER_ORGANISATION, LedgerOrder
from accounting.posting.quote_payments import cancel_contact_postings, cancel_draft_postings
from accounting.posting.results import CHOOSE_CONTACT, record_not_found, record_posted, record_rejected
from accounting.posting.services import is_ready_to_post
from connections.availability import record_outage
from connections.models import Connection, Tier
from connections.rate_limiter.budget import OutOfBudget, Priority
from connections.rate_limiter.limiter import check_budget
from connections.services import get_connection
from merchants.models import Merchant
from payers.companies import CompanyTaken, restore_contact
from payers.models import PayerCompany
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=120)
UNKNOWN_RESULT = "It was sent, no answer came, and the accounting package refused to tell whether it is there:"
DRAFT_ONLY_KINDS = (Posting.Kind.DRAFT_NOTE, Posting.Kind.REMOVAL)
PRIORITY: Priority = "company"  # nobody stands and waits for it, but it goes before what the service does for itself
RELATED_FIELDS = (
    "company",
    "payment__merchant",
    "attempt__credit_note",
    "refund",
    "payment_allocation__invoice",
    "match__invoice",
)


def send_postings(merchant: Merchant, *, now: datetime) -> None:
    """Send what waits. Raises Retry when the ledger cannot take it now; a broken connection just waits."""
    waiting = Posting.objects.filter(merchant=merchant, state__in=["pending", "sent"])
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = find_posting_connection(merchant)
    if connection is None or chosen is None or not is_ready_to_post(chosen, connection) or not waiting.exists():
        return
    if connection.is_blocked(now) and connection.blocked_until:
        raise Retry(connection.last_error, after=(connection.blocked_until - now).total_seconds() + 1)
    if not acquire_posting_lease(connection, now=now):
        raise Retry("another worker is posting for this merchant", after=2)
    try:
        send_postings_through(connection, merchant, chosen, now=now)
    finally:
        Connection.objects.filter(pk=connection.pk).update(lease_until=None)


def find_posting_connection(merchant: Merchant) -> Connection | None:
    """The connection that postings go through, if it is connected."""
    try:
        connection = get_connection(merchant, tier=Tier.WISE_PAY)
    except Disconnected:
        return None
    return connection if connection.state == "connected" else None


def send_postings_through(
    connection: Connection, merchant: Merchant, settings: AccountingSettings, *, now: datetime
) -> None:
    """One pass; what the ledger says of itself is written on the connection. Raises Retry."""
    began = time.monotonic()
    try:
        with suppress(Disconnected), ledger_session(connection, priority=PRIORITY, now=now) as ledger:
            PostingSender(merchant, connection, settings, ledger, now=now).run()
    except Unavailable as error:
        raise Retry(str(error), after=get_retry_delay(connection, error, now=now, started=began)) from error


def get_retry_delay(connection: Connection, error: Unavailable, *, now: datetime, started: float) -> float:
    """Seconds from `now` until the next pass. A limit of a second is over before anybody could read of it."""
    if isinstance(error, OutOfBudget) and error.reason == "second":
        return float(error.retry_after or 1) + time.monotonic() - started
    return record_outage(connection, error, now=now)


def acquire_posting_lease(connection: Connection, *, now: datetime) -> bool:
    """Become the only worker that posts for this connection; a dead worker's slot frees itself."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return bool(Connection.objects.filter(free, pk=connection.pk).update(lease_until=now + LEASE))


class PostingSender:
    """One worker's pass over one merchant's waiting postings."""

    def __init__(
        self,
        merchant: Merchant,
        connection: Connection,
        chosen: AccountingSettings,
        ledger: Ledger,
        *,
        now: datetime,
    ) -> None:
        self.merchant = merchant
        self.connection = connection
        self.settings = chosen
        self.ledger = ledger
        self.now = now
        self.organisation_id = connection.organisation_id
        self.unknown: set[int] = set()

    def run(self) -> None:
        """Settle what was left `sent`, then send every kind until nothing more can go."""
        self.leave_former_documents()
        self.create_contact_postings()
        self.for_each_kind("sent", self.resolve_sent)
        if self.ledger.supports_mixed_batches:
            self.send_mixed()
        self.for_each_kind("pending", self.send_kind)

    def for_each_kind(self, state: str, work: Callable[[PostingKind], None]) -> None:
        """Do the work of every desk that has a posting in `state`, also of one that came up on the way."""
        rows = Posting.objects.filter(merchant=self.merchant, state=state).order_by()
        kinds = set(rows.values_list("kind", flat=True).distinct())
        for desk in POSTING_KINDS:
            if desk.value in kinds:
                work(desk)
                kinds = set(rows.values_list("kind", flat=True).distinct())

    def resolve_sent(self, desk: PostingKind) -> None:
        """Look for everything of this kind whose answer was lost."""
        while left := self.list_ready(desk, state="sent"):
            self.resolve_unanswered(desk, left)

    def leave_former_documents(self) -> None:
        """What went to other books and was not answered, or changes what stands there, is for a person.

        Drafts are no money: whether one arrived there matters to nobody.
        """
        gone = Posting.objects.filter(merchant=self.merchant, state="sent", payment__isnull=False)
        found = list(gone.exclude(sent_to=self.organisation_id).select_related(*RELATED_FIELDS).order_by("pk"))
        self.return_to_pending([posting for posting in found if posting.kind in DRAFT_ONLY_KINDS])
        create_former_organisation_tasks(
            [posting for posting in found if posting.kind not in DRAFT_ONLY_KINDS], now=self.now
        )
        cancel_draft_postings(
            self.merchant,
            organisation_id=self.organisation_id,
            supports_drafts=self.ledger.supports_drafts,
            now=self.now,
        )
        self.for_each_kind("pending", self.create_former_tasks)

    def create_former_tasks(self, desk: PostingKind) -> None:
        """Of this kind, what changes documents of other books or belongs to them."""
        rows = Posting.objects.filter(merchant=self.merchant, kind=desk.value, state="pending")
        create_former_organisation_tasks(
            rows.filter(desk.is_in_other_organisation(self.organisation_id)).order_by("pk"), now=self.now
        )

    def send_kind(self, desk: PostingKind) -> None:
        """Send everything of this kind that can go."""
        while batch := self.claim_batch(self.list_ready(desk, state="pending")):
            self.send_batch(batch)

    def send_mixed(self) -> None:
        """Fill every call with whatever can go, of all kinds that may travel together."""
        while batch := self.claim_batch(self.list_mixable()):
            self.send_batch(batch)

    def list_mixable(self) -> list[Posting]:
        """As many as go in one call, in the order of the desks."""
        found: list[Posting] = []
        for desk in POSTING_KINDS:
            if desk.mixed_as and len(found) < self.ledger.batch_size:
                found += self.list_ready(desk, state="pending")[: self.ledger.batch_size - len(found)]
        return found

    def create_contact_postings(self) -> None:
        """A posting for every company that was no contact of this organisation yet."""
        cancel_contact_postings(self.merchant, organisation_id=self.organisation_id, now=self.now)
        waiting = Posting.objects.filter(company=OuterRef("pk"), state__in=["pending", "sent"])
        unknown = (
            PayerCompany.objects.filter(Exists(waiting), merchant=self.merchant)
            .exclude(organisation_id=self.organisation_id, contact_id__gt="")
            .annotate(is_wanted=Exists(waiting.exclude(error=FORMER_ORGANISATION)))
            .order_by("pk")
        )
        fresh = {"state": "pending", "state_at": self.now, "merchant": self.merchant}
        Posting.objects.bulk_create(
            [
                Posting(kind="contact", number=c.reference, organisation_id=self.organisation_id, company=c, **fresh)
                for c in unknown
                if not self.is_known_contact(c) and c.is_wanted
            ],
            ignore_conflicts=True,
        )

    def is_known_contact(self, company: PayerCompany) -> bool:
        """Whether the company was a contact here before; if another one took that since, a person decides."""
        try:
            return restore_contact(company, organisation_id=self.organisation_id)
        except CompanyTaken as error:
            Posting.objects.filter(company=company, state="pending").update(error=f"{error} {CHOOSE_CONTACT}")
            return True

    def list_ready(self, desk: PostingKind, *, state: str) -> list[Posting]:
        """Postings of one kind as many as go in one call: all that were sent, or those whose prerequisites stand."""
        here = self.organisation_id
        rows: QuerySet[Posting] = Posting.objects.filter(merchant=self.merchant, kind=desk.value, state=state)
        if desk.value == "contact":
            rows = rows.filter(organisation_id=here)
        else:
            rows = rows.filter(company__organisation_id=here, company__contact_id__gt="")
        if state == "pending":
            rows = rows.filter(desk.is_in_organisation(here), *desk.conditions)
        else:
            rows = rows.filter(sent_to=here).exclude(pk__in=self.unknown)
        most = 1 if desk.is_single else self.ledger.batch_size
        return list(rows.select_related(*RELATED_FIELDS).order_by("pk")[:most])

    def claim_batch(self, found: Sequence[Posting]) -> list[Posting]:
        """These, marked `sent` before anybody hears of them; what was cancelled meanwhile is left out."""
        if keys := [posting.pk for posting in found]:
            check_budget(self.connection, priority=PRIORITY)
        with transaction():
            rows = Posting.objects.select_for_update(of=("self",)).select_related(*RELATED_FIELDS).filter(pk__in=keys)
            batch = list(rows.filter(state="pending").order_by("pk"))
            for posting in batch:
                posting.move_locked_to("sent", now=self.now, by="drain", sent_to=self.organisation_id)
        return sorted(batch, key=lambda posting: SEND_POSITION[posting.kind])

    def send_batch(self, batch: Sequence[Posting]) -> None:
        """One call; then each element's answer by itself."""
        try:
            answers = self.post_batch(batch, key=f"wp-{uuid.uuid4()}")
        except Rejected as error:
            self.split_rejected_batch(batch, error)
            return
        except (Unavailable, Disconnected) as error:
            if isinstance(error, Disconnected) or not error.maybe_done:
                self.return_to_pending(batch)
            raise
        self.resolve_answers(batch, answers)

    def post_batch(self, batch: Sequence[Posting], *, key: str) -> list[WriteResult]:
        """The call itself: one kind, or several that travel together."""
        parts = group_by_kind(batch)
        if len(parts) == 1:
            [(desk, rows)] = parts
            return desk.create(self.ledger, self.build_orders(rows), key=key)
        return self.ledger.create_mixed_batch(
            [OrderGroup(desk.mixed_as, self.build_orders(rows)) for desk, rows in parts if desk.mixed_as], key=key
        )

    def split_rejected_batch(self, batch: Sequence[Posting], error: Rejected) -> None:
        """Find the element that spoils the batch by halving it."""
        if len(batch) == 1:
            self.resolve_answers(batch, [WriteResult(batch[0].number, refusal=error.message)])
            return
        middle = len(batch) // 2
        self.send_batch(batch[:middle])
        self.send_batch(batch[middle:])

    def resolve_answers(self, batch: Sequence[Posting], answers: Sequence[WriteResult]) -> None:
        """Look before calling anything refused: what is taken or gone already is perhaps our own work."""
        refused = [p for p, a in zip(batch, answers, strict=True) if not a.id]
        there = {(d.value, w.number): w for d, rows in group_by_kind(refused) for w in self.find_posted(d, rows)}
        final = [a if a.id else there.get((p.kind, a.number), a) for p, a in zip(batch, answers, strict=True)]
        self.apply_results(
            batch, final, self.read_remote_credit_notes([p for p, a in zip(batch, final, strict=True) if not a.id])
        )

    def read_remote_credit_notes(self, refused: Sequence[Posting]) -> dict[str, RemoteCreditNote]:
        """The credit notes of refused postings by number: they say what a person has to do."""
        numbers = [p.attempt.credit_note.number for p in refused if p.attempt and p.kind in CREDIT_NOTE_KINDS]
        with suppress(Rejected):
            return (
                {f.number: f for f in self.ledger.read_credit_notes_by_number(sorted(set(numbers)))} if numbers else {}
            )
        return {}

    def find_posted(self, desk: PostingKind, rows: list[Posting]) -> list[WriteResult]:
        """Those of one kind that are done. Of which the books refuse to tell is `unclear` for the rest of this pass."""
        try:
            return desk.find(self.ledger, self.build_orders(rows))
        except Rejected as error:
            if len(rows) == 1:
                self.unknown.add(rows[0].pk)
                Posting.objects.filter(pk=rows[0].pk).update(error=f"{UNKNOWN_RESULT} {error.message}"[:500])
                return []
            middle = len(rows) // 2
            return self.find_posted(desk, rows[:middle]) + self.find_posted(desk, rows[middle:])

    def resolve_unanswered(self, desk: PostingKind, left: list[Posting]) -> None:
        """Settle postings whose answer was lost: there, or to be done again."""
        there = {w.number: w for w in self.find_posted(desk, left)}
        self.apply_results(
            [p for p in left if p.number in there], [there[p.number] for p in left if p.number in there], {}
        )
        self.return_to_pending([p for p in left if p.number not in there and p.pk not in self.unknown])

    def return_to_pending(self, batch: Sequence[Posting]) -> None:
        """These are certainly not in the books."""
        if not batch:
            return
        with transaction():
            for posting in batch:
                record_not_found(posting, now=self.now)

    def apply_results(
        self, batch: Sequence[Posting], answers: Sequence[WriteResult], facts: dict[str, RemoteCreditNote]
    ) -> None:
        """Write every element's answer down, all in one commit."""
        with transaction():
            for posting, answer in zip(batch, answers, strict=True):
                if answer.id:
                    record_posted(posting, ledger_id=answer.id, connection=self.connection, now=self.now)
                    continue
                about = facts.get(posting.attempt.credit_note.number) if facts and posting.attempt else None
                record_rejected(posting, refusal=answer.refusal, remote_note=about, now=self.now)
            sync_credit_note_states(self.merchant, facts.values(), asked_at=self.now, now=self.now)

    def build_orders(self, batch: Sequence[Posting]) -> list[LedgerOrder]:
        """The postings in the door's words."""
        return [POSTING_KIND_BY_VALUE[posting.kind].build_order(posting, self.settings) for posting in batch]


def group_by_kind(batch: Sequence[Posting]) -> list[tuple[PostingKind, list[Posting]]]:
    """The batch, which is in the order of the desks, kind by kind."""
    return [
        (POSTING_KIND_BY_VALUE[kind], list(rows)) for kind, rows in groupby(batch, key=lambda posting: posting.kind)
    ]
