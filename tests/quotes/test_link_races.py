"""Links that are followed at the same moment, and all that we send to CPQ held against the vendor's own document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from quotes.cpq_connections import check_cpq_connection, get_cpq_connection, try_link
from sandbox.harness.sandbox_process import SandboxProcess
from tests.concurrency import run_concurrently
from tests.quotes.api_helpers import create_cpq_merchant
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, count_stored
from tests.sandbox.test_vendor_contracts import CHECK
from tests.tenants import Tenant
from wisepay import clock


@pytest.fixture
def committed(transactional_db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose rows every connection sees."""
    shop = create_cpq_merchant(world, name="Northwind IT", email="admin@northwind-it.example")
    connect_cpq(shop)
    return shop


def test_links_that_are_followed_at_once_open_one_checkout(committed: Tenant) -> None:
    made = LinkedQuote.create(committed)
    answers = run_concurrently(4, lambda _: made.follow(Client()))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer["Location"] for answer in answers}) == 1
    assert count_stored() == (1, 1)


def test_a_quote_that_is_paid_twice_at_once_is_charged_once(committed: Tenant) -> None:
    checkout = LinkedQuote.create(committed).open()
    tokens = [committed.confirmation_token("4242424242424242") for _ in range(3)]
    run_concurrently(3, lambda index: checkout.pay(confirmation_token=tokens[index]))
    assert committed.total_charged() == checkout.payment.amount


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
@pytest.mark.django_db
def test_everything_that_is_sent_to_cpq_keeps_the_vendors_contract(shop: Tenant, tmp_path: Path) -> None:
    connection = connect_cpq(shop)
    for like in ("one-time", "mixed", "recurring"):
        made = LinkedQuote.create(shop, like)
        checkout = made.open()
        try_link(connection, made.passcode, now=clock.now())
        checkout.pay()
    check_cpq_connection(connection, now=clock.now())
    connection.link_form = "numbered"
    connection.save()
    LinkedQuote.create(shop).follow(n="1050", v="1")
    made.order("edit", fields={"quoteNotes": "x"})
    checkout.pay()
    journal = tmp_path / "journal.jsonl"
    exchanges = shop.world.journal("cpq")
    journal.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    judged = subprocess.run(
        [sys.executable, str(CHECK), str(journal), "--service", "cpq"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert len(exchanges) > 15
    assert not any("quoteCost" in each["url"] or "grossMargin" in each["url"] for each in exchanges)
    assert get_cpq_connection(shop.merchant).last_error == ""
