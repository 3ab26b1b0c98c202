"""Our own ledger against the books: what every attempt should have left there, and what it did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from accounting.models import LedgerPaymentCursor, ManualTask, Posting
from accounting.reconciliation.differences import DifferenceKind, Findings, ReconciliationItem
from accounting.reconciliation.periods import Period
from merchants.models import Merchant
from payments.models import Attempt, BalanceTransaction, Refund
from wisepay.money import Money

DocumentKind = Posting.Kind
KIND_SIGNS = {
    DocumentKind.PAYMENT: 1,
    DocumentKind.INVOICE_PAYMENT: 1,
    DocumentKind.PAYMENT_REMOVAL: -1,
    DocumentKind.INVOICE_PAYMENT_REMOVAL: -1,
    DocumentKind.REFUND: -1,
    DocumentKind.REFUND_REMOVAL: 1,
}
PAYMENT_KINDS = (DocumentKind.PAYMENT, DocumentKind.INVOICE_PAYMENT, DocumentKind.REFUND)
REMOVED_KINDS = {
    DocumentKind.PAYMENT_REMOVAL: DocumentKind.PAYMENT,
    DocumentKind.INVOICE_PAYMENT_REMOVAL: DocumentKind.INVOICE_PAYMENT,
    DocumentKind.REFUND_REMOVAL: DocumentKind.REFUND,
}
UNPOSTED_STATES = ("pending", "sent")
LATER_REASONS = ("held", "unsettled", "fresh")  # the books are to have it later, or perhaps never
GRACE_PERIOD, LATE_AFTER = timedelta(minutes=15), timedelta(days=1)


class PostedPayment(NamedTuple):
    """A posting of money, with the payment of the books that it made, as that was read."""

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


POSTED_PAYMENT_FIELDS = (
    "attempt_id", "kind", "state", "amount", "number", "ledger_id", "on", "state_at", "created_at", "refund_id",
    "error", "by_hand", "ledger_payment__amount", "ledger_payment__is_standing", "ledger_payment__account",
    "ledger_payment__on", "ledger_payment__organisation_id",
)  # fmt: skip


class AttemptSnapshot(NamedTuple):
    """What is so of an attempt now."""

    attempt: int
    state: str
    amount: int
    refunded: int
    currency: str
    state_at: datetime
    has_later_activity: bool  # something happened to it after the period


@dataclass(slots=True)
class AttemptComparison:
    """One attempt: its facts, its papers, and its items of the period."""

    snapshot: AttemptSnapshot
    postings: list[PostedPayment] = field(default_factory=list)
    items: list[ReconciliationItem] = field(default_factory=list)

    @property
    def expected_amount(self) -> int:
        """What the clearing account should hold of it after all, in minor units."""
        return self.snapshot.amount - self.snapshot.refunded if self.snapshot.state == "succeeded" else 0

    @property
    def difference_item(self) -> ReconciliationItem:
        """The item on whose day a difference of the books falls: the last thing that changed what they should hold."""
        return next((item for item in reversed(self.items) if item.reason not in LATER_REASONS), self.items[-1])


@dataclass(frozen=True, slots=True)
class LedgerVsBooks:
    """Compares the items of a period with the books of a merchant."""

    merchant: Merchant
    clearing: str
    cursor: LedgerPaymentCursor | None
    period: Period
    findings: Findings
    now: datetime

    def compare_items(self, items: Sequence[ReconciliationItem]) -> None:
        """Say of every item what the books have of it; differences go to `found`. Five statements at any number."""
        groups = self.group_by_attempt(items)
        for item in items:
            if item.attempt not in groups and item.is_compared:
                item.books = item.ours if item.reason == "fresh" else 0
        for group in groups.values():
            self.compare_attempt(group)

    def group_by_attempt(self, items: Sequence[ReconciliationItem]) -> dict[int, AttemptComparison]:
        """The items of each attempt that has something to do with the books."""
        lines = BalanceTransaction.objects.filter(
            account__merchant=self.merchant,
            happened_at__gte=self.period.begin,
            happened_at__lt=self.period.end,
            attempt__isnull=False,
        ).values("attempt")
        alone = [item.attempt for item in items if not item.stripe_id and item.attempt]
        mine = Q(pk__in=lines) | Q(pk__in=alone)
        groups = {row.attempt: AttemptComparison(row) for row in list_attempt_snapshots(mine, until=self.period.end)}
        of = Q(attempt__in=lines) | Q(attempt__in=alone)
        for paper in list_posted_payments(self.merchant, of):
            if paper.attempt in groups:
                groups[paper.attempt].postings.append(paper)
        for item in items:
            if item.attempt in groups and item.is_compared:
                groups[item.attempt].items.append(item)
        return {key: group for key, group in groups.items() if group.items}

    def compare_attempt(self, group: AttemptComparison) -> None:
        """Give every item of an attempt what the books have of it, and name why that is not what it should be."""
        for item in group.items:
            item.books = 0 if item.reason in ("held", "unsettled") else item.ours
        removed = {
            (str(REMOVED_KINDS[DocumentKind(p.kind)]), p.number)
            for p in group.postings
            if DocumentKind(p.kind) in REMOVED_KINDS and is_in_books(p)
        }
        effects = [self.get_clearing_effect(paper, removed, group) for paper in group.postings]
        gap = sum(effects) - group.expected_amount
        if not gap or group.snapshot.has_later_activity:
            return
        named = any(self.is_explained_by(paper, removed) for paper in group.postings)
        late = [p for p in group.postings if p.state in (*UNPOSTED_STATES, "rejected") and not p.is_manual]
        coming = sum(KIND_SIGNS[DocumentKind(p.kind)] * p.amount for p in late)
        group.difference_item.books += gap
        if late and gap + coming == self.sum_outside_changes(group, removed):
            self.add_waiting_difference(group, late, gap)
        elif not named:
            self.add_gap_difference(group, gap)

    def sum_outside_changes(self, group: AttemptComparison, removed: set[tuple[str, str]]) -> int:
        """What is off because somebody changed the books, which is named by itself."""
        return sum(
            self.get_clearing_effect(paper, removed, group) - KIND_SIGNS[DocumentKind(paper.kind)] * paper.amount
            for paper in group.postings
            if is_in_books(paper)
        )

    def get_clearing_effect(self, paper: PostedPayment, removed: set[tuple[str, str]], group: AttemptComparison) -> int:
        """What a paper does to the clearing account, in minor units: as it was read, else as it was posted."""
        if not is_in_books(paper):
            return 0
        sign = KIND_SIGNS[DocumentKind(paper.kind)]
        if DocumentKind(paper.kind) not in PAYMENT_KINDS:
            made = next(
                (
                    p
                    for p in group.postings
                    if (p.kind, p.number) == (REMOVED_KINDS[DocumentKind(paper.kind)], paper.number)
                ),
                None,
            )
            seen = made.ledger_amount if made is not None and made.ledger_amount is not None else None
            return sign * (paper.amount if seen is None else seen)
        if (paper.kind, paper.number) in removed:
            return sign * (paper.amount if paper.ledger_amount is None else paper.ledger_amount)
        return sign * self.get_current_amount(paper)

    def get_current_amount(self, paper: PostedPayment) -> int:
        """What of a paper is on the clearing account now."""
        if paper.ledger_amount is None:
            return 0 if self.is_missing(paper) else paper.amount
        return paper.ledger_amount if paper.is_standing and self.is_on_clearing_account(paper) else 0

    @property
    def organisation_id(self) -> str:
        """Whose chart of accounts `clearing` is of: the organisation that is connected."""
        return self.cursor.organisation_id if self.cursor else ""

    def is_on_clearing_account(self, paper: PostedPayment) -> bool:
        """Whether it went through the clearing account, as far as that is known."""
        is_elsewhere = bool(paper.account) and paper.account != self.clearing
        return not self.clearing or not is_elsewhere or paper.organisation != self.organisation_id

    def is_missing(self, paper: PostedPayment) -> bool:
        """Whether the books were read and do not show it."""
        cursor = self.cursor
        if cursor is None or cursor.known_until is None or paper.is_manual or not paper.ledger_id:
            return False
        return cursor.begins_at <= paper.created_at and paper.state_at + GRACE_PERIOD <= cursor.known_until

    def is_explained_by(self, paper: PostedPayment, removed: set[tuple[str, str]]) -> bool:
        """Whether the paper itself shows why the books are off."""
        is_kept = (
            is_in_books(paper)
            and DocumentKind(paper.kind) in PAYMENT_KINDS
            and (paper.kind, paper.number) not in removed
        )
        return is_kept and (self.get_current_amount(paper) != paper.amount)

    # ---- names ----------------------------------------------------------------------------------

    def add_waiting_difference(self, group: AttemptComparison, late: list[PostedPayment], gap: int) -> None:
        """It is on its way to the books, for too long or refused if so."""
        refused = next((paper for paper in late if paper.state == "rejected"), None)
        oldest = min(late, key=lambda paper: paper.created_at)
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
        """Nothing that was posted or waits explains it."""
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
        self, kind: DifferenceKind, group: AttemptComparison, gap: int, subject: str, sentence: str
    ) -> None:
        """A difference of an attempt."""
        off = Money(gap, group.snapshot.currency)
        self.findings.add(kind, group.difference_item.day, off, subject, sentence, attempt=group.snapshot.attempt)


def is_in_books(posting: PostedPayment) -> bool:
    """Whether it is done in the books, by us or by a person's hand."""
    return posting.state == "posted" or posting.is_manual


