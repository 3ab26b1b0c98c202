"""Webhook events of the accounting packages: verified, parsed, and recorded as pending changes."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django_subatomic.db import transaction, transaction_required

from accounting.mirror.kinds import PAYMENTS
from accounting.models import PendingChange
from accounting.refetch_requests import schedule_pending_changes, upsert_pending_changes
from connections.models import LinkedOrganisation
from wisepay.input import EARLIEST_YEAR, LAST_YEAR, is_id, read_json

XERO_KINDS = {"INVOICE": "invoices", "CREDITNOTE": "credits", "CONTACT": "contacts"}
# A payment is not mirrored: its event says that documents changed, but not which.
INTUIT_KINDS = {
    "qbo.invoice": "invoices",
    "qbo.creditmemo": "credits",
    "qbo.customer": "contacts",
    "qbo.payment": PAYMENTS,
}
MAX_ID_LENGTH = 60
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One document of one organisation changed at `at`, on the ledger's clock; or was `merged_into` another one."""

    organisation_id: str
    kind: str
    ledger_id: str
    at: datetime
    merged_into: str = ""


class UnreadableWebhook(ValueError):
    """The body of a webhook cannot be parsed."""


def is_signed(body: bytes, *, signature: str, keys: Sequence[str]) -> bool:
    """Whether one of these keys made the signature: base64 of HMAC-SHA256 over the raw body."""
    given = signature.encode("utf-8", "replace")
    expected = [base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()) for key in keys]
    return any(hmac.compare_digest(each, given) for each in expected)


