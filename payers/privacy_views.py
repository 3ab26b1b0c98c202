"""A payer's own data: download it, have it erased; and an admin who ends a payer's sessions."""

import json

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payers.access import PayerRequest, payer_page
from wisepay import clock
from wisepay.accounts.services import has_reauthenticated, redirect_to_reauthentication
from wisepay.accounts.sessions import end_sessions
from wisepay.audit import record_request_audit
from wisepay.models import User
from wisepay.personal_data.erasure import ErasureRefused, erase_person, list_obstacles
from wisepay.personal_data.export import export_person
from wisepay.personal_data.registry import Subject


@require_GET
@payer_page
def my_data(request: PayerRequest) -> HttpResponse:
    """Settings > My Data: what can be downloaded, and what erasure does."""
    # An admin who sees as the payer reads the page, and nothing of the payer's on it.
    obstacles = [] if request.impersonation else list_obstacles(get_own_subject(request))
    return render(request, "payers/my_data.html", {"obstacles": obstacles})


@require_POST
@payer_page
def download_data(request: PayerRequest) -> HttpResponse:
    """Everything that is stored about the person, as a JSON file; the password is asked for again first."""
    subject = get_own_subject(request)
    if not has_reauthenticated(request):
        return redirect_to_reauthentication(request, next_path="/my/data")
    now = clock.now()
    record_request_audit(request, "person.exported", merchant_id=None)
    text = json.dumps(export_person(subject, now=now), cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
    answer = HttpResponse(text, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="my-data-{now:%Y-%m-%d}.json"'
    return answer


@require_POST
@payer_page
def erase_data(request: PayerRequest) -> HttpResponse:
    """Erase the person, and sign them out; the password is asked for again first."""
    subject = get_own_subject(request)
    if not has_reauthenticated(request):
        return redirect_to_reauthentication(request, next_path="/my/data")
    if request.POST.get("confirm") != "on":
        return _refuse(request, [_("Tick that you want your data erased. It can't be undone.")])
    # Before it happens, so that the entry's own name and address are erased along.
    record_request_audit(request, "person.erasure_ordered", merchant_id=None)
    try:
        erase_person(subject)
    except ErasureRefused as refused:
        return _refuse(request, refused.obstacles)
    # Not `logout`: what is written down of a sign-out would name the person again.
    request.session.flush()
    request.user = AnonymousUser()  # type: ignore[assignment]
    messages.success(request, _("Your data was erased, and you are signed out."))
    return redirect("account_login")


def _refuse(request: PayerRequest, errors: list[str]) -> HttpResponse:
    """The page again, with what is in the way."""
    return render(request, "payers/my_data.html", {"obstacles": errors, "refused": True}, status=422)


def get_own_subject(request: PayerRequest) -> Subject:
    """The signed-in person. Raises PermissionDenied for an admin who sees as a payer."""
    if request.impersonation is not None:
        raise PermissionDenied("A payer's data is given to that payer alone.")
    return Subject(request.person.email, request.person)


@require_POST
@merchant_page(Right.PEOPLE)
def end_payer_sessions(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """Sign a payer of this merchant out everywhere; of who has not agreed the merchant knows no sessions."""
    agreed = {"payer_accesses__company__merchant": merchant, "payer_accesses__state": "active"}
    payers = User.objects.filter(**agreed).distinct()
    person = get_object_or_404(payers, reference=user_ref)
    count = end_sessions(person)
    record_request_audit(request, "sessions.ended", merchant_id=merchant.pk, subject=person.email, about=person)
    messages.success(request, _("%(count)s sessions ended.") % {"count": count})
    return redirect("payer_admin:payer", merchant.reference, person.reference)
