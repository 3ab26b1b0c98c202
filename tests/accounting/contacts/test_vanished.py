"""What a merchant chose in the books and somebody archived or deleted there: noticed, told, shown on the page.

XeroAPI/xero-ruby#113: "Account code '815' has been archived, or deleted."; Intuit error 610, "made inactive".
"""

import pytest
from django.utils import timezone

from accounting.autopay.terms import import_ledger_terms, save_ledger_terms, save_term
from accounting.configuration.imports import import_ledger_lists
from accounting.models import AccountingSettings, LedgerTerm, Posting
from accounting.tasks import import_ledger_lists as import_daily
from merchants.models import Notification
from tests.accounting.mirror.ledger_actions import act_in_ledger
from tests.tenants import Tenant, deliver_outbox


def archive(tenant: Tenant, what: str, *, is_back: bool = False) -> None:
    """Somebody archives what is chosen, or restores it."""
    code = getattr(AccountingSettings.objects.get(merchant=tenant.merchant), what)
    if tenant.connection.provider == "xero":
        order = f"{'restore' if is_back else 'archive'}_{'tax_rate' if what == 'tax_code' else 'account'}"
        tenant.world.post("/xero/_control", {order: {"organisation": "au", "code": code}})
    else:
        word = {"item": "item", "tax_code": "taxcode"}.get(what, "account")
        act_in_ledger(tenant, "restore" if is_back else "retire", **{word: code})


@pytest.mark.parametrize("what", ["clearing_account", "prepayments_account", "item", "tax_code"])
def test_a_choice_that_vanished_is_noticed_once_and_shown(any_tenant: Tenant, what: str) -> None:
    if any_tenant.connection.provider == "xero" and what == "item":
        pytest.skip("Xero needs no item")
    deliver_outbox()
    archive(any_tenant, what)
    import_daily()
    deliver_outbox()
    [missing] = AccountingSettings.objects.get().missing
    assert "was archived, made inactive or deleted" in missing
    page = any_tenant.admin.get(any_tenant.url("configure/merchants/accounts")).content.decode()
    assert "nothing can be booked" in page
    import_ledger_lists(any_tenant.merchant, now=timezone.now())
    assert Notification.objects.filter(event="books_task").count() == 1
    archive(any_tenant, what, is_back=True)
    import_ledger_lists(any_tenant.merchant, now=timezone.now())
    assert AccountingSettings.objects.get().missing == []


def test_a_refusal_because_of_an_archived_account_lets_it_be_looked_at(any_tenant: Tenant) -> None:
    deliver_outbox()
    archive(any_tenant, "prepayments_account")
    any_tenant.open_checkout().pay()
    deliver_outbox()
    assert "rejected" in Posting.objects.values_list("state", flat=True)
    assert AccountingSettings.objects.get().missing != []
    archive(any_tenant, "prepayments_account", is_back=True)
    import_daily()
    deliver_outbox()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_a_term_that_a_billing_term_covers_and_that_vanished_is_told(any_tenant: Tenant) -> None:
    merchant, where = any_tenant.merchant, any_tenant.connection.organisation_id
    now = timezone.now()
    save_ledger_terms(merchant, where, [("t1", "Autopay"), ("t2", "Other")], now=now)
    covered = LedgerTerm.objects.filter(term_id="t1")
    save_term(merchant, None, covers=list(covered), now=now, name="Monthly")
    for _ in range(2):
        save_ledger_terms(merchant, where, [("t2", "Other")], now=now)
    notified = Notification.objects.filter(event="books_task", body__contains="Autopay")
    assert notified.count() == 1
    page = any_tenant.admin.get(any_tenant.url("configure/merchants/accounts")).content.decode()
    assert "Let the billing term cover another one" in page
    save_ledger_terms(merchant, where, [("t1", "Autopay"), ("t2", "Other")], now=now)
    assert not LedgerTerm.objects.filter(is_gone=True).exists()


def test_a_branding_theme_that_a_bookkeeper_deletes_is_told(tenant: Tenant) -> None:
    """Its invoices keep its id, which Xero tells nobody the name of any more."""
    act_in_ledger(tenant, "make_theme", name="Monthly Autopay")
    act_in_ledger(
        tenant, "make_invoice", contact="Bayside", amount="90", number="INV-1", branding_theme="Monthly Autopay"
    )
    import_ledger_terms(tenant.merchant, now=timezone.now())
    covered = LedgerTerm.objects.filter(name="Monthly Autopay")
    save_term(tenant.merchant, None, covers=list(covered), now=timezone.now(), name="Monthly")
    act_in_ledger(tenant, "delete_theme", name="Monthly Autopay")
    for _ in range(2):
        import_ledger_terms(tenant.merchant, now=timezone.now())
        deliver_outbox()
    assert Notification.objects.filter(event="books_task", body__contains="Monthly Autopay").count() == 1
    page = tenant.admin.get(tenant.url("configure/merchants/accounts")).content.decode()
    assert "Let the billing term cover another one" in page
