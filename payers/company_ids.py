"""Which company the ids of other systems mean: by id before name, and a contradiction is shown, never merged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from merchants.models import Merchant
from payers.models import CompanyId, CompanyMismatch, PayerCompany, fold_name
from wisepay.models import User

# A company is one record there, so another id is another company. CPQ has a customer of its own for every quote.
SINGLE = (CompanyId.System.PSA.value, CompanyId.System.ACCOUNT.value)
# What programs and people write where there is no id; without this, all who have none would be one company.
NOBODY = frozenset({"null", "none", "nil", "nan", "n/a", "na", "undefined", "unknown", "tbd", "tba"})
SHOWN = 50
Ids = Sequence[tuple[str, str]]


class MismatchRefused(Exception):
    """A mismatch can't be settled so; the message says why."""


def list_meaningful(ids: Ids) -> list[tuple[str, str]]:
    """Those that can name a record: programs send 0, -1 and "null" where there is none."""
    return [(system, value) for system, value in ids if is_meaningful(value)]


def is_meaningful(value: str) -> bool:
    """Whether an id can name a record."""
    is_empty = not value.strip("0-. ") or value.startswith("-")
    return not is_empty and value.strip("<>()[]{}\"' .").casefold() not in NOBODY and any(map(str.isalnum, value))


@transaction_required
def find_company(merchant: Merchant, *, name: str, ids: Ids, contact: dict[str, str]) -> PayerCompany | None:
    """The company that these ids mean, else the one of this name; None where it is a new one.

    One that has the name and is another record has none of these ids: then a company with the id in its name, and with
    this `contact`, is created.
    """
    named = merchant.payer_companies.filter(folded_name=fold_name(name)).first()
    ids = list_meaningful(ids)
    for found in list_known(merchant, ids):
        if find_contradiction(found.company, ids, before=found.system) is None:
            return found.company
    if named is None or (own := find_contradiction(named, ids)) is None:
        return named
    system, value = own
    full = f"{' '.join(name.split())[:110]} ({CompanyId(system=system, value=value)})"
    return merchant.payer_companies.get_or_create(folded_name=fold_name(full), defaults={"name": full, **contact})[0]


def list_known(merchant: Merchant, ids: Ids) -> list[CompanyId]:
    """The rows of these ids, the surest first."""
    if not ids:
        return []
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
def note_mismatches(company: PayerCompany, *, name: str, ids: Ids, subject: str) -> bool:
    """Ask a person wherever the name, or one of the ids, is not this company's; the same again asks nothing anew.

    Answers whether nothing is open: until then it may be somebody else's quote.
    """
    known = list_known(company.merchant, list_meaningful(ids))
    own = next((row for row in known if row.company_id == company.pk), None)
    pairs: list[tuple[CompanyId, PayerCompany | None]] = []
    pairs += [(row, row.company) for row in known if row.company_id != company.pk]
    if own is not None and fold_name(name) != company.folded_name:
        named = company.merchant.payer_companies.filter(folded_name=fold_name(name)).first()
        pairs.insert(0, (own, named))
    settled = [note_mismatch(company, row, other=other, name=name, subject=subject) for row, other in pairs]
    return all(settled)


@transaction_required
def note_mismatch(
    company: PayerCompany, row: CompanyId, *, other: PayerCompany | None, name: str, subject: str
) -> bool:
    """Note one mismatch; answers whether a person has settled it already."""
    pair = {"merchant": company.merchant, "company": company, "system": row.system, "value": row.value}
    details = {"other": other, "subject": subject[:60]}
    return CompanyMismatch.objects.get_or_create(**pair, name=name[:200], defaults=details)[0].settled_at is not None


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


@transaction_required
def learn_id(company: PayerCompany, one: tuple[str, str], *, name: str, subject: str) -> None:
    """Remember that a company is this record elsewhere, where it is called `name`; a contradiction is asked."""
    known = list_known(company.merchant, list_meaningful([one]))
    if known and known[0].company_id != company.pk:
        note_mismatch(company, known[0], other=known[0].company, name=name, subject=subject)
    elif find_contradiction(company, list_meaningful([one])):
        row = CompanyId(system=one[0], value=one[1])
        note_mismatch(company, row, other=None, name=name, subject=subject)
    elif not known:
        add_ids(company, [one])


@dataclass(frozen=True, slots=True)
class OpenMismatch:
    """What a person has to say yet, and whose the id is here now."""

    row: CompanyMismatch
    owner: PayerCompany | None

    @property
    def is_by_name(self) -> bool:
        """Whether the id is of the company that was chosen, and only the name is another's."""
        return self.owner == self.row.company


def list_open_mismatches(merchant: Merchant) -> list[OpenMismatch]:
    """What a person has to say yet, the newest first. Two statements."""
    found = CompanyMismatch.objects.filter(merchant=merchant, settled_at=None).select_related("company", "other")
    rows = list(found.order_by("-pk")[:SHOWN])
    known = list_known(merchant, [(row.system, row.value) for row in rows])
    owners = {(one.system, one.value): one.company for one in known}
    return [OpenMismatch(row, owners.get((row.system, row.value))) for row in rows]


def has_open_mismatch(company: PayerCompany) -> bool:
    """Whether a quote of this company may be somebody else's: then its method charges nothing of the company's."""
    return CompanyMismatch.objects.filter(company=company, settled_at=None).exists()


def settle_mismatch(mismatch: CompanyMismatch, *, moves: bool, by: User, now: datetime) -> bool:
    """Settle who is who: the id is the chosen company's, or (`moves`) the other one's, without one nobody's.

    What was paid stays where it is. False where it was settled already. Raises MismatchRefused where the company is
    another record of that system.
    """
    with transaction():
        locked = CompanyMismatch.objects.select_for_update().get(pk=mismatch.pk)
        if locked.settled_at is not None:
            return False
        give_id(locked, locked.other if moves else locked.company)
        locked.settled_at, locked.settled_by = now, by
        locked.save(update_fields=["settled_at", "settled_by"])
    return True


@transaction_required
def give_id(mismatch: CompanyMismatch, company: PayerCompany | None) -> None:
    """Take the id off whoever has it, and give it to a company or to nobody. Raises MismatchRefused."""
    one = (mismatch.system, mismatch.value)
    if company is not None and (own := find_contradiction(company, [one])):
        label = company.ids.get(system=own[0])
        raise MismatchRefused(f"{company} is {label} already, and a company has one. Choose the other answer.")
    rows = CompanyId.objects.filter(merchant=mismatch.merchant, system=mismatch.system, value=mismatch.value)
    rows.exclude(company=company).delete()
    if company is not None:
        add_ids(company, [one])
