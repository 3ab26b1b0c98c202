"""Under which billing term an invoice of the books is by what PSA says of it: that goes before the books' own terms."""

from collections.abc import Mapping

from accounting.autopay.decision_context import register_invoice_terms
from accounting.models import BillingTerm
from merchants.models import Merchant
from psa.agreements.models import PsaBillingTerm
from psa.joins import JOINED
from psa.models import PsaConnection, PsaInvoice


@register_invoice_terms
def list_invoice_terms(merchant: Merchant) -> dict[int, int | None]:
    """The billing term of each open invoice that is joined to one of PSA whose term a person decided about."""
    connection = PsaConnection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).first()
    if connection is None or not connection.uses_terms:
        return {}
    return name_invoices(connection, read_decisions(connection))


def list_chosen_terms(
    connection: PsaConnection, chosen: Mapping[PsaBillingTerm, BillingTerm | None]
) -> dict[int, int | None]:
    """The same once these decisions are saved."""
    fresh = {row.term_id: term.pk if term else None for row, term in chosen.items()}
    return name_invoices(connection, read_decisions(connection) | fresh)


def read_decisions(connection: PsaConnection) -> dict[int, int | None]:
    """The billing term that each decided one of PSA means, by PSA's id; None for no automatic payments."""
    rows = PsaBillingTerm.objects.filter(merchant=connection.merchant_id, organisation_id=connection.organisation_id)
    return dict(rows.exclude(decided_at=None).values_list("term_id", "billing_term_id"))


def name_invoices(connection: PsaConnection, terms: Mapping[int, int | None]) -> dict[int, int | None]:
    """The billing term of each open invoice of the books that is joined to one of PSA under one of these terms."""
    if connection.pk is None or not terms:
        return {}
    rows = PsaInvoice.objects.filter(connection=connection, match__in=JOINED, term_id__in=terms)
    rows = rows.filter(ledger_invoice__status="open", ledger_invoice__due__gt=0)
    return {key: terms[term] for key, term in rows.values_list("ledger_invoice_id", "term_id") if key is not None}
