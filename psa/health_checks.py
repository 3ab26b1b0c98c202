"""What the doctor asks about ConnectWise PSA."""

from collections.abc import Iterator
from datetime import date

from django.conf import settings

from psa.models import TASK_STATES, PsaConnection, PsaPayment
from wisepay import clock
from wisepay.health_checks import HealthCheckResult, register_health_check


@register_health_check
def check_psa_installation() -> Iterator[HealthCheckResult]:
    """Whether merchants can connect, and how long the model of the API lives that we ask for."""
    if not settings.PSA_CLIENT_ID:
        yield HealthCheckResult("psa", None, "PSA_CLIENT_ID is not set: no merchant can connect ConnectWise PSA")
        return
    ends = date.fromisoformat(settings.PSA_API_VERSION_ENDS)
    is_over = clock.now().date() > ends
    words = f"model {settings.PSA_API_VERSION}, which ConnectWise answers with until {ends.isoformat()}"
    yield HealthCheckResult("psa", None if is_over else True, words)


@register_health_check
def check_psa_connections() -> Iterator[HealthCheckResult]:
    """Every connection, and what waits for a person."""
    for row in PsaConnection.objects.select_related("merchant").order_by("merchant__name"):
        status = f"{row.merchant}: {row.state}"
        if row.state == "broken":
            yield HealthCheckResult("psa connection", False, f"{status}, {row.last_error}")
        elif row.unavailable_since:
            yield HealthCheckResult(
                "psa connection", None, f"{status}, no answer since {row.unavailable_since:%F %H:%M}Z"
            )
        else:
            yield HealthCheckResult("psa connection", True if row.state == "connected" else None, status)
    tasks = PsaPayment.objects.filter(state__in=TASK_STATES).count()
    if tasks:
        yield HealthCheckResult("psa payments", None, f"{tasks} need a person")
