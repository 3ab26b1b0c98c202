"""The results of a reconciliation: items of money, and differences, each with its name and what to do about it."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from wisepay.money import Money


class DifferenceKind(StrEnum):
    """Every way in which Stripe, our ledger and the accounting package can disagree."""

    CHARGE_UNKNOWN = "charge_unknown"
    CHARGE_MISSING = "charge_missing"
    CHARGE_NOT_RECORDED = "charge_not_recorded"
    CHARGED_TWICE = "charged_twice"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_MISSING = "refund_missing"
    REFUND_STATE_DIFFERS = "refund_state_differs"
    DISPUTE_UNKNOWN = "dispute_unknown"
    DISPUTE_STATE_DIFFERS = "dispute_state_differs"
    REVERSAL_MISSING = "reversal_missing"
    RETURN_NOT_RECORDED = "return_not_recorded"
    POSTING_MISSING = "posting_missing"
    POSTING_REFUSED = "posting_refused"
    POSTING_LATE = "posting_late"
    BY_HAND_MISSING = "by_hand_missing"
    FORMER_UNREAD = "former_unread"
    UNEXPLAINED = "unexplained"
    BOOKED_TOO_MUCH = "booked_too_much"
    DOCUMENT_AMOUNT = "document_amount"
    DOCUMENT_REMOVED = "document_removed"
    DOCUMENT_MISSING = "document_missing"
    DOCUMENT_TWICE = "document_twice"
    WRONG_ACCOUNT = "wrong_account"
    OTHER_DAY = "other_day"
    CREDIT_OVERUSED = "credit_overused"
    FOREIGN_CONTACT = "foreign_contact"
    CLEARING_FOREIGN = "clearing_foreign"
    PAYOUT_SUM = "payout_sum"
    PAYOUT_FAILED = "payout_failed"
    PAYOUT_LATE = "payout_late"

    @property
    def label(self) -> str:
        """Return its name."""
        return KIND_TEXTS[self][0]

    @property
    def advice(self) -> str:
        """Return what to do about it."""
        return KIND_TEXTS[self][1]


KIND_TEXTS: dict[DifferenceKind, tuple[str, str]] = {
    DifferenceKind.CHARGE_UNKNOWN: (
        "Payment at Stripe that is not ours",
        "Look it up at Stripe. If another system took it through the same Stripe account, book it there; "
        "if nobody knows it, refund it.",
    ),
    DifferenceKind.CHARGE_MISSING: (
        "Payment that Stripe does not have",
        "Look the payment up at Stripe. Without a charge there the payer still owes it: reverse its documents.",
    ),
    DifferenceKind.CHARGE_NOT_RECORDED: (
        "Stripe took money that is not written down here",
        "Open the payment and check that Stripe's webhook reaches us; the attempt is looked up again automatically.",
    ),
    DifferenceKind.CHARGED_TWICE: (
        "Charged twice",
        "Refund the second charge at Stripe: the payer owed it once.",
    ),
    DifferenceKind.AMOUNT_DIFFERS: (
        "Amount at Stripe differs",
        "Compare the payment with Stripe. Refund what was taken too much, or correct the documents.",
    ),
    DifferenceKind.CURRENCY_DIFFERS: (
        "Currency at Stripe differs",
        "Refund the charge and take it again in the currency that was agreed.",
    ),
    DifferenceKind.REFUND_UNKNOWN: (
        "Refund at Stripe that is not known here",
        "Check that Stripe's refund webhooks reach us. The payment's page reads the refund again.",
    ),
    DifferenceKind.REFUND_MISSING: (
        "Refund that Stripe does not have",
        "Look the refund up at Stripe. If it is not there, the payer has not got the money back.",
    ),
    DifferenceKind.REFUND_STATE_DIFFERS: (
        "Refund ended otherwise at Stripe",
        "Open the payment: the refund's last word at Stripe is not the one written down here.",
    ),
    DifferenceKind.DISPUTE_UNKNOWN: (
        "Dispute that is not known here",
        "Answer it at Stripe before its deadline, and check that Stripe's dispute webhooks reach us.",
    ),
    DifferenceKind.DISPUTE_STATE_DIFFERS: (
        "Dispute ended otherwise at Stripe",
        "Open the payment: how the dispute ended at Stripe is not what is written down here.",
    ),
    DifferenceKind.REVERSAL_MISSING: (
        "Reversed here, but not at Stripe",
        "Stripe still holds the money. Check the payment at Stripe before the payer is asked to pay again.",
    ),
    DifferenceKind.RETURN_NOT_RECORDED: (
        "A bank took a payment back that counts as paid here",
        "Ask the payer again, and take the payment's documents out of the books.",
    ),
    DifferenceKind.POSTING_MISSING: (
        "Not in the books",
        "Open the payment's documents. If none waits, record the payment in the clearing account by hand.",
    ),
    DifferenceKind.POSTING_REFUSED: (
        "Refused by the books",
        "Open Accounting postings: it says why, and Retry sends it again.",
    ),
    DifferenceKind.POSTING_LATE: (
        "It waits for the books for more than a day",
        "Open Accounting postings: it says what it waits for, most often a connection.",
    ),
    DifferenceKind.BY_HAND_MISSING: (
        "Settled by hand, and not in the books",
        "Somebody said that it was done by hand; Accounting postings says who, and what. Enter it in the books under "
        "its number, or open its task again.",
    ),
    DifferenceKind.FORMER_UNREAD: (
        "In the books of a former company, not read since",
        "Look there whether it stands, and mark this as known; or connect that company again and read the books.",
    ),
    DifferenceKind.UNEXPLAINED: (
        "The figures differ, and nothing says why",
        "Compare the payment at Stripe, here and in the books, and correct the side that is wrong.",
    ),
    DifferenceKind.BOOKED_TOO_MUCH: (
        "The books hold more than was paid",
        "Money went back and its document still stands. Open the payment's documents and take it back there.",
    ),
    DifferenceKind.DOCUMENT_AMOUNT: (
        "Document in the books over another amount",
        "Somebody changed it in the accounting package. Put the amount right there.",
    ),
    DifferenceKind.DOCUMENT_REMOVED: (
        "Document was voided or deleted in the books",
        "Somebody took it out of the accounting package. Enter it again under the same number.",
    ),
    DifferenceKind.DOCUMENT_MISSING: (
        "Document that the books do not show",
        "It was posted and cannot be read back. Check that the same organisation is connected.",
    ),
    DifferenceKind.DOCUMENT_TWICE: (
        "Document is in the books twice",
        "Keep the older one and delete the other in the accounting package.",
    ),
    DifferenceKind.WRONG_ACCOUNT: (
        "Payment to another account than clearing",
        "Remove and redo it in the accounting package on the clearing account.",
    ),
    DifferenceKind.OTHER_DAY: (
        "Document on another day",
        "Somebody dated it anew. It adds up in all, but not in a period that ends between the two days.",
    ),
    DifferenceKind.CREDIT_OVERUSED: (
        "Credit applied for more than it holds",
        "Take one of its allocations off in the accounting package.",
    ),
    DifferenceKind.FOREIGN_CONTACT: (
        "Credit of another contact",
        "The credit, or the invoice that it was applied to, belongs to another contact. Move it back.",
    ),
    DifferenceKind.CLEARING_FOREIGN: (
        "Payment in the clearing account that is not ours",
        "Somebody paid an invoice into clearing by hand. If Stripe did not take it, move it to the bank account.",
    ),
    DifferenceKind.PAYOUT_SUM: (
        "Payout that does not add up",
        "Compare the payout with its lines at Stripe, and ask Stripe about the rest.",
    ),
    DifferenceKind.PAYOUT_FAILED: (
        "Payout that the bank sent back",
        "Check the bank account at Stripe; the money is in the Stripe balance again.",
    ),
    DifferenceKind.PAYOUT_LATE: (
        "Payout that has not arrived",
        "It is overdue. Look for it on the bank's statement, then ask Stripe.",
    ),
}


REASON_LABELS = {
    "fresh": "heard of in a moment",
    "waiting": "on its way to the books",
    "held": "held for a dispute",
    "unsettled": "refund on its way",
    "by_hand": "settled by hand, looked for when the books are read next",
}
ITEM_LABELS = {
    "charge": "Payment",
    "refund": "Refund",
    "refund_failure": "Refund that came back",
    "failure": "Payment that came back",
    "dispute": "Dispute",
    "dispute_reversal": "Dispute won",
    "fee": "Stripe's fee",
    "adjustment": "Stripe's adjustment",
    "document": "Document in the books",
}


@dataclass(slots=True)
class ReconciliationItem:
    """One movement of money, in the payer's currency, at Stripe, in our ledger and in the accounting package.

    Amounts are minor units of `currency`, below zero when money leaves; `amount` and `fee` are of the balance's
    `settlement_currency`. `reason` is why `books` may differ without anything being wrong; `organisation` is in whose
    books it is, or is to be.
    """

    kind: str
    at: datetime
    day: date
    currency: str
    stripe: int = 0
    ours: int = 0
    books: int = 0
    amount: int = 0
    fee: int = 0
    settlement_currency: str = ""
    stripe_id: str = ""
    source_id: str = ""
    method_kind: str = ""
    attempt: int | None = None
    refund: int | None = None
    payout: int | None = None
    reason: str = ""
    organisation: str = ""

    @property
    def amounts(self) -> tuple[Money, Money, Money]:
        """Return the amounts at Stripe, in our ledger and in the accounting package."""
        return Money(self.stripe, self.currency), Money(self.ours, self.currency), Money(self.books, self.currency)

    @property
    def label(self) -> str:
        """Return what it is, for a person."""
        return ITEM_LABELS[self.kind]

    @property
    def why(self) -> str:
        """Return the reason in words."""
        return REASON_LABELS.get(self.reason, "")

    @property
    def is_compared(self) -> bool:
        """Return whether the three are compared; fees and adjustments are only Stripe's."""
        return self.kind not in ("fee", "adjustment")

    @property
    def is_equal(self) -> bool:
        """Return whether all three agree."""
        return not self.is_compared or self.stripe == self.ours == self.books


