"""The console's pages of postings and manual tasks."""

from collections.abc import Callable

from django.test import Client
from django.utils import timezone
from django_subatomic.db import transaction

from accounting.models import AccountingSettings, LedgerAccount, Posting
from accounting.posting.open_tasks import save_posting_task
from tests.tenants import Checkout, Tenant
from wisepay.models import AuditEntry

ACCOUNTS = "configure/merchants/accounts"
CHOICE = {"clearing_account": "090", "prepayments_account": "815", "tax_code": "EXEMPTOUTPUT"}


def test_accounts_are_chosen_from_what_xero_has(tenant: Tenant) -> None:
    page = tenant.admin.get(tenant.url(ACCOUNTS)).content.decode()
    assert "615 · Wise-Pay Clearing" in page
    assert "GST on Income" not in page
    assert tenant.admin.post(tenant.url(ACCOUNTS), CHOICE).status_code == 302
    chosen = AccountingSettings.objects.get(merchant=tenant.merchant)
    assert (chosen.clearing_account, chosen.tax_code) == ("090", "EXEMPTOUTPUT")
    assert AuditEntry.objects.filter(action="accounts.saved", merchant_id=tenant.merchant.pk).exists()


def test_an_account_that_cannot_take_payments_is_refused(tenant: Tenant) -> None:
    answer = tenant.admin.post(tenant.url(ACCOUNTS), CHOICE | {"clearing_account": "200"})
    assert answer.status_code == 422
    assert AccountingSettings.objects.get(merchant=tenant.merchant).clearing_account == "615"


def test_lists_are_read_again_by_a_worker(tenant: Tenant, deliver: Callable[..., int]) -> None:
    deliver()
    LedgerAccount.objects.all().delete()
    assert b"Read again" in tenant.admin.get(tenant.url(ACCOUNTS)).content
    assert tenant.admin.post(tenant.url(f"{ACCOUNTS}/lists")).status_code == 302
    deliver()
    assert LedgerAccount.objects.filter(merchant=tenant.merchant, code="815").exists()


def test_the_payment_page_shows_its_documents(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    checkout.pay()
    deliver()
    panel = tenant.admin.get(tenant.url(f"postings/of/{checkout.payment.reference}")).content.decode()
    assert f"PF_CR-{checkout.payment.reference[:12].upper()}" in panel
    assert panel.count('data-state="posted"') == 3


def test_the_panels_are_empty_in_words(tenant: Tenant) -> None:
    assert b"Every payment is in the books" in tenant.admin.get(tenant.url("postings/waiting")).content
    assert tenant.admin.get(tenant.url("postings/")).status_code == 200


def test_strangers_and_the_street_see_nothing(tenant: Tenant, stranger: Tenant, checkout: Checkout) -> None:
    pages = [ACCOUNTS, "postings/", "postings/waiting", f"postings/of/{checkout.payment.reference}"]
    assert {stranger.admin.get(tenant.url(p)).status_code for p in pages} == {404}
    assert {Client().get(tenant.url(p)).status_code for p in pages} == {302}
    assert stranger.admin.post(tenant.url("postings/retry")).status_code == 404
    crossed = stranger.admin.get(stranger.url(f"postings/of/{checkout.payment.reference}"))
    assert crossed.status_code == 404


def test_a_task_about_a_posting_without_a_payment_is_shown_and_done(tenant: Tenant, checkout: Checkout) -> None:
    now = timezone.now()
    posting = Posting.objects.create(
        merchant=tenant.merchant,
        company=checkout.payment.company,
        kind="contact",
        number=checkout.payment.company.reference,
        organisation_id="another",
        state="rejected",
        state_at=now,
    )
    with transaction():
        task = save_posting_task(posting, ("Add the contact", ["Add it by hand."]), now=now)
    assert task.payment is None
    assert b"Add it by hand." in tenant.admin.get(tenant.url("postings/")).content
    done = tenant.url(f"postings/tasks/{task.reference}/done")
    assert tenant.admin.post(done, {"note": "Added it by hand."}).status_code == 302
    posting.refresh_from_db()
    assert posting.state == "cancelled"
