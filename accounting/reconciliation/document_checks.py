"""Find documents that somebody changed in the accounting package, by the payments that were read and the mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounting.models import (
    CreditNote,
    LedgerApplication,
    LedgerCredit,
    LedgerInvoice,
    LedgerPayment,
    ManualTask,
    Posting,
)
from accounting.models.posting_kinds import (
    CLEARING_SIGNS,
    CREDIT_NOTE_END_KINDS,
    PAYMENT_KINDS,
    REMOVED_PAYMENT_KINDS,
    Kind,
)
from accounting.reconciliation.differences import DifferenceKind, DifferenceList, ReconciliationItem
from accounting.reconciliation.ledger_vs_books import LedgerVsBooks
from accounting.reconciliation.manual_results import ManualResult, find_manual_result
from accounting.reconciliation.organisations import GRACE_PERIOD, OrganisationBooks
from payers.models import CompanyContact
from wisepay.money import Money

GONE_STATUSES = ("voided", "deleted")


@dataclass(frozen=True, slots=True)
class DocumentChecks:
    """The checks of a period's documents; each queries only those that are wrong."""

    comparison: LedgerVsBooks

    @property
    def differences(self) -> DifferenceList:
        """Return the list that differences are added to."""
        return self.comparison.differences

    @property
    def current(self) -> OrganisationBooks:
        """Return the connected organisation's books; only its documents are mirrored."""
        return self.comparison.books.current

    def run(self) -> list[ReconciliationItem]:
        """Add the differences, and return items for payments that no posting of ours created."""
        self.check_payments()
        self.check_invoices()
        self.check_credits()
        self.check_overused_credits()
        self.check_foreign_allocations()
        self.check_manual_documents()
        return list(self.list_foreign_payments())

    # ---- payments -------------------------------------------------------------------------------

    def check_payments(self) -> None:
        """Check that payments we posted are unchanged."""
        removing = (
            self.get_postings(tuple(REMOVED_PAYMENT_KINDS)).filter(number=OuterRef("number")).exclude(state="cancelled")
        )
        wrong = Q(ledger_payment__is_standing=False) | ~Q(
            ledger_payment__on=F("on"), ledger_payment__amount=F("amount")
        )
        for books in (books for books in self.comparison.books.all if books.clearing):
            elsewhere = ~Q(ledger_payment__account__in=["", books.clearing])
            wrong |= elsewhere & Q(ledger_payment__organisation_id=books.organisation_id)
        rows = (
            self.get_period_postings(PAYMENT_KINDS)
            .filter(~Exists(removing))
            .select_related("ledger_payment", "payment")
        )
        for posting in rows.filter(wrong, ledger_payment__isnull=False).order_by("pk"):
            self.add_payment_difference(posting, posting.ledger_payment)
        read = Q(pk=None)
        for books in self.comparison.books.all:
            if books.cursor is not None and books.known_until is not None:
                settled = Q(created_at__gte=books.cursor.begins_at, state_at__lte=books.known_until - GRACE_PERIOD)
                read |= Q(sent_to=books.organisation_id) & settled
        unread = rows.filter(read, ledger_payment=None)
        for posting in unread.exclude(ledger_id="").order_by("pk"):
            gap = -CLEARING_SIGNS[Kind(posting.kind)] * (posting.amount or 0)
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_MISSING, posting, gap, f"It was posted over {posting.money}."
            )

    def add_payment_difference(self, posting: Posting, payment: LedgerPayment) -> None:
        """Add the gravest difference of a payment."""
        sign, amount = CLEARING_SIGNS[Kind(posting.kind)], posting.amount or 0
        if not payment.is_standing:
            description = f"The payment of {posting.money} stands no more."
            self.add_posting_difference(DifferenceKind.DOCUMENT_REMOVED, posting, -sign * amount, description)
        elif self.is_on_other_account(payment):
            clearing = self.comparison.books.get(payment.organisation_id).clearing
            description = f"{posting.money} went to account {payment.account} instead of {clearing}."
            self.add_posting_difference(DifferenceKind.WRONG_ACCOUNT, posting, -sign * amount, description)
        elif payment.amount != amount:
            description = f"{posting.money} were posted; the books have {payment.money}."
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_AMOUNT, posting, sign * (payment.amount - amount), description
            )
        else:
            description = f"Posted for {posting.on:%d %b %Y}; the books have {payment.on:%d %b %Y}."
            self.add_posting_difference(DifferenceKind.OTHER_DAY, posting, 0, description)

    def is_on_other_account(self, payment: LedgerPayment) -> bool:
        """Return whether it went through another account than clearing; a code counts only in its organisation."""
        return not self.comparison.books.get(payment.organisation_id).is_on_clearing_account(payment.account)

    def list_foreign_payments(self) -> Iterator[ReconciliationItem]:
        """Return items for payments that no posting created: a second one of ours, or somebody's in clearing."""
        rows = LedgerPayment.objects.filter(
            merchant=self.comparison.merchant,
            organisation_id=self.current.organisation_id,
            posting=None,
            is_standing=True,
            on__gte=self.comparison.period.first,
            on__lte=self.comparison.period.last,
        )
        named = self.get_postings(PAYMENT_KINDS).filter(number=OuterRef("remark"))
        coming = named.filter(state__in=Posting.UNSENT_STATES)
        fresh = Q(read_at__gte=self.comparison.now - GRACE_PERIOD)
        for payment in rows.annotate(is_ours=Exists(named), is_coming=Exists(coming)).exclude(
            fresh & Q(is_coming=True)
        ):
            sign = 1 if payment.is_received else -1
            is_here = not self.current.clearing or payment.account == self.current.clearing
            gap = Money(sign * payment.amount if is_here else 0, payment.currency)
            if payment.is_coming or not (payment.is_ours or is_here):
                continue
            self.add_foreign_payment(payment, gap)
            at = self.comparison.period.begin.replace(year=payment.on.year, month=payment.on.month, day=payment.on.day)
            yield ReconciliationItem(
                "document",
                at,
                payment.on,
                payment.currency,
                books=gap.amount,
                stripe_id=payment.remark or payment.document_number,
                organisation=payment.organisation_id,
            )

    def add_foreign_payment(self, payment: Any, gap: Money) -> None:
        """Add the difference of a payment that no posting created."""
        document = payment.document_number or "a document"
        description = f"{payment.money} for {document}, {payment.on:%d %b %Y}."
        kind, subject = DifferenceKind.CLEARING_FOREIGN, payment.remark or payment.document_number
        if payment.is_ours:
            kind, description = DifferenceKind.DOCUMENT_TWICE, f"There is a second payment: {description}"
        else:
            description = f"Somebody entered {description}"
        self.differences.add(kind, payment.on, gap, subject, description, thing_id=payment.ledger_id)

    # ---- invoices and credits of the mirror -----------------------------------------------------

    def check_invoices(self) -> None:
        """Check PF invoices against the mirror."""
        mirrored = self.get_mirror_rows(LedgerInvoice)
        changes = (
            self.get_postings((Kind.INVOICE_CHANGE,)).filter(payment=OuterRef("payment")).exclude(state="cancelled")
        )
        rows = self.get_period_postings((Kind.INVOICE,)).filter(
            payment__state="succeeded", sent_to=self.current.organisation_id
        )
        rows = rows.select_related("payment")
        same = mirrored.filter(ledger_id=OuterRef("ledger_id")).exclude(ledger_id="")
        rows = rows.annotate(
            posted_total=Coalesce(Subquery(changes.order_by("-pk").values("amount")[:1]), F("amount")),
            ledger_total=Subquery(same.values("total")[:1]),
            status=Subquery(same.values("status")[:1]),
            read=Subquery(same.values("read_at")[:1]),
            is_changing=Exists(changes.filter(state__in=Posting.UNFINISHED_STATES)),
            is_double=Exists(
                mirrored.filter(number=OuterRef("number"))
                .exclude(ledger_id=OuterRef("ledger_id"))
                .exclude(status__in=GONE_STATUSES)
            ),
        ).filter(
            Q(status__in=GONE_STATUSES)
            | ~Q(ledger_total=F("posted_total")) & Q(ledger_total__isnull=False)
            | Q(is_double=True)
        )
        for posting in rows.filter(read__gte=F("state_at")).order_by("pk"):
            self.add_invoice_difference(posting)

    def add_invoice_difference(self, posting: Any) -> None:
        """Add the gravest difference of a PF invoice."""
        if posting.status in GONE_STATUSES:
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_REMOVED, posting, 0, f"The PF invoice over {posting.money} is {posting.status}."
            )
        elif posting.is_double:
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_TWICE, posting, 0, f"There is another invoice {posting.number}."
            )
        elif not posting.is_changing:
            ledger_total = Money(posting.ledger_total, posting.payment.currency)
            posted_total = Money(posting.posted_total, posting.payment.currency)
            self.add_posting_difference(
                DifferenceKind.DOCUMENT_AMOUNT,
                posting,
                0,
                f"It was posted over {posted_total}; the books have {ledger_total}.",
            )

    def check_credits(self) -> None:
        """Check PF_CR credit notes against the mirror."""
        mirrored = self.get_mirror_rows(LedgerCredit)
        same = mirrored.filter(ledger_id=OuterRef("ledger_id"))
        other = mirrored.filter(number=OuterRef("number")).exclude(ledger_id=OuterRef("ledger_id"))
        leaving = Posting.objects.filter(attempt=OuterRef("attempt"), kind__in=CREDIT_NOTE_END_KINDS)
        of_currency = CompanyContact.objects.filter(
            company=OuterRef("payment__company"),
            organisation_id=self.current.organisation_id,
            contact_id=OuterRef("contact"),
        )
        rows = (
            self.get_credit_notes()
            .annotate(
                ledger_total=Subquery(same.values("total")[:1]),
                status=Subquery(same.values("status")[:1]),
                contact=Subquery(same.values("contact_id")[:1]),
                read=Subquery(same.values("read_at")[:1]),
                is_leaving=Exists(leaving.exclude(state="cancelled")),
                is_double=Exists(other.exclude(status__in=GONE_STATUSES)),
            )
            .filter(read__gte=F("created_at"), is_leaving=False)
            .filter(
                Q(status__in=GONE_STATUSES)
                | ~Q(ledger_total=F("amount"))
                | ~Q(contact=F("payment__company__contact_id")) & ~Q(Exists(of_currency))
                | Q(is_double=True)
            )
        )
        for note in rows.order_by("pk"):
            self.add_credit_difference(note)

    def add_credit_difference(self, note: Any) -> None:
        """Add the gravest difference of a credit note."""
        if note.status in GONE_STATUSES:
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_REMOVED, note, f"The credit over {note.money} is {note.status}."
            )
        elif note.is_double:
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_TWICE, note, f"There is another credit {note.number}."
            )
        elif note.ledger_total != note.amount:
            ledger_total = Money(note.ledger_total, note.currency)
            self.add_credit_note_difference(
                DifferenceKind.DOCUMENT_AMOUNT, note, f"It was posted over {note.money}; the books have {ledger_total}."
            )
        elif note.payment.company.contact_id:
            self.add_credit_note_difference(
                DifferenceKind.FOREIGN_CONTACT, note, f"It is not of {note.payment.company} in the books any more."
            )

    def check_overused_credits(self) -> None:
        """Check that no more of a credit was used than its amount."""
        applied = self.get_mirror_rows(LedgerApplication).filter(kind="credit", source_id=OuterRef("ledger_id"))
        refunds = self.get_mirror_rows(LedgerPayment).filter(is_received=False, is_standing=True)
        rows = self.get_credit_notes().annotate(
            used=Coalesce(build_total(applied), 0)
            + Coalesce(build_total(refunds.filter(document_id=OuterRef("ledger_id"))), 0)
        )
        for note in rows.filter(used__gt=F("amount")).order_by("pk"):
            used = Money(note.used, note.currency)
            self.add_credit_note_difference(
                DifferenceKind.CREDIT_OVERUSED, note, f"{used} were used of a credit over {note.money}."
            )

    def check_foreign_allocations(self) -> None:
        """Check that credits were applied to invoices of their own contact."""
        credit = self.get_mirror_rows(LedgerCredit).filter(ledger_id=OuterRef("source_id"))
        contact = Subquery(credit.values("contact_id")[:1])
        applied = self.get_mirror_rows(LedgerApplication).filter(kind="credit").annotate(contact=contact)
        wrong = applied.filter(contact__isnull=False).exclude(invoice__contact_id=F("contact"))
        for note in (
            self.get_credit_notes().filter(Exists(wrong.filter(source_id=OuterRef("ledger_id")))).order_by("pk")
        ):
            numbers = wrong.filter(source_id=note.ledger_id).values_list("invoice__number", flat=True)
            description = f"It was applied to {', '.join(sorted(set(numbers)))}, which is another contact's."
            self.add_credit_note_difference(DifferenceKind.FOREIGN_CONTACT, note, description)

    def check_manual_documents(self) -> None:
        """Check that the books show what people said was done by hand to credits; payments are compared with Stripe."""
        period = self.comparison.period
        tasks = ManualTask.objects.filter(
            merchant=self.comparison.merchant,
            state="done",
            done_by__isnull=False,
            posting__state="cancelled",
            posting__on__gte=period.first,
            posting__on__lte=period.last,
        ).exclude(kind__in=CLEARING_SIGNS)
        for task in tasks.select_related("posting__payment", "posting__match__note", "posting__merchant", "done_by"):
            if find_manual_result(task) == ManualResult.MISSING:
                description = f"{task.title}: said to be done by {task.done_by} (“{task.note}”)."
                self.add_posting_difference(DifferenceKind.BY_HAND_MISSING, task.get_posting(), 0, description)

    # ---- shared ---------------------------------------------------------------------------------

    def get_mirror_rows(self, model: type[Model]) -> "QuerySet[Any]":
        """Return the rows of the connected organisation; another one may have the same ids."""
        return model._default_manager.filter(
            merchant=self.comparison.merchant, organisation_id=self.current.organisation_id
        )

    def get_postings(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """Return the merchant's postings of these kinds."""
        return Posting.objects.filter(merchant=self.comparison.merchant, kind__in=kinds)

    def get_period_postings(self, kinds: tuple[str, ...]) -> "QuerySet[Posting]":
        """Return those that are posted and dated in the period."""
        period = self.comparison.period
        return self.get_postings(kinds).filter(state="posted", on__gte=period.first, on__lte=period.last)

    def get_credit_notes(self) -> "QuerySet[CreditNote]":
        """Return the period's credit notes that should stand in the accounting package."""
        period = self.comparison.period
        rows = CreditNote.objects.filter(
            merchant=self.comparison.merchant,
            organisation_id=self.current.organisation_id,
            state__in=["draft", "approved", "applied"],
            created_at__gte=period.begin,
            created_at__lt=period.end,
        )
        return rows.exclude(ledger_id="").select_related("payment__company")

    def add_posting_difference(self, kind: DifferenceKind, posting: Posting, gap: int, description: str) -> None:
        """Add a difference of a posting."""
        currency = posting.payment.currency if posting.payment else ""
        self.differences.add(
            kind,
            posting.on or self.comparison.period.first,
            Money(gap, currency),
            posting.number,
            description,
            attempt=posting.attempt_id,
            payment=posting.payment_id,
        )

    def add_credit_note_difference(self, kind: DifferenceKind, note: CreditNote, description: str) -> None:
        """Add a difference of a credit note, which moves no money."""
        day = self.comparison.period.get_day(note.created_at)
        none = Money(0, note.currency)
        self.differences.add(
            kind, day, none, note.number, description, attempt=note.attempt_id, payment=note.payment_id
        )


def build_total(rows: "QuerySet[Any]") -> Subquery:
    """Return the sum of the amounts of correlated rows."""
    return Subquery(rows.order_by().annotate(one=F("merchant")).values("one").annotate(sum=Sum("amount")).values("sum"))
