"""Notices to a merchant's people, under the bell and by mail: of each event who has the right to deal with it hears."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction_required

from merchants.access import list_rights_to_open
from merchants.models import EventNotification, Membership, Merchant, Notification
from merchants.rights import Right
from wisepay import outbox
from wisepay.input import end_once
from wisepay.mail import send_email
from wisepay.models import User
from wisepay.outbox import handler

Event = EventNotification.Event
# Who has any of these is notified of the event, if the page that the notice leads to opens for them.
RIGHTS_OF_EVENT: dict[str, tuple[Right, ...]] = {
    Event.PREPAYMENT_PROCESSED.value: (Right.BOOKS,),
    Event.BANK_DEBIT_SUBMITTED.value: (Right.BOOKS,),
    Event.BANK_DEBIT_REJECTED.value: (Right.BOOKS,),
    Event.PAYMENT_DISPUTED.value: (Right.BOOKS, Right.REFUND),
    Event.PAYMENT_REFUNDED.value: (Right.BOOKS, Right.REFUND),
    Event.METHOD_SAVED.value: (Right.AUTOMATIC_PAYMENTS,),
    Event.PAYER_REGISTERED.value: (Right.MANAGE_PAYERS,),
    Event.AUTOPAY_FAILED.value: (Right.AUTOMATIC_PAYMENTS,),
    Event.AUTOPAY_UNMATCHED.value: (Right.AUTOMATIC_PAYMENTS,),
    Event.AUTOPAY_PROPOSED.value: (Right.AUTOMATIC_PAYMENTS,),
    Event.BOOKS_TASK.value: (Right.BOOKS,),
    Event.POSTING_REFUSED.value: (Right.BOOKS,),
    Event.CONNECTION_BROKEN.value: (Right.SETTINGS,),
    Event.GATEWAY_REFUSED.value: (Right.SETTINGS,),
    Event.CARD_TESTING.value: (Right.TAKE_PAYMENTS, Right.SETTINGS),
}


@transaction_required
def notify_merchant(
    merchant: Merchant, *, event: str, key: str, title: str, body: str, path: str, now: datetime
) -> None:
    """Notify whom the event concerns once per `key`, if the event is enabled."""
    if not merchant.event_notifications.filter(event=event, is_enabled=True).exists():
        return
    notify_people(merchant, RIGHTS_OF_EVENT[event], event=event, key=key, title=title, body=body, path=path, now=now)


@transaction_required
def warn_of_replaced_keys(merchant: Merchant, *, what: str, by: User, path: str, now: datetime) -> None:
    """Notify whoever may change settings that somebody replaced keys ("Stripe keys"); nobody can switch this off."""
    notify_people(
        merchant,
        (Right.SETTINGS,),
        event="keys_replaced",
        key=f"keys:{what}:{now.timestamp()}",
        title=f"{what} of {merchant.name}: replaced",
        body=f"{by} ({by.email}) did this. If it was not meant to happen, replace it again at once, and look "
        "into the audit log for what else was done.",
        path=path,
        now=now,
    )


@transaction_required
def warn_of_strong_role(member: Membership, *, by: str, now: datetime) -> None:
    """Notify whoever manages people that somebody got a role that moves money, settings or rights."""
    notify_people(
        member.merchant,
        (Right.PEOPLE,),
        event="admin_added",
        key=f"role:{member.pk}:{now.timestamp()}",
        title=f"{member.user.email} is {member.role} now",
        body=f"{by} did this. The role may: {member.role.rights_in_words}. If it was not meant to happen, take it away "
        "again at once, and look into the audit log for what else was done.",
        path=reverse("merchants:people", args=[member.merchant.reference]),
        now=now,
    )


@transaction_required
def notify_people(
    merchant: Merchant,
    rights: tuple[Right, ...],
    *,
    event: str,
    key: str,
    title: str,
    body: str,
    path: str,
    now: datetime,
) -> None:
    """Notify, once per `key`, everybody who has any of the rights and may open the page at `path`."""
    people = list_people_with(merchant, rights, path=path)
    notified = set(Notification.objects.filter(user__in=people, key=key).values_list("user_id", flat=True))
    notifications = [
        Notification(
            user=user,
            key=key,
            merchant=merchant,
            event=event,
            title=title[:160],
            body=end_once(body)[:500],
            path=path,
            created_at=now,
        )
        for user in people
        if user.pk not in notified
    ]
    for notification in Notification.objects.bulk_create(notifications):
        outbox.enqueue(
            f"notification:{notification.pk}", "merchants.email_notification", notification_id=notification.pk
        )


def list_people_with(merchant: Merchant, rights: tuple[Right, ...], *, path: str) -> list[User]:
    """The merchant's people who have any of the rights and may open the page at `path`."""
    opens = list_rights_to_open(path)
    members = Membership.objects.filter(merchant=merchant, user__is_active=True).select_related("role", "user")
    return [one.user for one in members.order_by("pk") if one.may(*rights) and (not opens or one.may(*opens))]


@handler("merchants.email_notification")
def email_notification(*, notification_id: int, now: datetime, **_: object) -> None:
    """Send one notification by e-mail."""
    notification = Notification.objects.select_related("user", "merchant").get(pk=notification_id)
    if notification.emailed_at is None:
        send_email(
            "notification",
            notification.user.email,
            {"notification": notification, "merchant": notification.merchant},
            subject=notification.title,
            message_id=f"notification-{notification.pk}",
        )
        Notification.objects.filter(pk=notification.pk).update(emailed_at=now)
