"""Reading what decisions need: a merchant's rules, and invoices with what is scheduled of them, in bulk."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from accounting.autopay.snapshots import (
    AgreedPayments,
    AutoPayRules,
    CurrentSchedule,
    DecisionContext,
    InvoiceSnapshot,
    MappingSnapshot,
    MethodSnapshot,
    ScheduledCharge,
    TermKey,
    TermSnapshot,
)
from accounting.invoices.balances import InvoiceBalance, list_unconfirmed_allocations
from accounting.models import (
    LIVE_SCHEDULED,
    AutoPayLimit,
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
)
from accounting.posting.services import PF_INVOICE_PATTERN
from connections.models import LinkedOrganisation
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import GatewayAccount, SavedMethod, describe_method

CHUNK_SIZE = 20_000
# What other systems say of a merchant's open invoices, of all companies (None) or of those with these keys: the billing
# term of each by the invoice's id, None for none.
InvoiceTermSource = Callable[[Merchant, Sequence[int] | None], Mapping[int, int | None]]
INVOICE_TERM_SOURCES: list[InvoiceTermSource] = []
LIKE_SPECIALS, ESCAPED = re.compile(r"([\\%_])"), r"\\\1"

# OFFSET 0 keeps PostgreSQL from scanning all scheduled payments backwards for each invoice, which it does to find
# the newest one while it has no statistics of a table that grows.
INVOICES_SQL = """
SELECT i.id, i.company_id, i.currency, i.status, i.due,
       EXISTS (SELECT FROM accounting_paymentallocation WHERE invoice_id = i.id),
       i.issued_on, i.due_on, i.organisation_id, i.term_id,
       s.id, s.state, s.amount, s.run_at, s.mapping_id, s.method_id, s.payment_id IS NOT NULL, s.resolved_by_id,
       u.code, i.remark, i.total, s.agreed_number
FROM accounting_ledgerinvoice i
LEFT JOIN LATERAL (
    SELECT * FROM (SELECT * FROM accounting_scheduledpayment WHERE invoice_id = i.id OFFSET 0) mine
    ORDER BY id DESC LIMIT 1
) s ON true
LEFT JOIN accounting_unmatchedinvoice u ON u.invoice_id = i.id
WHERE i.merchant_id = %(merchant)s AND i.id > %(after)s AND i.number !~ %(ours)s
    AND (%(ids)s::bigint[] IS NULL OR i.id = ANY(%(ids)s))
    AND (i.status = 'open' AND i.due > 0
         AND (i.term_id = ANY(%(terms)s) OR i.remark ILIKE ANY(%(keywords)s) OR i.id = ANY(%(named)s::bigint[]))
         OR s.state = ANY(%(scheduled)s) OR u.id IS NOT NULL)
ORDER BY i.id LIMIT %(chunk)s
"""


def register_invoice_terms[F: InvoiceTermSource](source: F) -> F:
    """Let an upper floor say under which billing terms invoices are, before the ledger's own terms."""
    INVOICE_TERM_SOURCES.append(source)
    return source


@dataclass(frozen=True, slots=True)
class PlanningInput:
    """One invoice, its newest scheduled payment, and the code under which it is listed as unmatched."""

    invoice: InvoiceSnapshot
    current: CurrentSchedule | None
    unmatched_code: str


def list_planning_inputs(
    merchant: Merchant, context: DecisionContext, *, ids: Sequence[int] | None = None
) -> Iterator[list[PlanningInput]]:
    """Read every invoice that a decision could be about, of all or of those with these ids, in chunks by id.

    Two statements a chunk; one chunk is in memory at a time.
    """
    after = 0
    params = {
        "merchant": merchant.pk,
        "ids": None if ids is None else list(ids),
        "terms": sorted({term_id for _, term_id in context.terms}),
        "named": sorted(key for key, term in context.named_terms.items() if term is not None),
        "keywords": [f"%{LIKE_SPECIALS.sub(ESCAPED, term.keyword)}%" for term in context.keywords],
        "scheduled": list(LIVE_SCHEDULED),
        "ours": PF_INVOICE_PATTERN,
        "chunk": CHUNK_SIZE,
    }
    while True:
        with connection.cursor() as cursor:
            cursor.execute(INVOICES_SQL, params | {"after": after})
            rows = cursor.fetchall()
        if not rows:
            return
        after = rows[-1][0]
        in_flight = get_in_flight_amounts([row[0] for row in rows if row[5]])
        yield [parse_planning_input(row, in_flight.get(row[0], 0)) for row in rows]
        if len(rows) < CHUNK_SIZE:
            return


