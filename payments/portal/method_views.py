"""Saved Credit Cards and Saved Bank Accounts: a payer's saved methods, by company."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from payers.access import PayerRequest, get_company_access, payer_page
from payers.models import PayerAccess, PayerCompany
from payments.errors import DEBIT_FAILURES, get_operation_failure
from payments.failure_codes import CARD_EXPIRED
from payments.models import SavedMethod, Setup
from payments.operations.next_actions import find_next_action
from payments.payment_pages.element import render_with_payment_element
from payments.portal.access import WHOLE_COMPANY, get_visible_method, list_visible_methods
from payments.portal.addable_methods import build_addition_context, list_addable_methods
from payments.portal.method_api import METHOD_PAGES
from payments.saved_methods.choices import BANK_DEBIT, CARD
from payments.saved_methods.removal import (
    MethodInUse,
    MethodNeeded,
    get_uses_digest,
    remove_method,
    stop_sharing_method,
)
from payments.saved_methods.services import set_default_method, share_method
from payments.states import LIVE_STATES
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.models import User

SHOW_FAILURE_FOR = timedelta(hours=1)  # how long the page shows that an addition failed
TITLES = {CARD: "Saved Credit Cards", BANK_DEBIT: "Saved Bank Accounts"}


@dataclass(frozen=True, slots=True)
class MethodBadge:
    """A word about a method and its tone: good, bad, busy or quiet."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method as its payer sees it, with what they may do with it."""

    method: SavedMethod
    badges: Sequence[MethodBadge]
    why: str
    saved_by: str
    may_set_default: bool
    may_share: bool
    may_remove: bool


@dataclass(frozen=True, slots=True)
class CompanyMethods:
    """The methods of one company, and whether one can be added."""

    company: PayerCompany
    rows: Sequence[MethodRow]
    can_add: bool


@require_GET
@payer_page
def my_cards(request: PayerRequest) -> HttpResponse:
    """Saved Credit Cards; also where a bank sends the payer back to while a method is being added."""
    return render_methods_page(request, CARD)


@require_GET
@payer_page
def my_bank_accounts(request: PayerRequest) -> HttpResponse:
    """Saved Bank Accounts."""
    return render_methods_page(request, BANK_DEBIT)


def render_methods_page(request: PayerRequest, kind: str) -> HttpResponse:
    """The page of one kind."""
    addition = find_setup_to_show(request, now=clock.now())
    context = {
        "kind": kind,
        "title": TITLES[kind],
        "groups": list_company_methods(request, kind, now=clock.now()),
        "has_merchants": len({access.company.merchant_id for access in request.accesses}) > 1,
        "addition": addition,
        "next_action": find_next_action(addition),
        "failure": get_operation_failure(addition),
        "may_change": request.impersonation is None,
    }
    if addition is not None and addition.is_live:
        return render_with_payment_element(request, "portal/methods.html", context)
    return render(request, "portal/methods.html", context)


def find_setup_to_show(request: PayerRequest, *, now: datetime) -> Setup | None:
    """The addition to show: one that is live, else the last one if it failed within the last hour."""
    rows = Setup.objects.filter(
        user=request.person, payment=None, company__in=[access.company_id for access in request.accesses]
    )
    newest = rows.select_related("account", "company").order_by("-pk").first()
    if newest is None or newest.is_live:
        return newest
    is_recent = newest.state == "failed" and now - newest.state_at < SHOW_FAILURE_FOR
    return newest if is_recent else rows.select_related("account", "company").filter(state__in=LIVE_STATES).first()


def list_company_methods(request: PayerRequest, kind: str, *, now: datetime) -> list[CompanyMethods]:
    """Every company with its methods of this kind, the default first."""
    rows = list_visible_methods(request.accesses, request.person).select_related("owner")
    rows = rows.filter(kind=CARD) if kind == CARD else rows.exclude(kind=CARD)
    methods = list(rows.order_by("-is_default", "-last_used_at", "-pk"))
    addable = list_addable_methods(request.accesses)
    return [
        CompanyMethods(
            company=access.company,
            rows=[
                get_method_row(m, access, request.person, now=now) for m in methods if m.company_id == access.company_id
            ],
            can_add=kind in addable[access.company_id].kinds,
        )
        for access in request.accesses
    ]


def get_method_row(method: SavedMethod, access: PayerAccess, user: User, *, now: datetime) -> MethodRow:
    """One method with its badges and what this person may do with it."""
    is_own, is_whole = method.owner_id == user.pk, access.scope == WHOLE_COMPANY
    is_usable = method.state == "active"
    return MethodRow(
        method=method,
        badges=get_method_badges(method, today=now.astimezone(access.company.merchant.zone)),
        why=explain_invalid_method(method) if method.state == "invalid" else "",
        saved_by="you" if is_own else str(method.owner or "somebody who has days"),
        may_set_default=is_usable and is_whole and not method.is_default,
        may_share=is_usable and is_own and is_whole,
        may_remove=is_own or is_whole,
    )


