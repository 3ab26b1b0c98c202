"""Compare our own ledger with the accounting package: what every attempt should have left there, and what it did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django_subatomic.db import transaction_required

from accounting.models import ManualTask, Posting
from accounting.models.posting_kinds import CLEARING_SIGNS, PAYMENT_KINDS, REMOVED_PAYMENT_KINDS, Kind
from accounting.reconciliation.differences import DifferenceKind, DifferenceList, ReconciliationItem
from accounting.reconciliation.organisations import FORMER_NAME, GRACE_PERIOD, MerchantBooks, OrganisationBooks
from accounting.reconciliation.periods import Period
from merchants.models import Merchant
from payments.models import Attempt, BalanceTransaction, Refund
from wisepay.money import Money

LATER_REASONS = ("held", "unsettled", "fresh")  # it is posted later, or perhaps never
LATE_AFTER = timedelta(days=1)


class PostedPayment(NamedTuple):
    """A posting of a payment or refund, with the payment that it created as that was last read."""

    attempt: int
    kind: str
    state: str
    amount: int
    number: str
    ledger_id: str
    on: date
    state_at: datetime
    created_at: datetime
    refund: int | None
    error: str
    is_manual: bool
    ledger_amount: int | None
    is_standing: bool | None
    account: str | None
    ledger_on: date | None
    organisation: str | None
    sent_to: str


POSTED_PAYMENT_FIELDS = (
    "attempt_id", "kind", "state", "amount", "number", "ledger_id", "on", "state_at", "created_at", "refund_id",
    "error", "by_hand", "ledger_payment__amount", "ledger_payment__is_standing", "ledger_payment__account",
    "ledger_payment__on", "ledger_payment__organisation_id", "sent_to",
)  # fmt: skip


class AttemptSnapshot(NamedTuple):
    """An attempt as it is now."""

    attempt: int
    state: str
    amount: int
    refunded: int
    currency: str
    state_at: datetime
    has_later_activity: bool  # its money moved after the period


@dataclass(slots=True)
class AttemptComparison:
    """One attempt with its postings and its items of the period."""

    snapshot: AttemptSnapshot
    postings: list[PostedPayment] = field(default_factory=list)
    items: list[ReconciliationItem] = field(default_factory=list)

    @property
    def organisation_id(self) -> str:
        """Return in whose books it is, if it is in any: a payment's documents are all in one organisation's."""
        return next((found for p in self.postings if (found := p.organisation or p.sent_to)), "")

    def get_original(self, removal: PostedPayment) -> PostedPayment | None:
        """Return the posting that this one undoes."""
        kind = REMOVED_PAYMENT_KINDS.get(Kind(removal.kind))
        return next((p for p in self.postings if (p.kind, p.number) == (kind, removal.number)), None)

    @property
    def expected_amount(self) -> int:
        """Return what should remain of it on the clearing account, in minor units."""
        return self.snapshot.amount - self.snapshot.refunded if self.snapshot.state == "succeeded" else 0

    @property
    def difference_item(self) -> ReconciliationItem:
        """Return the item on whose day a difference falls: the last that changed what should be booked."""
        return next((item for item in reversed(self.items) if item.reason not in LATER_REASONS), self.items[-1])


@dataclass(frozen=True, slots=True)
class LedgerVsBooks:
    """Compares the items of a period with a merchant's accounting package."""

    merchant: Merchant
    books: MerchantBooks
    period: Period
    differences: DifferenceList
    now: datetime

    def compare_items(self, items: Sequence[ReconciliationItem]) -> None:
        """Set what is booked of every item, and add the differences. Five queries at any number."""
        groups = self.group_by_attempt(items)
        for item in items:
            item.organisation = self.books.current.organisation_id
            if item.attempt not in groups and item.is_compared:
                item.books = item.ours if item.reason == "fresh" else 0
        for group in groups.values():
            self.compare_attempt(group)

    def group_by_attempt(self, items: Sequence[ReconciliationItem]) -> dict[int, AttemptComparison]:
        """Group the items by attempt, with each attempt's postings."""
        lines = BalanceTransaction.objects.filter(
            account__merchant=self.merchant,
            happened_at__gte=self.period.begin,
            happened_at__lt=self.period.end,
            attempt__isnull=False,
        ).values("attempt")
        alone = [item.attempt for item in items if not item.stripe_id and item.attempt]
        attempts = Q(pk__in=lines) | Q(pk__in=alone)
        groups = {
            row.attempt: AttemptComparison(row) for row in list_attempt_snapshots(attempts, until=self.period.end)
        }
        of_attempts = Q(attempt__in=lines) | Q(attempt__in=alone)
        for posting in list_posted_payments(self.merchant, of_attempts):
            if posting.attempt in groups:
                groups[posting.attempt].postings.append(posting)
        for item in items:
            if item.attempt in groups and item.is_compared:
                groups[item.attempt].items.append(item)
        return {key: group for key, group in groups.items() if group.items}

    def compare_attempt(self, group: AttemptComparison) -> None:
        """Set what is booked of an attempt's items, and add the difference if that is not what it should be."""
        for item in group.items:
            item.books = 0 if item.reason in ("held", "unsettled") else item.ours
            item.organisation = group.organisation_id or item.organisation
        removed = {
            (str(REMOVED_PAYMENT_KINDS[Kind(p.kind)]), p.number)
            for p in group.postings
            if Kind(p.kind) in REMOVED_PAYMENT_KINDS and self.is_shown(p, group)
        }
        effects = [self.get_clearing_effect(posting, removed, group) for posting in group.postings]
        gap = sum(effects) - group.expected_amount
        if group.snapshot.has_later_activity:
            return
        self.check_former_books(group)
        if gap:
            self.explain_gap(group, gap, removed)

    def explain_gap(self, group: AttemptComparison, gap: int, removed: set[tuple[str, str]]) -> None:
        """Put what is booked too much or too little to the item that it falls on, and name it."""
        unshown = [p for p in group.postings if p.is_manual and not self.is_shown(p, group)]
        is_explained = any(self.is_explained_by(posting, removed) for posting in group.postings)
        late = [p for p in group.postings if p.state in (*Posting.UNSENT_STATES, "rejected") and not p.is_manual]
        coming = sum(CLEARING_SIGNS[Kind(p.kind)] * p.amount for p in late)
        group.difference_item.books += gap
        if unshown:
            self.add_manual_difference(group, unshown, gap)
        elif late and gap + coming == self.sum_outside_changes(group, removed):
            self.add_waiting_difference(group, late, gap)
        elif not is_explained:
            self.add_gap_difference(group, gap)

    def sum_outside_changes(self, group: AttemptComparison, removed: set[tuple[str, str]]) -> int:
        """Return what is off because somebody changed documents, which is a difference of its own."""
        return sum(
            self.get_clearing_effect(posting, removed, group) - CLEARING_SIGNS[Kind(posting.kind)] * posting.amount
            for posting in group.postings
            if is_in_books(posting) and self.is_shown(posting, group)
        )

    def get_clearing_effect(
        self, posting: PostedPayment, removed: set[tuple[str, str]], group: AttemptComparison
    ) -> int:
        """Return a posting's effect on the clearing account, in minor units: as read, or else as posted."""
        if not is_in_books(posting) or not self.is_shown(posting, group):
            return 0
        sign = CLEARING_SIGNS[Kind(posting.kind)]
        if Kind(posting.kind) not in PAYMENT_KINDS:
            original = group.get_original(posting)
            removed_amount = original.ledger_amount if original is not None else None
            return sign * (posting.amount if removed_amount is None else removed_amount)
        if (posting.kind, posting.number) in removed:
            return sign * (posting.amount if posting.ledger_amount is None else posting.ledger_amount)
        return sign * self.get_current_amount(posting)

    def get_current_amount(self, posting: PostedPayment) -> int:
        """Return what of a posting is on the clearing account now."""
        if posting.ledger_amount is None:
            return 0 if self.is_missing(posting) else posting.amount
        return posting.ledger_amount if posting.is_standing and self.is_on_clearing_account(posting) else 0

    def is_on_clearing_account(self, posting: PostedPayment) -> bool:
        """Return whether it went through the clearing account of its own organisation, as far as that is known."""
        return self.books.get(posting.organisation or "").is_on_clearing_account(posting.account or "")

    def is_missing(self, posting: PostedPayment) -> bool:
        """Return whether the payments of the books that it went to were read since and it was not among them."""
        books = self.books.get(posting.sent_to)
        if books.cursor is None or not posting.ledger_id:
            return False
        return books.cursor.begins_at <= posting.created_at and books.is_read_since(posting.state_at)

    def is_shown(self, posting: PostedPayment, group: AttemptComparison) -> bool:
        """Return whether the books bear out what a person says was done by hand; what we posted counts as posted."""
        if not posting.is_manual:
            return is_in_books(posting)
        if Kind(posting.kind) in PAYMENT_KINDS:
            return bool(posting.is_standing)
        original = group.get_original(posting)
        if original is None or original.is_standing is False:
            return True
        return original.is_standing is None and (original.is_manual or self.is_missing(original))

    def check_former_books(self, group: AttemptComparison) -> None:
        """Add a difference for what stands in a former organisation's books, which were not read since."""
        for posting in group.postings:
            books = self.books.get(posting.organisation or posting.sent_to)
            is_read = posting.ledger_amount is not None or self.is_missing(posting)
            if books.is_current or is_read or posting.state != "posted" or Kind(posting.kind) not in PAYMENT_KINDS:
                continue
            money = Money(posting.amount, group.snapshot.currency)
            description = f"{money} were posted to the books of {books.name}, which were not read since."
            self.add_difference(DifferenceKind.FORMER_UNREAD, group, 0, posting.number, description)

    def is_explained_by(self, posting: PostedPayment, removed: set[tuple[str, str]]) -> bool:
        """Return whether the posting itself shows why the balance is off."""
        is_standing = (
            posting.state == "posted"
            and Kind(posting.kind) in PAYMENT_KINDS
            and (posting.kind, posting.number) not in removed
        )
        return is_standing and (self.get_current_amount(posting) != posting.amount)

    # ---- differences ----------------------------------------------------------------------------

    def add_manual_difference(self, group: AttemptComparison, unshown: list[PostedPayment], gap: int) -> None:
        """Add a difference for what a person settled by hand and the books do not show; none before they were read."""
        books = self.get_group_books(group)
        if books.is_current and not all(books.is_read_since(posting.state_at) for posting in unshown):
            group.difference_item.reason = "by_hand"
            return
        names = ", ".join(f"{Kind(p.kind).label} {p.number}" for p in unshown)
        description = f"It was said to be done by hand, and the books of {books.name or FORMER_NAME} lack {names}."
        self.add_difference(DifferenceKind.BY_HAND_MISSING, group, gap, unshown[0].number, description)

    def get_group_books(self, group: AttemptComparison) -> OrganisationBooks:
        """Return the books that an attempt's documents are in."""
        return self.books.get(group.organisation_id)

    def add_waiting_difference(self, group: AttemptComparison, late: list[PostedPayment], gap: int) -> None:
        """Mark what waits to be posted, and add a difference if it was refused or waits for too long."""
        refused = next((posting for posting in late if posting.state == "rejected"), None)
        oldest = min(late, key=lambda posting: posting.created_at)
        if refused is not None:
            self.add_difference(
                DifferenceKind.POSTING_REFUSED, group, gap, refused.number, f"The books said: {refused.error or 'no'}"
            )
        elif self.now - oldest.created_at > LATE_AFTER:
            since = f"{oldest.created_at.astimezone(self.period.zone):%d %b}"
            self.add_difference(
                DifferenceKind.POSTING_LATE, group, gap, oldest.number, f"It is to be posted since {since}."
            )
        else:
            group.difference_item.reason = "waiting"

    def add_gap_difference(self, group: AttemptComparison, gap: int) -> None:
        """Add a difference that no posting explains."""
        money = Money(abs(gap), group.snapshot.currency)
        if self.now - max(group.snapshot.state_at, group.difference_item.at) < GRACE_PERIOD:
            group.difference_item.reason = "waiting"
        elif gap > 0:
            self.add_difference(
                DifferenceKind.BOOKED_TOO_MUCH, group, gap, "", f"The clearing account holds {money} too much of it."
            )
        else:
            self.add_difference(
                DifferenceKind.POSTING_MISSING, group, gap, "", f"The clearing account lacks {money} of it."
            )

    def add_difference(
        self, kind: DifferenceKind, group: AttemptComparison, gap: int, subject: str, description: str
    ) -> None:
        """Add a difference of an attempt."""
        off = Money(gap, group.snapshot.currency)
        self.differences.add(kind, group.difference_item.day, off, subject, description, attempt=group.snapshot.attempt)


