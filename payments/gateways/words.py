"""What is said through the gateway's door: frozen dataclasses, no models, no vendor's objects."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from wisepay.money import Money

Status = Literal["processing", "requires_action", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Start:
    """Everything that a gateway needs to try to take money once.

    `key` comes from our row: the same key with the same words never takes money twice.
    """

    key: str
    reference: str
    amount: Money
    confirmation_token: str
    method_types: tuple[str, ...]
    description: str
    payer_email: str
    return_url: str
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt stands at the gateway. `processing` means that the gateway itself does not know."""

    status: Status
    intent_id: str
    amount: Money | None = None
    client_secret: str = ""
    method_kind: str = ""
    brand: str = ""
    last4: str = ""
    failure_code: str = ""
    failure_message: str = ""
    reference: str = ""  # our attempt's reference, as the gateway gave it back


@dataclass(frozen=True, slots=True)
class Event:
    """A verified webhook: only a reason to look again at `intent_id`."""

    id: str
    kind: str
    intent_id: str


class BadSignature(Exception):
    """The webhook was not signed by the gateway, or not just now."""


class Gateway(Protocol):
    """One merchant's account at a gateway. Every call may raise Unavailable (the answer is not known)."""

    def start(self, order: Start) -> Outcome:
        """Try to take the money. A decline is an Outcome, not an error. Raises Rejected when our words are wrong."""
        ...

    def look_up(self, intent_id: str) -> Outcome:
        """How it stands now. Raises Rejected when the gateway does not know this id."""
        ...

    def find(self, reference: str, *, since: datetime) -> Outcome | None:
        """The same by our own reference, for an order first given at `since`; None if it never arrived."""
        ...

    def cancel(self, intent_id: str, *, key: str) -> Outcome:
        """End it without money, if it is not too late; the Outcome says which."""
        ...

    def check(self) -> str:
        """The id of the account that the secret key opens. Raises Rejected when it opens none."""
        ...
