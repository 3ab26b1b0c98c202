"""The Privacy tab: after how long people are signed out, how long data is stored, and ending sessions."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.forms import PrivacyForm
from merchants.models import Membership, Merchant
from merchants.rights import Right
from wisepay import clock
from wisepay.accounts.sessions import end_sessions, list_sessions
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_privacy(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The settings and, for whoever manages people, where each of them is signed in."""
    form = PrivacyForm(request.POST if request.method == "POST" else None, instance=merchant)
    if request.method == "POST" and form.is_valid():
        detail = describe_changes(form)
        form.save()
        record_request_audit(request, "merchant.privacy_saved", merchant_id=merchant.pk, detail=detail)
        messages.success(request, _("Privacy settings saved."))
        return redirect("merchants:privacy", merchant.reference)
    people = (
        Membership.objects.filter(merchant=merchant)
        if request.membership.may(Right.PEOPLE)
        else Membership.objects.none()
    )
    members = people.select_related("user").order_by("user__email")
    rows = [{"user": one.user, "sessions": list_sessions(one.user, now=clock.now())} for one in members]
    context = {"merchant": merchant, "form": form, "rows": rows}
    return render(request, "merchants/privacy.html", context, status=422 if form.errors else 200)


@require_POST
@merchant_page(Right.PEOPLE)
def end_member_sessions(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Sign one of the merchant's people out everywhere; oneself everywhere but here."""
    member = get_object_or_404(Membership.objects.select_related("user"), merchant=merchant, user__reference=user_ref)
    here = request.session.session_key if member.user == request.user else None
    count = end_sessions(member.user, but=here)
    record_request_audit(
        request, "sessions.ended", merchant_id=merchant.pk, subject=member.user.email, about=member.user
    )
    messages.success(request, _("%(person)s: %(count)s sessions ended.") % {"person": member.user, "count": count})
    return redirect("merchants:privacy", merchant.reference)
