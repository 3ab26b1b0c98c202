"""The REST API: all paths of the vendor's document, its pages, and what it answers with an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.service import ErrorBody, RefusedError
from sandbox.core.world import World
from sandbox.cpq import records
from sandbox.cpq.access import Caller, check_media_type, identify_caller
from sandbox.cpq.conditions import filter_records
from sandbox.cpq.orders import CpqOrders
from sandbox.cpq.patches import apply_patch, check_writable, parse_body
from sandbox.orderporter.quotes import Quote, create_quote, mark_modified

PAGE_SIZE, MAX_PAGE_SIZE = 50, 1000
Record = records.Record
Operation = Callable[[Caller, Request, Any], Any]


def build_error(name: str, status: int) -> ErrorBody:
    """A fault in the vendor's shape: a message, nothing else, and never a Retry-After."""
    words = {429: "Too many requests.", 502: "Bad gateway.", 503: "Service unavailable."}
    return ErrorBody({}, {"message": words.get(status, "An error has occurred.")})


def routes(world: World) -> Sequence[BaseRoute]:
    """The API below /cpq, and the orders of tests."""
    api = CpqApi(world)
    return [*api.routes(), *CpqOrders(world).routes()]


def build_missing() -> RefusedError:
    """The 404 of what the caller cannot see."""
    return RefusedError(404, {"message": "The requested resource was not found."})