def parse_planning_input(row: Sequence[Any], in_flight: int) -> PlanningInput:
    """Parse a row of INVOICES_SQL; `in_flight` is the amount of the invoice that is being paid."""
    pk, company_id, currency, status, due, _, issued_on, due_on, organisation_id, term_id, *rest = row
    key = (organisation_id, term_id)
    number, state, amount, run_at, mapping_id, method_id, was_charged, person, unmatched, remark, total, agreed = rest
    invoice = InvoiceSnapshot(pk, company_id, currency, status, due, in_flight, issued_on, due_on, key, remark, total)
    current = None
    if number is not None:
        is_resolved = person is not None
        current = CurrentSchedule(
            number, state, amount, run_at, mapping_id, method_id, was_charged, is_resolved, agreed
        )
    return PlanningInput(invoice, current, unmatched or "")


def get_in_flight_amounts(ids: Sequence[int]) -> dict[int, int]:
    """The amount of each invoice that is being paid, or was paid and is not in the mirror yet."""
    found: dict[int, int] = {}
    for invoice_id, amount in list_unconfirmed_allocations(ids).values_list("invoice", "amount") if ids else ():
        found[invoice_id] = found.get(invoice_id, 0) + amount
    return found


def build_invoice_snapshot(invoice: LedgerInvoice, balance: InvoiceBalance) -> InvoiceSnapshot:
    """Build what a decision needs of one invoice; `balance` leaves the scheduled payment's own payment out."""
    return InvoiceSnapshot(
        id=invoice.pk,
        company_id=invoice.company_id,
        currency=invoice.currency,
        status=invoice.status,
        due=invoice.due,
        in_flight=balance.in_flight + balance.unconfirmed,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        term_key=(invoice.organisation_id, invoice.term_id),
        remark=invoice.remark,
        total=invoice.total,
    )


def build_scheduled_charge(scheduled: ScheduledPayment, *, is_reset: bool = False) -> ScheduledCharge:
    """Build what a decision needs of a scheduled payment: as it was planned, or reset to what is due now.

    A bank's count of presentments is never reset.
    """
    return ScheduledCharge(
        method_id=scheduled.method_id,
        presentations=scheduled.presentations,
        first_presented_at=scheduled.first_presented_at,
        maximum_amount=None if is_reset else scheduled.amount,
        mapping_id=None if is_reset else scheduled.mapping_id,
    )


def get_decision_context(merchant: Merchant, *, companies: Sequence[int] | None = None) -> DecisionContext:
    """Read the merchant's rules, terms, mappings and methods, of all companies or of some.

    Eight statements, and one more where something was agreed with a quote.
    """
    mappings = get_mappings_by_company(merchant, companies)
    account = GatewayAccount.find_current(merchant)
    link = LinkedOrganisation.objects.filter(merchant=merchant).first()
    return DecisionContext(
        rules=get_rules(merchant, takes_debits=bool(account and account.takes_bank_debits)),
        terms=get_terms_by_key(merchant),
        mappings=mappings,
        methods=get_methods_by_id(mappings, account),
        keywords=list_keyword_terms(merchant),
        organisation_id=link.organisation_id if link else None,
        named_terms=get_named_terms(
            merchant, {key: pk for source in INVOICE_TERM_SOURCES for key, pk in source(merchant, companies).items()}
        ),
    )


def get_named_terms(merchant: Merchant, chosen: Mapping[int, int | None]) -> dict[int, TermSnapshot | None]:
    """The billing term of each invoice that another system says one of; one that was removed charges nothing."""
    ids = {pk for pk in chosen.values() if pk is not None}
    rows = BillingTerm.objects.filter(merchant=merchant, is_active=True, pk__in=ids) if ids else []
    terms = {row.pk: build_term_snapshot(row) for row in rows}
    return {key: terms.get(pk) if pk is not None else None for key, pk in chosen.items()}


def get_rules(merchant: Merchant, *, takes_debits: bool) -> AutoPayRules:
    """The settings as decisions need them."""
    chosen = AutoPaySettings.get_or_default(merchant)
    return AutoPayRules(
        zone=merchant.zone,
        delay=timedelta(hours=chosen.processing_delay_hours),
        notice_days=chosen.notice_days,
        schedules_past_due=chosen.schedules_past_due,
        maximum_days_past_due=chosen.maximum_days_past_due,
        limits=AutoPayLimit.get_by_currency(merchant),
        takes_debits=takes_debits,
    )


