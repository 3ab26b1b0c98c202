"""A quote that came by link is read again before it is charged: a changed one is shown anew, and never charged.

The quote's changes are those that CPQ's own document names: versions, approval, passcode, expiration, archive.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments.models import Attempt, Setup
from quotes.models import CpqConnection, Quote
from tests.quotes.link_helpers import LinkedQuote, list_cpq_calls
from tests.tenants import Tenant

pytestmark = pytest.mark.django_db
Change = Callable[[LinkedQuote], object]


def edit(**fields: Any) -> Change:
    return lambda made: made.order("edit", fields=fields)


def switch_off(made: LinkedQuote) -> None:
    CpqConnection.objects.update(is_enabled=False)


# What happens between opening and paying, the code of the refusal, and whether the payer can pay after another look.
CHANGES: list[tuple[str, Change, str, bool]] = [
    ("a note was written", edit(quoteNotes="x"), "amount_changed", True),
    ("another total", edit(quoteTotal=5000.0), "amount_changed", True),
    ("another total in the same second", lambda made: made.order("edit", fields={"quoteTotal": 4983.01}, silently=True),
     "amount_changed", True),
    ("another down payment", edit(orderPorterDownPaymentPercent=10), "amount_changed", True),
    ("approval withdrawn", lambda made: made.order("withdraw"), "not_payable", False),
    ("a new version", lambda made: made.order("publish"), "not_payable", False),
    ("a new version, approved", lambda made: made.order("publish", is_approved=True), "not_payable", False),
    ("expired", lambda made: made.order("expire"), "not_payable", False),
    ("another passcode", lambda made: made.order("passcode"), "not_payable", False),
    ("lost", edit(isLost=True), "not_payable", False),
    ("archived", edit(isArchive=True), "not_payable", False),
    ("deleted", lambda made: made.order("delete"), "not_payable", False),
    ("another currency", edit(baseCurrency="A$"), "not_payable", False),
    ("switched off", switch_off, "merchant_not_ready", False),
    ("the trial began anew", lambda made: CpqConnection.objects.update(confirmed_at=None), "not_payable", False),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "is_payable"), [each[1:] for each in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_quote_that_changed_is_shown_anew_and_never_charged(
    linked: Tenant, change: Change, code: str, is_payable: bool
) -> None:
    made = LinkedQuote.create(linked)
    checkout = made.open()
    change(made)
    answer = checkout.pay()
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, code)
    assert not Attempt.objects.exists()
    page = Client().get(checkout.path)
    assert (page.status_code, "Choose again" in page.content.decode()) == (200, False)
    second = checkout.pay()
    assert (second.status_code == 200) == is_payable, second.content
    charged = checkout.payment.amount if is_payable else 0
    assert linked.total_charged() == charged


def test_a_payer_who_saw_the_old_amount_is_not_charged_the_new_one(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    checkout = made.open()
    made.order("edit", fields={"quoteTotal": 6000.0})
    made.follow()  # somebody else looks meanwhile, so that what is stored is what CPQ has
    answer = checkout.pay(amount=249150)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "amount_changed")
    assert linked.total_charged() == 0


def test_a_page_of_before_a_change_charges_nothing_though_the_amount_is_the_same(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    checkout = made.open()
    page = Client().get(f"{checkout.path}/guest").content.decode()
    shown = page.partition('name="shown" value="')[2].partition('"')[0]
    assert shown
    made.order("edit", fields={"name": "Something else"})
    made.follow()  # somebody else looks meanwhile
    answer = checkout.pay(shown=shown)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "amount_changed")
    assert linked.total_charged() == 0


@pytest.mark.parametrize("kind", ["drop_before", "html", "status", "odd"])
def test_without_an_answer_of_cpq_nothing_is_charged(linked: Tenant, kind: str) -> None:
    made = LinkedQuote.create(linked)
    checkout = made.open()
    order = {"name": "200 cut JSON"} if kind == "odd" else {"status": 502}
    with linked.world.inject_fault("cpq", kind, **order):
        answer = checkout.pay()
    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")
    assert not Attempt.objects.exists()
    assert checkout.pay().status_code == 200


def test_keys_that_were_revoked_charge_nothing_and_tell_the_merchant(linked: Tenant) -> None:
    checkout = LinkedQuote.create(linked).open()
    linked.world.config(cpq_keys={"practice+another": {"private_key": "x"}})
    assert checkout.pay().status_code == 503
    assert "does not accept these keys" in CpqConnection.objects.get().last_error
    assert not Attempt.objects.exists()
    linked.world.config(cpq_keys=None)
    LinkedQuote.create(linked).open()
    assert CpqConnection.objects.get().last_error == ""


def test_a_held_quote_is_free_again_when_its_link_is_followed(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    checkout = made.open()
    made.order("withdraw")
    assert checkout.pay().status_code == 409
    assert Quote.objects.get().hold == "not_approved"
    made.order("approve")
    assert made.open().quote.pk == checkout.quote.pk
    assert (Quote.objects.get().hold, checkout.pay().status_code) == ("", 200)


def test_a_newer_version_takes_the_place_of_the_older(linked: Tenant) -> None:
    made = LinkedQuote.create(linked)
    older = made.open()
    made.order("publish", is_approved=True)
    newer = made.open()
    assert (older.quote.state, newer.quote.state, newer.quote.version) == ("withdrawn", "open", 2)
    assert older.pay().status_code == 409
    assert newer.pay().status_code == 200
    assert linked.total_charged() == 249150


def test_a_method_is_saved_for_a_quote_that_is_as_it_was_shown_only(linked: Tenant) -> None:
    made = LinkedQuote.create(linked, "recurring")
    checkout = made.open()
    made.order("withdraw")
    payer = linked.payer("accounts@ridgelinelegal.example", company="Ridgeline Legal Pty Ltd")
    token = linked.confirmation_token("4242424242424242")
    form = {"name": "A", "email": "a@b.example", "confirmation_token": token, "method": "card", "saves": "on"}
    answer = payer.post(f"{checkout.path}/setups", form)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "not_payable")
    assert not Setup.objects.exists()


def test_attempts_read_a_quote_ten_times_a_minute_at_most(linked: Tenant, settings: Any) -> None:
    checkout = LinkedQuote.create(linked).open()
    settings.QUOTE_READINGS_PER_MINUTE = 2
    before = len(list_cpq_calls(linked))
    statuses = [checkout.pay("4000000000000002").status_code for _ in range(4)]
    assert len(list_cpq_calls(linked)) - before == 2, statuses


def test_what_was_read_long_ago_is_read_again_before_it_is_charged(linked: Tenant) -> None:
    checkout = LinkedQuote.create(linked).open()
    Quote.objects.update(read_at=timezone.now() - timedelta(days=2))
    assert checkout.pay().status_code == 200
    assert timezone.now() - Quote.objects.get().read_at < timedelta(minutes=1)  # type: ignore[operator]
