"""Stripe's balance and payouts behind the gateway's door. Source: docs.stripe.com/reports/balance-transaction-types."""

from datetime import UTC, datetime
from typing import Any

import stripe

from payments.gateways.stripe_reading import from_stripe, id_of, no, of
from payments.gateways.words import MovementFacts, PayoutFacts, PayoutStatus, Rows

PAGE = 100
# Reporting categories that we tell apart; what is none of these is an adjustment.
KINDS = {
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
TYPES = {
    "charge": "charge",
    "payment": "charge",
    "payment_refund": "refund",
    "payment_failure_refund": "failure",
    "stripe_fee": "fee",
    "payout_failure": "payout",
    "payout_cancel": "payout",
}
PAYOUT_STATUSES: dict[str, PayoutStatus] = {"paid": "paid", "failed": "failed", "canceled": "failed"}
AS_PAID = ("charge", "refund", "refund_failure", "failure", "dispute", "dispute_reversal")


class KeepsBalance:
    """The part of a Stripe account that says what moved."""

    _v1: Any

    def list_movements(self, *, since: datetime | None, after: str = "", payout_id: str = "") -> Rows[MovementFacts]:
        # Stripe can't look up lines of before an API version by payout and time at once.
        which = {"payout": payout_id} if payout_id else window_from(since)
        found = self._page(self._v1.balance_transactions.list, which, after, expand=["data.source"])
        return Rows(tuple(movement_facts(line) for line in found.data), next_after(found))

    def list_payouts(self, *, since: datetime | None, after: str = "") -> Rows[PayoutFacts]:
        found = self._page(self._v1.payouts.list, window_from(since), after)
        return Rows(tuple(payout_facts(payout) for payout in found.data), next_after(found))

    def look_up_payout(self, payout_id: str) -> PayoutFacts:
        try:
            return payout_facts(self._v1.payouts.retrieve(payout_id))
        except stripe.StripeError as error:
            raise no(error) from error

    def _page(self, listing: Any, which: dict[str, Any], after: str, **more: Any) -> Any:
        params = {"limit": PAGE, **which, **more, **({"starting_after": after} if after else {})}
        try:
            return listing(params)
        except stripe.StripeError as error:
            raise no(error) from error


def window_from(since: datetime | None) -> dict[str, Any]:
    """What was made at that instant or later."""
    return {"created": {"gte": int(since.timestamp())}} if since else {}


def next_after(found: Any) -> str:
    """The id behind which the next page begins, if there is one."""
    return str(found.data[-1].id) if found.has_more and found.data else ""


def movement_facts(line: stripe.BalanceTransaction) -> MovementFacts:
    """A BalanceTransaction in our words; `source` has to be expanded."""
    source = of(line, "source")
    kind = KINDS.get(of(line, "reporting_category") or "") or TYPES.get(line.type, "adjustment")
    metadata = of(source, "metadata")
    details = of(source, "payment_method_details")
    return MovementFacts(
        id=line.id,
        kind=kind,
        amount=from_stripe(line.amount, line.currency),
        fee=from_stripe(line.fee, line.currency).amount,
        paid=paid_money(line, source, kind),
        happened_at=instant(line.created),
        available_at=instant(line.available_on),
        source_id=id_of(source),
        intent_id=id_of(of(source, "payment_intent")),
        reference=(of(metadata, "refund") or of(metadata, "attempt") or "")[:60],
        method_kind=of(details, "type") or "",
        description=(of(line, "description") or "")[:255],
    )


def paid_money(line: stripe.BalanceTransaction, source: Any, kind: str) -> Any:
    """What the payer sees of it, below zero when money leaves; the line's own amount where nobody paid.

    The line of a charge in another currency than the balance's is in the balance's: its source knows the other.
    """
    amount, currency = of(source, "amount"), of(source, "currency")
    if kind not in AS_PAID or amount is None or not currency or currency == line.currency:
        return from_stripe(line.amount, line.currency)
    return from_stripe(-amount if line.amount < 0 else amount, currency)


def payout_facts(payout: stripe.Payout) -> PayoutFacts:
    """A Payout in our words."""
    return PayoutFacts(
        id=payout.id,
        status=PAYOUT_STATUSES.get(payout.status, "on_its_way"),
        amount=from_stripe(payout.amount, payout.currency),
        is_automatic=bool(payout.automatic),
        has_lines=of(payout, "reconciliation_status") == "completed",
        arrives_on=instant(payout.arrival_date).date(),
        made_at=instant(payout.created),
    )


def instant(second: int) -> datetime:
    """Stripe's seconds since the epoch."""
    return datetime.fromtimestamp(second, UTC)
