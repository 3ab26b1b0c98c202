"""The product's time: everything that asks what time it is asks here, so that one place can move it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The instant it is for the product: aware, in UTC."""
    return timezone.now()
