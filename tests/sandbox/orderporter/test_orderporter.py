"""The practice Order Porter: quotes, the contract's request, signed returns and signed callbacks."""

import threading
import time
from typing import Any

import pytest
import requests

from sandbox.harness.sandbox_process import SandboxProcess
from sandbox.orderporter.money import format_amount, format_decimal, parse_minor_units
from tests.sandbox.fake_wisepay import (
    API_KEY,
    FakeWisePay,
    accept_quote,
    build_return_url,
    create_quote_like,
    get_outcome,
    get_quote,
    send_callback,
)


def test_a_new_world_has_one_quote_of_each_kind(sandbox: SandboxProcess) -> None:
    quotes = sandbox.get("/orderporter/quotes.json").json()["quotes"]
    assert [quote["like"] for quote in quotes] == ["one-time", "deposit", "mixed", "recurring", "usd", "jpy"]
    page = sandbox.get("/orderporter/").text
    assert all(quote["name"] in page for quote in quotes)
    assert "No API key is set" in page


def test_a_quote_shows_its_lines_totals_and_the_form_to_sign(sandbox: SandboxProcess) -> None:
    page = sandbox.get("/orderporter/quote", params={"key": create_quote_like(sandbox, "deposit")["key"]}).text
    assert "Next-generation firewall" in page
    assert "$4,983.00 AUD" in page
    assert "$2,491.50 AUD" in page
    assert "Accept and Pay" in page


def test_an_unknown_quote_is_not_found(sandbox: SandboxProcess) -> None:
    assert requests.get(f"{sandbox.url}/orderporter/quote?key=x", timeout=10).status_code == 404


