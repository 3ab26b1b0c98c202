"""Callbacks of PSA: registered once, switched on again, checked; they only hurry what the poll would find."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.urls import reverse
from django_subatomic.db import transaction

from merchants.models import EventNotification
from merchants.services import notify_merchant
from psa.agreements.models import PsaAgreementCursor
from psa.agreements.reading import schedule_agreement_reading
from psa.connectwise.signatures import ForeignKeyAddress, fetch_signing_key, has_valid_signature
from psa.connectwise.sites import UnknownSite, find_site
from psa.mirror import find_usual_currency, mark_gone, store_one
from psa.models import PsaConnection
from psa.polling import poll_connection, wake_waiting
from psa.protocol import Psa, RemoteCallback
from psa.scheduling import schedule_poll
from psa.session import EventKind, open_psa_session, record_event
from wisepay import outbox
from wisepay.addresses import build_public_url, get_public_netloc
from wisepay.errors import Disconnected, NotThere, Rejected, Unavailable
from wisepay.input import UnreadableBody, read_json

INVOICE, AGREEMENT = "invoice", "agreement"
DESCRIPTIONS = {
    INVOICE: "Wise-Pay: invoices that payments wait for",
    AGREEMENT: "Wise-Pay: agreements that are proposed to their payers",
}
KEY_LIFETIME = timedelta(days=1)
log = structlog.get_logger(__name__)


def hash_secret(secret: str) -> str:
    """The SHA-256 by which the secret of our address is compared."""
    return hashlib.sha256(secret.encode()).hexdigest()


def register_callbacks(connection: PsaConnection, *, now: datetime) -> None:
    """Have PSA call us about invoices, and about agreements where they are read; one that is registered is used again.

    Raises Unavailable, Rejected or Disconnected.
    """
    secret = get_or_create_secret(connection)
    url = build_callback_url(connection, secret)
    cursors = PsaAgreementCursor.objects.filter(connection=connection)
    with open_psa_session(connection, priority="company", now=now) as psa:
        ours = [one for one in psa.list_callbacks(get_public_netloc()) if one.url == url]
        invoices = get_or_register(psa, ours, INVOICE, url)
        PsaConnection.objects.filter(pk=connection.pk).update(callback_id=invoices)
        if cursors.exclude(completed_at=None).exists():
            cursors.update(callback_id=get_or_register(psa, ours, AGREEMENT, url))


def get_or_register(psa: Psa, ours: Sequence[RemoteCallback], kind: str, url: str) -> int:
    """The id of our callback about a kind of record, registered or switched on if need be."""
    found = next((one for one in ours if one.kind == kind), None)
    found = found or psa.create_callback(kind=kind, url=url, description=DESCRIPTIONS[kind])
    return psa.enable_callback(found.id).id if found.is_inactive else found.id


def list_callback_ids(connection: PsaConnection) -> list[int]:
    """PSA's ids of our callbacks."""
    cursors = PsaAgreementCursor.objects.filter(connection=connection).exclude(callback_id=None)
    ids = [connection.callback_id, *cursors.values_list("callback_id", flat=True)]
    return [key for key in ids if key is not None]


def get_or_create_secret(connection: PsaConnection) -> str:
    """The secret in our callbacks' address, made the first time and committed before PSA is told."""
    with transaction():
        row = connection.lock()
        if row.callback_secret:
            return str(row.callback_secret.decrypt())
        secret = secrets.token_urlsafe(32)
        row.callback_secret, row.callback_digest = secret, hash_secret(secret)
        row.save(update_fields=["callback_secret", "callback_digest"])
    return secret


def build_callback_url(connection: PsaConnection, secret: str) -> str:
    """Our address; PSA appends the record's id and the action."""
    path = reverse("psa:callback", args=[connection.merchant.reference, secret])
    return f"{build_public_url(path)}?recordId="


def check_callbacks(connection: PsaConnection, *, now: datetime) -> None:
    """Look whether PSA has switched a callback of ours off; if so switch it on, catch up, and tell the merchant.

    Raises Unavailable, Rejected or Disconnected.
    """
    ids = list_callback_ids(connection)
    if not ids:
        return
    try:
        with open_psa_session(connection, priority="service", now=now) as psa:
            found_off = [key for key in ids if enable_inactive(psa, key)]
            was_off = bool(found_off)
    except NotThere:
        register_callbacks(connection, now=now)
        was_off = True
    if was_off:
        record_switched_off(connection, now=now)
        wake_waiting(connection, now=now)
        if PsaAgreementCursor.objects.filter(connection=connection).exists():
            schedule_agreement_reading(connection, now=now)


def check_every_callback(*, now: datetime) -> None:
    """Check the callback of every connection; one that can't be asked is asked again in an hour."""
    rows = PsaConnection.objects.select_related("merchant").filter(state="connected").exclude(callback_id=None)
    for connection in rows:
        with suppress(Unavailable, Rejected, Disconnected):
            check_callbacks(connection, now=now)


