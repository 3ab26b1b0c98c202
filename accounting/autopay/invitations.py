"""Mappings that the merchant's people propose: nothing is charged before somebody of the company accepts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.mapping_emails import enqueue_mapping_news
from accounting.autopay.mappings import (
    MappingRefused,
    build_mapping_fields,
    build_mapping_order,
    check_mapping_consent,
    check_methods,
    end_active_mapping,
    get_beginning,
    list_mapping_statements,
    record_mapping_consent,
)
from accounting.autopay.settings import schedule_planning
from accounting.models import AutoPayMapping, BillingTerm
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.company_emails import list_company_people
from payers.models import PayerAccess, PayerCompany
from payers.terms import RequestSource
from payments.consent import build_consent_context
from payments.models import SavedMethod
from payments.saved_methods.choices import can_use_method
from wisepay.models import User

Origin = AutoPayMapping.Origin


def list_shared_methods(company: PayerCompany) -> list[SavedMethod]:
    """The methods that the merchant's people may propose: those that the company shares, nobody's own."""
    return list(SavedMethod.objects.filter(company=company, state="active", is_shared=True).order_by("pk"))


def propose_mappings(
    company: PayerCompany,
    *,
    terms: Sequence[BillingTerm | None],
    primary: SavedMethod,
    secondary: SavedMethod | None,
    by: User,
    now: datetime,
) -> list[AutoPayMapping]:
    """Propose a mapping for each of the terms (None: for all of them) to the company's people, who are mailed.

    In place of an earlier proposal for the same. Raises MappingRefused.
    """
    with transaction():
        return create_invitations(company, terms=terms, primary=primary, secondary=secondary, by=by, now=now)


@transaction_required
def create_invitations(
    company: PayerCompany,
    *,
    terms: Sequence[BillingTerm | None],
    primary: SavedMethod,
    secondary: SavedMethod | None,
    by: User,
    now: datetime,
) -> list[AutoPayMapping]:
    """The same as a step of somebody else's decision, which commits with it. Raises MappingRefused."""
    PayerCompany.objects.select_for_update().get(pk=company.pk)
    check_methods(company, primary, secondary)
    if not all(method.is_shared for method in filter(None, [primary, secondary])):
        raise MappingRefused(_("Only a method that is shared with the company can be proposed."))
    if not list_company_people(company.pk):
        raise MappingRefused(
            _("Nobody who sees all of %(company)s could accept it. Add a payer first.") % {"company": company}
        )
    created = []
    for term in terms:
        drop_earlier_invitation(company, term, by=by, now=now)
        fields = build_mapping_fields(company, primary, secondary, None, now=now)
        created.append(
            AutoPayMapping.objects.create(
                **fields | {"state": "proposed"}, term=term, origin=Origin.MERCHANT, created_by=by, asks_payer=True
            )
        )
    if created:
        enqueue_mapping_news(created[0], news="proposed", but=None, others=created[1:])
    return created


@transaction_required
def drop_earlier_invitation(company: PayerCompany, term: BillingTerm | None, *, by: User, now: datetime) -> None:
    """End what was proposed before for the same terms."""
    rows = AutoPayMapping.objects.filter(company=company, term=term, state="proposed", asks_payer=True)
    for earlier in rows.order_by("pk"):
        earlier.move_to("ended", now=now, by=by.email, reason="another proposal took its place")


def list_invitations(company: PayerCompany) -> list[AutoPayMapping]:
    """The proposals that wait for somebody of the company, the oldest first."""
    rows = AutoPayMapping.objects.filter(company=company, state="proposed", asks_payer=True)
    related = ("term", "merchant", "company__merchant", "primary_method", "secondary_method")
    return list(rows.select_related(*related).order_by("pk"))


def list_methods(mapping: AutoPayMapping) -> list[SavedMethod]:
    """The methods of a mapping, the primary one first."""
    return [method for method in (mapping.primary_method, mapping.secondary_method) if method is not None]


def build_invitation_consent(mapping: AutoPayMapping, *, now: datetime) -> dict[str, Any]:
    """What accepting a proposal means, and the texts that are accepted with it."""
    order = build_mapping_order(mapping.company, list_methods(mapping))
    return build_consent_context(order, statements=list_mapping_statements(mapping.company, mapping), now=now)


def accept_invitation(
    mapping: AutoPayMapping,
    *,
    accepted_terms: Sequence[int],
    access: PayerAccess,
    source: RequestSource,
    now: datetime,
    includes_older: bool = False,
) -> None:
    """Activate a proposal in the name of the person of this access, in place of the active mapping for the same.

    Invoices of before today are charged only with `includes_older`, or if the mapping before charged them.
    Raises MappingRefused.
    """
    person, company = access.user, access.company
    with transaction():
        PayerCompany.objects.select_for_update().get(pk=company.pk)
        current = lock_invitation(mapping)
        methods = list_methods(mapping)
        check_methods(company, mapping.primary_method, mapping.secondary_method)
        for method in methods:
            if not can_use_method(access, method):
                raise MappingRefused(_("%(method)s is not shared with the company any more.") % {"method": method})
        consent = check_mapping_consent(company, methods, accepted=accepted_terms, proposal=mapping, now=now)
        begins_on = None if includes_older else get_beginning(company, mapping.term, now=now)
        end_active_mapping(company, mapping.term, origin=Origin.MERCHANT, by=person, now=now)
        acceptance = record_mapping_consent(consent, company, by=person, source=source, now=now)
        columns = {"acceptance": acceptance, "asks_payer": False, "begins_on": begins_on}
        current.move_locked_to("active", now=now, by=person.email, reason="accepted", **columns)
        schedule_planning(company.merchant, now=now)
        enqueue_mapping_news(mapping, news="active", but=person.pk)
        notify_answer(mapping, f"{person} accepted automatic payments", now=now)


def decline_invitation(mapping: AutoPayMapping, *, by: User, now: datetime) -> None:
    """End a proposal. Raises MappingRefused when it was decided already."""
    with transaction():
        lock_invitation(mapping).move_locked_to("ended", now=now, by=by.email, reason="declined")
        notify_answer(mapping, f"{by} declined automatic payments", now=now)


@transaction_required
def lock_invitation(mapping: AutoPayMapping) -> AutoPayMapping:
    """Lock a proposal that waits for the payer. Raises MappingRefused for any other."""
    current = mapping.lock()
    if current.state != "proposed" or not current.asks_payer:
        raise MappingRefused(_("Somebody decided about it already."))
    return current


@transaction_required
def notify_answer(mapping: AutoPayMapping, title: str, *, now: datetime) -> None:
    """Tell the merchant how the company answered."""
    notify_merchant(
        mapping.merchant,
        event=EventNotification.Event.AUTOPAY_PROPOSED,
        key=f"autopay-answer:{mapping.pk}",
        title=title,
        body=f"{mapping}, with {mapping.primary_method}.",
        path=reverse("autopay:company", args=[mapping.merchant.reference, mapping.company.reference]),
        now=now,
    )
