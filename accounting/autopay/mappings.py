"""Auto-Pay mappings: created by a merchant, a payer or a quote, accepted, ended."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.mapping_emails import enqueue_mapping_news
from accounting.autopay.notifications import notify_proposed
from accounting.autopay.settings import schedule_planning
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm
from merchants.models import Merchant, Terms
from merchants.terms.services import list_current_terms
from payers.company_ids import has_open_mismatch
from payers.models import PayerCompany, Registration, TermsAcceptance
from payers.terms import RequestSource
from payments.consent import (
    Act,
    Consent,
    OnlyStatement,
    Order,
    build_consent_texts,
    check_consent,
    list_accepted_terms,
    record_consent,
)
from payments.consequences import enqueue_authorisation_email
from payments.errors import TermsNotAccepted
from payments.models import Attempt, Payment, SavedMethod, Setup
from payments.saved_methods.choices import BANK_DEBIT, CARD, Person
from wisepay.addresses import new_reference
from wisepay.clock import get_local_date
from wisepay.models import User

Origin = AutoPayMapping.Origin


class MappingRefused(Exception):
    """The mapping can't be created or changed; the message says why."""


def create_mappings(
    company: PayerCompany,
    *,
    terms: Sequence[BillingTerm | None],
    primary: SavedMethod,
    secondary: SavedMethod | None,
    origin: str,
    accepted_terms: Sequence[int],
    by: User,
    source: RequestSource,
    now: datetime,
    includes_older: bool = False,
) -> list[AutoPayMapping]:
    """Create a mapping for each of the terms (None: for all of them), in place of the active one for the same.

    Invoices of before today are charged only with `includes_older`, or if the one before charged them. Payers choose
    all terms only, and leave the merchant's mappings alone. Raises MappingRefused.
    """
    with transaction():
        PayerCompany.objects.select_for_update().get(pk=company.pk)
        check_methods(company, primary, secondary)
        check_usable_by(by, primary, secondary)
        if origin == Origin.PAYER and list(terms) != [None]:
            raise MappingRefused("Choose all automatic payment terms.")
        consent = check_mapping_consent(company, [primary, secondary], accepted=accepted_terms, now=now)
        beginnings = {term: None if includes_older else get_beginning(company, term, now=now) for term in terms}
        for term in terms:
            end_active_mapping(company, term, origin=origin, by=by, now=now)
        acceptance = record_mapping_consent(consent, company, by=by, source=source, now=now)
        created = [
            AutoPayMapping.objects.create(
                **build_mapping_fields(company, primary, secondary, acceptance, now=now),
                term=term,
                origin=origin,
                created_by=by,
                begins_on=beginnings[term],
            )
            for term in terms
        ]
        if created:
            enqueue_mapping_news(created[0], news="active", but=by.pk, others=created[1:])
        schedule_planning(company.merchant, now=now)
    return created


def check_mapping_consent(
    company: PayerCompany,
    methods: Sequence[SavedMethod | None],
    *,
    accepted: Sequence[int],
    proposal: AutoPayMapping | None = None,
    now: datetime,
) -> Consent:
    """Check that the terms of charging these methods automatically were accepted. Raises MappingRefused.

    A page that offers bank accounts shows the debit terms as well; ticked without need they are no harm.
    """
    chosen = [method for method in methods if method is not None]
    order = build_mapping_order(company, chosen)
    if order.method == CARD:
        debit = {terms.pk for terms in list_current_terms(company.merchant, [Terms.Kind.DIRECT_DEBIT.value])}
        accepted = [one for one in accepted if one not in debit]
    try:
        return check_consent(order, accepted=accepted, statements=list_mapping_statements(company, proposal), now=now)
    except TermsNotAccepted as error:
        raise MappingRefused(str(error)) from error


@transaction_required
def record_mapping_consent(
    consent: Consent, company: PayerCompany, *, by: User, source: RequestSource, now: datetime
) -> TermsAcceptance:
    """Record what was accepted, and enqueue the copy of a debit's; answers the acceptance that mappings rest on."""
    person = Person(by.name, by.email, "", ip=source.ip, user_agent=source.user_agent, user=by)
    accepted = record_consent(consent, person, company=company, operation=new_reference(), now=now)
    acceptance = accepted[Terms.Kind.AUTOMATIC_PAYMENTS]
    if Terms.Kind.DIRECT_DEBIT in accepted:
        enqueue_authorisation_email(acceptance.operation)
    return acceptance


