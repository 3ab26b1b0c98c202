"""What the doctor asks about connections."""

from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone

from connections.models import Connection
from connections.providers import PROVIDERS, registered
from connections.screen import notice_for
from connections.tokens import is_ending, permission_ends_at
from merchants.models import Merchant
from wisepay.doctor import Finding, question, reachable


@question
def providers() -> Iterator[Finding]:
    """Apps are configured for the accounting packages, and their identity servers answer."""
    for name, about in PROVIDERS.items():
        apps = registered(name)
        if not apps.by_tier["wise_pay"].client_id:
            words = f"{about.prefix}_CLIENT_ID is not set: no merchant can connect {about.label}"
            yield Finding(f"{name} app", None, words)
            continue
        count = len({app.client_id for app in apps.by_tier.values()})
        retired = f", {len(apps.retired)} retired" if apps.retired else ""
        yield Finding(f"{name} app", True, f"{count} for the three tiers{retired}")
        yield reachable(f"{name} identity", getattr(settings, about.identity))


@question
def connections() -> Iterator[Finding]:
    """Every connection is connected, by an app that we still have, with a permission that lasts."""
    for held in Connection.objects.select_related("merchant").order_by("merchant__name", "tier"):
        yield finding_about(held)


def finding_about(held: Connection) -> Finding:
    """One connection: broken is bad, a provider that is away is worth knowing."""
    subject, of = f"connection {held.tier}", f"{held.merchant}: {held.state}"
    if held.state == "broken":
        return Finding(subject, False, f"{of}, {held.get_cause_display() or held.last_error}")
    if held.state != "connected":
        return Finding(subject, None, of)
    if held.unavailable_since:
        return Finding(
            subject, None, f"{of}, no answer since {held.unavailable_since:%Y-%m-%d %H:%M}Z: {held.last_error}"
        )
    apps = registered(held.provider)
    retired = f"{PROVIDERS[held.provider].prefix}_RETIRED_CLIENTS"
    if held.client_id not in {app.client_id for app in [*apps.by_tier.values(), *apps.retired]}:
        return Finding(subject, False, f"{of}, but its app {held.client_id} is not set up: {retired}")
    if is_ending(held, now=timezone.now()):
        return Finding(subject, None, f"{of}, but the permission ends on {permission_ends_at(held):%Y-%m-%d}")
    return Finding(subject, True, of)


@question
def tiers() -> Iterator[Finding]:
    """A merchant whose work is divided has all three connected."""
    for merchant in Merchant.objects.filter(has_multi_connection=True).order_by("name"):
        missing = notice_for(merchant).missing
        if missing:
            yield Finding("connections missing", None, f"{merchant}: {', '.join(missing)}; their work waits")