class CpqApi:
    """The operations over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """All paths; those without placeholders go before those with them."""
        quote, terms = "/api/quotes/{key}", "/api/quotes/{key}/quoteTerms"
        version = "/api/quotes/{number:int}/versions"
        customer, item = "/api/quotes/{key}/customers/{row}", "/api/quoteItems/{row}"
        return [
            self.route("/api/quotes", GET=self.list_quotes),
            self.route("/api/quotes/copyById/{key}", POST=self.copy_quote),
            self.route(f"{version}/latest", GET=self.get_latest),
            self.route(f"{version}/{{version:int}}", GET=self.get_version, DELETE=self.delete_quote),
            self.route(version, GET=self.list_versions),
            self.route(f"{quote}/customers", GET=self.list_customers),
            self.route(customer, PUT=self.replace_row, PATCH=self.patch_row, DELETE=self.delete_row),
            self.route(terms, GET=self.list_terms, POST=self.create_term),
            self.route(f"{terms}/{{row}}", PATCH=self.patch_row, DELETE=self.delete_row),
            self.route(quote, GET=self.get_quote, PATCH=self.patch_quote, DELETE=self.delete_quote),
            self.route("/api/quoteItems", GET=self.list_items, POST=self.create_item),
            self.route(item, GET=self.get_item, PATCH=self.patch_row, DELETE=self.delete_row),
            self.route("/api/quoteTabs", GET=self.list_tabs),
            self.route("/api/quoteTabs/{tab}/quoteItems", GET=self.list_items_of_tab),
            self.route("/api/recurringRevenues", GET=lambda *_: records.list_recurring_revenues()),
            self.route("/api/taxCodes", GET=lambda *_: records.list_tax_codes()),
            self.route("/api/templates", GET=lambda *_: []),
            self.route("/settings/user", GET=lambda caller, *_: records.list_users(caller)),
            self.route("/settings/user/{row}", PATCH=self.patch_user),
        ]

    def route(self, path: str, **operations: Operation) -> Route:
        """One path with an operation for each method; lists are filtered and cut into pages."""

        async def serve(request: Request) -> Response:
            try:
                caller = identify_caller(self.world, request)
                check_media_type(request)
                found = operations[request.method](caller, request, parse_body(await request.body()))
                if isinstance(found, list) and self.has_pages(path):
                    found = self.cut_page(request, found)
            except RefusedError as refusal:
                return JSONResponse(refusal.body, refusal.status)
            return Response(status_code=204) if found is None else JSONResponse(found)

        return Route(path, serve, methods=list(operations))

    def has_pages(self, path: str) -> bool:
        """Whether the operation takes conditions and pages: these take no parameters at all."""
        return not path.endswith(("/customers", "/versions", "/templates", "/{tab}/quoteItems"))

    def cut_page(self, request: Request, rows: list[Record]) -> list[Record]:
        """One page of the rows that fulfil the conditions, with the fields that were asked for."""
        asked = request.query_params
        page, size = self.read_number(asked.get("page"), 1), self.read_number(asked.get("pageSize"), PAGE_SIZE)
        size = min(size, MAX_PAGE_SIZE)
        found = filter_records(rows, asked.get("conditions", ""))[(page - 1) * size : page * size]
        names = {name.strip() for name in asked.get("includeFields", "").split(",") if name.strip()}
        return [{name: value for name, value in row.items() if not names or name in names} for row in found]

    def read_number(self, text: str | None, usual: int) -> int:
        """A parameter that counts from one. Raises RefusedError."""
        if text is None:
            return usual
        if not text.isdecimal() or int(text) < 1:
            raise RefusedError(400, {"message": "The request is invalid."})
        return int(text)

    def list_visible(self, caller: Caller, request: Request, *, shows_all: bool) -> list[Quote]:
        """The versions that a list shows: with `showAllVersions` older and archived ones too."""
        wanted = request.query_params.get("showAllVersions", str(shows_all)).lower() == "true"
        found = records.list_versions(self.world, caller)
        return [one for one in found if wanted or records.is_current(self.world, one)]

    def find_version(self, caller: Caller, key: str) -> Quote:
        """The version with this id. Raises RefusedError."""
        found = [one for one in records.list_versions(self.world, caller) if one["id"] == key]
        if not found:
            raise build_missing()
        return found[0]

    def find_numbered(self, caller: Caller, request: Request) -> list[Quote]:
        """Every version of the quote of this number. Raises RefusedError where there is none."""
        number = request.path_params["number"]
        found = [one for one in records.list_versions(self.world, caller) if one["number"] == number]
        if not found:
            raise build_missing()
        return found

    def list_quotes(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        rows = self.list_visible(caller, request, shows_all=False)
        return [records.build_quote(self.world, one) for one in rows]

    def list_versions(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        return [records.build_quote(self.world, one) for one in self.find_numbered(caller, request)]

    def get_latest(self, caller: Caller, request: Request, body: Any) -> Record:
        return records.build_quote(self.world, self.find_numbered(caller, request)[-1])

    def get_version(self, caller: Caller, request: Request, body: Any) -> Record:
        return records.build_quote(self.world, self.find_addressed(caller, request))

    def get_quote(self, caller: Caller, request: Request, body: Any) -> Record:
        return records.build_quote(self.world, self.find_addressed(caller, request))

    def find_addressed(self, caller: Caller, request: Request) -> Quote:
        """The version that the address names, by id or by number and version. Raises RefusedError."""
        asked = request.path_params
        if "key" in asked:
            return self.find_version(caller, asked["key"])
        found = [one for one in self.find_numbered(caller, request) if one["version"] == asked["version"]]
        if not found:
            raise build_missing()
        return found[0]

    def patch_quote(self, caller: Caller, request: Request, body: Any) -> Record:
        version = self.find_addressed(caller, request)
        check_writable(version, body)
        before = records.build_quote(self.world, version)
        after = apply_patch(before, body)
        version["fields"].update({name: value for name, value in after.items() if before.get(name) != value})
        mark_modified(self.world, version)
        return records.build_quote(self.world, version)

    def delete_quote(self, caller: Caller, request: Request, body: Any) -> None:
        version = self.find_addressed(caller, request)
        check_writable(version, [])
        version["fields"]["isDeleted"] = True

    def copy_quote(self, caller: Caller, request: Request, body: Any) -> Record:
        before = self.find_addressed(caller, request)
        kept = ("name", "customer", "currency", "tax_rate", "deposit", "full_payment_allowed", "recurring", "lines")
        overrides = {name: deepcopy(before[name]) for name in kept} | {"tenant": caller.tenant}
        fresh = create_quote(self.world, like=before["like"], overrides=overrides)
        return records.build_quote(self.world, fresh)

    def list_customers(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        return records.get_rows(self.find_addressed(caller, request), "customers")

    def list_terms(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        return records.get_rows(self.find_addressed(caller, request), "terms")

    def list_items(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        rows = self.list_visible(caller, request, shows_all=True)
        return [item for one in rows for item in records.get_rows(one, "items")]

    def list_tabs(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        rows = self.list_visible(caller, request, shows_all=True)
        return [tab for one in rows for tab in records.get_rows(one, "tabs")]

    def list_items_of_tab(self, caller: Caller, request: Request, body: Any) -> list[Record]:
        rows = records.list_versions(self.world, caller)
        found = [item for one in rows for item in records.get_rows(one, "items")]
        return [item for item in found if item.get("idQuoteTabs") == request.path_params["tab"]]

    def get_item(self, caller: Caller, request: Request, body: Any) -> Record:
        return self.find_row(caller, request)[1]

    def find_row(self, caller: Caller, request: Request, *, is_written: bool = False) -> tuple[list[Record], Record]:
        """The row that the address names, and the rows that it stands among. Raises RefusedError."""
        asked, path = request.path_params, request.url.path
        kind = "customers" if "/customers/" in path else "terms" if "/quoteTerms/" in path else "items"
        versions = records.list_versions(self.world, caller)
        for version in [one for one in versions if "key" not in asked or one["id"] == asked["key"]]:
            rows = records.open_rows(version, kind) if is_written else records.get_rows(version, kind)
            for row in rows:
                if row["id"] == asked["row"]:
                    return rows, row
        raise build_missing()

    def patch_row(self, caller: Caller, request: Request, body: Any) -> Record:
        _, row = self.find_row(caller, request, is_written=True)
        row.update(apply_patch(row, body))
        return row

    def replace_row(self, caller: Caller, request: Request, body: Any) -> Record:
        _, row = self.find_row(caller, request, is_written=True)
        row.update({name: value for name, value in body.items() if name in row and name != "id"})
        return row

    def delete_row(self, caller: Caller, request: Request, body: Any) -> None:
        rows, row = self.find_row(caller, request, is_written=True)
        rows.remove(row)

    def create_term(self, caller: Caller, request: Request, body: Any) -> Record:
        version = self.find_addressed(caller, request)
        row: Record = {**body, "id": self.world.id("t"), "idQuote": version["id"]}
        records.open_rows(version, "terms").append(row)
        return row

    def create_item(self, caller: Caller, request: Request, body: Any) -> Record:
        version = self.find_version(caller, str(body.get("idQuote")))
        row: Record = {**body, "id": self.world.id("i")}
        records.open_rows(version, "items").append(row)
        return row

    def patch_user(self, caller: Caller, request: Request, body: Any) -> Record:
        for user in records.list_users(caller):
            if user["id"] == request.path_params["row"]:
                return apply_patch(user, body)
        raise build_missing()
