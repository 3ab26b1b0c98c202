"""What of automatic payments rests on a saved method, and how it ends with the method."""

from datetime import datetime

from django.db.models import Q
from django_subatomic.db import transaction_required

from accounting.autopay.charging import cancel_payment
from accounting.autopay.settings import schedule_planning
from accounting.invoices.services import lock_invoices
from accounting.models import AutoPayMapping, ScheduledPayment
from payers.models import PayerCompany
from payments.models import SavedMethod
from wisepay.clock import get_local_date

ALL_TERMS = "all billing terms"


class AutoPayUse:
    """Mappings that name the method, and what is scheduled to be charged to it."""

    def describe(self, method: SavedMethod, *, but_owner: bool = False) -> list[str]:
        """What ends or changes, a sentence each. `but_owner`: only what others than its owner use it for."""
        found = []
        for mapping in list_mappings(method, but_owner=but_owner):
            found.append(describe_mapping(mapping, method))
            if mapping.state == "active" and mapping.primary_method_id == method.pk and not has_other(mapping):
                found += [describe_scheduled(row) for row in list_scheduled([mapping])]
        return found

    @transaction_required
    def lock(self, method: SavedMethod) -> None:
        """Lock the company, the invoices that are scheduled, then mappings and what is scheduled."""
        list(PayerCompany.objects.select_for_update(of=("self",), no_key=True).filter(pk=method.company_id))
        mappings = list_mappings(method)
        lock_invoices([row.invoice_id for row in list_scheduled(mappings)])
        keys = [mapping.pk for mapping in mappings]
        list(AutoPayMapping.objects.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk"))

    @transaction_required
    def end(self, method: SavedMethod, *, by: str, now: datetime, but_owner: bool = False) -> None:
        """End each mapping that is left without a method, or let it go on with its other one."""
        for mapping in list_mappings(method, but_owner=but_owner):
            if mapping.state == "active" and (mapping.secondary_method_id == method.pk or has_other(mapping)):
                drop_method(mapping, method)
            else:
                cancel_scheduled_of(mapping, method, by=by, now=now)
                mapping.lock().move_locked_to("ended", now=now, by=by, reason=f"{method} can't be charged any more")
            schedule_planning(mapping.merchant, now=now)


def list_mappings(method: SavedMethod, *, but_owner: bool = False) -> list[AutoPayMapping]:
    """The mappings that name the method and have not ended."""
    named = Q(primary_method=method) | Q(secondary_method=method)
    rows = AutoPayMapping.objects.filter(named, state__in=["active", "proposed"])
    if but_owner:
        owner = method.owner_id
        rows = rows.exclude(Q(acceptance__user=owner) | Q(acceptance=None, created_by=owner))
    return list(rows.select_related("term", "company", "merchant", "primary_method", "secondary_method").order_by("pk"))


def has_other(mapping: AutoPayMapping) -> bool:
    """Whether it can go on with its secondary method."""
    return mapping.secondary_method is not None and mapping.secondary_method.state == "active"


def list_scheduled(mappings: list[AutoPayMapping]) -> list[ScheduledPayment]:
    """What these mappings scheduled and nobody has begun to charge."""
    rows = ScheduledPayment.objects.filter(mapping__in=[m.pk for m in mappings], state__in=["scheduled", "held"])
    return list(rows.select_related("invoice", "merchant").order_by("pk"))


def describe_mapping(mapping: AutoPayMapping, method: SavedMethod) -> str:
    """What becomes of one mapping, in words for people of the company."""
    what = f"{mapping.company} under {mapping.term or ALL_TERMS}"
    if mapping.agreed is not None:
        what = f"{mapping.company} over {mapping.scope},"
    if mapping.state == "proposed":
        return f"The proposal to pay the invoices of {what} automatically with it is dropped."
    if mapping.secondary_method_id == method.pk:
        return f"The invoices of {what} are paid with {mapping.primary_method} alone."
    if has_other(mapping):
        return f"The invoices of {what} are paid automatically with {mapping.secondary_method} from then on."
    return f"The invoices of {what} are no longer paid automatically."


def describe_scheduled(row: ScheduledPayment) -> str:
    """One scheduled payment that is cancelled."""
    day = get_local_date(row.run_at, row.merchant.zone)
    return f"{row.money} for invoice {row.invoice} is not charged on {day:%-d %b %Y}."


@transaction_required
def drop_method(mapping: AutoPayMapping, method: SavedMethod) -> None:
    """Let the mapping go on with its other method, and what is scheduled with it."""
    other = mapping.primary_method if mapping.secondary_method_id == method.pk else mapping.secondary_method
    AutoPayMapping.objects.filter(pk=mapping.pk).update(primary_method=other, secondary_method=None)
    rows = ScheduledPayment.objects.filter(mapping=mapping, method=method, state__in=["scheduled", "held"])
    rows.update(method=other, tries=0, presentations=0, first_presented_at=None)


@transaction_required
def cancel_scheduled_of(mapping: AutoPayMapping, method: SavedMethod, *, by: str, now: datetime) -> None:
    """Cancel what the mapping scheduled, with the payments that exist for it."""
    rows = list_scheduled([mapping])
    reasons = {row.pk: f"{method} can't be charged any more." for row in rows}
    moved = ScheduledPayment.move_all_to(reasons, "cancelled", now=now, by=by)
    for payment_id in sorted(row.payment_id for row in moved if row.payment_id is not None):
        cancel_payment(payment_id, now=now)
