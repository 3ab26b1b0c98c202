"""A part of a payment that its invoice in the books did not take: PSA follows what a person decides."""

import pytest

from accounting.models import ManualTask
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.psa.scene import PsaScene, deliver_later
from tests.tenants import Tenant


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    """Harbour Dental, whose invoices are in the books."""
    return InvoiceScenario(tenant)


@pytest.mark.parametrize("decision", ["invoice", "credit"])
def test_what_goes_to_another_invoice_or_stays_as_credit_leaves_the_first_one_in_psa(
    scene: PsaScene, billing: InvoiceScenario, decision: str
) -> None:
    keys = [scene.bill(number, 500) for number in ("INV-1", "INV-2")]
    first, second = (billing.create_invoice("500.00", number=number) for number in ("INV-1", "INV-2"))
    scene.poll()
    payment = billing.create_payment(first, "500.00")
    billing.act_in_ledger("pay", invoice="INV-1", amount="500.00")  # somebody else was first, in the books alone
    billing.pay(payment)
    deliver_later()
    assert [len(scene.list_payments(key)) for key in keys] == [1, 0]
    task = ManualTask.objects.get()
    form = {"act": decision, "invoice": second.reference}
    answer = scene.tenant.admin.post(scene.tenant.url(f"unprocessed/{task.reference}/decisions"), form)
    assert answer.status_code == 302, answer.content.decode()
    deliver_later()
    assert [len(scene.list_payments(key)) for key in keys] == [0, 1 if decision == "invoice" else 0]
    expected = ["removed", "written"] if decision == "invoice" else ["removed"]
    assert [row.state for row in scene.list_rows(payment)] == expected
