"""Rows about PSA's invoices: calls of a full reading and of payments, time and statements of joining ten thousand."""

import math
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.models import LedgerContact, LedgerInvoice
from psa.agreements.models import PsaAgreement
from psa.agreements.reading import read_agreements
from psa.callbacks import check_every_callback
from psa.joins import join_invoices
from psa.models import PsaInvoice
from psa.polling import poll_every_connection
from sandbox.psa.tenant import CURRENCY, OPEN
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.bench.results import record_measurement
from tests.psa.scene import PsaScene, connect, deliver_later
from tests.tenants import Tenant

COUNT = 9_999  # of a full last page nobody knows that it is the last: ten thousand are one call more
COMPANIES = 500
PAYMENTS = 25
SECONDS, STATEMENTS = 10.0, 20


def fill_psa(scene: PsaScene) -> None:
    """Invoices of many companies at PSA."""
    rows = [
        {
            "type": "Standard",
            "invoiceNumber": f"B{n}",
            "status": {"id": OPEN},
            "company": {
                "id": 100 + n % COMPANIES,
                "identifier": f"C{n % COMPANIES}",
                "name": f"Company {n % COMPANIES}",
            },
            "currency": CURRENCY,
            "total": 100.0 + n,
            "_info": {"lastUpdated": f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"},
            "credits": 0.0,
        }
        for n in range(COUNT)
    ]
    scene.tenant.world.config(psa_frozen_dates=True)
    for begin in range(0, COUNT, 2500):
        scene.control(insert={"table": "invoices", "rows": rows[begin : begin + 2500]})


def fill_books(tenant: Tenant) -> None:
    """The same in the mirrored books; of every third the total differs, so that the company has to tell."""
    now, where = timezone.now(), {"merchant": tenant.merchant, "organisation_id": tenant.connection.organisation_id}
    LedgerContact.objects.bulk_create(
        LedgerContact(
            **where, contact_id=f"c{n}", name=f"Company {n}", folded_name=f"company {n}", is_active=True, read_at=now
        )
        for n in range(COMPANIES)
    )
    LedgerInvoice.objects.bulk_create(
        LedgerInvoice(
            **where, ledger_id=f"l{n}", number=f"B{n}", contact_id=f"c{n % COMPANIES}", currency="AUD",
            total=10_000 + n * 100 + (n % 3 == 0), due=10_000, status="open", changed_at=now, read_at=now,
        )
        for n in range(COUNT)
    )  # fmt: skip


def test_ten_thousand_invoices_are_read_and_joined(tenant: Tenant) -> None:
    scene = connect(tenant)
    fill_psa(scene)
    fill_books(tenant)
    before = len(scene.list_calls())
    with CaptureQueriesContext(connection) as queries:
        poll_every_connection(now=timezone.now())
    calls = len(scene.list_calls()) - before
    assert PsaInvoice.objects.filter(match="joined").count() == COUNT
    rows = [
        record_measurement("PSA: calls of a full reading", calls, "calls", bound=math.ceil(COUNT / 1000)),
        record_measurement(
            f"PSA: statements of reading and joining {COUNT} invoices", len(queries), "statements", bound=STATEMENTS
        ),
    ]
    PsaInvoice.objects.update(match="none", ledger_invoice=None)
    begun = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        join_invoices(scene.connection, is_everything=True, now=timezone.now())
    seconds = time.perf_counter() - begun
    assert PsaInvoice.objects.filter(match="joined").count() == COUNT
    rows += [
        record_measurement(f"PSA: joining {COUNT} invoices", seconds, "s", bound=SECONDS),
        record_measurement(f"PSA: statements of joining {COUNT}", len(queries), "statements", bound=STATEMENTS),
    ]
    before = len(scene.list_calls())
    poll_every_connection(now=timezone.now())
    idle = len(scene.list_calls()) - before
    rows.append(record_measurement("PSA: calls of a poll that finds little", idle, "calls", bound=1))
    assert [row.name for row in rows if not row.holds] == []


def test_calls_of_a_deposit_an_agreement_and_an_idle_hour(tenant: Tenant) -> None:
    scene = connect(tenant)
    sold = scene.sell()

    def count(act: Callable[[], object]) -> int:
        before = len(scene.list_calls())
        act()
        return len(scene.list_calls()) - before

    scene.pay(sold)
    rows = [record_measurement("PSA: calls of a deposit", count(deliver_later), "calls", bound=5)]
    assert len(scene.list_payments(sold["invoice"])) == 1
    connection = scene.connection
    read_agreements(connection, now=timezone.now())
    deliver_later()
    agreement = {"name": "Backup", "agreementStatus": "Active", "opportunity": {"id": sold["opportunity"]}}
    scene.control(insert={"table": "agreements", "rows": [agreement]})
    calls = count(lambda: read_agreements(connection, now=timezone.now()))
    rows.append(record_measurement("PSA: calls of proposing an agreement", calls, "calls", bound=1))
    assert PsaAgreement.objects.filter(name="Backup", state="open").exists()
    calls = count(lambda: read_agreements(connection, now=timezone.now()))
    rows.append(record_measurement("PSA: calls of an idle reading of agreements", calls, "calls", bound=1))
    callbacks = len(scene.control()["callbacks"])
    calls = count(lambda: check_every_callback(now=timezone.now()))
    rows.append(record_measurement(f"PSA: calls of looking at {callbacks} callbacks", calls, "calls", bound=callbacks))
    assert [row.name for row in rows if not row.holds] == []


def test_payments_of_known_invoices_take_two_calls_each(tenant: Tenant) -> None:
    scene, billing = connect(tenant), InvoiceScenario(tenant)
    for n in range(PAYMENTS):
        scene.bill(f"P{n}", 10)
        billing.make_invoice("10.00", number=f"P{n}")
    billing.sync_mirror()
    poll_every_connection(now=timezone.now())
    chosen = {billing.get_invoice(f"P{n}"): "10.00" for n in range(PAYMENTS)}
    payment = billing.get_payment_by_path(billing.submit_batch(chosen)["Location"])
    billing.pay(payment)
    before = len(scene.list_calls())
    deliver_later()
    assert {row.state for row in scene.list_rows(payment)} == {"written"}
    calls = len(scene.list_calls()) - before
    row = record_measurement(f"PSA: calls of {PAYMENTS} payments", calls, "calls", bound=2 * PAYMENTS)
    assert row.holds, row