def enable_inactive(psa: Psa, callback_id: int) -> bool:
    """Switch a callback on if it is off; answer whether it was. Raises Rejected when it stays off."""
    if not psa.get_callback(callback_id).is_inactive:
        return False
    if psa.enable_callback(callback_id).is_inactive:
        raise Rejected("inactive", "ConnectWise PSA keeps the callback switched off.")
    return True


def record_switched_off(connection: PsaConnection, *, now: datetime) -> None:
    """Write down and tell that callbacks were off for a while."""
    with transaction():
        record_event(connection, EventKind.CALLBACKS_OFF, now=now)
        notify_merchant(
            connection.merchant,
            event=EventNotification.Event.CONNECTION_BROKEN,
            key=f"psa-callbacks:{connection.pk}:{now:%Y-%m-%d}",
            title="ConnectWise PSA had switched its callbacks off",
            body="They are on again, and what came meanwhile is being looked for. PSA does this when this server "
            "could not be reached for three days.",
            path=reverse("psa:connection", args=[connection.merchant.reference]),
            now=now,
        )


def remove_callbacks(connection: PsaConnection, *, now: datetime) -> None:
    """Remove our callbacks before the keys are deleted, if PSA answers."""
    ids = list_callback_ids(connection)
    if not ids or connection.state != "connected":
        return
    with (
        suppress(Unavailable, Rejected, Disconnected),
        open_psa_session(connection, priority="interactive", now=now) as psa,
    ):
        for key in ids:
            with suppress(NotThere):
                psa.delete_callback(key)
    PsaAgreementCursor.objects.filter(connection=connection).update(callback_id=None)


def find_called_connection(merchant_ref: str, secret: str) -> PsaConnection | None:
    """The connection whose address was called; None for a wrong secret."""
    row = PsaConnection.objects.select_related("merchant").filter(merchant__reference=merchant_ref).first()
    if row is None or not row.callback_digest or row.state not in ("connected", "broken"):
        return None
    return row if hmac.compare_digest(row.callback_digest, hash_secret(secret)) else None


def receive_callback(connection: PsaConnection, body: bytes, signature: str, *, now: datetime) -> None:
    """Have the named invoice, or the changed agreements, read again. The same message again changes nothing.

    A message that can't be checked has PSA polled, and nothing else.
    """
    message = read_message(body)
    record_id = read_record_id(message)
    is_checked = record_id is not None and is_signed(connection, message, body, signature, now=now)
    if is_checked and str(message.get("Type")).lower() == AGREEMENT:
        schedule_agreement_reading(connection, now=now)
    elif is_checked and record_id is not None:
        key = f"psa:{connection.pk}:{hashlib.sha256(body).hexdigest()}"
        outbox.enqueue(key, "psa.read_invoice", connection_id=connection.pk, invoice_id=record_id)
    else:
        log.warning("psa.callback_unchecked", connection=connection.pk)
        schedule_poll(connection, now=now)


def read_record_id(message: dict[str, Any]) -> int | None:
    """The record that a message names; None where it names none."""
    found = message.get("ID")
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**31 else None


def read_message(body: bytes) -> dict[str, Any]:
    """The message; empty for anything that can't be read."""
    try:
        found = read_json(body)
    except UnreadableBody:
        return {}
    return found if isinstance(found, dict) else {}


def is_signed(
    connection: PsaConnection, message: dict[str, Any], body: bytes, signature: str, *, now: datetime
) -> bool:
    """Whether PSA signed the message; a key that was fetched anew may be one that PSA has changed."""
    fresh = connection.signing_key_at is not None and connection.signing_key_at > now - KEY_LIFETIME
    if fresh and connection.signing_key and has_valid_signature(connection.signing_key.decrypt(), body, signature):
        return True
    if fresh and connection.signing_key_at and connection.signing_key_at > now - timedelta(minutes=10):
        return False  # forged messages do not have the key fetched again and again
    metadata = message.get("Metadata")
    address = metadata.get("key_url") if isinstance(metadata, dict) else None
    try:
        key = fetch_signing_key(find_site(connection.site), str(address or ""))
    except (ForeignKeyAddress, UnknownSite, Unavailable) as error:
        log.warning("psa.signing_key_refused", connection=connection.pk, reason=str(error))
        return False
    connection.signing_key, connection.signing_key_at = key, now
    connection.save(update_fields=["signing_key", "signing_key_at"])
    return has_valid_signature(key, body, signature)


def read_changed_invoice(connection: PsaConnection, invoice_id: int, *, now: datetime) -> None:
    """Read an invoice that PSA named, and wake what waits for it. Raises Unavailable or Disconnected."""
    try:
        with open_psa_session(connection, priority="company", now=now) as psa:
            invoice = psa.get_invoice(invoice_id, currency=find_usual_currency(connection))
    except NotThere:
        mark_gone(connection, invoice_id)
        return
    except Rejected:
        return
    if connection.uses_invoices:
        store_one(connection, invoice, now=now)
    if invoice.kind == "DownPayment":
        wake_waiting(connection, now=now)


def poll_after_callback(connection: PsaConnection, *, now: datetime) -> None:
    """Ask PSA for what changed. Raises Unavailable or Disconnected."""
    with suppress(Rejected):
        poll_connection(connection, now=now)
