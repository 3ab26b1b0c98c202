"""Retention: from which household and browser a payment came is forgotten after the merchant's months."""

from datetime import datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F, Func, GenericIPAddressField, Value

from payments.models import Attempt, Setup
from payments.states import LIVE_STATES

BATCH = 2_000
MONTH = timedelta(days=30)
STORED = ExpressionWrapper(F("account__merchant__keeps_device_months") * Value(MONTH), DurationField())
# As `forget_host` does it: the network stays, /24 or /48.
NETWORK = Func(
    F("ip"),
    template="host(network(set_masklen(%(expressions)s, "
    "CASE family(%(expressions)s) WHEN 4 THEN 24 ELSE 48 END)))::inet",
    output_field=GenericIPAddressField(),
)


def forget_old_devices(*, now: datetime) -> int:
    """Cut addresses to their network, and blank browsers, of attempts and setups that are old; answer how many rows."""
    count = 0
    for table in (Attempt, Setup):
        old = table.objects.annotate(stored=STORED).filter(created_at__lt=now - F("stored"))
        known = old.exclude(state__in=LIVE_STATES).exclude(ip=None).exclude(ip=NETWORK, user_agent="")
        keys = list(known.order_by("pk").values_list("pk", flat=True)[:BATCH])
        count += table.objects.filter(pk__in=keys).update(ip=NETWORK, user_agent="")
    return count
