"""The accounting API's resources: what each path does once the door has let the call in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from sandbox.xero import allocations, batch, contacts, documents, fields, payments, pdf, views
from sandbox.xero.books import Record
from sandbox.xero.calls import Call, Reply, View
from sandbox.xero.documents import INVOICE, NOTE, Kind
from sandbox.xero.errors import InvalidError, missing
from sandbox.xero.listing import listed, selected

CONTACT = batch.Shape("Contacts", "ContactID", "HasValidationErrors")
PAYMENT = batch.Shape("Payments", "PaymentID", "HasValidationErrors")
ALLOCATION = batch.Shape("Allocations", "AllocationID", None)
SHAPES = {kind.table: batch.Shape(kind.plural, kind.id_field, "HasErrors") for kind in (INVOICE, NOTE)}


def get_organisation(call: Call) -> Reply:
    """The organisation, with its lock date."""
    profile: Record = {**call.org.data["Organisation"]}
    profile["CreatedDateUTC"] = datetime.fromisoformat(profile["CreatedDateUTC"])
    if call.org.locked_until:
        profile["PeriodLockDate"] = call.org.locked_until
    return call.ok(Organisations=[profile])


def account_view(row: Record) -> Record:
    """An account of the chart."""
    return {**row, "UpdatedDateUTC": datetime.fromisoformat(row["UpdatedDateUTC"])}


def list_accounts(call: Call) -> Reply:
    """The chart of accounts, all of it: this list has no pages."""
    rows = selected(call, call.org.table("accounts").values(), view=account_view, fields=fields.ACCOUNT)
    return call.ok(Accounts=[account_view(row) for row in rows])


def get_account(call: Call) -> Reply:
    """One account by id."""
    row = call.org.get("accounts", call.path["key"])
    if row is None:
        raise missing()
    return call.ok(Accounts=[account_view(row)])


def rate_view(row: Record) -> Record:
    """A tax rate of one component."""
    rate = Decimal(row["Rate"])
    part = {"Name": row["Name"], "Rate": rate, "IsCompound": False, "IsNonRecoverable": False}
    shown = {name: value for name, value in row.items() if name != "Rate"}
    return {**shown, "DisplayTaxRate": rate, "EffectiveRate": rate, "TaxComponents": [part]}


def list_tax_rates(call: Call) -> Reply:
    """The tax rates."""
    rows = [{**row, "UpdatedDateUTC": ""} for row in call.org.data["tax_rates"]]
    found = selected(call, rows, view=rate_view, fields=fields.RATE)
    return call.ok(TaxRates=[rate_view({k: v for k, v in row.items() if k != "UpdatedDateUTC"}) for row in found])


def list_currencies(call: Call) -> Reply:
    """The currencies that the organisation has subscribed to."""
    return call.ok(Currencies=[{"Code": code, "Description": code} for code in call.org.data["currencies"]])


def list_branding_themes(call: Call) -> Reply:
    """The branding themes, in their order."""
    rows = call.org.data["branding_themes"]
    shown = [{**row, "CreatedDateUTC": datetime.fromisoformat(row["CreatedDateUTC"])} for row in rows]
    return call.ok(BrandingThemes=shown)


def contact_view(call: Call, *, summary: bool = False) -> View:
    """Contacts as this call shows them."""
    return lambda row: views.contact(call.org, row, summary=summary)


def list_contacts(call: Call) -> Reply:
    """Contacts, the active ones unless archived ones are asked for."""
    ids, term = call.ids("IDs"), call.params.get("searchTerm", "").casefold()
    searched = (
        "Name",
        "FirstName",
        "LastName",
        "ContactNumber",
        "AccountNumber",
        "CompanyNumber",
        "EmailAddress",
    )
    rows = [
        row
        for row in call.org.table("contacts").values()
        if (not ids or row["ContactID"] in ids)
        and (call.flag("includeArchived") or contacts.active(row))
        and (not term or any(term in str(row.get(name) or "").casefold() for name in searched))
    ]
    full = contact_view(call, summary=call.flag("summaryOnly"))
    return listed(call, "Contacts", rows, view=contact_view(call, summary=True), fields=fields.CONTACT, full=full)


def get_contact(call: Call) -> Reply:
    """One contact by id or number, with its balances."""
    key = call.path["key"]
    row = call.org.get("contacts", key) or next(call.org.by("contacts", "ContactNumber", key), None)
    if row is None:
        raise missing()
    return call.ok(Contacts=[views.contact(call.org, row) | views.balances(call.org, row["ContactID"])])


def put_contacts(call: Call) -> Reply:
    """Create contacts."""
    return batch.run(call, CONTACT, lambda sent: contacts.create(call, sent), contact_view(call))


def post_contacts(call: Call) -> Reply:
    """Create or change contacts."""
    return batch.run(call, CONTACT, lambda sent: contacts.upsert(call, sent), contact_view(call))


def post_contact(call: Call) -> Reply:
    """Change one contact."""
    if call.org.get("contacts", call.path["key"]) is None:
        raise missing()
    return batch.run(call, CONTACT, lambda sent: contacts.update(call, sent, key=call.path["key"]), contact_view(call))


def document_view(call: Call, kind: Kind, *, summary: bool = False) -> View:
    """Documents of one kind as this call shows them."""
    show = views.invoice if kind is INVOICE else views.note
    return lambda row: show(call.org, row, places=call.places, summary=summary)


def invoices_meeting(call: Call, rows: Iterable[Record]) -> Iterable[Record]:
    """The invoices that the call's plain filters let through."""
    filters = {
        "IDs": "InvoiceID",
        "InvoiceNumbers": "InvoiceNumber",
        "ContactIDs": "ContactID",
        "Statuses": "Status",
    }
    wanted = {field: call.ids(name) for name, field in filters.items() if call.params.get(name)}
    own, term = call.flag("createdByMyApp"), call.params.get("searchTerm", "").casefold()
    return (
        row
        for row in rows
        if all(row[field].lower() in ids for field, ids in wanted.items())
        and (not own or row["ClientID"] == call.client)
        and (not term or term in f"{row['InvoiceNumber']} {row['Reference']}".casefold())
    )


