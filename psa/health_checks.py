"""What the doctor asks about ConnectWise PSA."""

from collections.abc import Iterator
from datetime import date

from django.conf import settings

from psa.models import TASK_STATES, PsaConnection, PsaPayment
from wisepay import clock
from wisepay.health_checks import HealthCheckResult, register_health_check

MODEL_NOTICE_DAYS = 60  # time to try a newer model before ConnectWise stops answering with ours


@register_health_check
def check_psa_installation() -> Iterator[HealthCheckResult]:
    """Whether merchants can connect, and how long the model of the API lives that we ask for."""
    if not settings.PSA_CLIENT_ID:
        yield HealthCheckResult("psa", None, "PSA_CLIENT_ID is not set: no merchant can connect ConnectWise PSA")
        return
    ends = date.fromisoformat(settings.PSA_API_VERSION_ENDS)
    days = (ends - clock.now().date()).days
    yield HealthCheckResult("psa", True if days > MODEL_NOTICE_DAYS else None, describe_model(ends, days=days))


def describe_model(ends: date, *, days: int) -> str:
    """How long ConnectWise still answers with our model, and what to do once that is not long any more."""
    model = f"model {settings.PSA_API_VERSION}"
    if days > MODEL_NOTICE_DAYS:
        return f"{model}, which ConnectWise answers with until {ends.isoformat()}"
    state = f"{model} ends on {ends.isoformat()}"
    if days < 0:
        state = f"{model} has been old enough since {ends.isoformat()} for ConnectWise to refuse it any day"
    return (
        f"{state}. Set PSA_API_VERSION to a newer one, not newer than the versions that the connections' pages show, "
        "and PSA_API_VERSION_ENDS to twelve months after it came out; then press Test on a connection"
    )


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
