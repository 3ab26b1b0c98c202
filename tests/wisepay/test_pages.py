"""Pages that belong to no app: errors without a stack trace, and the health checks."""

import pytest
from django.test import Client
from pytest_django import Settings

from tests.tenants import Tenant

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
    tenant.merchant.memberships.update(role="user")
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
