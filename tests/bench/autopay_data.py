"""A merchant with very many open invoices under automatic payment, and planning them in a process of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.utils import timezone

from accounting.autopay.planning import plan_merchant_payments
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm, LedgerInvoice, LedgerTerm
from connections.models import LinkedOrganisation
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import GatewayAccount, SavedMethod
from tests.tenants import Tenant

PAYERS, INVOICES, BATCH = 5_000, 100_000, 5_000
CHILD = "import django; django.setup(); from tests.bench.autopay_data import measure; measure({pk})"


def create_many_invoices(tenant: Tenant) -> None:
    """Create companies with a card and a mapping each, and their open invoices under one billing term."""
    now, merchant = timezone.now(), tenant.merchant
    stamp: dict[str, Any] = {"state": "active", "state_at": now}
    LinkedOrganisation.objects.filter(merchant=merchant).update(organisation_id="org")
    AutoPaySettings.objects.create(merchant=merchant, is_enabled=True, notice_days=0)
    term = BillingTerm.objects.create(merchant=merchant, name="Net 30")
    LedgerTerm.objects.create(
        merchant=merchant, organisation_id="org", term_id="net30", name="Net 30", billing_term=term, read_at=now
    )
    account = GatewayAccount.objects.get(merchant=merchant)
    rows = (
        PayerCompany(merchant=merchant, name=f"Company {n}", folded_name=f"company {n}", contact_id=f"c{n}")
        for n in range(PAYERS)
    )
    companies = PayerCompany.objects.bulk_create(rows)
    methods = SavedMethod.objects.bulk_create(
        SavedMethod(
            account=account, company=one, stripe_payment_method_id=f"pm_{n}", kind="card", last4="4242", **stamp
        )
        for n, one in enumerate(companies)
    )
    AutoPayMapping.objects.bulk_create(
        AutoPayMapping(merchant=merchant, company=one, primary_method=methods[n], origin="merchant", **stamp)
        for n, one in enumerate(companies)
    )
    for begin in range(0, INVOICES, BATCH):
        LedgerInvoice.objects.bulk_create(
            build_invoice(merchant, companies[n % PAYERS], n) for n in range(begin, begin + BATCH)
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE accounting_ledgerinvoice, accounting_autopaymapping, payments_savedmethod")


def build_invoice(merchant: Merchant, company: PayerCompany, number: int) -> LedgerInvoice:
    """The open invoice of that number, due within four weeks."""
    now = timezone.now()
    return LedgerInvoice(
        merchant=merchant,
        organisation_id="org",
        ledger_id=f"i{number}",
        number=f"INV-{number}",
        contact_id=company.contact_id,
        company=company,
        currency="AUD",
        total=10_000 + number,
        due=10_000 + number,
        status="open",
        issued_on=now.date(),
        due_on=now.date() + timedelta(days=2 + number % 28),
        term_id="net30",
        changed_at=now,
    )


def measure_in_subprocess(merchant: Merchant) -> dict[str, float]:
    """Measure planning in a process of its own, on the tests' database."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    command = [sys.executable, "-c", CHILD.format(pk=merchant.pk)]
    environment = {**os.environ, "DATABASE_URL": database}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(merchant_id: int) -> None:
    """Plan a merchant; print the seconds, statements and MiB above idle, and how many payments were scheduled."""
    merchant = Merchant.objects.get(pk=merchant_id)
    plan_merchant_payments(merchant, now=timezone.now(), ids=[0])
    count = 0

    def count_statement(execute: Callable[..., Any], *params: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*params)

    idle, begin = get_peak_memory(), time.perf_counter()
    with connection.execute_wrapper(count_statement):
        result = plan_merchant_payments(merchant, now=timezone.now())
    took = {"seconds": time.perf_counter() - begin, "statements": count, "mebibytes": get_peak_memory() - idle}
    sys.stdout.write(json.dumps(took | {"scheduled": result.created}) + "\n")


def get_peak_memory() -> float:
    """The peak memory of this process in MiB; unlike `ru_maxrss` without the parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024
