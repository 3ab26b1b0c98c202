"""What QuickBooks may be fed or full of: a paid quote is posted once, or waits with a reason until that is mended."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, Posting
from payers.companies import Contact, map_company
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.posting.debits import CARD, create_processing_attempt
from tests.tenants import Checkout, Tenant, create_tenant

SendPostings = Callable[..., int]
DOCUMENTS = ("invoice", "credit_note", "payment")
THROTTLED = {
    "Fault": {"Error": [{"Message": "ThrottleExceeded", "Detail": "limit", "code": "3001"}], "type": "ValidationFault"}
}
STALE = {"Fault": {"Error": [{"Message": "Stale Object Error", "Detail": "You and Ann", "code": "5010"}]}}


@dataclass
class BadInputCase:
    """A merchant whose books are QuickBooks', and one quote of theirs."""

    tenant: Tenant
    checkout: Checkout

    def change_in_quickbooks(self, **orders: Any) -> None:
        """What a bookkeeper does, each order an act and its words."""
        named = {act: {"company": "au", **words} for act, words in orders.items()}
        self.tenant.world.post("/intuit/_control", named)

    def list_rows(self, entity: str) -> list[dict[str, Any]]:
        """Everything of one kind in the books."""
        tables = self.tenant.world.state()["sections"]["intuit"]["companies"][self.tenant.connection.organisation_id]
        return list(tables[entity].values())

    @property
    def stem(self) -> str:
        """What the numbers of all documents have."""
        return self.checkout.payment.reference[:12].upper()

    def create_customer(self, name: str) -> str:
        """A customer that the books have; its id."""
        self.change_in_quickbooks(create={"Customer": [{"DisplayName": name}]})
        return str(next(row["Id"] for row in self.list_rows("Customer") if row["DisplayName"] == name))

    def link_customer(self, name: str = "Harbour Dental Pty Ltd") -> None:
        """The payer's company is that customer."""
        company = self.checkout.payment.company
        map_company(company, contact=Contact(self.tenant.connection.organisation_id, self.create_customer(name)))

    def inject_fault(self, kind: str, **words: Any) -> None:
        """QuickBooks' next batch goes wrong."""
        self.tenant.world.fault("quickbooks", kind, path="*/batch", times=1, **words)

    def retry(self) -> None:
        """The bookkeeper presses Retry."""
        assert self.tenant.admin.post(self.tenant.url("postings/retry")).status_code in (302, 303)

    def list_rejected(self) -> list[Posting]:
        """What was refused."""
        return list(Posting.objects.filter(state="rejected"))

    def verify(self) -> None:
        """Everything is posted, once: one customer, an invoice that is paid, a memo whose credit is open."""
        assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
        [company] = [row for row in self.list_rows("Customer") if row["Id"] == self.checkout.payment.company.contact_id]
        [invoice] = [row for row in self.list_rows("Invoice") if row["DocNumber"] == f"PF-{self.stem}"]
        [memo] = [row for row in self.list_rows("CreditMemo") if row["DocNumber"] == f"PF_CR-{self.stem}"]
        [money] = [row for row in self.list_rows("Payment") if row["PaymentRefNum"] == f"PF-{self.stem}"]
        assert {row["CustomerRef"]["value"] for row in (invoice, memo, money)} == {company["Id"]}
        assert (invoice["Balance"], memo["Balance"], money["TotalAmt"]) == ("0.00", "625.00", "625.00")


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose books are QuickBooks'."""
    return create_tenant(world, provider="quickbooks")


def build_case(tenant: Tenant, name: str = "Harbour Dental Pty Ltd") -> BadInputCase:
    """A quote for a company of that name."""
    return BadInputCase(tenant, tenant.open_checkout(customer={"account_name": name}))


# ---- names ------------------------------------------------------------------------------------------

