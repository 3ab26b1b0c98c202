"""Links on trial: until our arithmetic is confirmed quotes are shown to staff; a template's amount can only stop one.

The amount that Order Porter shows is not in ConnectWise's CPQ REST document; a macro of its templates has it.
"""

import pytest

from quotes.models import CpqConnection
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, count_stored
from tests.tenants import Tenant
from wisepay.models import AuditEntry

pytestmark = pytest.mark.django_db
UNKNOWN_PASSCODE = "0" * 32


def test_on_trial_a_quote_is_shown_to_staff_and_cannot_be_paid(shop: Tenant) -> None:
    connect_cpq(shop, is_trial=True)
    made = LinkedQuote.create(shop)
    answer = made.follow()
    assert (answer.status_code, "still setting up" in answer.content.decode()) == (409, True)
    assert count_stored() == (0, 0)
    shop.admin.force_login(shop.user)
    listed = shop.admin.get(shop.url("quotes/refused")).content.decode()
    assert f"Quote {made.number}" in listed
    assert "2,491.50 would be due" in listed


def test_on_trial_the_link_of_a_quote_that_our_contract_sent_opens_it(shop: Tenant) -> None:
    connect_cpq(shop, is_trial=True)
    made = LinkedQuote.create(shop)
    view = made.order("edit", fields={}, silently=True)["view"]
    sent = shop.post_checkout(quote={"id": view["id"], "number": made.number, "version": 1})
    assert sent.status_code == 201
    checkout = made.open()
    assert (checkout.quote.source, checkout.pay().status_code) == ("contract", 200)


def test_three_quotes_whose_template_agrees_end_the_trial(shop: Tenant) -> None:
    connect_cpq(shop, is_trial=True)
    for count in (1, 2, 3):
        made = LinkedQuote.create(shop)
        for _ in range(2):
            status = made.follow(a="2,491.50").status_code
        assert status == (303 if count == 3 else 409), count
    assert not CpqConnection.objects.get().is_trial


@pytest.mark.parametrize("amount", ["2491.51", "2491.49", "0.01", "nonsense", "-2491.50", "2491.50.0"])
def test_a_template_amount_that_differs_stops_and_changes_nothing(linked: Tenant, amount: str) -> None:
    made = LinkedQuote.create(linked)
    assert made.follow(a=amount).status_code == 409
    assert count_stored() == (0, 0)
    assert "Its template says" in AuditEntry.objects.select_related("details").latest("pk").details.detail
    assert made.open().payment.amount == 249150


def test_the_other_form_of_the_link_compares_the_passcode_too(linked: Tenant) -> None:
    CpqConnection.objects.update(link_form="numbered")
    made = LinkedQuote.create(linked)
    named = {"n": str(made.number), "v": "1"}
    assert made.follow(**named).status_code == 303
    wrong = ({"k": UNKNOWN_PASSCODE}, {"n": "7"}, {"v": "x"}, {"v": "2"})
    for query in ({}, {"n": str(made.number)}, *({**named, **one} for one in wrong)):
        assert made.follow(**query).status_code == 404, query
