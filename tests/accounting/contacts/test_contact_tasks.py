"""Tasks about contacts that a person ticks off: looked for in the books, taken back, told anew after a refusal.

After kenlasko/monize#913, where a tick stood for proof.
"""

from django.utils import timezone
from django_subatomic.db import transaction

from accounting.models import ManualTask, Posting
from accounting.posting.open_tasks import save_contact_task
from accounting.reconciliation.manual_results import ManualResult, find_manual_result
from tests.accounting.contacts.test_contacts import HARBOUR, ContactScenario, pay_quote, settle_everything
from tests.accounting.mirror.ledger_actions import poll_everything
from tests.tenants import Tenant, deliver_outbox


def test_a_contact_task_that_was_ticked_off_is_looked_for_and_can_be_taken_back(any_tenant: Tenant) -> None:
    deliver_outbox()
    assert pay_quote(any_tenant) == {"posted"}
    poll_everything()
    settle_everything(any_tenant, any_tenant.company().contact_id)
    scenario = object.__new__(ContactScenario)
    scenario.tenant = any_tenant
    scenario.archive(HARBOUR)
    task = ManualTask.objects.get(state="open")
    path = any_tenant.url(f"postings/tasks/{task.reference}")
    assert any_tenant.admin.post(f"{path}/done", {"note": " "}).status_code == 422
    assert any_tenant.admin.post(f"{path}/done", {"note": "Restored it."}).status_code == 302
    assert find_manual_result(ManualTask.objects.get()) == ManualResult.UNREAD
    deliver_outbox()
    assert find_manual_result(ManualTask.objects.get()) == ManualResult.MISSING
    page = any_tenant.admin.get(any_tenant.url("postings/")).content.decode()
    assert "Not in the books" in page
    assert f"{path}/open" in page
    any_tenant.admin.post(f"{path}/open")
    found = ManualTask.objects.get()
    assert (found.state, found.note, found.done_by) == ("open", "", None)
    any_tenant.admin.post(f"{path}/done", {"note": "Restored it, really."})
    scenario.archive(HARBOUR, is_back=True)
    assert find_manual_result(ManualTask.objects.get()) == ManualResult.FOUND
    answer = any_tenant.admin.post(f"{path}/open", follow=True).content.decode()
    assert "nothing left to do" in answer
    assert ManualTask.objects.get().state == "done"


def test_a_refusal_after_a_tick_tells_anew_and_the_old_task_stays_closed(tenant: Tenant) -> None:
    deliver_outbox()
    assert pay_quote(tenant) == {"posted"}
    poll_everything()
    scenario = object.__new__(ContactScenario)
    scenario.tenant = tenant
    scenario.archive(HARBOUR)
    first = ManualTask.objects.get()
    path = tenant.url(f"postings/tasks/{first.reference}")
    tenant.admin.post(f"{path}/done", {"note": "Nobody works with them any more."})
    deliver_outbox()
    assert ManualTask.objects.get().state == "done", "nobody is asked again for the same"
    assert "rejected" in pay_quote(tenant)
    assert ManualTask.objects.get(state="open", posting=None).pk != first.pk
    assert "open already" in tenant.admin.post(f"{path}/open", follow=True).content.decode()
    scenario.archive(HARBOUR, is_back=True)
    deliver_outbox()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_a_name_that_ends_in_a_full_stop_ends_a_step_once(tenant: Tenant) -> None:
    company = tenant.open_checkout().payment.company
    with transaction():
        task = save_contact_task(company, ("It is gone", ["Look for Lakeshore Freight Inc.."]), now=timezone.now())
    assert task.steps == ["Look for Lakeshore Freight Inc."]
