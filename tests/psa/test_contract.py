"""Everything that we ask of ConnectWise PSA and that the practice one answers, judged by the vendor's contract."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from psa.agreements.reading import read_agreements
from psa.callbacks import check_callbacks
from psa.models import PsaConnection
from psa.polling import poll_every_connection
from psa.services import get_psa_connection, verify_psa
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.posting.debits import CARD, AttemptScenario
from tests.psa.scene import PsaScene, deliver_later
from tests.psa.sync_scene import SyncScene
from tests.sandbox.test_vendor_contracts import CHECK
from tests.tenants import deliver_outbox


def pay_invoice(scene: PsaScene) -> None:
    """Read the invoices of PSA, all and what changed, pay one that is in the books too, and show its PDF."""
    billing = InvoiceScenario(scene.tenant)
    keys = [scene.bill(number, 500) for number in ("INV-1", "INV-2")]
    invoice = billing.create_invoice("500.00", number="INV-1")
    scene.poll()
    billing.pay(billing.create_payment(invoice))
    deliver_later()
    scene.control(delete_invoice={"invoice": keys[1]})
    PsaConnection.objects.update(shows_documents=True, invoices_read_at=None)
    scene.poll()
    scene.poll()
    assert billing.client.get(f"/my/invoices/{invoice.reference}/pdf").status_code == 200


def exercise(scene: PsaScene) -> None:
    """Write, wait, be refused, choose by number, take back, test, register; read invoices, pay one, print it."""
    now = timezone.now()
    pay_invoice(scene)
    sold, late = scene.sell(), scene.sell(invoice=False)
    checkouts = [scene.pay(sold), scene.pay(late)]
    deliver_later()
    poll_every_connection(now=now)
    AttemptScenario(scene.tenant, checkouts[0].attempts[-1], CARD).refund(62500)
    deliver_later()
    path = scene.tenant.url(f"psa/{scene.get_row(checkouts[1]).reference}/decisions")
    number = scene.get_invoice(sold["invoice"])["invoiceNumber"]
    scene.tenant.admin.post(path, {"act": "choose", "number": number})
    verify_psa(scene.connection, by="admin", now=now)
    callback = scene.control()["callbacks"][0]["id"]
    scene.control(change={"table": "callbacks", "id": callback, "fields": {"inactiveFlag": True}})
    check_callbacks(get_psa_connection(scene.tenant.merchant), now=now)


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_the_traffic_with_psa_keeps_the_vendors_contract(scene: PsaScene, tmp_path: Path) -> None:
    exercise(scene)
    exchanges = scene.tenant.world.journal("psa")
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    command = [sys.executable, str(CHECK), str(journal), "--service", "psa"]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert len(exchanges) >= 30


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_reading_agreements_and_closed_invoices_keeps_it_too(scene: PsaScene, tmp_path: Path) -> None:
    connection = get_psa_connection(scene.tenant.merchant)
    sync = SyncScene(scene.tenant, scene)
    number = sync.insert()
    for now in (timezone.now(), timezone.now() + timedelta(hours=1)):
        read_agreements(connection, now=now)
        deliver_outbox()
    sync.prepare()
    sync.run()
    assert sync.row(number).state == "posted"
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in scene.tenant.world.journal("psa")))
    command = [sys.executable, str(CHECK), str(journal), "--service", "psa"]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert judged.returncode == 0, judged.stdout + judged.stderr
