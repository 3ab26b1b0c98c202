"""Our own ledger against the books: what every attempt should have left there, and what it did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from accounting.models import HandTask, MoneyCursor, Posting
from accounting.reconciliation.days import Period
from accounting.reconciliation.words import Findings, Item, Kind
from merchants.models import Merchant
from payments.models import Attempt, Movement, Refund
from wisepay.money import Money

K = Posting.Kind
SIGNS = {
    K.PAYMENT: 1,
    K.INVOICE_PAYMENT: 1,
    K.PAYMENT_REMOVAL: -1,
    K.INVOICE_PAYMENT_REMOVAL: -1,
    K.REFUND: -1,
    K.REFUND_REMOVAL: 1,
}
MAKERS = (K.PAYMENT, K.INVOICE_PAYMENT, K.REFUND)
UNDOES = {K.PAYMENT_REMOVAL: K.PAYMENT, K.INVOICE_PAYMENT_REMOVAL: K.INVOICE_PAYMENT, K.REFUND_REMOVAL: K.REFUND}
WAITING = ("pending", "sent")
APART = ("held", "unsettled", "fresh")  # the books are to have it later, or perhaps never
SLACK, LATE = timedelta(minutes=15), timedelta(days=1)


class Paper(NamedTuple):
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
    by_hand: bool
    read_amount: int | None
    is_standing: bool | None
    account: str | None
    read_on: date | None
    organisation: str | None


FIELDS = (
    "attempt_id", "kind", "state", "amount", "number", "ledger_id", "on", "state_at", "created_at", "refund_id",
    "error", "by_hand", "paper__amount", "paper__is_standing", "paper__account", "paper__on",
    "paper__organisation_id",
)  # fmt: skip


class Facts(NamedTuple):
    """What is so of an attempt now."""

    attempt: int
    state: str
    amount: int
    refunded: int
    currency: str
    state_at: datetime
    goes_on: bool  # something happened to it after the period


@dataclass(slots=True)
class Group:
    """One attempt: its facts, its papers, and its items of the period."""

    facts: Facts
    papers: list[Paper] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """What the clearing account should hold of it after all, in minor units."""
        return self.facts.amount - self.facts.refunded if self.facts.state == "succeeded" else 0

    @property
    def carrier(self) -> Item:
        """The item on whose day a difference of the books falls: the last thing that changed what they should hold."""
        return next((item for item in reversed(self.items) if item.reason not in APART), self.items[-1])


@dataclass(frozen=True, slots=True)
class BooksSide:
    """Compares the items of a period with the books of a merchant."""

    merchant: Merchant
    clearing: str
    cursor: MoneyCursor | None
    period: Period
    found: Findings
    now: datetime

    def fill(self, items: Sequence[Item]) -> None:
        """Say of every item what the books have of it; differences go to `found`. Five statements at any number."""
        groups = self.groups(items)
        for item in items:
            if item.attempt not in groups and item.is_compared:
                item.books = item.ours if item.reason == "fresh" else 0
        for group in groups.values():
            self.judge(group)

    def groups(self, items: Sequence[Item]) -> dict[int, Group]:
        """The items of each attempt that has something to do with the books."""
        lines = Movement.objects.filter(
            account__merchant=self.merchant,
            happened_at__gte=self.period.begin,
            happened_at__lt=self.period.end,
            attempt__isnull=False,
        ).values("attempt")
        alone = [item.attempt for item in items if not item.stripe_id and item.attempt]
        mine = Q(pk__in=lines) | Q(pk__in=alone)
        groups = {row.attempt: Group(row) for row in facts_of(mine, until=self.period.end)}
        of = Q(attempt__in=lines) | Q(attempt__in=alone)
        for paper in papers_of(self.merchant, of):
            if paper.attempt in groups:
                groups[paper.attempt].papers.append(paper)
        for item in items:
            if item.attempt in groups and item.is_compared:
                groups[item.attempt].items.append(item)
        return {key: group for key, group in groups.items() if group.items}

    def judge(self, group: Group) -> None:
        """Give every item of an attempt what the books have of it, and name why that is not what it should be."""
        for item in group.items:
            item.books = 0 if item.reason in ("held", "unsettled") else item.ours
        removed = {(str(UNDOES[K(p.kind)]), p.number) for p in group.papers if K(p.kind) in UNDOES and is_in(p)}
        effects = [self.effect(paper, removed, group) for paper in group.papers]
        gap = sum(effects) - group.expected
        if not gap or group.facts.goes_on:
            return
        named = any(self.named(paper, removed) for paper in group.papers)
        late = [p for p in group.papers if p.state in (*WAITING, "rejected") and not p.by_hand]
        coming = sum(SIGNS[K(p.kind)] * p.amount for p in late)
        group.carrier.books += gap
        if late and gap + coming == self.own_gap(group, removed):
            self.name_waiting(group, late, gap)
        elif not named:
            self.name_gap(group, gap)

    def own_gap(self, group: Group, removed: set[tuple[str, str]]) -> int:
        """What is off because somebody changed the books, which is named by itself."""
        return sum(
            self.effect(paper, removed, group) - SIGNS[K(paper.kind)] * paper.amount
            for paper in group.papers
            if is_in(paper)
        )

    def effect(self, paper: Paper, removed: set[tuple[str, str]], group: Group) -> int:
        """What a paper does to the clearing account, in minor units: as it was read, else as it was posted."""
        if not is_in(paper):
            return 0
        sign = SIGNS[K(paper.kind)]
        if K(paper.kind) not in MAKERS:
            made = next((p for p in group.papers if (p.kind, p.number) == (UNDOES[K(paper.kind)], paper.number)), None)
            seen = made.read_amount if made is not None and made.read_amount is not None else None
            return sign * (paper.amount if seen is None else seen)
        if (paper.kind, paper.number) in removed:
            return sign * (paper.amount if paper.read_amount is None else paper.read_amount)
        return sign * self.standing_amount(paper)

    def standing_amount(self, paper: Paper) -> int:
        """What of a paper is on the clearing account now."""
        if paper.read_amount is None:
            return 0 if self.is_gone(paper) else paper.amount
        return paper.read_amount if paper.is_standing and self.is_clearing(paper) else 0

    @property
    def organisation(self) -> str:
        """Whose chart of accounts `clearing` is of: the organisation that is connected."""
        return self.cursor.organisation_id if self.cursor else ""

    def is_clearing(self, paper: Paper) -> bool:
        """Whether it went through the clearing account, as far as that is known."""
        is_elsewhere = bool(paper.account) and paper.account != self.clearing
        return not self.clearing or not is_elsewhere or paper.organisation != self.organisation

    def is_gone(self, paper: Paper) -> bool:
        """Whether the books were read and do not show it."""
        cursor = self.cursor
        if cursor is None or cursor.known_until is None or paper.by_hand or not paper.ledger_id:
            return False
        return cursor.begins_at <= paper.created_at and paper.state_at + SLACK <= cursor.known_until

    def named(self, paper: Paper, removed: set[tuple[str, str]]) -> bool:
        """Whether the paper itself shows why the books are off."""
        is_kept = is_in(paper) and K(paper.kind) in MAKERS and (paper.kind, paper.number) not in removed
        return is_kept and (self.standing_amount(paper) != paper.amount)

    # ---- names ----------------------------------------------------------------------------------

    def name_waiting(self, group: Group, late: list[Paper], gap: int) -> None:
        """It is on its way to the books, for too long or refused if so."""
        refused = next((paper for paper in late if paper.state == "rejected"), None)
        oldest = min(late, key=lambda paper: paper.created_at)
        if refused is not None:
            self.add(Kind.POSTING_REFUSED, group, gap, refused.number, f"The books said: {refused.error or 'no'}")
        elif self.now - oldest.created_at > LATE:
            since = f"{oldest.created_at.astimezone(self.period.zone):%d %b}"
            self.add(Kind.POSTING_LATE, group, gap, oldest.number, f"It is to be posted since {since}.")
        else:
            group.carrier.reason = "waiting"

    def name_gap(self, group: Group, gap: int) -> None:
        """Nothing that was posted or waits explains it."""
        money = Money(abs(gap), group.facts.currency)
        if self.now - max(group.facts.state_at, group.carrier.at) < SLACK:
            group.carrier.reason = "waiting"
        elif gap > 0:
            self.add(Kind.BOOKED_TOO_MUCH, group, gap, "", f"The clearing account holds {money} too much of it.")
        else:
            self.add(Kind.POSTING_MISSING, group, gap, "", f"The clearing account lacks {money} of it.")

    def add(self, kind: Kind, group: Group, gap: int, subject: str, sentence: str) -> None:
        """A difference of an attempt."""
        off = Money(gap, group.facts.currency)
        self.found.add(kind, group.carrier.day, off, subject, sentence, attempt=group.facts.attempt)


def is_in(paper: Paper) -> bool:
    """Whether it is done in the books, by us or by a person's hand."""
    return paper.state == "posted" or paper.by_hand


