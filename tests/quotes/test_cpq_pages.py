"""Integrations › ConnectWise CPQ: keys that are proved and never shown, the link, its test, the end of the trial."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from quotes.models import CpqConnection, Quote
from tests.quotes.link_helpers import KEYS, LinkedQuote, connect_cpq, list_cpq_calls
from tests.tenants import PASSWORD, Tenant
from wisepay.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "configure/merchants/integrations/cpq"
FORM = {"access_key": KEYS.access_key, "public_key": KEYS.public_key, "private_key": KEYS.private_key}


@pytest.fixture
def admin(shop: Tenant) -> Client:
    """The merchant's admin, signed in."""
    shop.admin.force_login(shop.user)
    return shop.admin


def read_page(shop: Tenant, client: Client) -> str:
    """The page as a person reads it."""
    return unescape(client.get(shop.url(PAGE)).content.decode())


def test_keys_are_proved_with_one_call_and_never_shown(shop: Tenant, admin: Client) -> None:
    answer = admin.post(shop.url(PAGE), FORM)
    assert (answer.status_code, answer["Location"]) == (302, shop.url(PAGE))
    assert list_cpq_calls(shop) == ["GET /settings/user"]
    text = read_page(shop, admin)
    assert KEYS.private_key not in text
    assert KEYS.public_key not in text
    assert f"/q/{shop.merchant.reference}?k=#Quote.OrderPorterPasscode" in text
    row: Any = CpqConnection.objects.values_list("access_key", "public_key", "private_key").get()
    assert not any(key in f"{one.stored} {one!r}" for one in row for key in FORM.values())
    entry = AuditEntry.objects.select_related("details").get(action="cpq_connection.keys_saved")
    assert not any(key in f"{entry.details.subject}{entry.details.detail}" for key in FORM.values())


@pytest.mark.parametrize(
    ("changes", "fault", "words"),
    [
        ({"private_key": "other0key"}, {}, "does not accept these keys"),
        ({"access_key": "psa-company"}, {}, "does not accept these keys"),
        ({"access_key": "practice+public0key"}, {}, "one key only"),
        ({"public_key": "with:colon"}, {}, "no colon"),
        ({"private_key": ""}, {}, "required"),
        ({}, {"kind": "status", "status": 500}, "Look at the keys"),
        ({}, {"kind": "status", "status": 429}, "answered 429"),
        ({}, {"kind": "odd", "name": "200 HTML"}, "could not be read"),
        ({}, {"kind": "drop_before"}, "does not answer"),
    ],
)
def test_keys_that_do_not_work_are_not_saved(
    shop: Tenant, admin: Client, changes: dict[str, str], fault: dict[str, Any], words: str
) -> None:
    if fault:
        shop.world.fault("cpq", **fault)
    answer = admin.post(shop.url(PAGE), FORM | changes)
    assert answer.status_code == 422
    assert words in unescape(answer.content.decode())
    assert not CpqConnection.objects.exists()


@pytest.mark.parametrize(
    ("public_key", "words"), [("restricted0key", "quotes of other people are not found"), ("person0key", "API user in")]
)
def test_what_the_keys_may_not_do_is_shown(shop: Tenant, admin: Client, public_key: str, words: str) -> None:
    admin.post(shop.url(PAGE), FORM | {"public_key": public_key})
    assert words in read_page(shop, admin)


def test_replacing_keys_asks_who_it_is_and_another_tenant_begins_a_new_trial(shop: Tenant, admin: Client) -> None:
    connect_cpq(shop)
    asked = admin.post(shop.url(PAGE), FORM)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    admin.post(asked["Location"], {"password": PASSWORD})
    admin.post(shop.url(PAGE), FORM)
    assert not CpqConnection.objects.get().is_trial
    admin.post(shop.url(PAGE), FORM | {"access_key": "elsewhere"})
    assert CpqConnection.objects.get().is_trial
    assert shop.mails(shop.user.email) == [] or AuditEntry.objects.filter(action="cpq_connection.keys_replaced").count()


