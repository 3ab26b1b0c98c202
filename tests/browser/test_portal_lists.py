"""The portal on a phone and on paper: nothing moves, what is owed comes first, and what matters is in sight."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import Demo, Payer
from tests.lighthouse import SIGN_IN_SCRIPT

pytestmark = pytest.mark.browser
MANY_SCRIPT = """
from datetime import timedelta
from django.utils import timezone
from payments.models import Payment
from payers.models import PayerCompany
company, now = PayerCompany.objects.first(), timezone.now()
for number in range(30):
    Payment.objects.create(merchant=company.merchant, company=company, currency="AUD", amount=62500 + number,
        purpose=f"Work no {number}", details={"reference": f"W{number}", "title": f"Work {number}", "rows": []},
        methods=["card"], done_path="/my/", expires_at=now + timedelta(days=20), state="open", state_at=now)
"""
INVOICES_SCRIPT = """
from datetime import timedelta
from django.utils import timezone
from accounting.models import LedgerInvoice
from connections.models import LinkedOrganisation
from payers.models import PayerAccess, PayerCompany
from wisepay.models import User
link, now = LinkedOrganisation.objects.select_related("merchant").first(), timezone.now()
company, _ = PayerCompany.objects.get_or_create(merchant=link.merchant, name="Paper Lists", folded_name="paper lists")
user = User.objects.get(email="lighthouse@harbourdental.example")
given = {"state": "active", "scope": "company", "origin": "invited", "state_at": now}
PayerAccess.objects.get_or_create(user=user, company=company, defaults=given)
for number in range(30):
    LedgerInvoice.objects.create(merchant=link.merchant, organisation_id=link.organisation_id, company=company,
        ledger_id=f"paper-{number}", number=f"PAPER-{number:02}", contact_id="paper", currency="AUD", total=1200000,
        due=795000, status="open", issued_on=now.date(), due_on=now.date() + timedelta(days=number), changed_at=now)
print(company.reference)
"""
FORGET_SCRIPT = """
from accounting.models import LedgerInvoice
LedgerInvoice.objects.filter(contact_id="paper").delete()
"""
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifted += one.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def portal(demo: Demo, opened: Callable[..., Page]) -> Page:
    """A phone on which a payer of many outstanding quotes is signed in."""
    page = opened()
    page.set_viewport_size({"width": 390, "height": 844})
    Payer(demo, page).accept(demo.create_quote())  # its company is there from then on
    signed = re.search(
        r"cookie ([^=]+)=(\S+)", demo.manage("shell", "--no-imports", "-c", MANY_SCRIPT + SIGN_IN_SCRIPT)
    )
    assert signed
    page.context.add_cookies([{"name": signed[1], "value": signed[2], "url": demo.web}])
    page.add_init_script(SHIFTS)
    return page


@pytest.fixture
def invoices(demo: Demo, portal: Page) -> Iterator[str]:
    """Thirty invoices, each paid in part; answers the company's reference."""
    yield demo.manage("shell", "--no-imports", "-c", INVOICES_SCRIPT).strip()
    demo.manage("shell", "--no-imports", "-c", FORGET_SCRIPT)


def test_nothing_moves_on_home_and_paging_changes_the_address(demo: Demo, portal: Page) -> None:
    portal.goto(f"{demo.web}/my/")
    expect(portal.locator("#past-title")).to_be_visible()
    expect(portal.locator(".lazy")).to_have_count(0)
    assert portal.evaluate("window.shifted") < 0.05
    portal.locator("#outstanding-refresh").click()
    expect(portal.locator("#outstanding-refresh")).to_be_focused()
    portal.locator("#outstanding").get_by_role("link", name="Next").click()
    expect(portal.locator("#outstanding").get_by_text("Page 2")).to_be_visible()
    expect(portal.locator("#outstanding-title")).to_be_focused()
    assert "page=2" in portal.url
    portal.go_back()
    expect(portal.get_by_role("heading", name="Your payments")).to_be_visible()
    assert portal.url == f"{demo.web}/my/"


def test_what_is_owed_stands_before_what_it_is_a_part_of(demo: Demo, portal: Page, invoices: str) -> None:
    portal.goto(f"{demo.web}/my/outstanding")
    row = portal.get_by_role("row").filter(has=portal.get_by_role("rowheader", name="PAPER-00"))
    owed, whole = row.get_by_text("A$7,950.00"), row.get_by_text("of A$12,000.00")
    first, second = owed.bounding_box(), whole.bounding_box()
    assert first
    assert second
    assert first["y"] < second["y"]


def test_a_long_batch_keeps_its_sum_and_its_button_in_sight(demo: Demo, portal: Page, invoices: str) -> None:
    """web.dev/articles/cls: up to 0.1 is good; what only a script can use comes when the script has loaded."""
    portal.goto(f"{demo.web}/my/invoices/batch?company={invoices}&currency=AUD")
    portal.get_by_role("button", name="Select All", exact=True).click()
    for found in (portal.locator("[data-sum]"), portal.get_by_role("button", name="Continue", exact=True)):
        expect(found).to_be_in_viewport()
    expect(portal.locator("[data-sum]")).to_have_text("A$238,500.00")
    assert portal.evaluate("window.shifted") < 0.1


SHEETS = [(size, margin) for size in ("A4", "Letter") for margin in ("0", "10mm", "25mm")]


def test_a_receipt_is_printed_on_one_page(demo: Demo, payer: Payer, portal: Page) -> None:
    """docmost/docmost#1478, chromium/permission.site#50: a height of the window is a blank page on paper."""
    reference = payer.pay_quote(demo.create_quote())
    payer.expect_paid()
    for page, path in ((payer.page, f"pay/{reference}/receipt"), (portal, f"my/payments/{reference}/receipt")):
        page.goto(f"{demo.web}/{path}")
        expect(page.get_by_text("Total paid")).to_be_visible()
        for size, margin in SHEETS:
            printed = page.pdf(format=size, margin=dict.fromkeys(("top", "right", "bottom", "left"), margin))  # type: ignore[arg-type]
            assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, (path, size, margin)


def test_the_rules_of_a_password_stand_in_the_card_and_belong_to_the_field(demo: Demo, console: Page) -> None:
    console.goto(f"{demo.web}/accounts/password/change/")
    for width in (1280, 390):
        console.set_viewport_size({"width": width, "height": 844})
        edge = console.evaluate(
            """() => {
              const item = document.querySelector(".help li"), list = item.parentElement;
              const inner = parseFloat(getComputedStyle(list).paddingInlineStart);
              const card = document.querySelector(".card").getBoundingClientRect();
              return [item.getBoundingClientRect().left - card.left, inner];
            }"""
        )
        assert min(edge) > 10, edge
    field = console.get_by_label("New Password", exact=True)
    expect(field).to_have_accessible_description(re.compile("least|common|numeric", re.IGNORECASE))


def test_after_an_error_of_the_server_the_focus_stands_at_it(demo: Demo, page: Page) -> None:
    page.goto(f"{demo.web}/accounts/login/")
    page.get_by_label("Email").fill("nobody@nowhere.example")
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".errorlist")).to_be_focused()
