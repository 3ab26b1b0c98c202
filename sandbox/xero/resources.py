"""The accounting API's resources: what each path does once a call is admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from sandbox.xero import allocations, batch, contacts, documents, fields, payments, pdf, views
from sandbox.xero.calls import RecordView, XeroCall, XeroReply
from sandbox.xero.documents import CREDIT_NOTE, INVOICE, XeroDocumentKind
from sandbox.xero.errors import XeroValidationError, build_not_found
from sandbox.xero.listing import render_list, select_rows
from sandbox.xero.organisation import Record

CONTACT = batch.ElementShape("Contacts", "ContactID", "HasValidationErrors")
PAYMENT = batch.ElementShape("Payments", "PaymentID", "HasValidationErrors")
ALLOCATION = batch.ElementShape("Allocations", "AllocationID", None)
SHAPES = {kind.table: batch.ElementShape(kind.plural, kind.id_field, "HasErrors") for kind in (INVOICE, CREDIT_NOTE)}


def get_organisation(call: XeroCall) -> XeroReply:
    """The organisation, with its lock date."""
    profile: Record = {**call.org.data["Organisation"]}
    profile["CreatedDateUTC"] = datetime.fromisoformat(profile["CreatedDateUTC"])
    if call.org.locked_until:
        profile["PeriodLockDate"] = call.org.locked_until
    return call.ok(Organisations=[profile])


def render_account(row: Record) -> Record:
    """An account of the chart."""
    return {**row, "UpdatedDateUTC": datetime.fromisoformat(row["UpdatedDateUTC"])}


def list_accounts(call: XeroCall) -> XeroReply:
    """The chart of accounts, all of it: this list has no pages."""
    rows = select_rows(call, call.org.table("accounts").values(), view=render_account, fields=fields.ACCOUNT)
    return call.ok(Accounts=[render_account(row) for row in rows])


def get_account(call: XeroCall) -> XeroReply:
    """One account by id."""
    row = call.org.get("accounts", call.path["key"])
    if row is None:
        raise build_not_found()
    return call.ok(Accounts=[render_account(row)])


def render_tax_rate(row: Record) -> Record:
    """A tax rate of one component."""
    rate = Decimal(row["Rate"])
    part = {"Name": row["Name"], "Rate": rate, "IsCompound": False, "IsNonRecoverable": False}
    shown = {name: value for name, value in row.items() if name != "Rate"}
    return {**shown, "DisplayTaxRate": rate, "EffectiveRate": rate, "TaxComponents": [part]}


def list_tax_rates(call: XeroCall) -> XeroReply:
    """The tax rates."""
    rows = [{**row, "UpdatedDateUTC": ""} for row in call.org.data["tax_rates"]]
    found = select_rows(call, rows, view=render_tax_rate, fields=fields.TAX_RATE)
    return call.ok(TaxRates=[render_tax_rate({k: v for k, v in row.items() if k != "UpdatedDateUTC"}) for row in found])


def list_currencies(call: XeroCall) -> XeroReply:
    """The currencies that the organisation has subscribed to."""
    return call.ok(Currencies=[{"Code": code, "Description": code} for code in call.org.data["currencies"]])


def list_branding_themes(call: XeroCall) -> XeroReply:
    """The branding themes, in their order."""
    rows = call.org.data["branding_themes"]
    shown = [{**row, "CreatedDateUTC": datetime.fromisoformat(row["CreatedDateUTC"])} for row in rows]
    return call.ok(BrandingThemes=[{n: v for n, v in row.items() if n != "PaymentServiceIDs"} for row in shown])


def build_contact_view(call: XeroCall, *, summary: bool = False) -> RecordView:
    """Contacts as this call shows them; what became of merged ones is told by the page only."""
    is_paged = "page" in call.params
    return lambda row: views.render_contact(call.org, row, summary=summary, is_single=is_paged)


def list_contacts(call: XeroCall) -> XeroReply:
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
        and (call.flag("includeArchived") or contacts.is_active(row))
        and (not term or any(term in str(row.get(name) or "").casefold() for name in searched))
    ]
    full = build_contact_view(call, summary=call.flag("summaryOnly"))
    return render_list(
        call, "Contacts", rows, view=build_contact_view(call, summary=True), fields=fields.CONTACT, full=full
    )


def get_contact(call: XeroCall) -> XeroReply:
    """One contact by id or number, with its balances."""
    key = call.path["key"]
    row = call.org.get("contacts", key) or next(call.org.find_by("contacts", "ContactNumber", key), None)
    if row is None:
        raise build_not_found()
    return call.ok(
        Contacts=[views.render_contact(call.org, row) | views.calculate_balances(call.org, row["ContactID"])]
    )


def put_contacts(call: XeroCall) -> XeroReply:
    """Create contacts; where it is so configured, the one of that name is changed instead, as some have seen."""
    make = contacts.upsert if call.org.world.config.get("xero_put_overwrites") else contacts.create
    return batch.run_batch(call, CONTACT, lambda sent: make(call, sent), build_contact_view(call))


def post_contacts(call: XeroCall) -> XeroReply:
    """Create or change contacts."""
    return batch.run_batch(call, CONTACT, lambda sent: contacts.upsert(call, sent), build_contact_view(call))


def post_contact(call: XeroCall) -> XeroReply:
    """Change one contact."""
    if call.org.get("contacts", call.path["key"]) is None:
        raise build_not_found()
    return batch.run_batch(
        call, CONTACT, lambda sent: contacts.update(call, sent, key=call.path["key"]), build_contact_view(call)
    )


def build_document_view(call: XeroCall, kind: XeroDocumentKind, *, summary: bool = False) -> RecordView:
    """Documents of one kind as this call shows them."""
    show = views.render_invoice if kind is INVOICE else views.render_credit_note
    return lambda row: show(call.org, row, places=call.places, summary=summary)


def filter_invoices(call: XeroCall, rows: Iterable[Record]) -> Iterable[Record]:
    """The invoices that the call's plain filters let through."""
    filters = {
        "IDs": "InvoiceID",
        "InvoiceNumbers": "InvoiceNumber",
        "ContactIDs": "ContactID",
        "Statuses": "Status",
    }
    requested = {field: call.ids(name) for name, field in filters.items() if call.params.get(name)}
    own, term = call.flag("createdByMyApp"), call.params.get("searchTerm", "").casefold()
    return (
        row
        for row in rows
        if all(row[field].lower() in ids for field, ids in requested.items())
        and (not own or row["ClientID"] == call.client)
        and (not term or term in f"{row['InvoiceNumber']} {row['Reference']}".casefold())
    )


