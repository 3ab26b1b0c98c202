"""Postings: create, number and cancel them, lock what they are about, schedule and retry their sending."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django_subatomic.db import transaction, transaction_if_not_already, transaction_required

from accounting.ledger_session import has_drafts
from accounting.ledgers import LEDGERS
from accounting.models import (
    AccountingSettings,
    CreditMatch,
    CreditNote,
    Download,
    LedgerContact,
    LedgerInvoice,
    ManualTask,
    PaymentAllocation,
    Posting,
)
from accounting.models.posting_kinds import KIND_TRAITS, Kind
from accounting.posting.kinds import POSTING_KINDS, get_kind
from connections.models import Connection, Tier
from connections.services import register_waiting_work_counter
from merchants.models import Merchant
from payers.models import CompanyContact, PayerCompany, fold_name
from payments.models import Attempt, Payment, Refund
from wisepay import outbox

STEM_LENGTH = 12
# The longer ones were created before there was a second ledger.
PF_INVOICE_PATTERN = rf"^{KIND_TRAITS[Kind.INVOICE].prefix}-[0-9A-Z]{{12}}([0-9A-Z]{{8}})?$"
PostingsByKind = dict[str, Posting]
ACTOR = "books"
DRAFT_KINDS = [kind for kind in POSTING_KINDS if kind.needs_drafts]


def build_invoice_number(payment: Payment) -> str:
    """The number of the payment's only PF invoice."""
    return _build_stem(Kind.INVOICE, payment)


def build_payment_number(payment: Payment, *, nth: int) -> str:
    """The number of the ledger payment of the payment's `nth` credited attempt."""
    return _add_ordinal(_build_stem(Kind.PAYMENT, payment), nth)


def build_credit_note_number(payment: Payment, *, nth: int) -> str:
    """The number of the payment's `nth` credit note."""
    return _add_ordinal(_build_stem(Kind.CREDIT_NOTE, payment), nth)


def build_invoice_payment_number(allocation: PaymentAllocation, *, position: int, nth: int) -> str:
    """The number of a part's `nth` payment of its invoice; `position` counts the parts of the payment from 1."""
    return _add_ordinal(f"{_build_stem(Kind.INVOICE_PAYMENT, allocation.payment)}/{position}", nth)


def build_refund_number(refund: Refund) -> str:
    """The number of a refund out of a credit note."""
    return _build_stem(Kind.REFUND, refund)


def build_credit_allocation_number(match: CreditMatch, *, nth: int) -> str:
    """The number of the `nth` allocation of a credit to its invoice."""
    return _add_ordinal(_build_stem(Kind.ALLOCATION, match), nth)


def _build_stem(kind: Kind, row: Payment | Refund | CreditMatch) -> str:
    return f"{KIND_TRAITS[kind].prefix}-{row.reference[:STEM_LENGTH].upper()}"


def _add_ordinal(stem: str, nth: int) -> str:
    return stem if nth == 1 else f"{stem}-{nth}"


@transaction_required
def lock_payment_and_attempt(attempt: Attempt) -> tuple[Payment, Attempt]:
    """The payment and the attempt as they are now, locked in that order."""
    payment = attempt.payment.lock()
    payment.merchant, payment.company = attempt.payment.merchant, attempt.payment.company
    current = attempt.lock()
    current.payment = payment
    return payment, current


