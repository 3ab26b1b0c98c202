"""What people decide about PSA's agreements: whose they are, what the terms mean, and whether the payer is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.invitations import create_invitations
from accounting.autopay.mappings import MappingRefused
from accounting.autopay.settings import schedule_planning
from accounting.models import AutoPayMapping, BillingTerm
from merchants.models import Merchant
from payers.models import PayerCompany, fold_name
from payments.models import SavedMethod
from psa.agreements.models import PsaAgreement, PsaBillingTerm, PsaCompanyLink
from psa.joins import JOINED
from psa.models import PsaConnection, PsaInvoice
from quotes.models import Quote
from wisepay.models import User
from wisepay.states import IllegalTransition

DECIDED = "Somebody decided about it already. Look at it again."
ENDED = "The agreement has ended in ConnectWise PSA, so nobody is asked."
OTHER_PSA = "The agreement is of another ConnectWise PSA than the connected one."
NO_TERM = "The agreement has no billing term in ConnectWise PSA, so it can't be said when its invoices are charged."
NOT_AS_SHOWN = (
    "Its company or billing term is another one by now than on the page that you saw. Look at it, then ask the payer."
)
UNKNOWN_TERM = "Say first what the billing term “{name}” of ConnectWise PSA means here."
NOT_CHARGED = "You said that invoices under “{name}” are not charged automatically."


class AgreementRefused(Exception):
    """The decision can't be carried out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class CompanyProposal:
    """Which payer company PSA's company may be. `is_confirmed`: a person said so; else `reason` says why it may."""

    company: PayerCompany | None
    reason: str
    is_confirmed: bool = False


def list_agreements(connection: PsaConnection, *, standing: str = "open") -> QuerySet[PsaAgreement]:
    """The agreements of the connection's PSA: nobody decided yet, asked, dismissed, or ended at PSA."""
    own = PsaAgreement.objects.filter(merchant=connection.merchant_id, organisation_id=connection.organisation_id)
    over = Q(is_gone=True) | Q(is_active=False)
    rows = own.filter(over) if standing == "ended" else own.filter(state=standing)
    rows = rows.exclude(over) if standing == "open" else rows
    return rows.select_related("mapping__term", "mapping__company").order_by("psa_company", "name", "pk")


def list_terms(connection: PsaConnection) -> QuerySet[PsaBillingTerm]:
    """The billing terms of the connection's PSA."""
    rows = PsaBillingTerm.objects.filter(merchant=connection.merchant_id, organisation_id=connection.organisation_id)
    return rows.filter(Q(is_gone=False) | Q(decided_at__isnull=False)).select_related("billing_term").order_by("name")


def propose_terms(rows: Sequence[PsaBillingTerm], ours: Sequence[BillingTerm]) -> dict[int, BillingTerm]:
    """For each undecided term of PSA the one billing term of the same name, by the row's key.

    It is shown to a person and counts for nothing before they save it.
    """
    by_name: dict[str, list[BillingTerm]] = {}
    for term in ours:
        by_name.setdefault(fold_name(term.name), []).append(term)
    named = {row.pk: by_name.get(fold_name(row.name), []) for row in rows if row.decided_at is None}
    return {pk: found[0] for pk, found in named.items() if len(found) == 1}


def save_term_table(
    connection: PsaConnection,
    chosen: Mapping[PsaBillingTerm, BillingTerm | None],
    *,
    undecided: Sequence[PsaBillingTerm] = (),
    by: User,
    now: datetime,
) -> int:
    """Save what PSA's billing terms mean here, None for no automatic payments; answer how many changed.

    Those of `undecided` mean nothing any more, and the books' own terms count again.
    """
    with transaction():
        rows = PsaBillingTerm.objects.filter(pk__in=[row.pk for row in undecided], merchant=connection.merchant_id)
        count = rows.exclude(decided_at=None).update(billing_term=None, decided_by=None, decided_at=None)
        for row, term in chosen.items():
            same = Q(pk=row.pk, decided_at__isnull=False, billing_term=term)
            rows = PsaBillingTerm.objects.filter(pk=row.pk, merchant=connection.merchant_id).exclude(same)
            count += rows.update(billing_term=term, decided_by=by, decided_at=now)
        PsaConnection.objects.filter(pk=connection.pk).update(
            uses_terms=list_terms(connection).exclude(decided_at=None).exists()
        )
        schedule_planning(connection.merchant, now=now)
    return count


