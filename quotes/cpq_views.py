"""Integrations › ConnectWise CPQ: its keys, the link for the template, testing it, and confirming our arithmetic."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from quotes.cpq_connections import (
    LinkUnknown,
    build_snippet,
    check_cpq_connection,
    confirm_arithmetic,
    describe_failure,
    disconnect_cpq,
    get_cpq_connection,
    save_cpq_keys,
    save_cpq_settings,
    save_meaning,
    try_link,
)
from quotes.forms import CpqKeysForm, CpqSettingsForm, LinkTestForm, MeaningForm
from quotes.models import CpqConnection, CpqWord
from quotes.refusals import QuoteRefused
from quotes.services import get_integration
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes, describe_values
from wisepay.errors import Disconnected, Rejected, Unavailable

LINK_UNKNOWN = (
    "No quote is found by this. Paste the address of a quote's page in Order Porter, or the link of its template, with "
    "its passcode. If that is what you pasted, CPQ may not find quotes by passcode: choose the other form of the link."
)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_cpq(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Show the page; save keys that CPQ accepts."""
    connection = get_cpq_connection(merchant)
    form = CpqKeysForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if connection.private_key and (proof := ask_for_proof(request)):
            return proof
        if save_keys(request, connection, form):
            return redirect("quotes:cpq", merchant.reference)
    return render_cpq(request, connection, keys_form=form)


def save_keys(request: MerchantRequest, connection: CpqConnection, form: CpqKeysForm) -> bool:
    """Save the keys of a valid form; a refusal becomes the form's error."""
    action = "cpq_connection.keys_replaced" if connection.private_key else "cpq_connection.keys_saved"
    try:
        user = save_cpq_keys(connection, keys=form.get_keys(), by=request.user, now=clock.now())
    except (Disconnected, Rejected, Unavailable) as error:
        form.add_error(None, f"{describe_failure(error)} Nothing was saved.")
        return False
    detail = describe_values(can_access_all_quotes=(None, user.can_access_all_quotes))
    record_request_audit(request, action, merchant_id=connection.merchant_id, detail=detail)
    messages.success(request, "Keys tested and saved.")
    return True


def render_cpq(request: MerchantRequest, connection: CpqConnection, **forms: Any) -> HttpResponse:
    """The page; `forms` are those that were sent, with what is wrong in them."""
    merchant = connection.merchant
    words = CpqWord.objects.filter(merchant=merchant).order_by("kind", "word")
    context: dict[str, Any] = {
        "merchant": merchant,
        "connection": connection,
        "keys_form": CpqKeysForm(),
        "settings_form": build_settings_form(connection),
        "test_form": LinkTestForm(),
        "words": [(word, MeaningForm(initial={"meaning": word.meaning}, word=word)) for word in words],
        "snippet": build_snippet(connection),
        "agreements": len(connection.agreed_quotes),
        **forms,
    }
    has_errors = any(getattr(form, "errors", None) for form in forms.values())
    return render(request, "quotes/cpq.html", context, status=422 if has_errors else 200)


def build_settings_form(connection: CpqConnection, data: Any = None) -> CpqSettingsForm:
    """The form of the settings as they stand."""
    names = ("is_enabled", "is_polled", "link_form", "order_porter_url", "status_field", "date_field")
    initial = {name: getattr(connection, name) for name in names} | {"mails_links": connection.mails_since is not None}
    return CpqSettingsForm(data, initial=initial, hosts=get_integration(connection.merchant).hosts)


@require_POST
@merchant_page(Right.SETTINGS)
def check_cpq(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Ask CPQ whether the saved keys still work."""
    connection = get_cpq_connection(merchant)
    if not connection.private_key:
        messages.error(request, "Save the keys first.")
    elif problem := check_cpq_connection(connection, now=clock.now()):
        messages.error(request, problem)
    else:
        messages.success(request, "ConnectWise CPQ accepts the keys.")
    return redirect("quotes:cpq", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def disconnect(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Delete the keys."""
    connection = get_cpq_connection(merchant)
    if connection.private_key:
        disconnect_cpq(connection)
        record_request_audit(request, "cpq_connection.disconnected", merchant_id=merchant.pk)
    messages.success(request, "Disconnected. The keys are deleted; quotes can't be paid by their link any more.")
    return redirect("quotes:cpq", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def edit_settings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Save the switch, the form of the link and Order Porter's page."""
    connection = get_cpq_connection(merchant)
    form = build_settings_form(connection, request.POST)
    if not form.is_valid():
        return render_cpq(request, connection, settings_form=form)
    save_cpq_settings(connection, **form.cleaned_data, now=clock.now())
    detail = describe_changes(form)
    record_request_audit(request, "cpq_connection.saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Saved.")
    return redirect("quotes:cpq", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def test_link(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Read the quote of a link as a payer's click would, and show what would be due; nothing is opened."""
    connection = get_cpq_connection(merchant)
    form = LinkTestForm(request.POST)
    if form.is_valid() and not connection.private_key:
        form.add_error("link", "Save the keys first.")
    if form.is_valid():
        try:
            shown = try_link(connection, form.cleaned_data["link"], now=clock.now())
            messages.success(request, f"Quote {shown['number']} is found: {shown['due']} would be due.")
            return redirect("quotes:cpq", merchant.reference)
        except LinkUnknown:
            form.add_error("link", LINK_UNKNOWN)
        except QuoteRefused as refusal:
            form.add_error("link", f"Quote {refusal.number} is found, and can't be paid. {refusal}")
        except (Disconnected, Rejected, Unavailable) as error:
            form.add_error("link", describe_failure(error))
    return render_cpq(request, connection, test_form=form)


@require_POST
@merchant_page(Right.SETTINGS)
def confirm_link(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """End the trial: Order Porter shows the amount that we calculated."""
    connection = get_cpq_connection(merchant)
    number, due = request.POST.get("number", "")[:15], request.POST.get("due", "")
    is_number = number.isascii() and number.isdigit()
    if is_number and confirm_arithmetic(connection, number=int(number), due=due, by=request.user, now=clock.now()):
        detail = f"Quote {number}: {due}"[:200]
        record_request_audit(request, "cpq_connection.confirmed", merchant_id=merchant.pk, detail=detail)
        messages.success(request, "Quotes can be paid by their link now.")
    else:
        messages.error(request, "Another quote was tested meanwhile. Look at its amount, and confirm that one.")
    return redirect("quotes:cpq", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def save_word(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Save what a word of CPQ means."""
    named = {"kind": request.POST.get("kind", "")[:10], "word": request.POST.get("word", "")[:100]}
    is_readable = all(text.isprintable() for text in named.values())
    word = CpqWord.objects.filter(merchant=merchant, **named).first() if is_readable else None
    if word is None:
        messages.error(request, "This word is not in the list any more. Load the page again.")
        return redirect("quotes:cpq", merchant.reference)
    form = MeaningForm(request.POST, word=word)
    if not form.is_valid():
        messages.error(request, "Choose one of the meanings of the list.")
        return redirect("quotes:cpq", merchant.reference)
    save_meaning(word, meaning=form.cleaned_data["meaning"])
    detail = f"{word}: {form.cleaned_data['meaning'] or 'not known'}"
    record_request_audit(request, "cpq_connection.word_saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Saved.")
    return redirect("quotes:cpq", merchant.reference)
