"""Whether an invoice of PSA can be made in the books, and if not, what is in the way and what to do.

Nothing here calls anybody. What does not add up is refused, never guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from accounting.ledgers.protocol import RemoteInvoice
from accounting.posting.services import PF_INVOICE_PATTERN
from payers.models import PayerCompany
from psa.invoice_sync.books import BooksInvoices, fold_number
from psa.invoice_sync.models import InvoiceSyncRow
from wisepay.money import Money

SUPPORTED = ("Agreement", "DownPayment", "Miscellaneous", "Progress", "Standard")
TaxKey = tuple[int, bool]


@dataclass(frozen=True, slots=True)
class TaxChoice:
    """A tax code of the books, and its rate in percent."""

    code: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class SyncContext:
    """Everything that decides about the rows of one run.

    `made_before` are ids of PSA's invoices that an earlier run sent, `repeated` folded numbers that several of this run
    have. `currencies` are the books', empty for any. `sold_to` are keys of companies that quotes were sold to here.
    """

    organisation_id: str
    books: BooksInvoices
    companies: Mapping[int, PayerCompany]
    taxes: Mapping[TaxKey, TaxChoice]
    made_before: frozenset[int] = frozenset()
    has_account: bool = False
    takes_line_tax: bool = True
    currencies: frozenset[str] = field(default_factory=frozenset)
    repeated: frozenset[str] = frozenset()
    sold_to: frozenset[int] = frozenset()


Check = Callable[[InvoiceSyncRow, SyncContext], str]


def check_row(row: InvoiceSyncRow, context: SyncContext) -> tuple[str, str]:
    """Decide a row: the state, `planned`, `present` or `blocked`, and why. Sets its company, contact and tax code."""
    if reason := find_unreadable(row) or find_mismatch(row):
        return "blocked", reason
    if fold_number(row.number) in context.repeated:
        return "blocked", "Several invoices of ConnectWise PSA have this number. Give them numbers of their own there."
    if standing := context.books.list_standing(row.number):
        return describe_standing(row, standing, context)
    for check in (find_in_books, find_company, find_deposit, find_tax, find_account):
        if reason := check(row, context):
            return "blocked", reason
    return "planned", ""


def find_unreadable(row: InvoiceSyncRow) -> str:
    """What of the invoice is missing, unknown or not ours to make."""
    if row.kind == "CreditMemo":
        return "Credit memos are not made in the books. Enter it there by hand."
    if row.kind not in SUPPORTED:
        return f"Invoices of the type “{row.kind}” are not known here. Enter it by hand."
    if not row.number:
        return "It has no number in ConnectWise PSA."
    if "," in row.number or re.match(PF_INVOICE_PATTERN, row.number):
        return "The books can't be asked for a number like this. Give it another one in ConnectWise PSA."
    if row.total is None or row.subtotal is None or row.tax is None:
        return "ConnectWise PSA does not say its currency, subtotal, tax and total readably. Enter it by hand."
    if row.issued_on is None:
        return "It has no date in ConnectWise PSA."
    if row.total <= 0 or row.subtotal <= 0:
        return "Nothing is billed with it."
    return find_payment(row)


def find_payment(row: InvoiceSyncRow) -> str:
    """Whether it was paid or credited at PSA: in the books it would be owed once more."""
    if row.balance is None:
        return "ConnectWise PSA does not say readably what is owed. Enter it by hand."
    if row.balance == row.total:
        return ""
    paid = Money((row.total or 0) - row.balance, row.currency)
    return f"{paid} was paid or credited in ConnectWise PSA already. Enter both by hand."


def find_mismatch(row: InvoiceSyncRow) -> str:
    """Why its amounts do not add up."""
    subtotal, tax, total = row.subtotal or 0, row.tax or 0, row.total or 0
    if subtotal + tax != total:
        words = [Money(amount, row.currency) for amount in (subtotal, tax, total)]
        return f"{words[0]} and {words[1]} of tax are not {words[2]}. Enter it by hand."
    if not row.lines:
        return "Earlier payments or invoices were taken off it. Enter it by hand."
    if sum(line["amount"] for line in row.lines) != subtotal:
        return f"Its parts are not the subtotal of {Money(subtotal, row.currency)}. Enter it by hand."
    return "" if tax >= 0 else "Its tax is below zero. Enter it by hand."


def describe_standing(row: InvoiceSyncRow, standing: Sequence[RemoteInvoice], context: SyncContext) -> tuple[str, str]:
    """Invoices with the number stand in the books: the same, another customer's, or one that differs."""
    same = [one for one in standing if one.total == row.money]
    contact = get_contact(row, context)
    if any(contact in ("", one.contact_id) for one in same):
        return "present", "It is in the books."
    whose = "of another customer" if same else f"of {standing[0].total}"
    return "blocked", (
        f"The books have an invoice with this number, {whose}. Correct one of the two: nothing was changed."
    )


