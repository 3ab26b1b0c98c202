"""QuickBooks behind the ledger's door: the traps of its SDK shown closed, and its refusals in a bookkeeper's words."""

import json
import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from accounting.ledgers.quickbooks import QuickBooksLedger
from accounting.ledgers.quickbooks_client import as_json
from accounting.ledgers.quickbooks_shapes import display_name, quoted
from accounting.ledgers.words import Written
from connections.budget import Account
from sandbox.launch import Running
from tests.accounting.test_ledger_contract import Desk, desk, on, whom
from tests.people import House, build_house
from wisepay.errors import Disconnected, Rejected, Unavailable

__all__ = ["desk"]
THROTTLED = {
    "Fault": {"Error": [{"Message": "ThrottleExceeded", "Detail": "limit", "code": "3001"}], "type": "ValidationFault"}
}


@pytest.fixture
def any_house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


def steer(desk: Desk, **order: Any) -> None:
    """What somebody else does in the books."""
    desk.house.world.post("/intuit/_control", order)


def journal(desk: Desk, since: int = 0) -> list[dict[str, Any]]:
    return desk.house.world.journal("quickbooks")[since:]


def faulty(code: int) -> dict[str, Any]:
    """A batch whose one element is refused."""
    error = {"Message": "No", "Detail": "No at all", "code": str(code)}
    return {"BatchItemResponse": [{"bId": "0", "Fault": {"Error": [error], "type": "ValidationFault"}}]}


# ---- the SDK's traps --------------------------------------------------------------------------------


def test_every_call_names_the_minor_version_and_every_write_a_request_of_its_own(desk: Desk) -> None:
    whose = desk.contact()
    desk.invoice(whose)
    desk.note(contact_id=whose)
    desk.ledger.read_credit_page(1, since=timezone.now() - timedelta(days=1))
    asked = [parse_qs(urlsplit(e["url"]).query) for e in journal(desk)]
    assert {query["minorversion"][0] for query in asked} == {"75"}
    keys = [q["requestid"][0] for q, e in zip(asked, journal(desk), strict=True) if e["path"].endswith("/batch")]
    assert len(keys) == len(set(keys))
    assert len(keys) >= 3


def test_a_repeat_with_the_same_key_makes_nothing_more(desk: Desk) -> None:
    order = desk.order(desk.contact())
    first = desk.ledger.create_invoices([order], key="again")
    assert desk.ledger.create_invoices([order], key="again") == first
    assert first[0].id


def test_nothing_is_called_when_a_ledger_is_opened(desk: Desk) -> None:
    before = desk.house.world.journal()
    QuickBooksLedger("token", Account.of(desk.house.connection), lane="company")
    assert desk.house.world.journal() == before


def test_the_sdk_never_refreshes_and_never_asks_again(desk: Desk) -> None:
    steer(desk, expire="access")
    tokens, before = len(desk.house.world.journal("quickbooks-oauth")), desk.calls()
    with pytest.raises(Disconnected):
        desk.ledger.read_accounts()
    assert len(desk.house.world.journal("quickbooks-oauth")) == tokens
    assert desk.calls() - before == 1


def test_throttling_that_comes_as_a_fault_of_validation_is_weather(desk: Desk) -> None:
    order = desk.order(desk.contact())
    for status in (200, 400):
        with (
            desk.house.world.faulty("quickbooks", "status", status=status, body=THROTTLED),
            pytest.raises(Unavailable) as caught,
        ):
            QuickBooksLedger(
                desk.house.connection.access_token.reveal(), elsewhere(desk.house, str(status)), lane="company"
            ).create_invoices([order], key="i")
        assert (caught.value.retry_after, caught.value.maybe_done) == (60, False)


def elsewhere(house: House, client_id: str) -> Account:
    """The same company under another app, whose budget nobody has stopped."""
    return Account("quickbooks", client_id, house.connection.organisation_id)


