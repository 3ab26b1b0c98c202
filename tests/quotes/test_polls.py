"""The poll: accepted quotes open their checkouts without a click, once, and an idle look is one call.

ConnectWise's CPQ REST document has no webhooks, compares days only, and lists nothing for a condition in a wrong form.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from quotes.models import CpqConnection, CpqWord, PolledVersion, Quote
from quotes.polls import delete_old_polled_versions, poll_connections
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, count_stored, list_cpq_calls
from tests.tenants import Tenant
from wisepay.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def polled(shop: Tenant) -> Tenant:
    """A merchant whose CPQ is looked at."""
    connect_cpq(shop)
    CpqConnection.objects.update(is_polled=True)
    return shop


def poll(tenant: Tenant, *, minutes: int = 0) -> list[str]:
    """Poll as of some minutes later; the calls that it made."""
    before = len(list_cpq_calls(tenant))
    poll_connections(now=later(minutes))
    return list_cpq_calls(tenant)[before:]


def later(minutes: int) -> datetime:
    """Some minutes from now."""
    return timezone.now() + timedelta(minutes=minutes)


def test_an_idle_look_is_one_call_every_five_minutes(polled: Tenant) -> None:
    assert poll(polled) == ["GET /api/quotes"]
    assert poll(polled, minutes=4) == []
    assert poll(polled, minutes=6) == ["GET /api/quotes"]


def test_accepted_quotes_are_opened_once_with_two_calls_each_at_most(polled: Tenant) -> None:
    quotes = [LinkedQuote.create(polled, like) for like in ("deposit", "mixed", "jpy")]
    polled.world.post("/cpq/_control", {"create": {}})
    assert len(poll(polled)) == 1 + 1 + 2 + 1
    assert set(Quote.objects.values_list("number", flat=True)) == {made.number for made in quotes}
    assert len(poll(polled, minutes=6)) == 1
    assert count_stored() == (3, 3)
    checkout = quotes[0].open()
    assert (checkout.quote.source, checkout.pay().status_code) == ("link", 200)
    assert len(poll(polled, minutes=12)) == 1
    assert polled.total_charged() == 249150


def test_what_changes_is_read_again_and_a_new_version_takes_the_place_of_the_old(polled: Tenant) -> None:
    made = LinkedQuote.create(polled)
    poll(polled)
    made.order("edit", fields={"quoteTotal": 5000.0})
    poll(polled, minutes=6)
    assert Quote.objects.get().total == 500000
    made.order("publish", is_approved=True)
    poll(polled, minutes=12)
    assert list(Quote.objects.order_by("version").values_list("version", "state")) == [(1, "withdrawn"), (2, "open")]


def test_a_quote_that_our_contract_sent_is_left_as_it_is(polled: Tenant) -> None:
    made = LinkedQuote.create(polled)
    view = made.order("edit", fields={}, silently=True)["view"]
    polled.post_checkout(quote={"id": view["id"], "number": made.number, "version": 1})
    assert len(poll(polled)) == 1
    assert (Quote.objects.get().source, count_stored()) == ("contract", (1, 1))


def test_what_is_refused_is_told_once_and_holds_up_no_other(polled: Tenant) -> None:
    made = LinkedQuote.create(polled)
    made.order("edit", fields={"baseCurrency": "A$"})
    LinkedQuote.create(polled)
    poll(polled)
    assert (count_stored(), CpqWord.objects.get().word) == ((1, 1), "a$")
    assert AuditEntry.objects.filter(action="cpq.refused").count() == 1
    assert len(poll(polled, minutes=6)) == 1


@pytest.mark.parametrize(
    "changes", [{"is_polled": False}, {"is_enabled": False}, {"confirmed_at": None}], ids=["off", "disabled", "trial"]
)
def test_nothing_is_looked_for_where_it_is_not_wanted(polled: Tenant, changes: dict[str, Any]) -> None:
    LinkedQuote.create(polled)
    CpqConnection.objects.update(**changes)
    assert poll(polled) == []


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/api/quotes", {"kind": "status", "status": 503}),
        ("/api/quotes", {"kind": "odd", "name": "200 cut JSON"}),
        ("*/customers", {"kind": "drop_before"}),
        ("*/customers", {"kind": "status", "status": 429}),
    ],
)
def test_what_could_not_be_read_is_read_by_the_next_poll(polled: Tenant, path: str, fault: dict[str, Any]) -> None:
    made = LinkedQuote.create(polled)
    with polled.world.inject_fault("cpq", path=path, **fault):
        poll(polled)
    assert count_stored() == (0, 0)
    if fault.get("status") != 429:
        poll(polled, minutes=6)
        assert Quote.objects.get().number == made.number


def test_one_quote_that_cannot_be_read_holds_up_no_other(polled: Tenant) -> None:
    LinkedQuote.create(polled)
    made = LinkedQuote.create(polled)
    with polled.world.inject_fault("cpq", "mutate", path="/api/quotes", field="0.quoteNumber", value="x"):
        poll(polled)
    assert Quote.objects.get().number == made.number


def test_revoked_keys_are_told_and_old_looks_deleted(polled: Tenant) -> None:
    LinkedQuote.create(polled)
    poll(polled)
    polled.world.config(cpq_keys={"practice+another": {"private_key": "x"}})
    poll(polled, minutes=6)
    assert "does not accept" in CpqConnection.objects.get().last_error
    assert delete_old_polled_versions(now=later(0)) == 0
    assert delete_old_polled_versions(now=later(15 * 24 * 60)) == 1
    assert not PolledVersion.objects.exists()
