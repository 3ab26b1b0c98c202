"""Views of PayNow Links: an invoice found by number and amount, and an invoice paid by whoever has its link."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounting.invoices.balances import InvoiceBalance, get_balances
from accounting.invoices.services import MayBePaidAlready, get_closed_reason
from accounting.models import LedgerInvoice
from accounting.paynow_links.forms import GUEST, FindInvoiceForm, PayLinkedInvoiceForm, PrepaymentForm
from accounting.paynow_links.page_views import render_closed_link, render_find, render_invoice, render_no_link
from accounting.paynow_links.prepayments import create_prepayment, list_prepayment_currencies, takes_prepayments
from accounting.paynow_links.services import (
    FollowedLink,
    LinkClosed,
    LinkOrder,
    build_invoice_path,
    check_link,
    follow_link,
    prove_invoice,
    refresh_invoice,
    start_invoice_payment,
)
from merchants.models import PayNowLink
from merchants.paynow_links import LinkUnknown, get_link, record_use
from payments.errors import CannotPay, TooManyAttempts
from payments.models import Payment
from wisepay import clock
from wisepay.budgets import Budget, give_back, give_back_for_network, spend, spend_for_network
from wisepay.errors import Unavailable
from wisepay.http import get_client_ip, too_many_requests

type View = Callable[..., HttpResponse]


def paynow_page(view: View) -> View:
    """Answer what links raise: one page for everything that would tell something, another with the reason."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = spend_for_network(Budget.PAYNOW_LINKS_OF_NETWORK, get_client_ip(request), now=clock.now())
        if wait:
            return too_many_requests(request, wait=wait)
        try:
            response = view(request, *args, **kwargs)
        except LinkUnknown:
            response = render_no_link(request)
        except LinkClosed as error:
            response = render_closed_link(request, error)
        except TooManyAttempts as error:
            response = too_many_requests(request, message=str(error), wait=error.wait)
        response["Referrer-Policy"] = "same-origin"
        return response

    return wrapped


@require_http_methods(["GET", "POST"])
@paynow_page
def find_by_number(request: HttpRequest, key: str) -> HttpResponse:
    """Ask for an invoice's number and amount, or take them from the address; go on to its page when both fit."""
    link = get_link(key)
    filled = FindInvoiceForm.read_query(request.GET)
    is_asked = request.method == "POST" or bool(filled["invoice"] and filled["amount"])
    if not is_asked:
        return render_find(request, link, FindInvoiceForm(initial=filled))
    form = FindInvoiceForm(request.POST if request.method == "POST" else filled)
    if not form.is_valid():
        return render_find(request, link, form)
    found = form.cleaned_data
    invoice = find_within_limits(request, link, found)
    if invoice is None:
        return render_find(request, link, form, is_missing=True)
    path = build_invoice_path(link, invoice, now=clock.now())
    response = HttpResponse(status=303)
    response["Location"] = f"{path}?{urlencode({'said': found['amount']})}"
    return response


def find_within_limits(request: HttpRequest, link: PayNowLink, found: dict[str, str]) -> LedgerInvoice | None:
    """The invoice that both fit, if this network and all of them have not guessed too often. Raises TooManyAttempts.

    Every question counts as a guess until its answer is known, so that many at once do not pass together.
    """
    now, ip = clock.now(), get_client_ip(request)
    count_guess(link, ip=ip)
    number, amount, currency = found["invoice"], found["amount"], found["currency"]
    invoice = prove_invoice(link, number=number, amount=amount, currency=currency, now=now)
    if invoice is not None:
        give_back_for_network(Budget.GUESSES_OF_NETWORK, ip)
        give_back(Budget.GUESSES_OF_MERCHANT, link.merchant_id)
    return invoice


