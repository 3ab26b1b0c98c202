"""Changing to another company and back: nothing goes into the wrong books, nothing is stuck, nothing forgotten."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.credits.candidates import list_open_credits
from accounting.invoices.duplicates import list_unused_notes
from accounting.ledger_session import open_ledger
from accounting.mirror.services import read_mirror, schedule_mirror_syncs
from accounting.models import ManualTask, MirrorCursor, Posting
from accounting.posting.contact_needs import CHOOSE_CONTACT
from accounting.posting.handlers import send_merchant_postings
from accounting.posting.ledger_orders import FORMER_ORGANISATION
from accounting.posting.manual_tasks import resolve_manual_task
from accounting.posting.quote_payments import post_quote_debit
from accounting.posting.sender import UNKNOWN_RESULT
from accounting.tasks import sweep_postings
from connections.models import Connection
from connections.verification import reserve_due_connections
from payers.companies import Contact, map_company, rename_company
from payers.models import PayerCompany
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.ledgers.ledger_case import build_contact_order
from tests.accounting.posting.debits import CARD, AttemptScenario, create_processing_attempt, submit_debit
from tests.tenants import Tenant, change_company, create_tenant
from wisepay.models import OutboxMessage

DeliverOutbox = Callable[..., int]


@pytest.fixture(params=["xero", "quickbooks"])
def tenant(request: pytest.FixtureRequest, db: None, world: SandboxProcess) -> Tenant:
    """A merchant with its books in an Australian company of either package."""
    return create_tenant(world, provider=request.param)


def change_organisation(tenant: Tenant, organisation: str) -> None:
    """Change to this company of the same package."""
    change_company(tenant, provider=tenant.connection.provider, organisation=organisation)


def pay_quote_by_card(tenant: Tenant, currency: str = "AUD") -> AttemptScenario:
    """A quote, paid by card."""
    paid = create_processing_attempt(tenant, tenant.open_checkout(quote={"currency": currency}).payment, CARD)
    paid.settle()
    return paid


def create_contact(tenant: Tenant, name: str) -> str:
    """Create a contact in the ledger; answers its id."""
    ledger = open_ledger(tenant.connection, priority="company", now=timezone.now())
    [result] = ledger.create_contacts([build_contact_order(name)], key=name)
    return result.id


def list_waiting_errors(tenant: Tenant) -> dict[str, str]:
    """The error of each posting that is not over, by kind."""
    rows = Posting.objects.filter(merchant=tenant.merchant).exclude(state__in=Posting.FINAL_STATES)
    return dict(rows.values_list("kind", "error"))


def count_calls(tenant: Tenant) -> int:
    """How often the package was called."""
    return len(tenant.world.journal(tenant.connection.provider, bodies=False))


def test_what_undoes_documents_of_the_former_books_waits_for_them(tenant: Tenant, deliver: DeliverOutbox) -> None:
    paid, name = pay_quote_by_card(tenant), tenant.connection.organisation_name
    deliver()
    change_organisation(tenant, "nz")
    deliver()
    before = count_calls(tenant)
    paid.reverse()
    deliver()
    assert count_calls(tenant) == before, "ids of one company are other documents in the next, or none"
    assert list_waiting_errors(tenant) == {"void": FORMER_ORGANISATION, "payment_removal": FORMER_ORGANISATION}
    titles = list(ManualTask.objects.filter(state="open").values_list("title", flat=True))
    assert len(titles) == 2
    assert all("former books" in title for title in titles)
    assert all(any(name in step for step in task.steps) for task in ManualTask.objects.all())
    assert titles[0].encode() in tenant.admin.get(tenant.url("postings/")).content.replace(b"&quot;", b'"')
    other = pay_quote_by_card(tenant, "NZD")
    deliver()
    assert set(other.states.values()) == {"posted"}, "the rest goes on"
    change_organisation(tenant, "au")
    deliver()
    assert list_waiting_errors(tenant) == {}
    assert paid.note.state == "voided"
    assert not ManualTask.objects.filter(state="open").exists()
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_what_a_person_did_in_the_former_books_is_not_done_again(tenant: Tenant, deliver: DeliverOutbox) -> None:
    paid = pay_quote_by_card(tenant)
    deliver()
    change_organisation(tenant, "nz")
    paid.reverse()
    deliver()
    for task in ManualTask.objects.filter(state="open"):
        assert resolve_manual_task(task, note="Done over there.", by=tenant.user, now=timezone.now())
    assert list_waiting_errors(tenant) == {}
    change_organisation(tenant, "au")
    deliver()
    before = count_calls(tenant)
    deliver()
    assert count_calls(tenant) == before
    assert paid.note.state == "approved", "the books say later what became of it"


def test_a_refund_of_credit_in_the_former_books_is_for_a_person(tenant: Tenant, deliver: DeliverOutbox) -> None:
    paid = pay_quote_by_card(tenant)
    deliver()
    change_organisation(tenant, "nz")
    paid.refund(10000)
    deliver()
    assert list_waiting_errors(tenant) == {"refund": FORMER_ORGANISATION}
    assert any("100.00" in step for step in ManualTask.objects.get().steps)


def test_a_company_is_again_the_contact_that_it_was(tenant: Tenant, deliver: DeliverOutbox) -> None:
    first = pay_quote_by_card(tenant)
    deliver()
    company = PayerCompany.objects.get()
    contact = company.contact_id
    change_organisation(tenant, "nz")
    pay_quote_by_card(tenant, "NZD")
    deliver()
    company.refresh_from_db()
    assert company.contact_id != contact or tenant.connection.provider == "quickbooks"
    change_organisation(tenant, "au")
    again = pay_quote_by_card(tenant)
    deliver()
    company.refresh_from_db()
    assert (company.organisation_id, company.contact_id) == (tenant.connection.organisation_id, contact)
    assert set(again.states.values()) == {"posted"}
    assert set(first.states.values()) == {"posted"}
    assert Posting.objects.filter(kind="contact").count() == 2


def test_a_mapping_by_hand_is_known_again_without_a_payment(tenant: Tenant, deliver: DeliverOutbox) -> None:
    pay_quote_by_card(tenant)
    deliver()
    company = PayerCompany.objects.get()
    au = tenant.connection.organisation_id
    map_company(company, contact=Contact(au, "4711"))
    change_organisation(tenant, "nz")
    pay_quote_by_card(tenant, "NZD")
    deliver()
    change_organisation(tenant, "au")
    deliver()
    company.refresh_from_db()
    assert (company.organisation_id, company.contact_id) == (au, "4711")


def test_an_answer_that_was_lost_in_the_former_books_is_looked_for_there(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    deliver()
    paid = pay_quote_by_card(tenant)
    deliver()
    package = tenant.connection.provider
    second = pay_quote_by_card(tenant)
    tenant.world.fault(package, "drop_after", method="PUT" if package == "xero" else "POST", path="*/[CIb]*", times=1)
    deliver()
    lost = set(Posting.objects.filter(state="sent").values_list("pk", flat=True))
    assert lost
    change_organisation(tenant, "nz")
    deliver()
    assert set(Posting.objects.filter(state="sent", error=FORMER_ORGANISATION).values_list("pk", flat=True)) == lost
    assert ManualTask.objects.filter(state="open", posting__in=lost).count() == len(lost)
    assert any("on its way" in step for task in ManualTask.objects.all() for step in task.steps)
    change_organisation(tenant, "au")
    deliver()
    assert set(Posting.objects.filter(pk__in=lost).values_list("state", "error")) == {("posted", "")}
    assert set(paid.states.values()) == {"posted"}
    assert second.states["invoice"] == "posted"


def test_a_draft_left_behind_is_made_anew_as_what_became_of_it(
    db: None, world: SandboxProcess, deliver: DeliverOutbox
) -> None:
    tenant = create_tenant(world)
    deliver()
    settled, failed = submit_debit(tenant), submit_debit(tenant)
    deliver()
    assert (settled.note.state, failed.note.state) == ("draft", "draft")
    change_organisation(tenant, "nz")
    settled.settle()
    failed.fail()
    deliver()
    assert list_waiting_errors(tenant) == {}
    assert settled.note.state == "approved"
    assert {"invoice", "credit_note", "payment"} <= {k for k, state in settled.states.items() if state == "posted"}
    assert failed.note.state == "removed"
    assert not ManualTask.objects.exists()


def test_work_that_asks_nothing_says_nothing_of_the_connection(tenant: Tenant, deliver: DeliverOutbox) -> None:
    pay_quote_by_card(tenant)
    deliver()
    change_organisation(tenant, "nz")
    deliver()
    change_organisation(tenant, "au")
    deliver()
    schedule_mirror_syncs(now=timezone.now())
    here, long_ago = tenant.connection.organisation_id, timezone.now() - timedelta(minutes=10)
    MirrorCursor.objects.exclude(organisation_id=here).update(due_at=long_ago)
    MirrorCursor.objects.filter(organisation_id=here).update(due_at=timezone.now() + timedelta(hours=1))
    assert schedule_mirror_syncs(now=timezone.now()) == 0, "nobody reads the former company's books"
    Connection.objects.update(succeeded_at=long_ago)
    before = count_calls(tenant)
    read_mirror(merchant_id=tenant.merchant.pk, now=timezone.now())
    Posting.objects.filter(kind="payment").update(
        state="pending", error=FORMER_ORGANISATION, company=PayerCompany.objects.get()
    )
    Posting.objects.filter(kind="invoice").update(sent_to="elsewhere")
    send_merchant_postings(merchant_id=tenant.merchant.pk, now=timezone.now())
    assert count_calls(tenant) == before
    assert tenant.connection.succeeded_at == long_ago
    assert reserve_due_connections(now=timezone.now()) == [tenant.connection.pk]


def test_books_that_refuse_to_tell_stop_nothing_else(db: None, world: SandboxProcess, deliver: DeliverOutbox) -> None:
    tenant = create_tenant(world)
    pay_quote_by_card(tenant)
    deliver()
    Posting.objects.filter(kind="invoice").update(state="sent")
    with world.inject_fault("xero", "status", method="GET", status=400, body={"Message": "No such thing"}, times=None):
        other = pay_quote_by_card(tenant)
        deliver()
        assert set(other.states.values()) == {"posted"}
        assert list_waiting_errors(tenant) == {"invoice": f"{UNKNOWN_RESULT} No such thing"}
        assert UNKNOWN_RESULT.encode() in tenant.admin.get(tenant.url("postings/")).content
    sweep_postings()
    deliver()
    assert list_waiting_errors(tenant) == {}
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_contact_that_another_company_is_already_is_for_a_person(tenant: Tenant, deliver: DeliverOutbox) -> None:
    pay_quote_by_card(tenant)
    deliver()
    first = PayerCompany.objects.get()
    rename_company(first, name="Somebody Else")
    twin = tenant.company("Harbour Dental Pty Ltd")
    paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    paid.settle()
    assert paid.payment.company == twin
    deliver()
    assert list_waiting_errors(tenant)["contact"].endswith(CHOOSE_CONTACT)
    assert not OutboxMessage.objects.filter(state="dead").exists()
    map_company(twin, contact=Contact(tenant.connection.organisation_id, create_contact(tenant, "The Twin")))
    sweep_postings()
    deliver()
    assert list_waiting_errors(tenant) == {}


def test_credit_in_the_former_books_is_put_to_no_invoice_of_these(tenant: Tenant, deliver: DeliverOutbox) -> None:
    pay_quote_by_card(tenant)
    deliver()
    company = PayerCompany.objects.get()
    assert len(list_open_credits(company)[1]) == len(list_unused_notes({company.pk})) == 1
    change_organisation(tenant, "nz")
    pay_quote_by_card(tenant, "NZD")
    deliver()
    company.refresh_from_db()
    assert [credit.amount.currency for credit in list_open_credits(company)[1]] == ["NZD"]
    assert [credit.remaining.currency for credit in list_unused_notes({company.pk})] == ["NZD"]
    change_organisation(tenant, "au")
    deliver()
    company.refresh_from_db()
    assert [credit.amount.currency for credit in list_open_credits(company)[1]] == ["AUD"]


def test_documents_of_one_payment_stay_together(tenant: Tenant, deliver: DeliverOutbox) -> None:
    pay_quote_by_card(tenant)
    deliver()
    second = pay_quote_by_card(tenant)
    deliver()
    Posting.objects.filter(attempt=second.attempt, kind__in=["credit_note", "payment"]).update(state="pending")
    change_organisation(tenant, "nz")
    deliver()
    assert list_waiting_errors(tenant) == {"credit_note": FORMER_ORGANISATION, "payment": FORMER_ORGANISATION}, (
        "the PF invoice is in the former books"
    )
    before = count_calls(tenant)
    deliver()
    assert count_calls(tenant) == before


def test_a_debit_that_pays_again_what_stands_in_the_former_books_leaves_no_draft(
    db: None, world: SandboxProcess, deliver: DeliverOutbox
) -> None:
    tenant = create_tenant(world)
    paid = pay_quote_by_card(tenant)
    deliver()
    change_organisation(tenant, "nz")
    paid.reverse()
    again = create_processing_attempt(tenant, paid.payment)
    again.receive_outcome("processing")
    post_quote_debit(again.attempt, now=timezone.now())
    deliver()
    assert again.states == {"draft_note": "cancelled"}
    again.settle()
    deliver()
    assert (
        {kind for kind, error in list_waiting_errors(tenant).items() if error == FORMER_ORGANISATION}
        == set(list_waiting_errors(tenant))
        >= {"credit_note"}
    )