def test_throttling_of_one_element_leaves_the_whole_batch_to_be_looked_for(desk: Desk) -> None:
    order = desk.order(desk.contact())
    body = {"BatchItemResponse": [{"bId": "0", **THROTTLED}]}
    with (
        desk.house.world.faulty("quickbooks", "status", status=200, body=body),
        pytest.raises(Unavailable) as caught,
    ):
        desk.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done


@pytest.mark.parametrize(
    "body", [{}, [], {"BatchItemResponse": []}, {"BatchItemResponse": [{"bId": "0"}]}, {"Fault": 1}]
)
def test_an_answer_of_another_shape_is_no_answer(desk: Desk, body: Any) -> None:
    order = desk.order(desk.contact())
    with desk.house.world.faulty("quickbooks", "status", status=200, body=body), pytest.raises(Unavailable) as caught:
        desk.ledger.create_invoices([order], key="i")
    assert caught.value.maybe_done


def test_a_refused_connection_certainly_did_nothing(desk: Desk, settings: Any) -> None:
    settings.INTUIT_API_URL = "http://127.0.0.1:1/v3"
    with pytest.raises(Unavailable) as caught:
        QuickBooksLedger("token", Account.of(desk.house.connection), lane="company").read_accounts()
    assert not caught.value.maybe_done


