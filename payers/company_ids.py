"""Which company the ids of other systems mean: by id before name, and a contradiction is shown, never merged."""

from collections.abc import Sequence
from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from merchants.models import Merchant
from payers.models import CompanyId, CompanyMismatch, PayerCompany, fold_name
from wisepay.models import User

# A company is one record there, so another id is another company. CPQ has a customer of its own for every quote.
SINGLE = (CompanyId.System.PSA.value, CompanyId.System.ACCOUNT.value)
Ids = Sequence[tuple[str, str]]


def list_meaningful(ids: Ids) -> list[tuple[str, str]]:
    """Those that can name a record: programs send 0 and -1 where there is none."""
    return [(system, value) for system, value in ids if value.strip("0-. ") and not value.startswith("-")]


@transaction_required
def find_company(merchant: Merchant, *, name: str, ids: Ids, subject: str) -> PayerCompany | None:
    """The company that these ids mean, else the one of this name; None where it is a new one.

    Notes a mismatch where ids and name say different things. One that has the name and is another record has none of
    these ids: then a company with the id in its name is created.
    """
    named = merchant.payer_companies.filter(folded_name=fold_name(name)).first()
    ids = list_meaningful(ids)
    if not ids:
        return named
    known = list_known(merchant, ids)
    for found in known:
        if find_contradiction(found.company, ids, before=found.system) is None:
            note_mismatches(found, known, named=named, name=name, subject=subject)
            return found.company
    if named is None or (own := find_contradiction(named, ids)) is None:
        return named
    system, value = own
    label = CompanyId(system=system, value=value)
    full = f"{' '.join(name.split())[:120]} ({label})"
    company = merchant.payer_companies.get_or_create(folded_name=fold_name(full), defaults={"name": full})[0]
    note_mismatch(company, other=named, system=system, value=value, name=name, subject=subject)
    return company


def list_known(merchant: Merchant, ids: Ids) -> list[CompanyId]:
    """The rows of these ids, the surest first."""
    rows = CompanyId.objects.filter(merchant=merchant, value__in=[value for _, value in ids])
    by_id = {(row.system, row.value): row for row in rows.select_related("company")}
    return [by_id[one] for one in ids if one in by_id]


def find_contradiction(company: PayerCompany, ids: Ids, *, before: str = "") -> tuple[str, str] | None:
    """The first of these ids that is another record than the company is; only those that are surer than `before`."""
    own = dict(company.ids.filter(system__in=SINGLE).values_list("system", "value"))
    for system, value in ids:
        if system == before:
            return None
        if own.get(system, value) != value:
            return system, value
    return None


@transaction_required
def note_mismatches(
    found: CompanyId, known: Sequence[CompanyId], *, named: PayerCompany | None, name: str, subject: str
) -> None:
    """Note that the name, or another id, belongs to another company than the one that was found."""
    company = found.company
    if fold_name(name) != company.folded_name:
        note_mismatch(company, other=named, system=found.system, value=found.value, name=name, subject=subject)
    for row in known:
        if row.company_id != found.company_id:
            note_mismatch(company, other=row.company, system=row.system, value=row.value, name=name, subject=subject)


@transaction_required
def note_mismatch(
    company: PayerCompany, *, other: PayerCompany | None, system: str, value: str, name: str, subject: str
) -> None:
    """Ask a person who is who; the same again asks nothing anew."""
    pair = {"merchant": company.merchant, "company": company, "system": system, "value": value, "name": name[:200]}
    CompanyMismatch.objects.get_or_create(**pair, defaults={"other": other, "subject": subject[:60]})


@transaction_required
def add_ids(company: PayerCompany, ids: Ids) -> None:
    """Remember the ids of a company; one that is another company's, or a second one of its kind, is not."""
    own = set(company.ids.filter(system__in=SINGLE).values_list("system", flat=True))
    rows = [
        CompanyId(merchant=company.merchant, company=company, system=system, value=value)
        for system, value in list_meaningful(ids)
        if system not in own
    ]
    CompanyId.objects.bulk_create(rows, ignore_conflicts=True)


def list_open_mismatches(merchant: Merchant) -> list[CompanyMismatch]:
    """What a person has to say yet, the newest first."""
    rows = CompanyMismatch.objects.filter(merchant=merchant, settled_at=None).select_related("company", "other")
    return list(rows.order_by("-pk")[:50])


def settle_mismatch(mismatch: CompanyMismatch, *, moves: bool, by: User, now: datetime) -> bool:
    """Settle who is who: the id stays, or (`moves`) goes to the other company, or without one to nobody.

    What was paid stays where it is. False where it was settled already.
    """
    with transaction():
        locked = CompanyMismatch.objects.select_for_update().get(pk=mismatch.pk)
        if locked.settled_at is not None:
            return False
        if moves:
            move_id(locked)
        locked.settled_at, locked.settled_by = now, by
        locked.save(update_fields=["settled_at", "settled_by"])
    return True


@transaction_required
def move_id(mismatch: CompanyMismatch) -> None:
    """Take the id off its company; the other one gets it, unless it is another record there."""
    rows = CompanyId.objects.filter(merchant=mismatch.merchant, system=mismatch.system, value=mismatch.value)
    rows.delete()
    if mismatch.other is not None:
        add_ids(mismatch.other, [(mismatch.system, mismatch.value)])
