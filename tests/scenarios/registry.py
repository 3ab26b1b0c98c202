"""Which flows of the product are stopped everywhere, and by which journeys."""

from tests.scenarios.autopay import (
    AutoPayAuthenticationScenario,
    AutoPayDebitReturnedScenario,
    AutoPayMappingScenario,
    AutoPayRequeueScenario,
    AutoPayRetryScenario,
    AutoPayScenario,
)
from tests.scenarios.base import Scenario
from tests.scenarios.invoices import (
    BatchPaymentScenario,
    InvoiceDebitReturnedScenario,
    InvoiceDebitScenario,
    InvoiceDisputedScenario,
    InvoicePaymentScenario,
    InvoiceRefundScenario,
)
from tests.scenarios.ledger import (
    ApplyCreditScenario,
    BalanceTransactionScenario,
    LedgerPaymentScenario,
    LedgerWebhookScenario,
    MirrorSyncScenario,
    PaymentSyncScenario,
    UndoCreditScenario,
)
from tests.scenarios.payers import (
    BankDebitScenario,
    DebitRejectedScenario,
    DebitReversedScenario,
    DisputeWonScenario,
    RefundFailedScenario,
    RefundScenario,
    RegisterScenario,
    SaveCardScenario,
    SetupOnlyScenario,
)
from tests.scenarios.payment_methods import AddBankAccountScenario, AddCardScenario, RemoveMethodScenario
from tests.scenarios.quotes import QuoteScenario, SecureCardScenario

FLOWS: dict[str, list[type[Scenario]]] = {
    "a quote is paid by card, and CPQ is told": [QuoteScenario, SecureCardScenario],
    "a method is saved with a payment, or without one": [SaveCardScenario, SetupOnlyScenario],
    "a method is added or removed in the settings": [AddCardScenario, AddBankAccountScenario, RemoveMethodScenario],
    "somebody registers while they pay": [RegisterScenario],
    "a quote is paid by bank debit, which settles": [BankDebitScenario],
    "the debit comes back, is disputed, or the dispute is won": [
        DebitRejectedScenario,
        DebitReversedScenario,
        DisputeWonScenario,
    ],
    "money of a quote is given back, or comes back to us after all": [RefundScenario, RefundFailedScenario],
    "invoices are paid by card, one in part or several": [InvoicePaymentScenario, BatchPaymentScenario],
    "an invoice is paid by bank debit, which settles or comes back": [
        InvoiceDebitScenario,
        InvoiceDebitReturnedScenario,
    ],
    "money of invoices goes back": [InvoiceDisputedScenario, InvoiceRefundScenario],
    "a quote that recurs makes the mapping": [AutoPayMappingScenario],
    "an invoice is planned, charged by itself, and booked": [AutoPayScenario],
    "an automatic payment fails, is tried again, and goes to the secondary method": [AutoPayRetryScenario],
    "an automatic debit comes back and is requeued": [AutoPayDebitReturnedScenario],
    "its bank asks for the payer, who is mailed a link": [AutoPayAuthenticationScenario],
    "it failed for good, and the merchant requeues it": [AutoPayRequeueScenario],
    "the credit of a quote applies itself, and is taken off": [ApplyCreditScenario, UndoCreditScenario],
    "Payment Sync": [PaymentSyncScenario],
    "the books are mirrored, and say what changed": [MirrorSyncScenario, LedgerWebhookScenario],
    "what Stripe and the books moved is read back": [BalanceTransactionScenario, LedgerPaymentScenario],
}
SCENARIOS = [kind for kinds in FLOWS.values() for kind in kinds]
# Those whose documents differ from book to book.
LEDGER_SCENARIOS = [
    QuoteScenario,
    RefundScenario,
    BankDebitScenario,
    DebitRejectedScenario,
    DebitReversedScenario,
    DisputeWonScenario,
    InvoicePaymentScenario,
    BatchPaymentScenario,
    InvoiceDisputedScenario,
    InvoiceRefundScenario,
    AutoPayScenario,
    ApplyCreditScenario,
    UndoCreditScenario,
    PaymentSyncScenario,
    LedgerWebhookScenario,
    MirrorSyncScenario,
    LedgerPaymentScenario,
]

ONLY_AFTER_INTERRUPTION = (
    "it is asked only when the answer of a writing verb was lost, which every stopped journey does"
)
READ_ON_DEMAND = (
    "a person pressed a button to read something; nothing is written elsewhere, and they can press it again"
)
# What no journey passes that is not stopped, and why nothing is done twice or lost there.
UNINTERRUPTED = {
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
        ONLY_AFTER_INTERRUPTION,
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
        READ_ON_DEMAND,
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
