"""Accounting packages in a browser: what a bookkeeper sees and does, one page object for each package."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tests.browser.demo import SOON, Demo, wait_until

ALLOWED_BY = "books@northwind-it.example"
STEM = 12


def get_pf_number(reference: str) -> str:
    """The number of a payment's PF invoice."""
    return f"PF-{reference[:STEM].upper()}"


def get_pf_cr_number(reference: str) -> str:
    """The number of a payment's first PF_CR credit note."""
    return f"PF_CR-{reference[:STEM].upper()}"


@dataclass(frozen=True)
class LedgerDocument:
    """An invoice or a credit note: draft, open, paid (or used up), removed or voided."""

    status: str
    total: Decimal
    remaining: Decimal


@dataclass(frozen=True)
class SandboxCompany:
    """A company of the sandbox; its accounts and item as the settings list them, its 0 % tax code with its label."""

    slug: str
    name: str
    clearing: str
    prepayments: str
    tax: tuple[str, str]
    item: str = ""


class LedgerPages:
    """The pages of one accounting package. `service` is its name when faults are injected."""

    label: ClassVar[str]
    service: ClassVar[str]
    root: ClassVar[str]
    companies_at: ClassVar[str]
    consent_at: ClassVar[str]
    allow_button: ClassVar[str]
    statuses: ClassVar[dict[str, str]]
    removed_kinds: ClassVar[frozenset[str]] = frozenset()
    when_disconnected: ClassVar[str]
    is_asked_often: ClassVar[bool]
    patience: ClassVar[float]  # seconds until everything that waits must be booked
    term: ClassVar[str]  # what the package lets an invoice say about its payment: a branding theme, a payment term
    second_note: ClassVar[str]  # what stands behind the number of a credit whose first bank debit came back
    au: ClassVar[SandboxCompany]
    nz: ClassVar[SandboxCompany]

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    # ---- reading ------------------------------------------------------------------------------

    def document(self, page: Page, number: str) -> LedgerDocument | None:
        """A document of the Australian company as its page shows it now; None when it is not there."""
        page.goto(f"{self.demo.sandbox}{self.companies_at}/{self.au.slug}")
        rows = page.locator(f"#invoices [data-number='{number}'], #credit-notes [data-number='{number}']")
        rows = rows.or_(page.locator(f"#credit-memos [data-number='{number}']"))
        assert rows.count() <= 1, f"{number} is booked {rows.count()} times"
        if rows.count() == 0:
            return None
        values = {name: rows.get_attribute(f"data-{name}") or "" for name in ("status", "total", "remaining")}
        return LedgerDocument(self.statuses[values["status"]], Decimal(values["total"]), Decimal(values["remaining"]))

    def shows(self, page: Page, number: str, status: str) -> bool:
        """Whether the document has this status now. Where a package deletes instead of voiding, it is gone."""
        found = self.document(page, number)
        return status in self.removed_kinds if found is None else found.status == status

    def wait(self, page: Page, number: str, status: str) -> LedgerDocument:
        """The document, once it has this status."""
        wait_until(partial(self.shows, page, number, status), within=self.patience)
        found = self.document(page, number)
        assert found is not None
        return found

    def wait_gone(self, page: Page, number: str, status: str) -> None:
        """Until the document is removed or voided."""
        wait_until(partial(self.shows, page, number, status), within=self.patience)

    def expect_debit(self, page: Page, reference: str) -> str:
        """Check the ledger while a bank debit is in flight; answers the text that the merchant reads then."""
        raise AssertionError("each package has its own")

    # ---- connecting ---------------------------------------------------------------------------

    def connect(self, page: Page, company: SandboxCompany, *, tier: str = "") -> None:
        """From the connections page through the consent page: sign in there, choose the company, allow access."""
        page.get_by_role("button", name=f"Connect to {self.label}{f' for {tier}' if tier else ''}", exact=True).click()
        page.wait_for_url(f"{self.demo.sandbox}{self.consent_at}**")
        page.get_by_label("E-mail address").fill(ALLOWED_BY)
        page.get_by_label(company.name).check()
        page.get_by_role("button", name=self.allow_button, exact=True).click()
        expect(page.get_by_text(f"Connected to {company.name}.")).to_be_visible()

    def choose_accounts(self, page: Page, company: SandboxCompany) -> None:
        """Choose accounts, tax code and item from the lists of the company that is connected now."""
        address = f"{self.demo.web}/m/{self.demo.merchant['reference']}/configure/merchants/accounts"
        code, name = company.tax

        def lists_are_read() -> bool:
            page.goto(address)
            return page.locator(f"#id_tax_code option[value='{code}']", has_text=name).count() > 0

        wait_until(lists_are_read)
        page.get_by_label("Account for Clearing Payments").select_option(company.clearing)
        page.get_by_label("Account for Prepayments").select_option(company.prepayments)
        page.get_by_label("Overpayment Tax Code").select_option(code)
        expect(page.get_by_label("Item for Prepayments")).to_have_count(1 if company.item else 0)
        if company.item:
            page.get_by_label("Item for Prepayments").select_option(company.item)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Accounts saved.")).to_be_visible()

    # ---- what others do there -----------------------------------------------------------------

    def write_invoice(self, contact: str, number: str, amount: Decimal, *, about: str = "", **more: Any) -> None:
        """A bookkeeper writes and approves an invoice, due in two weeks; `term` and `currency` if they matter."""
        raise AssertionError("each package has its own")

    def get_day(self) -> str:
        """The day on which a bookkeeper of the merchant writes something: that of their own zone."""
        now = datetime.fromisoformat(self.demo.post_control("/_control/clock", {"advance": 0})["now"])
        return now.astimezone(ZoneInfo("Australia/Sydney")).date().isoformat()

    def disconnect(self) -> None:
        """Somebody takes our app off every company."""
        self.demo.post_control(f"{self.root}/_control", {"disconnect": "*"})

    def revoke(self, person: str) -> None:
        """Everything that this person allowed is taken back."""
        self.demo.post_control(f"{self.root}/_control", {"revoke": person})

    def fail(self) -> None:
        """The package answers 503 until faults are cleared."""
        self.demo.post_control(
            "/_control/faults", {"service": self.service, "kind": "status", "status": 503, "times": None}
        )

    def block_undo(self, reference: str) -> str:
        """A bookkeeper does what keeps a paid quote from being undone; answers a part of the task's title."""
        raise AssertionError("each package has its own")


