"""Read PSA's billing terms and agreements: all of them once a day, else what changed, one page in memory.

One call where little changed: billing terms are read with everything, and when an agreement names one that is new.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet
from django_subatomic.db import transaction

from psa.agreements.models import PsaAgreement, PsaAgreementCursor, PsaBillingTerm
from psa.billing_protocol import RemoteBilledAgreement, RemoteBillingTerm
from psa.models import PsaConnection
from psa.protocol import Psa
from psa.scheduling import schedule_poll
from psa.session import open_psa_session
from wisepay import clock, outbox
from wisepay.errors import Disconnected, NotPermitted, Rejected, Unavailable
from wisepay.outbox import Retry

OVERLAP = timedelta(minutes=5)  # PSA's clock and ours are not the same
FULL_INTERVAL = timedelta(hours=24)  # deleted agreements are not among the changes
MOST_PAGES = 20  # of a thousand, in one turn of a worker
MISSING_RIGHT = (
    "The API member may not read agreements or billing terms. Give its security role Finance › Agreements and System › "
    "Table Setup › Billing Terms: inquire."
)
READ_COLUMNS = [
    "name", "kind", "status", "is_active", "psa_company_id", "psa_company", "term_id", "term_name", "cycle", "amount",
    "currency", "starts_on", "ends_on", "next_invoice_on", "opportunity_id", "changed_at", "read_at", "is_gone",
]  # fmt: skip


def schedule_agreement_reading(connection: PsaConnection, *, now: datetime) -> None:
    """Have a worker read what changed, or everything where that is due."""
    key = f"psa:agreements:{connection.pk}"
    outbox.schedule(key, "psa.read_agreements", now=now, connection_id=connection.pk)


def schedule_whole_reading(connection: PsaConnection, *, now: datetime) -> None:
    """Have a worker read everything, as a person wants to see it now."""
    PsaAgreementCursor.objects.filter(connection=connection, read_started_at=None).update(full_at=None)
    schedule_agreement_reading(connection, now=now)


def schedule_agreement_readings(*, now: datetime) -> int:
    """Have the agreements of every PSA read again whose merchant once read them; answer how many."""
    cursors = PsaAgreementCursor.objects.filter(connection__state="connected").exclude(known_until=None)
    connections = PsaConnection.objects.filter(
        agreement_cursor__in=cursors, merchant__autopay_settings__is_enabled=True
    )
    for connection in connections:
        with transaction():
            schedule_agreement_reading(connection, now=now)
    return len(connections)


def get_or_create_cursor(connection: PsaConnection) -> PsaAgreementCursor:
    """How far the connection's PSA was read; a PSA that is another one by now is read from the beginning."""
    cursor, _ = PsaAgreementCursor.objects.get_or_create(connection=connection)
    if cursor.organisation_id != connection.organisation_id:
        fresh = {"organisation_id": connection.organisation_id, "known_until": None, "read_started_at": None}
        cursor.save_progress(**fresh, full_at=None, last_id=0)
        cursor.release_lease()
    return cursor


def read_agreements(connection: PsaConnection, *, now: datetime) -> None:
    """Read the billing terms and the next agreements, and go on where a worker before stopped.

    What PSA refuses is written down for people. Raises Retry, Unavailable or Disconnected.
    """
    cursor = get_or_create_cursor(connection)
    with cursor.hold_lease(now=now):
        begin_reading(cursor, now=now)
        try:
            with open_psa_session(connection, priority="company", now=now) as psa:
                is_done = read_pages(psa, connection, cursor)
        except NotPermitted:
            cursor.save_progress(error=MISSING_RIGHT, read_started_at=None)
            return
        except Rejected as error:
            cursor.save_progress(error=f"ConnectWise PSA refused: {error.message}"[:300], read_started_at=None)
            return
        except (Disconnected, Unavailable) as error:
            cursor.save_progress(error=str(error)[:300])
            raise
    if not is_done:
        raise Retry("there are more agreements", after=1)


def begin_reading(cursor: PsaAgreementCursor, *, now: datetime) -> None:
    """Begin a reading, of everything where the last whole one is a day old, unless one is under way."""
    if cursor.read_started_at is not None:
        return
    is_full = cursor.known_until is None or cursor.full_at is None or now - cursor.full_at >= FULL_INTERVAL
    cursor.save_progress(read_started_at=now, last_id=0, is_full=is_full)


