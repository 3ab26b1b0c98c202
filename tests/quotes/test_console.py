"""The console's pages about quotes: the integration's key, the list, the set-up, the documentation."""

import re
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from merchants.models import Membership
from merchants.services import create_merchant
from quotes.models import CpqIntegration, Quote
from quotes.services import get_integration
from tests.quotes.api_helpers import check_problem
from tests.tenants import BODY, PASSWORD, Tenant, get_role
from wisepay.models import AuditEntry, User

TAB = "configure/merchants/integrations"
KEY = re.compile(r"wpk_[A-Za-z0-9_]{20,}")
NO_HOSTS = (
    *("", "   ", "*", "*.com", "*.*.com", "na1.*.com", "https://na1.orderporter.com", "na1.orderporter.com/x"),
    *("localhost", "127.0.0.1", "[::1]", "a b.com", "na1.orderporter.com:443", "-a.com", "ü.com", "a..com", "[ab].com"),
    *("na1.orderporter.com\nevil", "x" * 1001),
)
PAGES = ("", TAB, "quotes/", "quotes/setup", "payments/", "configure/merchants/", "configure/merchants/gateway")


@pytest.fixture
def admin(shop: Tenant) -> Client:
    """The merchant's admin, signed in with the password some time ago."""
    shop.admin.force_login(shop.user)
    return shop.admin


def get_text(answer: Any) -> str:
    """The page as a person reads it."""
    return unescape(answer.content.decode())


def save_integration_form(shop: Tenant, client: Client, **fields: str) -> HttpResponse:
    """Post the form of the tab."""
    answer = client.post(shop.url(TAB), {"act": "save", "is_enabled": "on", "hosts": "*.orderporter.com"} | fields)
    assert isinstance(answer, HttpResponse)
    return answer


def open_key_dialog(shop: Tenant, client: Client) -> HttpResponse:
    """Follow the Display button, and prove who one is if that is asked for."""
    answer = client.get(shop.url(f"{TAB}/key"))
    if answer.status_code == 302:
        assert answer["Location"].startswith("/accounts/reauthenticate/")
        answer = client.post(answer["Location"], {"password": PASSWORD})
        assert answer.status_code == 302
        answer = client.get(answer["Location"])
    assert isinstance(answer, HttpResponse)
    return answer


def create_member(shop: Tenant, role: str) -> Client:
    """Somebody else who works for the merchant."""
    user = User.objects.create_user(f"{role}@northwind-it.example", PASSWORD)
    Membership.objects.create(merchant=shop.merchant, user=user, role=get_role(shop.merchant, role))
    client = Client()
    client.force_login(user)
    return client


def test_a_key_is_generated_saved_and_displayed(shop: Tenant, admin: Client) -> None:
    CpqIntegration.objects.all().delete()
    assert "No key yet" in get_text(admin.get(shop.url(TAB)))
    assert open_key_dialog(shop, admin)["Location"] == shop.url(TAB)
    staged = admin.post(shop.url(TAB), {"act": "generate", "is_enabled": "on", "hosts": "*.orderporter.com"})
    assert staged.status_code == 200
    assert 'name="new_key" value="1"' in get_text(staged)
    assert not get_integration(shop.merchant).api_key
    saved = save_integration_form(shop, admin, new_key="1")
    assert (saved.status_code, saved["Location"]) == (302, shop.url(TAB))
    shown = open_key_dialog(shop, admin)
    assert KEY.findall(get_text(shown)) == [shop.api_key]
    assert shop.call(BODY).status_code == 201


def test_displaying_the_key_needs_the_password_again(shop: Tenant, admin: Client) -> None:
    first = admin.get(shop.url(f"{TAB}/key"))
    assert first.status_code == 302
    wrong = admin.post(first["Location"], {"password": "wrong"})
    assert wrong.status_code == 200
    assert admin.get(shop.url(f"{TAB}/key")).status_code == 302
    assert not AuditEntry.objects.filter(action="cpq_integration.key_displayed").exists()
    assert shop.api_key in get_text(open_key_dialog(shop, admin))


def test_displaying_the_key_is_audited_and_kept_by_no_cache(shop: Tenant, admin: Client) -> None:
    shown = open_key_dialog(shop, admin)
    assert "no-store" in shown["Cache-Control"]
    entry = AuditEntry.objects.get(action="cpq_integration.key_displayed")
    assert (entry.user, entry.merchant_id, entry.ip) == (shop.user, shop.merchant.pk, "127.0.0.1")
    assert shop.api_key not in f"{entry.subject}{entry.detail}"