def test_a_link_is_tested_and_its_amount_confirmed(shop: Tenant, admin: Client) -> None:
    connect_cpq(shop, is_trial=True)
    made = LinkedQuote.create(shop)
    page = made.order("edit", fields={}, silently=True)["page"]
    for pasted in (page, made.passcode, f"https://pay.example/q/x?k={made.passcode}"):
        CpqConnection.objects.update(shown=None)
        assert admin.post(shop.url(f"{PAGE}/test"), {"link": pasted}).status_code == 302
        assert "2,491.50" in read_page(shop, admin)
    assert made.passcode not in str(CpqConnection.objects.get().shown)
    assert not Quote.objects.exists()
    shown = CpqConnection.objects.get().shown or {}
    confirm = shop.url(f"{PAGE}/confirm")
    for number, due in ((made.number, "A$1.00"), (7, shown["due"]), ("x", shown["due"]), ("", "")):
        admin.post(confirm, {"number": number, "due": due})
        assert CpqConnection.objects.get().is_trial
    admin.post(confirm, {"number": made.number, "due": shown["due"]})
    assert not CpqConnection.objects.get().is_trial
    assert made.follow().status_code == 303
    assert AuditEntry.objects.filter(action="cpq_connection.confirmed").count() == 1


@pytest.mark.parametrize(
    ("pasted", "words"), [("x" * 20, "No quote is found"), ("'; drop", "No quote is found"), ("", "required")]
)
def test_a_link_that_opens_nothing_says_what_to_paste(shop: Tenant, admin: Client, pasted: str, words: str) -> None:
    connect_cpq(shop)
    answer = admin.post(shop.url(f"{PAGE}/test"), {"link": pasted})
    assert (answer.status_code, words in unescape(answer.content.decode())) == (422, True)


def test_a_quote_that_cannot_be_paid_is_explained_to_the_merchant(shop: Tenant, admin: Client) -> None:
    connect_cpq(shop)
    made = LinkedQuote.create(shop)
    made.order("edit", fields={"baseCurrency": "A$"})
    answer = admin.post(shop.url(f"{PAGE}/test"), {"link": made.passcode})
    assert (answer.status_code, "“A$” is no currency" in unescape(answer.content.decode())) == (422, True)
    assert "Words of your CPQ" in read_page(shop, admin)


def test_the_settings_are_saved_and_wrong_addresses_refused(shop: Tenant, admin: Client) -> None:
    connect_cpq(shop)
    good = {"is_enabled": "on", "link_form": "numbered", "order_porter_url": "https://na1.orderporter.com/x?passcode=1"}
    assert admin.post(shop.url(f"{PAGE}/settings"), good).status_code == 302
    saved = CpqConnection.objects.get()
    assert (saved.link_form, saved.order_porter_url) == ("numbered", "https://na1.orderporter.com/x")
    assert "n=#Quote.QuoteNumber&v=#Quote.Version&k=" in read_page(shop, admin)
    for wrong in (
        {"link_form": "other"},
        {"order_porter_url": "javascript:alert(1)"},
        {"order_porter_url": "https://evil.example/"},
    ):
        assert admin.post(shop.url(f"{PAGE}/settings"), good | wrong).status_code == 422


def test_the_keys_are_tested_again(shop: Tenant, admin: Client) -> None:
    connect_cpq(shop)
    admin.post(shop.url(f"{PAGE}/check"))
    assert CpqConnection.objects.get().last_error == ""
    shop.world.config(cpq_keys={"practice+another": {"private_key": "x"}})
    admin.post(shop.url(f"{PAGE}/check"))
    assert "does not accept" in CpqConnection.objects.get().last_error
    assert "does not accept" in read_page(shop, admin)


def test_disconnecting_deletes_the_keys_stops_the_links_and_begins_a_new_trial(shop: Tenant, admin: Client) -> None:
    """Keys that are no longer needed can be taken away: their vendor names no end of their validity."""
    connect_cpq(shop)
    linked = LinkedQuote.create(shop)
    checkout = linked.open()
    assert admin.post(shop.url(f"{PAGE}/disconnect")).status_code == 302
    row: Any = CpqConnection.objects.get()
    assert (row.is_enabled, row.is_trial, row.shown) == (False, True, None)
    keys: Any = CpqConnection.objects.values_list("access_key", "public_key", "private_key").get()
    assert not any(keys)
    assert linked.follow().status_code == 404
    refused = checkout.pay()
    assert "takes no payments for this quote" in unescape(refused.content.decode())
    assert checkout.attempts == []
    assert AuditEntry.objects.filter(action="cpq_connection.disconnected").count() == 1
    assert f"{PAGE}/disconnect" not in read_page(shop, admin)
    assert admin.post(shop.url(f"{PAGE}/disconnect")).status_code == 302
    admin.post(shop.url(PAGE), FORM)
    assert CpqConnection.objects.get().is_trial
