"""Outbox handlers of the tenant."""

from datetime import datetime

from merchants.models import Notification
from wisepay.mail import send_email
from wisepay.outbox import handler


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
