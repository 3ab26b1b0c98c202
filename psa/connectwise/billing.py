"""ConnectWise PSA's billing terms, agreements and billed invoices, read tolerantly, page by page."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from psa.billing_protocol import AgreementPage, RemoteBilledAgreement, RemoteBilledInvoice, RemoteBillingTerm
from psa.connectwise.client import LARGEST_PAGE, PsaClient
from psa.connectwise.conditions import write_ids, write_time
from psa.connectwise.parsing import Row, read_currency, read_day, read_id, read_money, read_named, read_text, read_time
from wisepay.errors import Unavailable
from wisepay.money import Money

AGREEMENT_FIELDS = (
    "id,name,type,company,billToCompany,billingTerms,billingCycle,billAmount,currency,startDate,endDate,"
    "noEndingDateFlag,nextInvoiceDate,agreementStatus,cancelledFlag,opportunity,_info"
)

INVOICE_FIELDS = (
    "id,invoiceNumber,type,status,company,billToCompany,currency,subtotal,salesTax,total,balance,serviceTotal,"
    "serviceAdjustmentAmount,expenseTotal,productTotal,agreementAmount,previousProgressApplied,downpaymentApplied,date,"
    "dueDate,reference,customerPO,taxCode,_info"
)
# What a subtotal is made of, in the words of an invoice.
PARTS = {
    "serviceTotal": "Services",
    "serviceAdjustmentAmount": "Adjustment of services",
    "expenseTotal": "Expenses",
    "productTotal": "Products",
    "agreementAmount": "Agreement",
}
NETTED = ("previousProgressApplied", "downpaymentApplied")
MOST_IDS = 100  # in one condition, so that an address stays short


def list_billing_terms(client: PsaClient) -> list[RemoteBillingTerm]:
    """Read every billing term."""
    rows = client.list_all("/finance/billingTerms", fields="id,name,dueDays")
    found = [RemoteBillingTerm(read_id(r), read_text(r.get("name")), read_whole(r.get("dueDays"))) for r in rows]
    return [term for term in found if term.id and term.name]


def get_agreement_page(client: PsaClient, after_id: int, *, since: datetime | None) -> AgreementPage:
    """Read the next agreements by id. An answer that is no list is none: nothing would be taken for gone by it."""
    query: dict[str, str | int] = {"fields": AGREEMENT_FIELDS, "pageSize": LARGEST_PAGE}
    query |= {"pageId": after_id} if after_id else {}
    query |= {"conditions": f"lastUpdated > {write_time(since)}"} if since else {}
    headers = {"pagination-type": "forward-only"}
    answer = client.call("GET", "/finance/agreements", query=query, headers=headers)
    if not isinstance(answer, list):
        raise Unavailable("ConnectWise PSA answered something else than a list.", maybe_done=False)
    rows = [row for row in answer if isinstance(row, dict)]
    ids = [key for key in map(read_id, rows) if key]
    is_last = len(answer) < LARGEST_PAGE or not ids or max(ids) <= after_id
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


def list_closed_invoices(client: PsaClient, *, since: date, most: int) -> list[RemoteBilledInvoice]:
    """Read the invoices in a closed status from a day on."""
    closed = list_closed_statuses(client)
    if not closed:
        return []
    # `>` with the day before, since `>=` finds nothing on some installations.
    begin = write_time(datetime.combine(since - timedelta(days=1), time(), tzinfo=UTC))
    condition = f"status/id in {write_ids(closed)} and date > {begin}"
    rows = client.list_all("/finance/invoices", conditions=condition, fields=INVOICE_FIELDS)
    found = (parse_billed_invoice(row, closed) for row in rows if read_id(row))
    return list(islice((one for one in found if one.issued_on is None or one.issued_on >= since), most + 1))


def list_closed_statuses(client: PsaClient) -> list[int]:
    """Read which billing statuses close an invoice."""
    statuses = client.list_all("/finance/billingStatuses", fields="id,closedFlag")
    return sorted(read_id(row) for row in statuses if row.get("closedFlag") is True and read_id(row))


def list_billed_invoices(client: PsaClient, ids: Sequence[int]) -> list[RemoteBilledInvoice]:
    """Read invoices by their ids."""
    closed = list_closed_statuses(client) if ids else []
    found: list[RemoteBilledInvoice] = []
    for begin in range(0, len(ids), MOST_IDS):
        condition = f"id in {write_ids(ids[begin : begin + MOST_IDS])}"
        rows = client.list_all("/finance/invoices", conditions=condition, fields=INVOICE_FIELDS)
        found += [parse_billed_invoice(row, closed) for row in rows if read_id(row)]
    return found


def parse_billed_invoice(row: Row, closed: Collection[int]) -> RemoteBilledInvoice:
    """An invoice: whom to bill goes before whom it is for. It is closed by its status, one of `closed`."""
    payer = "billToCompany" if read_id(row.get("billToCompany")) else "company"
    currency = read_currency(row)
    parts = [(words, read_money(row.get(name), currency)) for name, words in PARTS.items()]
    return RemoteBilledInvoice(
        id=read_id(row),
        number=read_text(row.get("invoiceNumber"), 40).strip(),
        kind=read_text(row.get("type"), 40),
        is_closed=read_id(row.get("status")) in closed,
        company_id=read_id(row.get(payer)),
        company_name=read_named(row, payer),
        currency=currency if len(currency) == 3 else "",
        subtotal=read_money(row.get("subtotal"), currency),
        tax=read_money(row.get("salesTax"), currency),
        total=read_money(row.get("total"), currency),
        balance=read_money(row.get("balance"), currency),
        parts=tuple((words, amount) for words, amount in parts if amount is not None and amount.amount),
        is_netted=any(amount is None or amount.amount for amount in list_netted(row, currency)),
        issued_on=read_book_day(row.get("date")),
        due_on=read_book_day(row.get("dueDate")),
        remark=read_text(row.get("customerPO")) or read_text(row.get("reference")),
        tax_code_id=read_id(row.get("taxCode")),
        tax_code_name=read_named(row, "taxCode"),
        changed_at=read_changed_at(row),
    )


def list_netted(row: Row, currency: str) -> list[Money | None]:
    """What was taken off the invoice, None for an amount that can't be read; nothing where PSA names nothing."""
    return [read_money(row[name], currency) for name in NETTED if row.get(name) not in (None, "")]
