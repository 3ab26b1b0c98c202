"""Documents that somebody changed in the books: payments read back, and invoices and credits of the mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounting.models import CreditNote, LedgerApplication, LedgerCredit, LedgerInvoice, LedgerPayment, Posting
from accounting.reconciliation.differences import DifferenceKind, Findings, ReconciliationItem
from accounting.reconciliation.ledger_vs_books import KIND_SIGNS, PAYMENT_KINDS, DocumentKind, LedgerVsBooks
from wisepay.money import Money

GRACE_PERIOD = timedelta(minutes=15)
GONE_STATUSES = ("voided", "deleted")
REMOVAL_KINDS = (DocumentKind.PAYMENT_REMOVAL, DocumentKind.INVOICE_PAYMENT_REMOVAL, DocumentKind.REFUND_REMOVAL)


@dataclass(frozen=True, slots=True)
class DocumentChecks:
    """The checks of a period's documents; each asks the database for those that are wrong, and no others."""

    comparison: LedgerVsBooks

    @property
    def findings(self) -> Findings:
        """Where differences go."""
        return self.comparison.findings

    def run(self) -> list[ReconciliationItem]:
        """Name what is wrong; answers items for money in the books that nothing of ours is about."""
        self.check_payments()
        self.check_invoices()
        self.check_credits()
        self.check_overused_credits()
        self.check_foreign_allocations()
        return list(self.list_foreign_payments())

    # ---- payments -------------------------------------------------------------------------------

    def check_payments(self) -> None:
        """Payments that we made and that are there otherwise, or no more."""
        removing = self.get_postings(REMOVAL_KINDS).filter(number=OuterRef("number")).exclude(state="cancelled")
        wrong = Q(ledger_payment__is_standing=False) | ~Q(
            ledger_payment__on=F("on"), ledger_payment__amount=F("amount")
        )
        if self.comparison.clearing:
            elsewhere = ~Q(ledger_payment__account__in=["", self.comparison.clearing])
            wrong |= elsewhere & Q(ledger_payment__organisation_id=self.comparison.organisation_id)
        rows = (
            self.get_period_postings(PAYMENT_KINDS)
            .filter(~Exists(removing))
            .select_related("ledger_payment", "payment")
        )
        for posting in rows.filter(wrong, ledger_payment__isnull=False).order_by("pk"):
            self.add_payment_difference(posting, posting.ledger_payment)
        cursor = self.comparison.cursor
        if cursor is None or cursor.known_until is None:
            return
        unread = rows.filter(
            ledger_payment=None, created_at__gte=cursor.begins_at, state_at__lte=cursor.known_until - GRACE_PERIOD
        )
        unread = unread.filter(sent_to=cursor.organisation_id)
        for posting in unread.exclude(ledger_id="").order_by("pk"):
            gone = -KIND_SIGNS[DocumentKind(posting.kind)] * (posting.amount or 0)
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_MISSING, posting, gone, f"It was posted over {posting.money}."
            )

    def add_payment_difference(self, posting: Posting, paper: LedgerPayment) -> None:
        """What is otherwise, the gravest thing first."""
        sign, amount = KIND_SIGNS[DocumentKind(posting.kind)], posting.amount or 0
        if not paper.is_standing:
            said = f"The payment of {posting.money} stands no more."
            self.add_posting_difference(DifferenceKind.DOCUMENT_REMOVED, posting, -sign * amount, said)
        elif self.is_on_other_account(paper):
            said = f"{posting.money} went to account {paper.account} instead of {self.comparison.clearing}."
            self.add_posting_difference(DifferenceKind.WRONG_ACCOUNT, posting, -sign * amount, said)
        elif paper.amount != amount:
            said = f"{posting.money} were posted; the books have {paper.money}."
            self.add_posting_difference(DifferenceKind.DOCUMENT_AMOUNT, posting, sign * (paper.amount - amount), said)
        else:
            said = f"Posted for {posting.on:%d %b %Y}; the books have {paper.on:%d %b %Y}."
            self.add_posting_difference(DifferenceKind.OTHER_DAY, posting, 0, said)

    def is_on_other_account(self, paper: LedgerPayment) -> bool:
        """Whether it went through another account than clearing, which each organisation names in its own way."""
        is_here = paper.account in ("", self.comparison.clearing) or not self.comparison.clearing
        return not is_here and paper.organisation_id == self.comparison.organisation_id

    def list_foreign_payments(self) -> Iterator[ReconciliationItem]:
        """Payments of the books that nothing of ours made: a second one of ours, or somebody's in clearing."""
        rows = LedgerPayment.objects.filter(
            merchant=self.comparison.merchant,
            organisation_id=self.comparison.organisation_id,
            posting=None,
            is_standing=True,
            on__gte=self.comparison.period.first,
            on__lte=self.comparison.period.last,
        )
        named = self.get_postings(PAYMENT_KINDS).filter(number=OuterRef("remark"))
        coming = named.filter(state__in=["pending", "sent"])
        fresh = Q(read_at__gte=self.comparison.now - GRACE_PERIOD)
        for paper in rows.annotate(is_ours=Exists(named), is_coming=Exists(coming)).exclude(fresh & Q(is_coming=True)):
            sign = 1 if paper.is_received else -1
            is_here = not self.comparison.clearing or paper.account == self.comparison.clearing
            gap = Money(sign * paper.amount if is_here else 0, paper.currency)
            what = f"{paper.money} for {paper.document_number or 'a document'}, {paper.on:%d %b %Y}."
            if paper.is_ours and not paper.is_coming:
                said = f"There is a second payment: {what}"
                self.findings.add(
                    DifferenceKind.DOCUMENT_TWICE, paper.on, gap, paper.remark, said, thing=paper.ledger_id
                )
            elif is_here and not paper.is_coming:
                subject = paper.remark or paper.document_number
                said = f"Somebody entered {what}"
                self.findings.add(DifferenceKind.CLEARING_FOREIGN, paper.on, gap, subject, said, thing=paper.ledger_id)
            else:
                continue
            at = self.comparison.period.begin.replace(year=paper.on.year, month=paper.on.month, day=paper.on.day)
            yield ReconciliationItem("document", at, paper.on, paper.currency, books=gap.amount, stripe_id=paper.remark)

    # ---- invoices and credits, as the mirror has them -------------------------------------------

    def check_invoices(self) -> None:
        """PF invoices."""
        mirrored = self.get_mirror_rows(LedgerInvoice)
        changes = (
            self.get_postings((DocumentKind.INVOICE_CHANGE,))
            .filter(payment=OuterRef("payment"))
            .exclude(state="cancelled")
        )
        rows = self.get_period_postings((DocumentKind.INVOICE,)).filter(
            payment__state="succeeded", sent_to=self.comparison.organisation_id
        )
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
                .exclude(status__in=GONE_STATUSES)
            ),
        ).filter(Q(status__in=GONE_STATUSES) | ~Q(there=F("wanted")) & Q(there__isnull=False) | Q(is_double=True))
        for posting in rows.filter(read__gte=F("state_at")).order_by("pk"):
            self.add_invoice_difference(posting)

    def add_invoice_difference(self, posting: Any) -> None:
        """What is otherwise."""
        if posting.status in GONE_STATUSES:
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_REMOVED, posting, 0, f"The PF invoice over {posting.money} is {posting.status}."
            )
        elif posting.is_double:
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_TWICE, posting, 0, f"There is another invoice {posting.number}."
            )
        elif not posting.is_changing:
            there = Money(posting.there, posting.payment.currency)
            wanted = Money(posting.wanted, posting.payment.currency)
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_AMOUNT, posting, 0, f"It was posted over {wanted}; the books have {there}."
            )

    def check_credits(self) -> None:
        """PF_CR credit notes."""
        mirrored = self.get_mirror_rows(LedgerCredit)
        same = mirrored.filter(ledger_id=OuterRef("ledger_id"))
        other = mirrored.filter(number=OuterRef("number")).exclude(ledger_id=OuterRef("ledger_id"))
        leaving = Posting.objects.filter(
            attempt=OuterRef("attempt"), kind__in=[DocumentKind.VOID, DocumentKind.REMOVAL]
        )
        rows = (
            self.get_credit_notes()
            .annotate(
                there=Subquery(same.values("total")[:1]),
                status=Subquery(same.values("status")[:1]),
                contact=Subquery(same.values("contact_id")[:1]),
                read=Subquery(same.values("read_at")[:1]),
                is_leaving=Exists(leaving.exclude(state="cancelled")),
                is_double=Exists(other.exclude(status__in=GONE_STATUSES)),
            )
            .filter(read__gte=F("created_at"), is_leaving=False)
            .filter(
                Q(status__in=GONE_STATUSES)
                | ~Q(there=F("amount"))
                | ~Q(contact=F("payment__company__contact_id"))
                | Q(is_double=True)
            )
        )
        for note in rows.order_by("pk"):
            self.add_credit_difference(note)

    def add_credit_difference(self, note: Any) -> None:
        """What is otherwise."""
        if note.status in GONE_STATUSES:
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_REMOVED, note, f"The credit over {note.money} is {note.status}."
            )
        elif note.is_double:
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_TWICE, note, f"There is another credit {note.number}."
            )
        elif note.there != note.amount:
            there = Money(note.there, note.currency)
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_AMOUNT, note, f"It was posted over {note.money}; the books have {there}."
            )
        elif note.payment.company.contact_id:
            self.add_credit_note_difference(
                DifferenceKind.FOREIGN_CONTACT, note, f"It is not of {note.payment.company} in the books any more."
            )

    def check_overused_credits(self) -> None:
        """Credits of which more was used than they hold."""
        put = self.get_mirror_rows(LedgerApplication).filter(kind="credit", source_id=OuterRef("ledger_id"))
        out = self.get_mirror_rows(LedgerPayment).filter(is_received=False, is_standing=True)
        rows = self.get_credit_notes().annotate(
            used=Coalesce(build_total(put), 0) + Coalesce(build_total(out.filter(document_id=OuterRef("ledger_id"))), 0)
        )
        for note in rows.filter(used__gt=F("amount")).order_by("pk"):
            used = Money(note.used, note.currency)
            self.add_credit_note_difference(
                DifferenceKind.CREDIT_OVERUSED, note, f"{used} were used of a credit over {note.money}."
            )

    def check_foreign_allocations(self) -> None:
        """Credits that went to another contact's invoice."""
        mine = self.get_mirror_rows(LedgerCredit).filter(ledger_id=OuterRef("source_id"))
        contact = Subquery(mine.values("contact_id")[:1])
        put = self.get_mirror_rows(LedgerApplication).filter(kind="credit").annotate(contact=contact)
        wrong = put.filter(contact__isnull=False).exclude(invoice__contact_id=F("contact"))
        for note in (
            self.get_credit_notes().filter(Exists(wrong.filter(source_id=OuterRef("ledger_id")))).order_by("pk")
        ):
            numbers = wrong.filter(source_id=note.ledger_id).values_list("invoice__number", flat=True)
            said = f"It was applied to {', '.join(sorted(set(numbers)))}, which is another contact's."
            self.add_credit_note_difference(DifferenceKind.FOREIGN_CONTACT, note, said)

    # ---- what all of them share -----------------------------------------------------------------

    def get_mirror_rows(self, model: type[Model]) -> "QuerySet[Any]":
        """What was read of the organisation that is connected; another one's ids may be the same."""
        return model._default_manager.filter(
            merchant=self.comparison.merchant, organisation_id=self.comparison.organisation_id
        )

    def get_postings(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """The merchant's postings of these kinds."""
        return Posting.objects.filter(merchant=self.comparison.merchant, kind__in=kinds)

    def get_period_postings(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """Those that are in the books and dated in the period."""
        period = self.comparison.period
        return self.get_postings(kinds).filter(state="posted", on__gte=period.first, on__lte=period.last)

    def get_credit_notes(self) -> "QuerySet[CreditNote]":
        """The period's credit notes that should stand in the books."""
        period = self.comparison.period
        rows = CreditNote.objects.filter(
            merchant=self.comparison.merchant,
            organisation_id=self.comparison.organisation_id,
            state__in=["draft", "approved", "applied"],
            created_at__gte=period.begin,
            created_at__lt=period.end,
        )
        return rows.exclude(ledger_id="").select_related("payment__company")

    def add_posting_difference(self, kind: DifferenceKind, posting: Posting, gap: int, sentence: str) -> None:
        """A difference of a posting."""
        currency = posting.payment.currency if posting.payment else ""
        self.findings.add(
            kind,
            posting.on or self.comparison.period.first,
            Money(gap, currency),
            posting.number,
            sentence,
            attempt=posting.attempt_id,
            payment=posting.payment_id,
        )

    def add_credit_note_difference(self, kind: DifferenceKind, note: CreditNote, sentence: str) -> None:
        """A difference of a credit note, which moves no money by itself."""
        day = self.comparison.period.get_day(note.created_at)
        none = Money(0, note.currency)
        self.findings.add(kind, day, none, note.number, sentence, attempt=note.attempt_id, payment=note.payment_id)


def build_total(rows: "QuerySet[Any]") -> Subquery:
    """The sum of the amounts of correlated rows."""
    return Subquery(rows.order_by().annotate(one=F("merchant")).values("one").annotate(sum=Sum("amount")).values("sum"))
