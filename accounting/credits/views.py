"""Credits to apply: the matches to decide, those that were applied, and credits without an invoice."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.credits.candidates import list_applicable_notes
from accounting.credits.matching import (
    MatchChangeRefused,
    apply_match,
    apply_note,
    dismiss_match,
    get_threshold,
    revert_match,
    save_threshold,
)
from accounting.models import CreditMatch, CreditNote, LedgerInvoice, Posting
from accounting.models.credits import MIN_THRESHOLD
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import BOOKS_WORK, Right
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_values

MAX_ROWS = 50
RECENT = timedelta(days=30)
ACTIONS = {"apply": apply_match, "dismiss": dismiss_match, "undo": revert_match}
SUCCESS_MESSAGES = {
    "apply": "The credit goes to the invoice.",
    "dismiss": "Dismissed. This is not proposed again.",
    "undo": "The credit comes off the invoice.",
}
NEVER = "never"
THRESHOLD_CHOICES = [
    *((str(n), f"From {n} % on") for n in (100, 95, 90, 85, 80, 75, 70, 60, MIN_THRESHOLD)),
    (NEVER, "Never"),
]


class ThresholdForm(forms.Form):
    """The confidence from which on credits are applied automatically."""

    threshold = forms.ChoiceField(label="Apply automatically", choices=THRESHOLD_CHOICES)

    @property
    def threshold_value(self) -> int | None:
        """The threshold as it is stored."""
        value = self.cleaned_data["threshold"]
        return None if value == NEVER else int(value)


@require_GET
@merchant_page(Right.SEE)
def credits_to_apply(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The page of credits to apply."""
    now = clock.now()
    matches = list_matches(merchant)
    threshold = get_threshold(merchant)
    unmatched = list_unmatched_notes(merchant, now=now)
    context = {
        "merchant": merchant,
        "proposed": matches.filter(state="proposed").order_by("-confidence", "pk")[:MAX_ROWS],
        "moving": attach_postings(matches.filter(state__in=["wanted", "undoing"]).order_by("pk")[:MAX_ROWS]),
        "applied": list_recently_applied(matches, now=now),
        "aside": list_set_aside(matches, now=now),
        "waiting": unmatched[:MAX_ROWS],
        "count": matches.filter(state="proposed").count(),
        "form": ThresholdForm(initial={"threshold": NEVER if threshold is None else str(threshold)}),
        "threshold": threshold,
    }
    return render(request, "credits/credits.html", context)


