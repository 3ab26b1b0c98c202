"""The way back to the quote: a redirect with a signed result, to nowhere but the quote."""

import hashlib
import hmac
import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from payments.models import Payment
from quotes.services import save_integration
from tests.tenants import Checkout, Tenant

DECLINED = "4000000000009995"
CHALLENGED = "4000002760003184"
RETURN_PARAMETERS = {"checkout", "status", "amount", "currency", "reference", "time", "signature"}


def go_back(checkout: Checkout, tail: str = "", **data: str) -> str:
    """Where the payer's browser is sent when it follows the payment's end."""
    answer = Client().get(f"{checkout.payment.done_path}{tail}", data)
    assert answer.status_code == 303
    assert "no-store" in answer["Cache-Control"]
    return str(answer["Location"])


def get_return_parameters(url: str) -> dict[str, str]:
    """Our parameters, each of them there once."""
    pairs = [(n, v) for n, v in parse_qsl(urlsplit(url).query, keep_blank_values=True) if n.startswith("wisepay_")]
    assert sorted(name for name, _ in pairs) == sorted(f"wisepay_{name}" for name in RETURN_PARAMETERS)
    return dict(pairs)


def compute_signature(parameters: dict[str, str], key: str) -> str:
    """The rule of the contract, written down a second time."""
    signed = sorted(f"{name}={value}" for name, value in parameters.items() if name != "wisepay_signature")
    return hmac.new(key.encode(), "\n".join(signed).encode(), hashlib.sha256).hexdigest()


def test_a_payer_who_paid_is_sent_back_with_a_signed_result(shop: Tenant) -> None:
    checkout = shop.open_checkout()
    checkout.pay()
    url = go_back(checkout)
    found = get_return_parameters(url)
    assert url.startswith("https://na1.orderporter.com/quote?key=1&wisepay_")
    assert abs(time.time() - int(found["wisepay_time"])) < 5
    assert found == {
        "wisepay_checkout": checkout.body["id"],
        "wisepay_status": "paid",
        "wisepay_amount": "625.00",
        "wisepay_currency": "AUD",
        "wisepay_reference": checkout.payment.reference,
        "wisepay_time": found["wisepay_time"],
        "wisepay_signature": compute_signature(found, shop.api_key),
    }
    assert re.fullmatch(r"[0-9a-f]{64}", found["wisepay_signature"])
    assert checkout.quote.state == "paid"


@pytest.mark.parametrize(("card", "status"), [(None, "cancelled"), (DECLINED, "failed"), (CHALLENGED, "processing")])
def test_every_end_has_its_word_and_its_signature(shop: Tenant, card: str | None, status: str) -> None:
    checkout = shop.open_checkout()
    if card:
        checkout.pay(card)
    found = get_return_parameters(go_back(checkout))
    assert (found["wisepay_status"], found["wisepay_amount"]) == (status, "625.00")
    assert found["wisepay_signature"] == compute_signature(found, shop.api_key)


