"""What a payer agrees to: which terms each act needs, what is shown with them, the check, and the proof."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction_required

from merchants.models import Merchant, Terms
from merchants.terms.services import find_acceptance_problem, list_current_terms, render_terms
from payers.models import PayerCompany, TermsAcceptance
from payers.terms import RequestSource, ShownOrder, record_acceptances
from payments.errors import TermsNotAccepted
from payments.models import Payment, SavedMethod
from payments.recurring import RecurringPart
from payments.saved_methods.choices import BANK_DEBIT, CARD, PaymentChoice, Person
from wisepay.clock import get_local_date
from wisepay.mail import send_email
from wisepay.money import Money

Kind = Terms.Kind


class Act(StrEnum):
    """What a payer can do that needs their consent."""

    PAY = "pay"
    PAY_BATCH = "pay_batch"
    SAVE = "save"
    RECUR = "recur"
    MAP = "map"
    SCHEDULE = "schedule"


# The one table of which terms apply to what. A bank account is never debited, and never kept, without the debit terms.
TERMS_OF_ACTS: dict[tuple[Act, str], tuple[str, ...]] = {
    (Act.PAY, CARD): (Kind.PAYMENT.value,),
    (Act.PAY, BANK_DEBIT): (Kind.DIRECT_DEBIT.value,),
    (Act.PAY_BATCH, CARD): (Kind.PAYMENT.value,),
    (Act.PAY_BATCH, BANK_DEBIT): (Kind.DIRECT_DEBIT.value,),
    (Act.SAVE, CARD): (Kind.SAVED_CARD.value,),
    (Act.SAVE, BANK_DEBIT): (Kind.SAVED_BANK_ACCOUNT.value, Kind.DIRECT_DEBIT.value),
    (Act.RECUR, CARD): (Kind.AUTOMATIC_PAYMENTS.value,),
    (Act.RECUR, BANK_DEBIT): (Kind.AUTOMATIC_PAYMENTS.value, Kind.DIRECT_DEBIT.value),
    (Act.MAP, CARD): (Kind.AUTOMATIC_PAYMENTS.value,),
    (Act.MAP, BANK_DEBIT): (Kind.AUTOMATIC_PAYMENTS.value, Kind.DIRECT_DEBIT.value),
    (Act.SCHEDULE, CARD): (Kind.AUTOMATIC_PAYMENTS.value,),
    (Act.SCHEDULE, BANK_DEBIT): (Kind.AUTOMATIC_PAYMENTS.value, Kind.DIRECT_DEBIT.value),
}
# The acceptance that a kept method, else a charge, points to: the first of these that was given.
MAIN_KINDS = (Kind.SAVED_CARD, Kind.SAVED_BANK_ACCOUNT, Kind.DIRECT_DEBIT, Kind.PAYMENT, Kind.AUTOMATIC_PAYMENTS)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody is about to order: the money due now, what recurs, and with which method.

    `saved_method` is None for a new one, which is kept when `saves`.
    """

    merchant: Merchant
    method: str
    acts: Sequence[Act]
    money: Money | None = None
    recurring: RecurringPart | None = None
    saved_method: SavedMethod | None = None

    @property
    def saves(self) -> bool:
        """Whether a new method is kept."""
        return Act.SAVE in self.acts

    @property
    def acts_by_kind(self) -> dict[str, list[Act]]:
        """The kinds of terms that apply, each with the acts that it is for."""
        found: dict[str, list[Act]] = {}
        for act in self.acts:
            for kind in TERMS_OF_ACTS[act, self.method]:
                found.setdefault(kind, []).append(act)
        return found


def build_order(
    payment: Payment, *, method: str, amount: int, saves: bool, saved_method: SavedMethod | None = None
) -> Order:
    """What paying `amount` minor units of a payment with this method, or only keeping the method for it, amounts to."""
    pays = Act.PAY_BATCH if payment.details.get("count", 1) > 1 else Act.PAY
    acts = [
        *([pays] if amount else []),
        *([Act.SAVE] if saves and saved_method is None else []),
        *([Act.RECUR] if payment.recurring else []),
    ]
    money = Money(amount, payment.currency) if amount else None
    return Order(payment.merchant, method, acts, money, payment.recurring, saved_method)


def list_statements(order: Order, *, now: datetime) -> list[str]:
    """What the order means, in sentences: they stand above the button, and are kept with the acceptance."""
    by_card = order.method == CARD
    words = {
        "merchant": order.merchant.name,
        "money": order.money,
        "method": order.saved_method or (_("this card") if by_card else _("this bank account")),
        "thing": _("card") if by_card else _("bank account"),
    }
    found = [get_payment_statement(order) % words]
    if order.recurring is not None:
        today = get_local_date(now, order.merchant.zone)
        words |= {"each": order.recurring.money, "frequency": order.recurring.frequency}
        found.append(
            _("You authorise %(merchant)s to charge %(method)s automatically for what recurs: %(each)s %(frequency)s.")
            % words
        )
        found += filter(None, [order.recurring.describe_start(today), order.recurring.describe_end(today)])
    if order.saves and order.recurring is None:
        found.append(_("The %(thing)s is saved for payments that you order later.") % words)
    return found


