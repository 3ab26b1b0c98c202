"""What the doctor asks about connections."""

from collections.abc import Iterator

from django.conf import settings

from connections.models import Connection
from wisepay.doctor import Finding, question, reachable


@question
def provider() -> Iterator[Finding]:
    """Xero's app is configured and its identity server answers."""
    if not settings.XERO_CLIENT_ID:
        yield Finding("xero app", None, "XERO_CLIENT_ID is not set: no merchant can connect Xero")
        return
    yield reachable("xero identity", settings.XERO_IDENTITY_URL)


@question
def connections() -> Iterator[Finding]:
    """Every connection is connected."""
    for held in Connection.objects.select_related("merchant").order_by("merchant__name", "tier"):
        is_good = held.state == "connected"
        yield Finding(f"connection {held.tier}", is_good, f"{held.merchant}: {held.state} {held.last_error}".strip())
