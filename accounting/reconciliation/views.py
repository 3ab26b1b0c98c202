"""The console's pages of reconciliation; merchant admins only."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.signing import BadSignature
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounting.models import AccountingSettings, Acknowledgement
from accounting.reconciliation.acknowledging import ReasonForm, acknowledge, shown_as, take_back
from accounting.reconciliation.charts import charts_of
from accounting.reconciliation.clearing import clearing_statements
from accounting.reconciliation.days import Period, month_of
from accounting.reconciliation.export import lines_of
from accounting.reconciliation.prepayments import open_credits, prepayments_statements
from accounting.reconciliation.reading import arm_books
from accounting.reconciliation.report import Report, reconcile
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from payments.models import GatewayAccount, Payout
from payments.movements import arm_movements
from wisepay.audit import record_request
from wisepay.money import Money

SHOWN = 200
A_DAY = timedelta(days=1)


@require_GET
@merchant_page(admin=True)
def overview(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """One month: whether everything agrees, what does not, every day, every payout, and charts of money in."""
    period = asked_month(request, merchant)
    report = reconcile(merchant, period, now=timezone.now())
    context = frame(merchant, period) | {
        "report": report,
        **differences(report),
        "charts": charts_of(report),
    }
    return render(request, "reconciliation/overview.html", context)


@require_GET
@merchant_page(admin=True)
def one_day(request: MerchantRequest, merchant: Merchant, day: str) -> HttpResponse:
    """One day, item by item."""
    wanted = parsed(day)
    report = reconcile(merchant, Period(wanted, wanted, merchant.zone), now=timezone.now())
    context = {
        "merchant": merchant,
        "day": wanted,
        "before": wanted - A_DAY,
        "after": wanted + A_DAY if wanted < today_of(merchant) else None,
        "month": f"{wanted:%Y-%m}",
        "report": report,
        **differences(report),
        "items": report.items[:SHOWN],
    }
    return render(request, "reconciliation/day.html", context)


@require_GET
@merchant_page(admin=True)
def one_payout(request: MerchantRequest, merchant: Merchant, payout_id: str) -> HttpResponse:
    """One payout with the lines that it took along."""
    payout = get_object_or_404(Payout, account__merchant=merchant, stripe_payout_id=payout_id)
    lines = payout.lines.exclude(kind="payout").select_related("attempt__payment__company").order_by("happened_at")
    context = {
        "merchant": merchant,
        "payout": payout,
        "day": payout.made_at.astimezone(merchant.zone).date(),
        "lines": lines[:SHOWN],
        "sums": sums_of(payout),
        "count": lines.count(),
    }
    return render(request, "reconciliation/payout.html", context)


@require_GET
@merchant_page(admin=True)
def accounts(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The clearing account and the prepayments account of one month, and why they are not zero."""
    period = asked_month(request, merchant)
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    report = reconcile(merchant, period, now=timezone.now())
    context = frame(merchant, period) | {
        "report": report,
        "chosen": chosen,
        "clearing": clearing_statements(report, clearing=chosen.clearing_account if chosen else ""),
        "prepayments": prepayments_statements(merchant, period),
        "credits": open_credits(merchant),
    }
    return render(request, "reconciliation/accounts.html", context)


@require_GET
@merchant_page(admin=True)
def export(request: MerchantRequest, merchant: Merchant) -> HttpResponseBase:
    """A month as CSV."""
    period = asked_month(request, merchant)
    report = reconcile(merchant, period, now=timezone.now())
    record_request(request, "reconciliation.exported", merchant_id=merchant.pk, detail=f"{period.first:%Y-%m}")
    answer = StreamingHttpResponse(lines_of(report), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="reconciliation-{period.first:%Y-%m}.csv"'
    return answer


@require_POST
@merchant_page(admin=True)
def read_again(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Read Stripe and the payments of the books now."""
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    if account is not None:
        arm_movements(account, now=timezone.now())
    arm_books(merchant, now=timezone.now())
    record_request(request, "reconciliation.read", merchant_id=merchant.pk)
    messages.success(request, "Reading Stripe and the books. Reload in a moment.")
    return redirect("reconciliation:overview", merchant.reference)


@require_POST
@merchant_page(admin=True)
def acknowledge_difference(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Somebody knows of a difference, and says why."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why it is known.")
        return redirect("reconciliation:overview", merchant.reference)
    shown, because = form.cleaned_data["shown"], form.cleaned_data["because"]
    try:
        word = acknowledge(merchant, shown=shown, because=because, by=request.user, now=timezone.now())
    except BadSignature:
        raise Http404 from None
    record_request(request, "reconciliation.known", merchant_id=merchant.pk, subject=str(word), detail=because)
    messages.success(request, "It is known now, and no longer counted as open.")
    return redirect(page_of(request, word))


@require_POST
@merchant_page(admin=True)
def take_word_back(request: MerchantRequest, merchant: Merchant, word_ref: str) -> HttpResponse:
    """The difference is open again."""
    word = get_object_or_404(Acknowledgement, merchant=merchant, reference=word_ref)
    if take_back(word, by=request.user, now=timezone.now()):
        record_request(request, "reconciliation.open_again", merchant_id=merchant.pk, subject=str(word))
        messages.success(request, "It counts as open again.")
    return redirect(page_of(request, word))


def page_of(request: MerchantRequest, word: Acknowledgement) -> str:
    """Where a difference was shown: its day, or its month."""
    ref = word.merchant.reference
    if request.POST.get("back") == "day":
        return reverse("reconciliation:day", args=[ref, word.on])
    return f"{reverse('reconciliation:overview', args=[ref])}?month={word.on:%Y-%m}"


def differences(report: Report) -> dict[str, Any]:
    """The open ones with what their forms send back, and those that somebody knows of."""
    shown = [(row, shown_as(report.merchant, row)) for row in report.open[:SHOWN]]
    return {"open": shown, "known": report.known[:SHOWN]}


def frame(merchant: Merchant, period: Period) -> dict[str, Any]:
    """What every page of a month shows around it."""
    following = period.last + A_DAY
    return {
        "merchant": merchant,
        "period": period,
        "month": f"{period.first:%Y-%m}",
        "before": f"{period.first - A_DAY:%Y-%m}",
        "after": f"{following:%Y-%m}" if following <= today_of(merchant) else "",
    }


def asked_month(request: MerchantRequest, merchant: Merchant) -> Period:
    """The month that was asked for, this one by default. Raises Http404 for what is no month."""
    asked = request.GET.get("month", "")
    return month_of(parsed(f"{asked}-01") if asked else today_of(merchant), merchant.zone)


def parsed(text: str) -> date:
    """A day of years that people trade in. Raises Http404."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if not 2000 <= found.year < 2200:
        raise Http404
    return found


def today_of(merchant: Merchant) -> date:
    """The merchant's day."""
    return timezone.now().astimezone(merchant.zone).date()


def sums_of(payout: Payout) -> dict[str, Any]:
    """What the lines of a payout come to."""
    rows = list(payout.lines.exclude(kind="payout").values_list("amount", "fee"))
    gross, fees = sum(amount for amount, _ in rows), sum(fee for _, fee in rows)
    sums = {"gross": gross, "fees": -fees, "net": gross - fees, "off": payout.amount - gross + fees}
    return {name: Money(amount, payout.currency) for name, amount in sums.items()}
