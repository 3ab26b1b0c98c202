"""The practice stripe.js in a real browser, on a page of another origin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import stripe
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from sandbox.harness.browser_tests import find_chromium
from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_payments import RETURN_URL, build_client, create_intent, create_setup_intent
from tests.sandbox.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.browser
CARD_FRAME = "iframe[title='Secure payment input frame']"
SECURE_FRAME = "iframe[title='3D Secure']"
SHOP_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {sandbox} 'nonce-shop';
 style-src 'nonce-shop'; frame-src {sandbox}; connect-src {sandbox}">
<style nonce="shop">body {{ font-family: sans-serif; max-width: 30rem; margin: 1rem auto; padding: 1rem; }}
body.dark {{ background: #14171c; color: #eee; }}</style>
<script src="{sandbox}/stripe/js/stripe.js"></script></head>
<body><h1>Pay 10.99</h1><div id="payment"></div><button id="pay">Pay</button><p id="result"></p>
<script nonce="shop">
const query = new URLSearchParams(location.search);
if (query.get("theme") === "night") document.body.className = "dark";
const stripe = Stripe("pk_test_merchant");
const kinds = (query.get("kinds") || "card").split(",");
const mode = query.get("mode") || "payment";
const elements = stripe.elements({{ mode, currency: query.get("currency") || "usd", paymentMethodTypes: kinds,
  ...(mode === "payment" ? {{ amount: 1099 }} : {{}}), setupFutureUsage: query.get("future") || undefined,
  appearance: {{ theme: query.get("theme") || "stripe",
    variables: {{ colorPrimary: "#7a3ff2", borderRadius: "8px" }} }} }});
const never = query.get("never") ? {{ name: "never", email: "never" }} : {{}};
const element = elements.create("payment", {{ fields: {{ billingDetails: never }} }});
window.change = (options) => elements.update(options);
const payer = query.get("never") === "silent" ? {{}} : {{ name: "Ada Payer", email: "ada@example.com" }};
window.heard = [];
element.on("ready", () => window.heard.push("ready"));
element.on("change", (event) => window.heard.push(event.complete ? "complete" : "change"));
element.mount("#payment");
const say = (found) => {{ document.getElementById("result").textContent = JSON.stringify(found); }};
document.getElementById("pay").addEventListener("click", async () => {{
  const checked = await elements.submit();
  if (checked.error) return say({{ stage: "submit", code: checked.error.code }});
  const made = await stripe.createConfirmationToken({{ elements, params: {{
    payment_method_data: {{ billing_details: payer }} }} }}).catch((error) => ({{ error: {{ code: error.message }} }}));
  say(made.error ? {{ stage: "token", code: made.error.code }} : {{ token: made.confirmationToken.id }});
}});
window.next = async (clientSecret) => {{
  const found = await stripe.handleNextAction({{ clientSecret }});
  const intent = found.paymentIntent || found.setupIntent;
  say(found.error ? {{ code: found.error.code }} : {{ kind: intent.object, status: intent.status }});
}};
window.confirm_here = async (clientSecret) => {{
  const found = await stripe.confirmPayment({{ elements, clientSecret, redirect: "if_required" }});
  say(found.error ? {{ code: found.error.code }} : {{ status: found.paymentIntent.status }});
}};
</script></body></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def shop(sandbox: SandboxProcess) -> Iterator[str]:
    with WebhookReceiver(pages={"/": SHOP_PAGE.format(sandbox=sandbox.url)}) as running:
        yield running.url


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    found = browser.new_page(viewport={"width": 420, "height": 760})
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    yield found
    found.close()
    assert [line for line in problems if "favicon" not in line and "status of 40" not in line] == []


def fill_card(page: Page, number: str = "4242424242424242") -> FrameLocator:
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiration date").fill("12/34")
    frame.get_by_label("Security code").fill("1234" if number.startswith("37") else "123")
    return frame


def save_screenshot(page: Page, name: str) -> None:
    """Keep a picture where SCREENSHOTS says, for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def read_token(page: Page) -> str:
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.locator("#result")).to_contain_text("ctoken_")
    return str(page.evaluate("JSON.parse(document.getElementById('result').textContent).token"))


def pay_with_token(client: stripe.StripeClient, token: str, **more: Any) -> stripe.PaymentIntent:
    params: Any = {"amount": 1099, "currency": "usd", "confirm": True, "confirmation_token": token}
    params |= {"allowed_payment_method_types": ["card", "us_bank_account"], "use_stripe_sdk": True}
    return create_intent(client, **{**params, **more})


