"""Charging a saved method while its payer is not there."""

import pytest
from django.utils import timezone

from payments.automatic import charge_saved_method
from payments.errors import AlreadyPaid, AttemptInProgress, MerchantNotReady, MethodUnusable
from payments.handlers import resolve_attempt
from payments.methods import remove_method
from payments.models import Attempt, Payment
from payments.services import run_attempt
from tests.accounting.autopay.stage import ASKING, Stage
from tests.payments.portal_stage import payment
from tests.people import House, drain_outbox


@pytest.fixture
def stage(house: House) -> Stage:
    """A payer with methods."""
    return Stage(house)


def owed(stage: Stage) -> Payment:
    """An open payment of the payer's company."""
    return payment(stage.company, amount=5000)


def test_a_card_is_charged_without_its_payer_and_says_so(stage: Stage) -> None:
    card = stage.card()
    attempt = charge_saved_method(owed(stage), method=card, acceptance=card.acceptance, now=timezone.now())
    assert (attempt.state, attempt.is_off_session, attempt.user_id) == ("succeeded", True, card.owner_id)
    call = next(e for e in reversed(stage.house.world.journal("stripe")) if e["path"].endswith("/payment_intents"))
    assert "off_session" in str(call["request_body"])
    assert "use_stripe_sdk" not in str(call["request_body"])


def test_a_bank_account_is_debited_under_its_mandate(stage: Stage) -> None:
    bank = stage.bank_account()
    attempt = charge_saved_method(owed(stage), method=bank, acceptance=None, now=timezone.now())
    assert (attempt.state, attempt.is_settling, attempt.acceptance_id) == ("processing", True, bank.acceptance_id)
    assert attempt.stripe_mandate_id == bank.stripe_mandate_id != ""


def test_a_card_whose_bank_wants_its_payer_fails_at_once(stage: Stage) -> None:
    attempt = charge_saved_method(owed(stage), method=stage.card(ASKING), acceptance=None, now=timezone.now())
    assert (attempt.state, attempt.failure_code) == ("failed", "authentication_required")


def test_said_again_with_the_same_key_it_charges_once(stage: Stage) -> None:
    attempt = charge_saved_method(owed(stage), method=stage.card(), acceptance=None, now=timezone.now())
    Attempt.objects.filter(pk=attempt.pk).update(state="processing", stripe_payment_intent_id="")
    Payment.objects.filter(pk=attempt.payment_id).update(state="open", paid_amount=None, paid_at=None)
    row = Attempt.objects.select_related("payment__merchant", "account", "saved_method").get(pk=attempt.pk)
    run_attempt(row, now=timezone.now(), is_repeat=True)
    resolve_attempt(attempt_id=attempt.pk, now=timezone.now())
    drain_outbox()
    assert stage.house.charged() == 5000
    assert len(stage.house.charges()) == 1


def test_what_must_not_be_charged_raises_and_stores_nothing(stage: Stage) -> None:
    card, gone = stage.card(), stage.card("5555555555554444")
    remove_method(gone, by="them", now=timezone.now())
    paid, now = owed(stage), timezone.now()
    charge_saved_method(paid, method=card, acceptance=None, now=now)
    with pytest.raises(AlreadyPaid):
        charge_saved_method(paid, method=card, acceptance=None, now=now)
    with pytest.raises(MethodUnusable):
        charge_saved_method(owed(stage), method=gone, acceptance=None, now=now)
    settling = owed(stage)
    charge_saved_method(settling, method=stage.bank_account(), acceptance=None, now=now)
    with pytest.raises(AttemptInProgress):
        charge_saved_method(settling, method=card, acceptance=None, now=now)
    count = Attempt.objects.count()
    stage.house.merchant.takes_payments = False
    stage.company.merchant.takes_payments = False
    with pytest.raises(MerchantNotReady):
        charge_saved_method(owed(stage), method=card, acceptance=None, now=now)
    assert Attempt.objects.count() == count
