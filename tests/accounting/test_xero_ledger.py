"""Xero behind the ledger's door: the traps of its SDK shown closed, and what only Xero has: drafts, voided notes."""

from typing import Any

import pytest

from accounting.ledgers.words import NoteFacts, Written
from accounting.ledgers.xero import XeroLedger
from connections.budget import Account
from tests.accounting.test_ledger_contract import Desk, aud, desk, on
from tests.people import House
from wisepay.errors import Disconnected, Rejected, Unavailable

__all__ = ["desk"]


@pytest.fixture
def any_house(house: House) -> House:
    """A merchant whose books are Xero's."""
    return house


def draft(desk: Desk, number: str = "PF_CR-1") -> Written:
    """A credit note that moves no money yet."""
    [made] = desk.ledger.create_draft_notes([desk.order(desk.contact(number), number)], key=f"d-{number}")
    assert made.id, made.refusal
    return made


# ---- the SDK's traps --------------------------------------------------------------------------------


def test_a_refused_connection_certainly_did_nothing(house: House, settings: Any) -> None:
    settings.XERO_API_URL = "http://127.0.0.1:1/api.xro/2.0"
    ledger = XeroLedger("token", Account.of(house.connection), lane="company")
    with pytest.raises(Unavailable) as caught:
        ledger.read_accounts()
    assert not caught.value.maybe_done


def test_a_revoked_token_is_disconnected(desk: Desk) -> None:
    desk.house.world.post("/xero/_control", {"revoke": desk.house.user.email})
    with pytest.raises(Disconnected):
        desk.ledger.read_accounts()


def test_two_clients_in_one_process_keep_their_own_tokens(desk: Desk, stranger: House) -> None:
    theirs = XeroLedger(stranger.connection.access_token.reveal(), Account.of(stranger.connection), lane="company")
    assert desk.ledger.read_accounts()
    assert theirs.read_accounts()
    crossed = XeroLedger(stranger.connection.access_token.reveal(), Account.of(desk.house.connection), lane="company")
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_the_sdk_never_refreshes(house: House) -> None:
    house.world.post("/xero/_control", {"expire": "access"})
    before = len(house.world.journal("xero-oauth"))
    ledger = XeroLedger(house.connection.access_token.reveal(), Account.of(house.connection), lane="company")
    with pytest.raises(Disconnected):
        ledger.read_accounts()
    assert len(house.world.journal("xero-oauth")) == before


@pytest.mark.parametrize("verb", ["approve_notes", "remove_drafts"])
def test_a_dropped_answer_to_a_change_is_one_execution(desk: Desk, verb: str) -> None:
    made = draft(desk)
    world = desk.house.world
    with world.faulty("xero", "drop_after", method="POST", path="/CreditNotes*"), pytest.raises(Unavailable):
        getattr(desk.ledger, verb)([on(made)], key="k")
    assert len([e for e in world.journal("xero") if e["method"] == "POST"]) == 1
    assert desk.facts().status == {"approve_notes": "approved", "remove_drafts": "removed"}[verb]


def test_nothing_is_not_read_as_the_word_none(desk: Desk) -> None:
    contact_id = desk.contact()
    rows = {c.id: c for c in desk.ledger.read_contact_page(1, since=None).rows}
    assert contact_id in rows
    assert "None" not in {text for c in rows.values() for text in (c.name, c.email)}


def test_a_batch_that_is_refused_as_a_whole_says_why(desk: Desk) -> None:
    order = desk.order(desk.contact())
    body = {"Type": "ValidationException", "Message": "The organisation is locked", "Elements": []}
    with (
        desk.house.world.faulty("xero", "status", path="/Invoices*", status=400, body=body),
        pytest.raises(Rejected) as caught,
    ):
        desk.ledger.create_invoices([order], key="i")
    assert "locked" in caught.value.message


# ---- drafts and voided notes ------------------------------------------------------------------------


def test_a_draft_is_approved_once_and_then_found_approved(desk: Desk) -> None:
    made, ledger = draft(desk), desk.ledger
    assert ledger.find_credit_notes([desk.order("", "PF_CR-1")]) == [made]
    assert ledger.find_approved_notes([on(made)]) == []
    assert ledger.approve_notes([on(made)], key="a") == [made]
    assert ledger.find_approved_notes([on(made)]) == [made]
    assert ledger.find_approved_notes([on(made, amount=1)]) == []
    assert ledger.approve_notes([on(made)], key="a2") == [made]
    assert desk.facts() == NoteFacts("PF_CR-1", made.id, "approved", aud(62500), aud(62500))


def test_a_draft_is_removed_and_an_approved_note_is_not(desk: Desk) -> None:
    gone, stays, ledger = draft(desk), desk.note("PF_CR-2"), desk.ledger
    assert ledger.find_removed_drafts([on(gone)]) == []
    removed, refused = ledger.remove_drafts([on(gone), on(stays)], key="r")
    assert removed == gone
    assert (refused.id, "DELETED" in refused.refusal) == ("", True)
    assert ledger.find_removed_drafts([on(gone), on(stays)]) == [gone]
    assert (desk.facts().status, desk.facts("PF_CR-2").status) == ("removed", "approved")
    assert ledger.find_credit_notes([desk.order("", "PF_CR-1")]) == []


def test_a_voided_note_is_still_read(desk: Desk) -> None:
    note = desk.note()
    assert desk.ledger.void_notes([on(note)], key="v") == [note]
    assert desk.facts().status == "voided"
