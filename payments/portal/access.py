"""What a payer may see: the payments of their companies, the attempts and methods that go with them."""

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet
from django.http import Http404

from payers.access import PayerRequest
from payers.models import PayerAccess
from payments.models import Attempt, Payment, SavedMethod, Setup
from wisepay.models import User

WHOLE_COMPANY = PayerAccess.Scope.COMPANY


def list_visible_payments(accesses: Iterable[PayerAccess], user: User) -> QuerySet[Payment]:
    """The payments that these accesses of this person open, in no order.

    `company` opens every payment of the company, `own` those that the person tried to pay or saved a method for.
    """
    chosen = list(accesses)
    whole = [access.company_id for access in chosen if access.scope == WHOLE_COMPANY]
    own = [access.company_id for access in chosen if access.scope != WHOLE_COMPANY]
    seen = Q(company__in=whole)
    if own:
        tried = Attempt.objects.filter(user=user).values("payment")
        saved = Setup.objects.filter(user=user, payment__isnull=False).values("payment")
        seen |= Q(company__in=own) & (Q(pk__in=tried) | Q(pk__in=saved))
    return Payment.objects.filter(seen)


def list_visible_methods(accesses: Iterable[PayerAccess], user: User) -> QuerySet[SavedMethod]:
    """The saved methods that this person sees: their own, and those shared with the companies that they see whole."""
    chosen = list(accesses)
    companies = [access.company_id for access in chosen]
    whole = [access.company_id for access in chosen if access.scope == WHOLE_COMPANY]
    visible = Q(company__in=companies, owner=user) | Q(company__in=whole, is_shared=True)
    return SavedMethod.objects.filter(visible).exclude(state="removed")


def attach_companies(payments: Iterable[Payment], accesses: Sequence[PayerAccess]) -> list[Payment]:
    """The payments with company and merchant set from the accesses, which were read with them. No query."""
    companies = {access.company_id: access.company for access in accesses}
    found = list(payments)
    for payment in found:
        payment.company = companies[payment.company_id]
        payment.merchant = payment.company.merchant
    return found


def get_visible_payment(request: PayerRequest, reference: str) -> Payment:
    """One payment that this view may show. Raises Http404 for every other."""
    rows = list_visible_payments(request.accesses, request.person).filter(reference=reference)
    for payment in attach_companies(rows[:1], request.accesses):
        return payment
    raise Http404


def get_visible_method(request: PayerRequest, reference: str) -> SavedMethod:
    """One saved method that this view may show, with owner and company. Raises Http404 for every other."""
    rows = list_visible_methods(request.accesses, request.person).select_related(
        "owner", "company__merchant", "account"
    )
    method = rows.filter(reference=reference).first()
    if method is None:
        raise Http404
    return method


def get_own_setup(request: PayerRequest, reference: str) -> Setup:
    """A method that this person is adding in their settings. Raises Http404."""
    rows = Setup.objects.filter(
        user=request.person, payment=None, company__in=[access.company_id for access in request.accesses]
    )
    setup = rows.select_related("account", "company__merchant").filter(reference=reference).first()
    if setup is None:
        raise Http404
    return setup
