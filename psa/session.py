"""Open the PSA behind a connection, and record on the connection how its calls went."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django_subatomic.db import transaction

from connections.rate_limiter.limiter import BudgetAccount, Priority
from merchants.models import EventNotification
from merchants.services import notify_merchant
from psa.connectwise.client import Credentials
from psa.connectwise.psa import ConnectWisePsa
from psa.connectwise.sites import UnknownSite, find_site
from psa.models import PsaConnection, PsaConnectionEvent
from psa.protocol import Psa
from wisepay.budgets import count_vendor_call
from wisepay.errors import Disconnected, Unavailable

EventKind = PsaConnectionEvent.Kind


def open_psa(
    site: str, credentials: Credentials, *, codebase: str = "", priority: Priority = "interactive"
) -> ConnectWisePsa:
    """The PSA behind these keys; makes no call.

    Raises UnknownSite, CallRefused, or Disconnected without a clientId of ours.
    """
    count_vendor_call()
    if not settings.PSA_CLIENT_ID:
        raise Disconnected("ConnectWise PSA is not set up on this server: it needs a clientId of ConnectWise.")
    account = BudgetAccount("psa", settings.PSA_CLIENT_ID, f"{site.strip().lower()}/{credentials.company.lower()}")
    return ConnectWisePsa(find_site(site), credentials, account, codebase=codebase, priority=priority)


@contextmanager
def open_psa_session(connection: PsaConnection, *, priority: Priority, now: datetime) -> Iterator[Psa]:
    """Open the connection's PSA for the block, and record its success or failure on the connection.

    Raises Unavailable, Rejected, or Disconnected when a person has to connect again.
    """
    if connection.state != "connected":
        raise Disconnected("ConnectWise PSA is not connected.")
    credentials = Credentials(
        connection.login_company, connection.public_key.decrypt(), connection.private_key.decrypt()
    )
    try:
        psa = open_psa(connection.site, credentials, codebase=connection.codebase, priority=priority)
    except UnknownSite as error:
        raise Disconnected(str(error)) from error
    try:
        yield psa
    except Unavailable as error:
        record_unavailable(connection, error, now=now)
        raise
    except Disconnected as error:
        record_disconnect(connection, reason=str(error), now=now)
        raise
    finally:
        psa.close()
    record_success(connection, psa, now=now)


def record_success(connection: PsaConnection, psa: Psa, *, now: datetime) -> None:
    """Record that PSA accepted our keys, and below which codebase."""
    if not psa.was_accepted:
        return
    rows = PsaConnection.objects.filter(pk=connection.pk)
    rows.update(succeeded_at=now, codebase=psa.codebase)
    if rows.exclude(unavailable_since=None).update(unavailable_since=None, last_error=""):
        record_event(connection, EventKind.AVAILABLE, now=now)


def record_unavailable(connection: PsaConnection, error: Unavailable, *, now: datetime) -> None:
    """Record since when PSA does not answer; a refusal for too many calls is an answer."""
    if error.retry_after is not None and not error.maybe_done:
        return
    rows = PsaConnection.objects.filter(pk=connection.pk, state="connected", unavailable_since=None)
    if rows.update(unavailable_since=now, last_error=str(error)[:300]):
        record_event(connection, EventKind.UNAVAILABLE, text=str(error), now=now)


def record_disconnect(connection: PsaConnection, *, reason: str, now: datetime) -> None:
    """Move the connection to broken, and notify the merchant's people once."""
    with transaction():
        row = connection.lock()
        if row.state != "connected" or row.connected_at != connection.connected_at:
            return
        row.move_locked_to("broken", now=now, by="provider", reason=reason, last_error=reason[:300])
        notify_merchant(
            connection.merchant,
            event=EventNotification.Event.CONNECTION_BROKEN,
            key=f"psa-broken:{connection.pk}:{now.isoformat()}",
            title="ConnectWise PSA is disconnected",
            body=f"{reason} Connect it again with keys that work. Payments go on; what has to be written to PSA "
            "waits until then, and nothing is lost.",
            path=reverse("psa:connection", args=[connection.merchant.reference]),
            now=now,
        )
    connection.refresh_from_db()


def record_event(connection: PsaConnection, kind: EventKind, *, now: datetime, text: str = "", by: str = "") -> None:
    """Add an entry to the connection's history."""
    PsaConnectionEvent.objects.create(connection_id=connection.pk, kind=kind, text=text[:300], by=by[:254], at=now)
