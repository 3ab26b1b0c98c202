"""QuickBooks behind the ledger's door: the traps of its SDK shown closed, and its refusals in a bookkeeper's words."""

import json
import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from accounting.ledgers.protocol import WriteResult
from accounting.ledgers.quickbooks.client import dump_json
from accounting.ledgers.quickbooks.ledger import QuickBooksLedger
from accounting.ledgers.quickbooks.shapes import build_display_name, quote_literal
from connections.rate_limiter.limiter import BudgetAccount
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.ledgers.ledger_case import LedgerCase, build_contact_order, build_credit_note_order
from tests.tenants import Tenant, create_tenant
from wisepay.errors import Disconnected, Rejected, Unavailable

THROTTLED = {
    "Fault": {"Error": [{"Message": "ThrottleExceeded", "Detail": "limit", "code": "3001"}], "type": "ValidationFault"}
}


@pytest.fixture
def any_tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose books are QuickBooks'."""
    return create_tenant(world, provider="quickbooks")


def change_in_quickbooks(ledger_case: LedgerCase, **order: Any) -> None:
    """What somebody else does in the books."""
    ledger_case.tenant.world.post("/intuit/_control", order)


def list_exchanges(ledger_case: LedgerCase, since: int = 0) -> list[dict[str, Any]]:
    return ledger_case.tenant.world.journal("quickbooks")[since:]


def build_refused_batch(code: int) -> dict[str, Any]:
    """A batch whose one element is refused."""
    error = {"Message": "No", "Detail": "No at all", "code": str(code)}
    return {"BatchItemResponse": [{"bId": "0", "Fault": {"Error": [error], "type": "ValidationFault"}}]}


# ---- the SDK's traps --------------------------------------------------------------------------------


