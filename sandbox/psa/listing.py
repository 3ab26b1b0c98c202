"""Pages of records: conditions, order, the fields that were asked for, and the Link header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.core.world import World
from sandbox.psa.conditions import ConditionError, parse_conditions, read_field
from sandbox.psa.errors import build_refusal

Record = dict[str, Any]
PAGE_SIZE, LARGEST_PAGE = 25, 1000
LONGEST_ADDRESS = 2000


def find_matching(world: World, request: Request, rows: Iterable[Record]) -> list[Record]:
    """The rows that meet the request's conditions, by id. Raises RefusedError (400, 414)."""
    if len(str(request.url)) > LONGEST_ADDRESS:
        raise build_refusal(414, "UriTooLong", "The address is too long.")
    works = not world.config.get("psa_at_least_finds_nothing")
    found = list(rows)
    try:
        for name in ("conditions", "childConditions"):
            test = parse_conditions(request.query_params.get(name, ""), at_least_works=works)
            found = [row for row in found if test(row)]
    except ConditionError as error:
        raise build_refusal(400, "InvalidCondition", f"Conditions: {error}") from error
    return sorted(found, key=lambda row: int(row["id"]))


def read_number(request: Request, name: str, default: int, *, low: int, high: int = 10**12) -> int:
    """A whole number of the query. Raises RefusedError (400)."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise build_refusal(400, "InvalidParameter", f"{name} is a number from {low} to {high}.")
    return int(text)


def select_fields(request: Request, row: Record) -> Record:
    """The record, or of it what `fields` names: `_info` only when it is named."""
    wanted = [name.strip().split("/")[0] for name in request.query_params.get("fields", "").split(",") if name.strip()]
    return {name: row[name] for name in wanted if name in row} if wanted else row


def list_page(world: World, request: Request, rows: Iterable[Record]) -> Response:
    """One page of the records that the request asks for."""
    found = find_matching(world, request, rows)
    size = read_number(request, "pageSize", PAGE_SIZE, low=1, high=LARGEST_PAGE)
    if request.headers.get("pagination-type") == "forward-only":
        return list_forward(request, found, size)
    for part in reversed([each for each in request.query_params.get("orderBy", "").split(",") if each.strip()]):
        field, _, way = part.strip().partition(" ")
        found.sort(key=lambda row: str(read_field(row, field)), reverse=way.lower() == "desc")
    page = read_number(request, "page", 1, low=1)
    last = max(1, -(-len(found) // size))
    links = {"next": page + 1, "last": last} if page < last else {}
    links |= {"prev": page - 1, "first": 1} if page > 1 else {}
    header = ", ".join(f'<{build_address(request, page=number)}>; rel="{name}"' for name, number in links.items())
    chosen = [select_fields(request, row) for row in found[(page - 1) * size : page * size]]
    return JSONResponse(chosen, headers={"Link": header} if header else {})


def list_forward(request: Request, found: list[Record], size: int) -> Response:
    """A page of forward-only paging: by id, with a Link even after the last page."""
    after = read_number(request, "pageId", 0, low=0)
    rows = [row for row in found if int(row["id"]) > after][:size]
    last = rows[-1]["id"] if rows else after
    header = f'<{build_address(request, pageId=last)}>; rel="next"'
    return JSONResponse([select_fields(request, row) for row in rows], headers={"Link": header})


def build_address(request: Request, **changes: int) -> str:
    """The request's address with other parameters."""
    query = dict(request.query_params) | {name: str(value) for name, value in changes.items()}
    return f"{request.url.replace(query='')}?{urlencode(query)}"
