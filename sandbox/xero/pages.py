"""The practice books for people: organisations, their documents, one page for each document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.pages import page
from sandbox.world import World
from sandbox.xero import views
from sandbox.xero.books import Organisation, Record, every, find

SHOWN = 200


def newest(org: Organisation, table: str, view: Callable[[Organisation, Record], Record]) -> list[Record]:
    """The latest records of a table, as the API shows them."""
    return [view(org, row) for row in list(org.table(table).values())[: -SHOWN - 1 : -1]]


def absent(what: str) -> Response:
    """A page for what is not there."""
    return page("xero_message.html", status=404, title=f"No such {what}", message="It may have been reset away.")


class Books:
    """The pages, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        return [
            Route("/", self.home),
            Route("/organisations/{slug}", self.organisation),
            Route("/organisations/{slug}/{table}/{key}", self.document),
        ]

    async def home(self, request: Request) -> Response:
        """All organisations."""
        return page("xero_home.html", organisations=every(self.world))

    async def organisation(self, request: Request) -> Response:
        """One organisation's books."""
        org = find(self.world, request.path_params["slug"])
        if org is None:
            return absent("organisation")
        return page(
            "xero_organisation.html",
            org=org,
            invoices=newest(org, "invoices", views.invoice),
            notes=newest(org, "credit_notes", views.note),
            payments=newest(org, "payments", views.payment),
            contacts=newest(org, "contacts", lambda books, row: views.contact(books, row, summary=True)),
            most=SHOWN,
        )

    async def document(self, request: Request) -> Response:
        """One invoice or credit note."""
        org = find(self.world, request.path_params["slug"])
        shown = VIEWS.get(request.path_params["table"])
        row = org.table(shown[0]).get(request.path_params["key"]) if org and shown else None
        if org is None or shown is None or row is None:
            return absent("document")
        context: dict[str, Any] = {"kind": shown[1], "number": row[shown[2]]}
        return page("xero_document.html", org=org, document=shown[3](org, row), **context)


VIEWS: dict[str, tuple[str, str, str, Callable[[Organisation, Record], Record]]] = {
    "invoices": ("invoices", "Invoice", "InvoiceNumber", views.invoice),
    "credit-notes": ("credit_notes", "Credit note", "CreditNoteNumber", views.note),
}
