"""Planning from the mirror: what is scheduled follows the invoices, and what matches nothing is listed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.autopay.acts import NotPossible, cancel_scheduled, mark_resolved, requeue
from accounting.autopay.planning import PlanningUnderWay, one_planner, plan_merchant
from accounting.mirror_events import mirror_changed
from accounting.models import (
    AutoPayLimit,
    AutoPayMapping,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
    UnmatchedInvoice,
)
from connections.models import LinkedOrganisation
from merchants.models import Notification
from payments.models import SavedMethod
from tests.accounting.autopay.stage import Stage, at
from tests.payments.portal_stage import company
from tests.people import House, drain_outbox
from tests.together import together
from wisepay.models import StateChange


def change(invoice: LedgerInvoice, **columns: object) -> None:
    """The books changed it."""
    LedgerInvoice.objects.filter(pk=invoice.pk).update(**columns)


def test_an_invoice_is_scheduled_once_for_the_morning_of_its_due_date(stage: Stage) -> None:
    card = stage.card()
    mapping = stage.map(card)
    invoice = stage.invoice(34900, due_in=7)
    for _ in range(3):
        stage.plan()
    [found] = ScheduledPayment.objects.all()
    assert found.run_at == at(stage.today + timedelta(days=7), house=stage.house)
    assert (found.amount, found.method_id, found.mapping_id) == (34900, card.pk, mapping.pk)
    assert found.invoice_id == invoice.pk


def test_the_same_again_changes_nothing(stage: Stage) -> None:
    stage.map(stage.card())
    stage.invoice()
    stage.invoice(term_id="theme-nobody")
    assert stage.plan().created == 1
    again = stage.plan()
    assert (again.created, again.altered, again.cancelled, again.unmatched) == (0, 0, 0, 0)


def test_a_changed_invoice_changes_what_is_scheduled_and_a_void_one_ends_it(stage: Stage) -> None:
    stage.map(stage.card())
    invoice = stage.invoice(10000, due_in=9)
    stage.plan()
    change(invoice, due=7000, due_on=stage.today + timedelta(days=12))
    assert stage.plan(ids=[invoice.pk]).altered == 1
    found = stage.scheduled(invoice)
    assert (found.amount, found.run_at) == (7000, at(stage.today + timedelta(days=12), house=stage.house))
    change(invoice, status="voided", due=0)
    assert stage.plan(ids=[invoice.pk]).cancelled == 1
    found = stage.scheduled(invoice)
    assert (found.state, found.reason) == ("cancelled", "It was voided in the accounting package.")
    step = StateChange.objects.filter(subject="accounting.scheduledpayment", subject_id=found.pk).get()
    assert (step.from_state, step.to_state, step.by) == ("scheduled", "cancelled", "planning")
    change(invoice, status="open", due=7000)
    assert stage.plan().created == 1, "what planning ended, planning may begin again"


def test_the_mirror_wakes_planning_for_the_invoices_that_changed(stage: Stage) -> None:
    stage.map(stage.card())
    first, second = stage.invoice(), stage.invoice()
    now = timezone.now()
    for _ in range(5):
        mirror_changed(stage.house.merchant, invoice_ids=[first.pk], now=now)
    drain_outbox()
    assert ScheduledPayment.objects.filter(invoice=first).count() == 1
    assert not ScheduledPayment.objects.filter(invoice=second).exists()


def test_an_invoice_that_matches_nothing_is_listed_and_told_once_until_it_matches(stage: Stage) -> None:
    card = stage.card()
    AutoPayLimit.objects.create(merchant=stage.house.merchant, currency="AUD", maximum=50000)
    alone = stage.invoice(company=company(stage.house, "Nobody Pays"))
    large = stage.invoice(60000)
    stage.invoice(term_id="theme-nobody")
    stage.map(card)
    for _ in range(2):
        stage.plan()
    listed = dict(UnmatchedInvoice.objects.values_list("invoice", "code"))
    assert listed == {alone.pk: "unmatched", large.pk: "above_maximum"}
    assert Notification.objects.filter(event="autopay_unmatched").count() == 1
    assert ScheduledPayment.objects.count() == 0
    change(large, due=40000)
    change(alone, status="paid", due=0)
    stage.plan()
    assert list(UnmatchedInvoice.objects.all()) == []
    assert stage.scheduled(large).amount == 40000


def test_a_limit_of_one_currency_says_nothing_of_another(stage: Stage) -> None:
    for currency, most in (("AUD", 50000), ("JPY", 20000)):
        AutoPayLimit.objects.create(merchant=stage.house.merchant, currency=currency, maximum=most)
    stage.map(stage.card())
    dollars, yen = stage.invoice(30000), stage.invoice(30000, currency="JPY")
    stage.plan()
    assert stage.scheduled(dollars).amount == 30000
    assert yen.unmatched.reason == "¥30,000 is above the maximum of ¥20,000."


def test_a_keyword_in_the_reference_chooses_the_term_whatever_the_books_say(stage: Stage) -> None:
    mapping = stage.map(stage.card())
    monthly = stage.add_term("Monthly", mode="day_of_month", days=28, keyword="AUTO_31%")
    LedgerTerm.objects.filter(billing_term=monthly).delete()
    named = stage.invoice(term_id="theme-nobody", remark="PO 7, auto_31%.")
    others = [stage.invoice(term_id="theme-nobody", remark=text) for text in ("AUTOX31%", "AUTO_31%X", "AUTO_31", "")]
    both = stage.invoice(remark="AUTO_31%")
    AutoPayMapping.objects.filter(pk=mapping.pk).update(term=monthly)
    stage.plan()
    assert [stage.scheduled(one).run_at.astimezone(stage.house.merchant.zone).day for one in (named, both)] == [28, 28]
    assert not ScheduledPayment.objects.filter(invoice__in=others).exists()
    change(named, remark="PO 7")
    stage.plan()
    assert stage.scheduled(named).state == "cancelled"


def test_another_company_is_connected_and_what_was_scheduled_of_the_first_one_is_over(stage: Stage) -> None:
    stage.map(stage.card())
    invoice, loose = stage.invoice(), stage.invoice(company=company(stage.house, "Nobody Pays"))
    stage.plan()
    LinkedOrganisation.objects.filter(merchant=stage.house.merchant).update(organisation_id="another")
    stage.plan()
    assert stage.scheduled(invoice).state == "cancelled"
    assert not UnmatchedInvoice.objects.filter(invoice=loose).exists()
    assert stage.plan().created == 0
    LedgerTerm.objects.filter(merchant=stage.house.merchant).update(organisation_id="another")
    fresh = stage.invoice(organisation_id="another")
    stage.plan()
    assert stage.scheduled(fresh).state == "scheduled"


def test_a_mapping_that_ends_ends_what_it_scheduled(stage: Stage) -> None:
    mapping = stage.map(stage.card())
    invoice = stage.invoice()
    stage.plan()
    AutoPayMapping.objects.filter(pk=mapping.pk).update(state="ended")
    stage.plan()
    assert stage.scheduled(invoice).state == "cancelled"
    assert UnmatchedInvoice.objects.get().code == "unmatched"


def test_a_card_that_expires_before_the_day_gives_way_to_the_secondary(stage: Stage) -> None:
    primary, secondary = stage.card(), stage.card("5555555555554444")
    stage.map(primary, secondary)
    invoice = stage.invoice(due_in=20)
    stage.plan()
    assert stage.scheduled(invoice).method_id == primary.pk
    SavedMethod.objects.filter(pk=primary.pk).update(expires_on=stage.today + timedelta(days=10))
    stage.plan()
    found = stage.scheduled(invoice)
    assert found.method_id == secondary.pk
    assert "expired on" in found.reason


def test_a_term_without_the_tick_holds_and_after_the_tick_it_is_requeued(stage: Stage) -> None:
    BillingTerm.objects.filter(pk=stage.term.pk).update(takes_cards=False)
    stage.map(stage.card())
    invoice = stage.invoice()
    stage.plan()
    found = stage.scheduled(invoice)
    assert (found.state, found.reason) == ("held", "Card payments are not enabled for Net 7.")
    with pytest.raises(NotPossible, match="Card payments are not enabled for Net 7"):
        requeue(found, by=stage.house.user, now=timezone.now())
    BillingTerm.objects.filter(pk=stage.term.pk).update(takes_cards=True)
    requeue(found, by=stage.house.user, now=timezone.now())
    drain_outbox()
    assert stage.scheduled(invoice).state == "settled"


def test_what_a_person_cancelled_is_not_scheduled_again(stage: Stage) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    stage.plan()
    cancel_scheduled(stage.scheduled(invoice), by=stage.house.user, now=timezone.now())
    stage.plan()
    assert [one.state for one in ScheduledPayment.objects.filter(invoice=invoice)] == ["cancelled"]
    assert UnmatchedInvoice.objects.count() == 0


def test_a_settled_payment_is_not_charged_again_before_the_mirror_shows_it(stage: Stage) -> None:
    stage.map(stage.card())
    invoice = stage.invoice()
    stage.charge(invoice)
    stage.plan()
    assert [one.state for one in ScheduledPayment.objects.filter(invoice=invoice)] == ["settled"]


def test_a_resolved_failure_stays_resolved_and_its_link_pays_no_more(stage: Stage) -> None:
    stage.map(stage.bank_account())
    invoice = stage.invoice()
    stage.charge(invoice)
    stage.say(stage.attempts(invoice)[0], "failed", "account_closed")
    failed = stage.scheduled(invoice)
    assert failed.state == "failed"
    mark_resolved(failed, note="Paid by cheque", by=stage.house.user, now=timezone.now())
    stage.plan()
    found = stage.scheduled(invoice)
    assert (found.pk, found.resolution, found.resolved_by) == (failed.pk, "Paid by cheque", stage.house.user)
    assert found.payment is not None
    assert found.payment.state == "cancelled"


def test_terms_of_another_organisation_or_merchant_mean_nothing_here(stage: Stage, stranger: House) -> None:
    stage.map(stage.card())
    stage.invoice(organisation_id="another")
    LedgerTerm.objects.update(term_id="theme-Net 7")
    foreign = LedgerInvoice.objects.create(
        merchant=stranger.merchant,
        organisation_id=stage.organisation_id,
        ledger_id="x",
        contact_id="c",
        currency="AUD",
        total=100,
        due=100,
        status="open",
        term_id="theme-Net 7",
        changed_at=timezone.now(),
    )
    stage.plan()
    plan_merchant(stranger.merchant, now=timezone.now(), ids=[foreign.pk])
    assert ScheduledPayment.objects.count() == 0


def test_our_own_pf_invoices_are_never_scheduled(stage: Stage) -> None:
    stage.map(stage.card())
    stage.invoice(number="PF-0123456789ABCDEFGHJK")
    stage.plan()
    assert ScheduledPayment.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_one_worker_plans_a_merchant_at_a_time(stage: Stage) -> None:
    stage.map(stage.card())
    for _ in range(20):
        stage.invoice()

    def work(_: int) -> bool:
        try:
            plan_merchant(stage.house.merchant, now=timezone.now())
        except PlanningUnderWay:
            return False
        return True

    assert any(together(4, work))
    assert ScheduledPayment.objects.count() == 20
    with one_planner(stage.house.merchant):
        assert together(1, work) == [False]