def build_mapping_order(company: PayerCompany, methods: Sequence[SavedMethod]) -> Order:
    """What is agreed to with a mapping that charges these methods, the primary one first."""
    by_debit = any(not method.is_card for method in methods)
    acts = [Act.MAP, Act.SCHEDULE]
    return Order(company.merchant, BANK_DEBIT if by_debit else CARD, acts, saved_method=next(iter(methods), None))


def list_mapping_statements(company: PayerCompany, proposal: AutoPayMapping | None = None) -> list[str]:
    """What a mapping means, in sentences: they stand above its button, and are kept with the acceptance.

    One that was proposed names its methods and its billing term.
    """
    days = AutoPaySettings.get_or_default(company.merchant).notice_days
    words = {"merchant": company.merchant.name, "company": company.name, "days": days}
    notice = ngettext(
        "You are told the amount, the day and the method by e-mail at least %(days)d day before each payment.",
        "You are told the amount, the day and the method by e-mail at least %(days)d days before each payment.",
        days,
    )
    if not days:
        notice = _("You are told the amount, the day and the method by e-mail before each payment.")
    what = _(
        "You authorise %(merchant)s to charge invoices of %(company)s to the method that you choose, each when "
        "its billing term says so. The amounts are those of the invoices."
    )
    return [
        *([what % words] if proposal is None else list_proposed_charges(proposal)),
        notice % words,
        _("It goes on until you or they end it.")
        if proposal is None
        else _("It goes on until they end it, or you ask them to."),
    ]


def list_proposed_charges(proposal: AutoPayMapping) -> list[str]:
    """Which invoices would be charged to which methods, in sentences."""
    words = {
        "merchant": proposal.merchant.name,
        "company": proposal.company.name,
        "term": proposal.term,
        "primary": proposal.primary_method,
        "secondary": proposal.secondary_method,
    }
    what = _(
        "You authorise %(merchant)s to charge invoices of %(company)s to %(primary)s, each when its billing term says "
        "so. The amounts are those of the invoices."
    )
    if proposal.term is not None:
        what = _(
            "You authorise %(merchant)s to charge the invoices of %(company)s under %(term)s to %(primary)s, each when "
            "that billing term says so. The amounts are those of the invoices."
        )
    instead = [_("When it can't pay, %(secondary)s is charged.") % words] if proposal.secondary_method else []
    return [what % words, *instead]


def build_mapping_consent(company: PayerCompany, methods: Sequence[SavedMethod]) -> dict[str, Any]:
    """The same as the page of a new mapping shows it, with the texts that apply to any of the methods that it offers.

    `debits` are the ids of bank accounts, for the script that shows only what applies to the method that is chosen.
    """
    cards, debits = [m for m in methods if m.is_card], [m for m in methods if not m.is_card]
    offered = {CARD: cards, BANK_DEBIT: debits}
    orders = {name: build_mapping_order(company, found) for name, found in offered.items() if found}
    texts = [replace(one, is_shown=True) for one in build_consent_texts(company.merchant, orders)]
    return {
        "statements": [OnlyStatement(list_mapping_statements(company))],
        "texts": texts,
        "debits": " ".join(str(method.pk) for method in debits),
    }


def check_methods(company: PayerCompany, primary: SavedMethod, secondary: SavedMethod | None) -> None:
    """Raise MappingRefused when these methods can't be charged for the company."""
    for method in filter(None, [primary, secondary]):
        if method.company_id != company.pk or method.state != "active":
            raise MappingRefused(f"{method} can't be used any more. Choose another one.")
    if secondary is not None and secondary.pk == primary.pk:
        raise MappingRefused("The secondary method has to be another one than the primary.")


def check_usable_by(person: User, primary: SavedMethod, secondary: SavedMethod | None) -> None:
    """Raise MappingRefused when a method is neither the person's own nor shared with the company."""
    for method in filter(None, [primary, secondary]):
        if not method.is_shared and method.owner_id != person.pk:
            raise MappingRefused(f"{method} is somebody's own. Choose another one.")


