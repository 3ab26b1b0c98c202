"""Reading what decisions stand on: a merchant's rulebook, and invoices with what is scheduled of them, in bulk."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from accounting.autopay.comparing import Standing
from accounting.autopay.deciding import InvoiceFacts, MappingFacts, MethodFacts, Rulebook, Rules, TermFacts, TermKey
from accounting.autopay.settings import limits_of, settings_of
from accounting.invoice_room import holding_shares
from accounting.models import LIVE_SCHEDULED, AutoPayMapping, AutoPaySettings, BillingTerm, LedgerTerm
from accounting.numbers import PF_INVOICE
from connections.models import LinkedOrganisation
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import GatewayAccount, SavedMethod, described_method

CHUNK = 20_000
LIKE, BACKSLASHED = re.compile(r"([\\%_])"), r"\\\1"

# OFFSET 0 keeps PostgreSQL from walking all scheduled payments backwards for each invoice, which it does to find
# the newest one while it has no statistics of a table that grows.
FACTS_SQL = """
SELECT i.id, i.company_id, i.currency, i.status, i.due,
       EXISTS (SELECT FROM accounting_share WHERE invoice_id = i.id),
       i.issued_on, i.due_on, i.organisation_id, i.term_id,
       s.id, s.state, s.amount, s.run_at, s.mapping_id, s.method_id, s.payment_id IS NOT NULL, s.resolved_by_id,
       u.code, i.remark
FROM accounting_ledgerinvoice i
LEFT JOIN LATERAL (
    SELECT * FROM (SELECT * FROM accounting_scheduledpayment WHERE invoice_id = i.id OFFSET 0) mine
    ORDER BY id DESC LIMIT 1
) s ON true
LEFT JOIN accounting_unmatchedinvoice u ON u.invoice_id = i.id
WHERE i.merchant_id = %(merchant)s AND i.id > %(after)s AND i.number !~ %(ours)s
    AND (%(ids)s::bigint[] IS NULL OR i.id = ANY(%(ids)s))
    AND (i.status = 'open' AND i.due > 0 AND (i.term_id = ANY(%(terms)s) OR i.remark ILIKE ANY(%(keywords)s))
         OR s.state = ANY(%(scheduled)s) OR u.id IS NOT NULL)
ORDER BY i.id LIMIT %(chunk)s
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One invoice, what stands scheduled of it, and under which code it is listed as unmatched."""

    invoice: InvoiceFacts
    standing: Standing | None
    unmatched: str


def read_invoices(merchant: Merchant, book: Rulebook, *, ids: Sequence[int] | None = None) -> Iterator[list[Read]]:
    """Every invoice that a decision could be about, of all or of those with these ids, in chunks by id.

    Two statements a chunk, which is also all that is held in memory.
    """
    after = 0
    asked = {
        "merchant": merchant.pk,
        "ids": None if ids is None else list(ids),
        "terms": sorted({term_id for _, term_id in book.terms}),
        "keywords": [f"%{LIKE.sub(BACKSLASHED, term.keyword)}%" for term in book.keywords],
        "scheduled": list(LIVE_SCHEDULED),
        "ours": PF_INVOICE,
        "chunk": CHUNK,
    }
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FACTS_SQL, asked | {"after": after})
            rows = cursor.fetchall()
        if not rows:
            return
        after = rows[-1][0]
        flying = amounts_on_their_way([row[0] for row in rows if row[5]])
        yield [read_row(row, flying.get(row[0], 0)) for row in rows]
        if len(rows) < CHUNK:
            return


def read_row(row: Sequence[Any], flying: int) -> Read:
    """A row of FACTS_SQL, with what of the invoice is being paid."""
    pk, company_id, currency, status, due, _, issued_on, due_on, organisation_id, term_id, *rest = row
    key = (organisation_id, term_id)
    number, state, amount, run_at, mapping_id, method_id, is_begun, person, unmatched, remark = rest
    invoice = InvoiceFacts(pk, company_id, currency, status, due, flying, issued_on, due_on, key, remark)
    standing = None
    if number is not None:
        standing = Standing(number, state, amount, run_at, mapping_id, method_id, is_begun, person is not None)
    return Read(invoice, standing, unmatched or "")


def amounts_on_their_way(ids: Sequence[int]) -> dict[int, int]:
    """What of each invoice is being paid, or was paid and is not in the mirror yet."""
    found: dict[int, int] = {}
    for invoice_id, amount in holding_shares(ids).values_list("invoice", "amount") if ids else ():
        found[invoice_id] = found.get(invoice_id, 0) + amount
    return found


def read_rulebook(merchant: Merchant, *, companies: Sequence[int] | None = None) -> Rulebook:
    """The merchant's rulebook, of all payers or of those of some companies. Eight statements."""
    mappings = read_mappings(merchant, companies)
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    link = LinkedOrganisation.objects.filter(merchant=merchant).first()
    return Rulebook(
        rules=rules_of(merchant, takes_debits=bool(account and account.takes_bank_debits)),
        terms=read_terms(merchant),
        mappings=mappings,
        methods=read_methods(mappings, account),
        keywords=read_keywords(merchant),
        organisation_id=link.organisation_id if link else None,
    )


