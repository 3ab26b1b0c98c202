"""The protocol of a ledger, and the orders and documents that its methods take and return."""

from datetime import datetime, timedelta
from typing import Protocol

from accounting.ledgers.orders import (
    AllocationOrder,
    ContactOrder,
    CreditNoteOrder,
    DocumentLine,
    DocumentOrder,
    MixableDocument,
    OrderGroup,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
    WriteResult,
)
from accounting.ledgers.remote_documents import (
    RemoteAccount,
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemoteItem,
    RemotePage,
    RemotePayment,
    RemoteRefund,
    RemoteTaxCode,
    RemoteTerm,
    UnreadableRow,
)

__all__ = [
    "AllocationOrder",
    "ContactOrder",
    "CreditNoteOrder",
    "DocumentLine",
    "DocumentOrder",
    "Ledger",
    "MixableDocument",
    "OrderGroup",
    "PaymentOrder",
    "PaymentRemovalOrder",
    "RefundOrder",
    "RemoteAccount",
    "RemoteAllocation",
    "RemoteApplication",
    "RemoteContact",
    "RemoteCreditNote",
    "RemoteCreditNoteDetails",
    "RemoteInvoice",
    "RemoteItem",
    "RemotePage",
    "RemotePayment",
    "RemoteRefund",
    "RemoteTaxCode",
    "RemoteTerm",
    "UnreadableRow",
    "WriteResult",
]


class Ledger(Protocol):
    """One organisation of an accounting package.

    Methods that write take up to `batch_size` orders and a `key` that makes a repeat within minutes harmless, and
    return one result an order, in order. Methods that find return results only for orders that are done, with the
    amount asked for. Every method may raise Unavailable, Disconnected, or Rejected when the call as a whole was
    refused. Pages are counted from 1; `since` leaves out what did not change after that instant.

    The mirror is read by two methods for each of `mirrored_kinds` ("contacts", "invoices", "credits"): one reads a
    page, the other up to `batch_size` documents by id, in one page whose `tombstones` are the ids that certainly do
    not exist. `deletion_feed_window` is how far back one call lists the changes of all kinds, with the deletions;
    None where nothing can be deleted and each kind is polled separately.

    A row that cannot be understood holds up itself only: a page has it among its `unreadable`, a list of the settings
    in the ledger's own `unreadable` by the list's name, and a method that finds answers its order with the reason.
    """

    batch_size: int
    supports_drafts: bool
    mirrored_kinds: tuple[str, ...]
    deletion_feed_window: timedelta | None
    needs_item: bool
    supports_mixed_batches: bool
    unreadable: dict[str, list[UnreadableRow]]

    @property
    def was_accepted(self) -> bool:
        """Return whether a call was answered since this was opened, with success or with a refusal."""
        ...

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        """Create documents of several types, none of which needs another: one call where `supports_mixed_batches`."""
        ...

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]: ...

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        """Find contacts by our number or by the same name."""
        ...

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]: ...

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]: ...

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Give unpaid invoices another amount and day."""
        ...

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]: ...

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Create approved credit notes."""
        ...

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Create drafts, which have no effect on balances. Only where `supports_drafts`."""
        ...

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        """Find credit notes, drafts or approved."""
        ...

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]: ...

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]: ...

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        """Void approved credit notes; one that was applied or refunded in part is refused."""
        ...

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]: ...

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        """Read up to `batch_size` credit notes, deleted and voided ones too; those that do not exist are left out."""
        ...

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]: ...

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]: ...

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]: ...

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]: ...

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        """Remove a payment or refund; takes one order only."""
        ...

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]: ...

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Apply a credit note to an invoice; takes one order only. More than remains of either is refused."""
        ...

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """Find allocations that stand; the result's id is the one to remove them by."""
        ...

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Remove an allocation by its `id`; takes one order only. The credit note and the invoice are open again."""
        ...

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """Find orders whose allocation `id` does not exist any more."""
        ...

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        """Read an invoice as its merchant sends it. Raises Rejected for one that has no PDF, such as a draft."""
        ...

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        """Read a page of all contacts, archived ones too."""
        ...

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]: ...

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        """Read a page of all sales invoices; drafts, voided and deleted ones too."""
        ...

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        """Read those of these ids that are sales invoices; bills are left out."""
        ...

    def read_invoices_by_number(self, numbers: list[str]) -> RemotePage[RemoteInvoice]:
        """Read every sales invoice with one of these numbers; drafts, voided and deleted ones too."""
        ...

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        """Read a page of all credit notes for customers, whoever created them."""
        ...

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]: ...

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        """Read a page of all payments of sales invoices and refunds of credit notes, removed ones too."""
        ...

    def read_accounts(self) -> list[RemoteAccount]: ...

    def read_tax_codes(self) -> list[RemoteTaxCode]: ...

    def read_terms(self) -> list[RemoteTerm]:
        """Read everything that an invoice's `term_id` can name, in the package's order."""
        ...

    def add_pay_button(self, url: str, *, name: str, term_id: str, key: str) -> None:
        """Put a pay button that leads to `url` on online invoices of a term, as the service `name`.

        The same again changes nothing. Rejected where the package has none.
        """
        ...

    def read_currencies(self) -> list[str]:
        """Return the codes of the currencies that documents can have, or nothing where the package does not say."""
        ...

    def read_settings_warning(self) -> str:
        """Return which setting of the package would spoil our documents and what to do, or an empty text."""
        ...

    def read_items(self) -> list[RemoteItem]:
        """Read what a line can sell; nothing unless `needs_item`."""
        ...

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        """Return the item of that name and income account, created if missing. Only where `needs_item`."""
        ...
