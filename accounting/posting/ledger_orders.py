"""Build from a posting the order that a ledger takes."""

from datetime import date

from accounting.ledgers.protocol import (
    AllocationOrder,
    ContactOrder,
    CreditNoteOrder,
    DocumentOrder,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
)
from accounting.models import (
    AccountingSettings,
    CreditMatch,
    CreditNote,
    LedgerCredit,
    LedgerInvoice,
    PaymentAllocation,
    Posting,
)
from accounting.models.posting_kinds import Kind, list_undone_kinds
from payments.models import Payment

LedgerOrder = (
    AllocationOrder | ContactOrder | DocumentOrder | CreditNoteOrder | PaymentOrder | RefundOrder | PaymentRemovalOrder
)


# The error of a posting that waits for the ledger of an organisation that was connected before.
FORMER_ORGANISATION = "It belongs to the books of a company that was connected before."


def build_contact_order(posting: Posting, _: AccountingSettings) -> ContactOrder:
    """The payer's company as a contact, for documents in the posting's currency."""
    company = posting.company
    return ContactOrder(
        number=posting.number,
        name=company.name,
        email=company.email,
        phone=company.phone,
        currency=posting.currency,
    )


def build_document_order(posting: Posting, settings: AccountingSettings) -> DocumentOrder:
    """The PF invoice or the PF_CR credit note: one line on the prepayments account with the 0 % tax code.

    The invoice books the payment as a liability and is paid through the clearing account; the credit note takes the
    liability back and leaves the payer a credit (the product's prepayment pattern).
    """
    payment = get_posting_payment(posting)
    return DocumentOrder(
        number=posting.number,
        contact_id=get_contact_id(posting),
        on=get_posting_date(posting),
        reference=f"PF {payment.details.get('reference', '')}".strip(),
        description=f"Prepayment for {payment.purpose}",
        amount=posting.money,
        account=settings.prepayments_account,
        tax_code=settings.tax_code,
        id=get_original_posting(posting, Kind.INVOICE).ledger_id if posting.kind == Kind.INVOICE_CHANGE else "",
        item=settings.item,
    )


def build_credit_note_order(posting: Posting, _: AccountingSettings) -> CreditNoteOrder:
    """The attempt's credit note, which is in the ledger already, to be approved, removed or voided."""
    note = get_posting_credit_note(posting)
    return CreditNoteOrder(posting.number, note.ledger_id, get_posting_date(posting), posting.money)


def build_payment_order(posting: Posting, settings: AccountingSettings) -> PaymentOrder:
    """The payment of the PF invoice into the clearing account."""
    invoice = get_original_posting(posting, Kind.INVOICE)
    return PaymentOrder(
        number=posting.number,
        invoice_number=invoice.number,
        on=get_posting_date(posting),
        amount=posting.money,
        account=settings.clearing_account,
        invoice_id=invoice.ledger_id,
        contact_id=get_document_contact_id(posting, LedgerInvoice, invoice.ledger_id),
    )


def build_invoice_payment_order(posting: Posting, settings: AccountingSettings) -> PaymentOrder:
    """The payment of one of the merchant's own invoices into the clearing account."""
    invoice = get_posting_allocation(posting).invoice
    return PaymentOrder(
        number=posting.number,
        invoice_number=invoice.number,
        on=get_posting_date(posting),
        amount=posting.money,
        account=settings.clearing_account,
        invoice_id=invoice.ledger_id,
        contact_id=invoice.contact_id,
        is_foreign=True,
    )


def build_refund_order(posting: Posting, settings: AccountingSettings) -> RefundOrder:
    """The refund out of the credit note, from the clearing account."""
    note = get_posting_credit_note(posting)
    return RefundOrder(
        number=posting.number,
        note_number=note.number,
        note_id=note.ledger_id,
        on=get_posting_date(posting),
        amount=posting.money,
        account=settings.clearing_account,
        contact_id=get_document_contact_id(posting, LedgerCredit, note.ledger_id),
    )


def build_credit_allocation_order(posting: Posting, _: AccountingSettings) -> AllocationOrder:
    """The allocation of the attempt's credit note to the invoice of its match, to be created or removed."""
    note, invoice = get_posting_credit_note(posting), get_posting_match(posting).invoice
    is_removal = posting.kind == Kind.ALLOCATION_REMOVAL
    return AllocationOrder(
        number=posting.number,
        note_number=note.number,
        note_id=note.ledger_id,
        invoice_id=invoice.ledger_id,
        on=get_posting_date(posting),
        amount=posting.money,
        contact_id=invoice.contact_id,
        id=get_original_posting(posting, Kind.ALLOCATION).ledger_id if is_removal else "",
    )


def build_removal_order(posting: Posting, _: AccountingSettings) -> PaymentRemovalOrder:
    """The payment or refund that is to be removed."""
    [original] = list_undone_kinds(Kind(posting.kind))
    return PaymentRemovalOrder(posting.number, get_original_posting(posting, original).ledger_id)


def get_contact_id(posting: Posting) -> str:
    """The contact of the posting's company for documents in its currency."""
    return posting.company.get_contact_id(get_posting_payment(posting).currency)


def get_document_contact_id(posting: Posting, model: type[LedgerInvoice] | type[LedgerCredit], ledger_id: str) -> str:
    """The contact that a document has in the ledger: its company may have been mapped to another one since."""
    rows = model._default_manager.filter(
        merchant=posting.merchant_id, organisation_id=posting.company.organisation_id, ledger_id=ledger_id
    )
    return rows.values_list("contact_id", flat=True).first() or get_contact_id(posting)


def get_original_posting(posting: Posting, kind: Kind) -> Posting:
    """The posting of that kind that this one pays, changes or undoes."""
    same_number = {"number": posting.number} if kind != Kind.INVOICE else {}
    return Posting.objects.get(payment=posting.payment, kind=kind, **same_number)


def get_posting_payment(posting: Posting) -> Payment:
    """The posting's payment. Raises ValueError for a kind without one."""
    if posting.payment is None:
        raise ValueError(f"{posting} has no payment")
    return posting.payment


def get_posting_allocation(posting: Posting) -> PaymentAllocation:
    """The posting's part of a payment for an invoice. Raises ValueError for a kind without one."""
    if posting.payment_allocation is None:
        raise ValueError(f"{posting} has no allocation")
    return posting.payment_allocation


def get_posting_match(posting: Posting) -> CreditMatch:
    """The posting's match of a credit note and an invoice. Raises ValueError for a kind without one."""
    if posting.match is None:
        raise ValueError(f"{posting} has no match")
    return posting.match


def get_posting_credit_note(posting: Posting) -> CreditNote:
    """The credit note of the posting's attempt. Raises ValueError for a kind without an attempt."""
    if posting.attempt is None:
        raise ValueError(f"{posting} has no attempt")
    found: CreditNote = posting.attempt.credit_note
    return found


def get_posting_date(posting: Posting) -> date:
    """The document's date. Raises ValueError for a kind without one."""
    if posting.on is None:
        raise ValueError(f"{posting} has no day")
    return posting.on