def rules_of(merchant: Merchant, *, takes_debits: bool) -> Rules:
    """The settings as decisions need them."""
    chosen = settings_of(merchant)
    return Rules(
        zone=merchant.zone,
        delay=timedelta(hours=chosen.processing_delay_hours),
        schedules_past_due=chosen.schedules_past_due,
        maximum_days_past_due=chosen.maximum_days_past_due,
        limits=limits_of(merchant),
        takes_debits=takes_debits,
    )


def is_paused(merchant: Merchant) -> bool:
    """Whether nothing of this merchant's is charged now: automatic payments, or all payments, are switched off."""
    is_on = AutoPaySettings.objects.filter(merchant=merchant, is_enabled=True).exists()
    return not is_on or not Merchant.objects.filter(pk=merchant.pk, takes_payments=True).exists()


def read_terms(merchant: Merchant) -> dict[TermKey, TermFacts]:
    """The active billing terms, by the terms of the books that they cover."""
    rows = LedgerTerm.objects.filter(merchant=merchant, billing_term__is_active=True).select_related("billing_term")
    return {(row.organisation_id, row.term_id): term_facts(row.billing_term) for row in rows if row.billing_term}


def read_keywords(merchant: Merchant) -> list[TermFacts]:
    """The active billing terms that a reference can name, the longest keyword first."""
    rows = BillingTerm.objects.filter(merchant=merchant, is_active=True).exclude(keyword="")
    return sorted(map(term_facts, rows), key=lambda term: (-len(term.keyword), term.id))


def term_facts(term: BillingTerm) -> TermFacts:
    """A billing term as decisions need it."""
    return TermFacts(
        id=term.pk,
        name=term.name,
        is_real_time=term.processing == BillingTerm.Processing.REAL_TIME,
        mode=term.mode,
        days=term.days,
        takes_cards=term.takes_cards,
        takes_debits=term.takes_debits,
        keyword=term.keyword,
    )


def read_mappings(merchant: Merchant, companies: Sequence[int] | None) -> dict[int, list[MappingFacts]]:
    """The active mappings by company."""
    rows = AutoPayMapping.objects.filter(merchant=merchant, state="active")
    rows = rows if companies is None else rows.filter(company__in=companies)
    found: dict[int, list[MappingFacts]] = {}
    columns = ("pk", "company_id", "term_id", "primary_method_id", "secondary_method_id", "origin")
    for pk, company_id, term_id, primary, secondary, origin in rows.order_by("pk").values_list(*columns):
        fact = MappingFacts(pk, company_id, term_id, primary, secondary, origin == AutoPayMapping.Origin.PAYER)
        found.setdefault(company_id, []).append(fact)
    return found


def read_methods(mappings: dict[int, list[MappingFacts]], account: GatewayAccount | None) -> dict[int, MethodFacts]:
    """The methods that these mappings name, as far as the merchant's gateway account has them."""
    named = {m.primary_id for mine in mappings.values() for m in mine}
    named |= {m.secondary_id for mine in mappings.values() for m in mine if m.secondary_id is not None}
    if not named or account is None:
        return {}
    rows = SavedMethod.objects.filter(account=account, pk__in=named)
    columns = ("pk", "kind", "brand", "last4", "state", "expires_on")
    return {
        pk: MethodFacts(pk, kind, described_method(kind, brand, last4) or str(pk), state == "active", expires_on)
        for pk, kind, brand, last4, state, expires_on in rows.values_list(*columns)
    }


def companies_of(merchant: Merchant, ids: Sequence[int]) -> list[int]:
    """The companies whose invoices these are."""
    rows = PayerCompany.objects.filter(merchant=merchant, ledgerinvoices__in=ids)
    return list(rows.values_list("pk", flat=True).distinct())