@transaction_required
def lock_postings_by_kind(**of: Attempt | Refund | Payment) -> PostingsByKind:
    """The postings of an attempt, a refund or a payment by kind, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(**of)
    return {p.kind: p for p in rows.order_by("pk")}


@transaction_required
def create_posting(
    kind: str,
    number: str,
    attempt: Attempt,
    *,
    now: datetime,
    on: datetime,
    refund: Refund | None = None,
    allocation: PaymentAllocation | None = None,
    match: CreditMatch | None = None,
    amount: int | None = None,
) -> Posting:
    """Create the posting of that kind and number, or answer the one that is there, which stays as it is.

    `on` becomes a date of the merchant's zone; `amount` is in minor units, by default the refund's or the attempt's.
    """
    payment = attempt.payment
    posting, _ = Posting.objects.get_or_create(
        merchant=payment.merchant,
        kind=kind,
        number=number,
        defaults={
            "company": payment.company,
            "payment": payment,
            "attempt": attempt,
            "refund": refund,
            "payment_allocation": allocation,
            "match": match,
            "amount": amount or (refund.amount if refund else attempt.amount),
            "on": on.astimezone(payment.merchant.zone).date(),
            "state": "pending",
            "state_at": now,
        },
    )
    return posting


@transaction_required
def create_credit_note(payment: Payment, attempt: Attempt, *, now: datetime, amount: int | None = None) -> CreditNote:
    """Create the attempt's credit note under the payment's next number, or answer the one that is there.

    `amount` is in minor units, by default the whole attempt's.
    """
    note, _ = CreditNote.objects.get_or_create(
        attempt=attempt,
        defaults={
            "merchant": payment.merchant,
            "payment": payment,
            "number": build_credit_note_number(payment, nth=payment.credit_notes.count() + 1),
            "amount": amount or attempt.amount,
            "currency": payment.currency,
            "state": "pending",
            "state_at": now,
        },
    )
    return note


@transaction_required
def cancel_posting(posting: Posting, *, now: datetime, reason: str, by: str = ACTOR) -> None:
    """Cancel a posting that is not in the ledger and not needed any more, and close its task."""
    posting.move_to("cancelled", now=now, by=by, reason=reason, error="")
    close_manual_task(posting, now=now)


def schedule_sending(merchant: Merchant, *, now: datetime) -> None:
    """Have a worker send the merchant's waiting postings."""
    outbox.schedule(f"drain:{merchant.pk}", "accounting.drain_postings", now=now, merchant_id=merchant.pk)


def is_ready_to_post(settings: AccountingSettings, connection: Connection) -> bool:
    """Whether everything is chosen that documents in this connection's ledger need."""
    needs_item = LEDGERS[connection.provider].needs_item
    return settings.is_for(connection.organisation_id) and bool(settings.item or not needs_item)


