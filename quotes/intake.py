"""Receive a checkout from CPQ: the quote, its payment, and what happens to older versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.configuration.currencies import can_book, describe_unbookable
from merchants.models import Merchant
from merchants.services import list_prerequisites
from payers.companies import record_payer_company
from payments.gateways import find_amount_problem
from payments.models import Payment, PaymentLines
from payments.operations.next_actions import find_next_action, get_next_action
from payments.recurring import RecurringPart
from payments.saved_methods.choices import list_allowed_methods
from payments.states import LIVE_STATES
from quotes.models import CpqIntegration, Quote, create_checkout_reference
from quotes.parts import (
    QuoteLine,
    check_parts,
    dump_acceptance,
    dump_recurring,
    fill_periods,
    list_line_rows,
    list_recurring_rows,
    merge_acceptance,
    parse_lines,
)
from quotes.problems import ProblemError, build_invalid_problem
from quotes.schemas import CheckoutIn, CustomerIn
from quotes.services import find_url_problem, schedule_status_callback
from wisepay.clock import get_local_date
from wisepay.money import InvalidAmount, Money

MINUTE, DAY = 60, 86_400  # seconds
CHECKOUT_LIFETIME = timedelta(days=30)  # of a checkout whose quote names no end


@dataclass(frozen=True, slots=True)
class CheckoutAmounts:
    """The amounts of a checkout, checked against each other."""

    total: Money
    tax: Money
    due: Money
    full: Money | None
    recurring: Money | None
    lines: Sequence[QuoteLine] = ()


@transaction_required
def receive_checkout(
    integration: CpqIntegration, checkout: CheckoutIn, *, pulled: dict[str, Any] | None = None, now: datetime
) -> tuple[Quote, bool]:
    """Open the checkout, or bring the one of this quote version up to date; True when it is new.

    `pulled` are the columns of a quote that we read ourselves. One that CPQ sent stays as it was sent: its amounts are
    the merchant's own words. Raises ProblemError, and then nothing is stored.
    """
    merchant, today = integration.merchant, get_local_date(now, integration.merchant.zone)
    amounts = parse_amounts(checkout)
    check_urls_and_times(checkout, hosts=integration.hosts, now=now)
    check_parts(checkout, today=today, now=now)
    checkout = fill_periods(checkout, today=today)
    check_merchant_ready(merchant)
    check_currency(merchant, checkout)
    check_methods(merchant, checkout)
    # One checkout of a merchant at a time: versions are compared by id and by number, and there is no row to lock yet.
    CpqIntegration.objects.select_for_update().get(pk=integration.pk)
    versions = lock_versions(merchant, checkout)
    known = next((v for v in versions if (v.cpq_id, v.version) == (checkout.quote.id, checkout.quote.version)), None)
    if known is not None and pulled is not None and known.source == Quote.Source.CONTRACT:
        return known, False
    if known is not None:
        update_quote(known, checkout, amounts, pulled=pulled, now=now)
        return known, False
    cancel_older_versions(versions, version=checkout.quote.version, now=now)
    return create_quote(merchant, checkout, amounts, pulled=pulled, now=now), True


def parse_amounts(checkout: CheckoutIn) -> CheckoutAmounts:
    """The amounts, or a ProblemError that names every field that is wrong."""
    currency = checkout.quote.currency
    texts = {
        "amounts.one_time_total": checkout.amounts.one_time_total,
        "amounts.tax": checkout.amounts.tax,
        "amounts.due_now": checkout.amounts.due_now,
    }
    if checkout.recurring:
        texts["recurring.total"] = checkout.recurring.total
    errors: list[tuple[str, str]] = []
    found: dict[str, Money] = {}
    for field, text in texts.items():
        try:
            found[field] = Money.parse(text, currency)
        except InvalidAmount as error:
            errors.append((field, str(error)))
    if errors:
        raise build_invalid_problem(*errors)
    total, tax, due = (found[f"amounts.{n}"] for n in ("one_time_total", "tax", "due_now"))
    recurring = found.get("recurring.total")
    check_amounts(total, tax, due, recurring)
    full = total if checkout.amounts.full_payment_allowed and total > due and due else None
    check_chargeable({"amounts.due_now": due, "amounts.one_time_total": full, "recurring.total": recurring})
    return CheckoutAmounts(total, tax, due, full, recurring, parse_lines(checkout))


def check_chargeable(amounts: dict[str, Money | None]) -> None:
    """Raises ProblemError that names every field whose amount the gateway could not charge."""
    problems = [(field, find_amount_problem(money)) for field, money in amounts.items() if money]
    if found := [(field, problem) for field, problem in problems if problem]:
        raise build_invalid_problem(*found)


def check_amounts(total: Money, tax: Money, due: Money, recurring: Money | None) -> None:
    """Raises ProblemError where amounts contradict each other."""
    if due > total:
        raise build_invalid_problem(("amounts.due_now", "No more than the one-time total can be due now."))
    if tax > total:
        raise build_invalid_problem(("amounts.tax", "The tax is part of the one-time total and can't be more than it."))
    if not due and recurring is None:
        raise build_invalid_problem(
            ("amounts.due_now", "Nothing is due and nothing recurs, so there is nothing to pay.")
        )
    if recurring is not None and not recurring:
        raise build_invalid_problem(("recurring.total", "Use an amount above zero, or leave `recurring` out."))


def check_urls_and_times(checkout: CheckoutIn, *, hosts: list[str], now: datetime) -> None:
    """Raises ProblemError for addresses and times that can't be used."""
    errors = []
    for field in ("return_url", "callback_url"):
        url = getattr(checkout, field)
        refusal = find_url_problem(url, hosts=hosts) if url else ""
        if refusal:
            errors.append((field, refusal))
    expires_at = checkout.quote.expires_at
    if expires_at is not None and expires_at <= now:
        errors.append(("quote.expires_at", "This quote has expired. Publish it again with a later date."))
    if len(set(checkout.allowed_methods)) != len(checkout.allowed_methods):
        errors.append(("allowed_methods", "Name every method once."))
    if errors:
        raise build_invalid_problem(*errors)


