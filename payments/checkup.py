"""What the doctor asks about the gateway."""

from collections.abc import Iterator

from payments.gateways import open_gateway
from payments.models import Attempt, GatewayAccount
from payments.states import LIVE
from wisepay.doctor import Finding, question
from wisepay.errors import Rejected, Unavailable


@question
def gateway_keys() -> Iterator[Finding]:
    """Every merchant's secret key works."""
    for account in GatewayAccount.objects.select_related("merchant"):
        try:
            open_gateway(account.secret_key.reveal()).check()
            yield Finding("stripe key", True, f"{account.merchant}: accepted")
        except (Rejected, Unavailable) as error:
            yield Finding("stripe key", False, f"{account.merchant}: {error}")


@question
def undecided() -> Iterator[Finding]:
    """Attempts that the gateway has not decided."""
    count = Attempt.objects.filter(state__in=LIVE).count()
    yield Finding("attempts undecided", None if count else True, f"{count} being asked about")
