"""The Xero ledger: the traps of its SDK, and what only Xero has: drafts and voided credit notes."""

from typing import Any

import pytest

from accounting.ledgers.protocol import RemoteCreditNote, WriteResult
from accounting.ledgers.xero.ledger import XeroLedger
from connections.rate_limiter.limiter import BudgetAccount
from tests.accounting.ledgers.ledger_case import LedgerCase, aud, build_credit_note_order
from tests.tenants import Tenant
from wisepay.errors import Disconnected, Rejected, Unavailable


@pytest.fixture
def any_tenant(tenant: Tenant) -> Tenant:
    """A merchant whose books are Xero's."""
    return tenant


def create_draft(ledger_case: LedgerCase, number: str = "PF_CR-1") -> WriteResult:
    """A credit note that moves no money yet."""
    [made] = ledger_case.ledger.create_draft_credit_notes(
        [ledger_case.build_document_order(ledger_case.create_contact(number), number)], key=f"d-{number}"
    )
    assert made.id, made.refusal
    return made


# ---- the SDK's traps --------------------------------------------------------------------------------


def test_a_refused_connection_certainly_did_nothing(tenant: Tenant, settings: Any) -> None:
    settings.XERO_API_URL = "http://127.0.0.1:1/api.xro/2.0"
    ledger = XeroLedger("token", BudgetAccount.from_owner(tenant.connection), priority="company")
    with pytest.raises(Unavailable) as caught:
        ledger.read_accounts()
    assert not caught.value.maybe_done


def test_a_revoked_token_is_disconnected(ledger_case: LedgerCase) -> None:
    ledger_case.tenant.world.post("/xero/_control", {"revoke": ledger_case.tenant.user.email})
    with pytest.raises(Disconnected):
        ledger_case.ledger.read_accounts()


def test_two_clients_in_one_process_keep_their_own_tokens(ledger_case: LedgerCase, stranger: Tenant) -> None:
    theirs = XeroLedger(
        stranger.connection.access_token.decrypt(), BudgetAccount.from_owner(stranger.connection), priority="company"
    )
    assert ledger_case.ledger.read_accounts()
    assert theirs.read_accounts()
    crossed = XeroLedger(
        stranger.connection.access_token.decrypt(),
        BudgetAccount.from_owner(ledger_case.tenant.connection),
        priority="company",
    )
    with pytest.raises(Disconnected):
        crossed.read_accounts()


def test_the_sdk_never_refreshes(tenant: Tenant) -> None:
    tenant.world.post("/xero/_control", {"expire": "access"})
    before = len(tenant.world.journal("xero-oauth"))
    ledger = XeroLedger(
        tenant.connection.access_token.decrypt(), BudgetAccount.from_owner(tenant.connection), priority="company"
    )
    with pytest.raises(Disconnected):
        ledger.read_accounts()
    assert len(tenant.world.journal("xero-oauth")) == before


@pytest.mark.parametrize("verb", ["approve_credit_notes", "remove_draft_credit_notes"])
def test_a_dropped_answer_to_a_change_is_one_execution(ledger_case: LedgerCase, verb: str) -> None:
    made = create_draft(ledger_case)
    world = ledger_case.tenant.world
    with world.inject_fault("xero", "drop_after", method="POST", path="/CreditNotes*"), pytest.raises(Unavailable):
        getattr(ledger_case.ledger, verb)([build_credit_note_order(made)], key="k")
    assert len([e for e in world.journal("xero") if e["method"] == "POST"]) == 1
    assert (
        ledger_case.read_credit_note().status
        == {"approve_credit_notes": "approved", "remove_draft_credit_notes": "removed"}[verb]
    )


def test_nothing_is_not_read_as_the_word_none(ledger_case: LedgerCase) -> None:
    contact_id = ledger_case.create_contact()
    rows = {c.id: c for c in ledger_case.ledger.read_contact_page(1, since=None).rows}
    assert contact_id in rows
    assert "None" not in {text for c in rows.values() for text in (c.name, c.email)}


def test_a_batch_that_is_refused_as_a_whole_says_why(ledger_case: LedgerCase) -> None:
    order = ledger_case.build_document_order(ledger_case.create_contact())
    body = {"Type": "ValidationException", "Message": "The organisation is locked", "Elements": []}
    with (
        ledger_case.tenant.world.inject_fault("xero", "status", path="/Invoices*", status=400, body=body),
        pytest.raises(Rejected) as caught,
    ):
        ledger_case.ledger.create_invoices([order], key="i")
    assert "locked" in caught.value.message


# ---- drafts and voided notes ------------------------------------------------------------------------


def test_a_draft_is_approved_once_and_then_found_approved(ledger_case: LedgerCase) -> None:
    made, ledger = create_draft(ledger_case), ledger_case.ledger
    assert ledger.find_credit_notes([ledger_case.build_document_order("", "PF_CR-1")]) == [made]
    assert ledger.find_approved_credit_notes([build_credit_note_order(made)]) == []
    assert ledger.approve_credit_notes([build_credit_note_order(made)], key="a") == [made]
    assert ledger.find_approved_credit_notes([build_credit_note_order(made)]) == [made]
    assert ledger.find_approved_credit_notes([build_credit_note_order(made, amount=1)]) == []
    assert ledger.approve_credit_notes([build_credit_note_order(made)], key="a2") == [made]
    assert ledger_case.read_credit_note() == RemoteCreditNote("PF_CR-1", made.id, "approved", aud(62500), aud(62500))


def test_a_draft_is_removed_and_an_approved_note_is_not(ledger_case: LedgerCase) -> None:
    gone, stays, ledger = create_draft(ledger_case), ledger_case.create_credit_note("PF_CR-2"), ledger_case.ledger
    assert ledger.find_removed_draft_credit_notes([build_credit_note_order(gone)]) == []
    removed, refused = ledger.remove_draft_credit_notes(
        [build_credit_note_order(gone), build_credit_note_order(stays)], key="r"
    )
    assert removed == gone
    assert (refused.id, "DELETED" in refused.refusal) == ("", True)
    assert ledger.find_removed_draft_credit_notes([build_credit_note_order(gone), build_credit_note_order(stays)]) == [
        gone
    ]
    assert (ledger_case.read_credit_note().status, ledger_case.read_credit_note("PF_CR-2").status) == (
        "removed",
        "approved",
    )
    assert ledger.find_credit_notes([ledger_case.build_document_order("", "PF_CR-1")]) == []


def test_a_voided_note_is_still_read(ledger_case: LedgerCase) -> None:
    note = ledger_case.create_credit_note()
    assert ledger_case.ledger.void_credit_notes([build_credit_note_order(note)], key="v") == [note]
    assert ledger_case.read_credit_note().status == "voided"
