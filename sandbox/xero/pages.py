"""The practice books for people: organisations, their documents, one page for each document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.pages import page
from sandbox.world import World
from sandbox.xero import bookkeeper, views
from sandbox.xero.books import Organisation, Record, every, find
from sandbox.xero.errors import InvalidError

ROOT = "/xero/organisations"
TABLES = {"Invoices": "invoices", "Credit notes": "credit_notes", "Payments": "payments", "Contacts": "contacts"}
SHOWN = 200
show = partial(page, frame="xero_base.html")


def newest(org: Organisation, table: str, view: Callable[[Organisation, Record], Record]) -> list[Record]:
    """The latest records of a table, as the API shows them."""
    return [view(org, row) for row in list(org.table(table).values())[: -SHOWN - 1 : -1]]


def absent(what: str) -> Response:
    """A page for what is not there."""
    return show("message.html", status=404, title=f"No such {what}", message="It may have been reset away.")


class Books:
    """The pages, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        return [
            Route("/", self.home),
            Route("/organisations/{slug}", self.organisation),
            Route("/organisations/{slug}/make/{act}", self.make, methods=["POST"]),
            Route("/organisations/{slug}/{table}/{key}", self.document),
            Route("/organisations/{slug}/{table}/{key}/{act}", self.act, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """All organisations."""
        return show("books_home.html", what="organisations", companies=every(self.world), tables=TABLES)

    async def organisation(self, request: Request) -> Response:
        """One organisation's books."""
        return self.listed(request)

    def listed(self, request: Request, problem: str = "") -> Response:
        """The organisation that the path names, with what is wrong with the last act, if anything."""
        org = find(self.world, request.path_params["slug"])
        if org is None:
            return absent("organisation")
        return show(
            "xero_organisation.html",
            status=422 if problem else 200,
            problem=problem,
            books=org,
            root=f"{ROOT}/{org.data['slug']}",
            closed_until=org.locked_until,
            themes=org.data["branding_themes"],
            invoices=newest(org, "invoices", views.invoice),
            notes=newest(org, "credit_notes", views.note),
            payments=newest(org, "payments", views.payment),
            contacts=newest(org, "contacts", lambda books, row: views.contact(books, row, summary=True)),
            most=SHOWN,
        )

    async def make(self, request: Request) -> Response:
        """Something new in the books, then what was made, or the books with what is wrong."""
        org, act = find(self.world, request.path_params["slug"]), request.path_params["act"]
        if org is None or act not in MAKING:
            return absent("organisation")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        try:
            made = bookkeeper.do(org, act, said) or {}
        except (InvalidError, ValueError, KeyError) as refusal:
            words = f"{refusal.args[0]} is missing." if isinstance(refusal, KeyError) else ""
            return self.listed(request, words or " ".join(str(word) for word in refusal.args))
        self.world.changed()
        table, key = MAKING[act]
        where = f"/{table}/{made[key]}" if table else ""
        return RedirectResponse(f"{ROOT}/{org.data['slug']}{where}", 303)

    async def document(self, request: Request) -> Response:
        """One invoice or credit note."""
        return self.shown(request)

    def shown(self, request: Request, problem: str = "") -> Response:
        """The document that the path names, with what is wrong with the last act, if anything."""
        org = find(self.world, request.path_params["slug"])
        shown = VIEWS.get(request.path_params["table"])
        row = org.table(shown[0]).get(request.path_params["key"]) if org and shown else None
        if org is None or shown is None or row is None:
            return absent("document")
        gone = [org.table("payments")[key] for key in row["PaymentIDs"]]
        context: dict[str, Any] = {
            "kind": shown[1],
            "number": row[shown[2]],
            "gone": [views.payment(org, each) for each in gone if each["Status"] == "DELETED"],
            "targets": targets(org, row) if "Allocations" in row else [],
            "problem": problem,
            "themes": org.data["branding_themes"] if "AmountDue" in row else [],
        }
        status = 422 if problem else 200
        return show("xero_document.html", status=status, org=org, document=shown[3](org, row), **context)

    async def act(self, request: Request) -> Response:
        """A bookkeeper's button below a document, then the document again."""
        table, key = request.path_params["table"], request.path_params["key"]
        org, act = find(self.world, request.path_params["slug"]), request.path_params["act"]
        if org is None or table not in VIEWS or act not in bookkeeper.ACTS:
            return absent("document")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        said["credit_note" if table == "credit-notes" else "invoice"] = key
        try:
            bookkeeper.do(org, act, said)
        except (InvalidError, ValueError) as refusal:
            return self.shown(request, " ".join(str(word) for word in refusal.args))
        self.world.changed()
        return RedirectResponse(f"{ROOT}/{org.data['slug']}/{table}/{key}", 303)


def targets(org: Organisation, note: Record) -> list[Record]:
    """The approved invoices that a credit note could go to."""
    same = ("ContactID", "CurrencyCode")
    rows = (row for row in org.table("invoices").values() if all(row[name] == note[name] for name in same))
    return [row for row in rows if row["Status"] == "AUTHORISED" and row["Type"] + "CREDIT" == note["Type"]]


MAKING = {
    "make_invoice": ("invoices", "InvoiceID"),
    "make_credit_note": ("credit-notes", "CreditNoteID"),
    "make_contact": ("", ""),
}
VIEWS: dict[str, tuple[str, str, str, Callable[[Organisation, Record], Record]]] = {
    "invoices": ("invoices", "Invoice", "InvoiceNumber", views.invoice),
    "credit-notes": ("credit_notes", "Credit note", "CreditNoteNumber", views.note),
}