def test_accepting_opens_a_checkout_as_the_contract_says(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    answer = accept_quote(quote)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{wisepay.url}/pay/chk_1"
    ((path, headers, body),) = wisepay.requests
    assert path == "/api/cpq/v1/checkouts"
    assert headers["x-api-key"] == API_KEY
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"]
    assert set(body) == {"quote", "customer", "amounts", "allowed_methods", "return_url", "callback_url"}
    assert body["quote"] == {
        "id": quote["id"],
        "number": 1042,
        "version": 1,
        "name": "Managed services onboarding",
        "currency": "AUD",
        "opportunity_id": "9042",
        "purchase_order_number": "PO-42",
        "expires_at": quote["expires_at"],
    }
    assert body["customer"]["account_name"] == "Harbour Dental Pty Ltd"
    assert body["amounts"] == {
        "one_time_total": "1250.00",
        "tax": "113.64",
        "due_now": "1250.00",
        "full_payment_allowed": False,
    }
    assert body["return_url"] == quote["url"]
    assert body["callback_url"] == f"{sandbox.url}/orderporter/callback"


@pytest.mark.parametrize(
    ("like", "one_time", "due_now", "recurring"),
    [
        ("deposit", "4983.00", "2491.50", None),
        ("mixed", "8140.00", "8140.00", {"total": "349.00", "interval": "month", "periods": 12}),
        ("recurring", "0.00", "0.00", {"total": "349.00", "interval": "month", "periods": 36}),
        ("usd", "2550.00", "2550.00", None),
        ("jpy", "165000", "165000", None),
    ],
)
def test_each_kind_of_quote_states_its_amounts(
    sandbox: SandboxProcess, wisepay: FakeWisePay, like: str, one_time: str, due_now: str, recurring: Any
) -> None:
    assert accept_quote(create_quote_like(sandbox, like)).status_code == 303
    body = wisepay.requests[0][2]
    assert (body["amounts"]["one_time_total"], body["amounts"]["due_now"]) == (one_time, due_now)
    assert body.get("recurring") == recurring


def test_without_terms_or_signature_nothing_is_sent(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    for form in ({"terms": ""}, {"signature": " "}):
        answer = accept_quote(quote, **form)
        assert (answer.status_code, get_outcome(answer.text)) == (422, "refused")
    assert wisepay.requests == []


def test_a_refusal_is_shown_with_its_fields(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    problem = {
        "type": "about:blank",
        "title": "The checkout is not valid",
        "detail": "Two fields <need> attention.",
        "code": "invalid",
        "errors": [{"field": "amounts.due_now", "message": "More than the total."}],
    }
    wisepay.answer = (422, {"Content-Type": "application/problem+json"}, problem)
    page = accept_quote(create_quote_like(sandbox, "one-time")).text
    assert get_outcome(page) == "refused"
    assert "Two fields &lt;need&gt; attention." in page
    assert "<code>amounts.due_now</code> More than the total." in page


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ((500, {}, "oops"), "Status 500"),
        ((429, {"Retry-After": "30"}, {"title": "Too many"}), "Try again in 30 seconds."),
        ((201, {}, {"id": "chk_1", "url": "javascript:alert(1)"}), "no address to pay at"),
        ((302, {"Location": "/login"}, {}), "Status 302"),
    ],
)
def test_a_useless_answer_is_explained(
    sandbox: SandboxProcess, wisepay: FakeWisePay, answer: tuple[int, dict[str, str], Any], shown: str
) -> None:
    wisepay.answer = answer
    page = accept_quote(create_quote_like(sandbox, "one-time"))
    assert page.status_code == 422
    assert shown in page.text


def test_a_broken_connection_is_tried_once_more_with_the_same_key(
    sandbox: SandboxProcess, wisepay: FakeWisePay
) -> None:
    wisepay.drop_next = True
    assert accept_quote(create_quote_like(sandbox, "one-time")).status_code == 303
    first, second = (headers["idempotency-key"] for _, headers, _ in wisepay.requests)
    assert first == second


def test_an_absent_wisepay_is_explained(sandbox: SandboxProcess) -> None:
    sandbox.config(wisepay_url="http://127.0.0.1:9", cpq_api_key=API_KEY)
    assert "could not be reached" in accept_quote(create_quote_like(sandbox, "one-time")).text


def test_the_key_can_be_set_on_the_page(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    sandbox.reset(config=True)
    assert "No API key is set" in accept_quote(create_quote_like(sandbox, "one-time")).text
    form = {"api_key": API_KEY, "wisepay_url": wisepay.url}
    page = requests.post(f"{sandbox.url}/orderporter/settings", data=form, timeout=10)
    assert API_KEY not in page.text
    assert accept_quote(create_quote_like(sandbox, "one-time")).status_code == 303


def test_the_sandbox_goes_on_answering_while_wisepay_thinks(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    wisepay.delay = 1.0
    quote = create_quote_like(sandbox, "one-time")
    call = threading.Thread(target=accept_quote, args=(quote,))
    call.start()
    began = time.monotonic()
    sandbox.get("/_control/health")
    assert time.monotonic() - began < 0.5
    call.join()


@pytest.mark.parametrize("status", ["paid", "processing", "saved", "failed", "cancelled"])
def test_a_signed_return_is_shown(sandbox: SandboxProcess, wisepay: FakeWisePay, status: str) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    page = requests.get(build_return_url(quote, status), timeout=10)
    assert (page.status_code, get_outcome(page.text)) == (200, status)
    assert ("Accept and Pay" in page.text) == (status in ("failed", "cancelled"))
    if status == "paid":
        assert "$1,250.00 AUD was received; reference WP-77" in page.text


def test_a_forged_return_is_ignored_and_said_so(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    tampered = build_return_url(quote, "failed").replace("wisepay_status=failed", "wisepay_status=paid")
    page = requests.get(tampered, timeout=10)
    assert (page.status_code, get_outcome(page.text)) == (400, "refused")
    assert get_quote(sandbox, quote)["status"] == "open"


def test_a_return_of_another_checkout_changes_nothing(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    requests.get(build_return_url(quote, "paid", wisepay_checkout="chk_other"), timeout=10)
    assert get_quote(sandbox, quote)["status"] == "open"


def test_a_failed_payment_can_be_tried_again(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    before = int(time.time()) - 10
    requests.get(build_return_url(quote, "failed", at=before), timeout=10)
    wisepay.answer_with_checkout(status=200)
    assert accept_quote(quote).status_code == 303
    assert get_outcome(requests.get(build_return_url(quote, "paid"), timeout=10).text) == "paid"
    stale = requests.get(build_return_url(quote, "failed", at=before), timeout=10)
    assert get_outcome(stale.text) == "paid"


def test_a_signed_callback_updates_the_quote_once(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    amount = {"amount": "1250.00", "currency": "AUD"}
    for expected in ("recorded", "duplicate"):
        answer = send_callback(sandbox, quote, "paid", delivery="d-1", amount=amount, reference="WP-9", error=None)
        assert (answer.status_code, answer.json()["result"]) == (200, expected)
    known = get_quote(sandbox, quote)
    assert known["payment"] == {"amount": "$1,250.00 AUD", "reference": "WP-9", "error": ""}
    assert len([event for event in known["events"] if "reported" in event["text"]]) == 1


def test_a_callback_with_a_wrong_or_old_signature_is_refused(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    now = int(time.time())
    answers = [
        send_callback(sandbox, quote, "paid", forged=True),
        send_callback(sandbox, quote, "paid", at=now - 400),
        send_callback(sandbox, quote, "paid", at=now + 400),
        requests.post(f"{sandbox.url}/orderporter/callback", data=b"{}", timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert get_quote(sandbox, quote)["status"] == "open"


def test_a_callback_for_an_unknown_quote_is_not_found(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    stranger = {"id": "unknown", "version": 1}
    assert send_callback(sandbox, stranger, "paid").status_code == 404


def test_callback_and_return_race_to_the_same_end(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    now = int(time.time())
    send_callback(sandbox, quote, "paid", at=now, amount={"amount": "1250.00", "currency": "AUD"})
    page = requests.get(build_return_url(quote, "processing", at=now), timeout=10)
    assert get_outcome(page.text) == "paid"


def test_a_late_failure_of_a_bank_debit_arrives_by_callback(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    now = int(time.time())
    send_callback(sandbox, quote, "processing", at=now - 5)
    send_callback(sandbox, quote, "failed", at=now, error="The bank returned the debit.")
    page = requests.get(quote["url"], timeout=10).text
    assert get_outcome(page) == "failed"
    assert "The bank refused the payment." in page
    assert "The bank returned the debit." in page
    assert "Accept and Pay" in page


def test_a_failure_in_the_second_of_the_processing_is_asked_about(
    sandbox: SandboxProcess, wisepay: FakeWisePay
) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    now = int(time.time())
    about = {"id": quote["id"], "version": quote["version"]}
    wisepay.known = {"id": "chk_1", "status": "failed", "quote": about, "payment": None}
    send_callback(sandbox, quote, "processing", at=now)
    assert "on its way" in requests.get(quote["url"], timeout=10).text
    assert send_callback(sandbox, quote, "failed", at=now).json() == {"result": "recorded"}
    assert wisepay.status_requests == ["/api/cpq/v1/checkouts/chk_1"]
    assert get_quote(sandbox, quote)["status"] == "failed"


def test_a_saved_method_is_shown_by_callback(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "recurring")
    accept_quote(quote)
    assert send_callback(sandbox, quote, "saved", amount=None, reference="WP-3").json() == {"result": "recorded"}
    page = requests.get(quote["url"], timeout=10).text
    assert get_outcome(page) == "saved"
    assert "Nothing was charged now; reference WP-3." in page


def test_a_callback_against_a_settled_payment_is_checked_with_wisepay(
    sandbox: SandboxProcess, wisepay: FakeWisePay
) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    now = int(time.time())
    send_callback(sandbox, quote, "paid", at=now - 9)
    assert send_callback(sandbox, quote, "failed", at=now - 5).status_code == 503
    about = {"id": quote["id"], "version": quote["version"]}
    wisepay.known = {"id": "chk_1", "status": "paid", "quote": about, "payment": None}
    assert send_callback(sandbox, quote, "processing", at=now - 4).status_code == 200
    assert get_quote(sandbox, quote)["status"] == "paid"
    wisepay.known["status"] = "failed"
    assert send_callback(sandbox, quote, "failed", at=now - 3).json() == {"result": "recorded"}
    assert get_quote(sandbox, quote)["status"] == "failed"
    assert "The bank sent the payment back." in requests.get(quote["url"], timeout=10).text
    assert set(wisepay.status_requests) == {"/api/cpq/v1/checkouts/chk_1"}


def test_publishing_again_makes_an_unpaid_newer_version(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    accept_quote(quote)
    requests.post(f"{sandbox.url}/orderporter/quote/versions?key={quote['key']}", timeout=10)
    assert (get_quote(sandbox, quote)["version"], get_quote(sandbox, quote)["status"]) == (2, "open")
    assert send_callback(sandbox, quote, "withdrawn").json() == {"result": "outdated"}
    assert get_quote(sandbox, quote)["status"] == "open"
    accept_quote(quote)
    assert [body["quote"]["version"] for _, _, body in wisepay.requests] == [1, 2]


def test_a_test_can_make_a_quote_of_its_own(sandbox: SandboxProcess) -> None:
    created = sandbox.post("/orderporter/quotes.json", {"like": "usd", "name": "Cabling", "deposit": 25})
    assert created["totals"] == {"one_time": 255000, "tax": 0, "due_now": 63750, "recurring": 0}
    assert "Cabling" in requests.get(created["url"], timeout=10).text


def test_callbacks_are_journalled_and_can_be_made_to_fail(sandbox: SandboxProcess, wisepay: FakeWisePay) -> None:
    quote = create_quote_like(sandbox, "one-time")
    sandbox.fault("orderporter", "status", status=503)
    assert send_callback(sandbox, quote, "paid").status_code == 503
    assert send_callback(sandbox, quote, "paid").status_code == 200
    assert [line["status"] for line in sandbox.journal("orderporter")] == [503, 200]


@pytest.mark.parametrize(
    ("minor", "currency", "decimal", "people"),
    [
        (125000, "AUD", "1250.00", "$1,250.00 AUD"),
        (5, "USD", "0.05", "$0.05 USD"),
        (165000, "JPY", "165000", "¥165,000 JPY"),
        (0, "NZD", "0.00", "$0.00 NZD"),
    ],
)
def test_amounts_are_written_without_floats(minor: int, currency: str, decimal: str, people: str) -> None:
    assert format_decimal(minor, currency) == decimal
    assert parse_minor_units(decimal, currency) == minor
    assert format_amount(minor, currency) == people


@pytest.mark.parametrize(("amount", "currency"), [("1.5", "JPY"), ("1.005", "AUD"), ("x", "AUD"), ("1", "XXX")])
def test_what_is_no_amount_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        parse_minor_units(amount, currency)
