"""The practice books for people: companies, their documents, one page for each document."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.intuit import bookkeeper, linked_transactions
from sandbox.intuit.company import Company, Record, find_company, list_companies
from sandbox.intuit.entities import BY_NAME, render_entity, run_operation
from sandbox.intuit.errors import IntuitValidationError
from sandbox.intuit.formats import get_reference_id
from sandbox.intuit.identity import IntuitIdentity

ROOT = "/intuit/companies"
SIZES = {"Invoices": "Invoice", "Credit memos": "CreditMemo", "Payments": "Payment", "Customers": "Customer"}
MAX_ROWS = 200
TABLES = {"invoices": "Invoice", "credit-memos": "CreditMemo"}
PARAM_BY_ENTITY = {"Invoice": "invoice", "CreditMemo": "credit_memo"}
render_intuit_page = partial(render_page, frame="intuit_base.html")


def list_newest(company: Company, entity: str) -> list[Record]:
    """The latest objects of a kind, as the API shows them."""
    rows = list(company.table(entity).values())[: -MAX_ROWS - 1 : -1]
    return [render_entity(company, BY_NAME[entity], row) for row in rows]


def render_not_found(what: str) -> Response:
    """A page for what is not there."""
    return render_intuit_page("message.html", status=404, title=f"No such {what}", message="It may have been deleted.")


class IntuitPages:
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
        return render_intuit_page(
            "books_home.html", what="companies", companies=list_companies(self.world), tables=SIZES
        )

    async def company(self, request: Request) -> Response:
        """One company's books."""
        return self.render_company(request)

    def render_company(self, request: Request, problem: str = "") -> Response:
        """The company that the path names, with what is wrong with the last act, if anything."""
        company = find_company(self.world, request.path_params["slug"])
        if company is None:
            return render_not_found("company")
        return render_intuit_page(
            "intuit_company.html",
            status=422 if problem else 200,
            problem=problem,
            books=company,
            root=f"{ROOT}/{company.data['slug']}",
            closed_until=company.preferences["BookCloseDate"],
            invoices=list_newest(company, "Invoice"),
            memos=list_newest(company, "CreditMemo"),
            payments=list_newest(company, "Payment"),
            customers=list_newest(company, "Customer"),
            items=[row for row in company.table("Item").values() if row["Active"] and row.get("IncomeAccountRef")],
            terms=[row for row in company.table("Term").values() if row["Active"]],
            codes=["TAX", "NON"] if company.is_american else list(company.table("TaxCode")),
            connected=IntuitIdentity(self.world).is_connected(company.realm),
            most=MAX_ROWS,
        )

    async def act_on_company(self, request: Request) -> Response:
        """A bookkeeper's button of the company, then the company again."""
        company = find_company(self.world, request.path_params["slug"])
        acts = {"disconnect": self.disconnect, "close": self.close_books, "invoice": self.invoice}
        act = acts.get(request.path_params["act"])
        if company is None or act is None:
            return render_not_found("company")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        try:
            with company.transaction():
                act(company, said)
        except (IntuitValidationError, ValueError, KeyError) as refusal:
            return self.render_company(request, " ".join(str(word) for word in refusal.args))
        self.world.mark_changed()
        return RedirectResponse(f"{ROOT}/{company.data['slug']}", 303)

    def disconnect(self, company: Company, params: Record) -> None:
        """Take every app off the company."""
        IntuitIdentity(self.world).delete_matching(realm=company.realm)

    def close_books(self, company: Company, params: Record) -> None:
        """Close the books up to a day, or open them when none is said."""
        on = params.get("date")
        company.preferences["BookCloseDate"] = date.fromisoformat(on).isoformat() if on else None

    def invoice(self, company: Company, params: Record) -> None:
        """A new invoice over one line."""
        detail = {"ItemRef": {"value": params["item"]}, "TaxCodeRef": {"value": params["code"]}}
        line = {"Amount": params["amount"], "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
        sent: Record = {"CustomerRef": {"value": params["customer"]}, "Line": [line], "DocNumber": params.get("number")}
        sent |= {"CustomerMemo": {"value": params["reference"]}} if params.get("reference") else {}
        sent |= {"SalesTermRef": {"value": params["term"]}} if params.get("term") else {}
        run_operation(company, BY_NAME["Invoice"], "create", sent, set())

    async def document(self, request: Request) -> Response:
        """One invoice or credit memo."""
        return self.render_document(request)

    def render_document(self, request: Request, problem: str = "") -> Response:
        """The document that the path names, with what is wrong with the last act, if anything."""
        company = find_company(self.world, request.path_params["slug"])
        entity = TABLES.get(request.path_params["table"])
        row = company.table(entity).get(request.path_params["key"]) if company and entity else None
        if company is None or entity is None or row is None:
            return render_not_found("document")
        context: dict[str, Any] = {
            "kind": "Invoice" if entity == "Invoice" else "Credit memo",
            "root": f"{ROOT}/{company.data['slug']}",
            "here": f"{ROOT}/{company.data['slug']}/{request.path_params['table']}/{row['Id']}",
            "payments": [
                render_entity(company, BY_NAME["Payment"], each)
                for each in linked_transactions.list_payments(company, row)
            ],
            "targets": list_creditable_invoices(company, row) if entity == "CreditMemo" else [],
            "problem": problem,
        }
        shown = render_entity(company, BY_NAME[entity], row)
        status = 422 if problem else 200
        return render_intuit_page("intuit_document.html", status=status, company=company, document=shown, **context)

    async def act(self, request: Request) -> Response:
        """A bookkeeper's button below a document, then the document again, or the company when it is gone."""
        table, key = request.path_params["table"], request.path_params["key"]
        company, act = find_company(self.world, request.path_params["slug"]), request.path_params["act"]
        if company is None or table not in TABLES or act not in bookkeeper.ACTIONS:
            return render_not_found("document")
        said = {name: str(value) for name, value in (await request.form()).items() if value}
        said[PARAM_BY_ENTITY[TABLES[table]]] = key
        try:
            bookkeeper.run_action(company, act, said)
        except (IntuitValidationError, ValueError, KeyError) as refusal:
            return self.render_document(request, " ".join(str(word) for word in refusal.args))
        self.world.mark_changed()
        root = f"{ROOT}/{company.data['slug']}"
        return RedirectResponse(root if act == "delete" else f"{root}/{table}/{key}", 303)


def list_creditable_invoices(company: Company, memo: Record) -> list[Record]:
    """The open invoices that a credit memo could go to."""
    rows = company.find_by("Invoice", "Customer", get_reference_id(memo["CustomerRef"]))
    return [render_entity(company, BY_NAME["Invoice"], row) for row in rows if row["Balance"] != "0.00"]
