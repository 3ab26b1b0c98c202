"""The gateway protocol: its methods and their frozen dataclasses, without models and without a vendor's objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from wisepay.money import Money

OperationStatus = Literal["processing", "requires_action", "succeeded", "failed", "cancelled"]
RefundStatus = Literal["processing", "succeeded", "failed"]
DisputeStatus = Literal["inquiry", "closed", "open", "won", "lost"]
PayoutStatus = Literal["on_its_way", "paid", "failed"]


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """Everything that a gateway needs to charge once.

    `key` is the idempotency key of our row: the same key with the same parameters never charges twice. The method is
    new from the gateway's own form (`confirmation_token`) or saved (`method_id`). With `is_off_session` the payer is
    not present, so a charge that the bank wants confirmed fails at once.
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
    radar_session_id: str = ""  # what the gateway saw of the browser, where its own form was not used
    statement_text: str = ""  # what a card's statement says beside the merchant's name


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """Everything that a gateway needs to save a method without charging it."""

    key: str
    reference: str
    method_types: tuple[str, ...]
    confirmation_token: str
    customer_id: str
    description: str
    return_url: str


@dataclass(frozen=True, slots=True)
class RemoteMethod:
    """A method as the gateway describes it. `kind` is the gateway's type; a detached method has no `customer_id`.

    `blocked` is why the gateway will not charge it again; empty while it does.
    Methods of one card or bank account have one `fingerprint`; it is empty where the gateway tells none.
    """

    id: str = ""
    kind: str = ""
    brand: str = ""
    last4: str = ""
    expires_on: date | None = None
    mandate_id: str = ""
    customer_id: str = ""
    fingerprint: str = ""
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class RemoteAction:
    """What the gateway asks of the payer: `kind` in its word, where, and until when; empty for a bank's challenge."""

    kind: str = ""
    url: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The state of an attempt or a setup at the gateway. `processing`: the gateway itself does not know yet.

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
    action: RemoteAction = RemoteAction()


@dataclass(frozen=True, slots=True)
class RefundResult:
    """The state of a refund at the gateway."""

    status: RefundStatus
    refund_id: str
    amount: Money
    failure_code: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class RemoteDispute:
    """A dispute as the gateway describes it. An inquiry of the bank takes no money, also when it is closed."""

    status: DisputeStatus
    dispute_id: str
    amount: Money
    reason: str = ""
    due_by: datetime | None = None
    has_evidence: bool = False
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class RemoteFraudWarning:
    """A card issuer's report that a charge may be fraud; `is_actionable` while it can still be refunded in time."""

    id: str
    fraud_type: str
    is_actionable: bool