def test_the_key_stands_on_no_other_page(shop: Tenant, admin: Client) -> None:
    shop.open_checkout().pay()
    open_key_dialog(shop, admin)
    paths = [*(shop.url(tail) for tail in PAGES), shop.url(f"quotes/callbacks/{Quote.objects.get().payment.reference}")]
    for path in paths:
        answer = admin.get(path)
        assert answer.status_code == 200, path
        assert not KEY.search(get_text(answer)), path
        assert "no-store" in answer["Cache-Control"]


def test_the_key_is_kept_encrypted_and_found_by_a_digest(shop: Tenant) -> None:
    row: Any = CpqIntegration.objects.values_list("api_key", "api_key_digest").get()
    assert shop.api_key not in f"{row[0].stored} {row[1]} {row[0]!r} {row[0]}"
    assert len(shop.api_key) > 40


def test_a_new_key_stops_the_old_one_at_once(shop: Tenant, admin: Client) -> None:
    old = shop.api_key
    assert shop.call(BODY).status_code == 201
    save_integration_form(shop, admin)
    assert shop.api_key == old
    save_integration_form(shop, admin, new_key="1")
    assert shop.api_key == old  # without a fresh proof of identity
    open_key_dialog(shop, admin)
    save_integration_form(shop, admin, new_key="1")
    assert shop.api_key != old
    check_problem(shop.call(BODY, **{"X-API-Key": old}), 401, "unauthorized")
    assert shop.call(BODY).status_code == 200
    saved = AuditEntry.objects.filter(action__startswith="cpq_integration").exclude(action__endswith="displayed")
    assert [(entry.action, entry.detail) for entry in saved.order_by("pk")] == [
        ("cpq_integration.saved", ""),
        ("cpq_integration.key_replaced", "new key"),
    ]


def test_leaving_without_saving_keeps_the_old_key(shop: Tenant, admin: Client) -> None:
    old = shop.api_key
    open_key_dialog(shop, admin)
    warned = get_text(admin.post(shop.url(TAB), {"act": "generate", "is_enabled": "on", "hosts": "*.orderporter.com"}))
    assert "stops working at once" in warned
    assert shop.api_key == old
    assert 'name="new_key"' not in get_text(admin.get(shop.url(TAB)))


def test_the_switch_and_the_hosts_are_saved(shop: Tenant, admin: Client) -> None:
    admin.post(
        shop.url(TAB),
        {"act": "save", "hosts": " NA1.OrderPorter.com \n\nquotes.northwind-it.example\nna1.orderporter.com"},
    )
    integration = shop.integration
    assert (integration.is_enabled, integration.hosts) == (
        False,
        ["na1.orderporter.com", "quotes.northwind-it.example"],
    )
    check_problem(shop.call(BODY), 403, "integration_disabled")
    save_integration_form(shop, admin, hosts="quotes.northwind-it.example")
    assert shop.call(BODY).status_code == 422
    assert shop.call(BODY | {"return_url": "https://quotes.northwind-it.example/q"}).status_code == 201


def test_hosts_that_are_none_are_refused(shop: Tenant, admin: Client) -> None:
    before = CpqIntegration.objects.values("is_enabled", "hosts", "api_key_digest").get()
    for hosts in NO_HOSTS:
        for act in ("save", "generate"):
            answer = admin.post(shop.url(TAB), {"act": act, "hosts": hosts, "new_key": "1"})
            assert answer.status_code == 422, hosts
    assert CpqIntegration.objects.values("is_enabled", "hosts", "api_key_digest").get() == before


@pytest.mark.parametrize("tail", [TAB, f"{TAB}/key"])
def test_only_admins_see_the_integration(shop: Tenant, other_shop: Tenant, tail: str) -> None:
    user, stranger, path = create_member(shop, "user"), Client(), shop.url(tail)
    stranger.force_login(other_shop.user)
    assert user.get(path).status_code == 403
    assert stranger.get(path).status_code == 404
    anonymous = Client().get(path)
    assert (anonymous.status_code, anonymous["Location"]) == (302, f"/accounts/login/?next={path}")


def test_only_admins_change_the_integration(shop: Tenant, other_shop: Tenant) -> None:
    before = CpqIntegration.objects.values().get(merchant=shop.merchant)
    stranger = Client()
    stranger.force_login(other_shop.user)
    assert save_integration_form(shop, create_member(shop, "user"), new_key="1").status_code == 403
    assert save_integration_form(shop, stranger, new_key="1").status_code == 404
    assert save_integration_form(shop, Client(), new_key="1").status_code == 302
    after = CpqIntegration.objects.values().get(merchant=shop.merchant)
    assert after["api_key_digest"] == before["api_key_digest"]