@require_POST
@merchant_page(*BOOKS_WORK)
def decide_credit(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Apply, dismiss or undo one match; each is written into the audit log."""
    match = get_object_or_404(list_matches(merchant), reference=reference)
    act = request.POST.get("act", "")
    try:
        if act not in ACTIONS:
            raise MatchChangeRefused("Choose what to do.")
        ACTIONS[act](match, by=request.user, now=clock.now())
        record_request_audit(request, f"credit.{act}", merchant_id=merchant.pk, subject=str(match))
        messages.success(request, SUCCESS_MESSAGES[act])
    except MatchChangeRefused as error:
        messages.error(request, str(error))
    return redirect("accounting:credits", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def invoice_credits(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The credits that one invoice could be paid with: a panel of its automatic payment, or a page."""
    invoice = get_merchant_invoice(merchant, reference)
    context = {"merchant": merchant, "invoice": invoice, "notes": list_applicable_notes(invoice)}
    is_panel = request.headers.get("HX-Request") == "true"
    return render(request, f"credits/for_invoice.html{'#panel' * is_panel}", context)


@require_POST
@merchant_page(*BOOKS_WORK)
def use_credit(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Apply one of these credits to the invoice."""
    invoice = get_merchant_invoice(merchant, reference)
    number = request.POST.get("note", "")
    note = next((note for note in list_applicable_notes(invoice) if note.number == number), None)
    try:
        if note is None:
            raise MatchChangeRefused("Nothing of this credit is left for the invoice.")
        match = apply_note(note, invoice, by=request.user, now=clock.now())
        record_request_audit(request, "credit.apply", merchant_id=merchant.pk, subject=str(match))
        messages.success(request, f"{match.money} of the credit goes to invoice {invoice}, so nobody pays it twice.")
    except MatchChangeRefused as error:
        messages.error(request, str(error))
    return redirect("accounting:credits", merchant.reference)


def get_merchant_invoice(merchant: Merchant, reference: str) -> LedgerInvoice:
    """An invoice of the merchant with its company. Raises Http404."""
    rows = LedgerInvoice.objects.filter(merchant=merchant, company__merchant=merchant)
    return get_object_or_404(rows.select_related("company", "merchant"), reference=reference)


@require_POST
@merchant_page(Right.BOOKS)
def change_threshold(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Save from which confidence on credits apply themselves."""
    form = ThresholdForm(request.POST)
    if form.is_valid():
        detail = describe_values(threshold=(get_threshold(merchant), form.threshold_value))
        save_threshold(merchant, threshold=form.threshold_value, now=clock.now())
        record_request_audit(request, "credit.threshold", merchant_id=merchant.pk, detail=detail)
        messages.success(request, "Saved.")
    else:
        messages.error(request, "Choose one of the list.")
    return redirect("accounting:credits", merchant.reference)


def list_matches(merchant: Merchant) -> QuerySet[CreditMatch]:
    """The merchant's matches with everything that the page shows of them."""
    rows = CreditMatch.objects.filter(merchant=merchant)
    return rows.select_related("merchant", "note__payment__company", "invoice", "decided_by")


def attach_postings(rows: Iterable[CreditMatch]) -> list[dict[str, object]]:
    """Each match with its newest posting. One query more."""
    matches = list(rows)
    postings = Posting.objects.filter(match__in=matches).exclude(state="cancelled").order_by("pk")
    newest = {posting.match_id: posting for posting in postings}
    return [{"match": match, "posting": newest.get(match.pk)} for match in matches]


def list_recently_applied(matches: QuerySet[CreditMatch], *, now: datetime) -> QuerySet[CreditMatch]:
    """The matches that were applied lately, the last one first. `is_ours`: by our posting, which can be reverted."""
    removals = Posting.objects.filter(
        match=OuterRef("match"), number=OuterRef("number"), kind=Posting.Kind.ALLOCATION_REMOVAL
    )
    ours = Posting.objects.filter(match=OuterRef("pk"), kind=Posting.Kind.ALLOCATION, state="posted")
    ours = ours.exclude(Exists(removals.exclude(state="cancelled")))
    rows = matches.filter(state="applied", state_at__gte=now - RECENT).annotate(is_ours=Exists(ours))
    return rows.order_by("-state_at")[:MAX_ROWS]


def list_set_aside(matches: QuerySet[CreditMatch], *, now: datetime) -> QuerySet[CreditMatch]:
    """Matches that were dismissed or undone lately, the last one first. `is_possible`: there is credit left for it."""
    left = Q(note__remaining=None) | Q(note__remaining__gt=0)
    is_possible = Case(When(left, note__state="approved", invoice__due__gt=0, then=True), default=False)
    rows = matches.filter(state__in=["dismissed", "undone"], state_at__gte=now - RECENT)
    return rows.annotate(is_possible=is_possible).order_by("-state_at")[:20]


def list_unmatched_notes(merchant: Merchant, *, now: datetime) -> QuerySet[CreditNote]:
    """Credits that are not used up and have no match under way or set aside, the oldest first."""
    aside = Q(state__in=["dismissed", "undone"], state_at__gte=now - RECENT)
    live = CreditMatch.objects.filter(aside | Q(state__in=["proposed", "wanted", "undoing"]), note=OuterRef("pk"))
    rows = CreditNote.objects.filter(Q(remaining=None) | Q(remaining__gt=0), merchant=merchant, state="approved")
    rows = rows.filter(organisation_id=F("payment__company__organisation_id"))
    return rows.exclude(Exists(live)).select_related("payment__company").order_by("created_at", "pk")
