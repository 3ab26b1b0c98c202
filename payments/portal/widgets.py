"""The lists of the portal's dashboard, and what every page of the portal asks of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from payers.access import PayerRequest
from wisepay import clock
from wisepay.http import parse_page_number

PAGE_SIZE, LAST_PAGE = 25, 400


@dataclass(frozen=True, slots=True)
class RowPage[R]:
    """One page of rows; whether there are newer and older ones is known without counting them."""

    rows: Sequence[R]
    number: int
    has_next: bool

    @property
    def previous(self) -> int:
        """The page before, 0 on the first."""
        return self.number - 1

    @property
    def next(self) -> int:
        """The page after, 0 on the last."""
        return self.number + 1 if self.has_next else 0


def get_page_number(request: PayerRequest) -> int:
    """The page that the query asks for."""
    return parse_page_number(request.GET.get("page", ""), last=LAST_PAGE)


def get_time_zone(request: PayerRequest) -> str:
    """The time zone of things that belong to no single merchant."""
    return request.accesses[0].company.merchant.time_zone if request.accesses else "UTC"


def render_widget(request: PayerRequest, name: str, page: RowPage[Any], *, folder: str = "portal") -> HttpResponse:
    """Render a list as a part of the dashboard, or as a page of its own where no script asks for it."""
    context = {
        "slice": page,
        "read_at": clock.now(),
        "zone": get_time_zone(request),
        "has_merchants": len({access.company.merchant_id for access in request.accesses}) > 1,
    }
    is_part = request.headers.get("HX-Request") == "true"
    template = f"{folder}/{name}.html{f'#{name}' if is_part else ''}"
    response = render(request, template, context)
    response["Vary"] = "HX-Request, Cookie"
    return response