def is_paused(merchant: Merchant) -> bool:
    """Whether nothing of this merchant's is charged now: automatic payments, or all payments, are switched off."""
    rows = AutoPaySettings.objects.filter(merchant=merchant, is_enabled=True, merchant__takes_payments=True)
    return not rows.exists()


def get_terms_by_key(merchant: Merchant) -> dict[TermKey, TermSnapshot]:
    """The active billing terms, by the ledger's terms that they cover."""
    rows = LedgerTerm.objects.filter(merchant=merchant, billing_term__is_active=True).select_related("billing_term")
    return {
        (row.organisation_id, row.term_id): build_term_snapshot(row.billing_term) for row in rows if row.billing_term
    }


def list_keyword_terms(merchant: Merchant) -> list[TermSnapshot]:
    """The active billing terms that a reference can name, the longest keyword first."""
    rows = BillingTerm.objects.filter(merchant=merchant, is_active=True).exclude(keyword="")
    return sorted(map(build_term_snapshot, rows), key=lambda term: (-len(term.keyword), term.id))


def build_term_snapshot(term: BillingTerm) -> TermSnapshot:
    """A billing term as decisions need it."""
    return TermSnapshot(
        id=term.pk,
        name=term.name,
        is_real_time=term.processing == BillingTerm.Processing.REAL_TIME,
        mode=term.mode,
        days=term.days,
        takes_cards=term.takes_cards,
        takes_debits=term.takes_debits,
        keyword=term.keyword,
    )


def get_mappings_by_company(merchant: Merchant, companies: Sequence[int] | None) -> dict[int, list[MappingSnapshot]]:
    """The active mappings by company."""
    rows = AutoPayMapping.objects.filter(merchant=merchant, state="active")
    rows = rows if companies is None else rows.filter(company__in=companies)
    mappings = list(rows.order_by("pk"))
    taken = get_taken_numbers([mapping.pk for mapping in mappings if mapping.agreed is not None])
    found: dict[int, list[MappingSnapshot]] = {}
    for mapping in mappings:
        found.setdefault(mapping.company_id, []).append(build_mapping_snapshot(mapping, taken.get(mapping.pk, {})))
    return found


def build_mapping_snapshot(mapping: AutoPayMapping, taken: dict[int, int]) -> MappingSnapshot:
    """A mapping as decisions need it; `taken` are the numbers of its agreed payments, by the invoice that has each."""
    agreed = None
    if mapping.agreed is not None and mapping.begins_on is not None:
        agreed = AgreedPayments(mapping.agreed, mapping.begins_on, taken)
    return MappingSnapshot(
        id=mapping.pk,
        company_id=mapping.company_id,
        term_id=mapping.term_id,
        primary_id=mapping.primary_method_id,
        secondary_id=mapping.secondary_method_id,
        is_from_payer=mapping.origin == AutoPayMapping.Origin.PAYER,
        begins_on=mapping.begins_on,
        agreed=agreed,
    )


def get_taken_numbers(mapping_ids: Sequence[int]) -> dict[int, dict[int, int]]:
    """Of each mapping the numbers of its agreed payments that are scheduled, were made or failed, by their invoice."""
    found: dict[int, dict[int, int]] = {}
    rows = ScheduledPayment.objects.filter(mapping__in=mapping_ids, agreed_number__isnull=False)
    columns = ("mapping_id", "invoice_id", "agreed_number")
    for mapping_id, invoice_id, number in rows.exclude(state="cancelled").values_list(*columns) if mapping_ids else ():
        found.setdefault(mapping_id, {})[invoice_id] = number
    return found


def get_methods_by_id(
    mappings: dict[int, list[MappingSnapshot]], account: GatewayAccount | None
) -> dict[int, MethodSnapshot]:
    """The methods that these mappings name, as far as the merchant's gateway account has them."""
    ids = {mapping.primary_id for group in mappings.values() for mapping in group}
    ids |= {m.secondary_id for group in mappings.values() for m in group if m.secondary_id is not None}
    if not ids or account is None:
        return {}
    rows = SavedMethod.objects.filter(account=account, pk__in=ids)
    columns = ("pk", "kind", "brand", "last4", "state", "expires_on")
    return {
        pk: MethodSnapshot(pk, kind, describe_method(kind, brand, last4) or str(pk), state == "active", expires_on)
        for pk, kind, brand, last4, state, expires_on in rows.values_list(*columns)
    }


def list_company_ids(merchant: Merchant, ids: Sequence[int]) -> list[int]:
    """The companies whose invoices these are."""
    rows = PayerCompany.objects.filter(merchant=merchant, ledgerinvoices__in=ids)
    return list(rows.values_list("pk", flat=True).distinct())
