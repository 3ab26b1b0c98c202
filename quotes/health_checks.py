"""What the doctor asks about quotes."""

from collections.abc import Iterator

from quotes.models import Callback, CpqConnection
from wisepay.health_checks import HealthCheckResult, register_health_check


@register_health_check
def check_callbacks() -> Iterator[HealthCheckResult]:
    """Callbacks that CPQ did not take."""
    failing = Callback.objects.filter(delivered_at=None, gave_up_at=None, tries__gt=0).count()
    yield HealthCheckResult("cpq callbacks", None if failing else True, f"{failing} being tried again")


@register_health_check
def check_cpq_connections() -> Iterator[HealthCheckResult]:
    """Keys of ConnectWise CPQ that are used and were refused."""
    refused = CpqConnection.objects.filter(is_enabled=True).exclude(last_error="").count()
    yield HealthCheckResult("cpq keys", None if refused else True, f"{refused} merchants whose keys were refused")
