"""Bank debits where the ledger has no drafts: nothing before they settle, then what a card payment leaves."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, CreditNote, Posting
from accounting.posting.quote_payments import post_quote_debit
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.posting.debits import redeliver_messages, submit_debit
from tests.tenants import Tenant, change_company, create_tenant

DeliverOutbox = Callable[..., int]
BOOKED_LATER = b"will be booked when the debit settles"
DOCUMENTS = {"invoice": "posted", "credit_note": "posted", "payment": "posted"}


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant who uses QuickBooks."""
    return create_tenant(world, provider="quickbooks")


def test_a_submitted_debit_is_not_booked_and_the_pages_say_when_it_will_be(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    deliver()
    before = len(tenant.world.journal("quickbooks"))
    debit = submit_debit(tenant)
    deliver()
    assert len(tenant.world.journal("quickbooks")) == before
    assert not Posting.objects.filter(attempt=debit.attempt).exists()
    reference = debit.payment.reference
    assert BOOKED_LATER in tenant.admin.get(tenant.url(f"postings/of/{reference}")).content
    assert BOOKED_LATER in tenant.admin.get(tenant.url("postings/waiting")).content


def test_the_portal_says_when_a_debit_will_be_booked_and_then_its_number(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    debit = submit_debit(tenant)
    deliver()
    payer, path = tenant.payer(), f"/my/payments/{debit.payment.reference}/documents"
    assert BOOKED_LATER in payer.get(path).content
    assert b"hold no credit note" not in payer.get(path).content
    debit.settle()
    deliver()
    page = payer.get(path).content
    assert BOOKED_LATER not in page
    assert debit.note.number.encode() in page


def test_the_portal_does_not_say_so_of_a_debit_that_failed_nor_where_there_are_drafts(
    tenant: Tenant, world: SandboxProcess, deliver: DeliverOutbox
) -> None:
    failed = submit_debit(tenant)
    failed.fail()
    deliver()
    path = f"/my/payments/{failed.payment.reference}/documents"
    assert BOOKED_LATER not in tenant.payer().get(path).content
    other = create_tenant(world, name="Other IT", email="admin@other-it.example", organisation="nz")
    drafted = submit_debit(other, other.open_checkout(quote={"currency": "NZD"}))
    deliver()
    page = other.payer("ap@harbourdental.example").get(f"/my/payments/{drafted.payment.reference}/documents").content
    assert BOOKED_LATER not in page
    assert b"prepared, until the bank debit has settled" in page


def test_a_debit_that_settles_leaves_what_a_card_leaves(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    deliver()
    assert debit.states == DOCUMENTS
    assert (debit.note.state, debit.note.remaining) == ("approved", 62500)
    assert BOOKED_LATER not in tenant.admin.get(tenant.url("postings/waiting")).content


def test_a_debit_that_fails_leaves_nothing(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    before = len(tenant.world.journal("quickbooks"))
    debit = submit_debit(tenant)
    deliver()
    debit.fail()
    deliver()
    assert len(tenant.world.journal("quickbooks")) == before
    assert not Posting.objects.exists()
    assert not CreditNote.objects.exists()


def test_a_debit_that_is_taken_back_after_it_settled_leaves_an_open_invoice(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    debit = submit_debit(tenant)
    debit.settle()
    deliver()
    debit.reverse()
    deliver()
    assert debit.states == DOCUMENTS | {"void": "posted", "payment_removal": "posted"}
    assert debit.note.state == "voided"


def test_a_settled_debit_is_refunded_out_of_its_memo(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    debit.settle()
    deliver()
    debit.refund(10000)
    deliver()
    assert debit.states["refund"] == "posted"
    assert debit.note.remaining == 52500


@pytest.mark.parametrize("end", ["settle", "fail"])
@pytest.mark.parametrize("is_in_xero", [True, False])
def test_a_draft_under_way_when_the_merchant_changes_to_quickbooks_ends_well(
    db: None, world: SandboxProcess, deliver: DeliverOutbox, end: str, is_in_xero: bool
) -> None:
    tenant = create_tenant(world)
    deliver()
    debit = submit_debit(tenant)
    post_quote_debit(debit.attempt, now=timezone.now())
    if is_in_xero:
        deliver()
    assert debit.note.state == ("draft" if is_in_xero else "pending")
    change_company(tenant, provider="quickbooks", organisation="au")
    deliver()
    getattr(debit, end)()
    deliver()
    redeliver_messages("accounting.post_payment" if end == "settle" else "accounting.drop_debit")
    deliver()
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()
    settled = {kind: state for kind, state in debit.states.items() if kind in DOCUMENTS}
    assert (debit.note.state, settled) == (("approved", DOCUMENTS) if end == "settle" else ("removed", {}))
    if end == "settle":
        assert AccountingSettings.objects.get().item
