"""Read balance and payouts at Stripe. Source: docs.stripe.com/reports/balance-transaction-types."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import stripe
import structlog

from payments.gateways.protocol import GatewayPage, PayoutStatus, RemoteBalanceTransaction, RemotePayout
from payments.gateways.stripe.errors import convert_error
from payments.gateways.stripe.shapes import UnreadableAmount, from_stripe, get_field, get_id

log = structlog.get_logger(__name__)

PAGE_SIZE = 100
# Reporting categories that we tell apart; what is none of these is an adjustment.
KINDS_BY_CATEGORY = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "charge_failure": "failure",
    "dispute": "dispute",
    "dispute_reversal": "dispute_reversal",
    "fee": "fee",
    "network_cost": "fee",
    "payout": "payout",
    "payout_reversal": "payout",
    "payout_failure": "payout",
}
# The same by `type`, for lines whose category says nothing.
KINDS_BY_TYPE = {
    "charge": "charge",
    "payment": "charge",
    "payment_refund": "refund",
    "payment_failure_refund": "failure",
    "stripe_fee": "fee",
    "payout_failure": "payout",
    "payout_cancel": "payout",
}
PAYOUT_STATUSES: dict[str, PayoutStatus] = {"paid": "paid", "failed": "failed", "canceled": "failed"}
PAYER_KINDS = ("charge", "refund", "refund_failure", "failure", "dispute", "dispute_reversal")


class StripeBalanceMixin:
    """The methods of the gateway that read balance transactions and payouts."""

    _v1: Any

    def list_balance_transactions(
        self, *, since: datetime | None, after: str = "", payout_id: str = ""
    ) -> GatewayPage[RemoteBalanceTransaction]:
        # Stripe can't look up lines of before an API version by payout and time at once.
        which = {"payout": payout_id} if payout_id else build_created_since(since)
        found = self._page(self._v1.balance_transactions.list, which, after, expand=["data.source"])
        return GatewayPage(tuple(parse_readable_lines(found.data)), get_next_after(found))

    def list_payouts(self, *, since: datetime | None, after: str = "") -> GatewayPage[RemotePayout]:
        found = self._page(self._v1.payouts.list, build_created_since(since), after)
        return GatewayPage(tuple(parse_payout(payout) for payout in found.data), get_next_after(found))

    def look_up_payout(self, payout_id: str) -> RemotePayout:
        try:
            return parse_payout(self._v1.payouts.retrieve(payout_id))
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def _page(self, listing: Any, which: dict[str, Any], after: str, **more: Any) -> Any:
        params = {"limit": PAGE_SIZE, **which, **more, **({"starting_after": after} if after else {})}
        try:
            return listing(params)
        except stripe.StripeError as error:
            raise convert_error(error) from error


def build_created_since(since: datetime | None) -> dict[str, Any]:
    """Build the filter for what was created at that instant or later."""
    return {"created": {"gte": int(since.timestamp())}} if since else {}


def get_next_after(found: Any) -> str:
    """The id behind which the next page begins, if there is one."""
    return str(found.data[-1].id) if found.has_more and found.data else ""


def parse_readable_lines(lines: list[stripe.BalanceTransaction]) -> Iterator[RemoteBalanceTransaction]:
    """Parse the lines; one whose amount can't be held exactly is logged and left out, so that the others go on.

    Reconciliation then names the difference.
    """
    for line in lines:
        try:
            yield parse_balance_transaction(line)
        except UnreadableAmount as error:
            log.error("gateway.unreadable", balance_transaction=line.id, error=str(error))


def parse_balance_transaction(line: stripe.BalanceTransaction) -> RemoteBalanceTransaction:
    """Parse a BalanceTransaction; `source` has to be expanded."""
    source = get_field(line, "source")
    kind = KINDS_BY_CATEGORY.get(get_field(line, "reporting_category") or "") or KINDS_BY_TYPE.get(
        line.type, "adjustment"
    )
    metadata = get_field(source, "metadata")
    details = get_field(source, "payment_method_details")
    return RemoteBalanceTransaction(
        id=line.id,
        kind=kind,
        amount=from_stripe(line.amount, line.currency),
        fee=from_stripe(line.fee, line.currency).amount,
        paid=get_payer_amount(line, source, kind),
        happened_at=parse_timestamp(line.created),
        available_at=parse_timestamp(line.available_on),
        source_id=get_id(source),
        intent_id=get_id(get_field(source, "payment_intent")),
        reference=(get_field(metadata, "refund") or get_field(metadata, "attempt") or "")[:60],
        method_kind=get_field(details, "type") or "",
        description=(get_field(line, "description") or "")[:255],
    )


def get_payer_amount(line: stripe.BalanceTransaction, source: Any, kind: str) -> Any:
    """What the payer sees of it, below zero when money leaves; the line's own amount where nobody paid.

    The line of a charge in another currency than the balance's is in the balance's: its source knows the other.
    """
    amount, currency = get_field(source, "amount"), get_field(source, "currency")
    if kind not in PAYER_KINDS or amount is None or not currency or currency == line.currency:
        return from_stripe(line.amount, line.currency)
    return from_stripe(-amount if line.amount < 0 else amount, currency)


def parse_payout(payout: stripe.Payout) -> RemotePayout:
    """Parse a Payout."""
    return RemotePayout(
        id=payout.id,
        status=PAYOUT_STATUSES.get(payout.status, "on_its_way"),
        amount=from_stripe(payout.amount, payout.currency),
        is_automatic=bool(payout.automatic),
        has_transactions=get_field(payout, "reconciliation_status") == "completed",
        arrives_on=parse_timestamp(payout.arrival_date).date(),
        created_at=parse_timestamp(payout.created),
    )


def parse_timestamp(second: int) -> datetime:
    """Parse Stripe's seconds since the epoch."""
    return datetime.fromtimestamp(second, UTC)
