"""Whatever a vendor answers, nothing but our own errors comes out of a reader: properties over every answer.

Xero's rows are built from its published schema, where the contracts are; for all vendors every answer that was really
given is changed in one place: dropped, null, another type, an unknown word, 10,000 letters, one more field.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.ledgers.parsing import parse_rows
from accounting.ledgers.quickbooks import parsing as quickbooks
from accounting.ledgers.remote_documents import UnreadableRow
from accounting.ledgers.xero import parsing as xero
from accounting.mirror.store import build_contact_columns, build_credit_columns, build_invoice_columns
from accounting.unreadable import MIRROR_KINDS
from sandbox.harness.sandbox_process import ROOT
from tests.accounting.ledgers.ledger_case import LedgerCase
from tests.accounting.ledgers.test_odd_answers import list_calls, open_fresh_ledger
from tests.examples import IS_THOROUGH, how
from wisepay.errors import Disconnected, Rejected, Unavailable

SCHEMA = Path(os.environ.get("CONTRACTS") or ROOT.parent / "shared" / "contracts") / "xero_accounting.yaml"
over_http = settings(how, max_examples=400 if IS_THOROUGH else 200)

Parse = Callable[[dict[str, Any]], object]


def ignore(_: Any) -> dict[str, Any]:
    """Nothing is saved of it by columns."""
    return {}


XERO_TRANSLATORS: dict[str, tuple[str, Parse, Callable[[Any], dict[str, Any]]]] = {
    "contact": ("Contact", xero.parse_contact, build_contact_columns),
    "invoice": ("Invoice", xero.parse_invoice, build_invoice_columns),
    "credit note": ("CreditNote", xero.parse_credit_note, ignore),
    "credit note with details": ("CreditNote", xero.parse_credit_note_details, build_credit_columns),
    "payment": ("Payment", xero.parse_payment, ignore),
    "account": ("Account", xero.parse_account, ignore),
    "tax rate": ("TaxRate", xero.parse_tax_code, ignore),
    "branding theme": ("BrandingTheme", xero.parse_term, ignore),
}
QUICKBOOKS_TRANSLATORS: dict[str, Parse] = {
    "customer": quickbooks.parse_contact,
    "invoice": lambda row: quickbooks.parse_invoice(row, ()),
    "credit memo": quickbooks.parse_credit_note,
    "applications": quickbooks.parse_applications,
    "uses of credit": lambda row: quickbooks.parse_credit_uses(row, {}),
    "payment": lambda row: quickbooks.parse_payment(row, {}),
    "refunds": lambda row: tuple(quickbooks.parse_refund_payments(row, {}, {})),
    "account": quickbooks.parse_account,
    "tax code": lambda row: quickbooks.parse_tax_code(row, {}),
    "tax rate": quickbooks.parse_tax_rate,
    "item": quickbooks.parse_item,
    "terms": quickbooks.parse_term,
}
QUICKBOOKS_FIELDS = (
    "Id", "TxnDate", "DueDate", "DocNumber", "TotalAmt", "Balance", "RemainingCredit", "CurrencyRef",
    "CustomerRef", "MetaData", "Line", "LinkedTxn", "PrivateNote", "PaymentRefNum", "Active", "DisplayName",
    "PrimaryEmailAddr", "CustomField", "CustomerMemo", "SalesTermRef", "Name", "AccountType", "AcctNum",
    "SalesTaxRateList", "PurchaseTaxRateList", "RateValue", "IncomeAccountRef", "DepositToAccountRef",
)  # fmt: skip
LONG_TEXT = "x" * 10_000
ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, "", "UNHEARD", LONG_TEXT, -5, 10**30, "NaN", "/Date(99999999999999)/", "\ud800\0", [], {}]
    ),
    st.integers(),
    st.decimals(),
    st.text(max_size=30),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)


@cache
def get_schemas() -> dict[str, Any]:
    """The schemas of Xero's published API."""
    found: dict[str, Any] = yaml.safe_load(SCHEMA.read_text())["components"]["schemas"]
    return found


def build_strategy(schema: dict[str, Any], depth: int = 3) -> st.SearchStrategy[Any]:
    """Values that a schema allows; any of them may be odd instead."""
    return st.one_of(build_usual_strategy(schema, depth), ODD_VALUES)


