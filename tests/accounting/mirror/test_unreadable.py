"""One record that cannot be read or kept holds up itself only; people read which, why, and what to do.

Reports: xero-php-oauth2#274, #324, #26, #188; xero-ruby#311; node-quickbooks#128.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from accounting.mirror.reader import schedule_full_sync
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice, LedgerPayment, UnreadableRecord
from accounting.reconciliation.ledger_payments import schedule_ledger_payments_sync
from tests.accounting.mirror.ledger_actions import make_credit, make_invoice, poll_everything
from tests.tenants import Tenant, deliver_outbox
from wisepay.models import OutboxMessage

LONG_TEXT = "x" * 10_000


@pytest.fixture
def tenant(any_tenant: Tenant) -> Tenant:
    """A merchant with two invoices, two credit notes and their contact in the books, none of them mirrored."""
    deliver_outbox()
    for number in ("INV-1", "INV-2"):
        make_invoice(any_tenant, number)
    for number in ("CN-1", "CN-2"):
        make_credit(any_tenant, number, "20")
    return any_tenant


@dataclass(frozen=True)
class Spoiled:
    """One value of one record of a list, in each package."""

    kind: str
    xero: str
    quickbooks: str
    value: Any = None
    drop: bool = False

    def get_place(self, provider: str) -> tuple[str, str]:
        """The path of the call, and the field of its answer."""
        if provider == "xero":
            plural = {"contacts": "Contacts", "invoices": "Invoices", "credits": "CreditNotes"}[self.kind]
            return f"/{plural}", f"{plural}.0.{self.xero}"
        entity = {"contacts": "Customer", "invoices": "Invoice", "credits": "CreditMemo"}[self.kind]
        return "*/batch", f"BatchItemResponse.*.QueryResponse.{entity}.0.{self.quickbooks}"


SPOILED = {
    "an unknown status": Spoiled("invoices", "Status", "CurrencyRef.value", "UNHEARD"),
    "an amount due below zero": Spoiled("invoices", "AmountDue", "Balance", -5),
    "an amount that is no number": Spoiled("invoices", "Total", "TotalAmt", "many"),
    "an amount beyond everything": Spoiled("invoices", "Total", "TotalAmt", 10**30),
    "no contact": Spoiled("invoices", "Contact", "CustomerRef", drop=True),
    "a date of nowhere": Spoiled("invoices", "Date", "TxnDate", "yesterday"),
    "a time of the far future": Spoiled(
        "invoices", "UpdatedDateUTC", "MetaData.LastUpdatedTime", "9999-01-01T00:00:00Z"
    ),
    "an id of 10,000 letters": Spoiled("invoices", "InvoiceID", "Id", LONG_TEXT),
    "an id that is a list": Spoiled("invoices", "InvoiceID", "Id", [1]),
    "a currency of four letters": Spoiled("invoices", "CurrencyCode", "CurrencyRef.value", "AUDX"),
    "a null for a currency": Spoiled("credits", "CurrencyCode", "CurrencyRef", None),
    "remaining credit that is an object": Spoiled("credits", "RemainingCredit", "RemainingCredit", {"x": 1}),
    "a contact without a time": Spoiled("contacts", "UpdatedDateUTC", "MetaData", drop=True),
    "a contact without an id": Spoiled("contacts", "ContactID", "Id", drop=True),
}
HARMLESS = {
    "an address of an unknown type": Spoiled("contacts", "Addresses", "BillAddr", [{"AddressType": "UNHEARD"}]),
    "an e-mail address that is a list": Spoiled("contacts", "EmailAddress", "PrimaryEmailAddr", [1, 2]),
    "a name of 10,000 letters": Spoiled("contacts", "Name", "DisplayName", LONG_TEXT),
    "a name that is a number": Spoiled("contacts", "Name", "DisplayName", 7),
    "half a letter": Spoiled("contacts", "Name", "DisplayName", "\ud800 and \0 nothing"),
    "a reference that is an object": Spoiled("invoices", "Reference", "CustomerMemo", {"value": [1]}),
    "a reference of 10,000 letters": Spoiled("invoices", "Reference", "PrivateNote", LONG_TEXT),
    "an unknown kind of lines": Spoiled("invoices", "LineAmountTypes", "GlobalTaxCalculation", "UNHEARD"),
    "a field of the future": Spoiled("invoices", "Moon", "Moon", {"phase": None}),
    "null for a list": Spoiled("invoices", "Payments", "LinkedTxn", None),
}
MODELS: dict[str, Any] = {"contacts": LedgerContact, "invoices": LedgerInvoice, "credits": LedgerCredit}


def read_spoiled(tenant: Tenant, spoiled: Spoiled) -> None:
    """Read everything while that value is sent instead of the right one."""
    path, field = spoiled.get_place(tenant.connection.provider)
    order = {"path": path, "field": field, "value": spoiled.value, "drop": spoiled.drop, "times": None}
    with tenant.world.inject_fault(tenant.connection.provider, "mutate", **order):
        poll_everything()


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=list(SPOILED))
def test_one_record_that_cannot_be_read_holds_up_itself_only(tenant: Tenant, spoiled: Spoiled) -> None:
    read_spoiled(tenant, spoiled)
    assert list(OutboxMessage.objects.filter(state="dead").values_list("last_error", flat=True)) == []
    [record] = UnreadableRecord.objects.all()
    assert (record.kind, bool(record.reason)) == (spoiled.kind, True)
    expected = {"contacts": 1, "invoices": 2, "credits": 2}
    expected[spoiled.kind] -= 1
    assert {kind: model.objects.count() for kind, model in MODELS.items()} == expected
    page = tenant.admin.get(tenant.url("books/mirror")).content.decode()
    assert "1 in " in page
    assert record.reason.split("“")[0].strip()[:20] in page.replace("&#x27;", "'")
    assert "correct or delete what is wrong there" in page
    schedule_full_sync(tenant.merchant, tenant.connection.organisation_id, now=timezone.now())
    poll_everything()
    assert not UnreadableRecord.objects.exists()
    assert {kind: model.objects.count() for kind, model in MODELS.items()} == {
        "contacts": 1,
        "invoices": 2,
        "credits": 2,
    }


@pytest.mark.parametrize("spoiled", HARMLESS.values(), ids=list(HARMLESS))
def test_what_nothing_depends_on_may_be_anything(tenant: Tenant, spoiled: Spoiled) -> None:
    read_spoiled(tenant, spoiled)
    assert {kind: model.objects.count() for kind, model in MODELS.items()} == {
        "contacts": 1,
        "invoices": 2,
        "credits": 2,
    }
    assert not UnreadableRecord.objects.exists()


def test_a_stranger_sees_nothing_of_it(tenant: Tenant, stranger: Tenant) -> None:
    read_spoiled(tenant, SPOILED["an amount due below zero"])
    assert UnreadableRecord.objects.filter(merchant=tenant.merchant).exists()
    assert "can't be read" not in stranger.admin.get(stranger.url("books/mirror")).content.decode()
    assert stranger.admin.get(tenant.url("books/mirror")).status_code == 404


def test_a_payment_that_cannot_be_read_does_not_stop_the_reconciliation(tenant: Tenant) -> None:
    checkouts = [tenant.open_checkout() for _ in range(2)]
    for checkout in checkouts:
        checkout.pay()
    deliver_outbox()
    is_xero = tenant.connection.provider == "xero"
    path, field = (
        ("/Payments", "Payments.0.Date") if is_xero else ("*", "BatchItemResponse.*.QueryResponse.Payment.0.TxnDate")
    )
    with tenant.world.inject_fault(
        tenant.connection.provider, "mutate", path=path, field=field, value="soon", times=None
    ):
        schedule_ledger_payments_sync(tenant.merchant, now=timezone.now())
        deliver_outbox()
    assert (LedgerPayment.objects.count(), UnreadableRecord.objects.get().kind) == (1, "payments")
    page = tenant.admin.get(tenant.url("reconciliation/")).content.decode()
    assert "Payment PF-" in page


ACCOUNT_PLACES = {
    "xero": ("/Accounts", "Accounts.0"),
    "quickbooks": ("*/batch", "BatchItemResponse.0.QueryResponse.Account.0"),
}


@pytest.mark.parametrize("value", [None, LONG_TEXT, {"x": 1}, [], True])
def test_an_account_that_cannot_be_read_leaves_the_others_to_choose_from(tenant: Tenant, value: Any) -> None:
    """An account's code; on the Accounts page a line says so (xero-php-oauth2#188; bank accounts without a code)."""
    provider = tenant.connection.provider
    path, account = ACCOUNT_PLACES[provider]
    code = "Code" if provider == "xero" else "Id"
    before = tenant.merchant.ledger_accounts.count()
    with tenant.world.inject_fault(provider, "mutate", path=path, field=f"{account}.{code}", value=value, times=None):
        tenant.admin.post(tenant.url("configure/merchants/accounts/lists"))
        deliver_outbox()
    assert tenant.merchant.ledger_accounts.count() == before - 1
    assert UnreadableRecord.objects.get().kind == "accounts"
    assert "can't be read" in tenant.admin.get(tenant.url("configure/merchants/accounts")).content.decode().replace(
        "&#x27;", "'"
    )