@dataclass(frozen=True, slots=True)
class AcknowledgementSummary:
    """Who acknowledged a difference, when, why, and how it was described then."""

    reference: str
    by: str
    at: datetime
    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be. `gap` is what the wrong side is off by, 0 when no money is.

    `subject` is what the record is called where it is, and `thing_id` distinguishes records of one name; `attempt`,
    `payment` and `path` lead to it. `known` acknowledges it, `known_before` acknowledged it before it changed.
    """

    kind: DifferenceKind
    day: date
    gap: Money
    subject: str
    description: str
    attempt: int | None = None
    payment: int | None = None
    payer: str = ""
    path: str = ""
    thing_id: str = ""
    known: AcknowledgementSummary | None = None
    known_before: AcknowledgementSummary | None = None

    @property
    def identity_hash(self) -> str:
        """Return 64 characters that identify it whatever its amount and description."""
        return hash_parts(self.kind, self.attempt, self.subject, self.thing_id)

    @property
    def content_hash(self) -> str:
        """Return 64 characters that identify it with its amount and description."""
        return hash_parts(self.identity_hash, self.gap.amount, self.gap.currency, self.description)

    @property
    def label(self) -> str:
        """Return its name."""
        return self.kind.label

    @property
    def advice(self) -> str:
        """Return what to do about it."""
        return self.kind.advice


@dataclass(slots=True)
class DifferenceList:
    """The differences found so far."""

    rows: list[Difference] = field(default_factory=list)

    def add(
        self,
        kind: DifferenceKind,
        day: date,
        gap: Money,
        subject: str,
        description: str,
        *,
        attempt: int | None = None,
        payment: int | None = None,
        thing_id: str = "",
    ) -> None:
        """Add a difference."""
        row = Difference(kind, day, gap, subject, description, attempt=attempt, payment=payment, thing_id=thing_id)
        self.rows.append(row)


def hash_parts(*parts: object) -> str:
    """Return the SHA-256 of these parts, in hexadecimal."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()
