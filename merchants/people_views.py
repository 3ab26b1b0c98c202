"""Configure › People: who works for the merchant, who is invited, and taking either away."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from merchants import member_invitations
from merchants.access import MerchantRequest, merchant_page
from merchants.forms import InvitationForm, MemberForm
from merchants.giving import RightsRefused, is_strong, list_roles_to_give
from merchants.member_invitations import InvitationRefused
from merchants.members import LastAdmin, change_role, remove_member
from merchants.models import MemberInvitation, Membership, Merchant, Role
from merchants.rights import Right
from wisepay import clock
from wisepay.accounts.services import ask_for_proof, list_people_with_second_factor
from wisepay.accounts.sessions import close_ended_session
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes
from wisepay.mail import list_refused_addresses


@require_GET
@merchant_page(Right.PEOPLE)
def list_people(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Everybody who works for the merchant or is invited, each with what can be done about them."""
    return render_people(request, merchant)


def render_people(
    request: MerchantRequest,
    merchant: Merchant,
    *,
    refused: Membership | None = None,
    form: MemberForm | None = None,
    invitation_form: InvitationForm | None = None,
) -> HttpResponse:
    """The page; with the form that was refused in its place."""
    roles, waiting = list_roles_to_give(request.membership), list_waiting_invitations(merchant)
    rows = list_member_rows(merchant, roles)
    for row in rows:
        row["form"] = form if form and row["member"] == refused else row["form"]
    if form and refused not in [row["member"] for row in rows]:  # somebody else removed them meanwhile
        messages.error(request, " ".join(str(error) for error in form.errors["role"]))
    context: dict[str, Any] = {
        "merchant": merchant,
        "rows": rows,
        "invitations": waiting,
        "invitation_form": invitation_form or InvitationForm(roles=roles),
    }
    return render(request, "merchants/people.html", context, status=422 if refused or invitation_form else 200)


def list_member_rows(merchant: Merchant, roles: list[Role]) -> list[dict[str, Any]]:
    """Everybody who works for the merchant, with the form of their role for who may give it, and what is amiss."""
    members = list(merchant.memberships.select_related("user", "role").order_by("user__email"))
    silent = list_refused_addresses([one.user.email for one in members])
    proved = list_people_with_second_factor([one.user for one in members])
    return [
        {
            "member": one,
            "form": MemberForm(member=one, roles=roles) if one.role in roles else None,
            "has_factor": one.user.pk in proved,
            "mail_refused": silent.get(one.user.email.lower()),
        }
        for one in members
    ]


def list_waiting_invitations(merchant: Merchant) -> list[dict[str, Any]]:
    """The invitations that nobody has answered or withdrawn, with what hinders them."""
    waiting = merchant.member_invitations.filter(accepted_at=None, withdrawn_at=None)
    rows = list(waiting.select_related("role", "invited_by").order_by("email"))
    silent, now = list_refused_addresses([one.email for one in rows]), clock.now()
    return [
        {"invitation": one, "is_over": bool(one.get_obstacle(now)), "mail_refused": silent.get(one.email)}
        for one in rows
    ]


def get_member(merchant: Merchant, user_ref: str) -> Membership:
    """Somebody who works for this merchant. Raises Http404."""
    rows = Membership.objects.select_related("user", "role", "merchant")
    return get_object_or_404(rows, merchant=merchant, user__reference=user_ref)


def record_member_act(request: MerchantRequest, action: str, member: Membership, *, email: str, detail: str) -> None:
    """Write what was done to one of the merchant's people."""
    record_request_audit(
        request, action, merchant_id=member.merchant_id, subject=email, detail=detail, about=member.user
    )


