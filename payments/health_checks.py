"""Health checks of the gateway accounts and of undecided attempts."""

from collections.abc import Iterator
from functools import partial

from payments.gateways import open_gateway
from payments.models import Attempt, GatewayAccount
from payments.states import LIVE_STATES
from wisepay.errors import Rejected, Unavailable
from wisepay.health_checks import HealthCheckResult, examine, register_health_check


@register_health_check
def check_gateway_keys() -> Iterator[HealthCheckResult]:
    """Check that every merchant's secret key works; one of an account that was replaced need not."""
    for account in GatewayAccount.objects.select_related("merchant"):
        yield from examine("stripe key", partial(check_account_key, account), whose=str(account.merchant))


def check_account_key(account: GatewayAccount) -> Iterator[HealthCheckResult]:
    """Check one account's secret key."""
    try:
        open_gateway(account.secret_key.decrypt()).get_account_id()
        yield HealthCheckResult("stripe key", True, f"{account.merchant}: accepted")
    except (Rejected, Unavailable) as error:
        yield HealthCheckResult("stripe key", False if account.is_current else None, f"{account.merchant}: {error}")


@register_health_check
def check_gateway_webhooks() -> Iterator[HealthCheckResult]:
    """Say of every account that takes payments whether Stripe's events arrive, and why not."""
    for account in GatewayAccount.objects.exclude(current_of=None).select_related("merchant"):
        if account.silence_reason:
            yield HealthCheckResult("stripe webhooks", False, f"{account.merchant}: {account.silence_reason}")
        elif account.webhook_received_at is None:
            yield HealthCheckResult("stripe webhooks", None, f"{account.merchant}: none has come yet")
        else:
            yield HealthCheckResult(
                "stripe webhooks", True, f"{account.merchant}: last {account.webhook_received_at:%c}"
            )


@register_health_check
def check_undecided_attempts() -> Iterator[HealthCheckResult]:
    """Count the attempts that the gateway has not decided."""
    count = Attempt.objects.filter(state__in=LIVE_STATES).count()
    yield HealthCheckResult("attempts undecided", None if count else True, f"{count} being asked about")