def check_owned(mapping: AutoPayMapping) -> None:
    """Raise MappingRefused while nobody proved that the address with which the method was saved is theirs."""
    method = mapping.primary_method
    if method.owner_id is None and method.registration_id is not None:
        raise MappingRefused(
            f"Whoever saved {method} has not confirmed their e-mail address yet. Nothing is charged automatically "
            "until they do."
        )


def find_active_mapping(company: PayerCompany, term: BillingTerm | None) -> AutoPayMapping | None:
    """The active mapping for the term, or for all (None); those of what was agreed with a quote stand beside it."""
    return AutoPayMapping.objects.filter(company=company, term=term, state="active", agreed_amount=None).first()


@transaction_required
def end_active_mapping(
    company: PayerCompany, term: BillingTerm | None, *, origin: str, by: User | None, now: datetime
) -> None:
    """End the active mapping for the same terms, if it may be ended. Raises MappingRefused."""
    active = find_active_mapping(company, term)
    if active is None:
        return
    if origin == Origin.PAYER and active.origin != Origin.PAYER:
        raise MappingRefused(f"{company.merchant} has set up automatic payments for you already.")
    active.move_to("ended", now=now, by=by.email if by else "quote", reason="another one took its place")


def get_beginning(company: PayerCompany, term: BillingTerm | None, *, now: datetime) -> date | None:
    """From which day on invoices are charged by a new mapping: as by the active one for the same, else from today."""
    active = find_active_mapping(company, term)
    return active.begins_on if active is not None else get_local_date(now, company.merchant.zone)


def build_mapping_fields(
    company: PayerCompany,
    primary: SavedMethod,
    secondary: SavedMethod | None,
    acceptance: TermsAcceptance | None,
    *,
    now: datetime,
) -> dict[str, object]:
    """The columns that every new mapping has."""
    return {
        "state": "active",
        "state_at": now,
        "created_at": now,
        "merchant": company.merchant,
        "company": company,
        "primary_method": primary,
        "secondary_method": secondary,
        "acceptance": acceptance,
    }


def end_mapping(mapping: AutoPayMapping, *, by: User, as_payer: bool, now: datetime) -> None:
    """End a mapping; what it scheduled is cancelled. Raises MappingRefused.

    Payers end what they created, and what they agreed to with a quote, as its page said.
    """
    if as_payer and mapping.origin != Origin.PAYER and mapping.agreed is None:
        raise MappingRefused(f"{mapping.merchant} set this up. Please contact them to change it.")
    with transaction():
        if mapping.move_to("ended", now=now, by=by.email, reason="ended by hand"):
            enqueue_mapping_news(mapping, news="ended", but=by.pk)
        schedule_planning(mapping.merchant, now=now)


def create_mapping_from_payment(payment: Payment, *, now: datetime) -> AutoPayMapping | None:
    """Propose, or by the merchant's setting create, the mapping of a quote that recurs with the method saved for it.

    It charges no more than what the payer agreed to: as much, as often and as many times as the quote says.
    Once per quote. None where nothing recurs, no method was saved, or the merchant wants no mappings from quotes.
    """
    method = payment.saved_method
    chosen = AutoPaySettings.get_or_default(payment.merchant)
    if not payment.needs_account or method is None or chosen.from_quotes == AutoPaySettings.FromQuotes.NEVER:
        return None
    with transaction():
        PayerCompany.objects.select_for_update().get(pk=payment.company_id)
        if AutoPayMapping.objects.filter(quote_payment=payment).exists():
            return None
        has_one = find_active_mapping(payment.company, None) is not None
        acceptance, today = find_acceptance(payment), get_local_date(now, payment.merchant.zone)
        is_proved = method.owner_id is not None or method.registration_id is None
        makes = chosen.from_quotes == AutoPaySettings.FromQuotes.MAKE and not has_one
        is_active = makes and is_proved and acceptance is not None and not has_open_mismatch(payment.company)
        fresh = build_mapping_fields(payment.company, method, None, acceptance, now=now)
        mapping = AutoPayMapping.objects.create(
            **fresh | {"state": "active" if is_active else "proposed", "merchant": payment.merchant},
            **build_agreed_fields(acceptance),
            origin=Origin.QUOTE,
            quote_payment=payment,
            created_by=method.owner,
            begins_on=max(today, (acceptance and acceptance.starts_on) or today),
        )
        if is_active:
            enqueue_mapping_news(mapping, news="active", but=None)
            schedule_planning(payment.merchant, now=now)
        elif chosen.is_enabled:
            notify_proposed(mapping, now=now)
    return mapping


