"""What Payer Admin shows: accesses with their badges, what a payer has, and why they can't be removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Window
from django.http import Http404
from django_subatomic.db import transaction

from merchants.models import Merchant
from payers.company_access import remove_access
from payers.models import PayerAccess, PayerCompany
from payments.models import Attempt, SavedMethod, Setup
from payments.payer_admin.badges import (
    NONE,
    AccessBadges,
    StatusBadge,
    get_access_badges,
    get_auto_pay_badges,
    get_method_badge,
)
from payments.saved_methods.choices import can_use_method
from payments.saved_methods.removal import (
    MethodNeeded,
    end_method,
    get_uses_digest,
    list_method_uses,
    lock_method_uses,
)
from payments.states import LIVE_STATES
from wisepay.models import User

PAGE_SIZE, LAST_PAGE = 50, 99_999
FILTERS = {
    "expiring": "Cards Expiring in 60 Days",
    "expired": "Expired Cards",
    "invalid": "Invalid Cards and Bank Accounts",
}
OPEN_STATES = ("pending", "active")


class StillInUse(Exception):
    """A payer can't be removed from a company yet; `reasons` says why, a sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One access with its badges."""

    access: PayerAccess
    badges: AccessBadges


class CountedPaginator(Paginator):  # type: ignore[type-arg]  # at run time it takes no type
    """A paginator of rows that were counted by the query that read them."""

    count = 0

    def __init__(self, count: int) -> None:
        super().__init__([], PAGE_SIZE)
        self.count = count


def list_accesses(merchant: Merchant, *, q: str, filter_name: str, page: int, now: datetime) -> "Page[AccessRow]":
    """One page of the accesses that match `q` and the filter, by company and person. Three queries."""
    today = get_today(merchant, now)
    rows = PayerAccess.objects.filter(company__merchant=merchant, state__in=OPEN_STATES)
    if q:
        rows = rows.filter(build_search_filter(q))
    if filter_name in FILTERS:
        rows = rows.filter(Exists(_matching_methods(filter_name, today=today)))
    ordered = rows.select_related("user", "company").order_by("company__name", "user__email", "pk")
    found, number = _slice(ordered.annotate(total=Window(Count("*"))), page)
    companies = [access.company_id for access in found]
    methods, auto_pay = list_methods_of_companies(companies), get_auto_pay_badges(companies)
    shown = [build_access_row(access, methods, auto_pay, today=today) for access in found]
    return Page(shown, number, CountedPaginator(getattr(found[0], "total", 0) if found else 0))


def list_legend(rows: Iterable[AccessRow]) -> list[StatusBadge]:
    """Every mark of these rows once, the one that most needs a look first, for people who see no tooltip."""
    marks = {
        (mark.colour, mark.icon, mark.text): mark
        for row in rows
        for mark in (row.badges.card, row.badges.bank, row.badges.auto_pay, row.badges.payer)
    }
    return sorted(marks.values(), key=lambda mark: (-mark.weight, mark.text))


def build_search_filter(q: str) -> Q:
    """Accesses whose company or person matches; a person who has not agreed only by what was typed."""
    agreed = Q(state="active", user__name__icontains=q) | Q(user__email__icontains=q)
    return Q(company__name__icontains=q) | Q(typed_name__icontains=q) & ~Q(state="active") | agreed


def build_access_row(
    access: PayerAccess, methods: list[SavedMethod], auto_pay: dict[int, StatusBadge], *, today: date
) -> AccessRow:
    """An access with the badges of those of these methods that its person may use."""
    usable = [method for method in methods if can_use_method(access, method)]
    return AccessRow(
        access, get_access_badges(access, usable, today=today, auto_pay=auto_pay.get(access.company_id, NONE))
    )


def _slice(rows: "QuerySet[PayerAccess]", page: int) -> tuple[list[PayerAccess], int]:
    """The rows of that page, and its number; beyond the last page the first one."""
    start = (page - 1) * PAGE_SIZE
    found = list(rows[start : start + PAGE_SIZE])
    if not found and page > 1:
        return list(rows[:PAGE_SIZE]), 1
    return found, page


def _matching_methods(filter_name: str, *, today: date) -> "QuerySet[SavedMethod]":
    """The methods of the outer access that match a filter."""
    usable = Q(owner=OuterRef("user")) | Q(is_shared=True) & Exists(
        PayerAccess.objects.filter(pk=OuterRef(OuterRef("pk")), scope=PayerAccess.Scope.COMPANY)
    )
    methods = SavedMethod.objects.filter(usable, company=OuterRef("company")).exclude(state="removed")
    if filter_name == "expiring":
        return methods.filter(state="active", expires_on__gte=today, expires_on__lte=today + SavedMethod.EXPIRY_WARNING)
    if filter_name == "expired":
        return methods.filter(expires_on__lt=today)
    return methods.filter(state="invalid")


def list_methods_of_companies(companies: list[int]) -> list[SavedMethod]:
    """Every method of these companies that was not removed."""
    if not companies:
        return []
    return list(SavedMethod.objects.filter(company__in=companies).exclude(state="removed").order_by("pk"))


