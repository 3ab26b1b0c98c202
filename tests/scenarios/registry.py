"""Which flows of the product are interrupted everywhere, by which scenarios."""

from tests.scenarios.agreements import AgreementScenario
from tests.scenarios.autopay import (
    AutoPayAuthenticationScenario,
    AutoPayDebitReturnedScenario,
    AutoPayMappingScenario,
    AutoPayNoticeScenario,
    AutoPayRequeueScenario,
    AutoPayRetryScenario,
    AutoPayScenario,
)
from tests.scenarios.base import Scenario
from tests.scenarios.invoice_sync import InvoiceSyncScenario
from tests.scenarios.invoices import (
    BatchPaymentScenario,
    InvoiceDebitReturnedScenario,
    InvoiceDebitScenario,
    InvoiceDisputedScenario,
    InvoiceLinkScenario,
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
from tests.scenarios.psa import (
    PsaAutoPayScenario,
    PsaBatchPaymentScenario,
    PsaInvoiceLateReturnScenario,
    PsaInvoiceLateScenario,
    PsaInvoicePaymentScenario,
    PsaPaymentRemovedScenario,
    PsaPaymentScenario,
    PsaPaymentSyncScenario,
)
from tests.scenarios.quotes import (
    LinkedQuoteScenario,
    MailedQuoteScenario,
    NotedQuoteScenario,
    QuoteScenario,
    SecureCardScenario,
)

FLOWS: dict[str, list[type[Scenario]]] = {
    "a quote is paid by card, and CPQ is told": [QuoteScenario, SecureCardScenario],
    "a quote is opened by its link, and read again before it is charged": [LinkedQuoteScenario],
    "a poll finds a quote, and its customer is mailed the link to pay it": [MailedQuoteScenario],
    "ConnectWise CPQ is told how a quote's payment stands": [NotedQuoteScenario],
    "a quote's payment is written to ConnectWise PSA, and taken back": [
        PsaPaymentScenario,
        PsaInvoiceLateScenario,
        PsaPaymentRemovedScenario,
    ],
    "Sync Invoices makes closed invoices of ConnectWise PSA in the books": [InvoiceSyncScenario],
    "a payment of invoices is written to ConnectWise PSA, and taken back": [
        PsaInvoicePaymentScenario,
        PsaBatchPaymentScenario,
        PsaAutoPayScenario,
        PsaInvoiceLateReturnScenario,
    ],
    "what was paid in the books is written to ConnectWise PSA": [PsaPaymentSyncScenario],
    "a method is saved with a payment, or without one": [SaveCardScenario, SetupOnlyScenario],
    "a method is added or removed in the settings": [AddCardScenario, AddBankAccountScenario, RemoveMethodScenario],
    "somebody registers while they pay": [RegisterScenario],
    "a quote is paid by bank debit, which settles": [BankDebitScenario],
    "the debit is returned or disputed, or the dispute is won": [
        DebitRejectedScenario,
        DebitReversedScenario,
        DisputeWonScenario,
    ],
    "a quote is refunded, or the refund fails": [RefundScenario, RefundFailedScenario],
    "invoices are paid by card, one in part or several": [InvoicePaymentScenario, BatchPaymentScenario],
    "an invoice is opened by a PayNow Link, and read again before it is charged": [InvoiceLinkScenario],
    "an invoice is paid by bank debit, which settles or is returned": [
        InvoiceDebitScenario,
        InvoiceDebitReturnedScenario,
    ],
    "a payment of invoices is disputed or refunded": [InvoiceDisputedScenario, InvoiceRefundScenario],
    "a quote that recurs creates the mapping": [AutoPayMappingScenario],
    "an invoice is planned, charged automatically, and posted": [AutoPayScenario],
    "the payer is told of an automatic payment before it is made": [AutoPayNoticeScenario],
    "an automatic payment fails, is retried, and is charged to the secondary method": [AutoPayRetryScenario],
    "an automatic debit is returned and presented again": [AutoPayDebitReturnedScenario],
    "an automatic payment needs the payer, who is mailed a link": [AutoPayAuthenticationScenario],
    "an automatic payment failed for good, and the merchant requeues it": [AutoPayRequeueScenario],
    "the credit of a quote is applied automatically, and reverted": [ApplyCreditScenario, UndoCreditScenario],
    "Payment Sync": [PaymentSyncScenario],
    "the ledger is mirrored, and sends webhooks": [MirrorSyncScenario, LedgerWebhookScenario],
    "balance transactions and ledger payments are read back": [BalanceTransactionScenario, LedgerPaymentScenario],
    # Last, since from then on invoices are charged by PSA's terms, which other scenarios don't read.
    "an agreement of ConnectWise PSA is proposed to its payer, who accepts": [AgreementScenario],
}
SCENARIOS = [kind for kinds in FLOWS.values() for kind in kinds]
# Those whose documents differ between accounting packages.
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
    "it is called only when the answer of a writing verb was lost, as in every interrupted scenario"
)
ONLY_MAIL = "enqueued with its cause and sends one mail, whose message id marks a repeat"
READ_ON_DEMAND = (
    "a person pressed a button to read something; nothing is written elsewhere, and they can press it again"
)
# What no uninterrupted scenario passes, and why nothing is done twice or lost there.
UNINTERRUPTED = {
    **dict.fromkeys(
        [
            "Gateway.find",
            "Gateway.find_setup",
            "Ledger.find_allocations",
            "Ledger.find_approved_credit_notes",
            "Ledger.find_updated_invoices",
            "Ledger.find_contacts",
            "Ledger.find_credit_notes",
            "Ledger.find_invoices",
            "Ledger.find_payments",
            "Ledger.find_refunds",
            "Ledger.find_removed_allocations",
            "Ledger.find_removed_draft_credit_notes",
            "Ledger.find_removed_payments",
            "Ledger.find_voided_credit_notes",
        ],
        ONLY_AFTER_INTERRUPTION,
    ),
    **dict.fromkeys(
        [
            "Gateway.accepts_publishable_key",
            "Gateway.create_endpoint",
            "Gateway.delete_endpoint",
            "Gateway.get_account_id",
            "Gateway.list_endpoints",
            "Gateway.register_domain",
            "Gateway.update_endpoint",
            "Ledger.read_accounts",
            "Ledger.read_contacts",
            "Ledger.read_credit_notes_by_number",
            "Ledger.read_currencies",
            "Ledger.read_invoice_pdf",
            "Ledger.read_items",
            "Ledger.read_tax_codes",
            "Ledger.read_terms",
            "Ledger.read_settings_warning",
            "accounting.import_lists",
            "accounting.read_terms",
            "accounting.run_download",
        ],
        READ_ON_DEMAND,
    ),
    **dict.fromkeys(
        [
            "accounting.email_scheduled",
            "merchants.email_invitation",
            "payers.email_new_person",
            "payers.email_seen_as",
            "payments.alert_operator",
            "payments.email_method_removed",
            "payments.email_new_method",
            "payments.email_next_action",
        ],
        ONLY_MAIL,
    ),
    "accounting.follow_registration": "enqueued with the answer; tests/payments/checkout/test_registrations.py",
    "Ledger.add_pay_button": "pressed by somebody; pressed again it changes nothing; paynow_links/test_pay_buttons.py",
    "Gateway.cancel_setup": "a payer gave up; called again it answers the same",
    "Ledger.update_invoices": "a disputed quote is paid again, another amount; accounting/posting/test_reversals.py",
    "Ledger.create_mixed_batch": "only where a ledger takes kinds together; QuickBooks' scenarios pass it",
    "Ledger.get_or_create_item": "only where a ledger needs an item, which is looked for by its name first",
    "accounting.look_at_tasks": "it only reads whether people did their manual tasks, again and again",
    "accounting.make_item": "only where a ledger needs an item, which is looked for by its name first",
    "accounting.retry_failed_readings": "nothing is written elsewhere, and it only has readings begin anew",
    "accounting.recall_contacts": "nothing is written elsewhere, and the sender does the same before it posts",
    "accounting.check_contacts": "it looks at what is mapped, again and again; accounting/contacts/test_contacts.py",
    "payments.forget_replaced_method": "detaching twice is harmless; payments/saved_methods/test_fingerprints.py",
    "payers.email_access": "one email about an access, like the one that a registration sends",
    **dict.fromkeys(
        [
            "Gateway.has_customer",
            "Gateway.list_events",
            "Gateway.list_fraud_warnings",
            "Gateway.look_up_account",
            "payments.check_webhooks",
            "payments.read_account",
            "payments.read_customer",
            "payments.read_fraud_warnings",
        ],
        "it reads again what an event named, or what beat asks for, and notes or tells it once by a key",
    ),
    "payments.register_domain": "again it is the domain that is there; payments/console/test_gateway_keys.py",
    **dict.fromkeys(
        [
            "Psa.check_keys",
            "Psa.check_rights",
            "Psa.delete_callback",
            "Psa.discover",
            "Psa.enable_callback",
            "Psa.get_callback",
            "Psa.get_version",
            "Psa.list_agreements",
            "Psa.list_companies",
            "Psa.list_invoices",
            "Psa.read_invoice_pdf",
        ],
        "it reads, or is about callbacks, which are looked for before one is made; tests/psa",
    ),
    "psa.follow_allocation": "it plans once what the tables say, and schedules; psa/test_moved_parts.py",
    "psa.poll_invoices": "it reads, and wakes what waits; psa/test_callbacks.py",
    "payments.retire_methods": "each method ends in a transaction of its own, and one that has ended is left alone",
    "payments.read_mandate": "it reads one method as another event does, which a scenario passes",
}
