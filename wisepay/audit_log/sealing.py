"""Sealing: new entries become links of their merchant's chain, and the heads of all chains one link of their own."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django_subatomic.db import transaction, transaction_required

from wisepay.audit_log.digests import (
    hash_entry,
    hash_heads,
    hash_link,
    list_entry_parts,
    list_head_parts,
)
from wisepay.audit_log.keys import current_key_id, is_signed, sign
from wisepay.audit_log.models import HEADS_CHAIN, AuditDetails, AuditEntry, AuditHead, AuditSeal
from wisepay.leases import acquire_lease, release_lease

log = structlog.get_logger(__name__)
BATCH = 1_000
WRITE_INTERVAL = timedelta(hours=1)


def seal_entries(*, now: datetime) -> int:
    """Seal every entry that is not, in batches, unless another worker does; answer how many were.

    An entry counts as new until it is sealed, whatever its time: one whose transaction committed late gets a later
    place in the chain. Nothing waits for this but the next run.
    """
    AuditHead.objects.bulk_create([AuditHead(chain=HEADS_CHAIN)], ignore_conflicts=True)
    head = AuditHead.objects.filter(chain=HEADS_CHAIN)
    until = acquire_lease(head, now=now)
    if until is None:
        return 0
    sealed, done = 0, False
    try:
        while not done:
            count, done = seal_batch(now=now)
            sealed += count
    finally:
        release_lease(head, until)
    write_head(now=now)
    return sealed


@transaction()
def seal_batch(*, now: datetime) -> tuple[int, bool]:
    """Seal one batch; answer how many entries were sealed, and whether nothing is left to seal.

    Chains whose head is not what was signed are left alone: `verify_audit` says so until somebody has looked.
    """
    heads = lock_heads()
    top = heads.pop(HEADS_CHAIN)
    is_trusted = is_list_trusted(top, heads)
    found = list_new_entries()
    by_chain = defaultdict(list)
    for entry in found:
        by_chain[entry.chain].append(entry)
    sealed = 0
    for chain, entries in sorted(by_chain.items()):
        head = heads.get(chain) or (AuditHead(chain=chain) if is_trusted else None)
        if head is None or not is_head_trusted(head):
            log.error("audit.chain_broken", chain=chain)
            continue
        heads[chain] = head
        sealed += extend_chain(head, entries, now=now)
    sign_old_heads(heads.values())
    if is_trusted and (sealed or not is_current(top)):
        extend_heads_chain(top, [heads[chain] for chain in sorted(heads)], now=now)
    return sealed, sealed < BATCH or sealed < len(found)


@transaction_required
def lock_heads() -> dict[int, AuditHead]:
    """The heads of all chains, locked, by chain."""
    return {head.chain: head for head in AuditHead.objects.select_for_update().order_by("chain")}


def list_new_entries() -> list[AuditEntry]:
    """The next entries that are not sealed, oldest first, without those that the application did not write."""
    rows = AuditEntry.objects.filter(details__is_sealed=False).select_related("details").order_by("at", "details_id")
    return [entry for entry in rows[:BATCH] if is_signed(entry.mac, *list_entry_parts(entry))]


def is_head_trusted(head: AuditHead) -> bool:
    """Whether the head is as it was signed, or new."""
    is_new = not head.position and not AuditSeal.objects.filter(chain=head.chain).exists()
    return is_new or is_signed(head.mac, *list_head_parts(head)) is True


def is_list_trusted(top: AuditHead, heads: dict[int, AuditHead]) -> bool:
    """Whether the heads of all chains are those that the last link of their own chain names."""
    if not top.position:
        return not heads and is_head_trusted(top)
    last = AuditSeal.objects.filter(chain=HEADS_CHAIN, position=top.position).first()
    named = hash_heads([heads[chain] for chain in sorted(heads)])
    return is_head_trusted(top) and last is not None and last.link == top.link and last.digest == named


def is_current(head: AuditHead) -> bool:
    """Whether the head is signed with the newest key; of an empty chain there is nothing to sign."""
    return not head.position or head.mac.rpartition(":")[0] == current_key_id()


def sign_old_heads(heads: Iterable[AuditHead]) -> None:
    """Sign again, with the newest key, the heads that an older one has signed."""
    for head in heads:
        if not is_current(head) and is_head_trusted(head):
            head.mac = sign(*list_head_parts(head))
            head.save(update_fields=["mac"])


@transaction_required
def extend_chain(head: AuditHead, entries: list[AuditEntry], *, now: datetime) -> int:
    """Put a link for every entry at the end of its chain, and sign the new head. Answers how many."""
    seals = [append_link(head, digest=hash_entry(e), entry_at=e.at, entry_id=e.details_id) for e in entries]
    AuditSeal.objects.bulk_create(seals)
    AuditDetails.objects.filter(entry_id__in=[entry.details_id for entry in entries]).update(is_sealed=True)
    save_head(head, now=now)
    return len(seals)


@transaction_required
def extend_heads_chain(top: AuditHead, heads: list[AuditHead], *, now: datetime) -> None:
    """Put a link that names the heads of all chains at the end of their own chain."""
    append_link(top, digest=hash_heads(heads), entry_at=now, entry_id=None).save(force_insert=True)
    save_head(top, now=now)


def append_link(head: AuditHead, *, digest: str, entry_at: datetime, entry_id: int | None) -> AuditSeal:
    """The next link after `head`, which moves on to it."""
    head.position += 1
    seal = AuditSeal(chain=head.chain, position=head.position, entry_at=entry_at, entry_id=entry_id, digest=digest)
    head.link = seal.link = hash_link(head.link, seal)
    seal.mac = sign("seal", seal.link)
    return seal


def save_head(head: AuditHead, *, now: datetime) -> None:
    """Sign the head and save it."""
    head.sealed_at = now
    head.mac = sign(*list_head_parts(head))
    head.save()


def write_head(*, now: datetime) -> None:
    """Write the newest head to the log every hour, and to AUDIT_HEADS_FILE whenever it has moved.

    What is written outside shows later that the whole database was put back to an older state.
    """
    top = AuditHead.objects.get(chain=HEADS_CHAIN)
    if not top.position or (top.written_at and top.sealed_at and top.written_at >= top.sealed_at):
        return
    text = describe_head(top)
    if settings.AUDIT_HEADS_FILE:
        with Path(settings.AUDIT_HEADS_FILE).open("a") as file:
            file.write(f"{now.isoformat()} {text}\n")
    elif top.written_at and now - top.written_at < WRITE_INTERVAL:
        return
    log.info("audit.head", head=text)
    AuditHead.objects.filter(chain=HEADS_CHAIN).update(written_at=now)


def describe_head(top: AuditHead) -> str:
    """A head as it is kept outside: position, link and a signature of both."""
    return f"{top.position}.{top.link}.{sign('copy', top.position, top.link)}"