def test_an_expired_and_a_withdrawn_quote_go_back_as_cancelled(shop: Tenant) -> None:
    expired, withdrawn = shop.open_checkout(), shop.open_checkout()
    Payment.objects.filter(pk=expired.payment.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    newer = {"id": withdrawn.quote.cpq_id, "number": withdrawn.quote.number, "version": 2}
    shop.open_checkout(quote=newer)
    assert [get_return_parameters(go_back(c))["wisepay_status"] for c in (expired, withdrawn)] == [
        "cancelled",
        "cancelled",
    ]


def test_the_amount_is_what_was_paid_in_the_currencys_own_decimals(shop: Tenant) -> None:
    full = shop.open_checkout()
    full.pay(amount=125000)
    assert get_return_parameters(go_back(full))["wisepay_amount"] == "1250.00"
    yen = shop.open_checkout(
        quote={"currency": "JPY"}, amounts={"one_time_total": "120000", "due_now": "60000", "tax": "0"}
    )
    yen.pay()
    found = get_return_parameters(go_back(yen))
    assert (found["wisepay_amount"], found["wisepay_currency"]) == ("60000", "JPY")


@pytest.mark.parametrize(
    "query",
    [
        "key=1",
        "key=a%2Fb%26c&x=1+2&x=3",
        "flag",
        "a=&b",
        "x=%FF%FEtext",
        "q=1;r=2",
        "x=%C3%BC",
        "wise=1&pay_wisepay_=2",
    ],
)
def test_the_quotes_own_query_stays_as_it_was_written(shop: Tenant, query: str) -> None:
    checkout = shop.open_checkout(return_url=f"https://na1.orderporter.com/quote?{query}#sign")
    url = go_back(checkout)
    assert url.startswith(f"https://na1.orderporter.com/quote?{query}&wisepay_")
    assert urlsplit(url).fragment == "sign"
    assert get_return_parameters(url)["wisepay_status"] == "cancelled"


@pytest.mark.parametrize(
    "address", ["https://na1.orderporter.com", "https://na1.orderporter.com/q", "https://na1.orderporter.com/q?"]
)
def test_an_address_without_a_query_gets_one(shop: Tenant, address: str) -> None:
    url = go_back(shop.open_checkout(return_url=address))
    assert url.startswith(f"{address.rstrip('?')}?wisepay_")
    assert get_return_parameters(url)["wisepay_currency"] == "AUD"


@pytest.mark.parametrize("name", ["wisepay_status", "wisepay%5Fstatus", "w%69sepay_status"])
def test_a_forged_result_in_the_address_is_replaced(shop: Tenant, name: str) -> None:
    forged = f"{name}=paid&wisepay_signature=00&key=1&{name}=paid&wisepay_extra=1&wisepay_"
    url = go_back(shop.open_checkout(return_url=f"https://na1.orderporter.com/quote?{forged}"))
    found = get_return_parameters(url)
    assert found["wisepay_status"] == "cancelled"
    assert found["wisepay_signature"] == compute_signature(found, shop.api_key)
    assert urlsplit(url).query.startswith("key=1&wisepay_")


def test_the_redirect_goes_to_the_quote_whatever_the_browser_asks_for(shop: Tenant) -> None:
    checkout = shop.open_checkout()
    evil = "https://evil.example/"
    for name in ("next", "return_url", "url", "wisepay_status", "redirect_to"):
        url = go_back(checkout, **{name: evil})
        assert urlsplit(url).netloc == "na1.orderporter.com"
        assert "evil" not in url


@pytest.mark.parametrize("path", ["chk_nobody", "chk_x%00", "..", "https:%2f%2fevil.example"])
def test_the_way_back_from_nowhere_does_not_exist(shop: Tenant, path: str) -> None:
    assert Client().get(f"/quotes/{path}/return").status_code == 404


def test_only_asking_leads_back(shop: Tenant) -> None:
    path = shop.open_checkout().payment.done_path
    assert Client().post(path).status_code == 405


def test_a_new_key_signs_from_then_on(shop: Tenant) -> None:
    checkout, old = shop.open_checkout(), shop.api_key
    save_integration(shop.integration, is_enabled=True, hosts=["*.orderporter.com"], new_key=True, now=timezone.now())
    found = get_return_parameters(go_back(checkout))
    assert shop.api_key != old
    assert found["wisepay_signature"] == compute_signature(found, shop.api_key) != compute_signature(found, old)


def test_the_practice_order_porter_believes_the_result(shop: Tenant) -> None:
    shop.world.config(cpq_api_key=shop.api_key)
    known: dict[str, Any] = shop.world.post("/orderporter/quotes.json", {"like": "one-time"})
    quote = {"id": known["id"], "number": known["number"], "version": known["version"]}
    checkout = shop.open_checkout(quote=quote, return_url=known["url"])
    url = go_back(checkout)
    assert shop.world.session.get(url, timeout=10).status_code == 200
    forged = url.replace("wisepay_status=cancelled", "wisepay_status=paid")
    assert forged != url
    assert shop.world.session.get(forged, timeout=10).status_code == 400
