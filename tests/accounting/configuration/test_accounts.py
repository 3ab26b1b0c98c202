"""The accounts that postings use: only those that can work, and only the connected company's.

After XeroAPI/Xero-NetStandard#364 and XeroAPI/Xero-Java#370: an account that a document cannot take, or that went away,
is refused by Xero when the first payment is booked. Which can work say Xero's account types and system accounts
(developer.xero.com, Accounting API, Types) and QuickBooks' account types (developer.intuit.com, Account).
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounting.handlers import import_lists
from accounting.ledgers.quickbooks.parsing import parse_account as parse_quickbooks_account
from accounting.ledgers.xero.parsing import parse_account as parse_xero_account
from accounting.models import AccountingSettings, BillingTerm, LedgerAccount, LedgerTerm, Posting
from connections.models import Connection
from connections.services import disconnect_all
from merchants.models import Notification
from tests.tenants import Tenant, change_company, connect_provider, get_usual_accounts

ACCOUNTS = "configure/merchants/accounts"
Deliver = Callable[..., int]


def get_page(tenant: Tenant) -> str:
    return str(tenant.admin.get(tenant.url(ACCOUNTS)).content.decode())


def list_offered(page: str, name: str) -> list[str]:
    """The texts of a field's choices."""
    found = re.search(rf'<select name="{name}".*?</select>', page, re.DOTALL)
    return re.findall(r"<option[^>]*>([^<]+)</option>", found[0])[1:] if found else []


def post_choice(tenant: Tenant, **changes: str) -> int:
    return int(tenant.admin.post(tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant) | changes).status_code)


def move_to_company(tenant: Tenant, organisation: str) -> None:
    """Disconnect, and connect another company whose accounts nobody chooses."""
    disconnect_all(tenant.merchant, by=tenant.user.email, now=timezone.now())
    connect_provider(tenant.merchant, tenant.user, provider=tenant.connection.provider, organisation=organisation)


AccountCase = tuple[dict[str, Any], bool, bool]
# What Xero has, and whether it can be clearing, and prepayments.
XERO_ACCOUNTS: list[AccountCase] = [
    ({"Type": "BANK"}, True, False),
    ({"Type": "CURRENT", "EnablePaymentsToAccount": True}, True, False),
    ({"Type": "CURRENT"}, False, False),
    ({"Type": "CURRENT", "EnablePaymentsToAccount": True, "SystemAccount": "DEBTORS"}, False, False),
    ({"Type": "CURRLIAB"}, False, True),
    ({"Type": "CURRLIAB", "EnablePaymentsToAccount": True}, True, True),
    ({"Type": "LIABILITY"}, False, True),
    ({"Type": "TERMLIAB"}, False, True),
    *(
        ({"Type": "CURRLIAB", "EnablePaymentsToAccount": True, "SystemAccount": own}, False, False)
        for own in ("CREDITORS", "GST", "GSTONIMPORTS", "HISTORICAL", "ROUNDING", "UNPAIDEXPCLM", "WAGEPAYABLES")
    ),
    *(
        ({"Type": kind, "EnablePaymentsToAccount": True}, False, False)
        for kind in (
            "REVENUE",
            "SALES",
            "OTHERINCOME",
            "EXPENSE",
            "DIRECTCOSTS",
            "OVERHEADS",
            "A TYPE OF TOMORROW",
            None,
        )
    ),
]
QUICKBOOKS_ACCOUNTS: list[AccountCase] = [
    ({"AccountType": "Bank", "AccountSubType": "CashOnHand"}, True, False),
    ({"AccountType": "Other Current Asset", "AccountSubType": "OtherCurrentAssets"}, True, False),
    ({"AccountType": "Other Current Asset", "AccountSubType": "UndepositedFunds"}, False, False),
    ({"AccountType": "Other Current Liability", "AccountSubType": "OtherCurrentLiabilities"}, False, True),
    ({"AccountType": "Long Term Liability", "AccountSubType": "OtherLongTermLiabilities"}, False, True),
]
QUICKBOOKS_ACCOUNTS.extend(
    ({"AccountType": "Other Current Liability", "AccountSubType": own}, False, False)
    for own in ("SalesTaxPayable", "GlobalTaxPayable", "GlobalTaxSuspense", "PayrollTaxPayable", "PayrollClearing")
)
QUICKBOOKS_ACCOUNTS.extend(
    ({"AccountType": kind}, False, False)
    for kind in ("Accounts Receivable", "Accounts Payable", "Income", "Expense", "Equity", "Of Tomorrow", None)
)


