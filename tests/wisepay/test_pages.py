"""Pages that belong to no app: errors without a stack trace, and the health checks."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client, RequestFactory
from pytest_django import Settings

from tests.tenants import Tenant, give_role
from wisepay.views import server_error

TELLTALES = ("Traceback", "Exception", "django", "/site-packages/", ".py", "DEBUG")


@pytest.fixture
def quiet() -> Client:
    """A browser that gets the error page instead of the error."""
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/nowhere", "/pay/unknown", "/pay/unknown/guest", "/quotes/unknown/return", "/m/"])
def test_a_path_that_leads_nowhere_says_so_and_no_more(db: None, quiet: Client, path: str) -> None:
    answer = quiet.get(path)
    text = answer.content.decode()
    assert answer.status_code == 404
    assert "This page does not exist" in text
    assert not [word for word in TELLTALES if word in text]


def test_what_a_person_may_not_do_is_refused_with_a_page(tenant: Tenant) -> None:
    give_role(tenant.merchant, "user")
    answer = tenant.admin.get(tenant.url("configure/merchants/gateway"))
    assert answer.status_code == 403
    assert b"You can&#x27;t do this" in answer.content


def test_our_own_failure_shows_a_page_without_a_stack_trace(tenant: Tenant, settings: Settings, quiet: Client) -> None:
    checkout = tenant.open_checkout()
    settings.SECRET_KEYS = "k9:" + "A" * 43 + "="
    answer = checkout.pay(client=quiet)
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "Something went wrong on our side" in text
    assert not [word for word in TELLTALES if word in text]


def test_error_pages_carry_the_same_safety_headers(db: None, quiet: Client) -> None:
    answer = quiet.get("/nowhere")
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"


def test_a_forged_post_is_refused(tenant: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(tenant.user)
    answer = client.post(tenant.url("configure/event-notifications"), {"events": []})
    assert answer.status_code == 403
    assert tenant.merchant.event_notifications.filter(is_enabled=True).exists()


def test_health_says_alive_without_the_database(quiet: Client) -> None:
    assert quiet.get("/health/alive").json() == {"alive": True}


def test_health_says_ready_with_the_database(db: None, quiet: Client) -> None:
    assert quiet.get("/health/ready").json() == {"ready": True}


def test_no_page_tells_what_runs_here(db: None, quiet: Client) -> None:
    answer = quiet.get("/accounts/login/")
    assert answer.status_code == 200
    assert "Server" not in answer.headers
    assert "X-Powered-By" not in answer.headers


READERS = {
    "nobody": ("open the link in your quote or e-mail again", "/accounts/login/"),
    "payer": ("Go to your payments", "/my/"),
    "staff": ("Go to the dashboard", "/"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/m/unknown/", 404), ("/pay/unknown", 404)])
def test_an_error_page_is_styled_and_speaks_to_who_reads_it(
    tenant: Tenant, quiet: Client, reader: str, path: str, status: int
) -> None:
    client = {"nobody": quiet, "payer": tenant.payer(), "staff": tenant.admin}[reader]
    answer = client.get(path)
    if answer.status_code == 302:  # what only staff see asks a stranger to sign in first
        return
    page = answer.content.decode()
    assert answer.status_code == status
    words, link = READERS[reader]
    assert words in page
    assert f'href="{link}"' in page
    assert [other for other, _ in READERS.values() if other in page] == [words]


def test_the_style_of_error_pages_is_in_a_file_that_they_load(db: None, quiet: Client) -> None:
    for page in (quiet.get("/nowhere").content.decode(), server_error(RequestFactory().get("/")).content.decode()):
        assert 'class="error-page' in page
        loaded = re.findall(r'href="/static/(css/[a-z]+\.css)"', page)
        assert any(".error-page" in Path(str(finders.find(name))).read_text() for name in loaded)


def test_the_page_after_our_own_failure_needs_no_database() -> None:
    answer = server_error(RequestFactory().get("/pay/x"))
    assert answer.status_code == 500
    assert b"pay again before you have looked" in answer.content


@pytest.mark.parametrize("path", ["/my/methods", "/my/methods/x/remove", "/pay/x/attempts"])
def test_opening_the_address_of_a_form_shows_a_page(tenant: Tenant, path: str) -> None:
    answer = tenant.payer().get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This address only takes forms" in answer.content.decode()


DESCRIBED = (
    "/accounts/login/",
    "/accounts/password/reset/",
    "/nowhere",
    "/my/",
    "/my/autopay",
    "/my/cards",
    "/my/details",
)


@pytest.mark.parametrize("path", DESCRIBED)
def test_a_page_says_to_searchers_what_it_is(tenant: Tenant, path: str) -> None:
    client = tenant.payer() if path.startswith("/my/") else Client(raise_request_exception=False)
    assert client.get(path).content.decode().count('<meta name="description"') == 1


def test_what_must_not_be_found_is_described_all_the_same(tenant: Tenant) -> None:
    checkout = tenant.open_checkout()
    for tail in ("", "/guest", "/register"):
        page = Client().get(checkout.path + tail).content.decode()
        assert page.count('<meta name="description"') == 1
        assert '<meta name="robots" content="noindex">' in page
