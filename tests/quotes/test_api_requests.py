"""Who may call the CPQ API, and what everybody else is answered: always a problem, never a secret."""

import io
import json
import logging
import re
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from quotes.models import IdempotentAnswer, Quote
from quotes.services import save_integration
from tests.quotes.api_helpers import CHECKOUTS, check_problem, count_stored_rows, get_refused_fields
from tests.tenants import BODY, Tenant, merge_body

KIB = 1024


def send(method: str, path: str, key: str | None = None, body: bytes | str = b"", **more: Any) -> HttpResponse:
    """One request without any help from the API's own fixtures."""
    headers = {"X-API-Key": key} if key is not None else {}
    answer = Client(enforce_csrf_checks=True).generic(
        method, path, body, content_type="application/json", headers=headers, **more
    )
    assert isinstance(answer, HttpResponse)
    return answer


def build_padded_body(size: int) -> bytes:
    """A good body, made so many bytes long by spaces between its parts."""
    raw = json.dumps(BODY).encode()
    return raw[:1] + b" " * (size - len(raw)) + raw[1:]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every log line as it would be written, at the finest level."""
    [handler] = logging.getLogger().handlers[:1]
    caplog.handler.setFormatter(handler.formatter)
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("body", ["{", "}", "not json", "[1,", b"\xff\xfe\x00", b"\x80", '{"quote": 01}', "[" * 30_000])
def test_a_body_that_is_no_json_is_a_problem(shop: Tenant, body: bytes | str) -> None:
    check_problem(send("POST", CHECKOUTS, shop.api_key, body), 400, "bad_request")
    assert count_stored_rows() == {}


def test_a_number_too_long_to_read_is_a_problem(shop: Tenant) -> None:
    body = '{"quote": {"number": %s}}' % ("9" * 6000)
    check_problem(send("POST", CHECKOUTS, shop.api_key, body), 400, "bad_request")


@pytest.mark.parametrize("body", ["", "[]", "null", "1", '"x"', "true", "[{}]", "NaN", "Infinity"])
def test_a_body_that_is_no_object_is_a_problem(shop: Tenant, body: str) -> None:
    assert get_refused_fields(send("POST", CHECKOUTS, shop.api_key, body)) == {"body"}
    assert count_stored_rows() == {}


def test_an_empty_object_is_told_everything_it_lacks(shop: Tenant) -> None:
    required = {"quote", "customer", "amounts", "allowed_methods", "return_url"}
    assert get_refused_fields(send("POST", CHECKOUTS, shop.api_key, "{}")) == required


def test_512_kib_are_accepted_and_a_byte_more_is_not(shop: Tenant) -> None:
    assert send("POST", CHECKOUTS, shop.api_key, build_padded_body(512 * KIB)).status_code == 201
    check_problem(send("POST", CHECKOUTS, shop.api_key, build_padded_body(512 * KIB + 1)), 413, "too_large")
    check_problem(send("POST", CHECKOUTS, shop.api_key, b"x" * (3000 * KIB)), 413, "too_large")
    assert Quote.objects.count() == 1


@pytest.mark.parametrize("length", ["x", "-1", "1e9", "٦", "9" * 30])
def test_a_length_that_is_no_length_is_refused(shop: Tenant, length: str) -> None:
    answer = send("POST", CHECKOUTS, shop.api_key, build_padded_body(70 * KIB), CONTENT_LENGTH=length)
    check_problem(answer, 413, "too_large")
    assert count_stored_rows() == {}


@pytest.mark.parametrize("length", ["10", "0", ""])
def test_a_body_longer_than_its_length_is_never_read_to_its_end(shop: Tenant, length: str) -> None:
    stream = io.BytesIO(build_padded_body(70 * KIB))
    answer = send("POST", CHECKOUTS, shop.api_key, b"{}", CONTENT_LENGTH=length, **{"wsgi.input": stream})
    assert answer.status_code in (400, 413, 422)
    assert stream.tell() <= 10
    assert count_stored_rows() == {}


MEDIA_TYPES = (
    *("text/plain", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*", "json"),
    *("application/json; charset=utf-16", "application/xml", "", "application/json-patch+json"),
)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_body_that_does_not_say_that_it_is_json_is_refused(shop: Tenant, media_type: str) -> None:
    answer = Client().post(
        CHECKOUTS, json.dumps(BODY), content_type="x/y", CONTENT_TYPE=media_type, headers={"X-API-Key": shop.api_key}
    )
    assert isinstance(answer, HttpResponse)
    check_problem(answer, 415, "unsupported_media_type")
    assert count_stored_rows() == {}


def test_json_may_name_its_charset(shop: Tenant) -> None:
    answer = Client().post(
        CHECKOUTS, json.dumps(BODY), content_type="application/json; charset=UTF-8", headers={"X-API-Key": shop.api_key}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_a_problem_that_names_the_right_one(shop: Tenant, method: str) -> None:
    answer = send(method, CHECKOUTS, shop.api_key)
    check_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_checkout_is_only_read(shop: Tenant, method: str) -> None:
    answer = send(method, f"{CHECKOUTS}/chk_x", shop.api_key)
    check_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/cpq/v1/", "/api/cpq/v1", "/api/cpq/v2/checkouts", "/api/cpq/v1/checkouts/", "/api/x?y=1"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_leads_nowhere_is_a_problem(client: Client, db: None, method: str, path: str) -> None:
    check_problem(send(method, path), 404, "not_found")


@pytest.mark.parametrize("checkout", ["chk_nothing", "%00", "chk_%0a", "..%2f..", "x" * 3000, "%ff", "'", "ü"])
def test_a_checkout_that_nobody_opened_is_not_found(shop: Tenant, checkout: str) -> None:
    check_problem(send("GET", f"{CHECKOUTS}/{checkout}", shop.api_key), 404, "not_found")


@pytest.mark.parametrize("key", [None, "", " ", "wpk_wrong", "None", "x" * 5000, "ключ", "wpk_\x00"])
def test_without_the_right_key_nobody_gets_in(shop: Tenant, key: str | None) -> None:
    for method, path in (("POST", CHECKOUTS), ("GET", f"{CHECKOUTS}/chk_x"), ("PUT", CHECKOUTS)):
        body = send(method, path, key, json.dumps(BODY))
        check_problem(
            body, 405 if method == "PUT" else 401, "method_not_allowed" if method == "PUT" else "unauthorized"
        )
    assert count_stored_rows() == {}


def test_a_merchant_without_a_key_is_not_found_by_an_empty_one(shop: Tenant) -> None:
    integration = shop.integration
    integration.api_key, integration.api_key_digest = "", None
    integration.save()
    check_problem(send("POST", CHECKOUTS, "", json.dumps(BODY)), 401, "unauthorized")


def test_an_integration_that_is_switched_off_is_forbidden(shop: Tenant) -> None:
    opened = shop.open_checkout()
    now = timezone.now()
    save_integration(shop.integration, is_enabled=False, hosts=["*.orderporter.com"], new_key=False, now=now)
    check_problem(shop.call(BODY), 403, "integration_disabled")
    check_problem(send("GET", f"{CHECKOUTS}/{opened.body['id']}", shop.api_key), 403, "integration_disabled")
    assert Quote.objects.count() == 1


def test_the_key_says_which_merchant(shop: Tenant, other_shop: Tenant) -> None:
    assert shop.call(BODY).status_code == 201
    assert other_shop.call(BODY).status_code == 201
    owners = set(Quote.objects.values_list("merchant_id", "cpq_id"))
    assert owners == {(shop.merchant.pk, "b1c6"), (other_shop.merchant.pk, "b1c6")}


def test_the_61st_request_of_a_minute_has_to_wait(shop: Tenant, other_shop: Tenant) -> None:
    path = f"{CHECKOUTS}/chk_x"
    asked = [send("GET", path, shop.api_key).status_code for _ in range(60)]
    assert asked == [404] * 60
    answer = send("GET", path, shop.api_key)
    check_problem(answer, 429, "too_many_requests")
    assert re.fullmatch(r"[1-9]\d?", answer["Retry-After"])
    assert int(answer["Retry-After"]) <= 61
    check_problem(shop.call(BODY), 429, "too_many_requests")
    assert other_shop.call(BODY).status_code == 201
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wisepay_ratewindow SET started_at = started_at - interval '60 seconds'")
    assert send("GET", path, shop.api_key).status_code == 404


def test_no_answer_and_no_log_line_tells_a_secret(shop: Tenant, lines: pytest.LogCaptureFixture) -> None:
    card, key, wrong = "4242424242424242", shop.api_key, "wpk_guessed0guessed0guessed"
    answers = [
        shop.call(merge_body(BODY, {"quote": {"name": f"Card {card}", "number": "x"}})),
        shop.call(merge_body(BODY, {"amounts": {"due_now": card}, "return_url": f"https://evil.example/?key={key}"})),
        shop.call(merge_body(BODY, {"customer": {"email": f"{key}"}})),
        shop.call(f'{{"x": "{key} {card}"'),
        send("POST", CHECKOUTS, wrong, json.dumps(BODY)),
        send("GET", f"{CHECKOUTS}/{key}", key),
        shop.call(BODY),
    ]
    assert [a.status_code for a in answers] == [422, 422, 422, 400, 401, 404, 201]
    output = "".join(a.content.decode() + str(a.headers) for a in answers) + lines.text
    for secret in (card, key, wrong, shop.stripe_key, "Traceback"):
        assert secret not in output
    assert "Unprocessable" in lines.text


def test_our_own_failure_is_a_problem_without_a_stack_trace(shop: Tenant, lines: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {IdempotentAnswer._meta.db_table} RENAME TO gone")
    answer = shop.call(BODY, **{"Idempotency-Key": "once"})
    body = check_problem(answer, 500, "internal")
    assert not re.search(r"Traceback|File \"|SELECT|relation|psycopg|gone", json.dumps(body))
    assert "api.failed" in lines.text
    assert shop.api_key not in lines.text
    assert count_quotes() == 0


def count_quotes() -> int:
    """Quotes alone: a table is missing here."""
    return Quote.objects.count()