NAMES = {
    "quotes": "O'Brien & \"North\" 'Dental'",
    "a colon": "North: South",
    "a backslash": "Back\\slash\\",
    "a backslash before a quote": "Back\\' OR 1 = 1",
    "140 characters": "L" * 140,
    "emoji": "Émoji 🦷 Dental",
    "only emoji": "🦷🦷",
    "the end of a retired name": "Dental (deleted)",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_payer_of_any_name_is_posted_once(tenant: Tenant, deliver: SendPostings, name: str) -> None:
    stage = build_case(tenant, name)
    stage.checkout.pay()
    deliver()
    stage.verify()
    assert len(stage.list_rows("Customer")) == 1


def test_a_customer_of_the_same_name_is_used(tenant: Tenant, deliver: SendPostings) -> None:
    stage = build_case(tenant)
    key = stage.create_customer("HARBOUR Dental Pty Ltd")
    stage.checkout.pay()
    deliver()
    stage.verify()
    assert [row["Id"] for row in stage.list_rows("Customer")] == [key]


# ---- what is refused, mended, and retried -----------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What is wrong, what the merchant reads, what mends it, and the kinds of postings that wait meanwhile."""

    spoil: Callable[[BadInputCase], None]
    reason: str
    mend: Callable[[BadInputCase], None]
    waits: tuple[str, ...] = ("invoice", "credit_note")


def make_inactive(kind: str, name: str) -> Trouble:
    """Something of a list is retired, and restored."""
    return Trouble(
        lambda s: s.change_in_quickbooks(retire={kind: name}),
        "made inactive",
        lambda s: s.change_in_quickbooks(restore={kind: f"{name} (deleted)" if kind == "customer" else name}),
        waits=("payment",) if kind == "account" else ("invoice", "credit_note"),
    )


def lose_customer(stage: BadInputCase) -> None:
    """The customer that the payer's company is linked to is made inactive."""
    stage.link_customer()
    stage.change_in_quickbooks(retire={"customer": "Harbour Dental Pty Ltd"})


def choose_item(code: str) -> Callable[[BadInputCase], None]:
    """The merchant sells this item."""
    return lambda _: (AccountingSettings.objects.update(item=code), None)[1]


def take_number(stage: BadInputCase) -> None:
    """A person's invoice has the number of ours."""
    line = {
        "Amount": "10.00",
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "TaxCodeRef": {"value": "3"}},
    }
    theirs = {
        "CustomerRef": {"value": stage.create_customer("Somebody")},
        "DocNumber": f"PF-{stage.stem}",
        "Line": [line],
    }
    stage.change_in_quickbooks(create={"Invoice": [theirs]})


def apply_credits(stage: BadInputCase) -> None:
    """QuickBooks puts credits against invoices by itself."""
    stage.change_in_quickbooks(preferences={"AutoApplyCredit": True})


def apply_none(stage: BadInputCase) -> None:
    """It is switched off, and what it joined is taken apart."""
    stage.change_in_quickbooks(preferences={"AutoApplyCredit": False}, unapply={"credit_memo": f"PF_CR-{stage.stem}"})


TROUBLES = {
    "a vendor has the name": Trouble(
        lambda s: s.change_in_quickbooks(others={"names": ["Harbour Dental Pty Ltd"]}),
        "this name already",
        lambda s: s.change_in_quickbooks(others={"names": []}),
        waits=("contact",),
    ),
    "the customer is inactive": Trouble(
        lose_customer,
        "made inactive",
        lambda s: s.change_in_quickbooks(restore={"customer": "Harbour Dental Pty Ltd (deleted)"}),
    ),
    "the clearing account is inactive": make_inactive("account", "Wise-Pay Clearing"),
    "the prepayments account is inactive": Trouble(
        lambda s: s.change_in_quickbooks(retire={"account": "Wise-Pay Prepayments"}),
        "made inactive",
        lambda s: s.change_in_quickbooks(restore={"account": "Wise-Pay Prepayments"}),
    ),
    "the item is inactive": make_inactive("item", "Wise-Pay Prepayment"),
    "the item has no income account": Trouble(choose_item("5"), "no income account", choose_item("3")),
    "the books are closed": Trouble(
        lambda s: s.change_in_quickbooks(close_books={"date": "2026-12-31"}),
        "books are closed",
        lambda s: s.change_in_quickbooks(close_books={"date": None}),
    ),
    "the subscription has ended": Trouble(
        lambda s: s.change_in_quickbooks(preferences={"suspended": True}),
        "subscription",
        lambda s: s.change_in_quickbooks(preferences={"suspended": False}),
    ),
    "another document has our number": Trouble(
        take_number,
        "has this number already",
        lambda s: s.change_in_quickbooks(edit={"invoice": f"PF-{s.stem}", "fields": {"DocNumber": "INV-7"}}),
        waits=("invoice",),
    ),
    "credits apply themselves": Trouble(apply_credits, "Automatically apply credits", apply_none, waits=("payment",)),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=list(TROUBLES))