def get_payment_statement(order: Order) -> str:
    """The sentence about what is taken now."""
    if order.money is None:
        return _("Nothing is charged now.")
    if order.recurring is not None:
        return _("You authorise %(merchant)s to charge %(money)s to %(method)s now.")
    if order.method == BANK_DEBIT:
        return _("You authorise %(merchant)s to debit %(money)s from %(method)s, once.")
    return _("You authorise %(merchant)s to charge %(money)s to %(method)s, once.")


@dataclass(frozen=True, slots=True)
class ConsentText:
    """A text on a page: ticked, or accepted by pressing the button below it; `choices` are those that it applies to."""

    terms: Terms
    label: str
    choices: str = ""
    is_shown: bool = True

    @property
    def text(self) -> str:
        """The text as a payer reads it."""
        return render_terms(self.terms)

    @property
    def is_tick(self) -> bool:
        """Whether it is ticked: whatever reaches beyond one payment by card is."""
        return self.terms.kind != Kind.PAYMENT


def get_terms_label(terms: Terms) -> str:
    """The sentence with which a text is accepted."""
    return {
        Kind.PAYMENT.value: _("By paying you accept the payment terms of %(merchant)s."),
        Kind.DIRECT_DEBIT.value: _("I accept the direct debit request of %(merchant)s"),
        Kind.SAVED_CARD.value: _("I accept the terms for saving my card for later use"),
        Kind.SAVED_BANK_ACCOUNT.value: _("I accept the terms for saving my bank details for later use"),
        Kind.AUTOMATIC_PAYMENTS.value: _("I accept the terms for automatic payments"),
        Kind.USER_ACCOUNT.value: _("I agree to the terms"),
    }[terms.kind] % {"merchant": terms.merchant.name}


def build_consent_texts(merchant: Merchant, orders: Mapping[str, Order]) -> list[ConsentText]:
    """The texts that apply to any of these orders, each with the names of those that it applies to."""
    names_by_kind: dict[str, list[str]] = {}
    for name, order in orders.items():
        for kind in order.acts_by_kind:
            names_by_kind.setdefault(kind, []).append(name)
    first = next(iter(orders), "")
    return [
        ConsentText(
            terms,
            get_terms_label(terms),
            choices=" ".join(names_by_kind[terms.kind]),
            is_shown=first in names_by_kind[terms.kind],
        )
        for terms in list_current_terms(merchant, list(names_by_kind))
    ]


@dataclass(frozen=True, slots=True)
class OnlyStatement:
    """What the one choice of a page means, in sentences."""

    lines: Sequence[str]
    is_shown: bool = True


def build_consent_context(order: Order, *, statements: Sequence[str] | None = None, now: datetime) -> dict[str, object]:
    """What a page with one choice shows above its button; `statements` where that is not what the order says."""
    terms = list_current_terms(order.merchant, list(order.acts_by_kind))
    return {
        "statements": [OnlyStatement(list_statements(order, now=now) if statements is None else statements)],
        "texts": [ConsentText(one, get_terms_label(one)) for one in terms],
        "schedule": get_schedule_key(order, now=now),
    }


def get_schedule_key(order: Order, *, now: datetime) -> str:
    """What recurs as the page shows it, as a word that its form sends back; empty where nothing does."""
    if order.recurring is None:
        return ""
    return order.recurring.get_key(get_local_date(now, order.merchant.zone))


@dataclass(frozen=True, slots=True)
class Consent:
    """An order with the texts that its payer accepted, as they stood when it was checked."""

    order: Order
    terms: Sequence[Terms]
    statements: Sequence[str]
    now: datetime

    def build_shown(self, kind: str, *, operation: str) -> ShownOrder:
        """What was shown along with the text of this kind."""
        order, recurring, method = self.order, self.order.recurring, self.order.saved_method
        today = get_local_date(self.now, order.merchant.zone)
        return ShownOrder(
            acts=" ".join(order.acts_by_kind.get(kind, ())),
            operation=operation,
            money=order.money,
            recurring=recurring.money if recurring else None,
            interval=recurring.interval if recurring else "",
            periods=recurring.periods if recurring else None,
            starts_on=recurring.starts_on and recurring.get_first_day(today) if recurring else None,
            ends_on=recurring.get_last_day(recurring.get_first_day(today)) if recurring else None,
            agreement=recurring.agreement if recurring else "",
            method_kind=method.kind if method else order.method,
            last4=method.last4 if method else "",
            statement="\n".join(self.statements),
        )


