"""Automatic payments in a browser: the merchant's hands on the settings, the lists and a company's mappings."""

import re
from functools import partial

from playwright.sync_api import Locator, Page, expect

from tests.browser.demo import Demo, wait_until
from tests.browser.ledgers import LedgerPages

TERM = "Managed services"


class AutoPayPages:
    """What a merchant's admin does about automatic payments."""

    def __init__(self, demo: Demo, console: Page, ledger_pages: LedgerPages) -> None:
        self.page, self.ledger_pages = console, ledger_pages
        self.home = f"{demo.web}/m/{demo.merchant['reference']}/"
        self.settings = f"{self.home}configure/automatic-payments/"
        self.payments = f"{self.home}automatic-payments/"

    def switch_on(self, *, delay_hours: int = 0) -> None:
        """Charge invoices under `TERM` in real time, that many hours after they are seen; no second tries."""
        page = self.page
        page.goto(self.settings)
        page.get_by_label("Is Enabled").check()
        page.get_by_label("Payment Processing Delay").fill(str(delay_hours))
        page.get_by_label("Notice").fill("0")
        page.get_by_label("Maximum Retries").fill("0")
        page.get_by_label("Mapping from a quote that recurs").select_option("Propose it to me")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Automatic payments saved.")).to_be_visible()
        if not page.get_by_role("link", name=TERM).count():
            self.add_term()

    def add_term(self) -> None:
        """Create a billing term in real time that covers the ledger's term `ledger_pages.term`."""
        page = self.page
        page.get_by_role("button", name="Refresh Billing Terms").click()
        wait_until(self.is_term_available)
        page.get_by_label("Name", exact=True).fill(TERM)
        page.get_by_label("Processing Method").select_option("Real time")
        page.get_by_label(self.ledger_pages.term, exact=True).check()
        page.get_by_role("button", name="Save").click()
        if page.get_by_text("will be charged").count():
            page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("link", name=TERM)).to_be_visible()

    def is_term_available(self) -> bool:
        """Whether the ledger's term can be chosen for a new billing term."""
        self.page.goto(f"{self.settings}terms/add")
        return self.page.get_by_label(self.ledger_pages.term, exact=True).count() > 0

    def accept_proposal(self, company: str) -> None:
        """Let the mapping charge that the company's quote proposes."""
        page = self.page
        wait_until(partial(self.is_listed, "proposals", company))
        page.get_by_role("article").filter(has_text=company).get_by_role("button", name="Accept").click()
        if page.get_by_label(re.compile("^Also charge")).count():
            page.get_by_label(re.compile("^Also charge")).check()
        page.get_by_role("main").get_by_role("button", name="Accept").click()
        expect(page.get_by_text(f"{company} pays automatically from now on.")).to_be_visible()

    def open_company(self, company: str) -> None:
        """The company's Auto-Pay tab."""
        page = self.page
        page.goto(f"{self.home}payers/")
        page.get_by_role("row").filter(has_text=company).get_by_role("link").first.click()
        page.get_by_role("main").get_by_role("link", name="Auto-Pay").click()

    def propose(self, company: str, last4: str) -> None:
        """Propose to charge invoices under `TERM` to the method that ends so, which the company shares."""
        self.open_company(company)
        self.page.get_by_label("All Automatic Payment Terms").uncheck()
        self.page.get_by_label(TERM).check()
        select = self.page.get_by_label("Primary Payment Method")
        select.select_option(value=select.locator("option", has_text=last4).first.get_attribute("value"))
        self.page.get_by_role("button", name="Propose").click()
        expect(self.page.get_by_text("was asked by mail")).to_be_visible()

    def is_listed(self, path: str, text: str) -> bool:
        """Whether a page of automatic payments, asked again, shows this."""
        self.page.goto(self.payments + path)
        return self.page.get_by_role("main").get_by_text(text).count() > 0

    def row(self, number: str) -> Locator:
        """The invoice's row in the list that is open."""
        return self.page.get_by_role("row").filter(has_text=re.compile(rf"^\s*{re.escape(number)}\b"))

    def has_state(self, state: str, number: str) -> bool:
        """Whether the list of everything that was ever scheduled says this of the invoice now."""
        self.page.goto(f"{self.payments}?show=all")
        return self.row(number).locator(f"[data-state={state}]").count() > 0

    def failure(self, number: str) -> Locator:
        """The invoice's card on the page of failures."""
        self.page.goto(f"{self.payments}failures")
        return self.page.get_by_role("article").filter(has_text=number)

    def has_on_dashboard(self, panel: str, number: str) -> bool:
        """Whether a widget of the dashboard, read again, names the invoice."""
        self.page.goto(self.home)
        widget = self.page.locator(f"section#{panel}")
        expect(widget).to_be_visible()
        return widget.get_by_text(number).count() > 0
