"""What the payments' tables hold of people; amounts, days and references are the books' and stay."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Func, GenericIPAddressField, Value
from django.utils.translation import gettext as _

from payments.models import Attempt, SavedMethod, Setup
from payments.states import LIVE_STATES
from wisepay.personal_data.changes import blank, forget_host, pseudonymise
from wisepay.personal_data.erasure import register_erasure_obstacle
from wisepay.personal_data.registry import PersonalData, Subject, declare_not_personal, declare_personal


def erase_billing(value: Any, subject: Subject) -> Any:
    """The details without whom and where the quote was sent to."""
    return {name: part for name, part in value.items() if name != "billing"} if isinstance(value, dict) else value


WHO_PAID = {
    "payer_name": blank,
    "payer_email": pseudonymise,
    "payer_phone": blank,
    "ip": forget_host,
    "user_agent": blank,
}
HIDDEN = ("idempotency_key", "confirmation_token")

# First, since it is found by what the others forget.
declare_personal(
    PersonalData(
        "payments.Payment",
        "Amounts, days and references of a company, which stay; whom the quote was sent to does not.",
        "change",
        fields=("details",),
        person=("attempts__user",),
        address=("attempts__payer_email__iexact", "company__email__iexact", "quote__customer__email__iexact"),
        changes={"details": erase_billing},
    )
)
declare_personal(
    PersonalData(
        "payments.SavedMethod",
        "What is left of a method after its owner removed it: brand and last digits, as receipts show them.",
        "keep",
        fields=("owner", "brand", "last4", "expires_on"),
        person=("owner",),
    ),
    PersonalData(
        "payments.Attempt",
        "Who paid what, when and with which method: a record of the books, under a pseudonym.",
        "change",
        fields=tuple(WHO_PAID),
        person=("user",),
        address=("payer_email__iexact",),
        changes=dict(WHO_PAID),
        hidden=HIDDEN,
    ),
    PersonalData(
        "payments.Setup",
        "Who saved a method, when and from where: proof of the authorisation, under a pseudonym.",
        "change",
        fields=tuple(WHO_PAID),
        person=("user",),
        address=("payer_email__iexact",),
        changes=dict(WHO_PAID),
        hidden=HIDDEN,
    ),
    PersonalData(
        "payments.AttemptBrake",
        "Who of the merchant's staff let payments go on after a storm of declines: a record of the merchant's.",
        "keep",
        fields=("lifted_by",),
        person=("lifted_by",),
    ),
    PersonalData(
        "payments.Refund",
        "Who ordered a refund, of the merchant's staff: a record of the books.",
        "keep",
        fields=("ordered_by", "reason"),
        person=("ordered_by",),
        hidden=("idempotency_key",),
    ),
)
declare_not_personal("A merchant's account at the gateway.", "payments.GatewayAccount")
declare_not_personal("A company's number at the gateway.", "payments.GatewayCustomer")
declare_not_personal(
    "Amounts, days and references of a company; who paid stands in the attempt.",
    "payments.Dispute",
    "payments.PaymentLines",
    "payments.Payout",
    "payments.BalanceTransaction",
    "payments.BalanceTransactionCursor",
)


@register_erasure_obstacle
def list_open_payments(subject: Subject) -> list[str]:
    """Methods are removed at the gateway first, and what is on its way arrives first."""
    found = []
    if subject.user and SavedMethod.objects.filter(owner=subject.user, state="active").exists():
        found.append(_("You have saved payment methods. Remove them first, so that nothing is charged any more."))
    live = {"payer_email__iexact": subject.email, "state__in": LIVE_STATES}
    if Attempt.objects.filter(**live).exists() or Setup.objects.filter(**live).exists():
        found.append(_("A payment of yours is still on its way. Please try again when it has arrived."))
    return found


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
