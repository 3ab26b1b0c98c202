"""Charge a saved method while its payer is not present."""

from datetime import datetime

import pytest
from django.utils import timezone
from django_subatomic.db import transaction

from payments.attempts.services import create_off_session_attempt, send_attempt
from payments.errors import AlreadyPaid, AttemptInProgress, MerchantNotReady, MethodUnusable
from payments.handlers import resolve_attempt
from payments.models import Attempt, Payment, SavedMethod
from payments.saved_methods.removal import remove_method
from tests.accounting.autopay.builders import AUTHENTICATION_CARD, AutoPayBuilder
from tests.payments.portal.factories import create_payment
from tests.tenants import Tenant, deliver_outbox


@pytest.fixture
def autopay(tenant: Tenant) -> AutoPayBuilder:
    """A payer with methods."""
    return AutoPayBuilder(tenant)


def create_open_payment(autopay: AutoPayBuilder) -> Payment:
    """An open payment of the payer's company."""
    return create_payment(autopay.company, amount=5000)


def charge_saved_method(payment: Payment, *, method: SavedMethod, now: datetime) -> Attempt:
    """Charge it as an automatic payment does: commit the attempt, then send it."""
    with transaction():
        attempt = create_off_session_attempt(payment, method=method, acceptance=None, now=now)
    send_attempt(attempt, now=now)
    return attempt


def test_a_card_is_charged_without_its_payer_and_says_so(autopay: AutoPayBuilder) -> None:
    card = autopay.save_card()
    attempt = charge_saved_method(create_open_payment(autopay), method=card, now=timezone.now())
    assert (attempt.state, attempt.is_off_session, attempt.user_id) == ("succeeded", True, card.owner_id)
    call = next(e for e in reversed(autopay.tenant.world.journal("stripe")) if e["path"].endswith("/payment_intents"))
    assert "off_session" in str(call["request_body"])
    assert "use_stripe_sdk" not in str(call["request_body"])


def test_a_bank_account_is_debited_under_its_mandate(autopay: AutoPayBuilder) -> None:
    bank = autopay.save_bank_account()
    attempt = charge_saved_method(create_open_payment(autopay), method=bank, now=timezone.now())
    assert (attempt.state, attempt.is_settling, attempt.acceptance_id) == ("processing", True, bank.acceptance_id)
    assert attempt.stripe_mandate_id == bank.stripe_mandate_id != ""


def test_a_card_whose_bank_wants_its_payer_fails_at_once(autopay: AutoPayBuilder) -> None:
    attempt = charge_saved_method(
        create_open_payment(autopay), method=autopay.save_card(AUTHENTICATION_CARD), now=timezone.now()
    )
    assert (attempt.state, attempt.failure_code) == ("failed", "authentication_required")


def test_sent_again_with_the_same_key_it_charges_once(autopay: AutoPayBuilder) -> None:
    attempt = charge_saved_method(create_open_payment(autopay), method=autopay.save_card(), now=timezone.now())
    Attempt.objects.filter(pk=attempt.pk).update(state="processing", stripe_payment_intent_id="")
    Payment.objects.filter(pk=attempt.payment_id).update(state="open", paid_amount=None, paid_at=None)
    row = Attempt.objects.select_related("payment__merchant", "account", "saved_method").get(pk=attempt.pk)
    send_attempt(row, now=timezone.now(), is_retry=True)
    resolve_attempt(attempt_id=attempt.pk, now=timezone.now())
    deliver_outbox()
    assert autopay.tenant.total_charged() == 5000
    assert len(autopay.tenant.charges()) == 1


def test_what_must_not_be_charged_raises_and_stores_nothing(autopay: AutoPayBuilder) -> None:
    card, gone = autopay.save_card(), autopay.save_card("5555555555554444")
    remove_method(gone, by="them", now=timezone.now())
    paid, now = create_open_payment(autopay), timezone.now()
    charge_saved_method(paid, method=card, now=now)
    with pytest.raises(AlreadyPaid):
        charge_saved_method(paid, method=card, now=now)
    with pytest.raises(MethodUnusable):
        charge_saved_method(create_open_payment(autopay), method=gone, now=now)
    settling = create_open_payment(autopay)
    charge_saved_method(settling, method=autopay.save_bank_account(), now=now)
    with pytest.raises(AttemptInProgress):
        charge_saved_method(settling, method=card, now=now)
    count = Attempt.objects.count()
    autopay.tenant.merchant.takes_payments = False
    autopay.company.merchant.takes_payments = False
    with pytest.raises(MerchantNotReady):
        charge_saved_method(create_open_payment(autopay), method=card, now=now)
    assert Attempt.objects.count() == count
