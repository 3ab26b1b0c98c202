"""Read balance and payouts at Stripe. Source: docs.stripe.com/reports/balance-transaction-types."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import stripe
import structlog

from payments.gateways.protocol import GatewayPage, PayoutStatus, RemoteBalanceTransaction, RemotePayout
from payments.gateways.stripe.errors import convert_error, convert_lookup_error
from payments.gateways.stripe.fields import (
    get_field,
    get_id,
    get_text,
    require_id,
    require_money,
    require_time,
    require_word,
)
from wisepay.money import Money

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
        return GatewayPage(parse_readable(found.data, parse_balance_transaction), get_next_after(found))

    def list_payouts(self, *, since: datetime | None, after: str = "") -> GatewayPage[RemotePayout]:
        found = self._page(self._v1.payouts.list, build_created_since(since), after)
        return GatewayPage(parse_readable(found.data, parse_payout), get_next_after(found))

    def look_up_payout(self, payout_id: str) -> RemotePayout:
        try:
            return parse_payout(self._v1.payouts.retrieve(payout_id), expected=payout_id)
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "payout") from error

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
    return require_id(found.data[-1]) if found.has_more and found.data else ""


def parse_readable[T](rows: Sequence[Any], parse: Callable[[Any], T]) -> tuple[T, ...]:
    """Parse the rows; one that can't be read exactly is logged and left out, so that the others go on.

    Reconciliation then names the difference.
    """
    found = []
    for row in rows:
        try:
            found.append(parse(row))
        except (ValueError, TypeError, AttributeError) as error:
            log.error("gateway.unreadable", row=get_text(row, "id"), error=repr(error)[:300])
    return tuple(found)


def parse_balance_transaction(line: stripe.BalanceTransaction) -> RemoteBalanceTransaction:
    """Parse a BalanceTransaction; `source` has to be expanded."""
    source = get_field(line, "source")
    kind = KINDS_BY_CATEGORY.get(get_text(line, "reporting_category")) or KINDS_BY_TYPE.get(
        get_text(line, "type"), "adjustment"
    )
    metadata = get_field(source, "metadata")
    return RemoteBalanceTransaction(
        id=require_id(line),
        kind=kind,
        amount=require_money(line, "amount", may_be_negative=True),
        fee=require_money(line, "fee", may_be_negative=True).amount,
        paid=get_payer_amount(line, source, kind),
        happened_at=require_time(line, "created"),
        available_at=require_time(line, "available_on"),
        source_id=get_id(source),
        intent_id=get_id(get_field(source, "payment_intent")),
        reference=get_text(metadata, "refund", longest=60) or get_text(metadata, "attempt", longest=60),
        method_kind=get_text(get_field(source, "payment_method_details"), "type", longest=20),
        description=get_text(line, "description"),
    )


def get_payer_amount(line: stripe.BalanceTransaction, source: Any, kind: str) -> Money:
    """What the payer sees of it, below zero when money leaves; the line's own amount where nobody paid.

    The line of a charge in another currency than the balance's is in the balance's: its source knows the other.
    """
    own = require_money(line, "amount", may_be_negative=True)
    amount, currency = get_field(source, "amount"), get_text(source, "currency")
    if kind not in PAYER_KINDS or amount is None or not currency or currency == line.currency:
        return own
    paid = require_money(source, "amount")
    return Money(-paid.amount, paid.currency) if own.amount < 0 else paid


def parse_payout(payout: stripe.Payout, *, expected: str = "") -> RemotePayout:
    """Parse a Payout, the `expected` one."""
    return RemotePayout(
        id=require_id(payout, expected=expected),
        status=PAYOUT_STATUSES.get(require_word(payout, "status"), "on_its_way"),
        amount=require_money(payout, "amount", may_be_negative=True),
        is_automatic=get_field(payout, "automatic") is True,
        has_transactions=get_field(payout, "reconciliation_status") == "completed",
        arrives_on=require_time(payout, "arrival_date").date(),
        created_at=require_time(payout, "created"),
    )