def count_guess(link: PayNowLink, *, ip: str) -> None:
    """Count a guess of this network at this merchant. Raises TooManyAttempts."""
    wait = spend_for_network(Budget.GUESSES_OF_NETWORK, ip, now=clock.now())
    wait = wait or spend(Budget.GUESSES_OF_MERCHANT, link.merchant_id, now=clock.now())
    if wait:
        words = _("Too many numbers and amounts that fit no invoice came from here. Please try again later.")
        raise TooManyAttempts(words, wait=wait)


@require_POST
@paynow_page
def prepay(request: HttpRequest, key: str) -> HttpResponse:
    """Pay an amount under a reference that fits no invoice, where the merchant takes prepayments."""
    link = get_link(key)
    check_link(link)
    if not takes_prepayments(link):
        raise LinkUnknown
    form = PrepaymentForm(request.POST, currencies=list_prepayment_currencies(link.merchant))
    find_path = reverse("paynow_links:find", args=[key])
    if not form.is_valid():
        context = {"merchant": link.merchant, "offer": form, "offer_path": request.path, "path": find_path}
        return render(request, "paynow_links/prepay.html", context, status=422)
    count_guess(link, ip=get_client_ip(request))  # each leaves a company behind, whoever made it up
    found = form.cleaned_data
    payment = create_prepayment(
        link,
        amount=found["money"],
        reference=found["reference"],
        company_name=found["company"],
        path=find_path,
        now=clock.now(),
    )
    return redirect("payments:guest", payment.reference)


@require_http_methods(["GET", "POST"])
@paynow_page
def pay_invoice(request: HttpRequest, token: str) -> HttpResponse:
    """One invoice as the books have it now, and the ways to pay it; or the payment that a mail was about."""
    followed = follow_link(token, now=clock.now())
    if request.method == "GET":
        record_use(followed.link, now=clock.now())
    if followed.invoice is None:
        return redirect("payments:pay", followed.payment.reference if followed.payment else "")
    try:
        invoice = refresh_invoice(followed.invoice, now=clock.now())
    except Unavailable:
        return render_invoice(request, followed.invoice, status=503, is_unread=True)
    balance = get_balances([invoice])[invoice.pk]
    reason = get_closed_reason(invoice, balance)
    if reason or not balance.payable:
        return render_invoice(request, invoice, balance=balance, reason=reason)
    form = PayLinkedInvoiceForm(request.POST or None, invoice=invoice, balance=balance)
    if request.method == "POST" and form.is_valid():
        answer = start_payment(request, followed, invoice, balance, form)
        if answer is not None:
            return answer
    status = 422 if request.method == "POST" else 200
    return render_invoice(request, invoice, balance=balance, form=form, status=status)


def start_payment(
    request: HttpRequest,
    followed: FollowedLink,
    invoice: LedgerInvoice,
    balance: InvoiceBalance,
    form: PayLinkedInvoiceForm,
) -> HttpResponse | None:
    """Go on to pay what a valid form asks for; None when that is refused, with the error in the form."""
    found = form.cleaned_data
    order = LinkOrder(found["amount"].amount, balance.payable, found["shown"], found["confirmed"])
    person = request.user if request.user.is_authenticated else None
    try:
        payment = start_invoice_payment(followed, invoice, order, path=request.path, by=person, now=clock.now())
    except MayBePaidAlready:
        words = _("Please read what may pay this already, and tick this if you want to pay anyway.")
        form.add_error("confirmed", words)
        return None
    except CannotPay as error:
        form.add_error("amount", str(error))
        return None
    return redirect(get_checkout_path(request, payment, way=found["way"]))


def get_checkout_path(request: HttpRequest, payment: Payment, *, way: str) -> str:
    """Where a payment goes on: as a guest, or with an account, to which who is not signed in signs in first."""
    if way == GUEST:
        return reverse("payments:guest", args=[payment.reference])
    checkout = reverse("payments:checkout", args=[payment.reference])
    if request.user.is_authenticated:
        return checkout
    return f"{reverse('account_login')}?{urlencode({'next': checkout})}"