def is_in_books(posting: PostedPayment) -> bool:
    """Return whether it is booked, by us or by a person."""
    return posting.state == "posted" or posting.is_manual


@transaction_required
def list_attempt_snapshots(which: Q, *, until: datetime) -> Iterable[AttemptSnapshot]:
    """Return the attempts that were paid, whatever became of them."""
    later = BalanceTransaction.objects.filter(attempt=OuterRef("pk"), happened_at__gte=until)
    refunds = Refund.objects.filter(attempt=OuterRef("pk"), state="succeeded").order_by().values("attempt")
    rows = Attempt.objects.filter(which, state__in=("succeeded", "reversed")).annotate(
        refunded=Coalesce(Subquery(refunds.annotate(total=Sum("amount")).values("total")), 0),
        has_later_activity=Exists(later),
    )
    fields = ("pk", "state", "amount", "refunded", "payment__currency", "state_at", "has_later_activity")
    return (AttemptSnapshot._make(row) for row in rows.values_list(*fields).iterator(chunk_size=5000))


@transaction_required
def list_posted_payments(merchant: Merchant, which: Q) -> Iterable[PostedPayment]:
    """Return every posting of a payment or refund, whatever became of it."""
    done = ManualTask.objects.filter(posting=OuterRef("pk"), state="done", done_by__isnull=False)
    rows: Any = (
        Posting.objects.filter(which, merchant=merchant, kind__in=CLEARING_SIGNS)
        .annotate(by_hand=Q(state="cancelled") & Exists(done))
        .order_by("pk")
        .values_list(*POSTED_PAYMENT_FIELDS)
    )
    return (PostedPayment._make(row) for row in rows.iterator(chunk_size=5000))