def build_usual_strategy(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    """Values that a schema allows, down to a depth."""
    if "$ref" in schema:
        return build_usual_strategy(get_schemas()[schema["$ref"].rsplit("/", 1)[-1]], depth)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("type") == "array":
        return st.lists(build_strategy(schema["items"], depth - 1), max_size=2) if depth else st.just([])
    if "properties" in schema:
        fields = {name: build_strategy(each, depth - 1) for name, each in schema["properties"].items()} if depth else {}
        return st.fixed_dictionaries({}, optional={**fields, "FromTheFuture": ODD_VALUES})
    return build_scalar_strategy(schema)


def build_scalar_strategy(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a plain type, rather such as real answers have."""
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return st.decimals(-(10**9), 10**9, places=2)
    if kind == "boolean":
        return st.booleans()
    return st.sampled_from(["2026-11-21", "2026-11-21T09:00:00", "/Date(1763683200000+0000)/", "AUD", "PF-1", "a" * 36])


@pytest.mark.skipif(not SCHEMA.exists(), reason="Xero's published schema is not here")
@pytest.mark.parametrize("name", XERO_TRANSLATORS)
def test_whatever_xeros_schema_allows_is_read_or_set_aside(name: str) -> None:
    schema, parse, build_columns = XERO_TRANSLATORS[name]

    @how
    @given(build_strategy({"$ref": f"#/components/schemas/{schema}"}))
    def verify(row: Any) -> None:
        unreadable: list[UnreadableRow] = []
        found = parse_rows([row], parse, unreadable)
        assert len(found) + len(unreadable) == 1
        assert all(fault.reason and len(fault.id) <= 60 for fault in unreadable)
        for each in found:
            assert json.dumps(build_columns(each), default=str).isascii()

    verify()


@pytest.mark.parametrize("name", QUICKBOOKS_TRANSLATORS)
def test_whatever_a_row_of_quickbooks_is_it_is_read_or_set_aside(name: str) -> None:
    usual: dict[str, Any] = {
        "Id": st.just("7"),
        "TxnDate": st.just("2026-11-21"),
        "TotalAmt": st.decimals(0, 1000, places=2),
        "Balance": st.decimals(0, 1000, places=2),
        "CurrencyRef": st.just({"value": "AUD"}),
        "CustomerRef": st.just({"value": "5"}),
        "MetaData": st.just({"LastUpdatedTime": "2026-11-21T09:00:00-08:00"}),
        "Line": st.just([{"Amount": 5, "LinkedTxn": [{"TxnId": "9", "TxnType": "CreditMemo"}]}]),
    }
    rows = st.fixed_dictionaries(
        {}, optional={field: st.one_of(usual.get(field, ODD_VALUES), ODD_VALUES) for field in QUICKBOOKS_FIELDS}
    )

    @how
    @given(st.one_of(rows, ODD_VALUES))
    def verify(row: Any) -> None:
        unreadable: list[UnreadableRow] = []
        found = parse_rows([row], QUICKBOOKS_TRANSLATORS[name], unreadable)
        assert len(found) + len(unreadable) == 1

    verify()


# ---- answers that were really given ---------------------------------------------------------------------


def list_paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every place in an answer, as the sandbox names it."""
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in places:
        if "." not in str(name):
            yield ".".join((*path, str(name)))
            yield from list_paths(inner, (*path, str(name)))


def record_answers(case: LedgerCase) -> list[tuple[str, str]]:
    """Every verb with every place in the answers that it was given."""
    provider, found = case.tenant.connection.provider, []
    for verb, call in list_calls(case).items():
        before = case.count_calls()
        try:
            call(open_fresh_ledger(case))
        except (Rejected, Unavailable):
            continue
        for answer in case.tenant.world.journal(provider)[before:]:
            if answer["response_body"].startswith("{"):
                found += [(verb, path) for path in dict.fromkeys(list_paths(json.loads(answer["response_body"])))]
    return found


def test_every_answer_that_was_given_may_be_wrong_in_any_place(ledger_case: LedgerCase) -> None:
    """Reads and writes alike: the reader raises our own errors only, and no verb finds what is not there."""
    calls, places = list_calls(ledger_case), record_answers(ledger_case)
    world, provider = ledger_case.tenant.world, ledger_case.tenant.connection.provider
    assert len(places) > 500

    @over_http
    @given(
        st.sampled_from(places),
        st.sampled_from([None, 7, "UNHEARD", LONG_TEXT, [], {}, [None], True, -5, "\0"]),
        st.booleans(),
    )
    def verify(place: tuple[str, str], value: Any, drop: bool) -> None:
        verb, field = place
        with (
            world.inject_fault(provider, "mutate", field=field, value=value, drop=drop, times=None),
            suppress(Unavailable, Rejected, Disconnected),
        ):
            calls[verb](open_fresh_ledger(ledger_case))

    verify()


def test_every_kind_of_the_mirror_is_translated_here() -> None:
    assert set(MIRROR_KINDS) == {"contacts", "invoices", "credits"}
