"""Record that a payer accepted a text: which version, when, from where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.http import HttpRequest

from merchants.models import Terms
from payers.models import PayerCompany, TermsAcceptance
from wisepay.http import get_client_ip
from wisepay.models import User
from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """What somebody was shown along with a text: what they do, what it costs now and every interval, from where.

    `operation` is the reference of what it is for, `statement` the sentences above the button.
    """

    acts: str
    operation: str = ""
    money: Money | None = None
    recurring: Money | None = None
    interval: str = ""
    periods: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    agreement: str = ""
    method_kind: str = ""
    last4: str = ""
    statement: str = ""

    def get_columns(self) -> dict[str, object]:
        """The columns of an acceptance that keep it."""
        shown = self.money or self.recurring
        return {
            "operation": self.operation,
            "acts": self.acts,
            "currency": shown.currency if shown else "",
            "amount": self.money.amount if self.money else None,
            "recurring_amount": self.recurring.amount if self.recurring else None,
            "interval": self.interval,
            "periods": self.periods,
            "starts_on": self.starts_on,
            "ends_on": self.ends_on,
            "agreement": self.agreement,
            "method_kind": self.method_kind,
            "last4": self.last4,
            "shown": self.statement,
        }


@dataclass(frozen=True, slots=True)
class RequestSource:
    """Where an acceptance came from: the address and the browser of the request."""

    ip: str
    user_agent: str


def get_request_source(request: HttpRequest) -> RequestSource:
    """Where this request came from."""
    return RequestSource(ip=get_client_ip(request), user_agent=request.headers.get("User-Agent", "")[:300])


def record_acceptance(
    company: PayerCompany,
    *,
    terms: Terms,
    user: User | None,
    email: str,
    source: RequestSource,
    now: datetime,
    shown: ShownOrder | None = None,
) -> TermsAcceptance:
    """Record that the person behind `email` accepted `terms` for `company`.

    Without `user` it is not proved that they are that person. Raises ValueError for terms of another merchant.
    """
    orders = [(terms, shown or ShownOrder(""))]
    return record_acceptances(company, orders=orders, user=user, email=email, source=source, now=now)[0]


def record_acceptances(
    company: PayerCompany,
    *,
    orders: Sequence[tuple[Terms, ShownOrder]],
    user: User | None,
    email: str,
    source: RequestSource,
    now: datetime,
) -> list[TermsAcceptance]:
    """Record that one person accepted several texts at once, each with what was shown along with it. One statement.

    Raises ValueError for terms of another merchant.
    """
    if any(terms.merchant_id != company.merchant_id for terms, _ in orders):
        raise ValueError("these terms are another merchant's")
    return TermsAcceptance.objects.bulk_create(
        TermsAcceptance(
            company=company,
            terms=terms,
            user=user,
            email=email,
            ip=source.ip,
            user_agent=source.user_agent[:300],
            accepted_at=now,
            **shown.get_columns(),
        )
        for terms, shown in orders
    )