def check_merchant_ready(merchant: Merchant) -> None:
    """Raises ProblemError that names what the merchant has not set up yet."""
    missing = [p for p in list_prerequisites(merchant) if not p.is_met]
    codes, titles = [p.code for p in missing], [p.title for p in missing]
    if getattr(merchant, "gateway_account", None) is None:
        codes.append("gateway_keys")
        titles.append("Gateway keys saved")
    if not merchant.takes_payments:
        codes.append("payments_enabled")
        titles.append("Payments enabled")
    if codes:
        detail = f"Quotes can't be paid yet. Still missing in Wise-Pay: {'; '.join(titles)}."
        raise ProblemError(409, "merchant_not_ready", detail, missing=codes)


def check_currency(merchant: Merchant, checkout: CheckoutIn) -> None:
    """Raises ProblemError when the merchant's books can't hold the quote's currency."""
    if not can_book(merchant, checkout.quote.currency):
        raise build_invalid_problem(("quote.currency", describe_unbookable(merchant, checkout.quote.currency)))


def check_methods(merchant: Merchant, checkout: CheckoutIn) -> None:
    """Raises ProblemError when the merchant takes none of the methods that CPQ allows, in this currency."""
    if not list_allowed_methods(checkout.allowed_methods, merchant.gateway_account, checkout.quote.currency):
        message = f"{merchant.name} takes none of these methods in {checkout.quote.currency}. Allow another one."
        raise build_invalid_problem(("allowed_methods", message))


@transaction_required
def update_quote(
    quote: Quote, checkout: CheckoutIn, amounts: CheckoutAmounts, *, pulled: dict[str, Any] | None, now: datetime
) -> None:
    """Bring a known checkout up to date. Raises ProblemError when it was paid or withdrawn, or an attempt is live."""
    payment = quote.payment.lock()
    if payment.state in ("succeeded", "reversed", "saved") or quote.state in ("paid", "saved"):
        raise ProblemError(409, "already_paid", "This version of the quote is already paid.")
    if quote.state == "withdrawn":
        raise ProblemError(409, "superseded", "A newer version of this quote was opened. Pay that one.")
    check_no_live_attempt(payment)
    for name, value in build_quote_fields(checkout, amounts, pulled, known=quote.acceptance).items():
        setattr(quote, name, value)
    quote.save()
    had_lines = "line_count" in payment.details
    for name, value in build_payment_fields(quote, checkout, amounts, now=now).items():
        setattr(payment, name, value)
    payment.save()
    save_lines(payment, amounts, had_lines=had_lines)
    quote.payment = payment
    if quote.state == "expired":
        quote.move_to("open", now=now, by="cpq", reason="published again")
        if payment.state == "cancelled":
            payment.move_to("open", now=now, by="cpq", reason="published again")
    schedule_status_callback(quote, now=now)


