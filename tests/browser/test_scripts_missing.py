"""Pay Now where scripts do not come: Stripe's blocked or slow, ours missing, no JavaScript at all."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.demo import ASKING_CARD, SECURE_FRAME, Demo, Payer
from tests.browser.test_people import finish_account, register
from tests.lighthouse import SIGN_IN_SCRIPT

pytestmark = pytest.mark.browser
STRIPE_JS, OUR_JS = re.compile(r"stripe.*/v3|stripe\.js"), re.compile(r"/static/js/.*\.js")
DID_NOT_LOAD = "Stripe's secure form, where the details are typed, did not load."
MISSING: dict[str, tuple[re.Pattern[str], Callable[[Route], None]]] = {
    "blocked": (STRIPE_JS, lambda route: route.abort("blockedbyclient")),
    "slow": (STRIPE_JS, lambda _: None),
    "without our scripts": (OUR_JS, lambda route: route.abort("blockedbyclient")),
}


@pytest.mark.parametrize("how", MISSING)
def test_a_guest_whose_scripts_do_not_come_is_told_and_nothing_is_charged(demo: Demo, payer: Payer, how: str) -> None:
    quote, page = demo.create_quote(), payer.page
    payer.accept(quote)
    pattern, answer = MISSING[how]
    page.context.route(pattern, answer)
    page.get_by_role("link", name="Continue as guest").click()
    page.get_by_label("Full name").fill("Ada Payer")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(
        page.get_by_role("alert").filter(has_text=re.compile("has not loaded yet|no card or bank details"))
    ).to_be_visible()
    expect(page.get_by_label("Full name")).to_have_value("Ada Payer")
    expect(page.get_by_text(DID_NOT_LOAD)).to_be_visible()
    expect(page.get_by_role("link", name="Load this page again")).to_be_visible()
    assert demo.intents(quote) == []


@pytest.mark.parametrize("how", ["blocked", "without our scripts"])
def test_a_saved_method_pays_without_the_scripts_after_a_confirmation(demo: Demo, payer: Payer, how: str) -> None:
    page, first = payer.page, demo.create_quote("mixed")
    email = f"scripts-{first['number']}@harbourdental.example"
    payer.accept(first)
    register(payer, email)
    payer.type_card()
    payer.accept_terms()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    payer.expect_paid()
    finish_account(demo, page, email)
    quote = demo.create_quote()
    reference = payer.accept(quote)
    page.context.route(*MISSING[how])
    page.goto(f"{demo.web}/pay/{reference}/checkout")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("heading", name=re.compile(r"^Pay .*\?$"))).to_be_visible()
    assert demo.intents(quote) == []
    page.get_by_role("button", name=re.compile("^Pay")).last.click()
    page.wait_for_url(re.compile(r"/orderporter/quote|/pay/[a-z0-9]+$"))
    expect(page.get_by_text(re.compile("Paid")).first).to_be_visible()
    assert [i["status"] for i in demo.intents(quote)] == ["succeeded"]


# What only a script could make of use, and what turns for ever without one.
DEAD = "button[type=button]:not([popovertarget]):visible, .spinner:visible, [data-continue]:visible"
PAGES = ("", "/guest", "/register")
PORTAL_PAGES = (
    *("", "outstanding", "past", "scheduled", "transactions", "invoices/batch"),
    *("details", "notifications", "data", "cards", "bank-accounts", "methods/new?kind=card", "autopay"),
)


def test_every_page_without_javascript_offers_nothing_that_needs_it(
    demo: Demo, payer: Payer, chromium: Browser
) -> None:
    reference = payer.accept(demo.create_quote())
    waiting = payer.pay_quote(demo.create_quote(), ASKING_CARD)
    expect(payer.page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    signed = re.search(r"cookie ([^=]+)=(\S+)", demo.manage("shell", "--no-imports", "-c", SIGN_IN_SCRIPT))
    assert signed
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in (*(f"pay/{reference}{tail}" for tail in PAGES), f"pay/{waiting}"):
        look_without_scripts(page, f"{demo.web}/{path}")
    expect(page.locator("noscript p")).to_be_visible()
    assert "Your bank's page needs JavaScript." in page.locator("noscript p").inner_text()
    expect(page.get_by_role("button", name="Use another method")).to_be_visible()
    context.add_cookies([{"name": signed[1], "value": signed[2], "url": demo.web}])
    for path in (*(f"my/{name}" for name in PORTAL_PAGES), f"pay/{reference}/checkout"):
        look_without_scripts(page, f"{demo.web}/{path}")
    context.close()


def look_without_scripts(page: Page, address: str) -> None:
    """The page says what it is, and all that can be pressed works."""
    answer = page.goto(address)
    assert answer
    assert answer.status == 200, address
    assert page.get_by_role("heading", level=1).count() == 1, address
    assert page.locator(DEAD).all_inner_texts() == [], address


def test_the_pages_work_without_javascript(demo: Demo, payer: Payer, chromium: Browser) -> None:
    reference = payer.accept(demo.create_quote())
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo.web}/pay/{reference}")
    page.get_by_role("link", name="Continue as guest").click()
    expect(page.get_by_text(DID_NOT_LOAD)).to_be_visible()
    page.get_by_label("Full name").fill("Ada Payer")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("alert").filter(has_text="no card or bank details")).to_be_visible()
    context.close()


def test_a_page_of_before_a_sign_in_in_another_tab_says_so(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_quote(), payer.page
    payer.accept(quote)
    payer.go_guest()
    page.context.clear_cookies(name="csrftoken")
    page.context.add_cookies([{"name": "csrftoken", "value": "x" * 32, "url": demo.web}])
    payer.pay()
    alert = page.get_by_role("alert").filter(has_text="Somebody signed in or out in this browser")
    expect(alert).to_be_visible()
    alert.get_by_role("link", name="Open the page again").click()
    payer.page.get_by_label("Full name").fill("Ada Payer")
    payer.pay()
    payer.expect_paid()


def test_a_bank_that_refuses_on_a_resumed_page_leads_to_another_way(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_quote(), payer.page
    payer.pay_quote(quote, ASKING_CARD)
    expect(page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Continue with your bank").click()
    payer.answer_bank("Fail")
    expect(page.get_by_text("Your bank could not confirm that it was you")).to_be_visible()
    payer.go_guest()
    payer.pay()
    payer.expect_paid()


def test_what_was_confirmed_in_another_window_is_seen_here(demo: Demo, payer: Payer) -> None:
    page = payer.page
    reference = payer.pay_quote(demo.create_quote(), ASKING_CARD)
    expect(page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    other = Payer(demo, page.context.new_page())
    other.page.context.route(STRIPE_JS, lambda route: route.abort("blockedbyclient"))
    other.page.goto(f"{demo.web}/pay/{reference}")
    expect(other.page.get_by_role("heading", name="Your bank wants to confirm")).to_be_visible()
    payer.answer_bank("Complete")
    payer.expect_paid()
    expect(other.page.get_by_text(re.compile("Paid")).first).to_be_visible(timeout=40_000)


def test_a_waiting_page_without_a_connection_says_so(demo: Demo, payer: Payer) -> None:
    page = payer.page
    payer.accept(demo.create_quote())
    payer.go_guest()
    lost = {"service": "stripe", "kind": "drop_after", "method": "POST", "path": "*payment_intents", "times": 1}
    demo.post_control("/_control/faults", lost)
    payer.pay()
    expect(page.get_by_role("heading", name="We are confirming your payment")).to_be_visible()
    page.context.route(re.compile("/check$"), lambda route: route.abort("blockedbyclient"))
    expect(page.get_by_role("alert").filter(has_text="There is no connection to our server")).to_be_visible()
    page.context.unroute(re.compile("/check$"))
    demo.clear_faults()
    expect(page.get_by_text(re.compile("Paid")).first).to_be_visible(timeout=40_000)


def test_waiting_goes_on_without_stripes_script(demo: Demo, payer: Payer) -> None:
    page = payer.page
    reference = payer.accept(demo.create_quote())
    payer.go_guest()
    lost = {"service": "stripe", "kind": "drop_after", "method": "POST", "path": "*payment_intents", "times": 1}
    demo.post_control("/_control/faults", lost)
    payer.pay()
    expect(page.get_by_role("heading", name="We are confirming your payment")).to_be_visible()
    page.context.route(STRIPE_JS, lambda route: route.abort("blockedbyclient"))
    page.goto(f"{demo.web}/pay/{reference}")
    demo.clear_faults()
    expect(page.get_by_text(re.compile("Paid")).first).to_be_visible(timeout=30_000)