def get_contact(row: InvoiceSyncRow, context: SyncContext) -> str:
    """The contact that the invoice belongs to; empty while nobody said whose it is, or it is none of these books."""
    company = context.companies.get(row.psa_company_id)
    is_here = company is not None and company.organisation_id == context.organisation_id
    return company.get_contact_id(row.currency) if company is not None and is_here else ""


def find_in_books(row: InvoiceSyncRow, context: SyncContext) -> str:
    """Why it is not known whether the books have it, or ever had it."""
    if context.books.is_unclear or fold_number(row.number) in context.books.unclear:
        return "The books have an invoice that can't be read, perhaps this one. Look at it there."
    if context.books.list_gone(row.number):
        return "It was voided or deleted in the books. Make it there by hand if it is wanted after all."
    if row.invoice_id in context.made_before:
        return "An earlier sync sent it, and it is not in the books. Go on with that sync, or make it there by hand."
    return ""


def find_company(row: InvoiceSyncRow, context: SyncContext) -> str:
    """Why its contact is not known: by ids only, since names repeat and change."""
    company = context.companies.get(row.psa_company_id)
    row.company, row.contact_id = company, ""
    if not row.psa_company_id:
        return "It names no company in ConnectWise PSA."
    if company is None:
        return f"Say which payer company {row.psa_company or row.psa_company_id} is."
    if context.currencies and row.currency not in context.currencies:
        return f"The books hold no {row.currency}."
    row.contact_id = get_contact(row, context)
    return (
        ""
        if row.contact_id
        else f"{company} is no contact of the books in {row.currency} yet. Choose it in Payer Admin."
    )


def find_deposit(row: InvoiceSyncRow, context: SyncContext) -> str:
    """Whether it may be the deposit of a quote that was sold here, which the books get when it is paid."""
    company = context.companies.get(row.psa_company_id)
    if row.kind != "DownPayment" or company is None or company.pk not in context.sold_to:
        return ""
    return f"Deposits of quotes of {company} come to the books when they are paid. If this is none, enter it by hand."


def find_tax(row: InvoiceSyncRow, context: SyncContext) -> str:
    """Why its tax code is not known, or its tax is not what that code makes of it: which lines have tax is not said."""
    row.ledger_tax_code = ""
    subtotal, tax = row.subtotal or 0, row.tax or 0
    choice = context.taxes.get((row.tax_code_id, tax > 0))
    if choice is None:
        name = row.tax_code_name or "no tax code"
        return f"Say which tax code of the books “{name}” is, {'with' if tax else 'without'} tax."
    computed = (Decimal(subtotal) * choice.rate / 100).quantize(Decimal(1), ROUND_HALF_UP)
    most = len(row.lines) if context.takes_line_tax else 0  # minor units: each line may have been rounded on its own
    if abs(int(computed) - tax) > most:
        words = Money(tax, row.currency), choice.rate.normalize(), Money(subtotal, row.currency)
        return f"Its tax of {words[0]} is not {words[1]:f} % of {words[2]}: which parts have tax? Enter it by hand."
    row.ledger_tax_code = choice.code
    return ""


def find_account(row: InvoiceSyncRow, context: SyncContext) -> str:
    """Why its lines can't be booked."""
    return "" if context.has_account else "Choose what the lines are booked to, under Settings."


def split_tax(row: InvoiceSyncRow) -> list[int]:
    """The tax of each line in minor units: together exactly the invoice's."""
    subtotal, tax, taken, sum_so_far = row.subtotal or 0, row.tax or 0, 0, 0
    found = []
    for line in row.lines:
        sum_so_far += line["amount"]
        share = (Decimal(tax) * sum_so_far / subtotal).quantize(Decimal(1), ROUND_HALF_UP) if subtotal else Decimal(0)
        found.append(int(share) - taken)
        taken = int(share)
    return found
