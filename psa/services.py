"""Connect, test, configure and disconnect a merchant's ConnectWise PSA."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django_subatomic.db import transaction

from accounting.models import InvoiceDocument
from merchants.models import Merchant
from psa.agreements.models import PsaBillingTerm
from psa.callbacks import remove_callbacks
from psa.connectwise.client import KEYS_REFUSED, Credentials
from psa.connectwise.sites import UnknownSite
from psa.models import PsaConnection, PsaConnectionEvent, Writer
from psa.protocol import Installation, RightCheck
from psa.scheduling import schedule_waiting_payments
from psa.session import EventKind, open_psa, open_psa_session, record_event
from wisepay import outbox
from wisepay.errors import Disconnected, NotThere, Rejected, Unavailable

EVENT_RETENTION = timedelta(days=30)


class ConnectionRefused(Exception):
    """Nothing was connected; the message says why and what to do, `field` where it belongs on the form."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def get_psa_connection(merchant: Merchant) -> PsaConnection:
    """The merchant's connection; an unsaved one in state "never" before the first time."""
    found = PsaConnection.objects.select_related("merchant").filter(merchant=merchant).first()
    return found or PsaConnection(merchant=merchant, state="never")


def connect_psa(merchant: Merchant, *, site: str, credentials: Credentials, by: str, now: datetime) -> PsaConnection:
    """Try the keys and each right, and connect. Raises ConnectionRefused; what was connected before stays then."""
    installation, version, rights = try_credentials(site, credentials)
    columns: dict[str, Any] = {
        "site": site.strip().lower(),
        "login_company": credentials.company,
        "public_key": credentials.public_key,
        "private_key": credentials.private_key,
        "codebase": "",
        "version": version or installation.version,
        "name": installation.name,
        "rights": [asdict(right) for right in rights],
        "connected_at": now,
        "connected_by": by,
        "succeeded_at": now,
        "tested_at": now,
        "test_passed": all(right.is_granted for right in rights),
        "unavailable_since": None,
        "last_error": "",
    }
    try:
        with transaction():
            row, _ = PsaConnection.objects.get_or_create(
                merchant=merchant, defaults={"state": "never", "state_at": now}
            )
            if is_other_psa(row, columns):
                columns |= {"written_by": "nobody", "writes_since": None, "confirmed_at": None}
                columns |= {"polled_at": None, "read_until": None}
                columns |= {"invoices_read_at": None, "shows_documents": False, "syncs_payments": False}
                columns |= {"uses_terms": has_decided_terms(merchant, columns)}
                row.invoices.all().delete()
            if row.state == "connected":
                row.move_to("disconnected", now=now, by=by, reason="new keys")
            row.move_to("connected", now=now, by=by, reason=installation.name, **columns)
            schedule_waiting_payments(row, now=now)
            outbox.schedule(f"psa:callbacks:{row.pk}", "psa.register_callbacks", now=now, connection_id=row.pk)
    except IntegrityError as error:
        raise ConnectionRefused("Another merchant is connected to this company already.", field="company") from error
    return row


def is_other_psa(row: PsaConnection, columns: dict[str, Any]) -> bool:
    """Whether the keys open another company than the one that was connected before."""
    before = (row.site, row.login_company.lower())
    return before != (columns["site"], columns["login_company"].lower())


def has_decided_terms(merchant: Merchant, columns: dict[str, Any]) -> bool:
    """Whether people said, at an earlier connection to that company, what its billing terms mean here."""
    organisation_id = PsaConnection(site=columns["site"], login_company=columns["login_company"]).organisation_id
    rows = PsaBillingTerm.objects.filter(merchant=merchant, organisation_id=organisation_id)
    return rows.exclude(decided_at=None).exists()


def try_credentials(site: str, credentials: Credentials) -> tuple[Installation, str, list[RightCheck]]:
    """Find the company, and try each right. Raises ConnectionRefused."""
    try:
        psa = open_psa(site, credentials)
    except UnknownSite as error:
        raise ConnectionRefused(str(error), field="site") from error
    except (Disconnected, Unavailable) as error:
        raise ConnectionRefused(str(error)) from error
    try:
        installation = psa.discover()
        version = psa.get_version()
        return installation, version, psa.check_rights()
    except NotThere as error:
        raise ConnectionRefused("There is no company of this name at that site.", field="company") from error
    except Disconnected as error:
        raise ConnectionRefused(KEYS_REFUSED, field="private_key") from error
    except Rejected as error:
        raise ConnectionRefused(f"ConnectWise PSA refused: {error.message}") from error
    except Unavailable as error:
        raise ConnectionRefused(f"{error} Nothing was changed. Please try again soon.") from error
    finally:
        psa.close()


def verify_psa(connection: PsaConnection, *, by: str, now: datetime) -> list[RightCheck]:
    """Try the keys and each right again, for a person. Raises Unavailable, Rejected or Disconnected."""
    try:
        with open_psa_session(connection, priority="interactive", now=now) as psa:
            installation, version, rights = psa.discover(), psa.get_version(), psa.check_rights()
    except Disconnected as error:
        PsaConnection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=False)
        record_event(connection, EventKind.TEST_FAILED, text=str(error), by=by, now=now)
        raise
    missing = [right.role for right in rights if not right.is_granted]
    kind = EventKind.TEST_FAILED if missing else EventKind.TEST_PASSED
    with transaction():
        PsaConnection.objects.filter(pk=connection.pk).update(
            tested_at=now,
            test_passed=not missing,
            rights=[asdict(right) for right in rights],
            version=version or installation.version,
            name=installation.name,
        )
        record_event(connection, kind, text="; ".join(missing), by=by, now=now)
        schedule_waiting_payments(connection, now=now)
    return rights


def update_psa_settings(
    connection: PsaConnection,
    *,
    written_by: str,
    writes_debits: str,
    now: datetime,
    syncs_payments: bool = False,
    shows_documents: bool = False,
) -> None:
    """Say who writes payments to PSA and which, when a bank debit is written, and whose PDF payers see.

    What waited for that goes on.
    """
    columns: dict[str, Any] = {
        "written_by": written_by,
        "writes_debits": writes_debits,
        "syncs_payments": syncs_payments,
    }
    with transaction():
        if shows_documents != connection.shows_documents:
            # A copy of the other document would be given out until it is a day old.
            InvoiceDocument.objects.filter(invoice__merchant=connection.merchant_id).delete()
        if written_by == Writer.US and not connection.writes_payments:
            columns["writes_since"] = now
        PsaConnection.objects.filter(pk=connection.pk).update(**columns, shows_documents=shows_documents)
        connection.refresh_from_db()
        schedule_waiting_payments(connection, now=now)


def disconnect_psa(connection: PsaConnection, *, by: str, now: datetime) -> None:
    """Remove our callback and delete the keys. What was not written yet waits until PSA is connected again."""
    remove_callbacks(connection, now=now)
    with transaction():
        connection.move_to(
            "disconnected",
            now=now,
            by=by,
            public_key="",
            private_key="",
            signing_key="",
            callback_id=None,
            last_error="",
            unavailable_since=None,
        )


def delete_old_events(*, now: datetime) -> int:
    """Delete the events that the history no longer shows; answer how many."""
    return PsaConnectionEvent.objects.filter(at__lt=now - EVENT_RETENTION).delete()[0]
