"""Thousands of generated requests to every API that publishes a description of itself, judged by that description."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS

from tests.tenants import BODY, Tenant
from wisepay.models import RateWindow
from wisepay.wsgi import application

# The address of each published description, and the header that carries a merchant's key.
PUBLISHED = {"/api/cpq/v1/openapi.json": "X-API-Key"}
# A body that the schema allows may still be refused in words: amounts belong together, hosts are a merchant's own.
NOT_JUDGED = {"positive_data_acceptance"}
BOUNDED = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def list_descriptions(resolver: URLResolver, before: str = "/") -> list[str]:
    """The address of every OpenAPI document that the site serves."""
    found = []
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            found += list_descriptions(entry, route)
        elif isinstance(entry, URLPattern) and route.endswith("openapi.json"):
            found.append(route)
    return found


def test_every_published_api_is_in_the_table() -> None:
    assert sorted(list_descriptions(get_resolver())) == sorted(PUBLISHED)


@pytest.fixture
def _open_connection() -> Iterator[None]:
    """Let requests leave the test's transaction open, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("_open_connection")
@pytest.mark.parametrize("address", PUBLISHED)
def test_no_generated_request_makes_an_api_fail_or_lie(tenant: Tenant, address: str) -> None:
    schema = schemathesis.openapi.from_wsgi(address, application)
    headers = {PUBLISHED[address]: tenant.api_key}
    judged = [check for check in CHECKS.get_all() if check.__name__ not in NOT_JUDGED]
    operations: list[Any] = [found.ok() for found in cast("Any", schema.get_all_operations())]
    assert operations
    for operation in operations:

        @BOUNDED
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            RateWindow.objects.all().delete()
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=judged)

        send()


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"]
)
def test_a_body_that_does_not_say_it_is_json_is_refused(tenant: Tenant, kind: str) -> None:
    answer = Client().generic(
        "POST", "/api/cpq/v1/checkouts", b"{}", content_type=kind, headers={"X-API-Key": tenant.api_key}
    )
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_however_it_is_spelled(tenant: Tenant, kind: str) -> None:
    answer = Client().generic(
        "POST", "/api/cpq/v1/checkouts", b"{}", content_type=kind, headers={"X-API-Key": tenant.api_key}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("text", ["5.", ".5", "1e3", "-1", "+1", "1,000", "٣", "1 ", "0x1", "1.0000", "9" * 13, ""])
def test_an_amount_that_the_description_refuses_is_refused(tenant: Tenant, text: str) -> None:
    answer = tenant.post_checkout(amounts=BODY["amounts"] | {"due_now": text})
    assert answer.status_code == 422
    assert "amounts.due_now" in answer.content.decode()


def test_the_description_says_what_currency_mail_address_amount_and_url_look_like(db: None) -> None:
    schemas = Client().get("/api/cpq/v1/openapi.json").json()["components"]["schemas"]
    assert schemas["QuoteIn"]["properties"]["currency"]["pattern"] == "^[A-Z]{3}$"
    assert schemas["CustomerIn"]["properties"]["email"]["format"] == "email"
    assert all(schemas["AmountsIn"]["properties"][name]["pattern"] for name in ("one_time_total", "due_now", "tax"))
    assert schemas["CheckoutIn"]["properties"]["return_url"]["format"] == "uri"
