"""Start, confirm and drop runs of Sync Invoices; its settings, its table of tax codes, and whose invoices are whose."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q
from django_subatomic.db import transaction

from accounting.models import AccountingSettings, LedgerTaxCode
from connections.models import Connection
from merchants.models import Merchant
from payers.models import PayerCompany
from psa.agreements.models import PsaCompanyLink
from psa.invoice_sync.books import BooksInvoices, find_books, fold_number, has_books, has_current_lists, takes_line_tax
from psa.invoice_sync.checks import SyncContext, TaxChoice, TaxKey
from psa.invoice_sync.models import LIVE_ROWS, InvoiceSync, InvoiceSyncRow, InvoiceSyncSettings, PsaTaxCode
from psa.models import PsaConnection
from quotes.models import Quote
from wisepay import outbox
from wisepay.models import User
from wisepay.states import IllegalTransition

DEFAULT_PERIOD = timedelta(days=30)
STALE_AFTER = timedelta(minutes=30)  # after which nobody reads any more
OUT_OF_SCOPE = (
    "Sync Invoices makes invoices in an accounting package, and none is connected. Merchants who use ConnectWise PSA "
    "alone don't need it."
)
NOT_AS_SEEN = (
    "What would be made has changed since this page was shown. Look at it as it is now, then press the button."
)


class SyncRefused(Exception):
    """Nothing was started; the message says why and what to do."""


def get_settings(merchant: Merchant) -> InvoiceSyncSettings:
    """The merchant's settings; unsaved ones, which are off, where none were saved."""
    return InvoiceSyncSettings.objects.filter(merchant=merchant).first() or InvoiceSyncSettings(merchant=merchant)


def save_sync_settings(merchant: Merchant, *, is_enabled: bool, account: str, item: str) -> InvoiceSyncSettings:
    """Switch Sync Invoices on or off, and say what lines are booked to in the connected organisation."""
    books = find_books(merchant)
    columns = {"is_enabled": is_enabled, "account": account, "item": item}
    columns["organisation_id"] = books.organisation_id if books else ""
    with transaction():
        return InvoiceSyncSettings.objects.update_or_create(merchant=merchant, defaults=columns)[0]


def save_tax_table(rows: Mapping[PsaTaxCode, str], *, by: User, now: datetime) -> int:
    """Save which tax code of the books each of PSA's is; answer how many changed."""
    count = 0
    with transaction():
        for row, code in rows.items():
            changed = PsaTaxCode.objects.filter(pk=row.pk).exclude(ledger_code=code, decided_at__isnull=False)
            count += changed.update(ledger_code=code, decided_by=by, decided_at=now)
    return count


def list_tax_table(merchant: Merchant, connection: PsaConnection, organisation_id: str) -> list[PsaTaxCode]:
    """PSA's tax codes that invoices had, for these books."""
    rows = PsaTaxCode.objects.filter(merchant=merchant, psa_organisation=connection.organisation_id)
    return list(rows.filter(organisation_id=organisation_id).order_by("name", "is_taxed"))


def get_working_parts(merchant: Merchant) -> tuple[PsaConnection, Connection]:
    """The connections to PSA and to the books. Raises SyncRefused."""
    if not has_books(merchant):
        raise SyncRefused(OUT_OF_SCOPE)
    psa = PsaConnection.objects.select_related("merchant").filter(merchant=merchant, state="connected").first()
    if psa is None:
        raise SyncRefused("ConnectWise PSA is not connected.")
    books = find_books(merchant)
    if books is None:
        raise SyncRefused("The Company connection to the accounting package does not work. Connect it again.")
    return psa, books


def start_sync(merchant: Merchant, *, since: date, by: User, now: datetime) -> InvoiceSync:
    """Have the invoices read for a preview, in place of an earlier preview. Raises SyncRefused."""
    psa, books = get_working_parts(merchant)
    if not get_settings(merchant).is_enabled:
        raise SyncRefused("Switch Sync Invoices on first.")
    try:
        with transaction():
            end_earlier(merchant, now=now)
            sync = InvoiceSync.objects.create(
                merchant=merchant,
                psa_organisation=psa.organisation_id,
                organisation_id=books.organisation_id,
                since=since,
                requested_by=by,
                state="reading",
                state_at=now,
                created_at=now,
            )
            outbox.enqueue(f"psa:invoice-sync:{sync.pk}:read", "psa.preview_invoice_sync", sync_id=sync.pk)
    except IntegrityError as error:
        raise SyncRefused("A sync runs already. Wait until it has finished.") from error
    return sync


def end_earlier(merchant: Merchant, *, now: datetime) -> None:
    """End what was only previewed, or is read by nobody any more."""
    for row in InvoiceSync.objects.filter(merchant=merchant, state="ready"):
        row.move_to("cancelled", now=now, by="psa", reason="another one was started")
    for row in InvoiceSync.objects.filter(merchant=merchant, state="reading", state_at__lte=now - STALE_AFTER):
        row.move_to("failed", now=now, by="psa", error="It did not finish in time.")


def compute_fingerprint(sync: InvoiceSync) -> str:
    """What stands for the invoices that would be made as they are now; another one once any of them is another."""
    columns = ("pk", "total", "company_id", "contact_id", "ledger_tax_code")
    rows = sync.rows.filter(state="planned").order_by("pk").values_list(*columns)
    return hashlib.sha256(repr(list(rows)).encode()).hexdigest()[:16]


