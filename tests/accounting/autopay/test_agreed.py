"""A quote's mapping charges what its payer agreed to at the checkout; for anything wider the payer is asked.

The card networks and Nacha ask that the amount, how often and how many times are agreed before a recurring charge
(docs.stripe.com, Save and reuse: "compliance"; Nacha, WEB debits: a standing authorisation names its amounts).
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment
from accounting.autopay.decisions import ChargePlan, plan_charge
from accounting.autopay.snapshots import AgreedPayments, InvoiceSnapshot, MappingSnapshot
from accounting.models import AutoPayMapping, AutoPaySettings, ScheduledPayment, UnmatchedInvoice
from payers.models import TermsAcceptance
from payments.models import SavedMethod
from payments.recurring import RecurringPart
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.accounting.autopay.test_decisions import INVOICE, MAPPING, NOW, build_context
from tests.accounting.autopay.test_mappings import accept_as_payer, pay_recurring_quote
from tests.tenants import Tenant, deliver_outbox
from wisepay.money import Money

QUOTE_DAY = date(2026, 3, 10)


def build_agreed(
    amount: int = 10_000,
    currency: str = "AUD",
    interval: str = "month",
    periods: int | None = 2,
    taken: dict[int, int] | None = None,
) -> MappingSnapshot:
    """A mapping of what was agreed with a quote on 10 March; `taken` are the numbers of other invoices."""
    part = RecurringPart(Money(amount, currency), interval, periods)
    agreed = AgreedPayments(part, QUOTE_DAY, dict(taken or {}))
    return MappingSnapshot(5, 7, None, 1, None, False, begins_on=QUOTE_DAY, agreed=agreed)


def build_invoice(pk: int = 1, *, total: int = 10_000, due: int | None = None, **changes: Any) -> InvoiceSnapshot:
    """An invoice of so much, all of it due on 20 March where nothing else is said."""
    base = {name: getattr(INVOICE, name) for name in InvoiceSnapshot.__slots__}
    return InvoiceSnapshot(**base | {"id": pk, "total": total, "due": total if due is None else due} | changes)


# What the payer agreed to, an invoice, and which of the agreed payments it is.
CLAIMS = {
    "exactly as agreed": (build_agreed(), build_invoice(), 1),
    "partly paid already": (build_agreed(), build_invoice(due=4_000), 1),
    "a cent more": (build_agreed(), build_invoice(total=10_001), None),
    "a cent less": (build_agreed(), build_invoice(total=9_999), None),
    "more, of which as much is left": (build_agreed(), build_invoice(total=50_000, due=10_000), None),
    "another currency": (build_agreed(currency="NZD"), build_invoice(), None),
    "the second one": (build_agreed(taken={7: 1}), build_invoice(), 2),
    "the one that it has already": (build_agreed(taken={7: 1, 1: 2}), build_invoice(), 2),
    "the first one, free again": (build_agreed(taken={7: 2}), build_invoice(), 1),
    "one more than agreed": (build_agreed(taken={7: 1, 8: 2}), build_invoice(), None),
    "without an end": (build_agreed(periods=None, taken={7: 1, 8: 2}), build_invoice(), 3),
    "a single one, again": (build_agreed(periods=1, taken={7: 1}), build_invoice(), None),
    "before the quote": (build_agreed(), build_invoice(issued_on=QUOTE_DAY - timedelta(days=1)), None),
}


@pytest.mark.parametrize(("mapping", "invoice", "number"), CLAIMS.values(), ids=list(CLAIMS))
def test_only_what_was_agreed_is_charged(
    mapping: MappingSnapshot, invoice: InvoiceSnapshot, number: int | None
) -> None:
    found = plan_charge(invoice, build_context(mapping), now=NOW)
    if number is None:
        assert not isinstance(found, ChargePlan)
        return
    assert isinstance(found, ChargePlan), found
    assert (found.mapping_id, found.agreed_number, found.amount) == (5, number, invoice.due)


# The interval, the number of the payment, and the first day in Sydney on which it is charged: never one sooner.
DAYS = [
    ("month", 1, date(2026, 3, 20)),  # the day that its term means
    ("month", 2, date(2026, 4, 10)),
    ("month", 13, date(2027, 3, 10)),
    ("week", 2, date(2026, 3, 20)),
    ("week", 4, date(2026, 3, 31)),
    ("quarter", 2, date(2026, 6, 10)),
    ("year", 2, date(2027, 3, 10)),
]


@pytest.mark.parametrize(("interval", "number", "day"), DAYS)
def test_no_payment_is_made_before_its_turn(interval: str, number: int, day: date) -> None:
    taken = {100 + before: before for before in range(1, number)}
    context = build_context(build_agreed(interval=interval, periods=None, taken=taken))
    found = plan_charge(build_invoice(), context, now=NOW)
    assert isinstance(found, ChargePlan), found
    assert found.run_at.astimezone(context.rules.zone).date() == day


def test_what_was_agreed_goes_before_what_is_wider_and_leaves_it_the_rest() -> None:
    context = build_context(MAPPING, build_agreed(periods=1))
    exact, other = build_invoice(), build_invoice(2, total=20_000)
    before = build_invoice(3, issued_on=QUOTE_DAY - timedelta(days=1))
    found = [plan_charge(one, context, now=NOW) for one in (exact, other, before)]
    assert [getattr(one, "mapping_id", None) for one in found] == [5, 1, 1]


def test_two_quotes_of_the_same_amount_are_two_payments_a_month() -> None:
    first, second = build_agreed(), replace(build_agreed(), id=6)
    context = build_context(first, second)
    for pk in range(1, 6):
        found = plan_charge(build_invoice(pk), context, now=NOW)
        if isinstance(found, ChargePlan) and found.agreed_number is not None:
            context.take_number(build_invoice(pk), found.mapping_id, found.agreed_number)
    assert [one.agreed and one.agreed.taken for one in (first, second)] == [{1: 1, 3: 2}, {2: 1, 4: 2}]


def accept_path(autopay: AutoPayBuilder, proposal: AutoPayMapping) -> str:
    return autopay.tenant.url(f"automatic-payments/proposals/{proposal.reference}/accept")


def accept_as_staff(autopay: AutoPayBuilder) -> AutoPayMapping:
    """Pay a quote that recurs, and accept what it proposes as the merchant."""
    pay_recurring_quote(autopay)
    proposal = AutoPayMapping.objects.get()
    assert autopay.tenant.admin.post(accept_path(autopay, proposal), {"confirmed": "on"}).status_code == 302
    proposal.refresh_from_db()
    assert proposal.state == "active"
    return proposal


def test_staff_accept_no_more_than_the_payer_was_shown(autopay: AutoPayBuilder) -> None:
    mapping = accept_as_staff(autopay)
    acceptance = mapping.acceptance
    assert acceptance is not None
    assert mapping.agreed is not None
    assert f"{mapping.agreed.money} {mapping.agreed.frequency}" in acceptance.shown
    others = [autopay.create_invoice(amount) for amount in (34_901, 34_899, 5_000, 1_200_000)]
    agreed = autopay.create_invoice()
    autopay.plan()
    assert [row.invoice for row in ScheduledPayment.objects.all()] == [agreed]
    listed = UnmatchedInvoice.objects.order_by("invoice")
    assert [row.invoice for row in listed] == others
    assert f"agreed to {mapping.agreed.money} {mapping.agreed.frequency} only" in listed[0].reason
    page = autopay.tenant.admin.get(autopay.tenant.url(f"payers/companies/{autopay.company.reference}/autopay"))
    assert "A$349.00 every month" in page.content.decode()
    assert "A$349.00 every month" in autopay.tenant.payer(PAYER).get("/my/autopay").content.decode()


def test_a_quote_that_makes_its_mapping_at_once_makes_it_no_wider(autopay: AutoPayBuilder) -> None:
    AutoPaySettings.objects.update(from_quotes="make")
    pay_recurring_quote(autopay)
    mapping = AutoPayMapping.objects.get(state="active")
    autopay.create_invoice(90_000)
    assert (mapping.agreed_amount, autopay.plan().created) == (34_900, 0)
    deliver_outbox()
    news = [mail["text"] for mail in autopay.tenant.mails(PAYER) if "switched on" in mail["subject"]]
    assert all("A$349.00 every month" in text and "all billing terms" not in text for text in news)


def test_a_payer_ends_what_the_quote_said_they_could(autopay: AutoPayBuilder, stranger: Tenant) -> None:
    mapping, payer = accept_as_staff(autopay), autopay.tenant.payer(PAYER)
    acceptance, path = mapping.acceptance, f"/my/autopay/{mapping.reference}/remove"
    assert acceptance is not None
    assert path in payer.get("/my/autopay").content.decode()
    agreed = autopay.create_invoice()
    autopay.plan()
    others = (stranger.payer("pay@other-it.example", company="Their Company"), autopay.tenant.admin)
    clerk = autopay.tenant.payer("clerk@harbourdental.example", scope="own")
    assert [client.post(path).status_code for client in (*others, clerk)] == [404, 404, 404]
    assert payer.post(path).status_code == 302
    deliver_outbox()
    mapping.refresh_from_db()
    assert (mapping.state, autopay.get_scheduled(agreed).state) == ("ended", "cancelled")


@pytest.mark.parametrize("scope", ["all", "term"])
def test_whatever_is_wider_waits_for_the_payer(autopay: AutoPayBuilder, scope: str) -> None:
    pay_recurring_quote(autopay)
    SavedMethod.objects.update(is_shared=True)
    proposal = AutoPayMapping.objects.get()
    fields = {"confirmed": "on", "includes_older": "on", "term": "all" if scope == "all" else autopay.term.reference}
    accepted = TermsAcceptance.objects.count()
    assert autopay.tenant.admin.post(accept_path(autopay, proposal), fields).status_code == 302
    asked = AutoPayMapping.objects.exclude(pk=proposal.pk).get()
    assert (asked.state, asked.asks_payer, asked.acceptance, asked.origin) == ("proposed", True, None, "merchant")
    invoice = autopay.create_invoice(90_000)
    assert autopay.plan().created == 0
    assert TermsAcceptance.objects.count() == accepted, "nobody accepts in the payer's name"
    deliver_outbox()
    assert any("proposes automatic payments" in mail["subject"] for mail in autopay.tenant.mails(PAYER))
    accept_as_payer(autopay, autopay.tenant.payer(PAYER))
    asked.refresh_from_db()
    assert (asked.state, asked.acceptance is not None) == ("active", True)
    autopay.plan()
    assert autopay.get_scheduled(invoice).mapping_id == asked.pk


@pytest.mark.parametrize("term", ["nobody", "all\0", "1", " "])
def test_a_term_that_is_none_widens_nothing(autopay: AutoPayBuilder, term: str) -> None:
    pay_recurring_quote(autopay)
    proposal = AutoPayMapping.objects.get()
    autopay.tenant.admin.post(accept_path(autopay, proposal), {"confirmed": "on", "term": term})
    autopay.create_invoice(90_000)
    assert (AutoPayMapping.objects.count(), autopay.plan().created) == (1, 0)


def test_a_method_that_its_owner_keeps_is_not_asked_for(autopay: AutoPayBuilder) -> None:
    pay_recurring_quote(autopay)
    SavedMethod.objects.update(is_shared=False)
    proposal = AutoPayMapping.objects.get()
    page = autopay.tenant.admin.post(accept_path(autopay, proposal), {"term": "all"}, follow=True)
    assert "Only a method that is shared with the company can be proposed." in page.content.decode()
    assert AutoPayMapping.objects.count() == 1


def test_no_more_payments_are_charged_than_were_agreed_whatever_runs_at_once(autopay: AutoPayBuilder) -> None:
    mapping = accept_as_staff(autopay)
    AutoPayMapping.objects.update(agreed_periods=2)
    invoices = [autopay.create_invoice() for _ in range(4)]
    autopay.plan()
    rows = list(ScheduledPayment.objects.order_by("pk"))
    assert [(row.invoice, row.agreed_number) for row in rows] == [(invoices[0], 1), (invoices[1], 2)]
    second_day = rows[1].run_at.astimezone(autopay.tenant.merchant.zone).date()
    assert mapping.begins_on is not None
    assert (second_day - mapping.begins_on).days >= 28
    # A worker that is wrong about the day, and one that planned another invoice as the same payment.
    ScheduledPayment.objects.filter(pk=rows[1].pk).update(run_at=timezone.now())
    charge_scheduled_payment(rows[1].pk, now=timezone.now())
    assert autopay.get_scheduled(invoices[1]).state == "held"
    with pytest.raises(IntegrityError, match="one_charge_per_agreed_payment"), transaction.atomic():
        ScheduledPayment.objects.filter(pk=rows[1].pk).update(agreed_number=1)
    charged = autopay.charge(invoices[0])
    assert (charged.state, charged.agreed_number) == ("settled", 1)
    autopay.plan()
    assert ScheduledPayment.objects.filter(invoice__in=invoices[2:]).count() == 0


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"agreed_amount": None}, "a_quote_charges_what_was_agreed"),
        ({"agreed_amount": 0}, "agreed_payments_are_whole"),
        ({"agreed_currency": ""}, "agreed_payments_are_whole"),
        ({"agreed_interval": ""}, "agreed_payments_are_whole"),
        ({"acceptance": None}, "agreed_payments_are_whole"),
        ({"begins_on": None}, "agreed_payments_are_whole"),
    ],
)
def test_the_database_keeps_a_quotes_mapping_within_its_acceptance(
    autopay: AutoPayBuilder, columns: dict[str, Any], constraint: str
) -> None:
    mapping = accept_as_staff(autopay)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        AutoPayMapping.objects.filter(pk=mapping.pk).update(**columns)


def test_strangers_accept_and_widen_nothing(autopay: AutoPayBuilder, stranger: Tenant) -> None:
    pay_recurring_quote(autopay)
    proposal = AutoPayMapping.objects.get()
    path = f"automatic-payments/proposals/{proposal.reference}/accept"
    for fields in ({"confirmed": "on"}, {"term": "all"}):
        assert stranger.admin.post(stranger.url(path), fields).status_code == 404
        assert stranger.admin.post(autopay.tenant.url(path), fields).status_code in (403, 404)
    assert AutoPayMapping.objects.get().state == "proposed"