def propose_company(agreement: PsaAgreement) -> CompanyProposal:
    """Which payer company the agreement's company is: as a person said, by the quote it came of, or by name only."""
    link = find_link(agreement)
    if link is not None:
        return CompanyProposal(link.company, "", is_confirmed=True)
    sold = find_sold_company(agreement)
    if sold is not None:
        return CompanyProposal(sold, "Its quote was paid by this company.")
    billed = find_billed_company(agreement)
    if billed is not None:
        return CompanyProposal(billed, "Its invoices are this company's in the books.")
    named = PayerCompany.objects.filter(
        merchant=agreement.merchant_id, folded_name=fold_name(agreement.psa_company)
    ).first()
    return CompanyProposal(named, "It has the same name.") if named else CompanyProposal(None, "")


def find_link(agreement: PsaAgreement) -> PsaCompanyLink | None:
    """Which company a person said that the agreement's is."""
    rows = PsaCompanyLink.objects.filter(
        merchant=agreement.merchant_id,
        organisation_id=agreement.organisation_id,
        psa_company_id=agreement.psa_company_id,
    )
    return rows.select_related("company__merchant").first()


def find_sold_company(agreement: PsaAgreement) -> PayerCompany | None:
    """The one company whose quotes name the agreement's opportunity."""
    if not agreement.opportunity_id:
        return None
    quotes = Quote.objects.filter(merchant=agreement.merchant_id, opportunity_id=str(agreement.opportunity_id))
    companies = list(PayerCompany.objects.filter(payments__quote__in=quotes).distinct()[:2])
    return companies[0] if len(companies) == 1 else None


def find_billed_company(agreement: PsaAgreement) -> PayerCompany | None:
    """The one company whose invoices in the books are joined to those of the agreement's company."""
    if not agreement.psa_company_id:
        return None
    invoices = PsaInvoice.objects.filter(
        connection__merchant=agreement.merchant_id, company_id=agreement.psa_company_id, match__in=JOINED
    )
    companies = list(PayerCompany.objects.filter(ledgerinvoices__psa_invoices__in=invoices).distinct()[:2])
    return companies[0] if len(companies) == 1 else None


def link_company(agreement: PsaAgreement, company: PayerCompany, *, by: User, now: datetime) -> None:
    """Say which payer company the agreement's company is. Raises AgreementRefused where PSA names none."""
    if not agreement.psa_company_id:
        raise AgreementRefused("The agreement names no company in ConnectWise PSA.")
    with transaction():
        PsaCompanyLink.objects.update_or_create(
            merchant=agreement.merchant,
            organisation_id=agreement.organisation_id,
            psa_company_id=agreement.psa_company_id,
            defaults={"company": company, "name": agreement.psa_company, "decided_by": by, "decided_at": now},
        )


def get_term(agreement: PsaAgreement) -> BillingTerm:
    """What the agreement's billing term means here, as a person said. Raises AgreementRefused with what to do."""
    if not agreement.term_id:
        raise AgreementRefused(NO_TERM)
    rows = PsaBillingTerm.objects.filter(merchant=agreement.merchant_id, organisation_id=agreement.organisation_id)
    row = rows.filter(term_id=agreement.term_id).select_related("billing_term").first()
    if row is None or row.decided_at is None:
        raise AgreementRefused(UNKNOWN_TERM.format(name=agreement.term_name))
    if row.billing_term is None:
        raise AgreementRefused(NOT_CHARGED.format(name=agreement.term_name))
    if not row.billing_term.is_active:
        raise AgreementRefused(UNKNOWN_TERM.format(name=agreement.term_name))
    return row.billing_term