def test_a_forged_form_is_refused(shop: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(shop.user)
    assert save_integration_form(shop, client, new_key="1").status_code == 403


@pytest.mark.parametrize("tail", ["quotes/", "quotes/setup"])
def test_the_merchants_people_see_quotes_and_strangers_do_not(shop: Tenant, other_shop: Tenant, tail: str) -> None:
    shop.open_checkout(quote={"name": "Firewall renewal"})
    stranger = Client()
    stranger.force_login(other_shop.user)
    assert create_member(shop, "user").get(shop.url(tail)).status_code == 200
    assert stranger.get(shop.url(tail)).status_code == 404
    assert Client().get(shop.url(tail)).status_code == 302
    assert "Firewall renewal" not in get_text(stranger.get(other_shop.url("quotes/")))


def test_quotes_are_found_by_number_name_and_payer(shop: Tenant, admin: Client) -> None:
    shop.open_checkout(quote={"name": "Firewall", "number": 42})
    shop.open_checkout(quote={"name": "Backup", "number": 77}, customer={"account_name": "Bay Legal"})
    both, neither = {"Firewall", "Backup"}, set[str]()
    cases = {"": both, "\0": both, "fire": {"Firewall"}, "harbour": {"Firewall"}, "77": {"Backup"}, "٧٧": {"Backup"}}
    cases |= dict.fromkeys(["7", "%", "_", "'", "9" * 40, "no such"], neither)
    for q, found in cases.items():
        answer = admin.get(shop.url("quotes/"), {"q": q})
        assert answer.status_code == 200, q
        assert {name for name in both if f">{name}<" in get_text(answer)} == found, q


def test_quotes_are_listed_fifty_a_page_newest_first(shop: Tenant, admin: Client) -> None:
    shop.open_checkout(quote={"name": "The first"})
    first = Quote.objects.select_related("payment").get()
    payment = first.payment
    for number in range(50):
        payment.pk, payment.reference = None, f"p{number}"
        payment.save()
        first.pk, first.reference, first.cpq_id, first.payment = None, f"chk_{number}", f"c{number}", payment
        first.name, first.created_at = f"Later {number}", first.created_at.replace(year=2098)
        first.save()
    answer = admin.get(shop.url("quotes/"))
    older = re.search(r'rel="next" href="\?([^"]+)"', answer.content.decode())
    assert older is not None
    front, back = get_text(answer), get_text(admin.get(shop.url(f"quotes/?{older[1]}")))
    assert ("The first" in front, "The first" in back) == (False, True)
    assert (front.count("Later "), back.count("Later ")) == (50, 0)
    for odd in ("0", "-1", "99", "x", ""):
        assert admin.get(shop.url("quotes/"), {"after": odd}).status_code == 200


def test_what_cpq_wrote_is_never_read_as_html(shop: Tenant, admin: Client) -> None:
    evil = "<script>alert(1)</script>"
    shop.open_checkout(quote={"name": evil}, customer={"account_name": f"Evil {evil}"})
    for answer in (admin.get(shop.url("quotes/")), admin.get(shop.url("quotes/"), {"q": evil})):
        assert evil not in answer.content.decode()


def test_the_set_up_panel_counts_what_is_done(shop: Tenant, admin: Client) -> None:
    assert "6 of 8 done" in get_text(admin.get(shop.url("quotes/setup")))
    create_merchant(name="New IT", admin_email="new@new-it.example", admin_name="", password=PASSWORD, time_zone="UTC")
    fresh = Client()
    fresh.force_login(User.objects.get(email="new@new-it.example"))
    reference = User.objects.get(email="new@new-it.example").merchants.get().reference
    panel = get_text(fresh.get(f"/m/{reference}/quotes/setup"))
    assert "1 of 8 done" in panel
    assert f"/m/{reference}/{TAB}" in panel


def test_the_documentation_says_what_the_api_does(client: Client, db: None) -> None:
    answer = client.get("/api/cpq/v1/docs")
    text = get_text(answer)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    for word in (
        "X-API-Key",
        "/api/cpq/v1/checkouts",
        "Idempotency-Key",
        "due_now",
        "wisepay_signature",
        "Wisepay-Delivery",
    ):
        assert word in text, word
    assert client.get("/api/cpq/v1/openapi.json").status_code == 200
    assert client.post("/api/cpq/v1/docs").status_code == 405