def retry_postings(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Send everything that waits or was refused again, now; answers how many postings."""
    with transaction():
        return_refused_postings(Posting.objects.filter(merchant=merchant), by=by, now=now)
        Connection.objects.filter(merchant=merchant).update(blocked_until=None)
        schedule_sending(merchant, now=now)
        return list_waiting_postings(merchant).count()


@transaction_required
def return_refused_postings(rows: models.QuerySet[Posting], *, by: str, now: datetime) -> int:
    """Let those of these postings that were refused wait again; answers how many."""
    refused = list(rows.filter(state="rejected").order_by("pk"))
    for posting in refused:
        posting.move_to("pending", now=now, by=by, reason="retry", error="")
        if get_kind(posting).creates_credit_note:
            CreditNote.objects.get(attempt=posting.attempt_id).move_to("pending", now=now, by=by, reason="retry")
    return len(refused)


def retry_company_postings(company: PayerCompany, *, now: datetime) -> None:
    """Send what waits or was refused of this company: it is another contact now, or its contact stands again."""
    rows = Posting.objects.filter(company=company)
    with transaction_if_not_already():
        return_refused_postings(rows, by=ACTOR, now=now)
        if rows.filter(state="pending").exists():
            schedule_sending(company.merchant, now=now)


def get_waiting_reason(merchant: Merchant, *, now: datetime) -> str:
    """Why postings are not being sent just now, in a sentence; empty while they are."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if connection is None or connection.state != "connected":
        return "The accounting package is not connected. Nothing is lost: it is posted once you connect."
    if chosen is None or not chosen.is_complete:
        return "Choose the clearing account, the prepayments account and the tax code first."
    if not chosen.is_for(connection.organisation_id):
        return f"Choose the accounts and the tax code of {connection.organisation_name} first: it is another company."
    if not is_ready_to_post(chosen, connection):
        return "The item for prepayments is being made, or has to be chosen under Accounts."
    if connection.is_blocked(now) and connection.blocked_until:
        at = connection.blocked_until.astimezone(merchant.zone)
        return f"{connection.last_error}. The next try is at {at:%H:%M:%S}."
    return ""


def list_waiting_postings(merchant: Merchant) -> models.QuerySet[Posting]:
    """Postings that are not in the ledger yet, oldest first."""
    waiting = Posting.objects.filter(merchant=merchant).exclude(state__in=Posting.FINAL_STATES)
    return waiting.select_related("company", "payment").order_by("pk")


def list_unposted_debits(merchant: Merchant) -> models.QuerySet[Attempt]:
    """Processing bank debits that are posted when they settle, because the ledger has no drafts."""
    rows = Attempt.objects.filter(payment__merchant=merchant, state="processing", submitted_at__isnull=False)
    return rows.none() if has_drafts(merchant) else rows


@register_waiting_work_counter
def count_waiting_work(merchant: Merchant) -> dict[str, int]:
    """What waits for each tier's connection: postings and downloads for Wise-Pay, open tasks for Company."""
    downloads = Download.objects.filter(merchant=merchant, state="running").count()
    tasks = ManualTask.objects.filter(merchant=merchant, state="open").count()
    return {Tier.WISE_PAY: list_waiting_postings(merchant).count() + downloads, Tier.COMPANY: tasks}


def cancel_contact_postings(merchant: Merchant, *, organisation_id: str, now: datetime) -> None:
    """Cancel the contact postings of companies that somebody mapped to such a contact meanwhile."""
    others = CompanyContact.objects.filter(
        company=OuterRef("company"), organisation_id=organisation_id, currency=OuterRef("currency")
    )
    postings = Posting.objects.filter(
        merchant=merchant,
        kind=Kind.CONTACT,
        organisation_id=organisation_id,
        state__in=Posting.NOT_IN_LEDGER_STATES,
        company__organisation_id=organisation_id,
        company__contact_id__gt="",
    ).filter(Q(currency="") | Q(company__contact_currency__in=["", F("currency")]) | Q(Exists(others)))
    with transaction():
        for posting in postings.order_by("pk"):
            cancel_posting(posting, now=now, reason="mapped by hand")


def cancel_draft_postings(merchant: Merchant, *, organisation_id: str, supports_drafts: bool, now: datetime) -> None:
    """Cancel the postings of drafts in another organisation's ledger; all drafts, if this one's has none.

    A credit whose debit has settled is created anew, one whose debit failed is removed.
    """
    drafts = [kind.name for kind in DRAFT_KINDS]
    waiting = Posting.objects.filter(merchant=merchant, kind__in=drafts, state__in=Posting.NOT_IN_LEDGER_STATES)
    if supports_drafts:
        former = (Q(kind.is_in_other_organisation(organisation_id), kind=kind.name) for kind in DRAFT_KINDS)
        waiting = waiting.filter(reduce(or_, former))
    with transaction():
        for posting in waiting.select_related("attempt__payment__merchant", "attempt__payment__company").order_by("pk"):
            if posting.attempt is None:
                continue
            payment, attempt = lock_payment_and_attempt(posting.attempt)
            cancel_posting(posting, now=now, reason="no drafts in these books")
            if posting.kind == Kind.APPROVAL:
                note = create_credit_note(payment, attempt, now=now)
                create_posting(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=payment.paid_at or now)
            elif posting.kind == Kind.REMOVAL:
                create_credit_note(payment, attempt, now=now).move_to(
                    "removed", now=now, by=ACTOR, reason="left in other books"
                )


def schedule_matching(company_id: int, *, now: datetime) -> None:
    """Have a worker match the company's credits with its invoices."""
    outbox.schedule(f"match:{company_id}", "accounting.match_credits", now=now, company_id=company_id)


def schedule_matching_if_needed(company_id: int, *, now: datetime) -> None:
    """Have a worker match the company's credits, if it has open invoices or matches."""
    owed = LedgerInvoice.objects.filter(Q(company=company_id), status=LedgerInvoice.InvoiceStatus.OPEN, due__gt=0)
    if owed.exists() or CreditMatch.objects.filter(note__payment__company=company_id).exists():
        schedule_matching(company_id, now=now)


@transaction_required
def close_manual_task(posting: Posting, *, now: datetime) -> None:
    """Close the posting's open task, because it was done or is needed no more."""
    for task in ManualTask.objects.filter(posting=posting, state="open"):
        task.move_to("done", now=now, by="books", reason="it went through" if posting.state == "posted" else "needless")


def list_known_contacts(postings: Sequence[Posting], *, organisation_id: str) -> list[Posting]:
    """The contact postings whose company has the name of an active contact of the mirror."""
    names = {posting.pk: fold_name(posting.company.name) for posting in postings}
    known = LedgerContact.objects.filter(
        merchant__in={posting.merchant_id for posting in postings},
        organisation_id=organisation_id,
        folded_name__in=set(names.values()),
        is_active=True,
    )
    found = set(known.values_list("folded_name", flat=True))
    return [posting for posting in postings if names[posting.pk] in found]
