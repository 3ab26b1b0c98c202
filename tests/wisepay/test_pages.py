"""Pages that belong to no app: errors without a stack trace, and the health checks."""

import pytest
from django.test import Client
from pytest_django import Settings

from tests.people import House

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


def test_what_a_person_may_not_do_is_refused_with_a_page(house: House) -> None:
    house.merchant.memberships.update(role="user")
    answer = house.admin.get(house.url("configure/merchants/gateway"))
    assert answer.status_code == 403
    assert b"You can&#x27;t do this" in answer.content


def test_our_own_failure_shows_a_page_without_a_stack_trace(house: House, settings: Settings, quiet: Client) -> None:
    checkout = house.open_checkout()
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


def test_a_forged_post_is_refused(house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(house.user)
    answer = client.post(house.url("configure/event-notifications"), {"events": []})
    assert answer.status_code == 403
    assert house.merchant.event_notifications.filter(is_enabled=True).exists()


def test_health_says_alive_without_the_database(quiet: Client) -> None:
    assert quiet.get("/health/alive").json() == {"alive": True}


def test_health_says_ready_with_the_database(db: None, quiet: Client) -> None:
    assert quiet.get("/health/ready").json() == {"ready": True}


def test_no_page_tells_what_runs_here(db: None, quiet: Client) -> None:
    answer = quiet.get("/accounts/login/")
    assert answer.status_code == 200
    assert "Server" not in answer.headers
    assert "X-Powered-By" not in answer.headers
