"""Join PSA's invoices to the same ones in the books: by number, and by company where a number alone does not tell.

Two facts that have nothing to do with each other must agree: the number, and either the company or the total. Where
they don't, or several have the number, nothing is guessed: the row says so, and a person chooses.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.invoices.balances import is_in_linked_organisation
from accounting.models import LedgerContact, LedgerInvoice
from accounting.paynow_links.services import register_number_reader
from accounting.posting.services import PF_INVOICE_PATTERN
from payers.models import fold_name
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.scheduling import schedule_processing

Match = PsaInvoice.Match
JOINED = (Match.JOINED, Match.CONFIRMED)
NEEDS_PERSON = (Match.AMBIGUOUS, Match.DIFFERENT)
CREDIT_MEMO = "CreditMemo"
NOT_JOINED = (LedgerInvoice.InvoiceStatus.VOIDED, LedgerInvoice.InvoiceStatus.DELETED)
CHUNK = 10_000  # rows a statement


class JoinRefused(Exception):
    """Two invoices can't be joined by hand; the message says why."""


@dataclass(slots=True)
class Evidence:
    """What tells that a company of PSA and a contact of the books are the same."""

    contacts: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # folded name and number by contact
    pairs: set[tuple[int, tuple[str, str]]] = field(default_factory=set)  # of invoices that are joined already

    def is_same_company(self, one: PsaInvoice, other: LedgerInvoice) -> bool:
        """Whether an invoice of PSA is of the company whose contact the books' invoice names."""
        contact = (other.organisation_id, other.contact_id)
        if one.company_id and (one.company_id, contact) in self.pairs:
            return True
        name, number = self.contacts.get(contact, ("", ""))
        is_named = bool(name) and fold_name(one.company_name) == name
        return is_named or (bool(number) and number.casefold() == one.company_identifier.casefold())


def join_invoices(
    connection: PsaConnection, *, now: datetime, numbers: Sequence[str] = (), is_everything: bool = False
) -> int:
    """Join what can be joined, of these numbers or of everything that is not joined; answer how many are new.

    Payments that waited for one of them go on.
    """
    with transaction():
        # One at a time for each connection, so that two never give one invoice to two.
        PsaConnection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        ours = list_invoices_of_psa(connection, numbers, is_everything=is_everything)
        theirs = list_invoices_of_books(connection, ours, numbers, is_everything=is_everything)
        found = match_invoices(ours, theirs, read_evidence(connection, ours, theirs))
        fresh = save_matches(connection, ours, found)
        wake_joined(connection, fresh, now=now)
    return len(fresh)


def list_invoices_of_psa(connection: PsaConnection, numbers: Sequence[str], *, is_everything: bool) -> list[PsaInvoice]:
    """PSA's invoices that may be joined: all, those of some numbers, or those whose number has one that is not yet."""
    rows = PsaInvoice.objects.filter(connection=connection, is_gone=False).exclude(kind=CREDIT_MEMO).exclude(number="")
    if numbers:
        rows = rows.filter(number__in=numbers)
    elif not is_everything:
        rows = rows.filter(number__in=rows.exclude(match__in=JOINED).values("number"))
    return list(rows.order_by("pk"))


def list_invoices_of_books(
    connection: PsaConnection, ours: Sequence[PsaInvoice], numbers: Sequence[str], *, is_everything: bool
) -> list[LedgerInvoice]:
    """The books' invoices of the same numbers: not those that were voided, and not our own for quotes."""
    rows = LedgerInvoice.objects.filter(is_in_linked_organisation(), merchant=connection.merchant_id)
    rows = rows.exclude(status__in=NOT_JOINED).exclude(number="").exclude(number__regex=PF_INVOICE_PATTERN)
    if is_everything:
        rows = rows.filter(number__in=PsaInvoice.objects.filter(connection=connection, is_gone=False).values("number"))
    else:
        rows = rows.filter(number__in=sorted({one.number for one in ours}))
    return list(rows.only("number", "organisation_id", "contact_id", "currency", "total").order_by("pk"))


def read_evidence(connection: PsaConnection, ours: Sequence[PsaInvoice], theirs: Sequence[LedgerInvoice]) -> Evidence:
    """What is known of the companies concerned."""
    if not ours or not theirs:
        return Evidence()
    evidence = read_contacts(connection, theirs)
    pairs = PsaInvoice.objects.filter(connection=connection, match__in=JOINED, ledger_invoice__isnull=False)
    joined = pairs.values_list("company_id", "ledger_invoice__organisation_id", "ledger_invoice__contact_id")
    evidence.pairs = {(company, (org, contact)) for company, org, contact in joined.distinct() if company}
    return evidence


