"""Rows for the portal's tests: payers of several companies, and payments in every state."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.test import Client
from django.utils import timezone

from payers.models import Payer, PayerAccess, PayerCompany, fold_name
from payments.attempts.services import apply_attempt_result, reverse_attempt
from payments.gateways import OperationResult, RemoteMethod
from payments.gateways.protocol import OperationStatus
from payments.models import Attempt, GatewayAccount, Payment
from tests.tenants import Tenant
from wisepay.models import User

sequence = itertools.count(1)
WHOLE_COMPANY, OWN_PAYMENTS = PayerAccess.Scope.COMPANY, PayerAccess.Scope.OWN
VISA = RemoteMethod("pm_1", "card", "visa", "4242")
BANK = RemoteMethod("pm_2", "au_becs_debit", "Practice Bank", "6789")
HTMX_HEADERS = {"HX-Request": "true"}


@dataclass
class PortalPayer:
    """A registered payer, signed in."""

    user: User
    client: Client = field(default_factory=Client)

    def give_access(self, company: PayerCompany, scope: str = WHOLE_COMPANY, state: str = "active") -> PayerAccess:
        """May see the company."""
        return PayerAccess.objects.create(
            user=self.user, company=company, scope=scope, origin="invited", state=state, state_at=timezone.now()
        )

    def get(self, path: str, **headers: str) -> str:
        """The text of a page that is there."""
        answer: Any = self.client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.status_code)
        return b"".join(answer.streaming_content if answer.streaming else [answer.content]).decode()

    def get_widget(self, name: str, query: str = "") -> str:
        """A widget of the dashboard."""
        return self.get(f"/my/{name}{query}", **HTMX_HEADERS)


def create_payer(email: str, name: str = "", *, state: str = "registered") -> PortalPayer:
    """A payer without any company yet."""
    user = User.objects.create_user(email, "correct-horse-battery", name=name)
    Payer.objects.create(user=user, state=state, state_at=timezone.now())
    found = PortalPayer(user)
    found.client.force_login(user)
    return found


def create_company(tenant: Tenant, name: str) -> PayerCompany:
    """A company of the house."""
    return PayerCompany.objects.create(merchant=tenant.merchant, name=name, folded_name=fold_name(name))


def create_payment(
    of: PayerCompany, *, amount: int = 62500, currency: str = "AUD", days: int = 20, **more: object
) -> Payment:
    """An open payment of a company."""
    number, now = next(sequence), timezone.now()
    columns: dict[str, object] = {
        "merchant": of.merchant,
        "company": of,
        "currency": currency,
        "amount": amount,
        "purpose": f"Quote {number} v1: Work no {number}",
        "details": {"reference": f"Q{number}-1", "title": f"Quote {number}", "rows": []},
        "methods": ["card", "bank_debit"],
        "done_path": "/done",
        "expires_at": now + timedelta(days=days),
        "state": "open",
        "state_at": now,
    }
    return Payment.objects.create(**columns | more)


def create_attempt(of: Payment, *, by: User | None = None, at: datetime | None = None) -> Attempt:
    """An attempt that has begun."""
    number, now = next(sequence), at or timezone.now()
    return Attempt.objects.create(
        payment=of,
        account=GatewayAccount.objects.get(merchant=of.merchant),
        state="processing",
        state_at=now,
        created_at=now,
        amount=of.amount,
        idempotency_key=f"stage-{number}",
        confirmation_token="ctoken_stage",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
        user=by,
    )


def record_result(
    of: Attempt, status: OperationStatus, *, method: RemoteMethod = VISA, code: str = "", at: datetime | None = None
) -> Attempt:
    """Record a result of the gateway for the attempt."""
    money = of.money if status == "succeeded" else None
    outcome = OperationResult(status, f"pi_stage{of.pk}", money, method=method, failure_code=code)
    apply_attempt_result(of, outcome, by="gateway", now=at or timezone.now())
    of.refresh_from_db()
    return of


def create_paid_attempt(
    of: Payment, *, by: User | None = None, method: RemoteMethod = VISA, at: datetime | None = None
) -> Attempt:
    """The payment is paid."""
    return record_result(create_attempt(of, by=by, at=at), "succeeded", method=method, at=at)


def create_reversed_attempt(of: Payment, *, by: User | None = None) -> Attempt:
    """Paid by bank debit, which the bank took back."""
    found = create_paid_attempt(of, by=by, method=BANK)
    with transaction.atomic():
        reverse_attempt(found, reason="dispute:debit_not_authorized", now=timezone.now())
    found.refresh_from_db()
    return found
