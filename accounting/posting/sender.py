"""The posting sender: sends everything that waits for one merchant's ledger in as few calls as possible.

It sends kind after kind in the order of the table, each in batches, or several kinds in one call where the ledger can
do that. Before every call the batch is marked `sent`; what is still `sent` when a worker comes back is looked for by
its number before it is sent again, so a document is created once, and undone once, whatever breaks. What belongs to
another organisation's ledger, or went there, is not looked for in this one.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.db.models import QuerySet
from django_subatomic.db import transaction

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import Ledger, OrderGroup, RemoteCreditNote, WriteResult
from accounting.ledgers.remote_documents import build_unknown_credit_note
from accounting.models import AccountingSettings, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.contact_needs import (
    CHOOSE_CONTACT,
    ContactNeeds,
    has_contact_in_currency,
    list_unknown_companies,
)
from accounting.posting.credit_notes import choose_own_notes, sync_credit_note_states
from accounting.posting.kinds import KIND_BY_NAME, POSTING_KINDS, SEND_POSITION, PostingKind, get_kind
from accounting.posting.ledger_orders import LedgerOrder
from accounting.posting.manual_tasks import create_former_organisation_task
from accounting.posting.results import (
    explain_unreadable_result,
    record_not_found,
    record_posted,
    record_rejected,
)
from accounting.posting.services import (
    cancel_contact_postings,
    cancel_draft_postings,
    is_ready_to_post,
    list_known_contacts,
)
from connections.availability import find_working_connection, record_outage
from connections.models import Connection, Tier
from connections.rate_limiter.limiter import OutOfBudget, Priority, check_budget
from merchants.models import Merchant
from payers.companies import CompanyTaken, restore_contact
from payers.models import PayerCompany
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.leases import hold_lease
from wisepay.outbox import Retry

log = structlog.get_logger(__name__)

UNCLEAR_INTERVAL = timedelta(minutes=15)  # until what cannot be read is looked for again
UNKNOWN_RESULT = "It was sent, no answer came, and the accounting package refused to tell whether it is there:"
PRIORITY: Priority = "company"  # nobody waits for it at a page, but it goes before what the service does for itself
RELATED_FIELDS = (
    "company",
    "payment__merchant",
    "attempt__credit_note",
    "refund",
    "payment_allocation__invoice",
    "match__invoice",
)


def send_postings(merchant: Merchant, *, now: datetime) -> None:
    """Send the merchant's waiting postings. Raises Retry when the ledger cannot take them now.

    While no connection works or accounts are to be chosen, they just wait.
    """
    waiting = Posting.objects.filter(merchant=merchant, state__in=Posting.UNSENT_STATES)
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = find_working_connection(merchant, tier=Tier.WISE_PAY)
    if connection is None or chosen is None or not is_ready_to_post(chosen, connection) or not waiting.exists():
        return
    if connection.is_blocked(now) and connection.blocked_until:
        raise Retry(connection.last_error, after=(connection.blocked_until - now).total_seconds() + 1)
    rows = Connection.objects.filter(pk=connection.pk)
    with hold_lease(rows, now=now, busy="another worker is posting for this merchant", after=2):
        send_postings_through(connection, merchant, chosen, now=now)


def send_postings_through(
    connection: Connection, merchant: Merchant, settings: AccountingSettings, *, now: datetime
) -> None:
    """Make one pass in a ledger session. Raises Retry when the ledger is unavailable."""
    started, is_unclear = time.monotonic(), False
    try:
        with suppress(Disconnected), open_ledger_session(connection, priority=PRIORITY, now=now) as ledger:
            sender = PostingSender(merchant, connection, settings, ledger, now=now)
            sender.run()
            is_unclear = bool(sender.unclear)
    except Unavailable as error:
        raise Retry(str(error), after=get_retry_delay(connection, error, now=now, started=started)) from error
    if is_unclear:
        raise Retry("what became of some postings could not be read", after=UNCLEAR_INTERVAL.total_seconds())


def get_retry_delay(connection: Connection, error: Unavailable, *, now: datetime, started: float) -> float:
    """Seconds from `now` until the next pass, writing an outage on the connection.

    A limit of a second is over before anybody could read of it.
    """
    if isinstance(error, OutOfBudget) and error.reason == "second":
        return float(error.retry_after or 1) + time.monotonic() - started
    return record_outage(connection, error, now=now)


class PostingSender:
    """One worker's pass over one merchant's waiting postings."""

    def __init__(
        self,
        merchant: Merchant,
        connection: Connection,
        settings: AccountingSettings,
        ledger: Ledger,
        *,
        now: datetime,
    ) -> None:
        self.merchant = merchant
        self.connection = connection
        self.settings = settings
        self.ledger = ledger
        self.now = now
        self.organisation_id = connection.organisation_id
        self.unclear: set[int] = set()  # keys of postings that the ledger refuses to look for

    def run(self) -> None:
        """Resolve what was left `sent`, then send every kind until nothing more can go."""
        self.set_aside_former_postings()
        self.create_contact_postings()
        self.for_each_kind("sent", self.resolve_sent)
        if self.ledger.supports_mixed_batches:
            self.send_mixed()
        self.for_each_kind("pending", self.send_kind)

    def for_each_kind(self, state: str, work: Callable[[PostingKind[Any]], None]) -> None:
        """Do the work for every kind that has a posting in `state`, also for one that came up on the way."""
        rows = Posting.objects.filter(merchant=self.merchant, state=state).order_by()
        kinds = set(rows.values_list("kind", flat=True).distinct())
        for kind in POSTING_KINDS:
            if kind.name in kinds:
                work(kind)
                kinds = set(rows.values_list("kind", flat=True).distinct())

    def resolve_sent(self, kind: PostingKind[Any]) -> None:
        """Resolve all postings of this kind whose answer was lost."""
        while rows := self.list_ready(kind, state="sent"):
            self.resolve_unanswered(kind, rows)

    def set_aside_former_postings(self) -> None:
        """Open tasks for what went to another organisation unanswered, or changes what stands in its ledger.

        Drafts move no money: whether one arrived there does not matter, so they are sent again or cancelled.
        """
        sent = Posting.objects.filter(merchant=self.merchant, state="sent", organisation_id="")
        former = list(sent.exclude(sent_to=self.organisation_id).select_related(*RELATED_FIELDS).order_by("pk"))
        self.return_to_pending([posting for posting in former if get_kind(posting).is_only_draft])
        for posting in former:
            if not get_kind(posting).is_only_draft:
                create_former_organisation_task(posting, now=self.now)
        cancel_draft_postings(
            self.merchant,
            organisation_id=self.organisation_id,
            supports_drafts=self.ledger.supports_drafts,
            now=self.now,
        )
        self.for_each_kind("pending", self.create_former_tasks)

    def create_former_tasks(self, kind: PostingKind[Any]) -> None:
        """Open tasks for postings of this kind that change documents of another organisation or belong to them."""
        rows = Posting.objects.filter(merchant=self.merchant, kind=kind.name, state="pending")
        for posting in rows.filter(kind.is_in_other_organisation(self.organisation_id)).order_by("pk"):
            create_former_organisation_task(posting, now=self.now)

    def send_kind(self, kind: PostingKind[Any]) -> None:
        """Send everything of this kind that can go."""
        while batch := self.claim_batch(self.list_ready(kind, state="pending")):
            if rest := self.take_known_contacts(kind, batch):
                self.send_batch(rest)

    def take_known_contacts(self, kind: PostingKind[Any], batch: Sequence[Posting]) -> list[Posting]:
        """Look first for contacts whose names the ledger has, which it might change; answer what is to be sent."""
        known = list_known_contacts(batch, organisation_id=self.organisation_id) if kind.name == Kind.CONTACT else []
        found = {result.number: result for result in self.find_posted(kind, known)} if known else {}
        there = [posting for posting in known if posting.number in found]
        self.apply_results(there, [found[posting.number] for posting in there], {})
        done = {*(posting.pk for posting in there), *self.unclear}
        return [posting for posting in batch if posting.pk not in done]

    def send_mixed(self) -> None:
        """Send everything that can go of the kinds that may be sent in one call."""
        while batch := self.claim_batch(self.list_mixable()):
            self.send_batch(batch)

    def list_mixable(self) -> list[Posting]:
        """Postings of all kinds that may be sent together, as many as go in one call."""
        found: list[Posting] = []
        for kind in POSTING_KINDS:
            if kind.mixed_as and len(found) < self.ledger.batch_size:
                found += self.list_ready(kind, state="pending")[: self.ledger.batch_size - len(found)]
        return found

    def create_contact_postings(self) -> None:
        """See that every company with waiting postings is a contact of this organisation, in each of its currencies."""
        cancel_contact_postings(self.merchant, organisation_id=self.organisation_id, now=self.now)
        for company in list_unknown_companies(self.merchant, self.organisation_id):
            self.restore_known_contact(company)
        ContactNeeds(self.merchant, self.organisation_id, now=self.now).meet()

    def restore_known_contact(self, company: PayerCompany) -> None:
        """Map the company to the contact that it was here before, if it was one.

        If another company took that contact since, its postings wait for a person.
        """
        try:
            restore_contact(company, organisation_id=self.organisation_id)
        except CompanyTaken as error:
            Posting.objects.filter(company=company, state="pending").update(error=f"{error} {CHOOSE_CONTACT}")

    def list_ready(self, kind: PostingKind[Any], *, state: str) -> list[Posting]:
        """Postings of one kind, as many as go in one call: all that were sent, or those whose conditions are met."""
        here = self.organisation_id
        rows: QuerySet[Posting] = Posting.objects.filter(merchant=self.merchant, kind=kind.name, state=state)
        if kind.needs_contact:
            rows = rows.filter(has_contact_in_currency(), company__organisation_id=here, company__contact_id__gt="")
        else:
            rows = rows.filter(organisation_id__in=("", here))
        if state == "pending":
            rows = rows.filter(kind.is_in_organisation(here), *kind.conditions)
        else:
            rows = rows.filter(sent_to=here).exclude(pk__in=self.unclear)
        limit = 1 if kind.is_single else self.ledger.batch_size
        return list(rows.select_related(*RELATED_FIELDS).order_by("pk")[:limit])

    def claim_batch(self, ready: Sequence[Posting]) -> list[Posting]:
        """Mark these `sent` before they are sent; what was cancelled meanwhile is left out. Raises Unavailable."""
        if keys := [posting.pk for posting in ready]:
            check_budget(self.connection, priority=PRIORITY)
        with transaction():
            rows = Posting.objects.select_for_update(of=("self",)).select_related(*RELATED_FIELDS).filter(pk__in=keys)
            batch = list(rows.filter(state="pending").order_by("pk"))
            for posting in batch:
                posting.move_locked_to("sent", now=self.now, by="drain", sent_to=self.organisation_id)
        return sorted(batch, key=lambda posting: SEND_POSITION[Kind(posting.kind)])

    def send_batch(self, batch: Sequence[Posting]) -> None:
        """Send a batch in one call, and apply each element's result. Raises Unavailable or Disconnected."""
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
        """Make the call, of one kind or of several together; results come in the order of the batch."""
        groups = group_by_kind(batch)
        if len(groups) == 1:
            [(kind, rows)] = groups
            return kind.create(self.ledger, self.build_orders(rows), key=key)
        mixed = [OrderGroup(kind.mixed_as, self.build_orders(rows)) for kind, rows in groups if kind.mixed_as]
        return self.ledger.create_mixed_batch(mixed, key=key)

    def split_rejected_batch(self, batch: Sequence[Posting], error: Rejected) -> None:
        """Find the element for which the whole batch was rejected by sending its halves."""
        if len(batch) == 1:
            self.resolve_answers(batch, [WriteResult(batch[0].number, refusal=error.message)])
            return
        middle = len(batch) // 2
        self.send_batch(batch[:middle])
        self.send_batch(batch[middle:])

    def resolve_answers(self, batch: Sequence[Posting], answers: Sequence[WriteResult]) -> None:
        """Apply the results; what has no id is looked for first, because it may be there by this or an earlier call.

        What was not refused and is not found stays sent: the next pass looks for it again.
        """
        missing = [p for p, a in zip(batch, answers, strict=True) if not a.id]
        found = {(k.name, w.number): w for k, rows in group_by_kind(missing) for w in self.find_posted(k, rows)}
        final = [a if a.id else found.get((Kind(p.kind), a.number), a) for p, a in zip(batch, answers, strict=True)]
        decided = [(p, a) for p, a in zip(batch, final, strict=True) if a.id or a.refusal]
        for posting, answer in zip(batch, final, strict=True):
            if not answer.id and not answer.refusal:
                self.mark_unclear(posting, explain_unreadable_result(posting, answer))
        refused = [p for p, a in decided if not a.id]
        self.apply_results([p for p, _ in decided], [a for _, a in decided], self.read_remote_credit_notes(refused))

    def read_remote_credit_notes(self, refused: Sequence[Posting]) -> dict[str, RemoteCreditNote]:
        """The credit notes of refused postings by number, from which a person's task is written."""
        numbers = {p.attempt.credit_note.number for p in refused if p.attempt and get_kind(p).reads_credit_note}
        if not numbers:
            return {}
        with suppress(Rejected):
            return choose_own_notes(self.merchant, self.ledger.read_credit_notes_by_number(sorted(numbers)))
        return {number: build_unknown_credit_note(number) for number in numbers}

    def find_posted(self, kind: PostingKind[Any], rows: list[Posting]) -> list[WriteResult]:
        """Those of one kind that the ledger has; of which it refuses to tell, or unreadably, are `unclear` for now."""
        try:
            found = kind.find(self.ledger, self.build_orders(rows))
            by_number = {posting.number: posting for posting in rows}
            for result in found:
                if result.unreadable:
                    posting = by_number[result.number]
                    self.mark_unclear(posting, explain_unreadable_result(posting, result))
            return [result for result in found if result.id]
        except Rejected as error:
            if len(rows) == 1:
                self.mark_unclear(rows[0], f"{UNKNOWN_RESULT} {error.message}")
                return []
            middle = len(rows) // 2
            return self.find_posted(kind, rows[:middle]) + self.find_posted(kind, rows[middle:])

    def mark_unclear(self, posting: Posting, reason: str) -> None:
        """Leave the posting as it is until the next pass, with the reason for people."""
        self.unclear.add(posting.pk)
        Posting.objects.filter(pk=posting.pk).update(error=reason[:500])

    def resolve_unanswered(self, kind: PostingKind[Any], rows: list[Posting]) -> None:
        """Resolve postings whose answer was lost: in the ledger, or to be sent again."""
        found = {w.number: w for w in self.find_posted(kind, rows)}
        posted = [p for p in rows if p.number in found]
        self.apply_results(posted, [found[p.number] for p in posted], {})
        self.return_to_pending([p for p in rows if p.number not in found and p.pk not in self.unclear])

    def return_to_pending(self, batch: Sequence[Posting]) -> None:
        """Let these wait again, which are certainly not in the ledger."""
        if not batch:
            return
        with transaction():
            for posting in batch:
                record_not_found(posting, now=self.now)

    def apply_results(
        self, batch: Sequence[Posting], answers: Sequence[WriteResult], remote_notes: dict[str, RemoteCreditNote]
    ) -> None:
        """Record every element's result in one transaction."""
        with transaction():
            for posting, answer in zip(batch, answers, strict=True):
                if answer.id:
                    record_posted(posting, ledger_id=answer.id, connection=self.connection, now=self.now)
                    continue
                number = posting.attempt.credit_note.number if remote_notes and posting.attempt else ""
                record_rejected(posting, refusal=answer.refusal, remote_note=remote_notes.get(number), now=self.now)
            if remote_notes:
                sync_credit_note_states(self.merchant, remote_notes.values(), asked_at=self.now, now=self.now)

    def build_orders(self, batch: Sequence[Posting]) -> list[LedgerOrder]:
        """The orders of these postings."""
        return [get_kind(posting).build_order(posting, self.settings) for posting in batch]


def group_by_kind(batch: Sequence[Posting]) -> list[tuple[PostingKind[Any], list[Posting]]]:
    """The batch, which is in the table's order, kind by kind."""
    groups = groupby(batch, key=lambda posting: Kind(posting.kind))
    return [(KIND_BY_NAME[name], list(rows)) for name, rows in groups]
