"""How a person does in an accounting package what only a person can: sentences for tasks, package by package."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """The words of one package. `note` is its credit note; {amount}, {invoice}, {on}, {reference} are filled in."""

    package: str
    note: str = "credit note"
    unapply: str = "Take back that {amount} of it were put against invoice {invoice} ({on})."
    unrefund: str = "Delete its refund of {amount} ({on}, reference {reference})."
    refund: str = "Book a refund of {amount} out of it, from the clearing account, reference {reference}."
    unreconcile: tuple[str, ...] = ("Open its payment, undo its reconciliation, and delete it.",)


XERO = Guide(
    package="Xero",
    unapply="Next to its allocation of {amount} to invoice {invoice} ({on}) click the cross, and confirm.",
    unrefund="Open its refund of {amount} ({on}, reference {reference}) and choose Options, then Remove & Redo.",
    refund="Make a cash refund, {amount}, from the clearing account, reference {reference}.",
    unreconcile=("Open its payment and choose Options, then Unreconcile.", "Choose Options again, then Remove & Redo."),
)
QUICKBOOKS = Guide(
    package="QuickBooks",
    note="credit memo",
    unapply="Open the payment of {on} that is linked to it and applies {amount} to invoice {invoice}, choose More, "
    "then Delete, and confirm.",
    unrefund="Open the payment {reference} of {on} that is linked to it and delete it; then delete the expense of "
    "{amount} with the same number.",
    refund="Make an expense of {amount} from the clearing account on Accounts Receivable, for the customer, number "
    "{reference}; then choose Receive payment for the customer, and tick the expense and the credit memo.",
)