@require_POST
@merchant_page(Right.PEOPLE)
def save_member(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Give one of the merchant's people another role; a strong one only after a fresh proof of who decides it."""
    member = get_member(merchant, user_ref)
    form = MemberForm(request.POST, member=member, roles=list_roles_to_give(request.membership))
    if not form.is_valid():
        return render_people(request, merchant, refused=member, form=form)
    role = form.get_role()
    if form.changed_data and is_strong(role) and (proof := ask_for_proof(request, then=get_people_path(merchant))):
        return proof
    change = describe_changes(form)
    try:
        change_role(member, role=role, by=request.membership, now=clock.now())
    except (LastAdmin, RightsRefused) as error:
        form.add_error("role", str(error))
        return render_people(request, merchant, refused=member, form=form)
    if change:
        record_member_act(request, "people.rights_changed", member, email=member.user.email, detail=change)
    messages.success(request, f"What {member.user} may do is saved.")
    is_out = member.user == request.user and Right.PEOPLE not in role.rights
    return redirect("merchants:my_role" if is_out else "merchants:people", merchant.reference)


def get_people_path(merchant: Merchant) -> str:
    """Where people are listed."""
    return reverse("merchants:people", args=[merchant.reference])


@require_POST
@merchant_page(Right.PEOPLE)
def delete_member(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Take a person's role away; they are signed out if nothing else is left to them."""
    member = get_member(merchant, user_ref)
    name, email, role = str(member.user), member.user.email, str(member.role)
    try:
        remove_member(member, by=request.membership, now=clock.now())
    except (LastAdmin, RightsRefused) as error:
        messages.error(request, str(error))
        return redirect("merchants:people", merchant.reference)
    record_member_act(request, "people.removed", member, email=email, detail=f"Role: {role} → nothing")
    is_oneself = member.user == request.user
    close_ended_session(request)
    messages.success(request, f"{name} no longer works for {merchant}.")
    return redirect("merchants:home") if is_oneself else redirect("merchants:people", merchant.reference)


@require_POST
@merchant_page(Right.PEOPLE)
def invite(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Mail an invitation; to a strong role only after a fresh proof of who decides it."""
    form = InvitationForm(request.POST, roles=list_roles_to_give(request.membership))
    if not form.is_valid():
        return render_people(request, merchant, invitation_form=form)
    email, role = form.cleaned_data["email"], form.get_role()
    if is_strong(role) and (proof := ask_for_proof(request, then=get_people_path(merchant))):
        return proof
    try:
        member_invitations.invite_member(merchant, email=email, role=role, by=request.user, now=clock.now())
    except (InvitationRefused, RightsRefused) as error:
        form.add_error("email" if isinstance(error, InvitationRefused) else "role", str(error))
        return render_people(request, merchant, invitation_form=form)
    record_request_audit(request, "people.invited", merchant_id=merchant.pk, subject=email, detail=f"Role: {role}")
    messages.success(request, f"{email} is invited as {role}. The link in the mail works for 14 days.")
    return redirect("merchants:people", merchant.reference)


def get_invitation(request: MerchantRequest, reference: str) -> MemberInvitation:
    """An invitation of this merchant to a role that whoever asks may give. Raises Http404."""
    rows = MemberInvitation.objects.select_related("role", "merchant")
    return get_object_or_404(
        rows, merchant=request.membership.merchant, reference=reference, role__in=list_roles_to_give(request.membership)
    )


@require_POST
@merchant_page(Right.PEOPLE)
def resend_invitation(request: MerchantRequest, merchant: Merchant, invitation_ref: str) -> HttpResponse:
    """Mail another link; the older one stops working."""
    invitation = get_invitation(request, invitation_ref)
    try:
        member_invitations.resend_invitation(invitation, now=clock.now())
        record_request_audit(request, "people.invitation_resent", merchant_id=merchant.pk, subject=invitation.email)
        messages.success(request, f"A new link is mailed to {invitation.email}. The older one stopped working.")
    except InvitationRefused as error:
        messages.error(request, str(error))
    return redirect("merchants:people", merchant.reference)


@require_POST
@merchant_page(Right.PEOPLE)
def withdraw_invitation(request: MerchantRequest, merchant: Merchant, invitation_ref: str) -> HttpResponse:
    """Let an invitation open nothing from now on."""
    invitation = get_invitation(request, invitation_ref)
    try:
        member_invitations.withdraw_invitation(invitation, now=clock.now())
        record_request_audit(request, "people.invitation_withdrawn", merchant_id=merchant.pk, subject=invitation.email)
        messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    except InvitationRefused as error:
        messages.error(request, str(error))
    return redirect("merchants:people", merchant.reference)