def confirm_sync(sync: InvoiceSync, *, seen: str, by: User, now: datetime) -> None:
    """Make what the preview showed, or go on with a run that failed: those whose fingerprint the person saw.

    Raises SyncRefused.
    """
    get_working_parts(sync.merchant)
    if not get_settings(sync.merchant).is_enabled:
        raise SyncRefused("Switch Sync Invoices on first.")
    confirmed = {} if sync.confirmed_at else {"confirmed_by": by, "confirmed_at": now}
    try:
        with transaction():
            sync.lock()
            if not sync.rows.filter(state__in=["planned", "sent"]).exists():
                raise SyncRefused("Nothing of it is to be made.")
            if seen != compute_fingerprint(sync):
                raise SyncRefused(NOT_AS_SEEN)
            sync.move_to("running", now=now, by=by.email, reason="confirmed", error="", **confirmed)
            schedule_sync(sync, now=now)
    except IllegalTransition as error:
        raise SyncRefused("Somebody else confirmed or dropped it meanwhile.") from error
    except IntegrityError as error:
        raise SyncRefused("Another sync runs or waits with its preview. Finish that first.") from error


def schedule_sync(sync: InvoiceSync, *, now: datetime) -> None:
    """Have a worker make what is still to be made."""
    outbox.schedule(f"psa:invoice-sync:{sync.pk}:send", "psa.sync_invoices", now=now, sync_id=sync.pk)


def drop_sync(sync: InvoiceSync, *, by: User, now: datetime) -> None:
    """Drop a preview. Raises SyncRefused."""
    try:
        with transaction():
            sync.move_to("cancelled", now=now, by=by.email, reason="dropped")
    except IllegalTransition as error:
        raise SyncRefused("It is no preview any more.") from error


def link_psa_company(sync: InvoiceSync, psa_company_id: int, company: PayerCompany, *, by: User, now: datetime) -> None:
    """Say which payer company a company of the run's invoices is. Raises SyncRefused."""
    row = sync.rows.filter(psa_company_id=psa_company_id).first()
    if row is None or not psa_company_id:
        raise SyncRefused("No invoice of this preview is of that company.")
    with transaction():
        PsaCompanyLink.objects.update_or_create(
            merchant=sync.merchant,
            organisation_id=sync.psa_organisation,
            psa_company_id=psa_company_id,
            defaults={"company": company, "name": row.psa_company, "decided_by": by, "decided_at": now},
        )


def build_context(sync: InvoiceSync, rows: Sequence[InvoiceSyncRow], books: BooksInvoices) -> SyncContext:
    """What decides about these rows, as it stands now. Seven statements, at any number of rows."""
    merchant, own = sync.merchant, get_settings(sync.merchant)
    ids = {row.psa_company_id for row in rows}
    links = PsaCompanyLink.objects.filter(merchant=merchant, organisation_id=sync.psa_organisation)
    links = links.filter(psa_company_id__in=ids).select_related("company")
    sent = InvoiceSyncRow.objects.filter(
        merchant=merchant, organisation_id=sync.organisation_id, psa_organisation=sync.psa_organisation
    )
    sent = sent.filter(state__in=LIVE_ROWS, invoice_id__in=[row.invoice_id for row in rows])
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    companies = {link.psa_company_id: link.company for link in links}
    return SyncContext(
        organisation_id=sync.organisation_id,
        books=books,
        companies=companies,
        taxes=get_taxes(sync),
        made_before=frozenset(
            sent.exclude(pk__in=[row.pk for row in rows if row.pk]).values_list("invoice_id", flat=True)
        ),
        has_account=own.is_for(sync.organisation_id),
        takes_line_tax=takes_line_tax(merchant),
        currencies=frozenset(chosen.currencies if chosen else ()),
        repeated=find_repeated_numbers(sync, rows),
        sold_to=find_quote_payers(company.pk for company in companies.values()),
    )


def find_quote_payers(ids: Iterable[int]) -> frozenset[int]:
    """Those of these companies that quotes were sold to here."""
    rows = Quote.objects.filter(payment__company__in=set(ids))
    return frozenset(rows.values_list("payment__company", flat=True).distinct())


def find_repeated_numbers(sync: InvoiceSync, rows: Sequence[InvoiceSyncRow]) -> frozenset[str]:
    """The folded numbers that several invoices of the run have."""
    others = sync.rows.exclude(pk__in=[row.pk for row in rows if row.pk]).values_list("number", flat=True)
    counts = Counter(map(fold_number, [*(row.number for row in rows), *others]))
    return frozenset(number for number, count in counts.items() if number and count > 1)


def get_taxes(sync: InvoiceSync) -> dict[TaxKey, TaxChoice]:
    """The tax codes that people chose and that the books still have, with their rates."""
    if not has_current_lists(sync.merchant, sync.organisation_id):
        return {}
    rates = dict(LedgerTaxCode.objects.filter(merchant=sync.merchant).values_list("code", "rate"))
    rows = PsaTaxCode.objects.filter(
        Q(merchant=sync.merchant, psa_organisation=sync.psa_organisation, organisation_id=sync.organisation_id)
    )
    return {
        (row.tax_code_id, row.is_taxed): TaxChoice(row.ledger_code, rates[row.ledger_code])
        for row in rows
        if row.ledger_code in rates and (rates[row.ledger_code] > 0) == row.is_taxed
    }
