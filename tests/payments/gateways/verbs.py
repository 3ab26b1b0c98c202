"""Every verb of the gateway, with words that it could carry out at a practice account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from payments.gateways import ChargeRequest, open_gateway
from payments.gateways.protocol import Gateway, SetupRequest
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.signed_in_payer import create_bank_token
from tests.tenants import Tenant
from wisepay.addresses import new_reference
from wisepay.money import Money

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
ENDPOINT = "https://pay.example/webhooks/stripe/x"
Verb = Callable[[Any], Any]


def build_charge(token: str, **changes: Any) -> ChargeRequest:
    """An order to charge a card."""
    reference = new_reference()
    words: dict[str, Any] = {
        "key": f"attempt-{reference}",
        "reference": reference,
        "amount": Money(62_500, "AUD"),
        "confirmation_token": token,
        "method_types": ("card",),
        "description": "Quote 1 v1",
        "payer_email": "accounts@harbourdental.example",
        "return_url": "https://pay.example/pay/x",
        "ip": "203.0.113.7",
        "user_agent": "practice",
    }
    return ChargeRequest(**(words | changes))


@dataclass
class PracticeWork:
    """What was done at a practice account before its verbs are tried: each kind of object is there."""

    world: SandboxProcess
    key: str

    def __post_init__(self) -> None:
        self.tenant = Tenant(self.world, None, None, self.key)  # type: ignore[arg-type]
        self.gateway = open_gateway(self.key)
        self.charge = build_charge(self.create_token())
        self.done = self.gateway.start(self.charge)
        self.declined = self.gateway.start(build_charge(self.create_token("4000000000009995")))
        self.waiting = self.gateway.start(build_charge(self.create_token("4000002760003184")))
        self.customer = self.gateway.create_customer(key="c-0", name="Harbour", email="a@example.com", reference="r")
        self.setup = SetupRequest(
            key="s-1",
            reference="setup-1",
            customer_id=self.customer,
            confirmation_token=self.create_token(),
            method_types=("card",),
            description="Saved",
            return_url="https://pay.example/x",
        )
        self.saved = self.gateway.save_method(self.setup)
        self.debit = self.gateway.start(
            build_charge(
                create_bank_token(self.tenant),
                amount=Money(500, "USD"),
                method_types=("us_bank_account",),
                customer_id=self.customer,
                saves_method=True,
            )
        )
        self.endpoint, _ = self.gateway.create_endpoint(url=ENDPOINT, events=["charge.refunded"])
        self.move_money()

    def create_token(self, card: str = "4242424242424242") -> str:
        """What the Payment Element makes of a card."""
        return self.tenant.confirmation_token(card)

    def move_money(self) -> None:
        """A refund, a dispute of another charge with a warning before, and a payout."""
        self.gateway.refund(self.done.intent_id, Money(500, "AUD"), key="f-0", reference="f-0")
        self.disputed = self.gateway.start(build_charge(self.create_token()))
        self.tenant.act_at_stripe("warn_of_fraud", self.disputed.intent_id)
        self.tenant.act_at_stripe("dispute", self.disputed.intent_id)
        paid = self.world.post("/stripe/_control", {"pay_out": {"account": self.key}})["pay_out"]["payouts"]
        self.payout = str(paid[0]["id"])

    def list_sales_verbs(self) -> dict[str, Verb]:
        """The verbs that charge, refund and tell what became of a charge."""
        done = self.done.intent_id
        fresh, poor = build_charge(self.create_token()), build_charge(self.create_token("4000000000009995"))
        return {
            "start": lambda g: g.start(fresh),
            "start declined": lambda g: g.start(poor),
            "look_up": lambda g: g.look_up(done),
            "look_up declined": lambda g: g.look_up(self.declined.intent_id),
            "look_up waiting": lambda g: g.look_up(self.waiting.intent_id),
            "look_up debit": lambda g: g.look_up(self.debit.intent_id),
            "find": lambda g: g.find(self.charge.reference, since=datetime.now(UTC)),
            "cancel": lambda g: g.cancel(done, key="x-1"),
            "refund": lambda g: g.refund(done, Money(100, "AUD"), key="f-1", reference="f-1"),
            "list_refunds": lambda g: g.list_refunds(done),
            "list_disputes": lambda g: g.list_disputes(self.disputed.intent_id),
            "list_fraud_warnings": lambda g: g.list_fraud_warnings(self.disputed.intent_id),
            "list_balance_transactions": lambda g: g.list_balance_transactions(since=None),
            "list_payouts": lambda g: g.list_payouts(since=None),
            "look_up_payout": lambda g: g.look_up_payout(self.payout),
        }

    def list_method_verbs(self) -> dict[str, Verb]:
        """The verbs about customers and saved methods."""
        detached = self.gateway.start(
            build_charge(self.create_token(), customer_id=self.customer, saves_method=True)
        ).method.id
        return {
            "create_customer": lambda g: g.create_customer(key="c-1", name="N", email="b@example.com", reference="q"),
            "has_customer": lambda g: g.has_customer(self.customer),
            "save_method": lambda g: g.save_method(self.setup),
            "look_up_setup": lambda g: g.look_up_setup(self.saved.intent_id),
            "find_setup": lambda g: g.find_setup("setup-1", since=datetime.now(UTC)),
            "cancel_setup": lambda g: g.cancel_setup(self.saved.intent_id, key="x-2"),
            "look_up_method": lambda g: g.look_up_method(self.saved.method.id),
            "detach_method": lambda g: g.detach_method(detached, key="d-1"),
            "is_mandate_active": lambda g: g.is_mandate_active(self.debit.method.mandate_id),
        }

    def list_account_verbs(self) -> dict[str, Verb]:
        """The verbs about the account itself."""
        publishable = self.key.replace("sk_", "pk_")
        day = timedelta(days=1)
        return {
            "get_account_id": lambda g: g.get_account_id(),
            "look_up_account": lambda g: g.look_up_account(),
            "accepts_publishable_key": lambda g: g.accepts_publishable_key(publishable),
            "list_endpoints": lambda g: g.list_endpoints(),
            "create_endpoint": lambda g: g.create_endpoint(url=f"{ENDPOINT}2", events=["charge.refunded"]),
            "update_endpoint": lambda g: g.update_endpoint(self.endpoint, url=ENDPOINT, events=["charge.refunded"]),
            "list_events": lambda g: g.list_events(since=datetime.now(UTC) - day, until=datetime.now(UTC) + day),
            "register_domain": lambda g: g.register_domain("pay.example"),
            "delete_endpoint": lambda g: g.delete_endpoint(self.endpoint),
        }

    def list_verbs(self) -> dict[str, Verb]:
        """Every verb; a second word says of what."""
        return self.list_sales_verbs() | self.list_method_verbs() | self.list_account_verbs()


def list_verb_names() -> set[str]:
    """What the protocol promises."""
    return {name for name in vars(Gateway) if not name.startswith("_")}