def test_two_clients_in_one_process_keep_their_own_tokens(desk: Desk) -> None:
    other = build_house(
        desk.house.world, name="Other IT", email="admin@other-it.example", organisation="nz", provider="quickbooks"
    )
    theirs = QuickBooksLedger(other.connection.access_token.reveal(), Account.of(other.connection), lane="company")
    assert theirs.read_accounts()
    assert desk.ledger.read_accounts()
    crossed = QuickBooksLedger(
        other.connection.access_token.reveal(), Account.of(desk.house.connection), lane="company"
    )
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_each_call_is_logged_with_the_id_that_the_vendors_support_asks_for(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        desk.ledger.read_accounts()
    assert "intuit_tid" in caplog.text


def test_amounts_are_exact_numbers_in_json() -> None:
    text = as_json({"Amount": Decimal("0.10"), "of": [Decimal("99999999.99"), Decimal("1E+3"), "0.1", True, None]})
    assert text == '{"Amount":0.10,"of":[99999999.99,1000,"0.1",true,null]}'
    assert json.loads(text, parse_float=Decimal)["Amount"] == Decimal("0.10")


def test_what_was_sent_to_the_books_has_the_currencys_decimals(desk: Desk) -> None:
    whose, before = desk.contact(), desk.calls()
    desk.invoice(whose, amount=62510)
    [call] = journal(desk, before)
    assert '"Amount":625.10' in call["request_body"]
    assert '"UnitPrice":625.10' in call["request_body"]


@pytest.mark.parametrize("text", ["it's", "back\\", "\\'", "' OR 1 = 1 --", "'' \\\\"])
def test_a_literal_stays_one_in_a_query(desk: Desk, text: str) -> None:
    assert desk.ledger.find_contacts([whom(text)]) == []
    assert quoted(text)[1:-1].replace("\\\\", "").replace("\\'", "").count("'") == 0


# ---- names and numbers ------------------------------------------------------------------------------


def test_two_names_of_which_the_same_can_be_kept_are_two_customers(desk: Desk) -> None:
    colon, tab = whom("North: South", "aaaaaaaaaaaa2222"), whom("North\tSouth", "bbbbbbbbbbbb3333")
    one, other = desk.ledger.create_contacts([colon, tab], key="c")
    assert one.id != other.id
    assert desk.ledger.find_contacts([colon, tab]) == [one, other]
    assert {len(display_name(whom("L" * 400, "a" * 20))), len(display_name(whom("L" * 100, "a" * 20)))} == {100}


def test_a_changed_name_is_never_linked_to_somebody_elses_customer(desk: Desk) -> None:
    mine = whom("North: South", "aaaaaaaaaaaa2222")
    steer(desk, create={"company": "au", "Customer": [{"DisplayName": display_name(mine)}]})
    assert desk.ledger.find_contacts([mine]) == []
    [refused] = desk.ledger.create_contacts([mine], key="c")
    assert "this name already" in refused.refusal


def test_every_number_of_ours_fits_the_books(desk: Desk) -> None:
    assert len("PF_CR-" + "X" * 12 + "-99") == 21


# ---- refusals ---------------------------------------------------------------------------------------


def test_a_number_that_is_taken_is_ours_only_with_our_amount_and_customer(desk: Desk) -> None:
    whose = desk.contact()
    desk.invoice(whose)
    [refused] = desk.ledger.create_invoices([desk.order(whose, amount=100)], key="x")
    assert "has this number already" in refused.refusal
    assert "6140" in refused.refusal
    assert desk.ledger.find_invoices([desk.order(whose, amount=100)]) == []
    assert desk.ledger.find_invoices([desk.order(desk.contact("Somebody else"))]) == []


def test_closed_books_are_said_in_words(desk: Desk) -> None:
    whose = desk.contact()
    steer(desk, close_books={"company": "au", "date": "2026-12-31"})
    [refused] = desk.ledger.create_invoices([desk.order(whose)], key="i")
    assert "books are closed" in refused.refusal


def test_a_customer_that_was_made_inactive_is_said_in_words(desk: Desk) -> None:
    [refused] = desk.ledger.create_invoices([desk.order("999")], key="i")
    assert "deleted or made inactive" in refused.refusal


def test_an_item_without_an_income_account_is_not_offered_and_is_refused_with_a_reason(desk: Desk) -> None:
    assert "Imported without an account" not in {i.name for i in desk.ledger.read_items()}
    [refused] = desk.ledger.create_invoices([desk.order(desk.contact(), item="5")], key="i")
    assert refused.refusal


def test_a_suspended_subscription_is_said_in_words(desk: Desk) -> None:
    whose = desk.contact()
    steer(desk, preferences={"company": "au", "suspended": True})
    [refused] = desk.ledger.create_invoices([desk.order(whose)], key="i")
    assert "subscription" in refused.refusal


def test_a_stale_token_is_read_again_and_the_change_done_once(desk: Desk) -> None:
    whose = desk.contact()
    made = desk.invoice(whose)
    change = desk.order(whose, "PF-1-2", 125000, id=made.id)
    before = desk.calls()
    with desk.house.world.faulty("quickbooks", "status", status=200, body=faulty(5010), path="*/batch", times=1):
        assert desk.ledger.change_invoices([change], key="c") == [Written("PF-1-2", id=made.id)]
    assert desk.writes(before) == 2
    assert desk.ledger.find_changed_invoices([change]) == [Written("PF-1-2", id=made.id)]


def test_a_token_that_is_stale_twice_waits_with_a_reason(desk: Desk) -> None:
    whose = desk.contact()
    change = desk.order(whose, "PF-1-2", 125000, id=desk.invoice(whose).id)
    with desk.house.world.faulty("quickbooks", "status", status=200, body=faulty(5010), path="*/batch", times=2):
        [refused] = desk.ledger.change_invoices([change], key="c")
    assert "Somebody changed this" in refused.refusal


def test_a_refund_that_no_credit_covers_leaves_no_money_paid_out(desk: Desk) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    [refused] = desk.ledger.create_refunds([desk.back(note, whose, 62501)], key="f")
    assert "open balance" in refused.refusal
    [made] = desk.ledger.create_refunds([desk.back(note, whose, 62500)], key="g")
    assert made.id
    assert len(desk.facts().refunds) == 1


def test_a_refund_whose_second_half_was_lost_is_finished_and_not_paid_out_twice(desk: Desk) -> None:
    whose = desk.contact()
    note = desk.note(contact_id=whose)
    order = desk.back(note, whose, 100)
    with (
        desk.house.world.faulty("quickbooks", "status", status=503, path="*/batch", skip=1, times=1),
        pytest.raises(Unavailable),
    ):
        desk.ledger.create_refunds([order], key="f")
    [made] = desk.ledger.find_refunds([order])
    assert made.id
    assert desk.ledger.find_refunds([order]) == [made]
    purchases = [e for e in journal(desk) if '"Purchase"' in (e["request_body"] or "") and e["status"] == 200]
    assert len(purchases) == 1


def test_what_a_bookkeeper_applied_is_told_with_its_invoice(desk: Desk) -> None:
    whose = desk.contact()
    desk.note(contact_id=whose)
    desk.invoice(whose, "INV-9", 30000)
    steer(desk, apply={"company": "au", "credit_memo": "PF_CR-1", "invoice": "INV-9", "amount": "300.00"})
    facts = desk.facts()
    assert [(a.invoice, a.amount.amount) for a in facts.allocations] == [("INV-9", 30000)]
    assert (facts.status, facts.remaining.amount) == ("approved", 32500)
    assert not facts.is_untouched


def test_a_memo_that_somebody_deleted_is_told_by_its_id(desk: Desk) -> None:
    note = desk.note()
    desk.ledger.void_notes([on(note)], key="v")
    page = desk.ledger.read_credit_page(1, since=timezone.now() - timedelta(days=1))
    assert (page.rows, page.gone) == ((), (note.id,))


def test_changes_older_than_a_month_are_read_by_query(desk: Desk) -> None:
    desk.note()
    page = desk.ledger.read_credit_page(1, since=timezone.now() - timedelta(days=60))
    assert [n.number for n in page.rows] == ["PF_CR-1"]


# ---- lists ------------------------------------------------------------------------------------------


def test_all_lists_are_one_call(desk: Desk) -> None:
    before = desk.calls()
    held = desk.house.connection
    ledger = QuickBooksLedger(held.access_token.reveal(), Account.of(held), lane="company")
    assert ledger.read_accounts()
    assert ledger.read_tax_codes()
    assert ledger.read_items()
    assert desk.calls() - before == 1


def test_codes_for_purchases_are_not_offered_for_sales(desk: Desk) -> None:
    assert "GST on non-capital" not in {c.name for c in desk.ledger.read_tax_codes()}


def test_the_item_is_made_once_and_points_to_the_prepayments_account(desk: Desk) -> None:
    account = desk.chosen.prepayments_account
    made = desk.ledger.make_item("Wise-Pay quote payments", account=account, key="m")
    assert desk.ledger.make_item("Wise-Pay quote payments", account=account, key="n") == made
    assert made.account == account
    with pytest.raises(Rejected, match="another income account"):
        desk.ledger.make_item("Wise-Pay quote payments", account=desk.chosen.clearing_account, key="o")
    invoice = desk.ledger.create_invoices([desk.order(desk.contact(), item=made.code)], key="i")
    assert invoice[0].id


@pytest.mark.parametrize(("organisation", "currency"), [("us", "USD"), ("au", "AUD"), ("nz", "NZD")])
def test_a_pair_has_no_tax_in_any_country(desk: Desk, organisation: str, currency: str, drain: Any) -> None:
    house = desk.house
    if organisation != "au":
        house = build_house(
            house.world, name="Prairie", email="a@b.example", organisation=organisation, provider="quickbooks"
        )
    house.open_checkout(quote={"currency": currency}).pay()
    drain()
    made = [e for e in house.world.journal("quickbooks") if '"CreditMemo"' in (e["request_body"] or "")]
    rows = json.loads(made[-1]["response_body"], parse_float=Decimal)["BatchItemResponse"]
    documents = [row.get("Invoice") or row["CreditMemo"] for row in rows]
    assert [(d["TotalAmt"], d["TxnTaxDetail"]["TotalTax"]) for d in documents] == [(625, 0), (625, 0)]
