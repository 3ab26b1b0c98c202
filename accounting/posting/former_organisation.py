"""Postings that belong to the ledger of an organisation that was connected before: a person does them there."""

from collections.abc import Iterable
from datetime import datetime

from django_subatomic.db import transaction

from accounting.models import Posting
from accounting.posting.manual_tasks import save_manual_task
from accounting.posting.orders import FORMER_ORGANISATION
from connections.models import Connection, Tier


def create_former_organisation_tasks(rows: Iterable[Posting], *, now: datetime) -> None:
    """Open a task for each; it waits, and goes on automatically once that organisation is connected again."""
    for row in rows:
        if row.error == FORMER_ORGANISATION:
            continue
        with transaction():
            posting = row.lock()
            if posting.state in Posting.UNSENT_STATES:
                Posting.objects.filter(pk=posting.pk).update(error=FORMER_ORGANISATION)
                save_manual_task(posting, build_former_organisation_text(posting), now=now)


def build_former_organisation_text(posting: Posting) -> tuple[str, list[str]]:
    """The task's title and steps: what is to be done there, and how it ends here."""
    what, name = posting.get_kind_display(), get_former_organisation_name(posting)
    steps = [f"{FORMER_ORGANISATION} Nothing of it goes into the books that are connected now."]
    if name:
        steps.append(f"The former books are those of {name}.")
    if posting.payment is not None:
        steps.append(f"It is about {posting.money} of {posting.company}.")
    if posting.state == "sent":
        steps.append("It was on its way when the company was changed: see in the former books whether it arrived.")
    steps += [
        "Do it by hand in the former books if it is still wanted, and press Done here.",
        "If you connect the former company again instead, it goes on automatically.",
    ]
    return f"See to “{what}” {posting.number} in the former books", steps


def get_former_organisation_name(posting: Posting) -> str:
    """Whose ledger the payment's first document went to, as it was called when it was connected; empty if unknown."""
    connection = Connection.objects.filter(merchant=posting.merchant_id, tier=Tier.WISE_PAY).first()
    first = Posting.objects.filter(payment=posting.payment_id).exclude(sent_to="").order_by("state_at").first()
    if connection is None or first is None:
        return ""
    connected = connection.list_state_changes().filter(to_state="connected", at__lte=first.state_at).last()
    return connected.reason if connected is not None else ""
