"""Mails that a stranger can cause: how many, to whom, with whose words."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from tests.tenants import Checkout, Tenant
from wisepay.models import User

Deliver = Callable[..., int]
WORDS = "Win money at evil.example"


def register(checkout: Checkout, email: str, *, ip: str = "203.0.113.7", name: str = "Ada") -> HttpResponse:
    """Register in the checkout of a link."""
    terms = get_current_terms(checkout.tenant.merchant, Terms.Kind.USER_ACCOUNT).pk
    form = {"name": name, "email": email, "phone": "", "accepted_terms": terms}
    answer = Client(REMOTE_ADDR=ip).post(f"{checkout.path}/register", form)
    assert isinstance(answer, HttpResponse)
    return answer


def count_mails(tenant: Tenant, deliver: Deliver) -> int:
    """How many mails there are, once all that is due went out."""
    deliver()
    return len(tenant.world.get("/mailbox/messages.json").json()["messages"])


def test_one_link_mails_ten_strangers_an_hour_and_then_says_so(tenant: Tenant, deliver: Deliver) -> None:
    checkout = tenant.open_checkout()
    answers = [register(checkout, f"victim{n}@example.com", ip=f"203.0.113.{n}") for n in range(80)]
    assert [answer.status_code for answer in answers] == [302] * 10 + [429] * 70
    assert 0 < int(answers[-1]["Retry-After"]) <= 3601
    assert "pay as a guest" in answers[-1].content.decode()
    assert count_mails(tenant, deliver) == 10
    assert User.objects.filter(email__startswith="victim").count() <= 10


@pytest.mark.parametrize("ip", ["203.0.113.7", "2001:db8:1:{0:x}::1", "2001:db8:1:{0:x}00::1"])
def test_one_network_mails_a_bounded_number_over_all_links(
    tenant: Tenant, deliver: Deliver, settings: Any, ip: str
) -> None:
    settings.MAILS_PER_NETWORK_HOUR = 4
    codes = [
        register(tenant.open_checkout(), f"victim{n}@example.com", ip=ip.format(n + 1)).status_code for n in range(7)
    ]
    assert codes == [302] * 4 + [429] * 3
    assert count_mails(tenant, deliver) == 4


def test_one_address_is_mailed_a_bounded_number_of_times_and_the_page_tells_nothing(
    tenant: Tenant, deliver: Deliver, settings: Any
) -> None:
    settings.MAILS_PER_ADDRESS_HOUR = 2
    codes = []
    for n in range(5):
        # Another company each time: an access of its own, so each would send a mail of its own.
        checkout = tenant.open_checkout(customer={"account_name": f"Client {n}", "email": "a@client.example"})
        codes.append(register(checkout, "Victim@Example.com", ip=f"203.0.113.{n}").status_code)
    assert codes == [302] * 5
    assert count_mails(tenant, deliver) == 2


def test_a_strangers_words_are_in_no_mail(tenant: Tenant, deliver: Deliver) -> None:
    register(tenant.open_checkout(), "victim@example.com", name=WORDS)
    deliver()
    mails = tenant.mails("victim@example.com")
    assert mails
    assert all("evil.example" not in str(mail) for mail in mails)


def test_somebody_of_a_merchant_invites_a_bounded_number(tenant: Tenant, deliver: Deliver, settings: Any) -> None:
    settings.INVITATIONS_PER_PERSON_HOUR = 3
    form = {"q": "Harbour Dental Pty Ltd", "contact_id": "", "name": "Ada"}
    codes = [
        tenant.admin.post(tenant.url("payers/add"), form | {"email": f"victim{n}@example.com"}).status_code
        for n in range(5)
    ]
    assert codes == [302] * 3 + [422] * 2
    assert count_mails(tenant, deliver) == 3