class DocumentResource:
    """The same five operations for invoices and for credit notes."""

    def __init__(self, kind: XeroDocumentKind) -> None:
        self.kind = kind
        self.shape = SHAPES[kind.table]

    def list(self, call: XeroCall) -> XeroReply:
        """Documents by ids, numbers, contacts, statuses, search terms."""
        rows: Iterable[Record] = call.org.table(self.kind.table).values()
        if self.kind is INVOICE:
            rows = filter_invoices(call, rows)
        full = build_document_view(call, self.kind, summary=call.flag("summaryOnly"))
        light = build_document_view(call, self.kind, summary=True)
        return render_list(call, self.kind.plural, rows, view=light, fields=fields.DOCUMENT, full=full)

    def get_document(self, call: XeroCall) -> Record:
        """The document that the path names; raises RefusedError (404)."""
        row = documents.find_document(call.org, self.kind, call.path["key"])
        if row is None:
            raise build_not_found()
        return row

    def get(self, call: XeroCall) -> XeroReply:
        """One document by id or number, as a PDF when that was asked for."""
        if call.as_pdf:
            return XeroReply(200, pdf.render_pdf(call.org, self.kind, self.get_document(call)))
        return call.ok(**{self.kind.plural: [build_document_view(call, self.kind)(self.get_document(call))]})

    def put(self, call: XeroCall) -> XeroReply:
        """Create documents."""
        return self.run(call, lambda sent: documents.create(call, self.kind, sent))

    def post(self, call: XeroCall) -> XeroReply:
        """Create or change documents."""
        return self.run(call, lambda sent: documents.upsert(call, self.kind, sent))

    def post_one(self, call: XeroCall) -> XeroReply:
        """Change one document."""
        row = self.get_document(call)
        return self.run(call, lambda sent: documents.update(call, self.kind, row, sent))

    def run(self, call: XeroCall, work: Callable[[Record], Record]) -> XeroReply:
        """Work on what was sent and show it in full."""
        return batch.run_batch(call, self.shape, work, build_document_view(call, self.kind))


invoices = DocumentResource(INVOICE)
credit_notes = DocumentResource(CREDIT_NOTE)


def put_allocations(call: XeroCall) -> XeroReply:
    """Allocate a credit note. Every element sees what the ones before it left."""
    key = credit_notes.get_document(call)["CreditNoteID"]

    def work(sent: Record) -> Record:
        return allocations.create(call, call.org.get("credit_notes", key) or {}, sent)

    reply = batch.run_batch(call, ALLOCATION, work, lambda row: views.render_allocation(call.org, row))
    return wrap_allocations(call, reply)


def wrap_allocations(call: XeroCall, reply: XeroReply) -> XeroReply:
    """The answer to new allocations as it is configured: `bare` for one without a list, `nameless` without ids."""
    form = call.org.world.config.get("xero_allocation_answers")
    if form is None or reply.status != 200 or not isinstance(reply.body, dict):
        return reply
    call.notes["fault"] = True
    rows = [{name: value for name, value in row.items() if name != "AllocationID"} for row in reply.body["Allocations"]]
    if form == "bare":
        return XeroReply(200, rows[0])
    return XeroReply(200, {**reply.body, "Allocations": rows})


def delete_allocation(call: XeroCall) -> XeroReply:
    """Take an allocation off; the answer is the bare allocation, flagged as deleted."""
    try:
        entry = allocations.delete(call, credit_notes.get_document(call), call.path["allocation"])
    except XeroValidationError as refusal:
        return batch.build_batch_error([batch.render_invalid_element(ALLOCATION, {}, refusal)])
    if entry is None:
        raise build_not_found()
    return XeroReply(200, {**views.render_allocation(call.org, entry), "IsDeleted": True})


def build_payment_view(call: XeroCall) -> RecordView:
    """Payments as this call shows them."""
    return lambda row: views.render_payment(call.org, row)


def list_payments(call: XeroCall) -> XeroReply:
    """Payments, deleted ones too."""
    rows = call.org.table("payments").values()
    return render_list(call, "Payments", rows, view=build_payment_view(call), fields=fields.PAYMENT)


def get_payment(call: XeroCall) -> XeroReply:
    """One payment."""
    row = call.org.get("payments", call.path["key"])
    if row is None:
        raise build_not_found()
    return call.ok(Payments=[views.render_payment(call.org, row)])


def put_payments(call: XeroCall) -> XeroReply:
    """Make payments."""
    return batch.run_batch(call, PAYMENT, lambda sent: payments.create(call, sent), build_payment_view(call))


def post_payment(call: XeroCall) -> XeroReply:
    """Delete one payment, which is all that can be done to it."""
    row = call.org.get("payments", call.path["key"])
    if row is None:
        raise build_not_found()
    return batch.run_batch(call, PAYMENT, lambda sent: payments.delete(call, row, sent), build_payment_view(call))
