"""Callbacks: signed ones are read again, everything else has PSA polled at most; switched off, they are switched on."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Notification
from psa.callbacks import check_callbacks, register_callbacks
from psa.connectwise.signatures import compute_signature
from psa.models import PsaConnection
from psa.services import get_psa_connection
from tests.psa.scene import PsaScene
from tests.tenants import deliver_outbox
from wisepay.models import OutboxMessage


def get_address(scene: PsaScene) -> str:
    """Our address, as PSA has it."""
    url = str(scene.control()["callbacks"][0]["url"])
    assert url.endswith("?recordId=")
    return url.partition("8000")[2]


def build_message(scene: PsaScene, invoice: int, **changes: object) -> bytes:
    """A message as PSA sends it."""
    address = f"{scene.tenant.world.url}/psa/callback-keys/northwind"
    body = {"ID": invoice, "Action": "added", "Type": "invoice", "Entity": None, "Metadata": {"key_url": address}}
    return json.dumps(body | changes).encode()


def send(scene: PsaScene, body: bytes, *, key: str = "practice-signing-key", address: str = "") -> int:
    """Post a message to our address."""
    signature = compute_signature(key, body)
    path = (address or get_address(scene)) + "1&action=added"
    answer = Client().post(path, body, content_type="application/json", headers={"x-content-signature": signature})
    return answer.status_code


def wait_for_invoice(scene: PsaScene) -> tuple[dict[str, int], int]:
    """A payment that waits, and the invoice that has come since."""
    sold = scene.sell(invoice=False)
    checkout = scene.pay(sold)
    deliver_outbox()
    assert scene.get_row(checkout).state == "waiting"
    invoice = scene.control(down_payment={"order": sold["order"], "amount": 625.0})["down_payment"]
    return {"payment": checkout.payment.pk}, invoice


def test_a_signed_callback_hurries_what_waits_and_twice_is_once(scene: PsaScene) -> None:
    _, invoice = wait_for_invoice(scene)
    body = build_message(scene, invoice)
    assert [send(scene, body), send(scene, body)] == [204, 204]
    deliver_outbox()
    assert [p["amount"] for p in scene.list_payments(invoice)] == [625.0]
    assert len(scene.tenant.world.journal("psa-keys")) == 1
    assert OutboxMessage.objects.filter(handler="psa.read_invoice").count() == 1


@pytest.mark.parametrize("fault", ["forged", "foreign key address", "no json", "no id", "no metadata", "a list"])
def test_what_cannot_be_checked_wakes_a_poll_and_nothing_else(scene: PsaScene, fault: str) -> None:
    """The address of the key stands in the message itself, so it is pinned to the merchant's own PSA."""
    _, invoice = wait_for_invoice(scene)
    foreign = {"key_url": "http://169.254.169.254/latest/meta-data"}
    body = {
        "forged": build_message(scene, invoice),
        "foreign key address": build_message(scene, invoice, Metadata=foreign),
        "no json": b"{",
        "no id": build_message(scene, invoice, ID=None),
        "no metadata": build_message(scene, invoice, Metadata=7),
        "a list": b"[]",
    }[fault]
    assert send(scene, body, key="somebody-else" if fault == "forged" else "practice-signing-key") == 204
    assert not OutboxMessage.objects.filter(handler="psa.read_invoice").exists()
    deliver_outbox()
    assert [p["amount"] for p in scene.list_payments(invoice)] == [625.0]  # by the poll
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_a_wrong_secret_is_not_there(scene: PsaScene, stranger: object) -> None:
    path = get_address(scene)
    wrong = path.replace(path.split("/")[-1].partition("?")[0], "x" * 43)
    assert send(scene, build_message(scene, 1), address=wrong) == 404
    assert Client().get(path + "1").status_code == 405


def test_a_callback_is_registered_once_and_switched_on_again(scene: PsaScene) -> None:
    """After failures on three days running PSA switches a callback off."""
    connection = get_psa_connection(scene.tenant.merchant)
    register_callbacks(connection, now=timezone.now())
    callbacks = scene.control()["callbacks"]
    assert len(callbacks) == 1
    scene.control(change={"table": "callbacks", "id": callbacks[0]["id"], "fields": {"inactiveFlag": True}})
    before = len(scene.list_calls())
    check_callbacks(get_psa_connection(scene.tenant.merchant), now=timezone.now())
    assert scene.control()["callbacks"][0]["inactiveFlag"] is False
    assert Notification.objects.filter(title__contains="callbacks off").count() == 1
    middle = len(scene.list_calls())
    assert middle == before + 3
    check_callbacks(get_psa_connection(scene.tenant.merchant), now=timezone.now())
    assert len(scene.list_calls()) == middle + 1


def test_a_key_that_psa_changed_is_fetched_again_after_a_while(scene: PsaScene) -> None:
    _, invoice = wait_for_invoice(scene)
    PsaConnection.objects.update(signing_key_at=timezone.now() - timedelta(hours=25))
    assert send(scene, build_message(scene, invoice)) == 204
    assert OutboxMessage.objects.filter(handler="psa.read_invoice").exists()
