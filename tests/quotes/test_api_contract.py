"""The OpenAPI document: valid, complete, true of every answer; and random JSON never makes us fail."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_core import Config, OpenAPI
from openapi_core.contrib.django import DjangoOpenAPIRequest, DjangoOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.request.exceptions import RequestValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.quotes.api_helpers import CHECKOUTS, FULL_CHECKOUT, LINES, TERMS, build_change, count_stored_rows
from tests.tenants import BODY, Tenant, merge_body

DECLINED = "4000000000009995"
CHALLENGED = "4000002760003184"
PROBLEMS = Config(extra_media_type_deserializers={"application/problem+json": json.loads})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def list_paths(node: Any, prefix: str = "") -> list[str]:
    """Every dotted path of the contract's body."""
    if not isinstance(node, dict):
        return []
    here = [f"{prefix}{name}" for name in node]
    return here + [path for name, inner in node.items() for path in list_paths(inner, f"{prefix}{name}.")]


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    """The document as anybody can fetch it."""
    answer = Client().get("/api/cpq/v1/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.content)
    return found


@pytest.fixture
def check(document: dict[str, Any]) -> Callable[[Any], None]:
    """Judges an answer by the document."""
    contract = OpenAPI.from_dict(document, config=PROBLEMS)

    def judge(answer: Any) -> None:
        contract.validate_response(DjangoOpenAPIRequest(answer.wsgi_request), DjangoOpenAPIResponse(answer))

    return judge


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {CHECKOUTS, f"{CHECKOUTS}/{{checkout_id}}"}
    assert {name for methods in document["paths"].values() for name in methods} == {"post", "get"}


def test_the_document_describes_key_header_and_problems(document: dict[str, Any]) -> None:
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    operation = document["paths"][CHECKOUTS]["post"]
    [header] = operation["parameters"]
    assert (header["in"], header["name"], header["required"]) == ("header", "Idempotency-Key", False)
    for status, answer in operation["responses"].items():
        kind = "application/json" if status < "300" else "application/problem+json"
        assert list(answer["content"]) == [kind]
    assert {"200", "201", "400", "401", "403", "405", "409", "413", "422", "429"} <= set(operation["responses"])


def test_the_document_names_every_field_of_the_contract(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    names = {"quote": "QuoteIn", "customer": "CustomerIn", "customer.address": "AddressIn", "amounts": "AmountsIn"}
    names |= {"recurring": "RecurringIn", "acceptance": "AcceptanceIn", "": "CheckoutIn"}
    for group, name in names.items():
        expected = {p.rpartition(".")[2] for p in list_paths(FULL_CHECKOUT) if p.rpartition(".")[0] == group}
        assert set(schemas[name]["properties"]) == expected
        assert schemas[name]["additionalProperties"] is False
    for name, rows in (("LineIn", LINES), ("TermIn", TERMS)):
        assert set(schemas[name]["properties"]) == {key for row in rows for key in row}
    assert set(schemas["QuoteIn"]["required"]) == {"id", "number", "version", "name", "currency"}
    assert set(schemas["CustomerIn"]["required"]) == {"account_name", "email"}
    assert set(schemas["AmountsIn"]["required"]) == {"one_time_total", "due_now"}
    whole = {"quote", "customer", "amounts", "allowed_methods", "return_url"}
    assert set(schemas["CheckoutIn"]["required"]) == whole


def test_the_document_says_what_currencies_addresses_and_amounts_look_like(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    currency = schemas["QuoteIn"]["properties"]["currency"]
    assert ("AUD" in currency["enum"], "ZZZ" in currency["enum"], currency["pattern"]) == (True, False, "^[A-Z]{3}$")
    assert schemas["CustomerIn"]["properties"]["email"]["format"] == "email"
    assert schemas["CheckoutIn"]["properties"]["return_url"]["format"] == "uri"
    for group, name in (("AmountsIn", "due_now"), ("AmountsIn", "tax"), ("RecurringIn", "total")):
        pattern = re.compile(schemas[group]["properties"][name]["pattern"])
        assert [bool(pattern.search(text)) for text in ("625.00", "0", "-1", "1e3", "", "1.")] == [True] * 2 + [
            False
        ] * 4
    words = re.compile(schemas["QuoteIn"]["properties"]["name"]["pattern"])
    assert [bool(words.search(text)) for text in ("Zoë 👩", "", " ", "\u200b", "a\u202eb", "a\0b")] == [True] + [
        False
    ] * 5


def test_the_contracts_own_example_meets_the_document(shop: Tenant, document: dict[str, Any]) -> None:
    contract = OpenAPI.from_dict(document, config=PROBLEMS)
    good = shop.call(FULL_CHECKOUT)
    contract.validate_request(DjangoOpenAPIRequest(good.wsgi_request))  # type: ignore[attr-defined]
    for changes in ({"quote": {"number": "7"}}, {"zz": 1}, {"allowed_methods": ["cash"]}, {"return_url": None}):
        bad = shop.call(merge_body(FULL_CHECKOUT, changes))
        with pytest.raises(RequestValidationError):
            contract.validate_request(DjangoOpenAPIRequest(bad.wsgi_request))  # type: ignore[attr-defined]
        assert bad.status_code == 422


def test_every_answer_to_an_opening_meets_the_document(shop: Tenant, check: Callable[[Any], None]) -> None:
    answers = [shop.call(BODY), shop.call(BODY), shop.call("{"), shop.call("[]"), shop.call({})]
    answers += [shop.call(merge_body(BODY, {"quote": {"version": 2}})), shop.call(BODY), shop.call(b"x" * 600_000)]
    answers += [shop.call(BODY, **{"X-API-Key": "wrong"})]
    shop.merchant.paynow_links.all().delete()
    answers += [shop.call(BODY)]
    for answer in answers:
        check(answer)
    assert [a.status_code for a in answers] == [201, 200, 400, 422, 422, 201, 409, 413, 401, 409]


def test_every_answer_about_a_checkout_meets_the_document(shop: Tenant, check: Callable[[Any], None]) -> None:
    seen = []
    for cards in ([], [DECLINED], [CHALLENGED], [DECLINED, "4242424242424242"]):
        checkout = shop.open_checkout()
        for card in cards:
            checkout.pay(card)
        answer = Client().get(f"{CHECKOUTS}/{checkout.body['id']}", headers={"X-API-Key": shop.api_key})
        check(answer)
        seen.append(json.loads(answer.content)["status"])
    assert seen == ["open", "failed", "processing", "paid"]
    missing = Client().get(f"{CHECKOUTS}/chk_x", headers={"X-API-Key": shop.api_key})
    check(missing)
    assert missing.status_code == 404


def test_the_judge_sees_an_answer_that_breaks_the_document(shop: Tenant, check: Callable[[Any], None]) -> None:
    answer = shop.call(BODY)
    body = json.loads(answer.content)
    for broken in (
        body | {"status": "pending"},
        body | {"amount_due": "625.00"},
        {k: v for k, v in body.items() if k != "url"},
    ):
        answer.content = json.dumps(broken).encode()
        with pytest.raises(OpenAPIError):
            check(answer)


FUZZ_SETTINGS = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def post_any_body(shop: Tenant, raw: str) -> None:
    """Send it; the answer is the checkout, or a problem that names what is wrong."""
    answer = shop.call(raw)
    # 429 is for the search for a smaller example, which asks more often than fifty times.
    assert answer.status_code in (200, 201, 400, 409, 422, 429), (raw, answer.content)
    assert answer.status_code < 400 or answer["Content-Type"] == "application/problem+json"
    assert answer.status_code != 422 or json.loads(answer.content)["errors"]


@FUZZ_SETTINGS
@given(path=st.sampled_from(sorted(list_paths(FULL_CHECKOUT))), value=JSON)
def test_any_value_in_any_field_never_makes_us_fail(shop: Tenant, path: str, value: Any) -> None:
    post_any_body(shop, json.dumps(merge_body(FULL_CHECKOUT, build_change(path, value))))


@FUZZ_SETTINGS
@given(body=JSON | st.dictionaries(st.sampled_from(sorted(FULL_CHECKOUT)), JSON))
def test_any_json_at_all_never_makes_us_fail(shop: Tenant, body: Any) -> None:
    post_any_body(shop, json.dumps(body))
    assert count_stored_rows() == {}
