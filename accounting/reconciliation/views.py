"""The console's pages of reconciliation, for whoever keeps the books."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.signing import BadSignature
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounting.ledger_session import get_guide
from accounting.models import AccountingSettings, Acknowledgement
from accounting.reconciliation.acknowledgements import (
    record_acknowledgement,
    retract_acknowledgement,
    sign_difference,
)
from accounting.reconciliation.charts import build_charts
from accounting.reconciliation.clearing import build_clearing_statements
from accounting.reconciliation.export import render_csv_lines
from accounting.reconciliation.forms import AcknowledgementForm
from accounting.reconciliation.ledger_payments import schedule_ledger_payments_sync
from accounting.reconciliation.periods import Period, get_month
from accounting.reconciliation.prepayments import build_prepayments_statements, get_open_credits
from accounting.reconciliation.report import ReconciliationReport, reconcile
from accounting.reconciliation.subjects import attach_subjects
from accounting.unreadable import summarise_unreadable
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payments.balance.services import schedule_balance_sync
from payments.models import GatewayAccount, Payout
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.input import parse_month as parse_month_text
from wisepay.money import Money

MAX_ROWS = 200
ONE_DAY = timedelta(days=1)


@require_GET
@merchant_page(Right.BOOKS)
def overview(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Show one month: differences, days, payouts, and charts of incoming money."""
    period = parse_month(request, merchant)
    report = reconcile(merchant, period, now=clock.now())
    context = build_month_context(merchant, period) | {
        "report": report,
        **build_differences_context(report),
        "charts": build_charts(report),
        "unreadable": summarise_unreadable(merchant, ("payments",)),
    }
    return render(request, "reconciliation/overview.html", context)


@require_GET
@merchant_page(Right.BOOKS)
def day_detail(request: MerchantRequest, merchant: Merchant, day: str) -> HttpResponse:
    """Show one day, item by item."""
    shown = parse_date(day)
    report = reconcile(merchant, Period(shown, shown, merchant.zone), now=clock.now())
    context = {
        "merchant": merchant,
        "day": shown,
        "before": shown - ONE_DAY,
        "after": shown + ONE_DAY if shown < get_today(merchant) else None,
        "month": f"{shown:%Y-%m}",
        "report": report,
        **build_differences_context(report),
        "items": list(attach_subjects(report.items[:MAX_ROWS])),
    }
    return render(request, "reconciliation/day.html", context)


@require_GET
@merchant_page(Right.BOOKS)
def payout_detail(request: MerchantRequest, merchant: Merchant, payout_id: str) -> HttpResponse:
    """Show one payout with its lines."""
    payout = get_object_or_404(Payout, account__merchant=merchant, stripe_payout_id=payout_id)
    lines = (
        payout.balance_transactions.exclude(kind="payout")
        .select_related("attempt__payment__company")
        .order_by("happened_at")
    )
    context = {
        "merchant": merchant,
        "payout": payout,
        "day": payout.created_at.astimezone(merchant.zone).date(),
        "lines": lines[:MAX_ROWS],
        "sums": sum_payout_lines(payout),
        "count": lines.count(),
    }
    return render(request, "reconciliation/payout.html", context)


