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
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounting.desks import DESK_OF, DESKS, LEFT, PLACE_OF, Desk, Order
from accounting.facts import record_facts
from accounting.hand_tasks import ABOUT_NOTES
from accounting.ledgers.words import Ledger, NoteFacts, Parcel, Written
from accounting.models import AccountingSettings, Posting
from accounting.other_books import leave_behind
from accounting.outcomes import MAP_IT, record_not_there, record_posted, record_refused
from accounting.promises import forgo_contacts, forgo_drafts
from accounting.services import is_ready
from accounting.speaking import speaking
from connections.budget import Lane, OutOfBudget
from connections.governor import require_room
from connections.health import note_silence
from connections.models import Connection, Tier
from connections.services import connection_for
from merchants.models import Merchant
from payers.companies import CompanyTaken, recall_contact
from payers.models import PayerCompany
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=120)
UNCLEAR = "It was sent, no answer came, and the accounting package refused to tell whether it is there:"
DRAFTS = (Posting.Kind.DRAFT_NOTE, Posting.Kind.REMOVAL)
LANE: Lane = "company"  # nobody stands and waits for it, but it goes before what the service does for itself
READ_ALONG = ("company", "payment__merchant", "attempt__credit_note", "refund", "share__invoice", "match__invoice")


def drain_postings(merchant: Merchant, *, now: datetime) -> None:
    """Send what waits. Raises Retry when the ledger cannot take it now; a broken connection just waits."""
    waiting = Posting.objects.filter(merchant=merchant, state__in=["pending", "sent"])
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = working_connection(merchant)
    if connection is None or chosen is None or not is_ready(chosen, connection) or not waiting.exists():
        return
    if connection.is_blocked(now) and connection.blocked_until:
        raise Retry(connection.last_error, after=(connection.blocked_until - now).total_seconds() + 1)
    if not take_slot(connection, now=now):
        raise Retry("another worker is posting for this merchant", after=2)
    try:
        drain_through(connection, merchant, chosen, now=now)
    finally:
        Connection.objects.filter(pk=connection.pk).update(draining_until=None)


def working_connection(merchant: Merchant) -> Connection | None:
    """The connection that postings go through, if it is connected."""
    try:
        connection = connection_for(merchant, tier=Tier.WISE_PAY)
    except Disconnected:
        return None
    return connection if connection.state == "connected" else None


def drain_through(connection: Connection, merchant: Merchant, chosen: AccountingSettings, *, now: datetime) -> None:
    """One pass; what the ledger says of itself is written on the connection. Raises Retry."""
    began = time.monotonic()
    try:
        with suppress(Disconnected), speaking(connection, lane=LANE, now=now) as ledger:
            Drain(merchant, connection, chosen, ledger, now=now).run()
    except Unavailable as error:
        raise Retry(str(error), after=pause_after(connection, error, now=now, began=began)) from error


def pause_after(connection: Connection, error: Unavailable, *, now: datetime, began: float) -> float:
    """Seconds from `now` until the next pass. A limit of a second is over before anybody could read of it."""
    if isinstance(error, OutOfBudget) and error.reason == "second":
        return float(error.retry_after or 1) + time.monotonic() - began
    return note_silence(connection, error, now=now)


def take_slot(connection: Connection, *, now: datetime) -> bool:
    """Become the only worker that posts for this connection; a dead worker's slot frees itself."""
    free = Q(draining_until=None) | Q(draining_until__lt=now)
    return bool(Connection.objects.filter(free, pk=connection.pk).update(draining_until=now + LEASE))