def read_pages(psa: Psa, connection: PsaConnection, cursor: PsaAgreementCursor) -> bool:
    """Read page after page; answer whether that was all."""
    started_at = cursor.read_started_at
    if started_at is None:
        raise ValueError("no reading was begun")
    if cursor.is_full and cursor.last_id == 0:
        save_terms(connection, psa.list_billing_terms(), at=started_at)
    since = None if cursor.is_full or cursor.known_until is None else cursor.known_until - OVERLAP
    for _ in range(MOST_PAGES):
        page = psa.get_agreement_page(cursor.last_id, since=since)
        save_agreements(connection, page.rows, at=started_at)
        if has_unknown_terms(connection, page.rows):
            save_terms(connection, psa.list_billing_terms(), at=started_at)
        if page.last_id is None:
            complete_reading(connection, cursor, at=started_at)
            return True
        cursor.save_progress(last_id=page.last_id)
    return False


def complete_reading(connection: PsaConnection, cursor: PsaAgreementCursor, *, at: datetime) -> None:
    """Note up to when everything is known; a whole reading says of what it did not find that it is gone.

    That is PSA's own time of its newest change, but no later than `at`: the clocks are not the same.
    """
    own = list_read_agreements(connection)
    newest = own.aggregate(newest=Max("changed_at"))["newest"]
    columns: dict[str, object] = {"known_until": min(newest or at, at), "completed_at": at}
    columns |= {"read_started_at": None, "last_id": 0, "error": ""}
    if cursor.callback_id is None:
        with transaction():
            key = f"psa:callbacks:{connection.pk}"
            outbox.schedule(key, "psa.register_callbacks", now=clock.now(), connection_id=connection.pk)
    if cursor.is_full:
        columns["full_at"] = at
        own.filter(read_at__lt=at, is_gone=False).update(is_gone=True)
    if connection.invoices_read_at is None:  # what its terms would charge is shown before they are saved
        schedule_poll(connection, now=clock.now())
    cursor.save_progress(**columns)


def list_read_agreements(connection: PsaConnection) -> QuerySet[PsaAgreement]:
    """What was read of the connection's present PSA."""
    own = PsaAgreement.objects.filter(merchant=connection.merchant_id)
    return own.filter(organisation_id=connection.organisation_id)


def has_unknown_terms(connection: PsaConnection, found: Sequence[RemoteBilledAgreement]) -> bool:
    """Whether one of these agreements is under a billing term that was not read."""
    named = {one.term_id for one in found if one.term_id}
    known = PsaBillingTerm.objects.filter(merchant=connection.merchant, organisation_id=connection.organisation_id)
    return bool(named) and known.filter(term_id__in=named, is_gone=False).count() < len(named)


def save_terms(connection: PsaConnection, found: Sequence[RemoteBillingTerm], *, at: datetime) -> None:
    """Save the billing terms as they are now; what a person said that they mean stays."""
    own = {"merchant": connection.merchant, "organisation_id": connection.organisation_id, "read_at": at}
    rows = {term.id: PsaBillingTerm(**own, term_id=term.id, name=term.name, due_days=term.due_days) for term in found}
    with transaction():
        PsaBillingTerm.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "term_id"],
            update_fields=["name", "due_days", "read_at", "is_gone"],
        )
        here = PsaBillingTerm.objects.filter(merchant=connection.merchant, organisation_id=connection.organisation_id)
        here.exclude(term_id__in=rows).update(is_gone=True)


def save_agreements(connection: PsaConnection, found: Sequence[RemoteBilledAgreement], *, at: datetime) -> None:
    """Save the agreements as they are now; what people decided about them stays."""
    rows = {one.id: build_agreement(connection, one, at=at) for one in found}
    with transaction():
        PsaAgreement.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "agreement_id"],
            update_fields=READ_COLUMNS,
        )


def build_agreement(connection: PsaConnection, found: RemoteBilledAgreement, *, at: datetime) -> PsaAgreement:
    """The row of an agreement that nobody decided about yet."""
    return PsaAgreement(
        merchant=connection.merchant,
        organisation_id=connection.organisation_id,
        agreement_id=found.id,
        state="open",
        state_at=at,
        name=found.name,
        kind=found.kind,
        status=found.status,
        is_active=found.is_active,
        psa_company_id=found.company_id,
        psa_company=found.company_name,
        term_id=found.term_id,
        term_name=found.term_name,
        cycle=found.cycle,
        amount=None if found.amount is None else found.amount.amount,
        currency="" if found.amount is None else found.amount.currency,
        starts_on=found.starts_on,
        ends_on=found.ends_on,
        next_invoice_on=found.next_invoice_on,
        opportunity_id=found.opportunity_id,
        changed_at=found.changed_at,
        read_at=at,
    )
