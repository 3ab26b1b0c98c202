"""Record that a payer accepted a text: which version, when, from where."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from merchants.models import Terms
from payers.models import PayerCompany, TermsAcceptance
from wisepay.http import get_client_ip
from wisepay.models import User


@dataclass(frozen=True, slots=True)
class RequestSource:
    """Where an acceptance came from: the address and the browser of the request."""

    ip: str
    user_agent: str


def get_request_source(request: HttpRequest) -> RequestSource:
    """Where this request came from."""
    return RequestSource(ip=get_client_ip(request), user_agent=request.headers.get("User-Agent", "")[:300])


def record_acceptance(
    company: PayerCompany, *, terms: Terms, user: User | None, email: str, source: RequestSource, now: datetime
) -> TermsAcceptance:
    """Record that the person behind `email` accepted `terms` for `company`.

    Without `user` it is not proved that they are that person. Raises ValueError for terms of another merchant.
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