def get_today(merchant: Merchant, now: datetime) -> date:
    """The date in the merchant's zone."""
    return now.astimezone(merchant.zone).date()


@dataclass(frozen=True, slots=True)
class MethodWithBadge:
    """A method and the badge that shows how it stands."""

    method: SavedMethod
    badge: StatusBadge


@dataclass(frozen=True, slots=True)
class AccessDetails:
    """One company of a payer's page: the access, what they may pay with there, and why it can't be removed."""

    access: PayerAccess
    methods: list[MethodWithBadge]
    obstacles: list[str]


def get_person(merchant: Merchant, reference: str) -> User:
    """A payer of this merchant, also one whose access was removed. Raises Http404."""
    rows = User.objects.select_related("payer").filter(payer__isnull=False)
    found = rows.filter(reference=reference, payer_accesses__company__merchant=merchant).distinct().first()
    if found is None:
        raise Http404
    return found


@dataclass(frozen=True, slots=True)
class ShownPerson:
    """A payer as this merchant may know them."""

    name: str
    email: str
    phone: str
    job_title: str
    is_agreed: bool


def get_shown_person(merchant: Merchant, person: User) -> ShownPerson:
    """The person's details once they agreed to an access here; until then what was typed to ask for one."""
    rows = PayerAccess.objects.filter(user=person, company__merchant=merchant).select_related("user__payer")
    newest = rows.order_by("-pk").first()
    agreed = rows.filter(state="active").first()
    if agreed is not None:
        payer = agreed.user.payer
        return ShownPerson(str(agreed.user), agreed.user.email, payer.phone, payer.job_title, is_agreed=True)
    if newest is None:
        raise Http404
    return ShownPerson(newest.shown_name, newest.shown_email, newest.typed_phone, "", is_agreed=False)


def get_access(merchant: Merchant, reference: str) -> PayerAccess:
    """An access to a company of this merchant that was not removed. Raises Http404."""
    rows = PayerAccess.objects.select_related("user__payer", "company__merchant").filter(state__in=OPEN_STATES)
    found = rows.filter(company__merchant=merchant, reference=reference).first()
    if found is None:
        raise Http404
    return found


def get_company(merchant: Merchant, reference: str) -> PayerCompany:
    """A company of this merchant. Raises Http404."""
    found = merchant.payer_companies.filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


def list_access_details(merchant: Merchant, person: User, *, now: datetime) -> list[AccessDetails]:
    """The person's companies at this merchant."""
    accesses = list(
        PayerAccess.objects.filter(user=person, company__merchant=merchant, state__in=OPEN_STATES)
        .select_related("company", "user")
        .order_by("company__name", "pk")
    )
    methods = list_methods_of_companies([access.company_id for access in accesses])
    today = get_today(merchant, now)
    return [
        AccessDetails(
            access,
            [MethodWithBadge(m, get_method_badge(m, today=today)) for m in methods if can_use_method(access, m)],
            list_removal_obstacles(access),
        )
        for access in accesses
    ]


def list_removal_obstacles(access: PayerAccess) -> list[str]:
    """Why the access can't be removed now, a sentence each; empty when it can."""
    reasons = []
    paying = Attempt.objects.filter(payment__company=access.company_id, user=access.user_id, state__in=LIVE_STATES)
    saving = Setup.objects.filter(company=access.company_id, user=access.user_id, state__in=LIVE_STATES)
    if paying.exists():
        reasons.append("A payment of theirs is being processed.")
    if saving.exists():
        reasons.append("A payment method of theirs is being saved.")
    return reasons


def list_own_methods(access: PayerAccess) -> list[SavedMethod]:
    """What the person saved for the company and is not removed."""
    rows = SavedMethod.objects.filter(company=access.company_id, owner=access.user_id).exclude(state="removed")
    return list(rows.select_related("company__merchant").order_by("pk"))


def list_removal_consequences(access: PayerAccess) -> list[str]:
    """What goes with the person's access, a sentence each: their methods, and what is charged to those."""
    found = []
    for method in list_own_methods(access):
        found += [f"{method} is removed.", *list_method_uses(method)]
    return found


def remove_payer(access: PayerAccess, *, by: User, shown: str = "", now: datetime) -> None:
    """Remove the person's access to the company, with the methods that they saved and what is charged to those.

    Raises StillInUse with the reasons that forbid it, or MethodNeeded unless `shown` is the digest of what goes.
    """
    with transaction():
        for method in list_own_methods(access):
            lock_method_uses(method)
        reasons = list_removal_obstacles(access)
        if reasons:
            raise StillInUse(reasons)
        consequences = list_removal_consequences(access)
        if get_uses_digest(consequences) != shown:
            raise MethodNeeded(consequences)
        for method in list_own_methods(access):
            end_method(method, list_method_uses(method), by=str(by), reason="its payer was removed", now=now)
        remove_access(access, by=by, now=now)


def list_unmapped_companies(merchant: Merchant, *, organisation_id: str) -> "QuerySet[PayerCompany]":
    """Companies that are no contact of the organisation, by name; of no organisation while none is connected."""
    mapped = Q(organisation_id=organisation_id) & ~Q(contact_id="")
    return merchant.payer_companies.exclude(mapped).order_by("name", "pk")
