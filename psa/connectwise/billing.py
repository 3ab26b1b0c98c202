"""ConnectWise PSA's billing terms and agreements, read tolerantly, page by page."""

from datetime import date, datetime
from typing import Any

from psa.billing_protocol import AgreementPage, RemoteBilledAgreement, RemoteBillingTerm
from psa.connectwise.client import LARGEST_PAGE, PsaClient
from psa.connectwise.conditions import write_time
from psa.connectwise.parsing import Row, read_currency, read_day, read_id, read_money, read_named, read_text, read_time

AGREEMENT_FIELDS = (
    "id,name,type,company,billToCompany,billingTerms,billingCycle,billAmount,currency,startDate,endDate,"
    "noEndingDateFlag,nextInvoiceDate,agreementStatus,cancelledFlag,opportunity,_info"
)


def list_billing_terms(client: PsaClient) -> list[RemoteBillingTerm]:
    """Read every billing term."""
    rows = client.list_all("/finance/billingTerms", fields="id,name,dueDays")
    found = [RemoteBillingTerm(read_id(r), read_text(r.get("name")), read_whole(r.get("dueDays"))) for r in rows]
    return [term for term in found if term.id and term.name]


def get_agreement_page(client: PsaClient, after_id: int, *, since: datetime | None) -> AgreementPage:
    """Read the next agreements by id."""
    query: dict[str, str | int] = {"fields": AGREEMENT_FIELDS, "pageSize": LARGEST_PAGE}
    query |= {"pageId": after_id} if after_id else {}
    query |= {"conditions": f"lastUpdated > {write_time(since)}"} if since else {}
    headers = {"pagination-type": "forward-only"}
    answer = client.call("GET", "/finance/agreements", query=query, headers=headers)
    rows = [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
    ids = [key for key in map(read_id, rows) if key]
    is_last = len(rows) < LARGEST_PAGE or not ids or max(ids) <= after_id
    found = tuple(parse_billed_agreement(row) for row in rows if read_id(row))
    return AgreementPage(found, None if is_last else max(ids))


def parse_billed_agreement(row: Row) -> RemoteBilledAgreement:
    """An agreement: whom to bill goes before whom it was sold to."""
    payer = "billToCompany" if read_id(row.get("billToCompany")) else "company"
    status = read_text(row.get("agreementStatus"), 40)
    return RemoteBilledAgreement(
        id=read_id(row),
        name=read_text(row.get("name")) or f"Agreement {read_id(row)}",
        kind=read_named(row, "type"),
        status=status,
        is_active=status == "Active" and row.get("cancelledFlag") is not True,
        company_id=read_id(row.get(payer)),
        company_name=read_named(row, payer),
        term_id=read_id(row.get("billingTerms")),
        term_name=read_named(row, "billingTerms"),
        cycle=read_named(row, "billingCycle"),
        amount=read_money(row.get("billAmount"), read_currency(row)),
        starts_on=read_book_day(row.get("startDate")),
        ends_on=None if row.get("noEndingDateFlag") is True else read_book_day(row.get("endDate")),
        next_invoice_on=read_book_day(row.get("nextInvoiceDate")),
        opportunity_id=read_id(row.get("opportunity")),
        changed_at=read_changed_at(row),
    )


def read_whole(value: Any) -> int | None:
    """A whole number that fits a column; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else None


def read_book_day(value: Any) -> date | None:
    """A day; None where it is none, or the year 1 that stands for none."""
    day = read_day(value)
    return day if day is not None and day.year > 1900 else None


def read_changed_at(row: Row) -> datetime | None:
    """When PSA changed the record last."""
    info = row.get("_info")
    found = read_time(info.get("lastUpdated")) if isinstance(info, dict) else None
    return found if found is not None and found.tzinfo is not None else None