def get_method_badges(method: SavedMethod, *, today: datetime) -> list[MethodBadge]:
    """The badges of a method on `today`, an instant in the merchant's zone."""
    found = [MethodBadge("good", "Default")] if method.is_default else []
    if method.is_shared:
        found.append(MethodBadge("quiet", "Shared with the company"))
    if method.state == "invalid":
        return [*found, MethodBadge("bad", "Invalid")]
    if method.expires_on is None:
        return found
    days = (method.expires_on - today.date()).days
    if days < 0:
        found.append(MethodBadge("bad", "Expired"))
    elif days <= SavedMethod.EXPIRY_WARNING.days:
        found.append(
            MethodBadge("busy", "Expires today" if days == 0 else f"Expiring in {days} day{'' if days == 1 else 's'}")
        )
    return found


def explain_invalid_method(method: SavedMethod) -> str:
    """Why the gateway no longer accepts the method, and what to do."""
    if method.is_card:
        reason = (
            "The bank takes this card no more." if method.last_failure not in CARD_EXPIRED else "This card has expired."
        )
        return f"{reason} Remove it and add another one."
    reason = str(DEBIT_FAILURES.get(method.last_failure, "The bank takes debits from this account no more."))
    return f"{reason.partition('. ')[0].rstrip('.')}. Remove it and add another one."


def get_page_name(method: SavedMethod) -> str:
    """The name of the page that lists a method."""
    return METHOD_PAGES[CARD if method.is_card else BANK_DEBIT]


def check_allowed(request: PayerRequest, method: SavedMethod, action: str) -> MethodRow:
    """The method's row, if the person may do this with it. Raises PermissionDenied."""
    access = next(access for access in request.accesses if access.company_id == method.company_id)
    row = get_method_row(method, access, request.person, now=clock.now())
    if not getattr(row, f"may_{action}"):
        raise PermissionDenied("You can't do this with that payment method.")
    return row


@require_POST
@payer_page
def make_default(request: PayerRequest, method_ref: str) -> HttpResponse:
    """Make a method the default, which is offered first to everybody who may use it."""
    method = get_visible_method(request, method_ref)
    if not method.is_default:
        check_allowed(request, method, "set_default")
        set_default_method(method)
        messages.success(request, f"{method} is the default of {method.company} now.")
    return redirect(get_page_name(method))


@require_POST
@payer_page
def share(request: PayerRequest, method_ref: str) -> HttpResponse:
    """Share a method with the company, or stop sharing it: `shared` is 1 or 0."""
    method = get_visible_method(request, method_ref)
    check_allowed(request, method, "share")
    is_shared, person = request.POST.get("shared") == "1", request.person
    try:
        if is_shared:
            share_method(method, by_id=person.pk, now=clock.now())
        else:
            shown = request.POST.get("shown", "")
            stop_sharing_method(method, by=str(person), by_id=person.pk, shown=shown, now=clock.now())
    except MethodNeeded as needed:
        return render_uses(request, method, needed.uses, action="share")
    who = f"Everybody who sees all of {method.company}" if is_shared else "Only you"
    messages.success(request, f"{who} can pay with {method} now.")
    return redirect(get_page_name(method))


def render_uses(request: PayerRequest, method: SavedMethod, uses: list[str], *, action: str) -> HttpResponse:
    """What ends with the method, and whether to go on."""
    context = {"method": method, "uses": uses, "shown": get_uses_digest(uses), "action": action}
    return render(request, "portal/remove_method.html", context | {"back": get_page_name(method)}, status=409)


@require_POST
@payer_page
def remove(request: PayerRequest, method_ref: str) -> HttpResponse:
    """Remove a method; the page asks for confirmation first, and once more where automatic payments rest on it."""
    method = get_visible_method(request, method_ref)
    check_allowed(request, method, "remove")
    person, shown = request.person, request.POST.get("shown", "")
    try:
        remove_method(method, by=str(person), by_id=person.pk, shown=shown, now=clock.now())
    except MethodNeeded as needed:
        return render_uses(request, method, needed.uses, action="remove")
    except MethodInUse:
        message = f"A payment with {method} has not ended yet. Remove it when the bank has answered."
        messages.error(request, message)
        return redirect(get_page_name(method))
    record_request_audit(request, "method.removed", merchant_id=method.company.merchant_id, subject=str(method))
    messages.success(request, f"{method} is removed. Nobody can pay with it any more.")
    return redirect(get_page_name(method))


@require_GET
@payer_page
def add_method(request: PayerRequest) -> HttpResponse:
    """Add a card or a bank account: choose the company, then Stripe's form and the terms."""
    kind = BANK_DEBIT if request.GET.get("kind") == BANK_DEBIT else CARD
    addable = [one for one in list_addable_methods(request.accesses).values() if kind in one.kinds]
    company_ref = request.GET.get("company", "")
    chosen = [one for one in addable if company_ref == one.company.reference or (not company_ref and len(addable) == 1)]
    context: dict[str, Any] = {"kind": kind, "title": TITLES[kind], "back": METHOD_PAGES[kind], "addable": addable}
    if not chosen or request.impersonation is not None:
        return render(request, "portal/add_choose.html", context)
    context |= build_addition_context(chosen[0], kind)
    access = get_company_access(request, chosen[0].company.reference)
    context["may_share"] = access.scope == WHOLE_COMPANY
    return render_with_payment_element(request, "portal/add_method.html", context)
