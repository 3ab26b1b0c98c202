"""The practice books for people: organisations, their documents, one page for each document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.xero import bookkeeper, views
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.organisation import Organisation, Record, find_organisation, list_organisations

ROOT = "/xero/organisations"
TABLES = {"Invoices": "invoices", "Credit notes": "credit_notes", "Payments": "payments", "Contacts": "contacts"}
MAX_ROWS = 200
render_xero_page = partial(render_page, frame="xero_base.html")


def list_newest(org: Organisation, table: str, view: Callable[[Organisation, Record], Record]) -> list[Record]:
    """The latest records of a table, as the API shows them."""
    return [view(org, row) for row in list(org.table(table).values())[: -MAX_ROWS - 1 : -1]]


def render_not_found(what: str) -> Response:
    """A page for what is not there."""
    return render_xero_page("message.html", status=404, title=f"No such {what}", message="It may have been reset away.")


class XeroPages:
    """The pages, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        return [
            Route("/", self.home),
            Route("/organisations/{slug}", self.organisation),
            Route("/organisations/{slug}/make/{act}", self.create, methods=["POST"]),
            Route("/organisations/{slug}/{table}/{key}", self.document),
            Route("/organisations/{slug}/{table}/{key}/{act}", self.act, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """All organisations."""
        return render_xero_page(
            "books_home.html", what="organisations", companies=list_organisations(self.world), tables=TABLES
        )

    async def organisation(self, request: Request) -> Response:
        """One organisation's books."""
        return self.render_organisation(request)

    def render_organisation(self, request: Request, problem: str = "") -> Response:
        """The organisation that the path names, with what is wrong with the last act, if anything."""
        org = find_organisation(self.world, request.path_params["slug"])
        if org is None:
            return render_not_found("organisation")
        return render_xero_page(
            "xero_organisation.html",
            status=422 if problem else 200,
            problem=problem,
            books=org,
            root=f"{ROOT}/{org.data['slug']}",
            closed_until=org.locked_until,
            themes=org.data["branding_themes"],
            invoices=list_newest(org, "invoices", views.render_invoice),
            notes=list_newest(org, "credit_notes", views.render_credit_note),
            payments=list_newest(org, "payments", views.render_payment),
            contacts=list_newest(org, "contacts", lambda books, row: views.render_contact(books, row, summary=True)),
            most=MAX_ROWS,
        )

    async def create(self, request: Request) -> Response:
        """Something new in the books, then what was made, or the books with what is wrong."""
        org, act = find_organisation(self.world, request.path_params["slug"]), request.path_params["act"]
        if org is None or act not in CREATED_PAGES:
            return render_not_found("organisation")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        try:
            made = bookkeeper.run_action(org, act, said) or {}
        except (XeroValidationError, ValueError, KeyError) as refusal:
            words = f"{refusal.args[0]} is missing." if isinstance(refusal, KeyError) else ""
            return self.render_organisation(request, words or " ".join(str(word) for word in refusal.args))
        self.world.mark_changed()
        table, key = CREATED_PAGES[act]
        where = f"/{table}/{made[key]}" if table else ""
        return RedirectResponse(f"{ROOT}/{org.data['slug']}{where}", 303)

    async def document(self, request: Request) -> Response:
        """One invoice or credit note."""
        return self.render_document(request)

    def render_document(self, request: Request, problem: str = "") -> Response:
        """The document that the path names, with what is wrong with the last act, if anything."""
        org = find_organisation(self.world, request.path_params["slug"])
        shown = VIEWS.get(request.path_params["table"])
        row = org.table(shown[0]).get(request.path_params["key"]) if org and shown else None
        if org is None or shown is None or row is None:
            return render_not_found("document")
        gone = [org.table("payments")[key] for key in row["PaymentIDs"]]
        context: dict[str, Any] = {
            "kind": shown[1],
            "number": row[shown[2]],
            "gone": [views.render_payment(org, each) for each in gone if each["Status"] == "DELETED"],
            "targets": list_allocatable_invoices(org, row) if "Allocations" in row else [],
            "problem": problem,
            "themes": org.data["branding_themes"] if "AmountDue" in row else [],
        }
        status = 422 if problem else 200
        return render_xero_page("xero_document.html", status=status, org=org, document=shown[3](org, row), **context)

    async def act(self, request: Request) -> Response:
        """A bookkeeper's button below a document, then the document again."""
        table, key = request.path_params["table"], request.path_params["key"]
        org, act = find_organisation(self.world, request.path_params["slug"]), request.path_params["act"]
        if org is None or table not in VIEWS or act not in bookkeeper.ACTIONS:
            return render_not_found("document")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        said["credit_note" if table == "credit-notes" else "invoice"] = key
        try:
            bookkeeper.run_action(org, act, said)
        except (XeroValidationError, ValueError) as refusal:
            return self.render_document(request, " ".join(str(word) for word in refusal.args))
        self.world.mark_changed()
        return RedirectResponse(f"{ROOT}/{org.data['slug']}/{table}/{key}", 303)


def list_allocatable_invoices(org: Organisation, note: Record) -> list[Record]:
    """The approved invoices that a credit note could go to."""
    same = ("ContactID", "CurrencyCode")
    rows = (row for row in org.table("invoices").values() if all(row[name] == note[name] for name in same))
    return [row for row in rows if row["Status"] == "AUTHORISED" and row["Type"] + "CREDIT" == note["Type"]]


CREATED_PAGES = {
    "make_invoice": ("invoices", "InvoiceID"),
    "make_credit_note": ("credit-notes", "CreditNoteID"),
    "make_contact": ("", ""),
}
VIEWS: dict[str, tuple[str, str, str, Callable[[Organisation, Record], Record]]] = {
    "invoices": ("invoices", "Invoice", "InvoiceNumber", views.render_invoice),
    "credit-notes": ("credit_notes", "Credit note", "CreditNoteNumber", views.render_credit_note),
}