def facts_of(which: Q, *, until: datetime) -> Iterable[Facts]:
    """The facts of attempts that were paid, whatever became of them."""
    later = Movement.objects.filter(attempt=OuterRef("pk"), happened_at__gte=until)
    refunds = Refund.objects.filter(attempt=OuterRef("pk"), state="succeeded").order_by().values("attempt")
    rows = Attempt.objects.filter(which, state__in=("succeeded", "reversed")).annotate(
        refunded=Coalesce(Subquery(refunds.annotate(total=Sum("amount")).values("total")), 0),
        goes_on=Exists(later),
    )
    fields = ("pk", "state", "amount", "refunded", "payment__currency", "state_at", "goes_on")
    return (Facts._make(row) for row in rows.values_list(*fields).iterator(chunk_size=5000))


def papers_of(merchant: Merchant, which: Q) -> Iterable[Paper]:
    """Every posting of money, whatever became of it."""
    done = HandTask.objects.filter(posting=OuterRef("pk"), state="done", done_by__isnull=False)
    rows: Any = (
        Posting.objects.filter(which, merchant=merchant, kind__in=SIGNS)
        .annotate(by_hand=Q(state="cancelled") & Exists(done))
        .order_by("pk")
        .values_list(*FIELDS)
    )
    return (Paper._make(row) for row in rows.iterator(chunk_size=5000))
