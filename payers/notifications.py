"""Which mails a payer is subscribed to."""

from collections.abc import Iterable

from django_subatomic.db import transaction

from payers.models import PayerNotification
from wisepay.models import User

PayerEvent = PayerNotification.Event
EVENT_DESCRIPTIONS = {
    PayerEvent.BANK_DEBIT_SUBMITTED: "Your bank has been asked for the money. It takes some days to settle.",
    PayerEvent.BANK_DEBIT_SETTLED: "The money of a bank debit arrived.",
    PayerEvent.BANK_DEBIT_FAILED: "Your bank returned a debit, and what you paid for is open again.",
    PayerEvent.METHOD_EXPIRING: "A card that you saved expires soon.",
}


def is_subscribed(user: User | None, event: str) -> bool:
    """Whether to mail them about `event`. People without an account can't unsubscribe."""
    if user is None:
        return True
    found = PayerNotification.objects.filter(user=user, event=event).values_list("is_enabled", flat=True).first()
    return True if found is None else found


def get_preferences(user: User) -> dict[str, bool]:
    """Every event with whether they are subscribed to its mail."""
    saved = dict(PayerNotification.objects.filter(user=user).values_list("event", "is_enabled"))
    return {event.value: saved.get(event.value, True) for event in PayerEvent}


def save_preferences(user: User, *, events: Iterable[str]) -> None:
    """Subscribe the payer to the mails about exactly these events."""
    enabled = set(events)
    with transaction():
        for event in PayerEvent:
            PayerNotification.objects.update_or_create(
                user=user, event=event, defaults={"is_enabled": event.value in enabled}
            )
