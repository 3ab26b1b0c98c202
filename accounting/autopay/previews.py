"""What a change of automatic payments would charge that is not scheduled yet, and when; nothing is written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from accounting.autopay.claims import is_older
from accounting.autopay.decision_context import (
    build_mapping_snapshot,
    build_term_snapshot,
    get_decision_context,
    get_methods_by_id,
    get_named_terms,
    list_planning_inputs,
)
from accounting.autopay.decisions import ChargePlan
from accounting.autopay.planning import CreateSchedule, find_schedule_change, plan_in_turn
from accounting.autopay.snapshots import DecisionContext
from accounting.models import AutoPayMapping, BillingTerm, LedgerInvoice, LedgerTerm
from merchants.models import Merchant
from payments.models import GatewayAccount
from wisepay.clock import get_local_date
from wisepay.money import Money

MAX_ROWS = 100


@dataclass(frozen=True, slots=True)
class PreviewedCharge:
    """An invoice that would be charged; `is_older` than the mapping, so that it is charged only if that is ticked."""

    invoice: LedgerInvoice
    money: Money
    run_at: datetime
    method: str
    is_older: bool = False


@dataclass(frozen=True, slots=True)
class ChargePreview:
    """The first of what would be charged by day, and how much in each currency."""

    rows: list[PreviewedCharge]

    @property
    def current(self) -> list[PreviewedCharge]:
        """What would be charged at any rate."""
        return [row for row in self.rows if not row.is_older]

    @property
    def older(self) -> list[PreviewedCharge]:
        """What would be charged only if it is ticked."""
        return [row for row in self.rows if row.is_older]

    @property
    def shown(self) -> list[PreviewedCharge]:
        """As many rows as a page shows."""
        return self.current[:MAX_ROWS]

    @property
    def shown_older(self) -> list[PreviewedCharge]:
        """As many older rows as a page shows."""
        return self.older[:MAX_ROWS]

    @property
    def sums(self) -> list[Money]:
        """What would be charged at any rate, by currency."""
        return sum_charges(self.current)

    @property
    def older_sums(self) -> list[Money]:
        """What would be charged besides if it is ticked, by currency."""
        return sum_charges(self.older)


def sum_charges(rows: Sequence[PreviewedCharge]) -> list[Money]:
    """The amounts by currency."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.money.currency] = found.get(row.money.currency, 0) + row.money.amount
    return [Money(amount, currency) for currency, amount in sorted(found.items())]


def list_mapping_charges(mapping: AutoPayMapping, *, now: datetime) -> ChargePreview:
    """What a quote's proposal would charge once it is accepted."""
    merchant, company = mapping.merchant, mapping.company
    context = get_decision_context(merchant, companies=[company.pk])
    mappings = {company.pk: [*context.mappings.get(company.pk, []), build_mapping_snapshot(mapping, {})]}
    account = GatewayAccount.find_current(merchant)
    context = replace(context, mappings=mappings, methods=get_methods_by_id(mappings, account))
    ids = list(LedgerInvoice.objects.filter(company=company, status="open", due__gt=0).values_list("pk", flat=True))
    begins_on = get_local_date(now, merchant.zone)
    return list_new_charges(merchant, context, ids=ids, mapping_id=mapping.pk, begins_on=begins_on, now=now)


def list_term_charges(
    merchant: Merchant, term: BillingTerm | None, *, covers: Collection[LedgerTerm], now: datetime, **columns: Any
) -> ChargePreview:
    """What a billing term would charge once it is saved with these columns."""
    context = get_decision_context(merchant)
    draft = BillingTerm(pk=term.pk if term else 0, merchant=merchant, **columns)
    snapshot = build_term_snapshot(draft)
    terms = {key: one for key, one in context.terms.items() if one.id != draft.pk}
    terms |= {(one.organisation_id, one.term_id): snapshot for one in covers}
    keywords = [one for one in context.keywords if one.id != draft.pk] + ([snapshot] if draft.keyword else [])
    keywords.sort(key=lambda one: (-len(one.keyword), one.id))
    named = {key: snapshot if one and one.id == draft.pk else one for key, one in context.named_terms.items()}
    return list_new_charges(merchant, replace(context, terms=terms, keywords=keywords, named_terms=named), now=now)


def list_named_charges(merchant: Merchant, chosen: Mapping[int, int | None], *, now: datetime) -> ChargePreview:
    """What would be charged once another system's invoices are under these billing terms, None for none."""
    context = replace(get_decision_context(merchant), named_terms=get_named_terms(merchant, chosen))
    return list_new_charges(merchant, context, now=now)


def list_charges_once_enabled(merchant: Merchant, *, now: datetime, **chosen: Any) -> ChargePreview:
    """What would be charged once automatic payments are switched on with these settings."""
    context = get_decision_context(merchant)
    rules = replace(
        context.rules,
        delay=timedelta(hours=chosen["processing_delay_hours"]),
        notice_days=chosen["notice_days"],
        schedules_past_due=chosen["schedules_past_due"],
        maximum_days_past_due=chosen["maximum_days_past_due"],
        limits={**context.rules.limits, **chosen["limits"]},
    )
    return list_new_charges(merchant, replace(context, rules=rules), now=now)


def list_new_charges(
    merchant: Merchant,
    context: DecisionContext,
    *,
    now: datetime,
    ids: Sequence[int] | None = None,
    mapping_id: int | None = None,
    begins_on: date | None = None,
) -> ChargePreview:
    """What would be scheduled anew, by day; of one mapping if it is given, which begins on that day."""
    plans: dict[int, ChargePlan] = {}
    for chunk in list_planning_inputs(merchant, context, ids=ids):
        for planned, decision in plan_in_turn(chunk, context, now=now):
            change = find_schedule_change(planned.current, decision, now=now)
            if isinstance(change, CreateSchedule) and mapping_id in (None, change.plan.mapping_id):
                plans[planned.invoice.id] = change.plan
    invoices = LedgerInvoice.objects.select_related("company").in_bulk(list(plans))
    rows = [
        PreviewedCharge(
            invoice=invoices[key],
            money=Money(plan.amount, invoices[key].currency),
            run_at=plan.run_at,
            method=context.methods[plan.method_id].label,
            is_older=is_older(invoices[key].issued_on, begins_on),
        )
        for key, plan in plans.items()
    ]
    return ChargePreview(sorted(rows, key=lambda row: (row.run_at, row.invoice.pk)))
