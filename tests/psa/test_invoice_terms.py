"""PSA's billing terms say when joined invoices of the books are charged, once a person said what they mean.

Wise-Pay's own manual: what is charged automatically follows the billing term of PSA's invoice, whatever terms the books
have (companysupport.wise-pay.com, article 36000040500).
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import LedgerInvoice, ScheduledPayment
from psa.agreements.invoice_terms import list_invoice_terms
from psa.agreements.models import PsaAgreement
from psa.agreements.proposals import propose_company
from psa.agreements.reading import read_agreements
from psa.models import PsaConnection
from psa.services import get_psa_connection
from tests.accounting.autopay.builders import AutoPayBuilder
from tests.psa.scene import PsaScene, connect
from tests.tenants import Tenant, deliver_outbox

PAGE = "configure/merchants/integrations/psa/terms"


@pytest.fixture
def autopay(tenant: Tenant) -> AutoPayBuilder:
    """A payer who lets invoices under Net 7 be charged."""
    builder = AutoPayBuilder(tenant)
    builder.create_mapping(builder.save_card(), term=builder.term)
    return builder


def join(autopay: AutoPayBuilder, scene: PsaScene, number: str, *, term: int = 1) -> LedgerInvoice:
    """An invoice that the books have under terms of nobody's, and PSA under a billing term."""
    invoice = autopay.create_invoice(50_000, number=number, term_id="of-nobody")
    key = scene.bill(number, 500)
    fields = {"billingTerms": {"id": term, "name": f"Term {term}"}}
    scene.control(change={"table": "invoices", "id": key, "fields": fields})
    scene.poll()
    return invoice


def list_scheduled(invoice: LedgerInvoice) -> list[str]:
    """What is scheduled of an invoice, by state."""
    rows = ScheduledPayment.objects.filter(invoice=invoice).order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_what_a_term_of_psa_means_is_previewed_saved_and_followed(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice, other = join(autopay, scene, "INV-77"), join(autopay, scene, "INV-78", term=9)
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    autopay.plan()
    assert list_scheduled(invoice) == [], "nobody said yet what the term means"

    form = {"term_1": autopay.term.reference}
    asked = tenant.admin.post(tenant.url(PAGE), form)
    assert (asked.status_code, "1 invoice will be charged" in asked.text) == (200, True)
    assert list_invoice_terms(tenant.merchant) == {}, "nothing is saved before it was seen"
    assert tenant.admin.post(tenant.url(PAGE), form | {"confirmed": "on"}).status_code == 302
    deliver_outbox()
    assert (list_scheduled(invoice), list_scheduled(other)) == (["scheduled"], [])
    assert PsaConnection.objects.get().uses_terms

    assert tenant.admin.post(tenant.url(PAGE), {"term_1": "none"}).status_code == 302
    deliver_outbox()
    assert list_scheduled(invoice) == ["cancelled"]


def test_no_automatic_payment_goes_before_the_books_own_terms(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice = join(autopay, scene, "INV-77")
    LedgerInvoice.objects.filter(pk=invoice.pk).update(term_id=f"theme-{autopay.term.name}")
    autopay.plan()
    assert list_scheduled(invoice) == ["scheduled"]
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": "none"})
    deliver_outbox()
    assert list_scheduled(invoice) == ["cancelled"]


def test_a_removed_term_another_psa_and_a_connection_that_ended_name_nothing(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice = join(autopay, scene, "INV-77")
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": autopay.term.reference, "confirmed": "on"})
    assert list_invoice_terms(tenant.merchant) == {invoice.pk: autopay.term.pk}
    LedgerInvoice.objects.filter(pk=invoice.pk).update(status="paid", due=0)
    assert list_invoice_terms(tenant.merchant) == {}
    LedgerInvoice.objects.filter(pk=invoice.pk).update(status="open", due=50_000)
    PsaConnection.objects.update(login_company="other")
    assert list_invoice_terms(tenant.merchant) == {}
    PsaConnection.objects.update(login_company="northwind", state="disconnected")
    assert list_invoice_terms(tenant.merchant) == {}
    PsaConnection.objects.update(state="connected")
    type(autopay.term).objects.update(is_active=False)
    autopay.plan(now=timezone.now() + timedelta(minutes=1))
    assert "scheduled" not in list_scheduled(invoice)


def test_the_company_of_joined_invoices_is_proposed_for_an_agreement(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    type(autopay.company).objects.filter(pk=autopay.company.pk).update(name="Zebra", folded_name="zebra")
    agreement = PsaAgreement.objects.get()
    assert propose_company(agreement).company is None
    join(autopay, scene, "INV-77")
    found = propose_company(agreement)
    assert (found.company, found.is_confirmed) == (autopay.company, False)
    assert "in the books" in found.reason