def parse_xero_events(body: bytes) -> list[ChangeEvent]:
    """The events of a webhook of Xero's that concern mirrored documents. Raises UnreadableWebhook."""
    try:
        rows = read_json(body)["events"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableWebhook(type(error).__name__) from error
    return parse_events(rows, parse_xero_event)


def parse_events(rows: Any, parse: Callable[[Any], list[ChangeEvent]]) -> list[ChangeEvent]:
    """Parse the events of a list; among others that can be read, one that cannot is logged and left to the next poll.

    Raises UnreadableWebhook when none can.
    """
    if not isinstance(rows, list):
        raise UnreadableWebhook("no list of events")
    found, faults = [], []
    for row in rows:
        try:
            events = parse(row)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            faults.append(type(error).__name__)
        else:
            found += events
    if faults and len(faults) == len(rows):
        raise UnreadableWebhook(faults[0])
    if faults:
        log.warning("books_event.unreadable", reasons=faults[:5])
    return found


def parse_xero_event(row: dict[str, Any]) -> list[ChangeEvent]:
    """Parse one event; none for one that does not concern mirrored documents."""
    kind = XERO_KINDS.get(row["eventCategory"])
    if kind is None or not is_sale(row):
        return []
    event = ChangeEvent(
        organisation_id=parse_id(row["tenantId"]).lower(),
        kind=kind,
        ledger_id=parse_id(row["resourceId"]).lower(),
        at=parse_instant(row["eventDateUtc"]),
    )
    return [event]


def parse_intuit_events(body: bytes) -> list[ChangeEvent]:
    """The same of a webhook of Intuit's: a list of CloudEvents, or what came before them. Raises UnreadableWebhook."""
    try:
        found = read_json(body)
        rows = found if isinstance(found, list) else list_former_events(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableWebhook(type(error).__name__) from error
    return parse_events(rows, parse_intuit_event)


def list_former_events(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Events in the form that Intuit sent before CloudEvents, as CloudEvents: apps that never switched still get it."""
    return [
        {
            "type": f"qbo.{entity['name'].lower()}.{str(entity.get('operation') or '').lower()}",
            "intuitaccountid": notification["realmId"],
            "intuitentityid": entity["id"],
            "time": entity["lastUpdated"],
            "data": {"deletedid": entity.get("deletedId")},
        }
        for notification in body["eventNotifications"]
        for entity in (notification.get("dataChangeEvent") or {}).get("entities") or []
    ]


def get_event_kind(text: str) -> str:
    """The document kind of an event type: `qbo.invoice` of `qbo.invoice.updated.v1`."""
    return ".".join(text.split(".")[:2])


def parse_intuit_event(row: dict[str, Any]) -> list[ChangeEvent]:
    """Parse one event; none for one that does not concern mirrored documents.

    Of a merge there are two, since the one that was merged away changed as well.
    """
    kind = INTUIT_KINDS.get(get_event_kind(row["type"]))
    if kind is None:
        return []
    organisation_id, at = parse_id(row["intuitaccountid"]), parse_instant(row["time"])
    event = ChangeEvent(organisation_id, kind, parse_id(row["intuitentityid"]), at)
    merged = (row.get("data") or {}).get("deletedid")
    if not merged:
        return [event]
    return [event, ChangeEvent(organisation_id, kind, parse_id(merged), at, merged_into=event.ledger_id)]


def parse_id(value: object) -> str:
    """Parse an id of the ledger's. Raises ValueError for what can be none."""
    if not isinstance(value, str | int) or not is_id(str(value), longest=MAX_ID_LENGTH):
        raise ValueError("an id that is none of the ledger's")
    return str(value)


def parse_instant(text: str) -> datetime:
    """Parse an instant, in UTC when it names no zone. Raises ValueError or TypeError."""
    at = datetime.fromisoformat(text)
    # A later one could not be read back from the database, and would outdate every event that comes.
    if not EARLIEST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError("an instant that no document was changed at")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def is_sale(row: dict[str, Any]) -> bool:
    """Whether the event may be about a sale. Events of suppliers' credit notes say that they are not."""
    return bool((row.get("data") or {}).get("Type") != "ACCPAYCREDIT")


def receive_events(provider: str, events: Iterable[ChangeEvent], *, now: datetime) -> int:
    """Record the events as pending changes and let workers read them; answers how many documents that are.

    Events of organisations that no merchant has linked are ignored. So is an event that is not newer than the last one
    of its document: the document is, or will be, read as it is after that one.
    """
    newest: dict[tuple[str, str, str], ChangeEvent] = {}
    for event in sorted(events, key=lambda event: event.at):
        newest[(event.organisation_id, event.kind, event.ledger_id)] = event
    links = LinkedOrganisation.objects.filter(provider=provider, organisation_id__in={key[0] for key in newest})
    owners = dict(links.values_list("organisation_id", "merchant"))
    linked = {key: event for key, event in newest.items() if key[0] in owners}
    if not linked:
        return 0
    with transaction():
        changes = record_events(linked, owners, now=now)
        for merchant_id in sorted({change.merchant_id for change in changes}):
            schedule_pending_changes(merchant_id, now=now)
    return len(changes)


@transaction_required
def record_events(
    events: dict[tuple[str, str, str], ChangeEvent], owners: dict[str, int], *, now: datetime
) -> list[PendingChange]:
    """Record the events that are newer than the last of their documents; answers those. Two statements."""
    rows = PendingChange.objects.filter(
        merchant__in=set(owners.values()), ledger_id__in={event.ledger_id for event in events.values()}
    ).values_list("organisation_id", "kind", "ledger_id", "event_at")
    last_event_at = {(organisation, kind, key): at for organisation, kind, key, at in rows}
    newer = [
        PendingChange(
            merchant_id=owners[event.organisation_id],
            organisation_id=event.organisation_id,
            kind=event.kind,
            ledger_id=event.ledger_id,
            event_at=event.at,
            notified_at=now,
        )
        for key, event in events.items()
        if key not in last_event_at or event.at > last_event_at[key]
    ]
    upsert_pending_changes(newer, are_events=True)
    for event in events.values():
        if event.merged_into:
            same = PendingChange.objects.filter(organisation_id=event.organisation_id, ledger_id=event.ledger_id)
            same.filter(kind=event.kind, merchant=owners[event.organisation_id]).update(merged_into=event.merged_into)
    return newer
