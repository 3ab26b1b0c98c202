"""The console's pages about the books."""

from collections.abc import Callable

from django.test import Client

from accounting.models import AccountingSettings, LedgerAccount
from tests.people import Checkout, House
from wisepay.models import AuditEntry

ACCOUNTS = "configure/merchants/accounts"
CHOICE = {"clearing_account": "090", "prepayments_account": "815", "tax_code": "EXEMPTOUTPUT"}


def test_accounts_are_chosen_from_what_xero_has(house: House) -> None:
    page = house.admin.get(house.url(ACCOUNTS)).content.decode()
    assert "615 · Wise-Pay Clearing" in page
    assert "GST on Income" not in page
    assert house.admin.post(house.url(ACCOUNTS), CHOICE).status_code == 302
    chosen = AccountingSettings.objects.get(merchant=house.merchant)
    assert (chosen.clearing_account, chosen.tax_code) == ("090", "EXEMPTOUTPUT")
    assert AuditEntry.objects.filter(act="accounts.saved", merchant_id=house.merchant.pk).exists()


def test_an_account_that_cannot_take_payments_is_refused(house: House) -> None:
    answer = house.admin.post(house.url(ACCOUNTS), CHOICE | {"clearing_account": "200"})
    assert answer.status_code == 422
    assert AccountingSettings.objects.get(merchant=house.merchant).clearing_account == "615"


def test_lists_are_read_again_by_a_worker(house: House, drain: Callable[..., int]) -> None:
    drain()
    LedgerAccount.objects.all().delete()
    assert b"Read again" in house.admin.get(house.url(ACCOUNTS)).content
    assert house.admin.post(house.url(f"{ACCOUNTS}/lists")).status_code == 302
    drain()
    assert LedgerAccount.objects.filter(merchant=house.merchant, code="815").exists()


def test_the_payment_page_shows_its_documents(house: House, checkout: Checkout, drain: Callable[..., int]) -> None:
    checkout.pay()
    drain()
    panel = house.admin.get(house.url(f"postings/of/{checkout.payment.reference}")).content.decode()
    assert f"PF_CR-{checkout.payment.reference[:12].upper()}" in panel
    assert panel.count('data-state="posted"') == 3


def test_the_panels_are_empty_in_words(house: House) -> None:
    assert b"Every payment is in the books" in house.admin.get(house.url("postings/waiting")).content
    assert house.admin.get(house.url("postings/")).status_code == 200


def test_strangers_and_the_street_see_nothing(house: House, stranger: House, checkout: Checkout) -> None:
    pages = [ACCOUNTS, "postings/", "postings/waiting", f"postings/of/{checkout.payment.reference}"]
    assert {stranger.admin.get(house.url(p)).status_code for p in pages} == {404}
    assert {Client().get(house.url(p)).status_code for p in pages} == {302}
    assert stranger.admin.post(house.url("postings/retry")).status_code == 404
    crossed = stranger.admin.get(stranger.url(f"postings/of/{checkout.payment.reference}"))
    assert crossed.status_code == 404