def check_no_live_attempt(payment: Payment) -> None:
    """Raises ProblemError while an attempt has not ended."""
    attempt = payment.attempts.filter(state__in=LIVE_STATES).first()
    if attempt is None:
        return
    if attempt.is_settling:
        detail, wait = "The payer's bank was asked for this quote, which takes up to seven working days.", DAY
    elif find_next_action(attempt) and get_next_action(attempt).is_slow:
        detail, wait = "The payer was asked for a step that can take some working days.", DAY
    else:
        detail, wait = "A payment for this quote is being processed. Ask again in a minute.", MINUTE
    raise ProblemError(409, "attempt_in_progress", detail, headers={"Retry-After": str(wait)})


@transaction_required
def lock_versions(merchant: Merchant, checkout: CheckoutIn) -> list[Quote]:
    """Lock the checkouts of every version of this quote, by its number or its id, the oldest first."""
    of_quote = Q(number=checkout.quote.number) | Q(cpq_id=checkout.quote.id)
    return list(Quote.objects.filter(of_quote, merchant=merchant).select_for_update().order_by("pk"))


@transaction_required
def cancel_older_versions(versions: list[Quote], *, version: int, now: datetime) -> None:
    """Withdraw open checkouts of versions before `version`. Raises ProblemError when a newer one exists."""
    for sibling in versions:
        if sibling.version >= version:
            raise ProblemError(409, "superseded", f"Version {sibling.version} of this quote was opened already.")
        if sibling.state not in ("open", "expired"):
            continue
        payment = sibling.payment.lock()
        check_no_live_attempt(payment)
        if payment.state == "open":
            payment.move_to("cancelled", now=now, by="cpq", reason=f"version {version} came")
        if payment.state == "cancelled":
            sibling.move_to("withdrawn", now=now, by="cpq", reason=f"version {version} came")
            schedule_status_callback(sibling, now=now)


@transaction_required
def create_quote(
    merchant: Merchant, checkout: CheckoutIn, amounts: CheckoutAmounts, *, pulled: dict[str, Any] | None, now: datetime
) -> Quote:
    """Create the quote and its payment."""
    quote = Quote(
        merchant=merchant,
        reference=create_checkout_reference(),
        cpq_id=checkout.quote.id,
        version=checkout.quote.version,
        state="open",
        state_at=now,
        notified_status="open",
        created_at=now,
        **build_quote_fields(checkout, amounts, pulled, known={}),
    )
    columns = build_payment_fields(quote, checkout, amounts, now=now)
    quote.payment = Payment.objects.create(merchant=merchant, state="open", state_at=now, created_at=now, **columns)
    quote.save()
    save_lines(quote.payment, amounts)
    return quote


@transaction_required
def save_lines(payment: Payment, amounts: CheckoutAmounts, *, had_lines: bool = False) -> None:
    """Store the lines as the payer reads them; those of an earlier form of the quote go."""
    if amounts.lines:
        rows = list_line_rows(amounts.lines, payment.currency)
        PaymentLines.objects.update_or_create(payment=payment, defaults={"rows": rows})
    elif had_lines:
        PaymentLines.objects.filter(payment=payment).delete()


def build_quote_fields(
    checkout: CheckoutIn, amounts: CheckoutAmounts, pulled: dict[str, Any] | None, *, known: dict[str, Any]
) -> dict[str, Any]:
    """The columns of the quote, from what CPQ sent or what we read there; `known` is who accepted it, as far as known.

    That only grows: a later answer of CPQ's may have lost it.
    """
    fields = pulled or {"source": Quote.Source.CONTRACT, "acceptance": dump_acceptance(checkout.acceptance)}
    return {
        "number": checkout.quote.number,
        "name": checkout.quote.name,
        "opportunity_id": checkout.quote.opportunity_id or checkout.quote.psa_opportunity_id,
        "purchase_order_number": checkout.quote.purchase_order_number,
        "customer": checkout.customer.model_dump(),
        "currency": checkout.quote.currency,
        "total": amounts.total.amount,
        "tax": amounts.tax.amount,
        "recurring": dump_recurring(checkout.recurring, amounts.recurring),
        "return_url": checkout.return_url,
        "callback_url": checkout.callback_url or "",
        "hold": "",
        **fields,
        "acceptance": merge_acceptance(fields["acceptance"], known),
    }


