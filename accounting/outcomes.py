"""What follows when the books took or refused a document. Steps of an open transaction."""

from datetime import datetime

from django.urls import reverse

from accounting.models import Posting
from connections.models import Connection
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.services import link_contact


def record_posted(posting: Posting, *, ledger_id: str, connection: Connection, now: datetime) -> None:
    """The books hold it under `ledger_id`."""
    if not posting.move_to("posted", now=now, by=connection.provider, ledger_id=ledger_id, error=""):
        return
    if posting.kind == Posting.Kind.CONTACT:
        link_contact(posting.company, organisation_id=connection.organisation_id, contact_id=ledger_id)
    if posting.kind == Posting.Kind.CREDIT_NOTE and posting.payment is not None:
        posting.payment.credit_note.move_to("approved", now=now, by=connection.provider, ledger_id=ledger_id)


def record_refused(posting: Posting, *, refusal: str, now: datetime) -> None:
    """The books refused it: it waits for a person, who is told once."""
    posting.move_to("rejected", now=now, by="ledger", reason=refusal, error=refusal[:500])
    if posting.kind == Posting.Kind.CREDIT_NOTE and posting.payment is not None:
        posting.payment.credit_note.move_to("rejected", now=now, by="ledger", reason=refusal)
    notify_merchant(
        posting.merchant,
        event=EventNotification.Event.POSTING_REFUSED,
        key=f"refused:{posting.pk}:{now.isoformat()}",
        title=f"{posting.get_kind_display()} was refused by the accounting package",
        body=f"{posting.number} for {posting.company}: {refusal}",
        path=reverse("accounting:postings", args=[posting.merchant.reference]),
        now=now,
    )
