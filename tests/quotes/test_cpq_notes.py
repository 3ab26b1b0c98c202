"""How a quote's payment stands is written into fields of CPQ that the merchant names, and no payment fails by it.

The vendor's Swagger document (developer.connectwise.com, CPQ REST) has no payments; its custom fields take a PATCH.
Quotes with ids of the old kind answer 500 to it (msoukhomlinov/n8n-nodes-connectwise-cpq).
"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.refunds import send_refund, start_refund
from quotes.cpq_connections import get_cpq_connection, open_client
from quotes.models import CpqConnection, CpqNote, Quote
from quotes.polls import poll_connections
from quotes.timeline import TimelineStep, get_timeline
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, list_cpq_calls
from tests.tenants import Checkout, Tenant, deliver_outbox

pytestmark = pytest.mark.django_db
STATUS, DAY = "zCustomQuoteString3", "zCustomQuoteDate1"
PATCH = {"method": "PATCH", "path": "*/api/quotes/*"}


@pytest.fixture
def noting(tenant: Tenant) -> Tenant:
    """A merchant whose CPQ is told, as the page's form says."""
    connect_cpq(tenant)
    form = {"is_enabled": "on", "link_form": "passcode", "order_porter_url": ""}
    answer = tenant.admin.post(
        tenant.url("configure/merchants/integrations/cpq/settings"), form | {"status_field": STATUS, "date_field": DAY}
    )
    assert answer.status_code == 302, answer.text[-2000:]
    return tenant


def read_fields(checkout: Checkout) -> tuple[Any, Any]:
    """What stands in CPQ's two fields."""
    client = open_client(get_cpq_connection(checkout.quote.merchant))
    row = client.read_object(f"/api/quotes/{checkout.quote.cpq_id}")
    return row.get(STATUS), row.get(DAY)


def count_patches(tenant: Tenant) -> int:
    """How often CPQ was written to."""
    return sum(call.startswith("PATCH") for call in list_cpq_calls(tenant))


def find_step(checkout: Checkout) -> TimelineStep | None:
    """The timeline's line about it."""
    steps = get_timeline(checkout.quote, now=timezone.now())
    return next((step for step in steps if step.name == "note in CPQ"), None)


def test_paid_and_refunded_are_written_once_each(noting: Tenant) -> None:
    checkout = LinkedQuote.create(noting).open()
    deliver_outbox()
    assert (count_patches(noting), find_step(checkout)) == (0, None), "nothing is said of what nobody paid"
    checkout.pay()
    for _ in range(2):
        deliver_outbox()
    today = timezone.now().astimezone(noting.merchant.zone).date()
    assert read_fields(checkout) == ("Paid", f"{today}T00:00:00")
    assert count_patches(noting) == 1
    step = find_step(checkout)
    assert step is not None
    assert (step.state, step.words) == ("done", "“Paid”.")
    assert Quote.objects.get().state == "paid"
    CpqConnection.objects.update(is_polled=True)
    poll_connections(now=timezone.now())
    deliver_outbox()
    assert (Quote.objects.count(), count_patches(noting)) == (1, 1), "the poll that sees the change opens nothing"
    payment = checkout.payment
    refund = start_refund(payment, amount=payment.amount, reason="Cancelled", by=noting.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    deliver_outbox()
    assert read_fields(checkout)[0] == "Refunded"


def test_it_is_off_until_a_field_is_named(tenant: Tenant) -> None:
    connect_cpq(tenant)
    LinkedQuote.create(tenant).open().pay()
    deliver_outbox()
    assert (count_patches(tenant), CpqNote.objects.count()) == (0, 0)


# What CPQ does to the write, what becomes of the note, and how often it was called.
FAULTS: dict[str, tuple[dict[str, Any], str, int]] = {
    "the answer is lost": ({"kind": "drop_after"}, "written", 2),
    "the request is lost": ({"kind": "drop_before"}, "written", 2),
    "it is busy": ({"kind": "status", "status": 503}, "written", 2),
    "it is busy for days": ({"kind": "status", "status": 503, "times": 90}, "refused", 0),
    "no right to": ({"kind": "status", "status": 403, "times": 9}, "refused", 1),
    "no such field": ({"kind": "status", "status": 400, "times": 9}, "refused", 1),
    "it is deleted": ({"kind": "status", "status": 404, "times": 9}, "refused", 1),
    "the keys are gone": ({"kind": "status", "status": 401, "times": 9}, "refused", 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_cpq_answers_the_payment_stands(noting: Tenant, name: str) -> None:
    fault, state, calls = dict(FAULTS[name][0]), *FAULTS[name][1:]
    checkout = LinkedQuote.create(noting).open()
    noting.world.fault("cpq", fault.pop("kind"), **PATCH, **fault)
    checkout.pay()
    for hours in (0, 1, 2, 20, 26):
        deliver_outbox(at=timezone.now() + timedelta(hours=hours))
    note = CpqNote.objects.get()
    assert note.state == state, note.reason
    assert count_patches(noting) == calls or not calls
    assert (checkout.payment.state, checkout.quote.state) == ("succeeded", "paid")
    step = find_step(checkout)
    assert step is not None
    assert step.state == ("done" if state == "written" else "stuck")
    assert "The payment is not concerned." in step.words or state == "written"


def test_ids_of_the_old_kind_are_never_written_to(noting: Tenant) -> None:
    checkout = LinkedQuote.create(noting).open()
    Quote.objects.update(
        cpq_id="5f0c2f3e-8a53-4d0b-9f2e-0a7f1c2d3e4f", source="contract", return_url="https://x.example"
    )
    checkout.pay()
    deliver_outbox()
    note = CpqNote.objects.get()
    assert (note.state, count_patches(noting)) == ("left_out", 0)
    assert "old kind" in note.reason


def test_only_known_fields_can_be_named(noting: Tenant) -> None:
    form = {"is_enabled": "on", "link_form": "passcode", "order_porter_url": ""}
    path = noting.url("configure/merchants/integrations/cpq/settings")
    for wrong in ("quoteStatus", "isAccepted", "zCustomQuoteString16", "zCustomQuoteDate1"):
        assert noting.admin.post(path, form | {"status_field": wrong}).status_code == 422
    assert CpqConnection.objects.get().status_field == STATUS