class Drain:
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
        self.chosen = chosen
        self.ledger = ledger
        self.now = now
        self.organisation = connection.organisation_id
        self.unclear: set[int] = set()

    def run(self) -> None:
        """Settle what was left `sent`, then send every kind until nothing more can go."""
        self.mind_other_books()
        self.promise_contacts()
        self.at_every_desk("sent", self.settle_sent)
        if self.ledger.mixes_kinds:
            self.send_mixed()
        self.at_every_desk("pending", self.send_all)

    def at_every_desk(self, state: str, work: Callable[[Desk], None]) -> None:
        """Do the work of every desk that has a posting in `state`, also of one that came up on the way."""
        rows = Posting.objects.filter(merchant=self.merchant, state=state).order_by()
        kinds = set(rows.values_list("kind", flat=True).distinct())
        for desk in DESKS:
            if desk.kind in kinds:
                work(desk)
                kinds = set(rows.values_list("kind", flat=True).distinct())

    def settle_sent(self, desk: Desk) -> None:
        """Look for everything of this kind whose answer was lost."""
        while left := self.ready(desk, state="sent"):
            self.look_first(desk, left)

    def mind_other_books(self) -> None:
        """What went to other books and was not answered, or changes what stands there, is for a person.

        Drafts are no money: whether one arrived there matters to nobody.
        """
        gone = Posting.objects.filter(merchant=self.merchant, state="sent", payment__isnull=False)
        found = list(gone.exclude(sent_to=self.organisation).select_related(*READ_ALONG).order_by("pk"))
        self.take_back([posting for posting in found if posting.kind in DRAFTS])
        leave_behind([posting for posting in found if posting.kind not in DRAFTS], now=self.now)
        forgo_drafts(self.merchant, organisation_id=self.organisation, drafts=self.ledger.supports_drafts, now=self.now)
        self.at_every_desk("pending", self.leave_behind)

    def leave_behind(self, desk: Desk) -> None:
        """Of this kind, what changes documents of other books or belongs to them."""
        rows = Posting.objects.filter(merchant=self.merchant, kind=desk.kind, state="pending")
        leave_behind(rows.filter(desk.is_elsewhere(self.organisation)).order_by("pk"), now=self.now)

    def send_all(self, desk: Desk) -> None:
        """Send everything of this kind that can go."""
        while batch := self.claim(self.ready(desk, state="pending")):
            self.send(batch)

    def send_mixed(self) -> None:
        """Fill every call with whatever can go, of all kinds that may travel together."""
        while batch := self.claim(self.ready_to_mix()):
            self.send(batch)

    def ready_to_mix(self) -> list[Posting]:
        """As many as go in one call, in the order of the desks."""
        found: list[Posting] = []
        for desk in DESKS:
            if desk.mixes and len(found) < self.ledger.batch_size:
                found += self.ready(desk, state="pending")[: self.ledger.batch_size - len(found)]
        return found

    def promise_contacts(self) -> None:
        """A posting for every company that was no contact of this organisation yet."""
        forgo_contacts(self.merchant, organisation_id=self.organisation, now=self.now)
        waiting = Posting.objects.filter(company=OuterRef("pk"), state__in=["pending", "sent"])
        unknown = (
            PayerCompany.objects.filter(Exists(waiting), merchant=self.merchant)
            .exclude(organisation_id=self.organisation, contact_id__gt="")
            .annotate(is_wanted=Exists(waiting.exclude(error=LEFT)))
            .order_by("pk")
        )
        fresh = {"state": "pending", "state_at": self.now, "merchant": self.merchant}
        Posting.objects.bulk_create(
            [
                Posting(kind="contact", number=c.reference, organisation_id=self.organisation, company=c, **fresh)
                for c in unknown
                if not self.is_recalled(c) and c.is_wanted
            ],
            ignore_conflicts=True,
        )

    def is_recalled(self, company: PayerCompany) -> bool:
        """Whether the company was a contact here before; if another one took that since, a person decides."""
        try:
            return recall_contact(company, organisation_id=self.organisation)
        except CompanyTaken as error:
            Posting.objects.filter(company=company, state="pending").update(error=f"{error} {MAP_IT}")
            return True

    def ready(self, desk: Desk, *, state: str) -> list[Posting]:
        """Postings of one kind as many as go in one call: all that were sent, or those whose prerequisites stand."""
        here = self.organisation
        rows: QuerySet[Posting] = Posting.objects.filter(merchant=self.merchant, kind=desk.kind, state=state)
        if desk.kind == "contact":
            rows = rows.filter(organisation_id=here)
        else:
            rows = rows.filter(company__organisation_id=here, company__contact_id__gt="")
        if state == "pending":
            rows = rows.filter(desk.is_at(here), *desk.needs)
        else:
            rows = rows.filter(sent_to=here).exclude(pk__in=self.unclear)
        most = 1 if desk.is_single else self.ledger.batch_size
        return list(rows.select_related(*READ_ALONG).order_by("pk")[:most])

    def claim(self, found: Sequence[Posting]) -> list[Posting]:
        """These, marked `sent` before anybody hears of them; what was cancelled meanwhile is left out."""
        if keys := [posting.pk for posting in found]:
            require_room(self.connection, lane=LANE)
        with transaction.atomic(durable=True):
            rows = Posting.objects.select_for_update(of=("self",)).select_related(*READ_ALONG).filter(pk__in=keys)
            batch = list(rows.filter(state="pending").order_by("pk"))
            for posting in batch:
                posting.advance("sent", now=self.now, by="drain", sent_to=self.organisation)
        return sorted(batch, key=lambda posting: PLACE_OF[posting.kind])

    def send(self, batch: Sequence[Posting]) -> None:
        """One call; then each element's answer by itself."""
        try:
            answers = self.post(batch, key=f"wp-{uuid.uuid4()}")
        except Rejected as error:
            self.refused_as_a_whole(batch, error)
            return
        except (Unavailable, Disconnected) as error:
            if isinstance(error, Disconnected) or not error.maybe_done:
                self.take_back(batch)
            raise
        self.judge(batch, answers)

    def post(self, batch: Sequence[Posting], *, key: str) -> list[Written]:
        """The call itself: one kind, or several that travel together."""
        parts = by_desk(batch)
        if len(parts) == 1:
            [(desk, rows)] = parts
            return desk.create(self.ledger, self.orders(rows), key=key)
        return self.ledger.create_together([Parcel(desk.verb, self.orders(rows)) for desk, rows in parts], key=key)

    def refused_as_a_whole(self, batch: Sequence[Posting], error: Rejected) -> None:
        """Find the element that spoils the batch by halving it."""
        if len(batch) == 1:
            self.judge(batch, [Written(batch[0].number, refusal=error.message)])
            return
        middle = len(batch) // 2
        self.send(batch[:middle])
        self.send(batch[middle:])

    def judge(self, batch: Sequence[Posting], answers: Sequence[Written]) -> None:
        """Look before calling anything refused: what is taken or gone already is perhaps our own work."""
        refused = [p for p, a in zip(batch, answers, strict=True) if not a.id]
        there = {(d.kind, w.number): w for d, rows in by_desk(refused) for w in self.find(d, rows)}
        final = [a if a.id else there.get((p.kind, a.number), a) for p, a in zip(batch, answers, strict=True)]
        self.record(batch, final, self.facts_about([p for p, a in zip(batch, final, strict=True) if not a.id]))

    def facts_about(self, refused: Sequence[Posting]) -> dict[str, NoteFacts]:
        """The credit notes of refused postings by number: they say what a person has to do."""
        numbers = [p.attempt.credit_note.number for p in refused if p.attempt and p.kind in ABOUT_NOTES]
        with suppress(Rejected):
            return {f.number: f for f in self.ledger.read_credit_notes(sorted(set(numbers)))} if numbers else {}
        return {}

    def find(self, desk: Desk, rows: list[Posting]) -> list[Written]:
        """Those of one kind that are done. Of which the books refuse to tell is `unclear` for the rest of this pass."""
        try:
            return desk.find(self.ledger, self.orders(rows))
        except Rejected as error:
            if len(rows) == 1:
                self.unclear.add(rows[0].pk)
                Posting.objects.filter(pk=rows[0].pk).update(error=f"{UNCLEAR} {error.message}"[:500])
                return []
            middle = len(rows) // 2
            return self.find(desk, rows[:middle]) + self.find(desk, rows[middle:])

    def look_first(self, desk: Desk, left: list[Posting]) -> None:
        """Settle postings whose answer was lost: there, or to be done again."""
        there = {w.number: w for w in self.find(desk, left)}
        self.record([p for p in left if p.number in there], [there[p.number] for p in left if p.number in there], {})
        self.take_back([p for p in left if p.number not in there and p.pk not in self.unclear])

    def take_back(self, batch: Sequence[Posting]) -> None:
        """These are certainly not in the books."""
        if not batch:
            return
        with transaction.atomic(durable=True):
            for posting in batch:
                record_not_there(posting, now=self.now)

    def record(self, batch: Sequence[Posting], answers: Sequence[Written], facts: dict[str, NoteFacts]) -> None:
        """Write every element's answer down, all in one commit."""
        with transaction.atomic(durable=True):
            for posting, answer in zip(batch, answers, strict=True):
                if answer.id:
                    record_posted(posting, ledger_id=answer.id, connection=self.connection, now=self.now)
                    continue
                about = facts.get(posting.attempt.credit_note.number) if facts and posting.attempt else None
                record_refused(posting, refusal=answer.refusal, facts=about, now=self.now)
            record_facts(self.merchant, facts.values(), asked_at=self.now, now=self.now)

    def orders(self, batch: Sequence[Posting]) -> list[Order]:
        """The postings in the door's words."""
        return [DESK_OF[posting.kind].order(posting, self.chosen) for posting in batch]


def by_desk(batch: Sequence[Posting]) -> list[tuple[Desk, list[Posting]]]:
    """The batch, which is in the order of the desks, kind by kind."""
    return [(DESK_OF[kind], list(rows)) for kind, rows in groupby(batch, key=lambda posting: posting.kind)]