def check_consent(
    order: Order,
    *,
    accepted: Sequence[int],
    agreed_schedule: str = "",
    statements: Sequence[str] | None = None,
    now: datetime,
) -> Consent:
    """Check that exactly the texts in force were accepted, for what recurs now. Raises TermsNotAccepted.

    `statements` are what the page said where that is not what the order says of itself.
    """
    terms = list_current_terms(order.merchant, list(order.acts_by_kind))
    problem = find_acceptance_problem(terms, accepted)
    if problem:
        raise TermsNotAccepted(problem)
    if order.recurring is not None and agreed_schedule != get_schedule_key(order, now=now):
        raise TermsNotAccepted(_("What recurs has changed since you opened this page. Please look at it again."))
    return Consent(order, terms, list_statements(order, now=now) if statements is None else statements, now)


def check_payment_consent(payment: Payment, *, choice: PaymentChoice, amount: int, now: datetime) -> Consent:
    """Check that the payer accepted what applies to this choice. Raises TermsNotAccepted."""
    saved = choice.saved_method
    method = choice.method if saved is None else CARD if saved.is_card else BANK_DEBIT
    order = build_order(payment, method=method, amount=amount, saves=choice.saves, saved_method=saved)
    return check_consent(order, accepted=choice.accepted_terms, agreed_schedule=choice.agreed_schedule, now=now)


@transaction_required
def record_consent(
    consent: Consent,
    person: Person,
    *,
    company: PayerCompany,
    operation: str,
    now: datetime,
) -> dict[str, TermsAcceptance]:
    """Record the acceptance of each text of a checked consent, by its kind. One statement."""
    rows = record_acceptances(
        company,
        orders=[(terms, consent.build_shown(terms.kind, operation=operation)) for terms in consent.terms],
        user=person.user,
        email=person.email,
        source=RequestSource(ip=person.ip, user_agent=person.user_agent),
        now=now,
    )
    return {row.terms.kind: row for row in rows}


def get_main_acceptance(acceptances: Mapping[str, TermsAcceptance]) -> TermsAcceptance | None:
    """The one that a kept method, else a charge, points to."""
    return next((acceptances[kind] for kind in MAIN_KINDS if kind in acceptances), None)


@transaction_required
def record_accepted_method(operation: str, *, kind: str, last4: str) -> None:
    """Add the method's last four digits to the acceptances of an operation, once the gateway has named them."""
    if operation and last4:
        rows = TermsAcceptance.objects.filter(operation=operation, last4="")
        rows.update(method_kind=kind, last4=last4)


def list_accepted_terms(operations: Iterable[str], kind: str) -> list[TermsAcceptance]:
    """The acceptances of this kind of terms that were given for these attempts or setups, the newest first."""
    rows = TermsAcceptance.objects.filter(operation__in=list(operations), terms__kind=kind)
    return list(rows.select_related("terms__merchant", "company").order_by("-pk"))


def get_acceptances_by_operation(operations: Iterable[str]) -> dict[str, list[TermsAcceptance]]:
    """What was accepted for each of these attempts and setups, by its reference, oldest first. One query."""
    found: dict[str, list[TermsAcceptance]] = {}
    rows = TermsAcceptance.objects.filter(operation__in=list(operations)).select_related("terms")
    for row in rows.order_by("pk"):
        found.setdefault(row.operation, []).append(row)
    return found


def send_authorisation_email(acceptance: TermsAcceptance) -> None:
    """Send a copy of a debit authorisation: the account, the amount or range, the date, and how to take it back."""
    merchant = acceptance.terms.merchant
    send_email(
        "debit_authorised",
        acceptance.email,
        {
            "acceptance": acceptance,
            "text": render_terms(acceptance.terms),
            "lines": acceptance.shown.splitlines(),
            "kind": get_authorisation_kind(acceptance),
            "methods_url": merchant.build_public_url(reverse("payments:my_bank_accounts")),
        },
        subject=_("Your permission for %(merchant)s to debit your bank account") % {"merchant": merchant.name},
        message_id=f"authorisation-{acceptance.operation}",
        sender=merchant,
    )


def get_authorisation_kind(acceptance: TermsAcceptance) -> str:
    """Whether it is for one debit or for several, and of which amounts."""
    acts = acceptance.acts.split()
    if "map" in acts:
        return _("Recurring: the amounts of the invoices that fall due")
    if "recur" in acts:
        return _("Recurring: %(amount)s each time, besides what is due now") % {"amount": acceptance.recurring}
    if acceptance.money is not None and "save" in acts:
        return _("Single: %(amount)s; the account is kept for debits that you order later") % {
            "amount": acceptance.money
        }
    if acceptance.money is not None:
        return _("Single: %(amount)s") % {"amount": acceptance.money}
    return _("For debits that you order later, each of the amount that you are shown then")
