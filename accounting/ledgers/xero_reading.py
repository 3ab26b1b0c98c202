"""What the mirror reads of Xero: contacts, sales invoices and credit notes, by the page or by their ids."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounting.ledgers.reading import Row, readable
from accounting.ledgers.words import (
    Allocated,
    Applied,
    ContactFacts,
    CreditFacts,
    InvoiceFacts,
    Page,
    Refunded,
)
from accounting.ledgers.xero_base import XeroOrganisation
from accounting.ledgers.xero_client import call_json
from accounting.ledgers.xero_notes import LARGEST_PAGE
from accounting.ledgers.xero_shapes import STATUSES, money
from wisepay.money import Money

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOTNET = re.compile(r"/Date\((-?\d+)")
SALES, CREDITS = 'Type=="ACCREC"', 'Type=="ACCRECCREDIT"'
INVOICE_STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "open",
    "PAID": "paid",
    "VOIDED": "voided",
    "DELETED": "deleted",
}


class XeroReading(XeroOrganisation):
    """Lists are ordered by id: a changed row keeps its place, where one ordered by change would push others past us."""

    def read_contact_page(self, page: int, *, since: datetime | None) -> Page[ContactFacts]:
        asked = {"summary_only": True, "include_archived": True, "order": "ContactID ASC"}
        return self._page("Contacts", contact_facts, self._api.get_contacts, page, since, **asked)

    def read_contacts(self, ids: list[str]) -> Page[ContactFacts]:
        asked = {"i_ds": ids, "summary_only": True, "include_archived": True}
        return self._some("Contacts", contact_facts, self._api.get_contacts, **asked)

    def read_invoice_page(self, page: int, *, since: datetime | None) -> Page[InvoiceFacts]:
        asked = {"where": SALES, "order": "InvoiceID ASC"}
        return self._page("Invoices", invoice_facts, self._api.get_invoices, page, since, **asked)

    def read_invoices(self, ids: list[str]) -> Page[InvoiceFacts]:
        return self._some("Invoices", invoice_facts, self._api.get_invoices, where=SALES, i_ds=ids)

    def read_credit_page(self, page: int, *, since: datetime | None) -> Page[CreditFacts]:
        asked = {"where": CREDITS, "order": "CreditNoteID ASC"}
        return self._page("CreditNotes", credit_facts, self._api.get_credit_notes, page, since, **asked)

    def read_credits(self, ids: list[str]) -> Page[CreditFacts]:
        named = " OR ".join(f'CreditNoteID==Guid("{each}")' for each in ids)
        asked = {"where": f"{CREDITS} AND ({named})"}
        return self._some("CreditNotes", credit_facts, self._api.get_credit_notes, **asked)

    def _page[T](
        self,
        plural: str,
        read: Callable[[Row], T],
        operation: Callable[..., Any],
        page: int,
        since: datetime | None,
        **asked: Any,
    ) -> Page[T]:
        if since is not None:
            asked["if_modified_since"] = since
        body = call_json(operation, self._caller, page=page, page_size=LARGEST_PAGE, **asked)
        rows = tuple(readable(body.get(plural) or [], read))
        pages = int((body.get("pagination") or {}).get("pageCount") or 0)
        return Page(rows, pages, as_of=instant(body["DateTimeUTC"]) if body.get("DateTimeUTC") else None)

    def _some[T](self, plural: str, read: Callable[[Row], T], operation: Callable[..., Any], **asked: Any) -> Page[T]:
        body = call_json(operation, self._caller, page=1, page_size=100, **asked)
        return Page(tuple(readable(body.get(plural) or [], read)), 1)


def contact_facts(row: Row) -> ContactFacts:
    """A contact."""
    return ContactFacts(
        id=row["ContactID"],
        name=row.get("Name") or "",
        email=row.get("EmailAddress") or "",
        is_active=row.get("ContactStatus") == "ACTIVE",
        changed_at=instant(row["UpdatedDateUTC"]),
    )


def invoice_facts(row: Row) -> InvoiceFacts:
    """A sales invoice with everything that was put to it."""
    currency = row["CurrencyCode"]
    return InvoiceFacts(
        id=row["InvoiceID"],
        number=row.get("InvoiceNumber") or "",
        remark=row.get("Reference") or "",
        contact_id=row["Contact"]["ContactID"],
        status=INVOICE_STATUSES[row["Status"]],  # type: ignore[arg-type]  # the table's values are its words
        total=money(row.get("Total"), currency),
        due=money(row.get("AmountDue"), currency),
        issued_on=day(row.get("Date")),
        due_on=day(row.get("DueDate")),
        term_id=row.get("BrandingThemeID") or "",
        changed_at=instant(row["UpdatedDateUTC"]),
        applied=tuple(applied(row, currency)),
    )


def applied(row: Row, currency: str) -> Iterable[Applied]:
    """Payments, and what credits, prepayments and overpayments gave; the same credit twice is told apart by a count."""
    for paid in row.get("Payments") or []:
        if paid.get("Status") != "DELETED":
            given = money(paid["Amount"], currency)
            key = paid["PaymentID"]
            yield Applied("payment", key, key, paid.get("Reference") or "", given, day_of(paid["Date"]))
    seen: dict[str, int] = {}
    for plural, name in (("CreditNotes", "CreditNote"), ("Prepayments", "Prepayment"), ("Overpayments", "Overpayment")):
        for used in row.get(plural) or []:
            key = used[f"{name}ID"]
            seen[key] = seen.get(key, 0) + 1
            number = key if seen[key] == 1 else f"{key}:{seen[key]}"
            remark = used.get(f"{name}Number") or used.get("Reference") or ""
            yield Applied("credit", number, key, remark, money(used["AppliedAmount"], currency), day_of(used["Date"]))


def credit_facts(row: Row) -> CreditFacts:
    """A credit note for a customer."""
    currency = row["CurrencyCode"]
    return CreditFacts(
        number=row.get("CreditNoteNumber") or "",
        id=row["CreditNoteID"],
        status=STATUSES[row["Status"]],
        total=money(row.get("Total"), currency),
        remaining=money(row.get("RemainingCredit"), currency),
        allocations=tuple(allocated(each, currency) for each in row.get("Allocations") or []),
        refunds=tuple(refunded(row, currency)),
        remark=row.get("Reference") or "",
        contact_id=row["Contact"]["ContactID"],
        issued_on=day(row.get("Date")),
        changed_at=instant(row["UpdatedDateUTC"]),
    )


def allocated(row: Row, currency: str) -> Allocated:
    """A part that went to an invoice."""
    target = row["Invoice"]
    return Allocated(
        invoice=target.get("InvoiceNumber") or "",
        amount=money(row["Amount"], currency),
        on=day_of(row["Date"]),
        id=row.get("AllocationID") or "",
        invoice_id=target["InvoiceID"],
    )


def refunded(row: Row, currency: str) -> Iterable[Refunded]:
    """What was paid out of a credit note."""
    for paid in row.get("Payments") or []:
        if paid.get("Status") != "DELETED":
            given: Money = money(paid["Amount"], currency)
            yield Refunded(paid["PaymentID"], paid.get("Reference") or "", given, day_of(paid["Date"]))


def instant(text: str) -> datetime:
    """An instant of Xero's. Raises ValueError."""
    found = DOTNET.match(text)
    if found:
        return EPOCH + timedelta(milliseconds=int(found[1]))
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day(text: str | None) -> date | None:
    """A day of Xero's, if there is one. Raises ValueError."""
    return instant(text).date() if text else None


def day_of(text: str) -> date:
    """A day of Xero's. Raises ValueError."""
    return instant(text).date()