def build_payment_fields(
    quote: Quote, checkout: CheckoutIn, amounts: CheckoutAmounts, *, now: datetime
) -> dict[str, Any]:
    """The columns of the payment, from what CPQ sent."""
    customer = checkout.customer
    company = record_payer_company(
        quote.merchant,
        name=customer.account_name,
        email=customer.email,
        phone=customer.phone,
        ids=list_company_ids(quote, customer),
        subject=str(quote),
    )
    recurring = checkout.recurring
    return {
        "company": company,
        "currency": amounts.due.currency,
        "amount": amounts.due.amount,
        "full_amount": amounts.full.amount if amounts.full else None,
        "purpose": f"{quote}: {quote.name}"[:120],
        "details": build_invoice_details(quote, checkout, amounts),
        "methods": list(checkout.allowed_methods),
        "needs_account": recurring is not None,
        "recurring_amount": amounts.recurring.amount if amounts.recurring else None,
        "recurring_interval": recurring.interval if recurring else "",
        "recurring_periods": recurring.periods if recurring else None,
        "recurring_starts_on": recurring.starts_on if recurring else None,
        "recurring_agreement": recurring.agreement_type if recurring else "",
        "done_path": reverse("quotes:return", args=[quote.reference]),
        "expires_at": checkout.quote.expires_at or now + CHECKOUT_LIFETIME,
    }


def list_company_ids(quote: Quote, customer: CustomerIn) -> list[tuple[str, str]]:
    """Whose ids a checkout names, the surest first; what we read in CPQ itself is another record in every quote."""
    found = [("psa", customer.psa_company_id), ("cpq", customer.id), ("account", customer.account_number)]
    is_sent = quote.source == Quote.Source.CONTRACT
    return [(system, value) for system, value in found if value and is_sent]


def build_invoice_details(quote: Quote, checkout: CheckoutIn, amounts: CheckoutAmounts) -> dict[str, Any]:
    """Invoice Details: the words and amounts that the payer is shown before paying."""
    rows = [["One-time total", str(amounts.total)]]
    if amounts.tax:
        rows.append(["Including tax", str(amounts.tax)])
    if amounts.recurring and checkout.recurring:
        recurring = checkout.recurring
        part = RecurringPart(amounts.recurring, recurring.interval, recurring.periods)
        rows += list_recurring_rows(recurring, part)
    earlier = (
        Quote.objects.filter(merchant=quote.merchant, number=quote.number, payment__state="succeeded")
        .exclude(reference=quote.reference)
        .select_related("payment")
        .order_by("-version")
        .first()
    )
    notice = f"Version {earlier.version} of this quote was paid already: {earlier.payment.paid}." if earlier else ""
    return {
        "reference": f"Q{quote.number}-{quote.version}",
        "title": f"Quote {quote.number}",
        "name": quote.name,
        "purchase_order": quote.purchase_order_number,
        "company": quote.customer["account_name"],
        "billing": build_billing_details(quote.customer),
        "rows": rows,
        "recurring": quote.recurring is not None,
        "notice": notice,
        **({"line_count": len(amounts.lines)} if amounts.lines else {}),
        "source": quote.source,
        "mark": quote.cpq_modified if quote.source == Quote.Source.LINK else "",
    }


def build_billing_details(customer: dict[str, Any]) -> dict[str, Any]:
    """Who pays and where, as the payer's form begins with it; what CPQ did not send is left out."""
    address = {name: value for name, value in (customer.get("address") or {}).items() if value}
    found = {"name": customer.get("contact_name"), "email": customer.get("email"), "phone": customer.get("phone")}
    return {name: value for name, value in {**found, "address": address}.items() if value}
