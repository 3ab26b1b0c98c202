"""Refunds in the console: the refunds and disputes of a payment, and ordering a refund in two steps."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Membership, Merchant
from merchants.rights import Right
from payments.access import get_merchant_payment
from payments.errors import NothingToRefund
from payments.models import Dispute, Payment, Refund
from payments.refunds import (
    BLOCKING_DISPUTES,
    check_may_refund,
    check_refundable,
    get_failed_refund_advice,
    get_refund_limit,
    send_refund,
    start_refund,
)
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.audit import record_request_audit
from wisepay.forms import AmountField, WordsField
from wisepay.http import record_rate_limited_use
from wisepay.money import Money

FORM_LIFETIME = timedelta(days=7)
REFUND_BADGES = {
    "processing": ("busy", "On its way"),
    "succeeded": ("good", "Refunded"),
    "failed": ("bad", "Failed"),
}
DISPUTE_BADGES = {
    "inquiry": ("busy", "Inquiry"),
    "closed": ("good", "Inquiry closed"),
    "open": ("busy", "Open"),
    "won": ("good", "Won"),
    "lost": ("bad", "Lost"),
}
INQUIRY_ADVICE = "The bank asks about this payment, and no money was taken. Answer it at Stripe, so that none is."
CLOSED_ADVICE = "The bank asked, and no money was taken."
PART_LOST_ADVICE = "The bank decided for the payer: this part went back to them. The rest stays paid."
WON_ADVICE = "The bank decided for you: the money is yours."
LOST_ADVICE = "The bank decided for the payer: the money went back to them, and the payment counts as reversed."
DEBIT_DISPUTE_ADVICE = "Disputed bank debits are final: the money went back, and nothing can be answered at Stripe."
OPEN_DISPUTE_ADVICE = (
    "Answer it at Stripe, under Payments › Disputes, before its deadline. Until then the money is held back."
)


class RefundForm(forms.Form):
    """How much to refund and why; `key` is new in every form, so that each form orders one refund at most."""

    reason = WordsField(max_length=200, required=False, help_text="For your own records; the payer does not see it.")
    key = forms.RegexField(r"^[0-9a-z]{20}$", widget=forms.HiddenInput)
    step = forms.ChoiceField(choices=[("ask", "Ask"), ("order", "Order")], widget=forms.HiddenInput)

    def __init__(self, payment: Payment, data: Any = None, *, member: Membership, **more: Any) -> None:
        super().__init__(data, **more)
        self.payment, self.member = payment, member
        self.fields = {"amount": AmountField(payment.currency), **self.fields}

    def clean_amount(self) -> Money:
        """The amount to refund, which the payment still has to have."""
        money: Money = self.cleaned_data["amount"]
        try:
            check_refundable(self.payment, amount=money.amount)
            check_may_refund(self.member, money)
        except NothingToRefund as error:
            raise forms.ValidationError(str(error)) from None
        return money


@dataclass(frozen=True, slots=True)
class RefundOrDisputeRow:
    """A refund or dispute with the words for its state and what to do."""

    row: Refund | Dispute
    tone: str
    text: str
    advice: str = ""
    reason: str = ""
    evidence: str = ""
    deadline: datetime | None = None


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SEE, changes=(Right.REFUND,))
def refunds_panel(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of the payment's page; a POST asks, and then orders, a refund."""
    payment = get_merchant_payment(merchant, reference)
    if request.method == "GET":
        return render_panel(request, payment, build_refund_form(payment, request.membership))
    if payment.paid_amount is None:
        raise Http404
    form = RefundForm(payment, request.POST, member=request.membership)
    if not form.is_valid():
        return render_panel(request, payment, form, status=422)
    money: Money = form.cleaned_data["amount"]
    if form.cleaned_data["step"] == "ask":
        return render_confirmation(request, payment, form, money)
    return submit_refund(request, payment, form, money)


def build_refund_form(payment: Payment, member: Membership) -> RefundForm:
    """A form with a key of its own, filled with all that can be refunded, or that the person may refund at once."""
    limit, remaining = get_refund_limit(member, payment.currency), get_refundable_amount(payment)
    most = min(limit, remaining) if limit else remaining
    return RefundForm(payment, member=member, initial={"amount": most.plain, "key": new_reference(), "step": "ask"})


def has_blocking_dispute(payment: Payment) -> bool:
    """Whether the payer's bank disputes the payment, or has decided for the payer, so that Stripe refunds nothing."""
    return Dispute.objects.filter(attempt__payment=payment, state__in=BLOCKING_DISPUTES).exists()


def get_refundable_amount(payment: Payment) -> Money:
    """The amount that can still be refunded; nothing while the payer's bank disputes the payment."""
    if has_blocking_dispute(payment):
        return Money(0, payment.currency)
    amount = (payment.paid_amount or 0) - payment.refunded_amount if payment.state == "succeeded" else 0
    return Money(amount, payment.currency)


def render_panel(request: MerchantRequest, payment: Payment, form: RefundForm, *, status: int = 200) -> HttpResponse:
    """Render refunds and disputes, and the form where something can be refunded.

    A page of its own where no script asks for the panel.
    """
    may_refund = request.membership.may(Right.REFUND)
    context = {
        "merchant": payment.merchant,
        "payment": payment,
        "refunds": [
            build_refund_row(refund, payment)
            for refund in payment.refunds.order_by("pk").select_related("ordered_by", "attempt__account")
        ],
        "disputes": list_dispute_rows(payment),
        "remaining": get_refundable_amount(payment),
        "is_blocked": has_blocking_dispute(payment),
        "form": form if may_refund and get_refundable_amount(payment) else None,
        "limit": get_refund_limit(request.membership, payment.currency),
    }
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, f"payments/refunds.html{'#refunds' if is_part else ''}", context, status=status)


