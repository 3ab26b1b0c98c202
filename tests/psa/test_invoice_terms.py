"""PSA's billing terms say when joined invoices of the books are charged, once a person said what they mean.

Wise-Pay's own manual: what is charged automatically follows the billing term of PSA's invoice, whatever terms the books
have (companysupport.wise-pay.com, article 36000040500).
"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment
from accounting.models import LedgerInvoice, ScheduledPayment
from psa.agreements.invoice_terms import NOT_READ_YET, list_invoice_terms
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


def test_what_would_be_charged_is_known_before_a_table_is_saved(autopay: AutoPayBuilder) -> None:
    """A merchant for whom nobody read PSA's invoices so far: the first table would have charged them unseen."""
    tenant = autopay.tenant
    scene = connect(tenant, written_by="nobody")
    autopay.create_invoice(50_000, number="INV-77", term_id="of-nobody")
    scene.bill("INV-77", 500, fields={"billingTerms": {"id": 1, "name": "Net 14 days"}})
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    form = {"term_1": autopay.term.reference}
    early = tenant.admin.post(tenant.url(PAGE), form)
    assert (early.status_code, "are read first" in early.text) == (422, True)
    deliver_outbox()
    asked = tenant.admin.post(tenant.url(PAGE), form)
    assert (asked.status_code, "1 invoice will be charged" in asked.text) == (200, True)
    PsaConnection.objects.update(state="broken", polled_at=None)
    assert "Connect ConnectWise PSA first" in tenant.admin.post(tenant.url(PAGE), form).text
    assert not PsaConnection.objects.get().uses_terms


def test_a_decision_can_be_taken_back_after_its_charges_were_seen(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice = join(autopay, scene, "INV-77")
    LedgerInvoice.objects.filter(pk=invoice.pk).update(term_id=f"theme-{autopay.term.name}")
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": "none"})
    assert list_invoice_terms(tenant.merchant) == {invoice.pk: None}
    asked = tenant.admin.post(tenant.url(PAGE), {"term_1": ""})
    assert (asked.status_code, "1 invoice will be charged" in asked.text) == (200, True)
    assert tenant.admin.post(tenant.url(PAGE), {"term_1": "", "confirmed": "on"}).status_code == 302
    assert (list_invoice_terms(tenant.merchant), PsaConnection.objects.get().uses_terms) == ({}, False)


def test_disconnecting_shows_what_the_books_own_terms_would_charge(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice = join(autopay, scene, "INV-77")
    LedgerInvoice.objects.filter(pk=invoice.pk).update(term_id=f"theme-{autopay.term.name}")
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": "none"})
    path = tenant.url("configure/merchants/integrations/psa/disconnect")
    asked = tenant.admin.post(path)
    assert (asked.status_code, "1 invoice will be charged" in asked.text) == (200, True)
    assert PsaConnection.objects.get().state == "connected"
    assert tenant.admin.post(path, {"confirmed": "on"}).status_code == 302
    assert PsaConnection.objects.get().state == "disconnected"


def test_a_number_that_the_books_gave_to_another_invoice_names_no_term(autopay: AutoPayBuilder) -> None:
    scene, tenant = connect(autopay.tenant), autopay.tenant
    invoice = join(autopay, scene, "INV-77")
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": "none"})
    assert list_invoice_terms(tenant.merchant) == {invoice.pk: None}
    LedgerInvoice.objects.filter(pk=invoice.pk).update(number="INV-78")
    assert list_invoice_terms(tenant.merchant) == {}


def test_an_invoice_that_has_just_come_waits_until_psa_was_read(autopay: AutoPayBuilder) -> None:
    """A sync tool brings PSA's invoice to the books a moment before the poll: the books' terms would charge it."""
    scene, tenant = connect(autopay.tenant), autopay.tenant
    join(autopay, scene, "INV-77")
    read_agreements(get_psa_connection(tenant.merchant), now=timezone.now())
    tenant.admin.post(tenant.url(PAGE), {"term_1": "none"})
    type(autopay.term).objects.update(processing="real_time")
    now = timezone.now() + timedelta(minutes=1)
    columns: dict[str, Any] = {"term_id": f"theme-{autopay.term.name}", "changed_at": now, "read_at": now}
    fresh, own = (autopay.create_invoice(5_000, number=number, **columns) for number in ("INV-80", "INV-81"))
    scene.bill("INV-80", 50, fields={"billingTerms": {"id": 1, "name": "Net 14 days"}})
    autopay.plan(now=now)
    assert (list_scheduled(fresh), list_scheduled(own)) == (["scheduled"], ["scheduled"])
    for row in ScheduledPayment.objects.filter(state="scheduled"):
        assert charge_scheduled_payment(row.pk, now=now) is None
    assert set(ScheduledPayment.objects.values_list("state", "reason")) == {("scheduled", NOT_READ_YET)}
    deliver_outbox(at=now + timedelta(minutes=6))
    for row in ScheduledPayment.objects.filter(state="scheduled"):
        charge_scheduled_payment(row.pk, now=now + timedelta(minutes=6))
    assert list_scheduled(fresh) == ["cancelled"]
    assert list_scheduled(own) in (["pending"], ["succeeded"])


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
