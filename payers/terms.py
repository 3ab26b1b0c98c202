"""Proof that a payer accepted a text: which version, when, from where."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from merchants.models import Terms
from payers.models import PayerCompany, TermsAcceptance
from wisepay.http import client_ip
from wisepay.models import User


@dataclass(frozen=True, slots=True)
class Whence:
    """Where somebody ticked the box: the address and the browser of their request."""

    ip: str
    user_agent: str


def whence(request: HttpRequest) -> Whence:
    """Where this request came from."""
    return Whence(ip=client_ip(request), user_agent=request.headers.get("User-Agent", "")[:300])


def record_acceptance(
    company: PayerCompany, *, terms: Terms, user: User | None, email: str, source: Whence, now: datetime
) -> TermsAcceptance:
    """Write down that the person behind `email` accepted `terms` for `company`.

    Without `user` nobody proved that they are that person. Raises ValueError for terms of another merchant.
    """
    if terms.merchant_id != company.merchant_id:
        raise ValueError("these terms are another merchant's")
    return TermsAcceptance.objects.create(
        company=company,
        terms=terms,
        user=user,
        email=email,
        ip=source.ip,
        user_agent=source.user_agent[:300],
        accepted_at=now,
    )