@require_GET
@merchant_page(Right.BOOKS)
def accounts(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Show the clearing account and the prepayments account of one month, and the reasons of their balances."""
    period = parse_month(request, merchant)
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    report = reconcile(merchant, period, now=clock.now())
    context = build_month_context(merchant, period) | {
        "report": report,
        "chosen": chosen,
        "clearing": build_clearing_statements(report, clearing=chosen.clearing_account if chosen else ""),
        "prepayments": build_prepayments_statements(merchant, period),
        "credits": get_open_credits(merchant),
        "guide": get_guide(merchant),
    }
    return render(request, "reconciliation/accounts.html", context)


@require_GET
@merchant_page(Right.BOOKS)
def export(request: MerchantRequest, merchant: Merchant) -> HttpResponseBase:
    """Export a month as CSV."""
    period = parse_month(request, merchant)
    report = reconcile(merchant, period, now=clock.now())
    record_request_audit(request, "reconciliation.exported", merchant_id=merchant.pk, detail=f"{period.first:%Y-%m}")
    answer = StreamingHttpResponse(render_csv_lines(report), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="reconciliation-{period.first:%Y-%m}.csv"'
    return answer


@require_POST
@merchant_page(Right.BOOKS)
def refresh(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Schedule a sync of Stripe and of the payments of the accounting package."""
    for account in GatewayAccount.objects.filter(merchant=merchant).order_by("pk"):
        schedule_balance_sync(account, now=clock.now())
    schedule_ledger_payments_sync(merchant, now=clock.now())
    record_request_audit(request, "reconciliation.read", merchant_id=merchant.pk)
    messages.success(request, "Reading Stripe and the books. Reload in a moment.")
    return redirect("reconciliation:overview", merchant.reference)


@require_POST
@merchant_page(Right.BOOKS)
def acknowledge_difference(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Acknowledge a difference, with a reason."""
    form = AcknowledgementForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why it is known.")
        return redirect("reconciliation:overview", merchant.reference)
    shown, reason = form.cleaned_data["shown"], form.cleaned_data["reason"]
    try:
        acknowledgement = record_acknowledgement(merchant, shown=shown, reason=reason, by=request.user, now=clock.now())
    except BadSignature:
        raise Http404 from None
    record_request_audit(
        request, "reconciliation.known", merchant_id=merchant.pk, subject=str(acknowledgement), detail=reason
    )
    messages.success(request, "It is known now, and no longer counted as open.")
    return redirect(get_return_url(request, acknowledgement))


@require_POST
@merchant_page(Right.BOOKS)
def reopen_difference(request: MerchantRequest, merchant: Merchant, acknowledgement_ref: str) -> HttpResponse:
    """Retract an acknowledgement."""
    acknowledgement = get_object_or_404(Acknowledgement, merchant=merchant, reference=acknowledgement_ref)
    if retract_acknowledgement(acknowledgement, by=request.user, now=clock.now()):
        record_request_audit(
            request, "reconciliation.open_again", merchant_id=merchant.pk, subject=str(acknowledgement)
        )
        messages.success(request, "It counts as open again.")
    return redirect(get_return_url(request, acknowledgement))


def get_return_url(request: MerchantRequest, acknowledgement: Acknowledgement) -> str:
    """Return where a difference was shown: its day, or its month."""
    ref = acknowledgement.merchant.reference
    if request.POST.get("back") == "day":
        return reverse("reconciliation:day", args=[ref, acknowledgement.on])
    return f"{reverse('reconciliation:overview', args=[ref])}?month={acknowledgement.on:%Y-%m}"


def build_differences_context(report: ReconciliationReport) -> dict[str, Any]:
    """Return the open differences with their signed forms, and the acknowledged ones."""
    shown = [(row, sign_difference(report.merchant, row)) for row in report.open_differences[:MAX_ROWS]]
    return {"open": shown, "known": report.known_differences[:MAX_ROWS]}


def build_month_context(merchant: Merchant, period: Period) -> dict[str, Any]:
    """Return what every page of a month shows."""
    following = period.last + ONE_DAY
    return {
        "merchant": merchant,
        "period": period,
        "month": f"{period.first:%Y-%m}",
        "before": f"{period.first - ONE_DAY:%Y-%m}",
        "after": f"{following:%Y-%m}" if following <= get_today(merchant) else "",
    }


def parse_month(request: MerchantRequest, merchant: Merchant) -> Period:
    """Return the requested month, or this one. Raises Http404 for what is no month."""
    text = request.GET.get("month", "")
    month = parse_month_text(text) if text else get_today(merchant)
    if month is None:
        raise Http404
    return get_month(month, merchant.zone)


def parse_date(text: str) -> date:
    """Parse a day from 2000 to 2199. Raises Http404."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if not 2000 <= found.year < 2200:
        raise Http404
    return found


def get_today(merchant: Merchant) -> date:
    """Return the merchant's current day."""
    return clock.now().astimezone(merchant.zone).date()


def sum_payout_lines(payout: Payout) -> dict[str, Any]:
    """Return the sums of a payout's lines."""
    rows = list(payout.balance_transactions.exclude(kind="payout").values_list("amount", "fee"))
    gross, fees = sum(amount for amount, _ in rows), sum(fee for _, fee in rows)
    sums = {"gross": gross, "fees": -fees, "net": gross - fees, "off": payout.amount - gross + fees}
    return {name: Money(amount, payout.currency) for name, amount in sums.items()}
