"""The same card or bank account saved again is one row, with the newest details: opencollective#6189, storj#5597."""

from typing import Any

import pytest
import requests
from django.db import IntegrityError, transaction
from django.utils import timezone

from payers.models import PayerAccess
from payments.gateways import RemoteMethod
from payments.models import SavedMethod
from payments.saved_methods.services import record_saved_method
from tests.payments.signed_in_payer import SignedInPayer, create_bank_token
from tests.tenants import Checkout, Tenant, deliver_outbox


@pytest.fixture
def payer(tenant: Tenant) -> SignedInPayer:
    """A registered payer."""
    return SignedInPayer(tenant)


def open_quote(tenant: Tenant, payer: SignedInPayer, number: int, **changes: Any) -> Checkout:
    """A quote of a company that the payer sees."""
    checkout = tenant.open_checkout(quote={"id": f"q{number}", "number": number}, **changes)
    payer.grant_access(checkout.payment)
    return checkout


def list_attached(tenant: Tenant, customer: str) -> list[str]:
    """What the gateway still holds of the customer."""
    auth = {"Authorization": f"Bearer {tenant.stripe_key}"}
    url = f"{tenant.world.url}/stripe/v1/payment_methods?customer={customer}&limit=100"
    return [row["id"] for row in requests.get(url, headers=auth, timeout=10).json()["data"]]


def test_the_same_card_saved_three_times_is_one_row(tenant: Tenant, payer: SignedInPayer) -> None:
    ids = set()
    for number in (1, 2, 3):
        assert payer.pay_and_save(open_quote(tenant, payer, number)).json()["status"] == "succeeded"
        [method] = payer.methods
        ids.add(method.stripe_payment_method_id)
    assert len(ids) == 3, "the newest one is kept"
    deliver_outbox()
    assert list_attached(tenant, method.stripe_customer_id) == [method.stripe_payment_method_id]
    assert payer.client.get("/my/cards").content.decode().count("···· 4242") >= 1
    page = payer.client.get(open_quote(tenant, payer, 9).path).content.decode()
    assert page.count('name="saved_method"') == page.count(f'value="{method.reference}"') + page.count(
        'name="saved_method" value=""'
    )
    paid = payer.pay(open_quote(tenant, payer, 10), saved_method=method.reference).json()
    assert paid["status"] == "succeeded"


def test_another_card_is_another_row(tenant: Tenant, payer: SignedInPayer) -> None:
    payer.pay_and_save(open_quote(tenant, payer, 1))
    payer.pay_and_save(open_quote(tenant, payer, 2), "5555555555554444")
    assert sorted(method.last4 for method in payer.methods) == ["4242", "4444"]


def test_the_same_bank_account_is_one_row(tenant: Tenant, payer: SignedInPayer) -> None:
    tenant.merchant.gateway_account.takes_bank_debits = True
    tenant.merchant.gateway_account.save()
    for number in (1, 2):
        checkout = open_quote(tenant, payer, number)
        form = {"method": "bank_debit", "confirmation_token": create_bank_token(tenant, "aud"), "saves": "1"}
        payer.pay(checkout, **form)
        deliver_outbox()
    assert [method.kind for method in payer.methods] == ["au_becs_debit"]


def test_a_card_that_was_refused_for_good_is_good_again_once_it_is_saved_again(
    tenant: Tenant, payer: SignedInPayer
) -> None:
    payer.pay_and_save(open_quote(tenant, payer, 1))
    SavedMethod.objects.update(state="invalid", last_failure="expired_card")
    payer.pay_and_save(open_quote(tenant, payer, 2))
    [method] = payer.methods
    assert (method.state, method.last_failure) == ("active", "")


def test_a_removed_card_saved_again_is_a_new_row(tenant: Tenant, payer: SignedInPayer) -> None:
    payer.pay_and_save(open_quote(tenant, payer, 1))
    SavedMethod.objects.update(state="removed", is_default=False)
    payer.pay_and_save(open_quote(tenant, payer, 2))
    assert sorted(method.state for method in payer.methods) == ["active", "removed"]


def test_people_of_a_company_share_the_row_of_a_shared_card_and_keep_their_own_apart(
    tenant: Tenant, payer: SignedInPayer
) -> None:
    other = SignedInPayer(tenant)
    payer.pay_and_save(open_quote(tenant, payer, 1))
    other.pay_and_save(open_quote(tenant, other, 2))
    assert SavedMethod.objects.exclude(state="removed").count() == 2, "what somebody keeps for themselves is theirs"
    third = SignedInPayer(tenant)
    SavedMethod.objects.filter(owner=payer.user).update(is_shared=True)
    third.pay_and_save(open_quote(tenant, third, 3))
    assert SavedMethod.objects.exclude(state="removed").count() == 2
    assert not third.methods


def test_late_news_of_an_older_saving_changes_nothing(tenant: Tenant, payer: SignedInPayer) -> None:
    first = open_quote(tenant, payer, 1)
    payer.pay_and_save(first)
    [before] = payer.methods
    payer.pay_and_save(open_quote(tenant, payer, 2))
    [after] = payer.methods
    attempt = first.attempts[0]
    remote = RemoteMethod(before.stripe_payment_method_id, "card", "visa", "4242", fingerprint=after.fingerprint)
    with transaction.atomic():
        found = record_saved_method(attempt, remote, company=first.payment.company, now=timezone.now())
    assert (found.pk, found.stripe_payment_method_id) == (after.pk, after.stripe_payment_method_id)


def test_the_database_holds_one_row_a_fingerprint(tenant: Tenant, payer: SignedInPayer) -> None:
    payer.pay_and_save(open_quote(tenant, payer, 1))
    [method] = payer.methods
    method.pk, method.reference, method.stripe_payment_method_id = None, "x" * 20, "pm_other"
    method.is_default = False
    with pytest.raises(IntegrityError), transaction.atomic():
        method.save(force_insert=True)
    assert PayerAccess.objects.filter(user=payer.user).exists()