class XeroPages(LedgerPages):
    """Practice Xero: debits are drafts, and everything stays to be seen."""

    label, service, root = "Xero", "xero", "/xero"
    companies_at, consent_at, allow_button = "/xero/organisations", "/xero/identity/", "Allow access"
    statuses = {"DRAFT": "draft", "AUTHORISED": "open", "PAID": "paid", "DELETED": "removed", "VOIDED": "voided"}
    when_disconnected = "was disconnected from Wise-Pay inside Xero"
    term = "Wise-Pay"
    is_asked_often, second_note, patience = True, "-2", SOON
    au = SandboxCompany("au", "Harbour IT Practice (AU)", "615", "815", ("BASEXCLUDED", "BAS Excluded"))
    nz = SandboxCompany("nz", "Kauri Networks Practice (NZ)", "615", "815", ("NONE", "No GST"))

    def expect_debit(self, page: Page, reference: str) -> str:
        self.wait(page, get_pf_cr_number(reference), "draft")
        assert self.document(page, get_pf_number(reference)) is None
        return get_pf_cr_number(reference)

    def write_invoice(self, contact: str, number: str, amount: Decimal, *, about: str = "", **more: Any) -> None:
        values = {
            "contact": contact,
            "number": number,
            "amount": str(amount),
            "reference": about,
            "date": self.get_day(),
        }
        words = {"branding_theme": more.get("term"), "currency": more.get("currency")}
        order = {"organisation": self.au.slug, **values, **words}
        self.demo.post_control("/xero/_control", {"make_invoice": order})

    def block_undo(self, reference: str) -> str:
        order = {"organisation": self.au.slug, "invoice": get_pf_number(reference)}
        self.demo.post_control("/xero/_control", {"reconcile": order})
        return f"off PF invoice {get_pf_number(reference)}"


class QuickBooksPages(LedgerPages):
    """Practice QuickBooks: nothing of a debit until it settles, and what is removed is gone."""

    label, service, root = "QuickBooks", "quickbooks", "/intuit"
    companies_at, consent_at, allow_button = "/intuit/companies", "/intuit/connect/oauth2", "Connect"
    statuses = {"Open": "open", "Partly open": "open", "Closed": "paid", "Voided": "voided"}
    removed_kinds = frozenset({"removed", "voided"})
    when_disconnected = "took Wise-Pay's access to QuickBooks back"
    term = "Net 30"
    is_asked_often, second_note = False, ""  # asking costs a call there
    patience = 90.0  # of forty batches a minute a row of quick tests uses more, and then the next minute is waited for
    au = SandboxCompany("au", "Harbour IT Practice (AU)", "10", "13", ("3", "Out of Scope"), "3")
    nz = SandboxCompany("nz", "Kauri Networks Practice (NZ)", "10", "13", ("3", "No VAT"), "3")

    def expect_debit(self, page: Page, reference: str) -> str:
        assert self.document(page, get_pf_number(reference)) is None
        assert self.document(page, get_pf_cr_number(reference)) is None
        return "It will be booked when the debit settles"

    def write_invoice(self, contact: str, number: str, amount: Decimal, *, about: str = "", **more: Any) -> None:
        orders = {}
        if more.get("currency"):  # a customer's own there, for ever
            orders["make_contact"] = {"company": self.au.slug, "name": contact, "currency": more["currency"]}
        values = {
            "contact": contact,
            "number": number,
            "amount": str(amount),
            "reference": about,
            "date": self.get_day(),
        }
        orders["make_invoice"] = {"company": self.au.slug, **values, "term": more.get("term")}
        self.demo.post_control("/intuit/_control", orders)

    def block_undo(self, reference: str) -> str:
        # A memo of which something was refunded is used, and QuickBooks would delete it together with its uses.
        return f"Free credit memo {get_pf_cr_number(reference)}"


LEDGER_PAGES: dict[str, type[LedgerPages]] = {"xero": XeroPages, "quickbooks": QuickBooksPages}
