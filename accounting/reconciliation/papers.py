"""Documents that somebody changed in the books: payments read back, and invoices and credits of the mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounting.models import CreditNote, LedgerApplication, LedgerCredit, LedgerInvoice, LedgerPayment, Posting
from accounting.reconciliation.books_side import MAKERS, SIGNS, BooksSide, K
from accounting.reconciliation.words import Findings, Item, Kind
from wisepay.money import Money

SLACK = timedelta(minutes=15)
GONE = ("voided", "deleted")
REMOVALS = (K.PAYMENT_REMOVAL, K.INVOICE_PAYMENT_REMOVAL, K.REFUND_REMOVAL)


@dataclass(frozen=True, slots=True)
class Papers:
    """The checks of a period's documents; each asks the database for those that are wrong, and no others."""

    side: BooksSide

    @property
    def found(self) -> Findings:
        """Where differences go."""
        return self.side.found

    def check(self) -> list[Item]:
        """Name what is wrong; answers items for money in the books that nothing of ours is about."""
        self.payments()
        self.invoices()
        self.credits()
        self.overused()
        self.foreign_uses()
        return list(self.strangers())

    # ---- payments -------------------------------------------------------------------------------

    def payments(self) -> None:
        """Payments that we made and that are there otherwise, or no more."""
        removing = self.postings(REMOVALS).filter(number=OuterRef("number")).exclude(state="cancelled")
        wrong = Q(paper__is_standing=False) | ~Q(paper__on=F("on"), paper__amount=F("amount"))
        if self.side.clearing:
            elsewhere = ~Q(paper__account__in=["", self.side.clearing])
            wrong |= elsewhere & Q(paper__organisation_id=self.side.organisation)
        rows = self.dated(MAKERS).filter(~Exists(removing)).select_related("paper", "payment")
        for posting in rows.filter(wrong, paper__isnull=False).order_by("pk"):
            self.payment(posting, posting.paper)
        cursor = self.side.cursor
        if cursor is None or cursor.known_until is None:
            return
        unread = rows.filter(paper=None, created_at__gte=cursor.begins_at, state_at__lte=cursor.known_until - SLACK)
        unread = unread.filter(sent_to=cursor.organisation_id)
        for posting in unread.exclude(ledger_id="").order_by("pk"):
            gone = -SIGNS[K(posting.kind)] * (posting.amount or 0)
            self.add(Kind.DOCUMENT_MISSING, posting, gone, f"It was posted over {posting.money}.")

    def payment(self, posting: Posting, paper: LedgerPayment) -> None:
        """What is otherwise, the gravest thing first."""
        sign, amount = SIGNS[K(posting.kind)], posting.amount or 0
        if not paper.is_standing:
            said = f"The payment of {posting.money} stands no more."
            self.add(Kind.DOCUMENT_REMOVED, posting, -sign * amount, said)
        elif self.is_elsewhere(paper):
            said = f"{posting.money} went to account {paper.account} instead of {self.side.clearing}."
            self.add(Kind.WRONG_ACCOUNT, posting, -sign * amount, said)
        elif paper.amount != amount:
            said = f"{posting.money} were posted; the books have {paper.money}."
            self.add(Kind.DOCUMENT_AMOUNT, posting, sign * (paper.amount - amount), said)
        else:
            said = f"Posted for {posting.on:%d %b %Y}; the books have {paper.on:%d %b %Y}."
            self.add(Kind.OTHER_DAY, posting, 0, said)

    def is_elsewhere(self, paper: LedgerPayment) -> bool:
        """Whether it went through another account than clearing, which each organisation names in its own way."""
        is_here = paper.account in ("", self.side.clearing) or not self.side.clearing
        return not is_here and paper.organisation_id == self.side.organisation

    def strangers(self) -> Iterator[Item]:
        """Payments of the books that nothing of ours made: a second one of ours, or somebody's in clearing."""
        rows = LedgerPayment.objects.filter(
            merchant=self.side.merchant,
            organisation_id=self.side.organisation,
            posting=None,
            is_standing=True,
            on__gte=self.side.period.first,
            on__lte=self.side.period.last,
        )
        named = self.postings(MAKERS).filter(number=OuterRef("remark"))
        coming = named.filter(state__in=["pending", "sent"])
        fresh = Q(read_at__gte=self.side.now - SLACK)
        for paper in rows.annotate(is_ours=Exists(named), is_coming=Exists(coming)).exclude(fresh & Q(is_coming=True)):
            sign = 1 if paper.is_received else -1
            is_here = not self.side.clearing or paper.account == self.side.clearing
            gap = Money(sign * paper.amount if is_here else 0, paper.currency)
            what = f"{paper.money} for {paper.document_number or 'a document'}, {paper.on:%d %b %Y}."
            if paper.is_ours and not paper.is_coming:
                said = f"There is a second payment: {what}"
                self.found.add(Kind.DOCUMENT_TWICE, paper.on, gap, paper.remark, said, thing=paper.ledger_id)
            elif is_here and not paper.is_coming:
                subject = paper.remark or paper.document_number
                said = f"Somebody entered {what}"
                self.found.add(Kind.CLEARING_FOREIGN, paper.on, gap, subject, said, thing=paper.ledger_id)
            else:
                continue
            at = self.side.period.begin.replace(year=paper.on.year, month=paper.on.month, day=paper.on.day)
            yield Item("document", at, paper.on, paper.currency, books=gap.amount, stripe_id=paper.remark)

    # ---- invoices and credits, as the mirror has them -------------------------------------------

    def invoices(self) -> None:
        """PF invoices."""
        mirrored = self.mine(LedgerInvoice)
        changes = self.postings((K.INVOICE_CHANGE,)).filter(payment=OuterRef("payment")).exclude(state="cancelled")
        rows = self.dated((K.INVOICE,)).filter(payment__state="succeeded", sent_to=self.side.organisation)
        rows = rows.select_related("payment")
        same = mirrored.filter(ledger_id=OuterRef("ledger_id")).exclude(ledger_id="")
        rows = rows.annotate(
            wanted=Coalesce(Subquery(changes.order_by("-pk").values("amount")[:1]), F("amount")),
            there=Subquery(same.values("total")[:1]),
            status=Subquery(same.values("status")[:1]),
            read=Subquery(same.values("read_at")[:1]),
            is_changing=Exists(changes.filter(state__in=["pending", "sent", "rejected"])),
            is_double=Exists(
                mirrored.filter(number=OuterRef("number"))
                .exclude(ledger_id=OuterRef("ledger_id"))
                .exclude(status__in=GONE)
            ),
        ).filter(Q(status__in=GONE) | ~Q(there=F("wanted")) & Q(there__isnull=False) | Q(is_double=True))
        for posting in rows.filter(read__gte=F("state_at")).order_by("pk"):
            self.invoice(posting)

    def invoice(self, posting: Any) -> None:
        """What is otherwise."""
        if posting.status in GONE:
            self.add(Kind.DOCUMENT_REMOVED, posting, 0, f"The PF invoice over {posting.money} is {posting.status}.")
        elif posting.is_double:
            self.add(Kind.DOCUMENT_TWICE, posting, 0, f"There is another invoice {posting.number}.")
        elif not posting.is_changing:
            there = Money(posting.there, posting.payment.currency)
            wanted = Money(posting.wanted, posting.payment.currency)
            self.add(Kind.DOCUMENT_AMOUNT, posting, 0, f"It was posted over {wanted}; the books have {there}.")

    def credits(self) -> None:
        """PF_CR credit notes."""
        mirrored = self.mine(LedgerCredit)
        same = mirrored.filter(ledger_id=OuterRef("ledger_id"))
        other = mirrored.filter(number=OuterRef("number")).exclude(ledger_id=OuterRef("ledger_id"))
        leaving = Posting.objects.filter(attempt=OuterRef("attempt"), kind__in=[K.VOID, K.REMOVAL])
        rows = (
            self.notes()
            .annotate(
                there=Subquery(same.values("total")[:1]),
                status=Subquery(same.values("status")[:1]),
                contact=Subquery(same.values("contact_id")[:1]),
                read=Subquery(same.values("read_at")[:1]),
                is_leaving=Exists(leaving.exclude(state="cancelled")),
                is_double=Exists(other.exclude(status__in=GONE)),
            )
            .filter(read__gte=F("created_at"), is_leaving=False)
            .filter(
                Q(status__in=GONE)
                | ~Q(there=F("amount"))
                | ~Q(contact=F("payment__company__contact_id"))
                | Q(is_double=True)
            )
        )
        for note in rows.order_by("pk"):
            self.credit(note)

    def credit(self, note: Any) -> None:
        """What is otherwise."""
        if note.status in GONE:
            self.add_note(Kind.DOCUMENT_REMOVED, note, f"The credit over {note.money} is {note.status}.")
        elif note.is_double:
            self.add_note(Kind.DOCUMENT_TWICE, note, f"There is another credit {note.number}.")
        elif note.there != note.amount:
            there = Money(note.there, note.currency)
            self.add_note(Kind.DOCUMENT_AMOUNT, note, f"It was posted over {note.money}; the books have {there}.")
        elif note.payment.company.contact_id:
            self.add_note(Kind.FOREIGN_CONTACT, note, f"It is not of {note.payment.company} in the books any more.")

    def overused(self) -> None:
        """Credits of which more was used than they hold."""
        put = self.mine(LedgerApplication).filter(kind="credit", source_id=OuterRef("ledger_id"))
        out = self.mine(LedgerPayment).filter(is_received=False, is_standing=True)
        rows = self.notes().annotate(
            used=Coalesce(total(put), 0) + Coalesce(total(out.filter(document_id=OuterRef("ledger_id"))), 0)
        )
        for note in rows.filter(used__gt=F("amount")).order_by("pk"):
            used = Money(note.used, note.currency)
            self.add_note(Kind.CREDIT_OVERUSED, note, f"{used} were used of a credit over {note.money}.")

    def foreign_uses(self) -> None:
        """Credits that went to another contact's invoice."""
        mine = self.mine(LedgerCredit).filter(ledger_id=OuterRef("source_id"))
        contact = Subquery(mine.values("contact_id")[:1])
        put = self.mine(LedgerApplication).filter(kind="credit").annotate(contact=contact)
        wrong = put.filter(contact__isnull=False).exclude(invoice__contact_id=F("contact"))
        for note in self.notes().filter(Exists(wrong.filter(source_id=OuterRef("ledger_id")))).order_by("pk"):
            numbers = wrong.filter(source_id=note.ledger_id).values_list("invoice__number", flat=True)
            said = f"It was applied to {', '.join(sorted(set(numbers)))}, which is another contact's."
            self.add_note(Kind.FOREIGN_CONTACT, note, said)

    # ---- what all of them share -----------------------------------------------------------------

    def mine(self, model: type[Model]) -> "QuerySet[Any]":
        """What was read of the organisation that is connected; another one's ids may be the same."""
        return model._default_manager.filter(merchant=self.side.merchant, organisation_id=self.side.organisation)

    def postings(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """The merchant's postings of these kinds."""
        return Posting.objects.filter(merchant=self.side.merchant, kind__in=kinds)

    def dated(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """Those that are in the books and dated in the period."""
        period = self.side.period
        return self.postings(kinds).filter(state="posted", on__gte=period.first, on__lte=period.last)

    def notes(self) -> "QuerySet[CreditNote]":
        """The period's credit notes that should stand in the books."""
        period = self.side.period
        rows = CreditNote.objects.filter(
            merchant=self.side.merchant,
            organisation_id=self.side.organisation,
            state__in=["draft", "approved", "applied"],
            created_at__gte=period.begin,
            created_at__lt=period.end,
        )
        return rows.exclude(ledger_id="").select_related("payment__company")

    def add(self, kind: Kind, posting: Posting, gap: int, sentence: str) -> None:
        """A difference of a posting."""
        currency = posting.payment.currency if posting.payment else ""
        self.found.add(
            kind,
            posting.on or self.side.period.first,
            Money(gap, currency),
            posting.number,
            sentence,
            attempt=posting.attempt_id,
            payment=posting.payment_id,
        )

    def add_note(self, kind: Kind, note: CreditNote, sentence: str) -> None:
        """A difference of a credit note, which moves no money by itself."""
        day = self.side.period.day_of(note.created_at)
        none = Money(0, note.currency)
        self.found.add(kind, day, none, note.number, sentence, attempt=note.attempt_id, payment=note.payment_id)


def total(rows: "QuerySet[Any]") -> Subquery:
    """The sum of the amounts of correlated rows."""
    return Subquery(rows.order_by().annotate(one=F("merchant")).values("one").annotate(sum=Sum("amount")).values("sum"))
