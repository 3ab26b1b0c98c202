"""The health checks of connections."""

from collections.abc import Iterator
from functools import partial

from django.conf import settings

from connections.models import Connection
from connections.providers import PROVIDERS, get_registered_apps
from connections.tokens import get_permission_end, is_permission_ending
from connections.view_models import get_connection_alert
from merchants.models import Merchant
from wisepay import clock
from wisepay.health_checks import HealthCheckResult, check_url, examine, register_health_check


@register_health_check
def check_providers() -> Iterator[HealthCheckResult]:
    """Check that apps are configured for the accounting packages and that their identity servers answer."""
    for name, about in PROVIDERS.items():
        apps = get_registered_apps(name)
        if not apps.by_tier["wise_pay"].client_id:
            message = f"{about.settings_prefix}_CLIENT_ID is not set: no merchant can connect {about.label}"
            yield HealthCheckResult(f"{name} app", None, message)
            continue
        count = len({app.client_id for app in apps.by_tier.values()})
        retired = f", {len(apps.retired)} retired" if apps.retired else ""
        yield HealthCheckResult(f"{name} app", True, f"{count} for the three tiers{retired}")
        yield check_url(f"{name} identity", getattr(settings, about.identity_setting))


@register_health_check
def check_all_connections() -> Iterator[HealthCheckResult]:
    """Check that every connection is connected, by an app that is configured, with a permission that lasts."""
    for connection in Connection.objects.select_related("merchant").order_by("merchant__name", "tier"):
        check = partial(check_connection, connection)
        yield from examine(f"connection {connection.tier}", check, whose=str(connection.merchant))


def check_connection(connection: Connection) -> Iterator[HealthCheckResult]:
    """Check one connection."""
    yield get_connection_health(connection)


def get_connection_health(connection: Connection) -> HealthCheckResult:
    """Check one connection: broken is bad, an unavailable provider is worth knowing."""
    subject, status = f"connection {connection.tier}", f"{connection.merchant}: {connection.state}"
    if connection.state == "broken":
        return HealthCheckResult(subject, False, f"{status}, {connection.get_cause_display() or connection.last_error}")
    if connection.state != "connected":
        return HealthCheckResult(subject, None, status)
    if connection.unavailable_since:
        return HealthCheckResult(
            subject,
            None,
            f"{status}, no answer since {connection.unavailable_since:%Y-%m-%d %H:%M}Z: {connection.last_error}",
        )
    apps = get_registered_apps(connection.provider)
    retired = f"{PROVIDERS[connection.provider].settings_prefix}_RETIRED_CLIENTS"
    if connection.client_id not in {app.client_id for app in [*apps.by_tier.values(), *apps.retired]}:
        return HealthCheckResult(
            subject, False, f"{status}, but its app {connection.client_id} is not set up: {retired}"
        )
    if is_permission_ending(connection, now=clock.now()):
        return HealthCheckResult(
            subject, None, f"{status}, but the permission ends on {get_permission_end(connection):%Y-%m-%d}"
        )
    return HealthCheckResult(subject, True, status)


@register_health_check
def check_tiers() -> Iterator[HealthCheckResult]:
    """Check that merchants with three connections have all of them connected."""
    for merchant in Merchant.objects.filter(has_multi_connection=True).order_by("name"):
        missing = get_connection_alert(merchant).missing
        if missing:
            yield HealthCheckResult("connections missing", None, f"{merchant}: {', '.join(missing)}; their work waits")
