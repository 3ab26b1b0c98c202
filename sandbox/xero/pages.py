"""The practice books for people: organisations, their documents, one page for each document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.core.accounting_pages import MAX_ROWS, list_newest, run_form_action
from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.xero import bookkeeper, views
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.organisation import Organisation, Record, find_organisation, list_organisations

ROOT = "/xero/organisations"
TABLES = {"Invoices": "invoices", "Credit notes": "credit_notes", "Payments": "payments", "Contacts": "contacts"}
REFUSALS = (XeroValidationError, ValueError, KeyError)
render_xero_page = partial(render_page, frame="xero_base.html")


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
        """Render the organisation that the path names, with the reason why an action was refused, if it was."""
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
            invoices=list_newest(org.table("invoices"), partial(views.render_invoice, org)),
            notes=list_newest(org.table("credit_notes"), partial(views.render_credit_note, org)),
            payments=list_newest(org.table("payments"), partial(views.render_payment, org)),
            contacts=list_newest(org.table("contacts"), partial(views.render_contact, org, summary=True)),
            most=MAX_ROWS,
        )

    async def create(self, request: Request) -> Response:
        """Create something in the books and go to its page, or show the books and why it was refused."""
        org, act = find_organisation(self.world, request.path_params["slug"]), request.path_params["act"]
        if org is None or act not in CREATED_PAGES:
            return render_not_found("organisation")

        def create(params: Record) -> str:
            created = bookkeeper.run_action(org, act, params) or {}
            table, key = CREATED_PAGES[act]
            return f"{ROOT}/{org.data['slug']}" + (f"/{table}/{created[key]}" if table else "")

        render_problem = partial(self.render_organisation, request)
        return await run_form_action(self.world, request, create, render_problem=render_problem, refusals=REFUSALS)

    async def document(self, request: Request) -> Response:
        """One invoice or credit note."""
        return self.render_document(request)

    def render_document(self, request: Request, problem: str = "") -> Response:
        """Render the document that the path names, with the reason why an action was refused, if it was."""
        org = find_organisation(self.world, request.path_params["slug"])
        shown = VIEWS.get(request.path_params["table"])
        row = org.table(shown[0]).get(request.path_params["key"]) if org and shown else None
        if org is None or shown is None or row is None:
            return render_not_found("document")
        payments = [org.table("payments")[key] for key in row["PaymentIDs"]]
        context: dict[str, Any] = {
            "kind": shown[1],
            "number": row[shown[2]],
            "gone": [views.render_payment(org, each) for each in payments if each["Status"] == "DELETED"],
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

        def run(params: Record) -> str:
            kind = "credit_note" if table == "credit-notes" else "invoice"
            bookkeeper.run_action(org, act, {**params, kind: key})
            return f"{ROOT}/{org.data['slug']}/{table}/{key}"

        render_problem = partial(self.render_document, request)
        return await run_form_action(self.world, request, run, render_problem=render_problem, refusals=REFUSALS)


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
