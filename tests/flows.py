"""Which flows of the product are stopped everywhere, and by which journeys."""

from tests.journeys import Journey, QuoteJourney, SecureJourney
from tests.journeys_of_autopay import (
    AskingJourney,
    AutomaticJourney,
    FixedJourney,
    MappingJourney,
    RequeuedJourney,
    RetriedJourney,
)
from tests.journeys_of_books import (
    CreditJourney,
    HearingJourney,
    MirrorJourney,
    MoneyJourney,
    MovementsJourney,
    SyncJourney,
    UndoJourney,
)
from tests.journeys_of_invoices import (
    BatchJourney,
    InvoiceDebitJourney,
    InvoiceJourney,
    InvoiceRefundJourney,
    InvoiceReturnedJourney,
    InvoiceReversedJourney,
)
from tests.journeys_of_people import (
    DebitJourney,
    RefundFailedJourney,
    RefundJourney,
    RegisterJourney,
    ReinstatedJourney,
    RejectedJourney,
    ReversedJourney,
    SavingJourney,
    SetupJourney,
)
from tests.journeys_of_settings import AdditionJourney, BankAdditionJourney, RemovalJourney

FLOWS: dict[str, list[type[Journey]]] = {
    "a quote is paid by card, and CPQ is told": [QuoteJourney, SecureJourney],
    "a method is saved with a payment, or without one": [SavingJourney, SetupJourney],
    "a method is added or removed in the settings": [AdditionJourney, BankAdditionJourney, RemovalJourney],
    "somebody registers while they pay": [RegisterJourney],
    "a quote is paid by bank debit, which settles": [DebitJourney],
    "the debit comes back, is disputed, or the dispute is won": [RejectedJourney, ReversedJourney, ReinstatedJourney],
    "money of a quote is given back, or comes back to us after all": [RefundJourney, RefundFailedJourney],
    "invoices are paid by card, one in part or several": [InvoiceJourney, BatchJourney],
    "an invoice is paid by bank debit, which settles or comes back": [InvoiceDebitJourney, InvoiceReturnedJourney],
    "money of invoices goes back": [InvoiceReversedJourney, InvoiceRefundJourney],
    "a quote that recurs makes the mapping": [MappingJourney],
    "an invoice is planned, charged by itself, and booked": [AutomaticJourney],
    "an automatic payment fails, is tried again, and goes to the secondary method": [RetriedJourney],
    "an automatic debit comes back and is requeued": [RequeuedJourney],
    "its bank asks for the payer, who is mailed a link": [AskingJourney],
    "it failed for good, and the merchant requeues it": [FixedJourney],
    "the credit of a quote applies itself, and is taken off": [CreditJourney, UndoJourney],
    "Payment Sync": [SyncJourney],
    "the books are mirrored, and say what changed": [MirrorJourney, HearingJourney],
    "what Stripe and the books moved is read back": [MovementsJourney, MoneyJourney],
}
JOURNEYS = [kind for kinds in FLOWS.values() for kind in kinds]
# Those whose documents differ from book to book.
JOURNEYS_OF_BOOKS = [
    QuoteJourney,
    RefundJourney,
    DebitJourney,
    RejectedJourney,
    ReversedJourney,
    ReinstatedJourney,
    InvoiceJourney,
    BatchJourney,
    InvoiceReversedJourney,
    InvoiceRefundJourney,
    AutomaticJourney,
    CreditJourney,
    UndoJourney,
    SyncJourney,
    HearingJourney,
    MirrorJourney,
    MoneyJourney,
]

AFTER_A_STOP = "it is asked only when the answer of a writing verb was lost, which every stopped journey does"
BY_HAND = "a person pressed a button to read something; nothing is written elsewhere, and they can press it again"
# What no journey passes that is not stopped, and why nothing is done twice or lost there.
UNSTOPPED = {
    **dict.fromkeys(
        [
            "Gateway.find",
            "Gateway.find_setup",
            "Ledger.find_allocations",
            "Ledger.find_approved_notes",
            "Ledger.find_changed_invoices",
            "Ledger.find_contacts",
            "Ledger.find_credit_notes",
            "Ledger.find_invoices",
            "Ledger.find_payments",
            "Ledger.find_refunds",
            "Ledger.find_removed_allocations",
            "Ledger.find_removed_drafts",
            "Ledger.find_removed_payments",
            "Ledger.find_voided_notes",
        ],
        AFTER_A_STOP,
    ),
    **dict.fromkeys(
        [
            "Gateway.check",
            "Ledger.read_accounts",
            "Ledger.read_contacts",
            "Ledger.read_credit_notes",
            "Ledger.read_invoice_pdf",
            "Ledger.read_items",
            "Ledger.read_tax_codes",
            "Ledger.read_terms",
            "Ledger.read_warning",
            "accounting.import_lists",
            "accounting.read_terms",
            "accounting.run_download",
        ],
        BY_HAND,
    ),
    "Gateway.cancel_setup": "a payer gave up; asked again it answers the same",
    "Ledger.change_invoices": "a disputed quote is paid again, over another amount; tests/accounting/test_reversals.py",
    "Ledger.create_together": "only where books take kinds together; QuickBooks' journeys pass it",
    "Ledger.make_item": "only where books need an item, which is looked for by its name first",
    "accounting.look_at_tasks": "it looks whether people did what they were asked for, again and again",
    "accounting.make_item": "only where books need an item, which is looked for by its name first",
    "accounting.recall_contacts": "nothing is written elsewhere, a drain does the same for those whom it books",
    "payers.email_access": "one mail about an access, like the one that a registration sends",
    "payments.read_mandate": "it looks at one method as another event does, which a journey passes",
}
