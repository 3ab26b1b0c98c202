"""A merchant whose ConnectWise PSA is connected, and what happens at PSA."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from merchants.models import Merchant
from payments.models import Attempt, Payment
from psa.connectwise.client import Credentials
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.polling import poll_every_connection
from psa.services import connect_psa, get_psa_connection, update_psa_settings
from sandbox.harness.environment import PSA_SITE
from sandbox.psa.tenant import PRIVATE_KEY, PUBLIC_KEY
from tests.tenants import Checkout, Tenant, deliver_outbox
from wisepay.models import OutboxMessage

CREDENTIALS = Credentials("northwind", PUBLIC_KEY, PRIVATE_KEY)
LATER = (timedelta(seconds=10), timedelta(seconds=150), timedelta(seconds=320), timedelta(seconds=900))


@dataclass
class PsaScene:
    """A merchant with PSA, which writes payments, and whose first one a person has confirmed."""

    tenant: Tenant
    connection: PsaConnection

    def control(self, **orders: Any) -> dict[str, Any]:
        """Carry out orders at the practice PSA."""
        found: dict[str, Any] = self.tenant.world.post("/psa/_control", orders)
        return found

    def sell(self, **order: Any) -> dict[str, int]:
        """What an accepted quote leaves at PSA: the ids of opportunity, order and invoice."""
        found: dict[str, int] = self.control(order={"amount": 625, **order})["order"]
        return found

    def bill(self, number: str, amount: float, **order: Any) -> int:
        """An invoice of Harbour Dental at PSA; answers its id."""
        found: int = self.control(bill={"number": number, "amount": amount, **order})["bill"]
        return found

    def poll(self) -> None:
        """Let the poll read what changed."""
        poll_every_connection(now=timezone.now())

    def list_rows(self, payment: Payment) -> list[PsaPayment]:
        """The parts of a payment at PSA."""
        return list(PsaPayment.objects.filter(payment=payment).order_by("pk"))

    def open_checkout(self, sold: dict[str, int], **changes: Any) -> Checkout:
        """A checkout of the quote that was sold."""
        return self.tenant.open_checkout(
            **changes, quote={"opportunity_id": str(sold["opportunity"])} | changes.pop("quote", {})
        )

    def pay(self, sold: dict[str, int]) -> Checkout:
        """Pay the quote by card, without what follows."""
        checkout = self.open_checkout(sold)
        checkout.pay()
        return checkout

    def get_row(self, checkout: Checkout) -> PsaPayment:
        """The payment at PSA, read afresh."""
        return PsaPayment.objects.select_related("connection", "merchant").get(payment=checkout.payment)

    def get_invoice(self, key: int) -> dict[str, Any]:
        """An invoice as it stands at PSA."""
        return next(row for row in self.control()["invoices"] if row["id"] == key)

    def list_payments(self, key: int) -> list[dict[str, Any]]:
        """The payments on an invoice."""
        return [row for row in self.control()["payments"] if row["invoice"]["id"] == key]

    def list_calls(self, method: str = "", since: int = 0) -> list[str]:
        """The calls of PSA, without their query."""
        rows = self.tenant.world.journal("psa", since=since)
        return [f"{row['method']} {row['path']}" for row in rows if row["method"] == (method or row["method"])]


def connect(tenant: Tenant, *, confirmed: bool = True, written_by: str = "us") -> PsaScene:
    """Connect the practice PSA."""
    now = timezone.now()
    connect_psa(tenant.merchant, site=PSA_SITE, credentials=CREDENTIALS, by=tenant.user.email, now=now)
    deliver_outbox()
    connection = get_psa_connection(tenant.merchant)
    update_psa_settings(connection, written_by=written_by, writes_debits="settled", now=now)
    if confirmed:
        PsaConnection.objects.filter(pk=connection.pk).update(confirmed_at=now)
    return PsaScene(tenant, get_psa_connection(tenant.merchant))


def create_undecided_payment(attempt: Attempt) -> PsaPayment:
    """A payment whose invoice a person has to choose; the connection of its merchant is made if there is none."""
    now, merchant = timezone.now(), attempt.payment.merchant
    never = {"state": "disconnected", "state_at": now}
    connection, _ = PsaConnection.objects.get_or_create(merchant=merchant, defaults=never)
    about = {"connection": connection, "merchant": merchant, "payment": attempt.payment, "paid_on": now.date()}
    fresh = {"amount": 62500, "currency": "AUD", "state": "undecided", "state_at": now}
    return PsaPayment.objects.get_or_create(attempt=attempt, defaults={**about, **fresh})[0]


def create_unclear_invoice(merchant: Merchant, number: str) -> PsaInvoice:
    """An invoice of PSA of which a person has to say which one of the books it is."""
    now = timezone.now()
    never = {"state": "disconnected", "state_at": now}
    connection, _ = PsaConnection.objects.get_or_create(merchant=merchant, defaults=never)
    about = {"number": number, "match": "different", "read_at": now}
    return PsaInvoice.objects.get_or_create(connection=connection, invoice_id=merchant.pk, defaults=about)[0]


def deliver_later(now: datetime | None = None) -> None:
    """Deliver what is due, and what becomes due in the next quarter of an hour."""
    begin = now or timezone.now()
    deliver_outbox(at=begin)
    for after in LATER:
        deliver_outbox(at=begin + after)
    dead = OutboxMessage.objects.filter(state="dead")
    assert not dead.exists(), list(dead.values_list("key", "last_error"))
