"""What left the books: deleted for good there, so it is held as deleted, and no older reading brings it back."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Greatest

from accounting.facts import record_gone
from accounting.ledgers.words import Page
from accounting.mirror_events import mirror_changed
from accounting.mirror_keeping import Books
from accounting.models import LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice


def drop_contacts(books: Books, page: Page[Any]) -> int:
    """Contacts that are there no more are not active; answers how many were. A step of an open transaction."""
    rows = LedgerContact.objects.filter(**books.mine, contact_id__in=page.gone, is_active=True)
    return len(drop(rows, at(books, page), is_active=False, read_at=books.asked_at))


def drop_invoices(books: Books, page: Page[Any]) -> int:
    """The same for invoices: nothing is due of them, and nothing stands against them."""
    rows = LedgerInvoice.objects.filter(**books.mine, ledger_id__in=page.gone).exclude(status="deleted")
    keys = drop(rows, at(books, page), status="deleted", due=0, read_at=books.asked_at)
    LedgerApplication.objects.filter(invoice__in=keys).delete()
    mirror_changed(books.merchant, invoice_ids=keys, now=books.asked_at)
    return len(keys)


def drop_credits(books: Books, page: Page[Any]) -> int:
    """The same for credit notes: nothing is left of them, nor of what they gave to invoices; ours are void."""
    rows = LedgerCredit.objects.filter(**books.mine, ledger_id__in=page.gone).exclude(status="deleted")
    keys = drop(rows, at(books, page), status="deleted", remaining=0, read_at=books.asked_at)
    given = LedgerApplication.objects.filter(**books.mine, kind="credit", source_id__in=page.gone)
    invoices = set(given.values_list("invoice", flat=True))
    given.delete()
    record_gone(books.merchant, books.organisation_id, page.gone, now=books.asked_at)
    mirror_changed(books.merchant, invoice_ids=sorted(invoices), credit_ids=keys, now=books.asked_at)
    return len(keys)


def drop(rows: QuerySet[Any], moment: datetime, **columns: Any) -> list[int]:
    """Write that they are gone; answers their keys."""
    keys = list(rows.values_list("pk", flat=True))
    if keys:
        rows.model.objects.filter(pk__in=keys).update(changed_at=Greatest("changed_at", Value(moment)), **columns)
    return keys


def at(books: Books, page: Page[Any]) -> datetime:
    """When they were surely gone, by the books' clock if that was told."""
    return page.as_of or books.asked_at
