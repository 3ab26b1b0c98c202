"""Bank debits in the ledger: a draft, then exactly one approved credit or none, in whatever order events come."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import CreditNote, Posting
from accounting.posting.services import retry_postings
from connections.models import Connection
from tests.accounting.posting.debits import (
    AttemptScenario,
    hold_messages,
    list_credit_notes,
    list_ledger_payments,
    list_pf_invoices,
    redeliver_messages,
    release_messages,
    set_credit_note_status,
    submit_debit,
)
from tests.tenants import Tenant, connect_xero

DeliverOutbox = Callable[..., int]
SETTLED = {"draft_note": "posted", "approval": "posted", "invoice": "posted", "payment": "posted"}


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def get_credit_note_number(debit: AttemptScenario, nth: str = "") -> str:
    return f"PF_CR-{debit.payment.reference[:12].upper()}{nth}"


def verify_settled(tenant: Tenant, debit: AttemptScenario) -> None:
    """Exactly one approved credit, and the invoice paid once."""
    assert list_credit_notes(tenant) == [(get_credit_note_number(debit), "AUTHORISED", 625.0)]
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]
    assert [(status, amount) for _, status, amount in list_ledger_payments(tenant)] == [("AUTHORISED", 625.0)]
    assert (debit.note.state, debit.note.remaining) == ("approved", 62500)
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def verify_nothing(tenant: Tenant, debit: AttemptScenario) -> None:
    """No credit and no money."""
    assert [status for _, status, _ in list_credit_notes(tenant)] in ([], ["DELETED"])
    assert list_pf_invoices(tenant) == []
    assert debit.note.state == "removed"
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_a_submitted_debit_is_a_draft_and_no_money(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    assert list_credit_notes(tenant) == [(get_credit_note_number(debit), "DRAFT", 625.0)]
    assert (list_pf_invoices(tenant), list_ledger_payments(tenant)) == ([], [])
    assert (debit.note.state, debit.states) == ("draft", {"draft_note": "posted"})


def test_a_settled_debit_approves_its_draft(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    deliver()
    verify_settled(tenant, debit)
    assert debit.states == SETTLED


def test_a_failed_debit_removes_its_draft(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.fail()
    deliver()
    verify_nothing(tenant, debit)
    assert debit.states == {"draft_note": "posted", "removal": "posted"}


def test_a_debit_that_settles_before_its_draft_was_sent_needs_no_draft(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    Connection.objects.update(blocked_until=later(20))
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    deliver()
    assert debit.states["draft_note"] == "cancelled"
    deliver(at=later())
    verify_settled(tenant, debit)
    assert "approval" not in debit.states


def test_a_debit_that_fails_before_its_draft_was_sent_is_never_posted(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    Connection.objects.update(blocked_until=later(20))
    debit = submit_debit(tenant)
    deliver()
    debit.fail()
    deliver(at=later())
    assert debit.states == {"draft_note": "cancelled"}
    assert list_credit_notes(tenant) == []
    verify_nothing(tenant, debit)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("end", ["settle", "fail", "reverse"])
def test_a_debit_that_ends_while_its_draft_is_sent_is_looked_for_first(
    tenant: Tenant, deliver: DeliverOutbox, kind: str, end: str
) -> None:
    tenant.world.fault("xero", kind, method="PUT", path="/CreditNotes*", times=1)
    debit = submit_debit(tenant)
    deliver()
    assert debit.states == {"draft_note": "sent"}
    if end == "reverse":
        debit.settle()
    getattr(debit, end)()
    deliver()
    deliver(at=later())
    if end == "settle":
        verify_settled(tenant, debit)
    else:
        assert [status for _, status, _ in list_credit_notes(tenant)] in ([], ["DELETED"], ["VOIDED"])
        assert debit.note.state in ("removed", "voided")
        assert list_ledger_payments(tenant) == []
        assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/CreditNotes*"), ("PUT", "/Invoices*"), ("PUT", "/Payments*")])
def test_an_outage_at_any_call_of_the_settlement_ends_with_one_approved_credit(
    tenant: Tenant, deliver: DeliverOutbox, kind: str, method: str, path: str
) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    tenant.world.fault("xero", kind, method=method, path=path, times=1)
    deliver()
    assert Posting.objects.filter(state__in=["sent", "pending"]).exists()
    deliver(at=later())
    verify_settled(tenant, debit)
    assert debit.states == SETTLED


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
def test_an_outage_at_the_removal_ends_with_no_draft(tenant: Tenant, deliver: DeliverOutbox, kind: str) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.fail()
    tenant.world.fault("xero", kind, method="POST", path="/CreditNotes*", times=1)
    deliver()
    assert debit.states["removal"] == "sent"
    deliver(at=later())
    verify_nothing(tenant, debit)


@pytest.mark.parametrize("end", ["settle", "fail"])
def test_news_that_comes_in_the_wrong_order_ends_the_same(tenant: Tenant, deliver: DeliverOutbox, end: str) -> None:
    debit = submit_debit(tenant)
    hold_messages("accounting.post_debit")
    getattr(debit, end)()
    deliver()
    release_messages("accounting.post_debit")
    deliver()
    if end == "settle":
        verify_settled(tenant, debit)
    else:
        assert list_credit_notes(tenant) == []
        assert not CreditNote.objects.exists()


def test_news_that_comes_twice_changes_nothing(tenant: Tenant, deliver: DeliverOutbox) -> None:
    settled, failed = submit_debit(tenant), submit_debit(tenant)
    deliver()
    settled.settle()
    failed.fail()
    deliver()
    before = len(tenant.world.journal("xero"))
    for handler in ("accounting.post_debit", "accounting.post_payment", "accounting.drop_debit"):
        redeliver_messages(handler)
    deliver()
    assert len(tenant.world.journal("xero")) == before
    assert (settled.states, failed.states) == (SETTLED, {"draft_note": "posted", "removal": "posted"})


def test_a_connection_that_breaks_in_between_loses_nothing(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    debit.settle()
    deliver()
    assert tenant.connection.state == "broken"
    connect_xero(tenant.merchant, tenant.user, organisation="au")
    deliver()
    verify_settled(tenant, debit)


def test_a_draft_that_is_refused_is_made_when_it_is_tried_again(tenant: Tenant, deliver: DeliverOutbox) -> None:
    tenant.world.post("/xero/_control", {"archive_account": {"organisation": "au", "code": "815"}})
    debit = submit_debit(tenant)
    deliver()
    if debit.states["draft_note"] == "posted":  # drafts are not held against the chart of accounts
        tenant.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
    else:
        assert debit.note.state == "rejected"
        tenant.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
        retry_postings(tenant.merchant, by="admin", now=timezone.now())
        deliver()
    assert debit.note.state == "draft"


def test_a_refused_draft_whose_debit_settles_becomes_an_approved_credit(tenant: Tenant, deliver: DeliverOutbox) -> None:
    tenant.world.fault(
        "xero", "status", status=400, method="PUT", path="/CreditNotes*", times=1, body={"Message": "No"}
    )
    debit = submit_debit(tenant)
    deliver()
    assert (debit.states, debit.note.state) == ({"draft_note": "rejected"}, "rejected")
    debit.settle()
    deliver()
    verify_settled(tenant, debit)


def test_several_debits_go_through_each_stage_in_one_call_a_kind(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    debits = [submit_debit(tenant) for _ in range(3)]
    deliver()
    before = len(tenant.world.journal("xero"))
    for debit in debits:
        debit.settle()
    deliver()
    calls = [(e["method"], e["path"]) for e in tenant.world.journal("xero")[before:]]
    assert calls == [("PUT", "/Invoices"), ("POST", "/CreditNotes"), ("PUT", "/Payments")]
    assert {d.note.state for d in debits} == {"approved"}


def test_one_draft_that_somebody_deleted_does_not_hold_up_the_others(tenant: Tenant, deliver: DeliverOutbox) -> None:
    from_xero, fine = submit_debit(tenant), submit_debit(tenant)
    deliver()
    set_credit_note_status(tenant, from_xero.note, "DELETED")
    from_xero.settle()
    fine.settle()
    deliver()
    assert (fine.note.state, from_xero.states["approval"]) == ("approved", "rejected")
