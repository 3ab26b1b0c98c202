"""Planning from the mirror: what is scheduled follows the invoices, and what matches nothing is listed."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_subatomic.db import transaction

from accounting.autopay.actions import (
    ActionNotPossible,
    cancel_scheduled_payment,
    requeue_scheduled_payment,
    resolve_scheduled_payment,
)
from accounting.autopay.planning import PlanningInProgress, plan_merchant_payments, planning_lease
from accounting.mirror.store import notify_mirror_listeners
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
from tests.accounting.autopay.builders import AutoPayBuilder, local_instant
from tests.concurrency import run_concurrently
from tests.payments.portal.factories import create_company
from tests.tenants import Tenant, deliver_outbox
from wisepay.models import StateChange


def change_invoice(invoice: LedgerInvoice, **columns: object) -> None:
    """Change the invoice in the mirror."""
    LedgerInvoice.objects.filter(pk=invoice.pk).update(**columns)


def test_an_invoice_is_scheduled_once_for_the_morning_of_its_due_date(autopay: AutoPayBuilder) -> None:
    card = autopay.save_card()
    mapping = autopay.create_mapping(card)
    invoice = autopay.create_invoice(34900, due_in=7)
    for _ in range(3):
        autopay.plan()
    [found] = ScheduledPayment.objects.all()
    assert found.run_at == local_instant(autopay.today + timedelta(days=7), tenant=autopay.tenant)
    assert (found.amount, found.method_id, found.mapping_id) == (34900, card.pk, mapping.pk)
    assert found.invoice_id == invoice.pk


def test_the_same_again_changes_nothing(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    autopay.create_invoice()
    autopay.create_invoice(term_id="theme-nobody")
    assert autopay.plan().created == 1
    again = autopay.plan()
    assert (again.created, again.updated, again.cancelled, again.unmatched) == (0, 0, 0, 0)


def test_a_changed_invoice_changes_what_is_scheduled_and_a_void_one_ends_it(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice(10000, due_in=9)
    autopay.plan()
    change_invoice(invoice, due=7000, due_on=autopay.today + timedelta(days=12))
    assert autopay.plan(ids=[invoice.pk]).updated == 1
    found = autopay.get_scheduled(invoice)
    assert (found.amount, found.run_at) == (
        7000,
        local_instant(autopay.today + timedelta(days=12), tenant=autopay.tenant),
    )
    change_invoice(invoice, status="voided", due=0)
    assert autopay.plan(ids=[invoice.pk]).cancelled == 1
    found = autopay.get_scheduled(invoice)
    assert (found.state, found.reason) == ("cancelled", "It was voided in the accounting package.")
    step = StateChange.objects.filter(subject="accounting.scheduledpayment", subject_id=found.pk).get()
    assert (step.from_state, step.to_state, step.by) == ("scheduled", "cancelled", "planning")
    change_invoice(invoice, status="open", due=7000)
    assert autopay.plan().created == 1, "what planning ended, planning may begin again"


def test_the_mirror_enqueues_planning_of_the_invoices_that_changed(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    first, second = autopay.create_invoice(), autopay.create_invoice()
    now = timezone.now()
    for _ in range(5):
        with transaction():
            notify_mirror_listeners(autopay.tenant.merchant, invoice_ids=[first.pk], now=now)
    deliver_outbox()
    assert ScheduledPayment.objects.filter(invoice=first).count() == 1
    assert not ScheduledPayment.objects.filter(invoice=second).exists()


def test_an_unmatched_invoice_is_listed_and_notified_once_until_it_matches(autopay: AutoPayBuilder) -> None:
    card = autopay.save_card()
    AutoPayLimit.objects.create(merchant=autopay.tenant.merchant, currency="AUD", maximum=50000)
    alone = autopay.create_invoice(company=create_company(autopay.tenant, "Nobody Pays"))
    large = autopay.create_invoice(60000)
    autopay.create_invoice(term_id="theme-nobody")
    autopay.create_mapping(card)
    for _ in range(2):
        autopay.plan()
    listed = dict(UnmatchedInvoice.objects.values_list("invoice", "code"))
    assert listed == {alone.pk: "unmatched", large.pk: "above_maximum"}
    assert Notification.objects.filter(event="autopay_unmatched").count() == 1
    assert ScheduledPayment.objects.count() == 0
    change_invoice(large, due=40000)
    change_invoice(alone, status="paid", due=0)
    autopay.plan()
    assert list(UnmatchedInvoice.objects.all()) == []
    assert autopay.get_scheduled(large).amount == 40000


def test_a_limit_of_one_currency_does_not_apply_to_another(autopay: AutoPayBuilder) -> None:
    for currency, most in (("AUD", 50000), ("JPY", 20000)):
        AutoPayLimit.objects.create(merchant=autopay.tenant.merchant, currency=currency, maximum=most)
    autopay.create_mapping(autopay.save_card())
    dollars, yen = autopay.create_invoice(30000), autopay.create_invoice(30000, currency="JPY")
    autopay.plan()
    assert autopay.get_scheduled(dollars).amount == 30000
    assert yen.unmatched.reason == "JP¥30,000 is above the maximum of JP¥20,000."


def test_a_keyword_in_the_reference_chooses_the_term_before_the_ledgers_own(autopay: AutoPayBuilder) -> None:
    mapping = autopay.create_mapping(autopay.save_card())
    monthly = autopay.add_term("Monthly", mode="day_of_month", days=28, keyword="AUTO_31%")
    LedgerTerm.objects.filter(billing_term=monthly).delete()
    named = autopay.create_invoice(term_id="theme-nobody", remark="PO 7, auto_31%.")
    others = [
        autopay.create_invoice(term_id="theme-nobody", remark=text) for text in ("AUTOX31%", "AUTO_31%X", "AUTO_31", "")
    ]
    both = autopay.create_invoice(remark="AUTO_31%")
    AutoPayMapping.objects.filter(pk=mapping.pk).update(term=monthly)
    autopay.plan()
    assert [
        autopay.get_scheduled(one).run_at.astimezone(autopay.tenant.merchant.zone).day for one in (named, both)
    ] == [28, 28]
    assert not ScheduledPayment.objects.filter(invoice__in=others).exists()
    change_invoice(named, remark="PO 7")
    autopay.plan()
    assert autopay.get_scheduled(named).state == "cancelled"


def test_connecting_another_company_cancels_what_was_scheduled_of_the_first_one(
    autopay: AutoPayBuilder,
) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice, loose = (
        autopay.create_invoice(),
        autopay.create_invoice(company=create_company(autopay.tenant, "Nobody Pays")),
    )
    autopay.plan()
    LinkedOrganisation.objects.filter(merchant=autopay.tenant.merchant).update(organisation_id="another")
    autopay.plan()
    assert autopay.get_scheduled(invoice).state == "cancelled"
    assert not UnmatchedInvoice.objects.filter(invoice=loose).exists()
    assert autopay.plan().created == 0
    LedgerTerm.objects.filter(merchant=autopay.tenant.merchant).update(organisation_id="another")
    fresh = autopay.create_invoice(organisation_id="another")
    autopay.plan()
    assert autopay.get_scheduled(fresh).state == "scheduled"


def test_a_mapping_that_ends_ends_what_it_scheduled(autopay: AutoPayBuilder) -> None:
    mapping = autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    autopay.plan()
    AutoPayMapping.objects.filter(pk=mapping.pk).update(state="ended")
    autopay.plan()
    assert autopay.get_scheduled(invoice).state == "cancelled"
    assert UnmatchedInvoice.objects.get().code == "unmatched"


def test_a_card_that_expires_before_the_day_gives_way_to_the_secondary(autopay: AutoPayBuilder) -> None:
    primary, secondary = autopay.save_card(), autopay.save_card("5555555555554444")
    autopay.create_mapping(primary, secondary)
    invoice = autopay.create_invoice(due_in=20)
    autopay.plan()
    assert autopay.get_scheduled(invoice).method_id == primary.pk
    SavedMethod.objects.filter(pk=primary.pk).update(expires_on=autopay.today + timedelta(days=10))
    autopay.plan()
    found = autopay.get_scheduled(invoice)
    assert found.method_id == secondary.pk
    assert "expired on" in found.reason


def test_a_method_that_the_term_does_not_take_is_put_on_hold_and_requeued_once_it_does(autopay: AutoPayBuilder) -> None:
    BillingTerm.objects.filter(pk=autopay.term.pk).update(takes_cards=False)
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    autopay.plan()
    found = autopay.get_scheduled(invoice)
    assert (found.state, found.reason) == ("held", "Card payments are not enabled for Net 7.")
    with pytest.raises(ActionNotPossible, match="Card payments are not enabled for Net 7"):
        requeue_scheduled_payment(found, by=autopay.tenant.user, now=timezone.now())
    BillingTerm.objects.filter(pk=autopay.term.pk).update(takes_cards=True)
    requeue_scheduled_payment(found, by=autopay.tenant.user, now=timezone.now())
    deliver_outbox()
    assert autopay.get_scheduled(invoice).state == "settled"


def test_what_a_person_cancelled_is_not_scheduled_again(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    autopay.plan()
    cancel_scheduled_payment(autopay.get_scheduled(invoice), by=autopay.tenant.user, now=timezone.now())
    autopay.plan()
    assert [one.state for one in ScheduledPayment.objects.filter(invoice=invoice)] == ["cancelled"]
    assert UnmatchedInvoice.objects.count() == 0


def test_a_settled_payment_is_not_charged_again_before_the_mirror_shows_it(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    invoice = autopay.create_invoice()
    autopay.charge(invoice)
    autopay.plan()
    assert [one.state for one in ScheduledPayment.objects.filter(invoice=invoice)] == ["settled"]


def test_a_resolved_failure_stays_resolved_and_its_link_pays_no_more(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice()
    autopay.charge(invoice)
    autopay.settle(autopay.list_attempts(invoice)[0], "failed", "account_closed")
    failed = autopay.get_scheduled(invoice)
    assert failed.state == "failed"
    resolve_scheduled_payment(failed, note="Paid by cheque", by=autopay.tenant.user, now=timezone.now())
    autopay.plan()
    found = autopay.get_scheduled(invoice)
    assert (found.pk, found.resolution, found.resolved_by) == (failed.pk, "Paid by cheque", autopay.tenant.user)
    assert found.payment is not None
    assert found.payment.state == "cancelled"


def test_terms_of_another_organisation_or_merchant_do_not_apply(autopay: AutoPayBuilder, stranger: Tenant) -> None:
    autopay.create_mapping(autopay.save_card())
    autopay.create_invoice(organisation_id="another")
    LedgerTerm.objects.update(term_id="theme-Net 7")
    foreign = LedgerInvoice.objects.create(
        merchant=stranger.merchant,
        organisation_id=autopay.organisation_id,
        ledger_id="x",
        contact_id="c",
        currency="AUD",
        total=100,
        due=100,
        status="open",
        term_id="theme-Net 7",
        changed_at=timezone.now(),
    )
    autopay.plan()
    plan_merchant_payments(stranger.merchant, now=timezone.now(), ids=[foreign.pk])
    assert ScheduledPayment.objects.count() == 0


def test_our_own_pf_invoices_are_never_scheduled(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    autopay.create_invoice(number="PF-0123456789ABCDEFGHJK")
    autopay.plan()
    assert ScheduledPayment.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_one_worker_plans_a_merchant_at_a_time(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    for _ in range(20):
        autopay.create_invoice()

    def work(_: int) -> bool:
        try:
            plan_merchant_payments(autopay.tenant.merchant, now=timezone.now())
        except PlanningInProgress:
            return False
        return True

    assert any(run_concurrently(4, work))
    assert ScheduledPayment.objects.count() == 20
    with planning_lease(autopay.tenant.merchant, now=timezone.now()):
        assert run_concurrently(1, work) == [False]