def test_a_card_is_typed_and_paid(sandbox: SandboxProcess, client: stripe.StripeClient, page: Page, shop: str) -> None:
    page.goto(shop)
    frame = fill_card(page)
    expect(frame.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    expect(frame.get_by_label("Expiration date")).to_have_value("12 / 34")
    save_screenshot(page, "light")
    intent = pay_with_token(client, read_token(page), expand=["payment_method"])
    method: Any = intent.payment_method
    assert (intent.status, method.card.last4) == ("succeeded", "4242")
    assert method.billing_details.name == "Ada Payer"
    assert "complete" in page.evaluate("window.heard")
    sent = [entry for entry in sandbox.journal("stripe") if entry["path"] == "/v1/confirmation_tokens"]
    assert sent[0]["browser"] is True


def test_wrong_fields_are_explained_in_words(page: Page, shop: str) -> None:
    page.goto(f"{shop}/?theme=night")
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_label("Card number").fill("4242 4242 4242 4241")
    frame.get_by_label("Expiration date").fill("01/20")
    press_pay(page)
    expect(page.locator("#result")).to_contain_text("invalid_number")
    expect(frame.get_by_text("Your card number is invalid.")).to_be_visible()
    expect(frame.get_by_text("Your card's expiration year is in the past.")).to_be_visible()
    expect(frame.get_by_text("Your card's security code is incomplete.")).to_be_visible()
    expect(frame.get_by_label("Card number")).to_have_attribute("aria-invalid", "true")
    expect(frame.get_by_label("Card number")).to_be_focused()
    save_screenshot(page, "night-errors")
    frame.get_by_label("Card number").fill("378282246310005")
    expect(frame.get_by_label("Card number")).to_have_value("3782 822463 10005")
    expect(frame.get_by_label("Card number")).to_have_attribute("aria-invalid", "false")


def test_typing_moves_on_by_itself(page: Page, shop: str) -> None:
    page.goto(shop)
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_label("Card number").press_sequentially("5555555555554444")
    expect(frame.get_by_label("Expiration date")).to_be_focused()
    frame.get_by_label("Expiration date").press_sequentially("934")
    expect(frame.get_by_label("Expiration date")).to_have_value("09 / 34")
    expect(frame.get_by_label("Security code")).to_be_focused()


@pytest.mark.parametrize(
    ("button", "number", "answer"),
    [
        ("Complete", "4000002760003184", "succeeded"),
        ("Fail", "4000002760003184", "payment_intent_authentication_failure"),
        ("Complete", "4000008400001629", "card_declined"),
    ],
)
def test_the_bank_asks_in_a_frame(
    client: stripe.StripeClient, page: Page, shop: str, button: str, number: str, answer: str
) -> None:
    page.goto(shop)
    fill_card(page, number)
    intent = pay_with_token(client, read_token(page))
    assert intent.status == "requires_action"
    page.evaluate("(secret) => { window.next(secret); }", intent.client_secret)
    secure = page.frame_locator(SECURE_FRAME)
    expect(secure.get_by_role("button", name=button)).to_be_visible()
    save_screenshot(page, "challenge")
    secure.get_by_role("button", name=button).click()
    expect(page.locator("#result")).to_contain_text(answer)
    expect(page.locator(SECURE_FRAME)).to_have_count(0)


def test_the_browser_confirms_by_itself(client: stripe.StripeClient, page: Page, shop: str) -> None:
    page.goto(shop)
    fill_card(page, "4000000000003220")
    params: Any = {"amount": 1099, "currency": "usd", "allowed_payment_method_types": ["card"]}
    intent = client.v1.payment_intents.create(params)
    page.evaluate("(secret) => { window.confirm_here(secret); }", intent.client_secret)
    page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete").click()
    expect(page.locator("#result")).to_contain_text("succeeded")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_bank_account_is_typed_and_debited(client: stripe.StripeClient, page: Page, shop: str) -> None:
    page.goto(f"{shop}/?kinds=card,us_bank_account")
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_text("US bank account").click()
    frame.get_by_label("Name on the account").fill("Ada Payer")
    frame.get_by_label("Email").fill("ada@example.com")
    frame.get_by_label("Routing number").fill("110000000")
    frame.get_by_label("Account number").fill("000123456789")
    save_screenshot(page, "bank")
    assert pay_with_token(client, read_token(page)).status == "processing"


def save_with_token(client: stripe.StripeClient, token: str, *kinds: str) -> stripe.SetupIntent:
    customer = client.v1.customers.create({"name": "Ada Payer"}).id
    params: Any = {"customer": customer, "confirm": True, "confirmation_token": token, "usage": "off_session"}
    params |= {"allowed_payment_method_types": list(kinds), "use_stripe_sdk": True, "return_url": RETURN_URL}
    return create_setup_intent(client, **params)


@pytest.mark.parametrize(
    ("button", "answer"), [("Complete", "succeeded"), ("Fail", "setup_intent_authentication_failure")]
)
def test_a_card_is_saved_after_the_bank_asked(
    client: stripe.StripeClient, page: Page, shop: str, button: str, answer: str
) -> None:
    page.goto(f"{shop}/?mode=setup")
    frame = fill_card(page, "4000002500003155")
    expect(frame.get_by_text("future payments")).to_be_visible()
    setup = save_with_token(client, read_token(page), "card")
    assert setup.status == "requires_action"
    page.evaluate("(secret) => { window.next(secret); }", setup.client_secret)
    page.frame_locator(SECURE_FRAME).get_by_role("button", name=button).click()
    expect(page.locator("#result")).to_contain_text(answer)
    assert (client.v1.setup_intents.retrieve(setup.id).status == "succeeded") == (button == "Complete")


def press_pay(page: Page) -> None:
    """Press Pay until it is heard: on a narrow page the fields may grow and move the button away under the pointer."""
    for _ in range(3):
        page.get_by_role("button", name="Pay", exact=True).click()
        with suppress(AssertionError):
            expect(page.locator("#result")).not_to_be_empty(timeout=2000)
            return


def test_a_direct_debit_is_agreed_to_on_a_phone(client: stripe.StripeClient, page: Page, shop: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{shop}/?mode=setup&currency=aud&kinds=card,au_becs_debit&theme=night")
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_text("BECS direct debit").click()
    expect(frame.get_by_text("You accept the Direct Debit Request")).to_be_visible()
    expect(frame.get_by_text("your bank account for later payments")).to_be_visible()
    frame.get_by_label("Name on the account").fill("Ada Payer")
    frame.get_by_label("Email").fill("ada@example")
    expect(frame.get_by_label("Email")).to_have_value("ada@example")
    press_pay(page)
    expect(page.locator("#result")).to_contain_text("incomplete_email")
    frame.get_by_label("Email").fill("ada@example.com")
    frame.get_by_label("BSB").fill("000-000")
    frame.get_by_label("Account number").fill("000123456")
    wide = frame.locator("html").evaluate("(root) => root.scrollWidth > root.clientWidth")
    save_screenshot(page, "phone-becs")
    setup = save_with_token(client, read_token(page), "card", "au_becs_debit")
    assert (wide, setup.status) == (False, "succeeded")
    assert client.v1.mandates.retrieve(str(setup.mandate)).customer_acceptance.online


def test_a_new_amount_keeps_what_was_typed_and_new_kinds_bring_tabs(page: Page, shop: str) -> None:
    page.goto(shop)
    frame = fill_card(page)
    page.evaluate("window.change({ amount: 5000 })")
    expect(frame.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    expect(frame.get_by_text("US bank account")).to_have_count(0)
    page.evaluate("window.change({ paymentMethodTypes: ['card', 'us_bank_account'] })")
    frame.get_by_text("US bank account").click()
    expect(frame.get_by_text("ACH network")).to_be_visible()
    expect(frame.get_by_text("once, for this amount")).to_be_visible()
    page.evaluate("window.change({ setupFutureUsage: 'off_session' })")
    expect(frame.get_by_text("now and for later payments")).to_be_visible()
    page.evaluate("window.change({ paymentMethodTypes: ['card'] })")
    expect(frame.get_by_label("Card number")).to_be_visible()


def test_what_the_shop_asks_itself_is_not_asked_twice(client: stripe.StripeClient, page: Page, shop: str) -> None:
    for never in ("silent", "told"):
        page.goto(f"{shop}/?kinds=us_bank_account&never={never}")
        frame = page.frame_locator(CARD_FRAME)
        frame.get_by_label("Routing number").fill("110000000")
        frame.get_by_label("Account number").fill("000123456789")
        expect(frame.get_by_label("Name on the account")).to_have_count(0)
        if never == "silent":
            page.get_by_role("button", name="Pay", exact=True).click()
            expect(page.locator("#result")).to_contain_text("billing_details.name")
    assert pay_with_token(client, read_token(page)).status == "processing"


@pytest.mark.parametrize(
    ("kind", "currency", "fields"),
    [
        (
            "nz_bank_account",
            "nzd",
            {"Bank code": "11", "Branch code": "0000", "Account number": "0000000", "Suffix": "010"},
        ),
        ("bacs_debit", "gbp", {"Sort code": "108800", "Account number": "00012345"}),
        ("sepa_debit", "eur", {"IBAN": "AT321904300235473204"}),
    ],
)
def test_the_other_debits_have_simple_forms(
    client: stripe.StripeClient, page: Page, shop: str, kind: str, currency: str, fields: dict[str, str]
) -> None:
    page.goto(f"{shop}/?kinds={kind}&currency={currency}")
    frame = page.frame_locator(CARD_FRAME)
    for label, value in {"Name on the account": "Ada Payer", "Email": "ada@example.com", **fields}.items():
        frame.get_by_label(label, exact=True).fill(value)
    intent = pay_with_token(client, read_token(page), currency=currency, allowed_payment_method_types=[kind])
    assert intent.status == "processing"
