"""Links on trial: until our arithmetic is confirmed quotes are shown to staff; a template's amount can only stop one.

The amount that Order Porter shows is not in ConnectWise's CPQ REST document; a macro of its templates has it.
"""

import json

import pytest

from payments.models import Attempt
from quotes.models import CpqConnection, Quote
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, count_stored
from tests.tenants import Checkout, Tenant
from wisepay.models import AuditEntry

pytestmark = pytest.mark.django_db
UNKNOWN_PASSCODE = "0" * 32


def test_on_trial_a_quote_is_shown_to_staff_and_cannot_be_paid(shop: Tenant) -> None:
    connect_cpq(shop, is_trial=True)
    made = LinkedQuote.create(shop)
    answer = made.follow()
    assert (answer.status_code, "still setting up" in answer.content.decode()) == (409, True)
    quote = Quote.objects.select_related("payment").get()
    shop.admin.force_login(shop.user)
    assert str(made.number) in shop.admin.get(shop.url("quotes/")).content.decode()
    paying = Checkout(shop, {"id": quote.reference, "url": f"/pay/{quote.payment.reference}"}).pay()
    assert (paying.status_code, json.loads(paying.content)["code"]) == (409, "not_payable")
    assert not Attempt.objects.exists()


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
