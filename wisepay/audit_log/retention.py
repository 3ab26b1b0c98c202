"""Retention: whole months of the audit log go, after a signed checkpoint that the chain was in order until then."""

from datetime import UTC, datetime

import structlog
from django.db import connection
from django.db.models import Min
from django_subatomic.db import transaction, transaction_required

from wisepay.audit_log.digests import hash_parts, list_checkpoint_parts
from wisepay.audit_log.keys import sign
from wisepay.audit_log.models import HEADS_CHAIN, AuditCheckpoint, AuditHead, AuditSeal
from wisepay.audit_log.policies import get_usual_months, list_retention_months
from wisepay.audit_log.sealing import append_link, extend_heads_chain, is_list_trusted, lock_heads, save_head
from wisepay.audit_log.verification import verify_chain, verify_unsealed

log = structlog.get_logger(__name__)


def delete_old_entries(*, now: datetime) -> int:
    """Delete the months before the retention of every chain that is in order; answer how many entries went.

    Each merchant says how long its own chain is stored. A chain with a finding keeps everything, since what is
    deleted could explain it.
    """
    usual, of_merchants = get_usual_months(), list_retention_months()
    newest = get_cutoff(now, months=min([usual, *of_merchants.values()]))
    seals = AuditSeal.objects.filter(entry_at__lt=newest).order_by("chain")
    removed = 0
    for chain, oldest in seals.values_list("chain").annotate(Min("entry_at")):
        before = get_cutoff(now, months=of_merchants.get(chain, usual))
        removed += delete_months(chain, before, now=now) if oldest < before else 0
    return removed


def get_cutoff(now: datetime, *, months: int) -> datetime:
    """The first instant of the month that lies `months` before that of `now`, in UTC."""
    today = now.astimezone(UTC)
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


@transaction()
def delete_months(chain: int, before: datetime, *, now: datetime) -> int:
    """Delete what a chain has from before that month, if all of it is in order; answer how many entries went."""
    heads = lock_heads()
    head, top = heads[chain], heads.pop(HEADS_CHAIN)
    if AuditCheckpoint.objects.filter(chain=chain, removed_before__gte=before).exists():
        return 0
    findings = [*verify_chain(chain, head, now=now), *verify_unsealed(now=now, chains=[chain])]
    if findings or not is_list_trusted(top, heads):
        log.error("audit.retention_stopped", chain=chain, findings=len(findings))
        return 0
    checkpoint = build_checkpoint(chain, before, now=now)
    if checkpoint is None:
        return 0
    checkpoint.save(force_insert=True)
    link_checkpoint(checkpoint, head, now=now)
    extend_heads_chain(top, [heads[each] for each in sorted(heads)], now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT wisepay_audit_forget(%s)", [checkpoint.pk])
        removed: int = cursor.fetchone()[0]
    log.info("audit.months_deleted", chain=chain, before=f"{before:%Y-%m}", entries=removed)
    return removed


@transaction_required
def link_checkpoint(checkpoint: AuditCheckpoint, head: AuditHead, *, now: datetime) -> None:
    """Name the checkpoint in a link of its chain, so that the signature of every later head covers it."""
    digest = hash_parts(*list_checkpoint_parts(checkpoint))
    append_link(head, digest=digest, entry_at=now, entry_id=None).save(force_insert=True)
    save_head(head, now=now)


def build_checkpoint(chain: int, before: datetime, *, now: datetime) -> AuditCheckpoint | None:
    """The signed checkpoint after the last seal before which no entry of the later months stands.

    Seals of older entries that were committed late stay behind it until the next month goes; their entries do not.
    """
    seals = AuditSeal.objects.filter(chain=chain).order_by("position")
    first_later = seals.filter(entry_at__gte=before).first()
    last = (seals.filter(position__lt=first_later.position) if first_later else seals).last()
    if last is None:
        return None
    found = AuditCheckpoint(chain=chain, position=last.position, link=last.link, removed_before=before, made_at=now)
    found.mac = sign(*list_checkpoint_parts(found))
    return found
