"""The steps of manual tasks, accounting package by accounting package."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """The words of one package, with the placeholders {amount}, {invoice}, {on} and {reference}."""

    package: str
    credit_note_name: str = "credit note"
    remove_allocation_step: str = "Take back that {amount} of it were put against invoice {invoice} ({on})."
    remove_refund_step: str = "Delete its refund of {amount} ({on}, reference {reference})."
    create_refund_step: str = "Book a refund of {amount} out of it, from the clearing account, reference {reference}."
    remove_payment_steps: tuple[str, ...] = ("Open its payment, undo its reconciliation, and delete it.",)


XERO_GUIDE = Guide(
    package="Xero",
    remove_allocation_step=(
        "Next to its allocation of {amount} to invoice {invoice} ({on}) click the cross, and confirm."
    ),
    remove_refund_step=(
        "Open its refund of {amount} ({on}, reference {reference}) and choose Options, then Remove & Redo."
    ),
    create_refund_step="Make a cash refund, {amount}, from the clearing account, reference {reference}.",
    remove_payment_steps=(
        "Open its payment and choose Options, then Unreconcile.",
        "Choose Options again, then Remove & Redo.",
    ),
)
QUICKBOOKS_GUIDE = Guide(
    package="QuickBooks",
    credit_note_name="credit memo",
    remove_allocation_step=(
        "Open the payment of {on} that is linked to it and applies {amount} to invoice {invoice}, "
        "choose More, "
        "then Delete, and confirm."
    ),
    remove_refund_step=(
        "Open the payment {reference} of {on} that is linked to it and delete it; then delete the "
        "expense of "
        "{amount} with the same number."
    ),
    create_refund_step=(
        "Make an expense of {amount} from the clearing account on Accounts Receivable, for the "
        "customer, number "
        "{reference}; then choose Receive payment for the customer, and tick the expense and the credit memo."
    ),
)
