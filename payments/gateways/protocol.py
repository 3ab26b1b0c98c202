"""What is said through the gateway's door: frozen dataclasses, no models, no vendor's objects."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from wisepay.money import Money

OperationStatus = Literal["processing", "requires_action", "succeeded", "failed", "cancelled"]
RefundStatus = Literal["processing", "succeeded", "failed"]
DisputeStatus = Literal["open", "won", "lost"]
PayoutStatus = Literal["on_its_way", "paid", "failed"]


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """Everything that a gateway needs to try to take money once.

    `key` comes from our row: the same key with the same words never takes money twice. The method is what the
    payer typed into the gateway's own form (`confirmation_token`) or one that it keeps (`method_id`). With
    `is_off_session` nobody is there whom a bank could ask, so a charge that needs somebody fails at once.
    """

    key: str
    reference: str
    amount: Money
    method_types: tuple[str, ...]
    description: str
    payer_email: str
    return_url: str
    ip: str
    user_agent: str
    confirmation_token: str = ""
    customer_id: str = ""
    method_id: str = ""
    mandate_id: str = ""
    saves_method: bool = False
    is_off_session: bool = False


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """Everything that a gateway needs to keep a method for later without taking money."""

    key: str
    reference: str
    method_types: tuple[str, ...]
    confirmation_token: str
    customer_id: str
    description: str
    return_url: str


@dataclass(frozen=True, slots=True)
class RemoteMethod:
    """A method as the gateway describes it. `kind` is the gateway's word; a detached one has no `customer_id`."""

    id: str = ""
    kind: str = ""
    brand: str = ""
    last4: str = ""
    expires_on: date | None = None
    mandate_id: str = ""
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How an attempt or a setup stands at the gateway. `processing` means that the gateway itself does not know.

    `amount` is None for a setup.
    """

    status: OperationStatus
    intent_id: str
    amount: Money | None = None
    client_secret: str = ""
    method: RemoteMethod = RemoteMethod()
    failure_code: str = ""
    failure_message: str = ""
    reference: str = ""  # our row's reference, as the gateway gave it back


@dataclass(frozen=True, slots=True)
class RefundResult:
    """How a refund stands at the gateway."""

    status: RefundStatus
    refund_id: str
    amount: Money
    failure_code: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class RemoteDispute:
    """A dispute as the gateway describes it."""

    status: DisputeStatus
    dispute_id: str
    amount: Money
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoteBalanceTransaction:
    """A line of the account's balance. `amount` less `fee` is what the balance changed by.

    `paid` is the same money as its payer sees it; both are below zero when money leaves. `source_id` is what caused
    it (a charge, a refund, a dispute, a payout), `reference` our own reference of that.
    """

    id: str
    kind: str
    amount: Money
    fee: int
    paid: Money
    happened_at: datetime
    available_at: datetime
    source_id: str = ""
    intent_id: str = ""
    reference: str = ""
    method_kind: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RemotePayout:
    """Money on its way to the merchant's bank. With `has_lines` the gateway says which lines it takes along."""

    id: str
    status: PayoutStatus
    amount: Money
    is_automatic: bool
    has_transactions: bool
    arrives_on: date
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GatewayPage[T]:
    """A part of a list, newest first; `after` names the last of it when there is more, else nothing."""

    rows: tuple[T, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A verified webhook: only a reason to look again at `object_id`, and at `intent_id` where money is meant."""

    id: str
    kind: str
    object_id: str
    intent_id: str


class BadSignature(Exception):
    """The webhook was not signed by the gateway, or not just now."""


class Gateway(Protocol):
    """One merchant's account at a gateway. Every call may raise Unavailable (the answer is not known)."""

    def start(self, order: ChargeRequest) -> OperationResult:
        """Try to take the money. A decline is an Outcome, not an error. Raises Rejected when our words are wrong."""
        ...

    def look_up(self, intent_id: str) -> OperationResult:
        """How it stands now. Raises Rejected when the gateway does not know this id."""
        ...

    def find(self, reference: str, *, since: datetime) -> OperationResult | None:
        """The same by our own reference, for an order first given at `since`; None if it never arrived."""
        ...

    def cancel(self, intent_id: str, *, key: str) -> OperationResult:
        """End it without money, if it is not too late; the Outcome says which."""
        ...

    def create_customer(self, *, key: str, name: str, email: str, reference: str) -> str:
        """The id of a new customer, to whom methods can be kept."""
        ...

    def save_method(self, order: SetupRequest) -> OperationResult:
        """Keep a method for later. A refusal by the bank is an Outcome. Raises Rejected when our words are wrong."""
        ...

    def look_up_setup(self, setup_id: str) -> OperationResult:
        """How the saving stands now. Raises Rejected when the gateway does not know this id."""
        ...

    def find_setup(self, reference: str, *, since: datetime) -> OperationResult | None:
        """The same by our own reference; None if it never arrived."""
        ...

    def cancel_setup(self, setup_id: str, *, key: str) -> OperationResult:
        """End it, if it is not too late; the Outcome says which."""
        ...

    def look_up_method(self, method_id: str) -> RemoteMethod:
        """The method as the gateway has it. Raises Rejected when it has it no more."""
        ...

    def detach_method(self, method_id: str, *, key: str) -> None:
        """Detach it from its customer, for good. One that is gone already is no error."""
        ...

    def is_mandate_active(self, mandate_id: str) -> bool:
        """Whether the payer's permission to debit still stands."""
        ...

    def refund(self, intent_id: str, amount: Money, *, key: str, reference: str) -> RefundResult:
        """Give money back. Raises Rejected with the gateway's reason when it will not."""
        ...

    def list_refunds(self, intent_id: str) -> list[RefundResult]:
        """Every refund of it, ordered here or at the gateway."""
        ...

    def list_disputes(self, intent_id: str) -> list[RemoteDispute]:
        """Every dispute about it."""
        ...

    def list_balance_transactions(
        self, *, since: datetime | None, after: str = "", payout_id: str = ""
    ) -> GatewayPage[RemoteBalanceTransaction]:
        """The next lines of the balance, of `since` or later, behind the one named `after`; or those of one payout."""
        ...

    def list_payouts(self, *, since: datetime | None, after: str = "") -> GatewayPage[RemotePayout]:
        """The next payouts that were made at `since` or later."""
        ...

    def look_up_payout(self, payout_id: str) -> RemotePayout:
        """How it stands now. Raises Rejected when the gateway does not know this id."""
        ...

    def get_account_id(self) -> str:
        """The id of the account that the secret key opens. Raises Rejected when it opens none."""
        ...
