"""One desk a kind of document: how a posting becomes an order, and which verbs of the ledger take it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from accounting.ledgers.words import ContactOrder, DocumentOrder, Ledger, PaymentOrder, Written
from accounting.models import AccountingSettings, Posting
from payments.models import Payment
from wisepay.money import Money

Order = ContactOrder | DocumentOrder | PaymentOrder


@dataclass(frozen=True, slots=True)
class Desk:
    """A kind of posting; `create` and `find` name the ledger's verbs."""

    kind: str
    order: Callable[[Posting, AccountingSettings], Order]
    verb: str
    question: str

    def create(self, ledger: Ledger, orders: list[Order], *, key: str) -> list[Written]:
        """Make them; one answer an order, in order."""
        answers: list[Written] = getattr(ledger, self.verb)(orders, key=key)
        return answers

    def find(self, ledger: Ledger, orders: list[Order]) -> list[Written]:
        """Those that are there."""
        found: list[Written] = getattr(ledger, self.question)(orders)
        return found


def contact_order(posting: Posting, _: AccountingSettings) -> ContactOrder:
    """A company as a contact."""
    company = posting.company
    return ContactOrder(number=company.reference, name=company.name, email=company.email, phone=company.phone)


def document_order(posting: Posting, chosen: AccountingSettings) -> DocumentOrder:
    """The PF invoice or the PF_CR credit note: one line on the prepayments account with the 0 % tax code.

    The invoice books the money as a liability and is paid through clearing; the credit note takes the
    liability back and leaves the payer a credit (the product's prepayment pattern).
    """
    payment = paid_payment(posting)
    return DocumentOrder(
        number=posting.number,
        contact_id=posting.company.contact_id,
        on=paid_on(payment),
        reference=f"PF {payment.details.get('reference', '')}".strip(),
        description=f"Prepayment for {payment.purpose}",
        amount=money_of(payment),
        account=chosen.prepayments_account,
        tax_code=chosen.tax_code,
    )


def payment_order(posting: Posting, chosen: AccountingSettings) -> PaymentOrder:
    """The money, received into the clearing account for the PF invoice."""
    payment = paid_payment(posting)
    return PaymentOrder(
        number=posting.number,
        invoice_number=posting.number,
        on=paid_on(payment),
        amount=money_of(payment),
        account=chosen.clearing_account,
    )


def paid_payment(posting: Posting) -> Payment:
    """The payment behind a document."""
    if posting.payment is None:
        raise ValueError(f"{posting} has no payment")
    return posting.payment


def money_of(payment: Payment) -> Money:
    """What was paid."""
    if payment.paid is None:
        raise ValueError(f"payment {payment.reference} is not paid")
    return payment.paid


def paid_on(payment: Payment) -> date:
    """The day of the payment where the merchant is."""
    if payment.paid_at is None:
        raise ValueError(f"payment {payment.reference} is not paid")
    return payment.paid_at.astimezone(payment.merchant.zone).date()


DESKS: tuple[Desk, ...] = (
    Desk("contact", contact_order, "create_contacts", "find_contacts"),
    Desk("invoice", document_order, "create_invoices", "find_invoices"),
    Desk("credit_note", document_order, "create_credit_notes", "find_credit_notes"),
    Desk("payment", payment_order, "create_payments", "find_payments"),
)
