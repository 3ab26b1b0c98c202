"""Running automatic payments: charged once, at most what is due, and what follows every way to fail."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment, schedule_due_payments
from accounting.models import (
    AutoPayLimit,
    AutoPayMapping,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    PaymentAllocation,
    ScheduledPayment,
)
from connections.models import LinkedOrganisation
from payments.models import Payment, SavedMethod
from tests.accounting.autopay.builders import AUTHENTICATION_CARD, DECLINING_CARD, PAYER, AutoPayBuilder
from tests.concurrency import run_concurrently
from tests.tenants import deliver_outbox


def test_a_due_invoice_is_charged_off_session_to_the_mapped_card(autopay: AutoPayBuilder) -> None:
    card = autopay.save_card()
    autopay.create_mapping(card)
    invoice = autopay.create_invoice(34900)
    scheduled = autopay.charge(invoice)
    assert (scheduled.state, scheduled.method_id) == ("settled", card.pk)
    [attempt] = autopay.list_attempts(invoice)
    assert (attempt.state, attempt.is_off_session, attempt.ip) == ("succeeded", True, None)
    assert attempt.payment.origin == Payment.Origin.AUTOMATIC
    assert [(s.amount, s.invoice_id) for s in PaymentAllocation.objects.all()] == [(34900, invoice.pk)]
    [intent] = autopay.tenant.intents()
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 34900)


def test_the_beat_hands_out_what_is_due_and_nothing_else(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    due, later = autopay.create_invoice(), autopay.create_invoice()
    autopay.plan()
    ScheduledPayment.objects.filter(invoice=due).update(run_at=timezone.now())
    assert schedule_due_payments(now=timezone.now()) == 1
    assert schedule_due_payments(now=timezone.now()) == 0, "it waits in the outbox already"
    deliver_outbox()
    assert autopay.get_scheduled(due).state == "settled"
    assert autopay.get_scheduled(later).state == "scheduled"
    assert autopay.tenant.total_charged() == due.total


def test_running_it_again_and_again_charges_once(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    for _ in range(4):
        charge_scheduled_payment(scheduled.pk, now=timezone.now())
        deliver_outbox()
    assert autopay.tenant.total_charged() == invoice.total
    assert len(autopay.list_attempts(invoice)) == 1


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_charge_once(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    charged = run_concurrently(4, lambda _: charge_scheduled_payment(scheduled.pk, now=timezone.now()) is not None)
    assert sorted(charged) == [False, False, False, True]
    assert autopay.tenant.total_charged() == invoice.total


@pytest.mark.parametrize("switch", ["autopay", "merchant"])
def test_nothing_is_charged_while_it_is_switched_off(autopay: AutoPayBuilder, switch: str) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    if switch == "autopay":
        autopay.update_settings(is_enabled=False)
    else:
        type(autopay.tenant.merchant).objects.filter(pk=autopay.tenant.merchant.pk).update(takes_payments=False)
    assert schedule_due_payments(now=timezone.now()) == 0
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is None
    autopay.plan()
    assert autopay.get_scheduled(invoice).state == "scheduled"
    assert autopay.tenant.intents() == []


def test_a_smaller_debt_is_charged_smaller_and_a_larger_one_as_planned(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    less, more = autopay.create_invoice(10000), autopay.create_invoice(10000)
    first, second = autopay.plan_and_make_due(less), autopay.plan_and_make_due(more)
    LedgerInvoice.objects.filter(pk=less.pk).update(due=4000)
    LedgerInvoice.objects.filter(pk=more.pk).update(due=25000, total=25000)
    charge_scheduled_payment(first.pk, now=timezone.now())
    charge_scheduled_payment(second.pk, now=timezone.now())
    assert sorted(i["amount_received"] for i in autopay.tenant.intents()) == [4000, 10000]


@pytest.mark.parametrize("status", ["paid", "voided", "deleted", "draft"])
def test_an_invoice_that_is_over_is_not_charged(autopay: AutoPayBuilder, status: str) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    LedgerInvoice.objects.filter(pk=invoice.pk).update(status=status, due=0 if status == "paid" else invoice.due)
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is None
    assert autopay.get_scheduled(invoice).state == "cancelled"
    assert autopay.tenant.intents() == []


def the_mapping_ends(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
    AutoPayMapping.objects.update(state="ended")


def the_term_covers_it_no_more(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
    LedgerTerm.objects.update(billing_term=None)


def the_term_takes_no_cards(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
    BillingTerm.objects.update(takes_cards=False)


def the_card_expires(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
    SavedMethod.objects.update(expires_on=autopay.today - timedelta(days=1))


def the_card_is_removed(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
    SavedMethod.objects.update(state="removed")  # removing it in the portal would cancel what is scheduled


def it_becomes_too_large(autopay: AutoPayBuilder, invoice: LedgerInvoice) -> None:
    AutoPayLimit.objects.create(merchant=autopay.tenant.merchant, currency="AUD", maximum=invoice.due - 1)


def it_goes_to_another_company(autopay: AutoPayBuilder, invoice: LedgerInvoice) -> None:
    LedgerInvoice.objects.filter(pk=invoice.pk).update(company=autopay.tenant.company("Bayside Dental"))


def another_organisation_is_connected(autopay: AutoPayBuilder, _: LedgerInvoice) -> None:
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
    autopay: AutoPayBuilder, happens: Callable[[AutoPayBuilder, LedgerInvoice], None], state: str, words: str
) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    happens(autopay, invoice)
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is None
    found = autopay.get_scheduled(invoice)
    assert (found.state, words in found.reason) == (state, True), found.reason
    assert autopay.tenant.intents() == []


def test_a_missed_run_is_planned_anew_instead_of_charged_by_surprise(autopay: AutoPayBuilder) -> None:
    autopay.update_settings(schedules_past_due=True)
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice(due_in=-3)
    scheduled = autopay.plan_and_make_due(invoice)
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now() - timedelta(days=3))
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is None
    found = autopay.get_scheduled(invoice)
    assert found.state == "scheduled"
    assert found.run_at > timezone.now()


# ---- failures ---------------------------------------------------------------------------------------


def test_a_soft_failure_is_tried_again_with_growing_pauses_and_then_it_has_failed(autopay: AutoPayBuilder) -> None:
    autopay.update_settings(maximum_retries=2)
    autopay.create_mapping(autopay.save_card(DECLINING_CARD))
    invoice = autopay.create_invoice()
    scheduled = autopay.charge(invoice)
    pauses = []
    for _ in range(2):
        assert scheduled.state == "scheduled"
        pauses.append((scheduled.run_at.astimezone(autopay.tenant.merchant.zone).date() - autopay.today).days)
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now())
        charge_scheduled_payment(scheduled.pk, now=timezone.now())
        deliver_outbox()
        scheduled = autopay.get_scheduled(invoice)
    assert pauses == [1, 3]
    assert (scheduled.state, len(autopay.list_attempts(invoice))) == ("failed", 3)
    assert len({attempt.payment_id for attempt in autopay.list_attempts(invoice)}) == 1, "one payment, three tries"
    mails = [m for m in autopay.tenant.mails(PAYER) if "automatic payment" in m["subject"]]
    assert len(mails) == 3


def test_a_hard_failure_is_never_tried_again_and_the_secondary_method_pays(autopay: AutoPayBuilder) -> None:
    primary, secondary = autopay.save_card(DECLINING_CARD), autopay.save_card()
    autopay.create_mapping(primary, secondary)
    invoice = autopay.create_invoice()
    scheduled = autopay.plan_and_make_due(invoice)
    attempt = charge_scheduled_payment(scheduled.pk, now=timezone.now())
    assert attempt is not None
    type(attempt).objects.filter(pk=attempt.pk).update(failure_code="stolen_card")
    deliver_outbox()
    found = autopay.get_scheduled(invoice)
    assert (found.state, found.method_id) == ("settled", secondary.pk)
    assert [a.saved_method_id for a in autopay.list_attempts(invoice)] == [primary.pk, secondary.pk]
    assert autopay.tenant.total_charged() == invoice.total


def test_a_card_that_wants_its_payer_mails_a_link_that_pays_it(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card(AUTHENTICATION_CARD))
    invoice = autopay.create_invoice()
    scheduled = autopay.charge(invoice)
    assert scheduled.state == "failed"
    assert "link" in scheduled.reason
    [mail] = [m for m in autopay.tenant.mails(PAYER) if "automatic payment" in m["subject"]]
    assert scheduled.payment is not None
    [path] = re.findall(r"/i/\S+", mail["text"])
    assert Client().get(path)["Location"] == f"/pay/{scheduled.payment.reference}"


def test_a_debit_that_comes_back_for_want_of_funds_is_presented_twice_more_and_never_again(
    autopay: AutoPayBuilder,
) -> None:
    autopay.update_settings(maximum_retries=9)
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice()
    scheduled = autopay.charge(invoice)
    for presented in (1, 2, 3):
        assert (scheduled.state, scheduled.presentations) == ("pending", presented)
        autopay.settle(autopay.list_attempts(invoice)[-1], "failed", "insufficient_funds")
        scheduled = autopay.get_scheduled(invoice)
        if scheduled.state == "scheduled":
            ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=timezone.now())
            charge_scheduled_payment(scheduled.pk, now=timezone.now())
            deliver_outbox()
            scheduled = autopay.get_scheduled(invoice)
    assert (scheduled.state, len(autopay.list_attempts(invoice))) == ("failed", 3)


def test_a_debit_that_was_not_authorised_is_never_presented_again(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice()
    assert autopay.charge(invoice).state == "pending"
    autopay.settle(autopay.list_attempts(invoice)[0], "failed", "debit_not_authorized")
    assert autopay.get_scheduled(invoice).state == "failed"