def test_every_call_names_the_minor_version_and_every_write_a_request_of_its_own(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    ledger_case.create_invoice(whose)
    ledger_case.create_credit_note(contact_id=whose)
    ledger_case.ledger.read_credit_note_page(1, since=timezone.now() - timedelta(days=1))
    asked = [parse_qs(urlsplit(e["url"]).query) for e in list_exchanges(ledger_case)]
    assert {query["minorversion"][0] for query in asked} == {"75"}
    keys = [
        q["requestid"][0]
        for q, e in zip(asked, list_exchanges(ledger_case), strict=True)
        if e["path"].endswith("/batch")
    ]
    assert 3 <= len(keys) == len(set(keys))


def test_a_repeat_with_the_same_key_makes_nothing_more(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    first = ledger_case.ledger.create_invoices([order], key="again")
    assert ledger_case.ledger.create_invoices([order], key="again") == first
    assert first[0].id


def test_nothing_is_called_when_a_ledger_is_opened(ledger_case: LedgerCase) -> None:
    before = ledger_case.tenant.world.journal()
    QuickBooksLedger("token", BudgetAccount.from_owner(ledger_case.tenant.connection), priority="company")
    assert ledger_case.tenant.world.journal() == before


def test_the_sdk_never_refreshes_and_never_asks_again(ledger_case: LedgerCase) -> None:
    change_in_quickbooks(ledger_case, expire="access")
    tokens, before = len(ledger_case.tenant.world.journal("quickbooks-oauth")), ledger_case.count_calls()
    with pytest.raises(Disconnected):
        ledger_case.ledger.read_accounts()
    assert len(ledger_case.tenant.world.journal("quickbooks-oauth")) == tokens
    assert ledger_case.count_calls() - before == 1


def test_throttling_that_comes_as_a_fault_of_validation_is_unavailable(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    for status in (200, 400):
        with (
            ledger_case.tenant.world.inject_fault("quickbooks", "status", status=status, body=THROTTLED),
            pytest.raises(Unavailable) as caught,
        ):
            QuickBooksLedger(
                ledger_case.tenant.connection.access_token.decrypt(),
                build_other_account(ledger_case.tenant, str(status)),
                priority="company",
            ).create_invoices([order], key="i")
        assert (caught.value.retry_after, caught.value.maybe_done) == (60, False)


def build_other_account(tenant: Tenant, client_id: str) -> BudgetAccount:
    """The same company under another app, whose budget nobody has stopped."""
    return BudgetAccount("quickbooks", client_id, tenant.connection.organisation_id)


def test_throttling_of_one_element_leaves_the_whole_batch_to_be_looked_for(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    body = {"BatchItemResponse": [{"bId": "0", **THROTTLED}]}
    with (
        ledger_case.tenant.world.inject_fault("quickbooks", "status", status=200, body=body),
        pytest.raises(Unavailable) as caught,
    ):
        ledger_case.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done


@pytest.mark.parametrize("body", [{}, [], {"BatchItemResponse": []}, {"Fault": 1}])
def test_an_answer_of_another_shape_is_no_answer(ledger_case: LedgerCase, body: Any) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    with (
        ledger_case.tenant.world.inject_fault("quickbooks", "status", status=200, body=body),
        pytest.raises(Unavailable) as caught,
    ):
        ledger_case.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done


@pytest.mark.parametrize("element", [{"bId": "0"}, {"bId": "0", "Invoice": []}, {"bId": "0", "Invoice": {"Id": ""}}])
def test_an_element_of_another_shape_decides_nothing_about_its_document(ledger_case: LedgerCase, element: Any) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    body = {"BatchItemResponse": [element]}
    with ledger_case.tenant.world.inject_fault("quickbooks", "status", status=200, body=body):
        [result] = ledger_case.ledger.create_invoices([order], key="i")
    assert (bool(result.unreadable), result.id, result.refusal) == (True, "", "")


def test_a_refused_connection_certainly_did_nothing(ledger_case: LedgerCase, settings: Any) -> None:
    settings.INTUIT_API_URL = "http://127.0.0.1:1/v3"
    with pytest.raises(Unavailable) as caught:
        QuickBooksLedger(
            "token", BudgetAccount.from_owner(ledger_case.tenant.connection), priority="company"
        ).read_accounts()
    assert not caught.value.maybe_done


def test_two_clients_in_one_process_keep_their_own_tokens(ledger_case: LedgerCase) -> None:
    other = create_tenant(
        ledger_case.tenant.world,
        name="Other IT",
        email="admin@other-it.example",
        organisation="nz",
        provider="quickbooks",
    )
    theirs = QuickBooksLedger(
        other.connection.access_token.decrypt(), BudgetAccount.from_owner(other.connection), priority="company"
    )
    assert theirs.read_accounts()
    assert ledger_case.ledger.read_accounts()
    crossed = QuickBooksLedger(
        other.connection.access_token.decrypt(),
        BudgetAccount.from_owner(ledger_case.tenant.connection),
        priority="company",
    )
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_each_call_is_logged_with_the_id_that_the_vendors_support_asks_for(
    ledger_case: LedgerCase, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        ledger_case.ledger.read_accounts()
    assert "intuit_tid" in caplog.text


def test_amounts_are_exact_numbers_in_json() -> None:
    text = dump_json({"Amount": Decimal("0.10"), "of": [Decimal("99999999.99"), Decimal("1E+3"), "0.1", True, None]})
    assert text == '{"Amount":0.10,"of":[99999999.99,1000,"0.1",true,null]}'
    assert json.loads(text, parse_float=Decimal)["Amount"] == Decimal("0.10")


def test_what_was_sent_to_the_books_has_the_currencys_decimals(ledger_case: LedgerCase) -> None:
    whose, before = ledger_case.create_contact(), ledger_case.count_calls()
    ledger_case.create_invoice(whose, amount=62510)
    [call] = list_exchanges(ledger_case, before)
    assert '"Amount":625.10' in call["request_body"]
    assert '"UnitPrice":625.10' in call["request_body"]


@pytest.mark.parametrize("text", ["it's", "back\\", "\\'", "' OR 1 = 1 --", "'' \\\\"])
def test_a_literal_stays_one_in_a_query(ledger_case: LedgerCase, text: str) -> None:
    assert ledger_case.ledger.find_contacts([build_contact_order(text)]) == []
    assert quote_literal(text)[1:-1].replace("\\\\", "").replace("\\'", "").count("'") == 0


# ---- names and numbers ------------------------------------------------------------------------------


def test_two_names_of_which_the_same_can_be_stored_are_two_customers(ledger_case: LedgerCase) -> None:
    colon, tab = (
        build_contact_order("North: South", "aaaaaaaaaaaa2222"),
        build_contact_order("North\tSouth", "bbbbbbbbbbbb3333"),
    )
    one, other = ledger_case.ledger.create_contacts([colon, tab], key="c")
    assert one.id != other.id
    assert ledger_case.ledger.find_contacts([colon, tab]) == [one, other]
    assert {
        len(build_display_name(build_contact_order("L" * 400, "a" * 20))),
        len(build_display_name(build_contact_order("L" * 100, "a" * 20))),
    } == {100}


def test_a_changed_name_is_never_linked_to_somebody_elses_customer(ledger_case: LedgerCase) -> None:
    order = build_contact_order("North: South", "aaaaaaaaaaaa2222")
    change_in_quickbooks(
        ledger_case, create={"company": "au", "Customer": [{"DisplayName": build_display_name(order)}]}
    )
    assert ledger_case.ledger.find_contacts([order]) == []
    [refused] = ledger_case.ledger.create_contacts([order], key="c")
    assert "this name already" in refused.refusal


def test_every_number_of_ours_fits_the_books(ledger_case: LedgerCase) -> None:
    assert len("PF_CR-" + "X" * 12 + "-99") == 21


# ---- refusals ---------------------------------------------------------------------------------------


def test_a_number_that_is_taken_is_ours_only_with_our_amount_and_customer(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    ledger_case.create_invoice(whose)
    [refused] = ledger_case.ledger.create_invoices([ledger_case.build_document_order(whose, amount=100)], key="x")
    assert "has this number already" in refused.refusal
    assert "6140" in refused.refusal
    assert ledger_case.ledger.find_invoices([ledger_case.build_document_order(whose, amount=100)]) == []
    assert (
        ledger_case.ledger.find_invoices(
            [ledger_case.build_document_order(ledger_case.create_contact("Somebody else"))]
        )
        == []
    )


def test_closed_books_are_explained(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    change_in_quickbooks(ledger_case, close_books={"company": "au", "date": "2026-12-31"})
    [refused] = ledger_case.ledger.create_invoices([ledger_case.build_document_order(whose)], key="i")
    assert "books are closed" in refused.refusal


def test_a_customer_that_was_made_inactive_is_explained(ledger_case: LedgerCase) -> None:
    [refused] = ledger_case.ledger.create_invoices([ledger_case.build_document_order("999")], key="i")
    assert "deleted or made inactive" in refused.refusal


def test_an_item_without_an_income_account_is_not_offered_and_is_refused_with_a_reason(ledger_case: LedgerCase) -> None:
    assert "Imported without an account" not in {i.name for i in ledger_case.ledger.read_items()}
    [refused] = ledger_case.ledger.create_invoices(
        [ledger_case.build_document_order(ledger_case.create_contact(), item="5")], key="i"
    )
    assert refused.refusal


def test_a_suspended_subscription_is_explained(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    change_in_quickbooks(ledger_case, preferences={"company": "au", "suspended": True})
    [refused] = ledger_case.ledger.create_invoices([ledger_case.build_document_order(whose)], key="i")
    assert "subscription" in refused.refusal


def test_a_stale_token_is_read_again_and_the_change_done_once(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    made = ledger_case.create_invoice(whose)
    change = ledger_case.build_document_order(whose, "PF-1-2", 125000, id=made.id)
    before = ledger_case.count_calls()
    with ledger_case.tenant.world.inject_fault(
        "quickbooks", "status", status=200, body=build_refused_batch(5010), path="*/batch", times=1
    ):
        assert ledger_case.ledger.update_invoices([change], key="c") == [WriteResult("PF-1-2", id=made.id)]
    assert ledger_case.count_writes(before) == 2
    assert ledger_case.ledger.find_updated_invoices([change]) == [WriteResult("PF-1-2", id=made.id)]


def test_a_token_that_is_stale_twice_waits_with_a_reason(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    change = ledger_case.build_document_order(whose, "PF-1-2", 125000, id=ledger_case.create_invoice(whose).id)
    with ledger_case.tenant.world.inject_fault(
        "quickbooks", "status", status=200, body=build_refused_batch(5010), path="*/batch", times=2
    ):
        [refused] = ledger_case.ledger.update_invoices([change], key="c")
    assert "Somebody changed this" in refused.refusal


def test_a_refund_that_no_credit_covers_leaves_no_money_paid_out(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    [refused] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 62501)], key="f")
    assert "open balance" in refused.refusal
    [made] = ledger_case.ledger.create_refunds([ledger_case.build_refund_order(note, whose, 62500)], key="g")
    assert made.id
    assert len(ledger_case.read_credit_note().refunds) == 1


def test_a_refund_whose_second_half_was_lost_is_finished_and_not_paid_out_twice(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    note = ledger_case.create_credit_note(contact_id=whose)
    order = ledger_case.build_refund_order(note, whose, 100)
    with (
        ledger_case.tenant.world.inject_fault("quickbooks", "status", status=503, path="*/batch", skip=1, times=1),
        pytest.raises(Unavailable),
    ):
        ledger_case.ledger.create_refunds([order], key="f")
    [made] = ledger_case.ledger.find_refunds([order])
    assert made.id
    assert ledger_case.ledger.find_refunds([order]) == [made]
    purchases = [
        e for e in list_exchanges(ledger_case) if '"Purchase"' in (e["request_body"] or "") and e["status"] == 200
    ]
    assert len(purchases) == 1


def test_what_a_bookkeeper_applied_is_read_with_its_invoice(ledger_case: LedgerCase) -> None:
    whose = ledger_case.create_contact()
    ledger_case.create_credit_note(contact_id=whose)
    ledger_case.create_invoice(whose, "INV-9", 30000)
    change_in_quickbooks(
        ledger_case, apply={"company": "au", "credit_memo": "PF_CR-1", "invoice": "INV-9", "amount": "300.00"}
    )
    facts = ledger_case.read_credit_note()
    assert [(a.invoice, a.amount.amount) for a in facts.allocations] == [("INV-9", 30000)]
    assert (facts.status, facts.remaining.amount) == ("approved", 32500)
    assert not facts.is_unused


def test_a_memo_that_somebody_deleted_is_found_by_its_id(ledger_case: LedgerCase) -> None:
    note = ledger_case.create_credit_note()
    ledger_case.ledger.void_credit_notes([build_credit_note_order(note)], key="v")
    page = ledger_case.ledger.read_credit_note_page(1, since=timezone.now() - timedelta(days=1))
    assert (page.rows, page.tombstones) == ((), (note.id,))


def test_changes_older_than_a_month_are_read_by_query(ledger_case: LedgerCase) -> None:
    ledger_case.create_credit_note()
    page = ledger_case.ledger.read_credit_note_page(1, since=timezone.now() - timedelta(days=60))
    assert [n.number for n in page.rows] == ["PF_CR-1"]


# ---- lists ------------------------------------------------------------------------------------------


def test_all_lists_are_one_call(ledger_case: LedgerCase) -> None:
    before = ledger_case.count_calls()
    connection = ledger_case.tenant.connection
    ledger = QuickBooksLedger(
        connection.access_token.decrypt(), BudgetAccount.from_owner(connection), priority="company"
    )
    assert ledger.read_accounts()
    assert ledger.read_tax_codes()
    assert ledger.read_items()
    assert ledger_case.count_calls() - before == 1


def test_codes_for_purchases_are_not_offered_for_sales(ledger_case: LedgerCase) -> None:
    assert "GST on non-capital" not in {c.name for c in ledger_case.ledger.read_tax_codes()}


def test_the_item_is_made_once_and_points_to_the_prepayments_account(ledger_case: LedgerCase) -> None:
    account = ledger_case.settings.prepayments_account
    made = ledger_case.ledger.get_or_create_item("Wise-Pay quote payments", account=account, key="m")
    assert ledger_case.ledger.get_or_create_item("Wise-Pay quote payments", account=account, key="n") == made
    assert made.account == account
    with pytest.raises(Rejected, match="another income account"):
        ledger_case.ledger.get_or_create_item(
            "Wise-Pay quote payments", account=ledger_case.settings.clearing_account, key="o"
        )
    invoice = ledger_case.ledger.create_invoices(
        [ledger_case.build_document_order(ledger_case.create_contact(), item=made.code)], key="i"
    )
    assert invoice[0].id


@pytest.mark.parametrize(("organisation", "currency"), [("us", "USD"), ("au", "AUD"), ("nz", "NZD")])
def test_a_pair_has_no_tax_in_any_country(
    ledger_case: LedgerCase, organisation: str, currency: str, deliver: Any
) -> None:
    tenant = ledger_case.tenant
    if organisation != "au":
        tenant = create_tenant(
            tenant.world, name="Prairie", email="a@b.example", organisation=organisation, provider="quickbooks"
        )
    tenant.open_checkout(quote={"currency": currency}).pay()
    deliver()
    made = [e for e in tenant.world.journal("quickbooks") if '"CreditMemo"' in (e["request_body"] or "")]
    rows = json.loads(made[-1]["response_body"], parse_float=Decimal)["BatchItemResponse"]
    documents = [row.get("Invoice") or row["CreditMemo"] for row in rows]
    assert [(d["TotalAmt"], d["TxnTaxDetail"]["TotalTax"]) for d in documents] == [(625, 0), (625, 0)]