def find_acceptance(payment: Payment) -> TermsAcceptance | None:
    """The acceptance of the Automatic Payments terms for this quote's recurring part, from the try that succeeded.

    None where it does not say what recurs.
    """
    operations = [
        *Attempt.objects.filter(payment=payment, state="succeeded").values_list("reference", flat=True),
        *Setup.objects.filter(payment=payment, state="succeeded").values_list("reference", flat=True),
    ]
    found = list_accepted_terms(operations, Terms.Kind.AUTOMATIC_PAYMENTS)
    return next((one for one in found if one.recurring is not None), None)


def build_agreed_fields(acceptance: TermsAcceptance | None) -> dict[str, object]:
    """The columns that keep a mapping within what was shown with this acceptance."""
    if acceptance is None:
        return {}
    return {
        "agreed_amount": acceptance.recurring_amount,
        "agreed_currency": acceptance.currency,
        "agreed_interval": acceptance.interval,
        "agreed_periods": acceptance.periods,
    }


def follow_confirmation(registration: Registration, *, now: datetime) -> None:
    """Do with what quotes proposed what the merchant's setting says, now that its method has an owner.

    The same again changes nothing.
    """
    rows = AutoPayMapping.objects.filter(primary_method__registration=registration, state="proposed")
    rows = rows.select_related("merchant", "company", "primary_method").filter(origin=Origin.QUOTE)
    for mapping in rows.order_by("pk"):
        makes = AutoPaySettings.get_or_default(mapping.merchant).from_quotes == AutoPaySettings.FromQuotes.MAKE
        owner = mapping.primary_method.owner
        AutoPayMapping.objects.filter(pk=mapping.pk, created_by=None).update(created_by=owner)
        asks = find_active_mapping(mapping.company, None) is not None or has_open_mismatch(mapping.company)
        if makes and owner is not None and mapping.acceptance_id is not None and not asks:
            with suppress(MappingRefused):
                accept_proposal(mapping, by=owner, now=now)


def accept_proposal(mapping: AutoPayMapping, *, by: User, now: datetime, includes_older: bool = False) -> None:
    """Activate a quote's proposal for what its payer agreed to, beside the company's other mappings.

    Invoices since the quote, but of before today, are charged only with `includes_older`; none of before the day that
    the quote named for its start. Raises MappingRefused.
    """
    with transaction():
        PayerCompany.objects.select_for_update().get(pk=mapping.company_id)
        current = mapping.lock()
        if current.state != "proposed":
            raise MappingRefused("Somebody decided about it already.")
        if current.agreed is None:
            raise MappingRefused(
                f"Nobody of {mapping.company} has accepted automatic payments for this quote. Ask them to switch on "
                "Auto-Pay in their Wise-Pay account."
            )
        check_methods(mapping.company, mapping.primary_method, mapping.secondary_method)
        check_owned(mapping)
        today = get_local_date(now, mapping.merchant.zone)
        begins_on = current.begins_on if includes_older else max(today, current.begins_on or today)
        current.move_locked_to("active", now=now, by=by.email, reason="accepted", begins_on=begins_on)
        enqueue_mapping_news(mapping, news="active", but=by.pk)
        schedule_planning(mapping.merchant, now=now)


def dismiss_proposal(mapping: AutoPayMapping, *, by: User, now: datetime) -> None:
    """End a proposal. Raises MappingRefused when it was decided already."""
    with transaction():
        current = mapping.lock()
        if current.state != "proposed":
            raise MappingRefused("Somebody decided about it already.")
        current.move_locked_to("ended", now=now, by=by.email, reason="dismissed")


def list_proposals(merchant: Merchant) -> list[AutoPayMapping]:
    """The proposals that wait for the merchant, the oldest first."""
    rows = AutoPayMapping.objects.filter(merchant=merchant, state="proposed", asks_payer=False)
    related = ("company", "primary_method", "quote_payment", "acceptance__terms")
    return list(rows.select_related(*related).order_by("pk"))
