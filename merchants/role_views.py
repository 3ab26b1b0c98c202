"""Configure › People › Roles: what each role may do, and roles of the merchant's own; and what oneself may do."""

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.access import MerchantRequest, lacks_second_factor, merchant_page
from merchants.forms import RoleForm
from merchants.giving import NameTaken, RightsRefused, may_give_role
from merchants.members import (
    LastAdmin,
    RoleInUse,
    add_role,
    delete_role,
    is_last_administrator,
    is_role_used,
    needs_proof,
    remove_member,
    save_role,
)
from merchants.models import Merchant, Role
from merchants.rights import EXPLANATIONS, STRONG_RIGHTS, Right
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.accounts.sessions import close_ended_session
from wisepay.addresses import get_local_path
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes

# What each right opens, in the order of the table.
LEGEND = [(right.label, EXPLANATIONS[right.value]) for right in Right]


@require_GET
@merchant_page(Right.PEOPLE)
def list_roles(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Every role with its rights, how many have it, and what each right opens."""
    roles = merchant.roles.annotate(people=Count("memberships")).order_by("pk")
    rows = [{"role": role, "may_change": may_give_role(request.membership, role)} for role in roles]
    return render(request, "merchants/roles.html", {"merchant": merchant, "rows": rows, "legend": LEGEND})


@require_http_methods(["GET", "POST"])
@merchant_page(Right.PEOPLE)
def create_role(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Make a role of rights; one with a strong right only after a fresh proof."""
    form = RoleForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        contents = form.get_contents()
        if contents.rights & STRONG_RIGHTS and (proof := ask_for_proof(request)):
            return proof
        try:
            role = add_role(merchant, contents, by=request.membership)
        except RightsRefused as error:
            form.add_error("name" if isinstance(error, NameTaken) else None, str(error))
        else:
            return end_saving(request, role, "roles.created", detail=describe_changes(form))
    return render_role(request, merchant, form)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.PEOPLE)
def edit_role(request: MerchantRequest, merchant: Merchant, role_ref: str) -> HttpResponse:
    """Change a role: of a built-in one only whether it requires a second factor."""
    role = get_object_or_404(Role, merchant=merchant, reference=role_ref)
    form = RoleForm(request.POST if request.method == "POST" else None, role=role)
    if request.method == "POST" and form.is_valid():
        contents, detail = form.get_contents(), describe_changes(form)
        if needs_proof(role, contents) and (proof := ask_for_proof(request)):
            return proof
        try:
            save_role(role, contents, by=request.membership, now=clock.now())
        except RightsRefused as error:
            form.add_error("name" if isinstance(error, NameTaken) else None, str(error))
        else:
            return end_saving(request, role, "roles.changed", detail=detail)
    return render_role(request, merchant, form, role=role)


def render_role(
    request: MerchantRequest, merchant: Merchant, form: RoleForm, *, role: Role | None = None
) -> HttpResponse:
    """The page of a role, or of one that is to be."""
    context: dict[str, Any] = {"merchant": merchant, "form": form, "role": role}
    if "rights" in form.fields:
        context["choices"] = [(one, EXPLANATIONS[str(one.data["value"])]) for one in form["rights"]]
    if role is not None:
        context["is_used"] = is_role_used(role)
        context["may_change"] = may_give_role(request.membership, role)
    return render(request, "merchants/role.html", context, status=422 if form.errors else 200)


def end_saving(request: MerchantRequest, role: Role, action: str, *, detail: str) -> HttpResponse:
    """Write it down, and go back to the roles."""
    record_request_audit(request, action, merchant_id=role.merchant_id, subject=role.name, detail=detail)
    messages.success(request, f"{role} is saved.")
    return redirect("merchants:roles", request.membership.merchant.reference)


@require_POST
@merchant_page(Right.PEOPLE)
def remove_role(request: MerchantRequest, merchant: Merchant, role_ref: str) -> HttpResponse:
    """Delete a role that nobody has."""
    role = get_object_or_404(Role, merchant=merchant, reference=role_ref)
    rights = role.rights_in_words
    try:
        delete_role(role, by=request.membership)
        record_request_audit(request, "roles.deleted", merchant_id=merchant.pk, subject=role.name, detail=rights)
        messages.success(request, f"{role} is deleted.")
    except (RoleInUse, RightsRefused) as error:
        messages.error(request, str(error))
    return redirect("merchants:roles", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def show_own_role(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What the person themselves may do here, and leaving."""
    rights = request.membership.role.rights
    rows = [(right.label, EXPLANATIONS[right.value]) for right in Right if right in rights]
    is_last = is_last_administrator(request.membership)
    context = {"merchant": merchant, "rows": rows, "role": request.membership.role, "is_last": is_last}
    return render(request, "merchants/my_role.html", context)


@require_POST
@merchant_page(Right.SEE)
def leave(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Give up one's own role; the sessions end if nothing else is left."""
    email, role = request.user.email, str(request.membership.role)
    try:
        remove_member(request.membership, by=request.membership, now=clock.now())
    except (LastAdmin, RightsRefused) as error:
        messages.error(request, str(error))
        return redirect("merchants:my_role", merchant.reference)
    record_request_audit(
        request, "people.left", merchant_id=merchant.pk, subject=email, detail=f"Role: {role} → nothing"
    )
    close_ended_session(request)
    messages.success(request, _("You no longer work for %(merchant)s.") % {"merchant": merchant})
    return redirect("merchants:home")


@require_GET
@merchant_page(Right.SEE, needs_factor=False)
def ask_for_second_factor(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Say that the role requires a second factor, and lead to setting one up; on to the page once there is one."""
    requested = get_local_path(request.GET.get("next", ""))
    then = requested or reverse("merchants:dashboard", args=[merchant.reference])
    if not lacks_second_factor(request.membership):
        return redirect(then)
    request.session["after_setup"] = then
    return render(request, "merchants/second_factor.html", {"merchant": merchant, "role": request.membership.role})
