"""The practice books for people: companies, their documents, one page for each document."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.core.accounting_pages import MAX_ROWS, list_newest, run_form_action
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
REFUSALS = (IntuitValidationError, ValueError, KeyError)
TABLES = {"invoices": "Invoice", "credit-memos": "CreditMemo"}
PARAM_BY_ENTITY = {"Invoice": "invoice", "CreditMemo": "credit_memo"}
render_intuit_page = partial(render_page, frame="intuit_base.html")


def list_newest_entities(company: Company, entity: str) -> list[Record]:
    """The latest objects of a kind, as the API shows them."""
    return list_newest(company.table(entity), partial(render_entity, company, BY_NAME[entity]))


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
        """Render the company that the path names, with the reason why an action was refused, if it was."""
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
            invoices=list_newest_entities(company, "Invoice"),
            memos=list_newest_entities(company, "CreditMemo"),
            payments=list_newest_entities(company, "Payment"),
            customers=list_newest_entities(company, "Customer"),
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

        def run(params: Record) -> str:
            with company.transaction():
                act(company, params)
            return f"{ROOT}/{company.data['slug']}"

        render_problem = partial(self.render_company, request)
        return await run_form_action(self.world, request, run, render_problem=render_problem, refusals=REFUSALS)

    def disconnect(self, company: Company, params: Record) -> None:
        """Take every app off the company."""
        IntuitIdentity(self.world).delete_matching(realm=company.realm)

    def close_books(self, company: Company, params: Record) -> None:
        """Close the books up to a day, or open them when no day is given."""
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
        """Render the document that the path names, with the reason why an action was refused, if it was."""
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

        def run(params: Record) -> str:
            bookkeeper.run_action(company, act, {**params, PARAM_BY_ENTITY[TABLES[table]]: key})
            root = f"{ROOT}/{company.data['slug']}"
            return root if act == "delete" else f"{root}/{table}/{key}"

        render_problem = partial(self.render_document, request)
        return await run_form_action(self.world, request, run, render_problem=render_problem, refusals=REFUSALS)


def list_creditable_invoices(company: Company, memo: Record) -> list[Record]:
    """The open invoices that a credit memo could go to."""
    rows = company.find_by("Invoice", "Customer", get_reference_id(memo["CustomerRef"]))
    return [render_entity(company, BY_NAME["Invoice"], row) for row in rows if row["Balance"] != "0.00"]
