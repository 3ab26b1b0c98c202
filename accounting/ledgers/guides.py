"""How a person does in each accounting package what only a person can: sentences for manual tasks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """The words of one accounting package.

    {amount}, {company}, {contact}, {credit_note}, {invoice}, {on} and {reference} are filled in where a sentence has
    them.
    """

    package: str
    credit_note_name: str = "credit note"
    create_credit_note_step: str = (
        "Make a credit note for {company} over {amount} on the prepayments account, without tax, with the reference "
        "{reference}, and approve it."
    )
    create_allocation_step: str = "Open credit note {credit_note} and put {amount} of it against invoice {invoice}."
    remove_allocation_step: str = "Take back that {amount} of it were put against invoice {invoice} ({on})."
    create_refund_step: str = "Book a refund of {amount} out of it, from the clearing account, reference {reference}."
    remove_refund_step: str = "Delete its refund of {amount} ({on}, reference {reference})."
    create_payment_step: str = "Record the payment of {amount} on the clearing account, reference {reference}."
    remove_payment_steps: tuple[str, ...] = ("Open its payment, undo its reconciliation, and delete it.",)
    correct_payment_steps: tuple[str, ...] = (
        "Open its payment of {amount}, undo its reconciliation if it has one, and delete it.",
        "Then record again what was not given back, if anything.",
    )
    check_invoice_step: str = "See that invoice {invoice} is open, is made out to {company}, and can still be changed."
    unlock_step: str = "If its month is locked, unlock it first, and press Retry."
    locked_step: str = "Its month is locked. Ask whoever closed it whether it may be opened for this; then press Retry."
    locked_payment_step: str = (
        "If it stays closed: record today that {amount} left the clearing account, on the prepayments account, with "
        "the reference {reference}."
    )
    locked_credit_step: str = (
        "If it stays closed: make an invoice dated today for {company} over {amount} on the prepayments account, "
        "without tax, and put credit {reference} against it."
    )
    locked_owed_step: str = (
        "Then make an invoice dated today for {company} over {amount} on the prepayments account, without tax: it is "
        "what is owed again."
    )
    locked_refund_step: str = (
        "If it stays closed: record today that {amount} came into the clearing account, on the prepayments account, "
        "and make a credit note dated today for {company} over {amount} on the prepayments account, without tax, with "
        "the reference {reference}."
    )
    restore_contact_step: str = "Make the contact {contact} active again."

    def name_documents(self, text: str) -> str:
        """The text with what this package calls a credit note."""
        return text.replace("credit note", self.credit_note_name)


XERO_GUIDE = Guide(
    package="Xero",
    create_allocation_step=(
        "Open credit note {credit_note}, choose Allocate credit, and enter {amount} at invoice {invoice}."
    ),
    remove_allocation_step=(
        "Next to its allocation of {amount} to invoice {invoice} ({on}) click the cross, and confirm."
    ),
    create_refund_step="Make a cash refund, {amount}, from the clearing account, reference {reference}.",
    remove_refund_step=(
        "Open its refund of {amount} ({on}, reference {reference}) and choose Options, then Remove & Redo."
    ),
    remove_payment_steps=(
        "Open its payment and choose Options, then Unreconcile.",
        "Choose Options again, then Remove & Redo.",
    ),
    correct_payment_steps=(
        "Open its payment of {amount} and choose Options, then Unreconcile if it is reconciled.",
        "Choose Options again, then Remove & Redo, and record again what was not given back, if anything.",
    ),
    check_invoice_step=(
        "See that invoice {invoice} is approved and not paid, is made out to {company}, and that its month is not "
        "locked."
    ),
    unlock_step="If a lock date stands in the way, move it first, and press Retry.",
    locked_step=(
        "A lock date stands in the way (Accounting, Advanced, Financial settings). If the period may be opened, an "
        "adviser moves the date back, you press Retry here, and the adviser sets the date again."
    ),
    locked_payment_step=(
        "If the period stays locked: choose Spend Money on the clearing account, dated today, {amount}, account "
        "prepayments, without tax, reference {reference}. The documents of the locked period stay as they are."
    ),
    locked_credit_step=(
        "If the period stays locked: make an invoice dated today for {company}, {amount}, account prepayments, without "
        "tax; then open credit note {reference}, choose Allocate credit, and put {amount} against that invoice."
    ),
    restore_contact_step="In Xero open Contacts, then Archived, tick {contact}, and choose Restore.",
)
QUICKBOOKS_GUIDE = Guide(
    package="QuickBooks",
    credit_note_name="credit memo",
    create_credit_note_step=(
        "Make a credit memo for {company} over {amount} with the item for prepayments, without tax, with the number "
        "{reference}, and save it."
    ),
    create_allocation_step=(
        "Choose Receive payment for the customer, tick invoice {invoice} and credit memo {credit_note}, and enter "
        "{amount} at both."
    ),
    remove_allocation_step=(
        "Open the payment of {on} that is linked to it and applies {amount} to invoice {invoice}, choose More, then "
        "Delete, and confirm."
    ),
    create_refund_step=(
        "Make an expense of {amount} from the clearing account on Accounts Receivable, for the customer, number "
        "{reference}; then choose Receive payment for the customer, and tick the expense and the credit memo."
    ),
    remove_refund_step=(
        "Open the payment {reference} of {on} that is linked to it and delete it; then delete the expense of {amount} "
        "with the same number."
    ),
    create_payment_step=(
        "Choose Receive payment on the invoice, enter {amount}, deposit it to the clearing account, and give it the "
        "reference no. {reference}."
    ),
    check_invoice_step=(
        "See that invoice {invoice} is not paid, is made out to {company}, and that the books are not closed for its "
        "month."
    ),
    unlock_step="If the books are closed for that month, open them first under Account and settings, and press Retry.",
    locked_step=(
        "The books are closed for its day (Account and settings, Advanced, Accounting). If they may be opened, the "
        "accountant moves the closing date back, you press Retry here, and the accountant sets the date again."
    ),
    locked_payment_step=(
        "If the books stay closed: choose New, then Expense, dated today, from the clearing account, {amount}, "
        "category the account for prepayments, payee {company}, ref no. {reference}. The documents of the closed "
        "period stay as they are."
    ),
    locked_credit_step=(
        "If the books stay closed: make an invoice dated today for {company}, {amount}, with the item for prepayments, "
        "without tax; then choose Receive payment, tick that invoice and credit memo {reference}, and enter {amount} "
        "at both."
    ),
    restore_contact_step=(
        "In QuickBooks open Customers, choose the gear above the list, then Include inactive, and choose Make active "
        "next to {contact}."
    ),
)