def build_refund_row(refund: Refund, payment: Payment) -> RefundOrDisputeRow:
    """A refund with the words for its state."""
    refund.payment = payment
    advice = {
        "processing": "Stripe has not said how it ended. Wise-Pay keeps asking.",
        "failed": get_failed_refund_advice(refund) if refund.state == "failed" else "",
    }.get(refund.state, "")
    if refund.origin == Refund.Origin.DISPUTE:
        badge = ("bad", "Lost") if refund.state == "succeeded" else ("good", "Given back")
        return RefundOrDisputeRow(refund, *badge)
    return RefundOrDisputeRow(refund, *REFUND_BADGES[refund.state], advice=advice)


def list_dispute_rows(payment: Payment) -> list[RefundOrDisputeRow]:
    """Every dispute of the payment with what to do."""
    rows = Dispute.objects.filter(attempt__payment=payment).select_related("attempt").order_by("pk")
    return [build_dispute_row(dispute, payment) for dispute in rows]


def build_dispute_row(dispute: Dispute, payment: Payment) -> RefundOrDisputeRow:
    """A dispute with the words for its state and what to do."""
    dispute.attempt.payment = payment
    evidence, deadline = get_evidence_state(dispute, now=clock.now())
    return RefundOrDisputeRow(
        dispute,
        *DISPUTE_BADGES[dispute.state],
        advice=get_dispute_advice(dispute, payment),
        reason=dispute.reason.replace("_", " ") or "no reason given",
        evidence=evidence,
        deadline=deadline,
    )


def get_evidence_state(dispute: Dispute, *, now: datetime) -> tuple[str, datetime | None]:
    """Whether a dispute was answered, and until when it can be; nothing for one that can't be answered (any more)."""
    if dispute.state not in ("open", "inquiry") or (dispute.attempt.is_debit and dispute.due_by is None):
        return "", None
    if dispute.has_evidence:
        return "answered at Stripe; the bank decides", None
    if dispute.due_by is not None and dispute.due_by < now:
        return "not answered, and the time is over since", dispute.due_by
    return ("not answered yet; answer by" if dispute.due_by else "not answered yet"), dispute.due_by


def get_dispute_advice(dispute: Dispute, payment: Payment) -> str:
    """What the merchant does about a dispute, and where the money is."""
    if dispute.state == "open":
        return DEBIT_DISPUTE_ADVICE if dispute.attempt.is_debit else OPEN_DISPUTE_ADVICE
    lost = LOST_ADVICE if payment.state == "reversed" else PART_LOST_ADVICE
    return {"inquiry": INQUIRY_ADVICE, "closed": CLOSED_ADVICE, "won": WON_ADVICE}.get(dispute.state, lost)


def render_confirmation(request: MerchantRequest, payment: Payment, form: RefundForm, money: Money) -> HttpResponse:
    """Render what the refund will do, before it is ordered."""
    attempt = payment.attempts.get(state="succeeded")
    context = {
        "merchant": payment.merchant,
        "payment": payment,
        "attempt": attempt,
        "money": money,
        "remaining": Money(get_refundable_amount(payment).amount - money.amount, payment.currency),
        "hidden": {"amount": money.plain, "key": form.cleaned_data["key"], "reason": form.cleaned_data["reason"]},
    }
    return render(request, "payments/refund_confirm.html", context)


def submit_refund(request: MerchantRequest, payment: Payment, form: RefundForm, money: Money) -> HttpResponse:
    """Start the refund, send it to Stripe, and go back to the payment. A form that was sent before orders nothing."""
    merchant, now = payment.merchant, clock.now()
    page = redirect("payments:detail", merchant.reference, payment.reference)
    if record_rate_limited_use(f"refund-form:{form.cleaned_data['key']}", limit=1, per=FORM_LIFETIME, now=now):
        messages.info(request, "This refund was ordered already.")
        return page
    try:
        refund = start_refund(
            payment, amount=money.amount, reason=form.cleaned_data["reason"], by=request.user, now=now
        )
    except NothingToRefund as error:
        form.add_error("amount", str(error))
        return render_panel(request, get_merchant_payment(merchant, payment.reference), form, status=422)
    subject = f"{payment.purpose} ({payment.reference})"
    try:
        send_refund(refund, now=clock.now())
    finally:  # it was ordered, whatever becomes of the call
        action = "payment.refund_refused" if refund.state == "failed" else "payment.refunded"
        record_request_audit(request, action, merchant_id=merchant.pk, subject=subject, detail=f"{money}")
    add_outcome_message(request, refund, money)
    return page


def add_outcome_message(request: MerchantRequest, refund: Refund, money: Money) -> None:
    """Add the result of the refund as the page's message."""
    if refund.state == "failed":
        messages.error(request, f"Stripe did not give {money} back. The refund is listed with its reason.")
    elif refund.state == "succeeded":
        messages.success(request, f"{money} goes back to the payer.")
    else:
        messages.success(request, f"The refund of {money} is on its way to Stripe. This page shows how it ends.")
