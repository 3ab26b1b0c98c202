"""The product's clock: the one place that says what time it is, so that demos can move it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The current instant: aware, in UTC."""
    return timezone.now()