@pytest.mark.parametrize(("row", "takes_payments", "holds_prepayments"), XERO_ACCOUNTS)
def test_which_accounts_of_xero_can_work(row: dict[str, Any], takes_payments: bool, holds_prepayments: bool) -> None:
    found = parse_xero_account({"Code": "1", "Name": "An account", **row})
    assert (found.takes_payments, found.holds_prepayments) == (takes_payments, holds_prepayments)


@pytest.mark.parametrize(("row", "takes_payments", "holds_prepayments"), QUICKBOOKS_ACCOUNTS)
def test_which_accounts_of_quickbooks_can_work(
    row: dict[str, Any], takes_payments: bool, holds_prepayments: bool
) -> None:
    found = parse_quickbooks_account({"Id": "1", "Name": "An account", **row})
    assert (found.takes_payments, found.holds_prepayments) == (takes_payments, holds_prepayments)


def test_accounts_that_cannot_work_are_neither_offered_nor_taken(any_tenant: Tenant) -> None:
    page = get_page(any_tenant)
    clearing, prepayments = list_offered(page, "clearing_account"), list_offered(page, "prepayments_account")
    for wrong in ("Receivable", "Payable", "Sales", "Tax", "Bank Fees"):
        assert not [name for name in clearing + prepayments if wrong in name], wrong
    assert any("Wise-Pay Clearing" in name for name in clearing)
    assert any("Wise-Pay Prepayments" in name for name in prepayments)
    before = AccountingSettings.objects.get(merchant=any_tenant.merchant).prepayments_account
    for account in LedgerAccount.objects.filter(merchant=any_tenant.merchant, holds_prepayments=False):
        assert post_choice(any_tenant, prepayments_account=account.code) == 422, account
    for account in LedgerAccount.objects.filter(merchant=any_tenant.merchant, takes_payments=False):
        assert post_choice(any_tenant, clearing_account=account.code) == 422, account
    assert AccountingSettings.objects.get(merchant=any_tenant.merchant).prepayments_account == before


def test_the_same_account_twice_is_refused_by_the_form_and_by_the_database(tenant: Tenant) -> None:
    both = LedgerAccount.objects.get(merchant=tenant.merchant, code="815")
    LedgerAccount.objects.filter(pk=both.pk).update(takes_payments=True)
    answer = tenant.admin.post(
        tenant.url(ACCOUNTS), get_usual_accounts(tenant.merchant) | {"clearing_account": both.code}
    )
    assert answer.status_code == 422
    assert "another account than for clearing" in answer.content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountingSettings.objects.update(clearing_account=both.code)


def test_what_was_saved_and_cannot_be_chosen_any_more_is_said(tenant: Tenant) -> None:
    LedgerAccount.objects.filter(merchant=tenant.merchant, code="815").delete()
    assert "What was saved can’t be used any more: Account for Prepayments" in get_page(tenant)


def test_after_a_change_of_company_nothing_old_is_shown_as_current(any_tenant: Tenant, deliver: Deliver) -> None:
    tenant, now = any_tenant, timezone.now()
    term = BillingTerm.objects.create(merchant=tenant.merchant, name="Monthly")
    LedgerTerm.objects.create(
        merchant=tenant.merchant,
        organisation_id=tenant.connection.organisation_id,
        term_id="old",
        name="Terms of the old company",
        billing_term=term,
        read_at=now,
    )
    assert "Terms of the old company" in tenant.admin.get(tenant.url("configure/automatic-payments/")).content.decode()
    move_to_company(tenant, "nz" if tenant.connection.provider == "xero" else "us")
    page = get_page(tenant)
    assert "The chart of accounts is being read" in page, "the old lists are not offered meanwhile"
    deliver()
    page, name = get_page(tenant), tenant.connection.organisation_name
    assert f"Accounts of <strong>{name}</strong>: nothing is chosen yet" in page
    assert re.findall(r'<option value="([^"]+)" selected', page) == []
    setup = tenant.admin.get(tenant.url("quotes/setup")).content.decode()
    assert f"Accounts of {name} chosen" in setup
    assert "Set up<span" in setup
    assert Notification.objects.filter(title=f"Choose the accounts of {name}").count() == 1
    for path in ("configure/automatic-payments/", f"configure/automatic-payments/terms/{term.reference}"):
        assert "Terms of the old company" not in tenant.admin.get(tenant.url(path)).content.decode(), path
    deliver()
    import_lists(merchant_id=tenant.merchant.pk, now=timezone.now())
    assert Notification.objects.filter(title=f"Choose the accounts of {name}").count() == 1, "once"


