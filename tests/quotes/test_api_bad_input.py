"""Every field of a checkout, wrong in every way: a problem that names the field, and nothing stored."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.utils import timezone

from quotes.models import Quote
from tests.quotes.api_helpers import (
    FULL_CHECKOUT,
    V1_CHECKOUT,
    build_body_without,
    build_change,
    count_stored_rows,
    get_refused_fields,
)
from tests.tenants import Tenant, merge_body
from wisepay.models import RateWindow

REQUIRED = (
    *("quote", "quote.id", "quote.number", "quote.version", "quote.name", "quote.currency"),
    *("customer", "customer.account_name", "customer.email"),
    *("amounts", "amounts.one_time_total", "amounts.due_now"),
    *("recurring.total", "recurring.interval", "allowed_methods", "return_url"),
)
# What may be absent, and may be null as well.
NULLABLE = (
    *("quote.expires_at", "customer.address", "recurring", "recurring.periods", "callback_url"),
    *("quote.lines", "acceptance", "acceptance.signed_at"),
    *("recurring.starts_on", "recurring.ends_on", "recurring.terms"),
)
RECORDS = ("customer.id", "customer.account_number", "customer.psa_company_id", "customer.psa_contact_id")
IDS = ("quote.psa_opportunity_id", *RECORDS)
OPTIONAL = (
    *("quote.opportunity_id", "quote.purchase_order_number", *IDS),
    *("acceptance.signed_by", "acceptance.email", "acceptance.ip", "recurring.agreement_type"),
    *("customer.contact_name", "customer.phone"),
    *(f"customer.address.{name}" for name in ("line1", "line2", "city", "state", "postal_code", "country")),
    *("amounts.tax", "amounts.full_payment_allowed"),
)
WHOLE_NUMBERS = ("quote.number", "quote.version", "recurring.periods")
OBJECTS = ("quote", "customer", "customer.address", "amounts", "recurring", "acceptance")
LISTS = ("allowed_methods", "quote.lines", "recurring.terms")
AMOUNTS = ("amounts.one_time_total", "amounts.tax", "amounts.due_now", "recurring.total")
NO_TEXT = (*WHOLE_NUMBERS, *OBJECTS, *LISTS, "amounts.full_payment_allowed")
ALL_FIELDS = (*REQUIRED, *NULLABLE, *OPTIONAL)
GROUPS = ("", *OBJECTS)
JSON_TYPES: dict[str, Any] = {"text": "x", "whole": 7, "fraction": 1.5, "flag": True, "list": [], "object": {}}
LONGEST = {
    **{"quote.id": 64, "quote.name": 200, "quote.opportunity_id": 64, "quote.purchase_order_number": 64},
    **dict.fromkeys(IDS, 64),
    **{"customer.account_name": 200, "customer.contact_name": 120, "customer.phone": 40},
    **{f"customer.address.{name}": 200 for name in ("line1", "line2")},
    **{f"customer.address.{name}": 100 for name in ("city", "state")},
    "customer.address.postal_code": 20,
}
BAD_AMOUNTS = (
    *("-1.00", "-0.00", "+1.00", "1e3", "1E3", "1e-2", "NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf"),
    *(" 625.00", "625.00 ", "6 25", "1,250.00", "625,00", "1_000", "0x10", "1.2.3", ".", "", "$625.00", "AUD 1"),
    *("٦٢٥", "６２５", "²", "६", "1.٥", "१.00", "\N{MINUS SIGN}1", "1\N{NO-BREAK SPACE}250.00", "1'250.00"),
    *("10000000000.00", "99999999999999999999", "9" * 21),
)
BAD_CURRENCIES = (
    "ZZZ",
    "XXX",
    "XTS",
    "XAU",
    "DEM",
    "ITL",
    "FRF",
    "aud",
    "Aud",
    "AU",
    "AUDD",
    " AUD",
    "AUD ",
    "A$D",
    "",
)
EVIL_ADDRESSES = (
    *("https://evil.example/", "https://evil-orderporter.com/", "https://orderporter.com.evil.example/"),
    *("https://na1.orderporter.com.evil.example/", "https://xorderporter.com/", "https://orderporter.com/"),
    *("https://na1.orderporter.com@evil.example/", "https://user:secret@na1.orderporter.com/"),
    *(
        "https://@na1.orderporter.com/",
        "https://evil.example#.orderporter.com/",
        "https://evil.example?.orderporter.com",
    ),
    *("https://evil.example\\.orderporter.com/", "https://na1.orderporter.com\\@evil.example/"),
    *("https://evil.example%2f.orderporter.com/", "https://evil.example%23.orderporter.com/"),
    *("https://evil.example;.orderporter.com/", "https://evil.example&x.orderporter.com/", "https://.orderporter.com/"),
    *("https://a..orderporter.com/", "https://-.orderporter.com/", "https://*.orderporter.com/"),
    *("https://na1.orderporter.com:8443/", "https://na1.orderporter.com:99999/", "https://na1.orderporter.com:x/"),
    *("https://127.0.0.1/", "https://[::1]/", "https://[::1].orderporter.com/", "https://169.254.169.254/latest"),
    *("https://2130706433/", "https://localhost/", "https://na1.orderporter.com./"),
    *("https://na1.ordеrporter.com/", "https://xn--rderporter-9bb.com/", "https://na1。orderporter.com/"),
    *("http://na1.orderporter.com/", "http://localhost.evil.example/", "http://127.0.0.1.evil.example/"),
    *("http://user@127.0.0.1/", "http://10.0.0.1/", "http://[::1]/"),
    *("javascript:alert(1)", "javascript://na1.orderporter.com/%0aalert(1)", "data:text/html,x", "file:///etc/passwd"),
    *(
        "ftp://na1.orderporter.com/",
        "//na1.orderporter.com/",
        "https:na1.orderporter.com",
        "https:///na1.orderporter.com",
    ),
    *("na1.orderporter.com", "/quote", "https://", "https://na1.orderporter.com/a b", " https://na1.orderporter.com/"),
    *(
        "https://na1.orderporter.com/\r\nSet-Cookie:x=1",
        "https://na1.orderporter.com/\x00",
        "https://na1.orderporter.com/ü",
    ),
    *("https://na1.orderporter.com/<b>", 'https://na1.orderporter.com/"x', "https://na1.orderporter.com/" + "a" * 1973),
)
BAD_TIMES = (
    *("2099-01-31T00:00:00", "2099-01-31", "2099-13-31T00:00:00Z", "2099-02-30T00:00:00Z", "2099-01-31T25:00:00Z"),
    *("31/01/2099", "tomorrow", "", "4073500800", "2020-01-31T00:00:00Z", "1969-12-31T23:59:59Z"),
    *(
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-14:00",
        "2100-01-01T00:00:00Z",
        "+292277026596-12-04T15:30:08Z",
    ),
)


def list_wrong_types(field: str) -> list[Any]:
    """A value of every JSON type that the field is not."""
    right = {"whole"} if field in WHOLE_NUMBERS else {"object"} if field in OBJECTS else {"text"}
    right = right | {"whole"} if field in IDS else {"list"} if field in LISTS else right
    right = {"amounts.full_payment_allowed": {"flag"}}.get(field, right)
    return [value for name, value in JSON_TYPES.items() if name not in right]


def filter_group(group: str, fields: Iterable[str]) -> list[str]:
    """Those of the fields that are directly inside `group`."""
    return [field for field in fields if field.rpartition(".")[0] == group]


def find_unexpected_refusals(shop: Tenant, field: str, values: Iterable[Any]) -> dict[str, set[str]]:
    """What was named for each value of `field` where that was not `field` alone; {} when all is well."""
    RateWindow.objects.all().delete()
    found = {
        json.dumps(value): get_refused_fields(shop.call(merge_body(FULL_CHECKOUT, build_change(field, value))))
        for value in values
    }
    return {f"{field} {value}": named for value, named in found.items() if named != {field}}


def test_the_whole_contract_at_once_is_accepted(shop: Tenant) -> None:
    assert shop.call(FULL_CHECKOUT).status_code == 201
    assert count_stored_rows() == {"Quote": 1, "Payment": 1, "PayerCompany": 1}


@pytest.mark.parametrize("group", GROUPS)
def test_a_required_field_that_is_absent_is_named(shop: Tenant, group: str) -> None:
    for field in filter_group(group, REQUIRED):
        assert get_refused_fields(shop.call(build_body_without(field))) == {field}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("group", GROUPS)
def test_an_optional_field_may_be_absent(shop: Tenant, group: str) -> None:
    for field in filter_group(group, (*NULLABLE, *OPTIONAL)):
        assert shop.call(build_body_without(field)).status_code in (200, 201), field


@pytest.mark.parametrize("group", GROUPS)
def test_null_is_no_value(shop: Tenant, group: str) -> None:
    for field in filter_group(group, (*REQUIRED, *OPTIONAL)):
        assert find_unexpected_refusals(shop, field, [None]) == {}
    assert count_stored_rows() == {}


def test_null_says_the_same_as_absent_where_there_may_be_nothing(shop: Tenant) -> None:
    for field in NULLABLE:
        assert shop.call(merge_body(FULL_CHECKOUT, build_change(field, None))).status_code in (200, 201), field


@pytest.mark.parametrize("group", GROUPS)
def test_a_value_of_another_type_is_refused(shop: Tenant, group: str) -> None:
    for field in filter_group(group, ALL_FIELDS):
        assert find_unexpected_refusals(shop, field, list_wrong_types(field)) == {}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("group", ["quote", "customer", "customer.address"])
def test_a_text_may_be_so_long_and_no_longer(shop: Tenant, group: str) -> None:
    body = FULL_CHECKOUT
    for field in filter_group(group, LONGEST):
        assert find_unexpected_refusals(shop, field, ["x" * (LONGEST[field] + 1), "x" * 5000]) == {}
        body = merge_body(body, build_change(field, "ü" * LONGEST[field]))
    assert count_stored_rows() == {}
    assert shop.call(body).status_code == 201


def test_a_required_text_is_not_empty(shop: Tenant) -> None:
    for field in ("quote.id", "quote.name", "customer.account_name", "customer.email", "return_url"):
        assert find_unexpected_refusals(shop, field, ["", "   ", "\u200b", "\u200b\u2060\ufeff", "\u3164"]) == {}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("group", GROUPS)
def test_characters_that_nobody_can_see_are_refused(shop: Tenant, group: str) -> None:
    for field in filter_group(group, (field for field in ALL_FIELDS if field not in NO_TEXT)):
        assert (
            find_unexpected_refusals(shop, field, ["\x00", "a\x00b", "a\nb", "a\x1bb", "a\x7f", "a\x85b", "a\ud800b"])
            == {}
        )
        assert find_unexpected_refusals(shop, field, ["a\u202eb", "\u2066a\u2069", "a\u2028b"]) == {}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("field", AMOUNTS)
def test_an_amount_is_plain_digits_with_a_point(shop: Tenant, field: str) -> None:
    assert find_unexpected_refusals(shop, field, BAD_AMOUNTS) == {}
    assert count_stored_rows() == {}


def test_a_name_is_stored_in_one_form(shop: Tenant) -> None:
    names = {"quote": {"name": "\ufeff Zoe\u0308 👩\u200d🔧 "}, "customer": {"account_name": "שלום\u200f "}}
    assert shop.call(merge_body(FULL_CHECKOUT, names)).status_code == 201
    quote = Quote.objects.get()
    assert (quote.name, quote.customer["account_name"]) == ("Zoë 👩\u200d🔧", "שלום\u200f")


@pytest.mark.parametrize(("currency", "amount"), [("AUD", "1.001"), ("JPY", "1.0"), ("KWD", "1.0001")])
def test_an_amount_has_no_more_decimals_than_its_currency(shop: Tenant, currency: str, amount: str) -> None:
    whole = merge_body(
        V1_CHECKOUT, {"quote": {"currency": currency}, "amounts": {"one_time_total": "1250", "due_now": "625"}}
    )
    whole = merge_body(whole, {"amounts": {"tax": "113"}, "recurring": {"total": "349"}})
    for field in AMOUNTS:
        assert get_refused_fields(shop.call(merge_body(whole, build_change(field, amount)))) == {field}
    assert count_stored_rows() == {}
    assert shop.call(whole).status_code == 201


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [
        ("AUD", "1", 100),
        ("AUD", "1.5", 150),
        ("AUD", "1.50", 150),
        ("JPY", "1250", 1250),
        ("KWD", "1.23", 1230),
        ("RSD", "12.5", 1250),
        ("ISK", "5000", 5000),
    ],
)
def test_fewer_decimals_mean_the_same_amount(shop: Tenant, currency: str, amount: str, minor: int) -> None:
    amounts = {"one_time_total": amount, "due_now": amount, "tax": "0"}
    body = merge_body(V1_CHECKOUT, {"quote": {"currency": currency}, "amounts": amounts, "recurring": None})
    assert shop.call(body).status_code == 201
    quote = Quote.objects.select_related("payment").get()
    assert (quote.total, quote.payment.amount, quote.payment.currency) == (minor, minor, currency)


UNCHARGEABLE = [
    ("AUD", "0.49", "At least A$0.50"),
    ("GBP", "0.29", "At least £0.30"),
    ("MXN", "9.99", "At least MX$10.00"),
    ("HUF", "174.99", "At least HUF\xa0175.00"),
    ("AUD", "1250000.00", "At most A$999,999.99"),
    ("JPY", "100000000", "At most JP¥99,999,999"),
    ("KWD", "5.124", "multiples of KWD\xa00.010"),
    ("MGA", "100.50", "multiples of MGA\xa01.00"),
    ("IRR", "100.00", "can't be taken in IRR"),
]


@pytest.mark.parametrize(("currency", "amount", "words"), UNCHARGEABLE)
def test_an_amount_that_cannot_be_charged_is_refused_in_its_place(
    shop: Tenant, currency: str, amount: str, words: str
) -> None:
    amounts = {"one_time_total": amount, "due_now": amount, "tax": "0"}
    body = merge_body(FULL_CHECKOUT, {"quote": {"currency": currency}, "amounts": amounts, "recurring": None})
    answer = shop.call(body)
    assert get_refused_fields(answer) == {"amounts.due_now"}
    assert words in json.dumps(json.loads(answer.content), ensure_ascii=False)
    recurring = {"interval": "month", "total": amount}
    nothing_due = {"one_time_total": "0", "due_now": "0", "tax": "0"}
    recurs = {"quote": {"currency": currency}, "amounts": nothing_due, "recurring": recurring}
    assert get_refused_fields(shop.call(merge_body(FULL_CHECKOUT, recurs))) == {"recurring.total"}
    assert count_stored_rows() == {}


def test_a_currency_is_one_that_is_legal_tender_today(shop: Tenant) -> None:
    assert find_unexpected_refusals(shop, "quote.currency", BAD_CURRENCIES) == {}
    assert count_stored_rows() == {}


def test_amounts_that_contradict_each_other_are_refused(shop: Tenant) -> None:
    nothing = {"one_time_total": "0", "due_now": "0", "tax": "0"}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"amounts": {"due_now": "1250.01"}}, "amounts.due_now"),
        ({"amounts": {"tax": "1250.01"}}, "amounts.tax"),
        ({"amounts": {"due_now": "0.00"}, "recurring": None}, "amounts.due_now"),
        ({"amounts": nothing, "recurring": None}, "amounts.due_now"),
        ({"recurring": {"total": "0.00"}}, "recurring.total"),
    ]
    for changes, field in cases:
        assert get_refused_fields(shop.call(merge_body(FULL_CHECKOUT, changes))) == {field}
    assert count_stored_rows() == {}


def test_a_field_that_is_not_known_is_refused_at_every_level(shop: Tenant) -> None:
    for prefix in ("", *(f"{name}." for name in OBJECTS)):
        for name in ("dueNow", "ID", "x" * 3000):
            assert find_unexpected_refusals(shop, f"{prefix}{name}", ["1"]) == {}
    assert count_stored_rows() == {}


def test_methods_are_known_and_named_once(shop: Tenant) -> None:
    cases: list[tuple[list[Any], str]] = [
        ([], "allowed_methods"),
        (["card", "card"], "allowed_methods"),
        (["card", "bank_debit", "card"], "allowed_methods"),
        (["cash"], "allowed_methods.0"),
        (["card", "Card"], "allowed_methods.1"),
        (["card", None], "allowed_methods.1"),
        ([["card"]], "allowed_methods.0"),
    ]
    for value, field in cases:
        assert get_refused_fields(shop.call(merge_body(FULL_CHECKOUT, {"allowed_methods": value}))) == {field}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("field", ["return_url", "callback_url"])
@pytest.mark.parametrize("half", [0, 1])
def test_an_address_that_is_not_the_merchants_cpq_is_refused(shop: Tenant, field: str, half: int) -> None:
    assert find_unexpected_refusals(shop, field, EVIL_ADDRESSES[half::2]) == {}
    assert count_stored_rows() == {}


@pytest.mark.parametrize("field", ["return_url", "callback_url"])
def test_an_address_of_a_cpq_host_is_accepted(shop: Tenant, field: str) -> None:
    good = (
        *("https://na1.orderporter.com", "https://NA1.OrderPorter.com/", "https://a.b.orderporter.com/x?y=1#z"),
        *("https://na1.orderporter.com:443/", "https://na1.orderporter.com/" + "a" * 1972, "http://127.0.0.1:8001/q"),
        "http://localhost:8001/q",
    )
    answers = {url: shop.call(merge_body(FULL_CHECKOUT, {field: url})).status_code for url in good}
    assert set(answers.values()) <= {200, 201}, answers


def test_loopback_is_refused_outside_the_demo(shop: Tenant, settings: Any) -> None:
    settings.DEMO = False
    for field in ("return_url", "callback_url"):
        assert find_unexpected_refusals(shop, field, ["http://127.0.0.1:8001/q", "http://localhost/"]) == {}
    assert count_stored_rows() == {}


def test_a_time_has_a_zone_and_lies_ahead(shop: Tenant) -> None:
    assert find_unexpected_refusals(shop, "quote.expires_at", [*BAD_TIMES, timezone.now().isoformat()]) == {}
    assert count_stored_rows() == {}


def test_a_value_out_of_its_range_is_refused(shop: Tenant) -> None:
    cases: dict[str, list[Any]] = {
        "quote.number": [0, -1, 10**15 + 1, 2**63, 10**400],
        "quote.version": [0, -1, 10**6 + 1, 2**31],
        "recurring.periods": [0, -12, 1201],
        "recurring.interval": ["", "day", "Month", "months", "1 month"],
        "customer.email": ["harbourdental", "a@", "@b.example", "a b@c.example", "a@b@c.d", f"{'a' * 250}@b.example"],
        "customer.address.country": ["Australia", "au", "A", "AUS", "1A", "Å1"],
    }
    for field, values in cases.items():
        assert find_unexpected_refusals(shop, field, values) == {}
    assert count_stored_rows() == {}


def test_everything_that_is_wrong_is_named_at_once(shop: Tenant) -> None:
    body = merge_body(
        FULL_CHECKOUT, {"quote": {"name": ""}, "customer": {"email": "x"}, "amounts": {"due_now": 625}, "zz": 1}
    )
    assert get_refused_fields(shop.call(body)) == {"quote.name", "customer.email", "amounts.due_now", "zz"}
    body = merge_body(FULL_CHECKOUT, {"amounts": {"one_time_total": "x", "due_now": "-1"}})
    assert get_refused_fields(shop.call(body)) == {"amounts.one_time_total", "amounts.due_now"}
    evil = "https://evil.example/"
    body = merge_body(
        FULL_CHECKOUT, {"return_url": evil, "callback_url": evil, "quote": {"expires_at": "2020-01-01T00:00:00Z"}}
    )
    assert get_refused_fields(shop.call(body)) == {"return_url", "callback_url", "quote.expires_at"}


def test_a_refusal_brings_nothing_of_an_open_checkout_up_to_date(shop: Tenant) -> None:
    assert shop.call(FULL_CHECKOUT).status_code == 201
    before = list(Quote.objects.values()), count_stored_rows()
    for changes in (
        {"quote": {"name": ""}},
        {"amounts": {"due_now": "9999.00"}},
        {"return_url": "https://evil.example/"},
    ):
        get_refused_fields(
            shop.call(merge_body(merge_body(FULL_CHECKOUT, {"quote": {"purchase_order_number": "PO-78"}}), changes))
        )
    assert (list(Quote.objects.values()), count_stored_rows()) == before
