"""Outbox handlers of the tenant."""

from datetime import datetime

from merchants.models import Notification
from wisepay.mail import send_mail
from wisepay.outbox import handler


@handler("merchants.email_notification")
def email_notification(*, notification_id: int, now: datetime, **_: object) -> None:
    """Send one notification by e-mail."""
    told = Notification.objects.select_related("user", "merchant").get(pk=notification_id)
    if told.emailed_at is None:
        send_mail(
            "emails/notification",
            to=told.user.email,
            subject=told.title,
            message_id=f"notification-{told.pk}",
            context={"notification": told, "merchant": told.merchant},
        )
        Notification.objects.filter(pk=told.pk).update(emailed_at=now)
