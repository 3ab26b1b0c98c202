"""Running automatic payments: charged once, at most what is due, and what follows every way to fail."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.autopay.running import arm_due, run_scheduled
from accounting.models import (
    AutoPayLimit,
    AutoPayMapping,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
    Share,
)
from connections.models import LinkedOrganisation
from payments.methods import remove_method
from payments.models import Payment, SavedMethod
from tests.accounting.autopay.stage import ASKING, DECLINING, PAYER, Stage
from tests.people import drain_outbox
from tests.together import together


def test_a_due_invoice_is_charged_off_session_to_the_mapped_card(stage: Stage) -> None:
    card = stage.card()
    stage.map(card)
    invoice = stage.invoice(34900)
    scheduled = stage.charge(invoice)
    assert (scheduled.state, scheduled.method_id) == ("settled", card.pk)
    [attempt] = stage.attempts(invoice)
    assert (attempt.state, attempt.is_off_session, attempt.ip) == ("succeeded", True, None)
    assert attempt.payment.origin == Payment.Origin.AUTOMATIC
    assert [(s.amount, s.invoice_id) for s in Share.objects.all()] == [(34900, invoice.pk)]
    [intent] = stage.house.intents()
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 34900)


def test_the_beat_hands_out_what_is_due_and_nothing_else(stage: Stage) -> None:
    stage.map(stage.card())
    due, later = stage.invoice(), stage.invoice()
    stage.plan()
    ScheduledPayment.objects.filter(invoice=due).update(run_at=timezone.now())
    assert arm_due(now=timezone.now()) == 1
    assert arm_due(now=timezone.now()) == 0, "it waits in the outbox already"
    drain_outbox()
    assert stage.scheduled(due).state == "settled"
    assert stage.scheduled(later).state == "scheduled"
    assert stage.house.charged() == due.total


def test_running_it_again_and_again_charges_once(stage: Stage) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    for _ in range(4):
        run_scheduled(scheduled.pk, now=timezone.now())
        drain_outbox()
    assert stage.house.charged() == invoice.total
    assert len(stage.attempts(invoice)) == 1


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_charge_once(stage: Stage) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    charged = together(4, lambda _: run_scheduled(scheduled.pk, now=timezone.now()) is not None)
    assert sorted(charged) == [False, False, False, True]
    assert stage.house.charged() == invoice.total


@pytest.mark.parametrize("switch", ["autopay", "merchant"])
def test_nothing_is_charged_while_it_is_switched_off(stage: Stage, switch: str) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    if switch == "autopay":
        stage.set(is_enabled=False)
    else:
        type(stage.house.merchant).objects.filter(pk=stage.house.merchant.pk).update(takes_payments=False)
    assert arm_due(now=timezone.now()) == 0
    assert run_scheduled(scheduled.pk, now=timezone.now()) is None
    stage.plan()
    assert stage.scheduled(invoice).state == "scheduled"
    assert stage.house.intents() == []


def test_a_smaller_debt_is_charged_smaller_and_a_larger_one_as_planned(stage: Stage) -> None:
    stage.map(stage.card())
    less, more = stage.invoice(10000), stage.invoice(10000)
    first, second = stage.due_now(less), stage.due_now(more)
    LedgerInvoice.objects.filter(pk=less.pk).update(due=4000)
    LedgerInvoice.objects.filter(pk=more.pk).update(due=25000, total=25000)
    run_scheduled(first.pk, now=timezone.now())
    run_scheduled(second.pk, now=timezone.now())
    assert sorted(i["amount_received"] for i in stage.house.intents()) == [4000, 10000]


@pytest.mark.parametrize("status", ["paid", "voided", "deleted", "draft"])
def test_an_invoice_that_is_over_is_not_charged(stage: Stage, status: str) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    LedgerInvoice.objects.filter(pk=invoice.pk).update(status=status, due=0 if status == "paid" else invoice.due)
    assert run_scheduled(scheduled.pk, now=timezone.now()) is None
    assert stage.scheduled(invoice).state == "cancelled"
    assert stage.house.intents() == []


def the_mapping_ends(stage: Stage, _: LedgerInvoice) -> None:
    AutoPayMapping.objects.update(state="ended")


def the_term_covers_it_no_more(stage: Stage, _: LedgerInvoice) -> None:
    LedgerTerm.objects.update(billing_term=None)


def the_term_takes_no_cards(stage: Stage, _: LedgerInvoice) -> None:
    BillingTerm.objects.update(takes_cards=False)


def the_card_expires(stage: Stage, _: LedgerInvoice) -> None:
    SavedMethod.objects.update(expires_on=stage.today - timedelta(days=1))


def the_card_is_removed(stage: Stage, _: LedgerInvoice) -> None:
    remove_method(SavedMethod.objects.get(), by="them", now=timezone.now())


def it_becomes_too_large(stage: Stage, invoice: LedgerInvoice) -> None:
    AutoPayLimit.objects.create(merchant=stage.house.merchant, currency="AUD", maximum=invoice.due - 1)


def it_goes_to_another_company(stage: Stage, invoice: LedgerInvoice) -> None:
    LedgerInvoice.objects.filter(pk=invoice.pk).update(company=stage.house.company("Bayside Dental"))


def another_organisation_is_connected(stage: Stage, _: LedgerInvoice) -> None:
    LinkedOrganisation.objects.update(organisation_id="another")


@pytest.mark.parametrize(
    ("happens", "state", "words"),
    [
        (the_mapping_ends, "cancelled", "has no Auto-Pay mapping"),
        (the_term_covers_it_no_more, "cancelled", "under no billing term"),
        (the_term_takes_no_cards, "held", "Card payments are not enabled for Net 7"),
        (the_card_expires, "held", "expired on"),
        (the_card_is_removed, "held", "can't be used any more"),
        (it_becomes_too_large, "cancelled", "above the maximum"),
        (it_goes_to_another_company, "cancelled", "has no Auto-Pay mapping"),
        (another_organisation_is_connected, "cancelled", "another organisation"),
    ],
)
def test_what_changes_between_plan_and_run_is_seen_at_the_run(
    stage: Stage, happens: Callable[[Stage, LedgerInvoice], None], state: str, words: str
) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    happens(stage, invoice)
    assert run_scheduled(scheduled.pk, now=timezone.now()) is None
    found = stage.scheduled(invoice)
    assert (found.state, words in found.reason) == (state, True), found.reason
    assert stage.house.intents() == []


def test_a_missed_run_is_planned_anew_instead_of_charged_by_surprise(stage: Stage) -> None:
    stage.set(schedules_past_due=True)
    stage.map(stage.card())
    invoice = stage.invoice(due_in=-3)
    scheduled = stage.due_now(invoice)
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now() - timedelta(days=3))
    assert run_scheduled(scheduled.pk, now=timezone.now()) is None
    found = stage.scheduled(invoice)
    assert found.state == "scheduled"
    assert found.run_at > timezone.now()


# ---- failures ---------------------------------------------------------------------------------------


def test_a_soft_failure_is_tried_again_with_growing_pauses_and_then_it_has_failed(stage: Stage) -> None:
    stage.set(maximum_retries=2)
    stage.map(stage.card(DECLINING))
    invoice = stage.invoice()
    scheduled = stage.charge(invoice)
    pauses = []
    for _ in range(2):
        assert scheduled.state == "scheduled"
        pauses.append((scheduled.run_at.astimezone(stage.house.merchant.zone).date() - stage.today).days)
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now())
        run_scheduled(scheduled.pk, now=timezone.now())
        drain_outbox()
        scheduled = stage.scheduled(invoice)
    assert pauses == [1, 3]
    assert (scheduled.state, len(stage.attempts(invoice))) == ("failed", 3)
    assert len({attempt.payment_id for attempt in stage.attempts(invoice)}) == 1, "one payment, three tries"
    mails = [m for m in stage.house.mails(PAYER) if "automatic payment" in m["subject"]]
    assert len(mails) == 3


def test_a_hard_failure_is_never_tried_again_and_the_secondary_method_pays(stage: Stage) -> None:
    primary, secondary = stage.card(DECLINING), stage.card()
    stage.map(primary, secondary)
    invoice = stage.invoice()
    scheduled = stage.due_now(invoice)
    attempt = run_scheduled(scheduled.pk, now=timezone.now())
    assert attempt is not None
    type(attempt).objects.filter(pk=attempt.pk).update(failure_code="stolen_card")
    drain_outbox()
    found = stage.scheduled(invoice)
    assert (found.state, found.method_id) == ("settled", secondary.pk)
    assert [a.saved_method_id for a in stage.attempts(invoice)] == [primary.pk, secondary.pk]
    assert stage.house.charged() == invoice.total


def test_a_card_that_wants_its_payer_mails_a_link_that_pays_it(stage: Stage) -> None:
    stage.map(stage.card(ASKING))
    invoice = stage.invoice()
    scheduled = stage.charge(invoice)
    assert scheduled.state == "failed"
    assert "link" in scheduled.reason
    [mail] = [m for m in stage.house.mails(PAYER) if "automatic payment" in m["subject"]]
    assert scheduled.payment is not None
    assert f"/pay/{scheduled.payment.reference}" in mail["text"]


def test_a_debit_that_comes_back_for_want_of_funds_is_presented_twice_more_and_never_again(stage: Stage) -> None:
    stage.set(maximum_retries=9)
    stage.map(stage.bank_account())
    invoice = stage.invoice()
    scheduled = stage.charge(invoice)
    for presented in (1, 2, 3):
        assert (scheduled.state, scheduled.presentations) == ("pending", presented)
        stage.say(stage.attempts(invoice)[-1], "failed", "insufficient_funds")
        scheduled = stage.scheduled(invoice)
        if scheduled.state == "scheduled":
            ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now())
            run_scheduled(scheduled.pk, now=timezone.now())
            drain_outbox()
            scheduled = stage.scheduled(invoice)
    assert (scheduled.state, len(stage.attempts(invoice))) == ("failed", 3)


def test_a_debit_that_was_not_authorised_is_never_presented_again(stage: Stage) -> None:
    stage.map(stage.bank_account())
    invoice = stage.invoice()
    assert stage.charge(invoice).state == "pending"
    stage.say(stage.attempts(invoice)[0], "failed", "debit_not_authorized")
    assert stage.scheduled(invoice).state == "failed"