def test_what_the_books_refuse_waits_with_a_reason_and_is_posted_once_it_is_mended(
    tenant: Tenant, deliver: SendPostings, trouble: Trouble
) -> None:
    stage = build_case(tenant)
    deliver()
    trouble.spoil(stage)
    stage.checkout.pay()
    deliver()
    waiting = stage.list_rejected()
    assert tuple(sorted(p.kind for p in waiting)) == tuple(sorted(trouble.waits))
    assert [p.error for p in waiting if trouble.reason not in p.error] == []
    page = tenant.admin.get(tenant.url("postings/")).content.decode()
    assert trouble.reason in page
    calls = len(tenant.world.journal("quickbooks"))
    deliver(at=timezone.now() + timedelta(minutes=5))
    assert len(tenant.world.journal("quickbooks")) == calls, "what was refused is asked again without anybody's doing"
    trouble.mend(stage)
    stage.retry()
    deliver()
    stage.verify()


# ---- failure, after which it goes on by itself ------------------------------------------------------

WEATHER: dict[str, dict[str, Any]] = {
    "the answer was dropped": {"kind": "drop_after"},
    "the call was dropped": {"kind": "drop_before"},
    "HTML with status 200": {"kind": "html", "status": 200},
    "HTML with status 502": {"kind": "html", "status": 502},
    "throttled, 429": {"kind": "status", "status": 429},
    "throttled, 3001 with 400": {"kind": "status", "status": 400, "body": THROTTLED},
    "throttled, 3001 with 200": {"kind": "status", "status": 200, "body": THROTTLED},
    "trouble of its own": {"kind": "status", "status": 500},
}


@pytest.mark.parametrize("batch", [0, 1, 2])
@pytest.mark.parametrize("failure", WEATHER.values(), ids=list(WEATHER))
def test_a_failure_in_any_batch_ends_with_everything_once(
    tenant: Tenant, deliver: SendPostings, failure: dict[str, Any], batch: int
) -> None:
    """The first batch makes the customer, the second the documents, the third the payment."""
    stage = build_case(tenant)
    deliver()
    stage.inject_fault(**failure, skip=batch)
    stage.checkout.pay()
    deliver()
    assert Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()
    assert stage.list_rejected() == []
    for minute in (2, 4, 6):
        deliver(at=timezone.now() + timedelta(minutes=minute))
    stage.verify()


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_person_changed_at_the_same_moment_is_read_again(
    tenant: Tenant, deliver: SendPostings, times: int
) -> None:
    """A debit that comes back has its memo deleted while somebody edits it: once that is nothing, twice it waits."""
    stage = build_case(tenant)
    paid = create_processing_attempt(tenant, stage.checkout.payment, CARD)
    paid.settle()
    deliver()
    stage.verify()
    paid.reverse()
    body = {"BatchItemResponse": [{"bId": "0", **STALE}]}
    tenant.world.fault("quickbooks", "status", status=200, body=body, path="*/batch", skip=1, times=times)
    stage.change_in_quickbooks(edit={"credit_memo": f"PF_CR-{stage.stem}", "fields": {"PrivateNote": "Mine"}})
    deliver()
    if times == 2:
        [waits] = stage.list_rejected()
        assert (waits.kind, "Somebody changed this" in waits.error) == ("void", True)
        stage.retry()
        deliver()
    assert stage.list_rejected() == []
    assert [row for row in stage.list_rows("CreditMemo") if row["DocNumber"] == f"PF_CR-{stage.stem}"] == []
    assert [row["Balance"] for row in stage.list_rows("Invoice")] == ["625.00"]
