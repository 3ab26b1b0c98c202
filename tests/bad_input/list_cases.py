"""Good queries of the lists: their filters, order, columns and page, all of which stand in the address."""

from collections.abc import Callable

from tests.bad_input.cases import Case
from tests.bad_input.scene import Scene

type Query = dict[str, str]

LIST: Query = {
    "q": "managed",
    "since": "2026-01-01",
    "until": "2026-12-31",
    "before": "",
    "after": "1",
    "columns": "fee",
}
# Of each list its page, its totals and its files, as they are called, and what its filters are.
LISTS: dict[tuple[str, ...], Query] = {
    ("payments:list", "payments:totals", "payments:export_list"): {
        "standing": "succeeded",
        "method": "card",
        "origin": "quote",
        "at_least": "1",
        "at_most": "9999",
        "currency": "AUD",
        "company": "harbour",
        "sort": "-amount",
        "after": "625~1",
    },
    ("payments:payouts", "payments:payout_totals", "payments:export_payouts"): {"status": "paid", "sort": "created"},
    ("payments:disputes", "payments:export_disputes"): {"state": "open", "due_until": "2026-12-31", "sort": "created"},
    ("accounting:invoices", "accounting:invoice_totals", "accounting:export_invoices"): {
        "status": "open",
        "company": "a",
        "sort": "-total",
        "issued_since": "2026-01-01",
        "at_least": "1",
        "after": "625~1",
    },
    ("accounting:posted", "accounting:export_postings"): {
        "kind": "invoice",
        "state": "posted",
        "company": "a",
        "sort": "created",
    },
    ("autopay:list", "autopay:totals", "autopay:export_list"): {
        "show": "all",
        "company": "a",
        "sort": "-date",
        "after": "2026-11-01T00:00:00+00:00~1",
    },
    ("quotes:list", "quotes:totals", "quotes:export_list"): {
        "standing": "succeeded",
        "source": "contract",
        "company": "harbour",
        "sort": "-number",
        "after": "1042~1",
    },
}


def ask(query: Query) -> Callable[[Scene], Query]:
    """The query of a list, whoever asks."""
    return lambda scene: LIST | query


def as_csv(scene: Scene) -> dict[str, str]:
    """The path of a file."""
    return {"format_name": "csv"}


LIST_CASES: dict[str, Case] = {
    name: Case(query=ask(query), path=as_csv if ":export_" in name else None)
    for names, query in LISTS.items()
    for name in names
}