def test_coming_back_goes_on_by_itself_with_the_accounts_of_before(tenant: Tenant, deliver: Deliver) -> None:
    tenant.open_checkout().pay()
    before = AccountingSettings.objects.get(merchant=tenant.merchant)
    change_company(tenant, provider="xero", organisation="nz")
    deliver()
    AccountingSettings.objects.filter(merchant=tenant.merchant).update(tax_code="another")
    move_to_company(tenant, "au")
    tenant.open_checkout().pay()
    deliver()
    after = AccountingSettings.objects.get(merchant=tenant.merchant)
    names = ("clearing_account", "prepayments_account", "tax_code", "organisation_id")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert set(Posting.objects.order_by("-pk").values_list("state", flat=True)[:3]) == {"posted"}
    title = f"Choose the accounts of {tenant.connection.organisation_name}"
    assert not Notification.objects.filter(title=title).exists()


def test_accounts_that_are_gone_when_the_company_comes_back_are_asked_for(tenant: Tenant, deliver: Deliver) -> None:
    chosen = AccountingSettings.objects.get(merchant=tenant.merchant)
    former = tenant.connection.organisation_id
    chosen.by_organisation[former]["clearing_account"] = "gone"
    chosen.save()
    change_company(tenant, provider="xero", organisation="nz")
    move_to_company(tenant, "au")
    deliver()
    assert not AccountingSettings.objects.get(merchant=tenant.merchant).is_for(former)
    title = f"Choose the accounts of {tenant.connection.organisation_name}"
    assert Notification.objects.filter(title=title).count() == 1


def test_the_guide_leads_through_three_connections(tenant: Tenant) -> None:
    tenant.merchant.has_multi_connection = True
    tenant.merchant.save()
    now, old = timezone.now(), tenant.connection.organisation_name
    first = tenant.connection
    for tier in ("company", "service"):
        Connection.objects.create(
            merchant=tenant.merchant,
            tier=tier,
            provider="xero",
            client_id=first.client_id,
            organisation_id=first.organisation_id,
            organisation_name=old,
            state="disconnected",
            state_at=now,
        )
    disconnect_all(tenant.merchant, by="test", now=now)
    guide = "configure/accounting-connections/change-company"
    page = tenant.admin.get(tenant.url(guide)).content.decode()
    assert "Nothing is connected any more" in page
    connect_provider(tenant.merchant, tenant.user, provider="xero", organisation="nz")
    page, new = tenant.admin.get(tenant.url(guide)).content.decode(), tenant.connection.organisation_name
    assert f"1. Disconnect {old}" in page
    assert f"{old} is disconnected." in page
    assert f"Connected to {new}" in page
    assert page.count("connect-company-xero") == page.count("connect-service-xero") == 1
    assert "Once everything is disconnected" not in page


def test_the_page_says_whether_the_call_budget_is_shared(tenant: Tenant) -> None:
    tenant.merchant.has_multi_connection = True
    tenant.merchant.save()
    first = tenant.connection
    path = tenant.url("configure/accounting-connections/")
    assert 'id="call-budgets"' not in tenant.admin.get(path).content.decode()
    for tier in ("company", "service"):
        Connection.objects.create(
            merchant=tenant.merchant,
            tier=tier,
            provider="xero",
            client_id=first.client_id,
            organisation_id=first.organisation_id,
            organisation_name=first.organisation_name,
            access_token="a",
            refresh_token="r",
            state="connected",
            state_at=timezone.now(),
        )
    assert "These 3 connections share one call budget" in tenant.admin.get(path).content.decode()
    Connection.objects.filter(tier="company").update(client_id="another")
    page = tenant.admin.get(path).content.decode()
    assert "There are 2 call budgets for these 3 connections. One is shared, by Wise-Pay and Service." in page
    Connection.objects.filter(tier="service").update(client_id="a third")
    assert "Each of these 3 connections has a call budget of its own" in tenant.admin.get(path).content.decode()
