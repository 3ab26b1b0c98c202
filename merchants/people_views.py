"""The People tab: who works for the merchant, what each of them may do, and taking that away."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.forms import MemberForm
from merchants.models import Membership, Merchant
from merchants.services import LastAdmin, delete_membership, update_membership
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes
from wisepay.mail import list_refused_addresses


@require_GET
@merchant_page(admin=True)
def list_people(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Everybody who works for the merchant, each with a form of their rights."""
    return render_people(request, merchant)


def render_people(
    request: MerchantRequest, merchant: Merchant, *, refused: Membership | None = None, form: MemberForm | None = None
) -> HttpResponse:
    """The page; with the form that was refused in its person's place."""
    members = list(merchant.memberships.select_related("user").order_by("user__email"))
    silent = list_refused_addresses(one.user.email for one in members)
    rows = [
        {
            "member": one,
            "form": form if one == refused and form else MemberForm(member=one),
            "mail_refused": silent.get(one.user.email.lower()),
        }
        for one in members
    ]
    context = {"merchant": merchant, "rows": rows}
    return render(request, "merchants/people.html", context, status=422 if refused else 200)


def get_member(merchant: Merchant, user_ref: str) -> Membership:
    """Somebody who works for this merchant. Raises Http404."""
    return get_object_or_404(Membership.objects.select_related("user"), merchant=merchant, user__reference=user_ref)


def record_member_act(request: MerchantRequest, action: str, member: Membership, *, email: str, detail: str) -> None:
    """Write what was done to one of the merchant's people."""
    record_request_audit(
        request, action, merchant_id=member.merchant_id, subject=email, detail=detail, about=member.user
    )


@require_POST
@merchant_page(admin=True)
def save_member(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Save what one of the merchant's people may do; a new admin only after a fresh proof of who decides it."""
    member = get_member(merchant, user_ref)
    form = MemberForm(request.POST, member=member)
    if not form.is_valid():
        return render_people(request, merchant, refused=member, form=form)
    if form.makes_admin and (proof := ask_for_proof(request, then=request.path.rpartition("/")[0])):
        return proof
    change = describe_changes(form)
    try:
        update_membership(member, **form.cleaned_data, by=request.user, now=clock.now())
    except LastAdmin as error:
        form.add_error("role", str(error))
        return render_people(request, merchant, refused=member, form=form)
    if change:
        record_member_act(request, "people.rights_changed", member, email=member.user.email, detail=change)
    messages.success(request, f"What {member.user} may do is saved.")
    return redirect("merchants:people", merchant.reference)


@require_POST
@merchant_page(admin=True)
def remove_member(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Take a person's role away; they are signed out if nothing else is left to them."""
    member = get_member(merchant, user_ref)
    name, email, role = str(member.user), member.user.email, member.get_role_display()
    try:
        delete_membership(member)
    except LastAdmin as error:
        messages.error(request, str(error))
        return redirect("merchants:people", merchant.reference)
    record_member_act(request, "people.removed", member, email=email, detail=f"Role: {role} → nothing")
    messages.success(request, f"{name} no longer works for {merchant}.")
    if member.user == request.user:
        return redirect("merchants:home")
    return redirect("merchants:people", merchant.reference)