def ask_payer(
    agreement: PsaAgreement,
    *,
    primary: SavedMethod | None,
    secondary: SavedMethod | None,
    shown: str,
    by: User,
    now: datetime,
) -> bool:
    """Propose the mapping of an agreement to its payer, who is mailed; answer False where one covers it already.

    `shown` is what `describe_question` answered for the page. Nothing is charged before the payer accepts.
    Raises AgreementRefused.
    """
    try:
        with transaction():
            current = lock_undecided(agreement)
            term, company = get_term(current), get_company(current)
            if shown != describe_question(company, term):
                raise AgreementRefused(NOT_AS_SHOWN)
            PayerCompany.objects.select_for_update().get(pk=company.pk)
            mapping = find_covering_mapping(company, term)
            is_new = mapping is None
            if mapping is None:
                mapping = invite(company, term, primary=primary, secondary=secondary, by=by, now=now)
            reason = f"proposed as {mapping}" if is_new else f"{mapping} covers it"
            current.move_locked_to("asked", now=now, by=by.email, reason=reason, mapping=mapping, decided_by=by)
    except MappingRefused as error:
        raise AgreementRefused(str(error)) from error
    agreement.refresh_from_db()
    return is_new


def describe_question(company: PayerCompany | None, term: BillingTerm | None) -> str:
    """Whom a page would ask, and about which billing term; empty while one of them is not known."""
    return f"{company.reference}/{term.reference}" if company and term else ""


@transaction_required
def invite(
    company: PayerCompany,
    term: BillingTerm,
    *,
    primary: SavedMethod | None,
    secondary: SavedMethod | None,
    by: User,
    now: datetime,
) -> AutoPayMapping:
    """Propose a mapping for the term to the company's people. Raises AgreementRefused, MappingRefused."""
    if primary is None:
        raise AgreementRefused("Choose the payment method that is proposed.")
    return create_invitations(company, terms=[term], primary=primary, secondary=secondary, by=by, now=now)[0]


@transaction_required
def lock_undecided(agreement: PsaAgreement) -> PsaAgreement:
    """Lock an agreement that goes on and that nobody decided about. Raises AgreementRefused for any other."""
    current = agreement.lock()
    if current.state != "open":
        raise AgreementRefused(DECIDED)
    if current.is_ended:
        raise AgreementRefused(ENDED)
    connection = PsaConnection.objects.filter(merchant=current.merchant_id).first()
    if connection is None or connection.organisation_id != current.organisation_id:
        raise AgreementRefused(OTHER_PSA)
    return current


def get_company(agreement: PsaAgreement) -> PayerCompany:
    """The company that a person said the agreement's is. Raises AgreementRefused before that."""
    link = find_link(agreement)
    if link is None:
        raise AgreementRefused("Say first which payer company it is.")
    return link.company


def find_covering_mapping(company: PayerCompany, term: BillingTerm) -> AutoPayMapping | None:
    """A mapping that charges the company's invoices under the term, or that its people are asked about."""
    rows = AutoPayMapping.objects.filter(Q(term=term) | Q(term=None), company=company, agreed_amount=None)
    live = Q(state="active") | Q(state="proposed", asks_payer=True)
    return rows.filter(live, quote_payment=None).order_by("state", "term", "pk").first()


def dismiss_agreement(agreement: PsaAgreement, *, by: User, now: datetime) -> None:
    """Leave the agreement without automatic payments. Raises AgreementRefused."""
    move_agreement(agreement, "dismissed", by=by, now=now, reason="dismissed")


def reopen_agreement(agreement: PsaAgreement, *, by: User, now: datetime) -> None:
    """Let the agreement be decided anew: it was dismissed, or its mapping is over. Raises AgreementRefused."""
    if agreement.answer not in ("", "ended"):
        raise AgreementRefused("Its mapping goes on, or the payer is still asked. End that first.")
    move_agreement(agreement, "open", by=by, now=now, reason="decided anew")


def move_agreement(agreement: PsaAgreement, state: str, *, by: User, now: datetime, reason: str) -> None:
    """Move an agreement that has no mapping afterwards. Raises AgreementRefused when somebody was quicker."""
    try:
        with transaction():
            agreement.move_to(state, now=now, by=by.email, reason=reason, mapping=None, decided_by=by)
    except IllegalTransition as error:
        raise AgreementRefused(DECIDED) from error


def list_merchant_terms(merchant: Merchant) -> list[BillingTerm]:
    """The billing terms that PSA's can mean."""
    return list(BillingTerm.objects.filter(merchant=merchant, is_active=True).order_by("name"))
