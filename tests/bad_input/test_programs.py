"""JSON that programs send: every field of the CPQ contract and of each webhook, with every value that nobody means."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from quotes.api import REQUESTS_PER_MINUTE
from tests.bad_input.trials import TracebackHandler, count_writes, draw, list_rows_of
from tests.bad_input.values import JSON_VALUES, NAMES, nest
from tests.payments.webhooks.test_webhooks import build_event, sign
from tests.quotes.api_helpers import FULL_CHECKOUT
from tests.tenants import Tenant
from wisepay.input import UnreadableText, check_characters
from wisepay.models import RateWindow

DRAWN = 60  # requests to each endpoint in a usual run
RAW_TOKENS = {"1e309": "1e309", "minus infinity": "-1e999", "5,000 digits": "9" * 5000, "a double key": '1, "a": 2'}
MARK = "the value goes here"
EVENT = json.loads(build_event("pi_1"))


def list_places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place inside a body, and the body itself."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from list_places(one, (*place, key))


def put(body: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """The body with another value at a place."""
    if not place:
        return value
    pairs = body.items() if isinstance(body, dict) else enumerate(body)
    found = {key: put(one, place[1:], value) if key == place[0] else one for key, one in pairs}
    return found if isinstance(body, dict) else list(found.values())


def list_bodies(good: Any) -> Iterator[tuple[str, str]]:
    """Every bad body that differs from the good one in one place, with what is wrong in it."""
    for place in list_places(good):
        for label, value in JSON_VALUES.items():
            yield f"{place} {label}", json.dumps(put(good, place, value))
        for label, name in NAMES.items():
            yield f"{place} a key: {label}", json.dumps(put(good, place, {name: 1}))
        for label, token in RAW_TOKENS.items():
            yield f"{place} {label}", json.dumps(put(good, place, MARK)).replace(json.dumps(MARK), token)
    yield "200,000 levels", "[" * 200_000
    yield "40 levels", json.dumps(nest(40))
    yield "not JSON", "{"
    yield "nothing", ""


def post_checkout(tenant: Tenant, body: str) -> HttpResponse:
    """Post it to the contract."""
    RateWindow.objects.all().delete()
    assert REQUESTS_PER_MINUTE > 1
    return tenant.call(body)


def post_stripe(tenant: Tenant, body: str) -> HttpResponse:
    """Post it as Stripe does."""
    raw = body.encode("utf-8", "surrogatepass")
    return post(f"/webhooks/stripe/{tenant.merchant.reference}", raw, {"Stripe-Signature": sign(raw)})


def post(path: str, raw: bytes, headers: dict[str, str]) -> HttpResponse:
    """Post raw bytes."""
    client = Client(raise_request_exception=False)
    answer = client.post(path, raw, content_type="application/json", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


ENDPOINTS: dict[str, tuple[Any, Callable[[Tenant, str], HttpResponse]]] = {
    "the CPQ contract": (FULL_CHECKOUT, post_checkout),
    "Stripe's webhook": (EVENT, post_stripe),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_no_json_makes_us_fail_or_store_half(tenant: Tenant, request: pytest.FixtureRequest, name: str) -> None:
    seed = request.config.getoption("randomly_seed", 0)
    good, send = ENDPOINTS[name]
    drawn = draw(list(list_bodies(good)), seed=seed, usual=DRAWN)
    found = [f"{label}: {wrong}" for label, body in drawn for wrong in judge(send, tenant, body)]
    assert found == [], f"seed {seed}\n" + "\n".join(found)


def judge(send: Callable[[Tenant, str], HttpResponse], tenant: Tenant, body: str) -> Iterator[str]:
    """Send the body, say what is wrong with the answer, and undo what it did."""
    with TracebackHandler() as handler:
        savepoint = transaction.savepoint_create()
        RateWindow.objects.all().delete()
        before = count_writes()
        answer = send(tenant, body)
        tables = [table for table, count in count_writes().items() if count != before.get(table, 0)]
        rows = list_rows_of(tables)
        transaction.savepoint_rollback(savepoint)
    yield from (f"logged {text}" for text in handler.found)
    if answer.status_code not in (200, 201, 400, 409, 413, 422):
        yield f"answered {answer.status_code}"
    if answer.status_code >= 400 and tables:
        yield f"answered {answer.status_code} and stored {tables}"
    if answer.status_code == 422 and not json.loads(answer.content).get("errors"):
        yield "named no field"
    for table, lines in rows.items():
        try:
            check_characters("\n".join(lines), has_lines=True)
        except UnreadableText as error:
            yield f"stored in {table}: {error}"