def read_contacts(connection: PsaConnection, theirs: Sequence[LedgerInvoice]) -> Evidence:
    """What the books call the contacts of these invoices."""
    evidence = Evidence()
    ids = {one.contact_id for one in theirs}
    contacts = LedgerContact.objects.filter(merchant=connection.merchant_id, contact_id__in=ids)
    for org, key, name, number in contacts.values_list("organisation_id", "contact_id", "folded_name", "number"):
        evidence.contacts[org, key] = (name, number.strip())
    return evidence


type Found = dict[int, tuple[str, int | None]]  # match and key of the books' invoice, by key of PSA's


def match_invoices(ours: Sequence[PsaInvoice], theirs: Sequence[LedgerInvoice], evidence: Evidence) -> Found:
    """Say of each invoice of PSA which one of the books it is, or why none; what a person said stays."""
    there = {other.pk for other in theirs}
    confirmed = {one.pk: one.ledger_invoice_id for one in ours if one.match == Match.CONFIRMED}
    found: Found = {key: (Match.CONFIRMED, other) for key, other in confirmed.items() if other in there}
    taken = {other for _, other in found.values()}
    by_number: dict[str, tuple[list[PsaInvoice], list[LedgerInvoice]]] = defaultdict(lambda: ([], []))
    for one in ours:
        if one.pk not in found:
            by_number[one.number][0].append(one)
    for other in theirs:
        if other.pk not in taken:
            by_number[other.number][1].append(other)
    single = [(rows[0], others[0]) for rows, others in by_number.values() if len(rows) == len(others) == 1]
    found |= match_single(single, evidence)
    for rows, others in by_number.values():  # by what the single ones have told of the companies
        if len(rows) != 1 or len(others) != 1:
            found |= match_several(rows, others, evidence)
    return found


def match_single(pairs: Sequence[tuple[PsaInvoice, LedgerInvoice]], evidence: Evidence) -> Found:
    """Join the only two of a number where the total agrees, then where the company does; the rest differs."""
    found: Found = {}
    for one, other in pairs:
        if (one.currency, one.total) == (other.currency, other.total):
            found[one.pk] = (Match.JOINED, other.pk)
            if one.company_id:
                evidence.pairs.add((one.company_id, (other.organisation_id, other.contact_id)))
    for one, other in pairs:
        if one.pk not in found:
            is_same = evidence.is_same_company(one, other)
            found[one.pk] = (Match.JOINED, other.pk) if is_same else (Match.DIFFERENT, None)
    return found


def match_several(rows: Sequence[PsaInvoice], others: Sequence[LedgerInvoice], evidence: Evidence) -> Found:
    """Join those of one number that are each other's only one of the same company; the rest is for a person."""
    unknown = Match.AMBIGUOUS if others else Match.NONE
    found: Found = {one.pk: (unknown, None) for one in rows}
    same = [(one, other) for one in rows for other in others if evidence.is_same_company(one, other)]
    for one, other in same:
        if [pair for pair in same if pair[0] is one or pair[1] is other] == [(one, other)]:
            found[one.pk] = (Match.JOINED, other.pk)
    return found


@transaction_required
def save_matches(connection: PsaConnection, ours: Sequence[PsaInvoice], found: Found) -> list[int]:
    """Save what differs; answer the keys of the books' invoices that are joined anew. Three statements at most."""
    changed = [one for one in ours if (one.match, one.ledger_invoice_id) != found[one.pk]]
    if not changed:
        return []
    before = {one.ledger_invoice_id for one in ours}
    given = [other for one in changed if (other := found[one.pk][1]) is not None]
    # First those that lose theirs: an invoice of the books belongs to one at any moment.
    losing = Q(pk__in=[one.pk for one in changed if one.ledger_invoice_id is not None]) | Q(ledger_invoice__in=given)
    PsaInvoice.objects.filter(losing, connection=connection).update(ledger_invoice=None, match=Match.NONE)
    for one in changed:
        one.match, one.ledger_invoice_id = found[one.pk]
    PsaInvoice.objects.bulk_create(
        changed,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["connection", "invoice_id"],
        update_fields=["match", "ledger_invoice"],
    )
    return [other for other in given if other not in before]


