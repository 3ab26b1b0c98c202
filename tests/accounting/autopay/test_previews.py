"""Nothing is charged that nobody was shown, and nothing older than its mapping without a tick.

Nacha's rules and the card networks ask that a payer knows of a charge before it is made (docs.stripe.com, ACH Direct
Debit, mandates; Save and reuse): what nobody foresaw comes back as a dispute.
"""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from accounting.autopay.mappings import create_mapping_from_payment
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm, LedgerTerm, ScheduledPayment
from connections.models import LinkedOrganisation
from payments.models import GatewayAccount
from tests.accounting.autopay.builders import DECLINING_CARD, PAYER, AutoPayBuilder
from tests.accounting.autopay.test_mappings import accept_as_payer, pay_recurring_quote, post_as_merchant
from tests.tenants import deliver_outbox
from wisepay.models import AuditEntry


def propose(autopay: AutoPayBuilder) -> tuple[AutoPayMapping, str]:
    """A quote's proposal, and the path that accepts it."""
    payment = pay_recurring_quote(autopay)
    create_mapping_from_payment(payment, now=payment.paid_at)
    proposal = AutoPayMapping.objects.get()
    return proposal, autopay.tenant.url(f"automatic-payments/proposals/{proposal.reference}/accept")


def get_yesterday(autopay: AutoPayBuilder) -> date:
    return autopay.today - timedelta(days=1)


def propose_last_month(autopay: AutoPayBuilder) -> tuple[AutoPayMapping, str]:
    """A proposal of a quote that was paid some weeks ago."""
    proposal, path = propose(autopay)
    AutoPayMapping.objects.update(begins_on=autopay.today - timedelta(days=40))
    return proposal, path


def test_accepting_shows_what_is_charged_and_when_and_leaves_older_invoices_alone(autopay: AutoPayBuilder) -> None:
    _, path = propose_last_month(autopay)
    older = autopay.create_invoice(issued_on=get_yesterday(autopay))
    fresh = autopay.create_invoice()
    page = autopay.tenant.admin.post(path).content.decode()
    for invoice in (fresh, older):
        assert invoice.number in page
    assert "A$349.00 in all" in page
    assert "Also charge 1 invoice written before today, A$349.00 in all" in page
    deliver_outbox()
    assert not ScheduledPayment.objects.exists(), "showing charges nothing"
    assert AutoPayMapping.objects.get().state == "proposed"
    assert autopay.tenant.admin.post(path, {"confirmed": "on"}).status_code == 302
    deliver_outbox()
    assert [row.invoice for row in ScheduledPayment.objects.all()] == [fresh]
    assert (
        "older than its Auto-Pay mapping"
        in autopay.tenant.admin.get(autopay.tenant.url("automatic-payments/unmatched")).content.decode()
    )


def test_what_is_shown_is_charged_at_the_present_account(autopay: AutoPayBuilder) -> None:
    merchant = autopay.tenant.merchant
    GatewayAccount.objects.create(
        pk=0, merchant=merchant, stripe_account_id="acct_former", publishable_key="pk_test_1", secret_key="sk_test_1"
    )
    _, path = propose(autopay)
    invoice = autopay.create_invoice()
    page = autopay.tenant.admin.post(path).content.decode()
    assert invoice.number in page
    assert "A$349.00 in all" in page


def test_older_invoices_are_charged_where_that_was_ticked(autopay: AutoPayBuilder) -> None:
    proposal, path = propose_last_month(autopay)
    older = autopay.create_invoice(issued_on=get_yesterday(autopay))
    before_the_quote = autopay.create_invoice(issued_on=autopay.today - timedelta(days=41))
    assert before_the_quote.number not in autopay.tenant.admin.post(path).content.decode()
    autopay.tenant.admin.post(path, {"confirmed": "on", "includes_older": "on"})
    deliver_outbox()
    assert [row.invoice for row in ScheduledPayment.objects.all()] == [older]
    proposal.refresh_from_db()
    assert proposal.begins_on == autopay.today - timedelta(days=40)
    assert AuditEntry.objects.get(action="autopay.proposal_accepted").detail == "Older invoices too"


