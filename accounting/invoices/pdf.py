"""Invoice PDFs: read from the ledger while the payer waits, and kept by the version of the invoice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db.models import Sum

from accounting.ledger_session import open_ledger_session
from accounting.models import InvoiceDocument, LedgerInvoice
from connections.availability import get_connection
from connections.models import Tier
from wisepay.budgets import Budget, CallRefused, spend
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.events import add_once
from wisepay.models import User
from wisepay.outbox import Retry

DOCUMENT_LIFETIME = timedelta(days=1)  # its layout may change in the ledger without the invoice
LARGEST_DOCUMENT = 5_000_000  # bytes; a larger one is not kept
PRINTABLE_STATUSES = (LedgerInvoice.InvoiceStatus.OPEN, LedgerInvoice.InvoiceStatus.PAID)


class DocumentUnavailable(Exception):
    """There is no document now; the message is for the payer, who may ask again after `wait` seconds if it is given."""

    def __init__(self, message: str, *, wait: int = 0) -> None:
        super().__init__(message)
        self.wait = wait


class DocumentSource(Protocol):
    """Another place where an invoice's document may be: its bytes, or None for the ledger's. Raises Unavailable."""

    def __call__(self, invoice: LedgerInvoice, *, now: datetime) -> bytes | None: ...


SOURCES: list[DocumentSource] = []


def document_source[F: Callable[..., bytes | None]](function: F) -> F:
    """Register a function that is asked for an invoice's document before the ledger is."""
    return add_once(SOURCES, function)


def has_document(invoice: LedgerInvoice) -> bool:
    """Whether the ledger prints the invoice: drafts and voided invoices have no document."""
    return invoice.status in PRINTABLE_STATUSES


def get_invoice_pdf(invoice: LedgerInvoice, *, person: User, now: datetime) -> bytes:
    """Return the invoice as a PDF: the copy of this version, or else read for `person`. Raises DocumentUnavailable."""
    if not has_document(invoice):
        raise DocumentUnavailable("A draft or voided invoice can't be downloaded.")
    fresh = InvoiceDocument.objects.filter(invoice=invoice, version=invoice.changed_at)
    kept = fresh.filter(read_at__gt=now - DOCUMENT_LIFETIME).first()
    if kept is not None:
        return bytes(kept.content)
    wait = spend(Budget.DOCUMENTS_OF_PERSON, person.pk, now=now)
    if wait:
        raise DocumentUnavailable("You have downloaded many invoices. Please wait before you download more.", wait=wait)
    content = read_from_source(invoice, now=now) or read_invoice_pdf(invoice, now=now)
    keep_document(invoice, content, now=now)
    return content


def read_from_source(invoice: LedgerInvoice, *, now: datetime) -> bytes | None:
    """Read the document where the merchant wants it from instead of the ledger. Raises DocumentUnavailable."""
    try:
        found = (source(invoice, now=now) for source in SOURCES)
        return next((content for content in found if content is not None), None)
    except CallRefused as error:
        raise DocumentUnavailable("Please wait a moment before you go on.", wait=int(error.retry_after or 1)) from error
    except Unavailable as error:
        raise DocumentUnavailable("The document can't be read at the moment. Please try again.") from error


def read_invoice_pdf(invoice: LedgerInvoice, *, now: datetime) -> bytes:
    """Read the invoice's PDF from the ledger, after everything that is to be posted. Raises DocumentUnavailable."""
    try:
        connection = get_connection(invoice.merchant, tier=Tier.WISE_PAY)
        if connection.organisation_id != invoice.organisation_id:
            raise DocumentUnavailable(f"This invoice is in books that {invoice.merchant} does not use here any more.")
        with open_ledger_session(connection, priority="document", now=now) as ledger:
            return ledger.read_invoice_pdf(invoice.ledger_id)
    except CallRefused as error:
        raise DocumentUnavailable("Please wait a moment before you go on.", wait=int(error.retry_after or 1)) from error
    except Unavailable as error:
        raise DocumentUnavailable("The accounting package does not answer at the moment. Please try again.") from error
    except (Disconnected, Retry) as error:
        raise DocumentUnavailable(f"{invoice.merchant}'s accounting package can't be reached at the moment.") from error
    except Rejected as error:
        raise DocumentUnavailable("The accounting package has no document of this invoice.") from error


def keep_document(invoice: LedgerInvoice, content: bytes, *, now: datetime) -> None:
    """Keep a copy of this version; the one before it goes."""
    if len(content) > LARGEST_DOCUMENT:
        return
    columns = {"version": invoice.changed_at, "content": content, "size": len(content), "read_at": now}
    InvoiceDocument.objects.update_or_create(invoice=invoice, defaults=columns)


def delete_old_documents(*, now: datetime) -> int:
    """Delete the copies that are no longer given out, then the oldest until the rest fits; return how many."""
    deleted = InvoiceDocument.objects.filter(read_at__lte=now - DOCUMENT_LIFETIME).delete()[0]
    most = settings.DOCUMENT_CACHE_MEGABYTES * 1_000_000
    total = InvoiceDocument.objects.aggregate(bytes=Sum("size"))["bytes"] or 0
    surplus = []
    for pk, size in InvoiceDocument.objects.order_by("read_at", "pk").values_list("pk", "size"):
        if total <= most:
            break
        surplus.append(pk)
        total -= size
    return int(deleted + InvoiceDocument.objects.filter(pk__in=surplus).delete()[0])
