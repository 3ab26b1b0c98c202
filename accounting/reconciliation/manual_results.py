"""What the books show of what a person says was done by hand."""

from django.db.models import TextChoices

from accounting.models import (
    CreditNote,
    LedgerApplication,
    LedgerContact,
    LedgerCredit,
    LedgerPayment,
    ManualTask,
    MirrorCursor,
    PendingChange,
    Posting,
)
from accounting.models.posting_kinds import PAYMENT_KINDS, REMOVED_PAYMENT_KINDS, Kind
from accounting.reconciliation.organisations import GRACE_PERIOD, OrganisationBooks, get_merchant_books
from payers.models import PayerCompany

GONE_STATUSES = ("voided", "deleted")


class ManualResult(TextChoices):
    """What is known of it; UNREAD until the books were read long enough afterwards, or where they cannot tell."""

    FOUND = "found", "Seen in the books"
    MISSING = "missing", "Not in the books"
    UNREAD = "unread", "Not looked for yet"


def find_manual_result(task: ManualTask) -> ManualResult:
    """Return what the books that a task is about show of what was done."""
    if task.posting is None:
        return find_contact_result(task)
    posting = task.posting
    if Kind(posting.kind) in PAYMENT_KINDS:
        is_there = LedgerPayment.objects.filter(posting=posting, is_standing=True).exists()
        return judge(is_there, books=get_books(posting), task=task)
    if original := find_original(posting):
        is_gone = LedgerPayment.objects.filter(posting=original, is_standing=False).exists()
        return judge(is_gone, books=get_books(posting), task=task)
    return find_document_result(task, posting)


def find_contact_result(task: ManualTask) -> ManualResult:
    """Return whether the contacts of the task's company stand, as far as they were read since it was done."""
    company = task.company
    owner = {"merchant": task.merchant_id, "organisation_id": company.organisation_id}
    keys = list_contact_ids(company)
    rows = LedgerContact.objects.filter(**owner, contact_id__in=keys)
    if keys and not rows.filter(is_active=False).exists():
        return ManualResult.FOUND if rows.exists() else ManualResult.UNREAD
    polled = MirrorCursor.objects.filter(**owner, kind="contacts", polled_at__gte=task.state_at)
    read = PendingChange.objects.filter(**owner, kind="contacts", ledger_id__in=keys, read_at__gte=task.state_at)
    return ManualResult.MISSING if read.exists() or polled.exists() else ManualResult.UNREAD


def list_contact_ids(company: PayerCompany) -> list[str]:
    """Return the ids of a company's contacts in the organisation that it was mapped in."""
    others = company.currency_contacts.filter(organisation_id=company.organisation_id)
    return [key for key in (company.contact_id, *others.values_list("contact_id", flat=True)) if key]


def get_books(posting: Posting) -> OrganisationBooks:
    """Return the books that a posting went to, or those that the first document of its payment is in."""
    sent = Posting.objects.filter(payment=posting.payment_id).exclude(sent_to="").order_by("pk")
    organisation_id = posting.sent_to or sent.values_list("sent_to", flat=True).first() or ""
    return get_merchant_books(posting.merchant).get(organisation_id)


def find_original(posting: Posting) -> Posting | None:
    """Return the payment that a posting removes, if it removes one."""
    kind = REMOVED_PAYMENT_KINDS.get(Kind(posting.kind))
    rows = Posting.objects.filter(merchant=posting.merchant_id, number=posting.number, kind=kind)
    return rows.first() if kind else None


def judge(is_found: bool, *, books: OrganisationBooks, task: ManualTask) -> ManualResult:
    """Return what follows from a look into the payments as they were last read."""
    if is_found:
        return ManualResult.FOUND
    return ManualResult.MISSING if books.is_read_since(task.state_at) else ManualResult.UNREAD


def find_document_result(task: ManualTask, posting: Posting) -> ManualResult:
    """Return what the mirror shows of a credit note that was to be created, voided, applied, or taken off."""
    books = get_books(posting)
    owner = {"merchant": task.merchant_id, "organisation_id": books.organisation_id}
    is_read = MirrorCursor.objects.filter(**owner, polled_at__gte=task.state_at + GRACE_PERIOD, kind="credits").exists()
    mirrored = LedgerCredit.objects.filter(**owner)
    note = CreditNote.objects.filter(attempt=posting.attempt_id).exclude(ledger_id="").values("ledger_id")
    if posting.kind == Kind.VOID:
        is_found = mirrored.filter(ledger_id__in=note, status__in=GONE_STATUSES).exists()
    elif posting.kind == Kind.APPROVAL:
        is_found = mirrored.filter(number=posting.number).exclude(status__in=("draft", *GONE_STATUSES)).exists()
    elif posting.match is not None:
        is_applied = LedgerApplication.objects.filter(
            **owner, invoice=posting.match.invoice_id, source_id=posting.match.note.ledger_id
        ).exists()
        is_found = is_applied == (posting.kind == Kind.ALLOCATION)
    else:
        return ManualResult.UNREAD
    if is_found and (is_read or posting.kind != Kind.ALLOCATION_REMOVAL):
        return ManualResult.FOUND
    return ManualResult.MISSING if is_read else ManualResult.UNREAD