def test_nothing_is_charged_of_before_the_day_that_the_quote_named(autopay: AutoPayBuilder) -> None:
    """docs.stripe.com, Save and reuse: the customer agrees to when payments begin."""
    _, path = propose(autopay)
    starts_on = autopay.today + timedelta(days=20)
    AutoPayMapping.objects.update(begins_on=starts_on)
    early = autopay.create_invoice()
    assert early.number not in autopay.tenant.admin.post(path).content.decode()
    autopay.tenant.admin.post(path, {"confirmed": "on"})
    deliver_outbox()
    assert (AutoPayMapping.objects.get().begins_on, ScheduledPayment.objects.count()) == (starts_on, 0)


def test_a_mapping_that_takes_anothers_place_goes_on_with_its_invoices(autopay: AutoPayBuilder) -> None:
    card, payer = autopay.save_card(), autopay.tenant.payer(PAYER)
    before = autopay.create_mapping(card)
    AutoPayMapping.objects.update(begins_on=get_yesterday(autopay))
    older = autopay.create_invoice(40_000, issued_on=get_yesterday(autopay))
    post_as_merchant(autopay, primary=card.pk)
    accept_as_payer(autopay, payer)
    deliver_outbox()
    mapping = AutoPayMapping.objects.get(state="active")
    assert (mapping.pk != before.pk, mapping.begins_on) == (True, get_yesterday(autopay))
    assert autopay.get_scheduled(older).mapping_id == mapping.pk


def test_saving_a_term_shows_first_what_it_will_charge(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    LedgerTerm.objects.update(billing_term=None)
    BillingTerm.objects.update(is_active=False)
    invoice = autopay.create_invoice(12_300)
    covered = LedgerTerm.objects.get(term_id=invoice.term_id)
    form: dict[str, Any] = {"name": "Anew", "processing": "real_time", "mode": "due_date", "days": "0"}
    form |= {"takes_cards": "on", "covers": [covered.pk]}
    path = autopay.tenant.url("configure/automatic-payments/terms/add")
    page = autopay.tenant.admin.post(path, form)
    assert page.status_code == 200
    assert invoice.number in page.content.decode()
    assert not BillingTerm.objects.filter(name="Anew").exists()
    assert autopay.tenant.admin.post(path, form | {"confirmed": "on"}).status_code == 302
    deliver_outbox()
    assert autopay.get_scheduled(invoice).amount == 12_300


def test_switching_on_shows_first_what_it_will_charge(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    AutoPaySettings.objects.update(is_enabled=False)
    invoice = autopay.create_invoice(12_300)
    autopay.plan()
    assert not ScheduledPayment.objects.exists()
    form = {"is_enabled": "on", "processing_delay_hours": "0", "notice_days": "0", "maximum_retries": "3"}
    form |= {"maximum_days_past_due": "30", "from_quotes": "propose"}
    path = autopay.tenant.url("configure/automatic-payments/")
    page = autopay.tenant.admin.post(path, form)
    assert page.status_code == 200
    assert invoice.number in page.content.decode()
    assert not AutoPaySettings.objects.get().is_enabled
    assert autopay.tenant.admin.post(path, form | {"confirmed": "on"}).status_code == 302
    deliver_outbox()
    assert autopay.get_scheduled(invoice).amount == 12_300
    assert timezone.now() - autopay.get_scheduled(invoice).created_at < timedelta(minutes=5)


def test_the_pause_after_a_decline_outlives_a_change_of_company(autopay: AutoPayBuilder) -> None:
    BillingTerm.objects.update(processing="real_time")
    autopay.update_settings(notice_days=0)
    autopay.create_mapping(autopay.save_card(DECLINING_CARD))
    invoice = autopay.create_invoice(12_300)
    declined = autopay.charge(invoice)
    assert (declined.state, declined.tries) == ("scheduled", 1)
    assert declined.run_at > timezone.now() + timedelta(hours=1)
    links = LinkedOrganisation.objects.filter(merchant=autopay.tenant.merchant)
    links.update(organisation_id="another")
    autopay.plan()
    assert autopay.get_scheduled(invoice).state == "cancelled"
    links.update(organisation_id=autopay.organisation_id)
    autopay.plan()
    again = autopay.get_scheduled(invoice)
    assert (again.state, again.tries, again.presentations) == ("scheduled", 1, declined.presentations)
    assert again.run_at == declined.run_at, "the networks' rules count from the decline, whatever was connected since"