class Documents:
    """The same five operations for invoices and for credit notes."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.shape = SHAPES[kind.table]

    def list(self, call: Call) -> Reply:
        """Documents by ids, numbers, contacts, statuses, words."""
        rows: Iterable[Record] = call.org.table(self.kind.table).values()
        if self.kind is INVOICE:
            rows = invoices_meeting(call, rows)
        full = document_view(call, self.kind, summary=call.flag("summaryOnly"))
        light = document_view(call, self.kind, summary=True)
        return listed(call, self.kind.plural, rows, view=light, fields=fields.DOCUMENT, full=full)

    def found(self, call: Call) -> Record:
        """The document that the path names; raises RefusedError (404)."""
        row = documents.find(call.org, self.kind, call.path["key"])
        if row is None:
            raise missing()
        return row

    def get(self, call: Call) -> Reply:
        """One document by id or number, as a PDF when that was asked for."""
        if call.as_pdf:
            return Reply(200, pdf.printed(call.org, self.kind, self.found(call)))
        return call.ok(**{self.kind.plural: [document_view(call, self.kind)(self.found(call))]})

    def put(self, call: Call) -> Reply:
        """Create documents."""
        return self.run(call, lambda sent: documents.create(call, self.kind, sent))

    def post(self, call: Call) -> Reply:
        """Create or change documents."""
        return self.run(call, lambda sent: documents.upsert(call, self.kind, sent))

    def post_one(self, call: Call) -> Reply:
        """Change one document."""
        row = self.found(call)
        return self.run(call, lambda sent: documents.update(call, self.kind, row, sent))

    def run(self, call: Call, work: Callable[[Record], Record]) -> Reply:
        """Work on what was sent and show it in full."""
        return batch.run(call, self.shape, work, document_view(call, self.kind))


invoices = Documents(INVOICE)
credit_notes = Documents(NOTE)


def put_allocations(call: Call) -> Reply:
    """Allocate a credit note. Every element sees what the ones before it left."""
    key = credit_notes.found(call)["CreditNoteID"]

    def work(sent: Record) -> Record:
        return allocations.create(call, call.org.get("credit_notes", key) or {}, sent)

    return batch.run(call, ALLOCATION, work, lambda row: views.allocation(call.org, row))


def delete_allocation(call: Call) -> Reply:
    """Take an allocation off; the answer is the bare allocation, flagged as deleted."""
    try:
        entry = allocations.delete(call, credit_notes.found(call), call.path["allocation"])
    except InvalidError as refusal:
        return batch.together([batch.refused(ALLOCATION, {}, refusal)])
    if entry is None:
        raise missing()
    return Reply(200, {**views.allocation(call.org, entry), "IsDeleted": True})


def payment_view(call: Call) -> View:
    """Payments as this call shows them."""
    return lambda row: views.payment(call.org, row)


def list_payments(call: Call) -> Reply:
    """Payments, deleted ones too."""
    rows = call.org.table("payments").values()
    return listed(call, "Payments", rows, view=payment_view(call), fields=fields.PAYMENT)


def get_payment(call: Call) -> Reply:
    """One payment."""
    row = call.org.get("payments", call.path["key"])
    if row is None:
        raise missing()
    return call.ok(Payments=[views.payment(call.org, row)])


def put_payments(call: Call) -> Reply:
    """Make payments."""
    return batch.run(call, PAYMENT, lambda sent: payments.create(call, sent), payment_view(call))


def post_payment(call: Call) -> Reply:
    """Delete one payment, which is all that can be done to it."""
    row = call.org.get("payments", call.path["key"])
    if row is None:
        raise missing()
    return batch.run(call, PAYMENT, lambda sent: payments.delete(call, row, sent), payment_view(call))