@transaction_required
def wake_joined(connection: PsaConnection, ledger_ids: Iterable[int], *, now: datetime) -> None:
    """Have payments go on that waited for one of these invoices, or for somebody to say which it is."""
    fresh = list(ledger_ids)
    if not fresh:
        return
    rows = PsaPayment.objects.filter(connection=connection, ledger_invoice__in=fresh)
    stuck = rows.filter(state="undecided", is_chosen=False, invoice_id=None)
    reasons = dict.fromkeys(stuck.values_list("pk", flat=True), "the invoice was found")
    woken = PsaPayment.move_all_to(reasons, "planned", now=now, by="psa") if reasons else []
    for row in [*woken, *rows.filter(state="waiting")]:
        schedule_processing(row, now=now)


def list_same_number(connection: PsaConnection, number: str) -> QuerySet[PsaInvoice]:
    """PSA's invoices of a number, joined or not."""
    rows = PsaInvoice.objects.filter(connection=connection, is_gone=False, number=number.strip())
    return rows.exclude(kind=CREDIT_MEMO).order_by("pk")


def find_joined(connection: PsaConnection, ledger_invoice: LedgerInvoice) -> PsaInvoice | None:
    """PSA's invoice that is this one of the books; None where it is not known, or has another number by now."""
    rows = PsaInvoice.objects.filter(connection=connection, ledger_invoice=ledger_invoice, is_gone=False)
    is_same = Q(match=Match.JOINED, number=ledger_invoice.number) | Q(match=Match.CONFIRMED)
    return rows.filter(is_same).first()


@register_number_reader
def list_confirmed(merchant_id: int, number: str) -> list[int]:
    """The invoices of the books that a person said are PSA's of this number, whatever the books call them."""
    rows = PsaInvoice.objects.filter(connection__merchant=merchant_id, match=Match.CONFIRMED, number__iexact=number)
    return list(rows.exclude(ledger_invoice=None).values_list("ledger_invoice", flat=True)[:5])


@transaction_required
def confirm_join(connection: PsaConnection, invoice_id: int, ledger_invoice: LedgerInvoice) -> None:
    """Keep what a person said: this invoice of PSA is that one of the books. Others lose it."""
    rows = PsaInvoice.objects.filter(connection=connection)
    rows.filter(ledger_invoice=ledger_invoice).exclude(invoice_id=invoice_id).update(
        ledger_invoice=None, match=Match.AMBIGUOUS
    )
    rows.filter(invoice_id=invoice_id).update(ledger_invoice=ledger_invoice, match=Match.CONFIRMED)


def is_surely_same(one: PsaInvoice, other: LedgerInvoice) -> bool:
    """Whether the companies of two joined invoices are the same by more than the invoices themselves.

    A person said so, or their names or numbers agree, or another pair of the same two is joined.
    """
    if one.match == Match.CONFIRMED:
        return True
    known = PsaInvoice.objects.filter(connection=one.connection_id, match__in=JOINED, company_id=one.company_id)
    known = known.filter(ledger_invoice__contact_id=other.contact_id).exclude(pk=one.pk)
    evidence = read_contacts(one.connection, [other])
    return evidence.is_same_company(one, other) or bool(one.company_id and known.exists())


def list_of_books(one: PsaInvoice) -> list[LedgerInvoice]:
    """The books' invoices of the same number that a person may choose from."""
    rows = LedgerInvoice.objects.filter(is_in_linked_organisation(), merchant=one.connection.merchant_id)
    rows = rows.filter(number=one.number).exclude(status__in=NOT_JOINED).select_related("company")
    return list(rows.order_by("pk")[:20]) if one.number else []


def join_by_hand(one: PsaInvoice, other: LedgerInvoice | None, *, now: datetime) -> None:
    """Join an invoice of PSA to that of the books which a person chose, and let waiting payments go on.

    Raises JoinRefused for one that is none of its number.
    """
    if other is None or other not in list_of_books(one):
        raise JoinRefused("Choose one of the invoices of the books that are shown.")
    with transaction():
        connection = PsaConnection.objects.select_for_update(no_key=True).get(pk=one.connection_id)
        confirm_join(connection, one.invoice_id, other)
        wake_joined(connection, [other.pk], now=now)