def list_attempt_snapshots(which: Q, *, until: datetime) -> Iterable[AttemptSnapshot]:
    """The facts of attempts that were paid, whatever became of them."""
    later = BalanceTransaction.objects.filter(attempt=OuterRef("pk"), happened_at__gte=until)
    refunds = Refund.objects.filter(attempt=OuterRef("pk"), state="succeeded").order_by().values("attempt")
    rows = Attempt.objects.filter(which, state__in=("succeeded", "reversed")).annotate(
        refunded=Coalesce(Subquery(refunds.annotate(total=Sum("amount")).values("total")), 0),
        has_later_activity=Exists(later),
    )
    fields = ("pk", "state", "amount", "refunded", "payment__currency", "state_at", "has_later_activity")
    return (AttemptSnapshot._make(row) for row in rows.values_list(*fields).iterator(chunk_size=5000))


def list_posted_payments(merchant: Merchant, which: Q) -> Iterable[PostedPayment]:
    """Every posting of money, whatever became of it."""
    done = ManualTask.objects.filter(posting=OuterRef("pk"), state="done", done_by__isnull=False)
    rows: Any = (
        Posting.objects.filter(which, merchant=merchant, kind__in=KIND_SIGNS)
        .annotate(by_hand=Q(state="cancelled") & Exists(done))
        .order_by("pk")
        .values_list(*POSTED_PAYMENT_FIELDS)
    )
    return (PostedPayment._make(row) for row in rows.iterator(chunk_size=5000))
