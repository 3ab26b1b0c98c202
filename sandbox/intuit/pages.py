"""The practice books for people: companies, their documents, one page for each document."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.intuit import bookkeeper, links
from sandbox.intuit.books import Company, Record, every, find
from sandbox.intuit.entities import BY_NAME, operate, view
from sandbox.intuit.errors import InvalidError
from sandbox.intuit.identity import Identity
from sandbox.intuit.wire import id_of
from sandbox.pages import page
from sandbox.world import World

ROOT = "/intuit/companies"
SIZES = {"Invoices": "Invoice", "Credit memos": "CreditMemo", "Payments": "Payment", "Customers": "Customer"}
SHOWN = 200
TABLES = {"invoices": "Invoice", "credit-memos": "CreditMemo"}
SAID = {"Invoice": "invoice", "CreditMemo": "credit_memo"}
show = partial(page, frame="intuit_base.html")


def newest(company: Company, entity: str) -> list[Record]:
    """The latest objects of a kind, as the API shows them."""
    rows = list(company.table(entity).values())[: -SHOWN - 1 : -1]
    return [view(company, BY_NAME[entity], row) for row in rows]


def absent(what: str) -> Response:
    """A page for what is not there."""
    return show("message.html", status=404, title=f"No such {what}", message="It may have been deleted.")


class Books:
    """The pages, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        return [
            Route("/", self.home),
            Route("/companies/{slug}", self.company),
            Route("/companies/{slug}/acts/{act}", self.act_on_company, methods=["POST"]),
            Route("/companies/{slug}/{table}/{key}", self.document),
            Route("/companies/{slug}/{table}/{key}/{act}", self.act, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """All companies."""
        return show("books_home.html", what="companies", companies=every(self.world), tables=SIZES)

    async def company(self, request: Request) -> Response:
        """One company's books."""
        return self.shown_company(request)

    def shown_company(self, request: Request, problem: str = "") -> Response:
        """The company that the path names, with what is wrong with the last act, if anything."""
        company = find(self.world, request.path_params["slug"])
        if company is None:
            return absent("company")
        return show(
            "intuit_company.html",
            status=422 if problem else 200,
            problem=problem,
            books=company,
            root=f"{ROOT}/{company.data['slug']}",
            closed_until=company.preferences["BookCloseDate"],
            invoices=newest(company, "Invoice"),
            memos=newest(company, "CreditMemo"),
            payments=newest(company, "Payment"),
            customers=newest(company, "Customer"),
            items=[row for row in company.table("Item").values() if row["Active"] and row.get("IncomeAccountRef")],
            terms=[row for row in company.table("Term").values() if row["Active"]],
            codes=["TAX", "NON"] if company.is_american else list(company.table("TaxCode")),
            connected=Identity(self.world).is_connected(company.realm),
            most=SHOWN,
        )

    async def act_on_company(self, request: Request) -> Response:
        """A bookkeeper's button of the company, then the company again."""
        company = find(self.world, request.path_params["slug"])
        acts = {"disconnect": self.disconnect, "close": self.close, "invoice": self.invoice}
        act = acts.get(request.path_params["act"])
        if company is None or act is None:
            return absent("company")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        try:
            with company.transaction():
                act(company, said)
        except (InvalidError, ValueError, KeyError) as refusal:
            return self.shown_company(request, " ".join(str(word) for word in refusal.args))
        self.world.changed()
        return RedirectResponse(f"{ROOT}/{company.data['slug']}", 303)

    def disconnect(self, company: Company, said: Record) -> None:
        """Take every app off the company."""
        Identity(self.world).forget(realm=company.realm)

    def close(self, company: Company, said: Record) -> None:
        """Close the books up to a day, or open them when none is said."""
        on = said.get("date")
        company.preferences["BookCloseDate"] = date.fromisoformat(on).isoformat() if on else None

    def invoice(self, company: Company, said: Record) -> None:
        """A new invoice over one line."""
        detail = {"ItemRef": {"value": said["item"]}, "TaxCodeRef": {"value": said["code"]}}
        line = {"Amount": said["amount"], "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
        sent: Record = {"CustomerRef": {"value": said["customer"]}, "Line": [line], "DocNumber": said.get("number")}
        sent |= {"CustomerMemo": {"value": said["reference"]}} if said.get("reference") else {}
        sent |= {"SalesTermRef": {"value": said["term"]}} if said.get("term") else {}
        operate(company, BY_NAME["Invoice"], "create", sent, set())

    async def document(self, request: Request) -> Response:
        """One invoice or credit memo."""
        return self.shown(request)

    def shown(self, request: Request, problem: str = "") -> Response:
        """The document that the path names, with what is wrong with the last act, if anything."""
        company = find(self.world, request.path_params["slug"])
        entity = TABLES.get(request.path_params["table"])
        row = company.table(entity).get(request.path_params["key"]) if company and entity else None
        if company is None or entity is None or row is None:
            return absent("document")
        context: dict[str, Any] = {
            "kind": "Invoice" if entity == "Invoice" else "Credit memo",
            "root": f"{ROOT}/{company.data['slug']}",
            "here": f"{ROOT}/{company.data['slug']}/{request.path_params['table']}/{row['Id']}",
            "payments": [view(company, BY_NAME["Payment"], each) for each in links.payments_of(company, row)],
            "targets": targets(company, row) if entity == "CreditMemo" else [],
            "problem": problem,
        }
        shown = view(company, BY_NAME[entity], row)
        status = 422 if problem else 200
        return show("intuit_document.html", status=status, company=company, document=shown, **context)

    async def act(self, request: Request) -> Response:
        """A bookkeeper's button below a document, then the document again, or the company when it is gone."""
        table, key = request.path_params["table"], request.path_params["key"]
        company, act = find(self.world, request.path_params["slug"]), request.path_params["act"]
        if company is None or table not in TABLES or act not in bookkeeper.ACTS:
            return absent("document")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        said[SAID[TABLES[table]]] = key
        try:
            bookkeeper.do(company, act, said)
        except (InvalidError, ValueError, KeyError) as refusal:
            return self.shown(request, " ".join(str(word) for word in refusal.args))
        self.world.changed()
        root = f"{ROOT}/{company.data['slug']}"
        return RedirectResponse(root if act == "delete" else f"{root}/{table}/{key}", 303)


def targets(company: Company, memo: Record) -> list[Record]:
    """The open invoices that a credit memo could go to."""
    rows = company.by("Invoice", "Customer", id_of(memo["CustomerRef"]))
    return [view(company, BY_NAME["Invoice"], row) for row in rows if row["Balance"] != "0.00"]