@dataclass(frozen=True, slots=True)
class RemoteBalanceTransaction:
    """A balance transaction. `amount` less `fee` is the change of the balance.

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
    """A payout to the merchant's bank. With `has_transactions` the gateway has assigned its balance transactions."""

    id: str
    status: PayoutStatus
    amount: Money
    is_automatic: bool
    has_transactions: bool
    arrives_on: date
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GatewayPage[T]:
    """A page of a list, newest first; `after` is the id of its last row if there are more, else empty."""

    rows: tuple[T, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A verified webhook: it says that `object_id` changed, and `intent_id` if it is about a charge."""

    id: str
    kind: str
    object_id: str
    intent_id: str


@dataclass(frozen=True, slots=True)
class RemoteEndpoint:
    """A webhook endpoint: where it sends which events; `is_current` if they come in the version that we read."""

    id: str
    url: str
    events: tuple[str, ...]
    is_enabled: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """An event as the gateway lists it; `is_delivered` once every endpoint has taken it."""

    id: str
    kind: str
    created_at: datetime
    is_delivered: bool


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """What the gateway says of the account: whether it takes charges and pays out, and what it still wants."""

    id: str
    takes_charges: bool
    pays_out: bool
    missing: tuple[str, ...] = ()


class BadSignature(Exception):
    """The webhook was not signed by the gateway, or not recently."""


class Gateway(Protocol):
    """One merchant's account at a gateway. Every method may raise Unavailable: the result is unknown."""

    def start(self, request: ChargeRequest) -> OperationResult:
        """Charge the method. A decline is a result, not an error. Raises Rejected if the request is invalid."""
        ...

    def look_up(self, intent_id: str) -> OperationResult:
        """Return the present state of a charge. Raises Rejected if the gateway does not have the id."""
        ...

    def find(self, reference: str, *, since: datetime) -> OperationResult | None:
        """Find a charge first requested at `since` by our reference; None if the gateway does not have it."""
        ...

    def cancel(self, intent_id: str, *, key: str) -> OperationResult:
        """Cancel a charge unless it is too late; the result says which."""
        ...

    def create_customer(self, *, key: str, name: str, email: str, reference: str) -> str:
        """Create a customer, for whom methods can be saved, and return its id."""
        ...

    def has_customer(self, customer_id: str) -> bool:
        """Whether the customer is there and was not deleted."""
        ...

    def save_method(self, request: SetupRequest) -> OperationResult:
        """Save a method. A decline is a result, not an error. Raises Rejected if the request is invalid."""
        ...

    def look_up_setup(self, setup_id: str) -> OperationResult:
        """Return the present state of a setup. Raises Rejected if the gateway does not have the id."""
        ...

    def find_setup(self, reference: str, *, since: datetime) -> OperationResult | None:
        """Find a setup first requested at `since` by our reference; None if the gateway does not have it."""
        ...

    def cancel_setup(self, setup_id: str, *, key: str) -> OperationResult:
        """Cancel a setup unless it is too late; the result says which."""
        ...

    def look_up_method(self, method_id: str) -> RemoteMethod:
        """Return a method. Raises Rejected if the gateway no longer has it."""
        ...

    def detach_method(self, method_id: str, *, key: str) -> None:
        """Detach a method from its customer for good; one that is detached already is no error."""
        ...

    def is_mandate_active(self, mandate_id: str) -> bool:
        """Whether the payer's permission to debit is still valid."""
        ...

    def refund(self, intent_id: str, amount: Money, *, key: str, reference: str) -> RefundResult:
        """Refund an amount. Raises Rejected with the gateway's reason."""
        ...

    def list_refunds(self, intent_id: str) -> list[RefundResult]:
        """List every refund of a charge, started here or at the gateway."""
        ...

    def list_disputes(self, intent_id: str) -> list[RemoteDispute]:
        """List every dispute of a charge."""
        ...

    def list_fraud_warnings(self, intent_id: str) -> list[RemoteFraudWarning]:
        """List what card issuers reported about a charge before any dispute."""
        ...

    def list_balance_transactions(
        self, *, since: datetime | None, after: str = "", payout_id: str = ""
    ) -> GatewayPage[RemoteBalanceTransaction]:
        """List a page of balance transactions from `since` on, or of one payout, behind the one named `after`."""
        ...

    def list_payouts(self, *, since: datetime | None, after: str = "") -> GatewayPage[RemotePayout]:
        """List a page of the payouts that were created at `since` or later."""
        ...

    def look_up_payout(self, payout_id: str) -> RemotePayout:
        """Return the present state of a payout. Raises Rejected if the gateway does not have the id."""
        ...

    def get_account_id(self) -> str:
        """Return the id of the account that the secret key belongs to. Raises Rejected if it is not valid."""
        ...

    def look_up_account(self) -> RemoteAccount:
        """Return what the gateway says of the account."""
        ...

    def accepts_publishable_key(self, publishable_key: str) -> bool:
        """Whether a browser with this key sees what this account makes: both are of one account and mode."""
        ...

    def list_endpoints(self) -> list[RemoteEndpoint]:
        """List the webhook endpoints. Raises NotPermitted for a key that may not."""
        ...

    def create_endpoint(self, *, url: str, events: Sequence[str]) -> tuple[str, str]:
        """Create a webhook endpoint, and return its id and its signing secret. Raises NotPermitted."""
        ...

    def update_endpoint(self, endpoint_id: str, *, url: str, events: Sequence[str]) -> None:
        """Let an endpoint send these events to this address, and switch it on. Raises NotPermitted."""
        ...

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete a webhook endpoint; one that is not there is no error."""
        ...

    def list_events(self, *, since: datetime, until: datetime) -> list[RemoteEvent]:
        """List the newest events that were made between two instants, a hundred at most. Raises NotPermitted."""
        ...

    def register_domain(self, domain: str) -> None:
        """Register the domain on which wallets are shown; again is no error. Raises NotPermitted."""
        ...
