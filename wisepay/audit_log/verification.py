"""Verification: what is wrong with the audit log, found from its chains and from copies of its head."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef

from wisepay.audit_log.digests import (
    hash_content,
    hash_entry,
    hash_heads,
    hash_link,
    hash_parts,
    hash_person,
    list_checkpoint_parts,
    list_entry_parts,
    list_erasure_parts,
    list_head_parts,
)
from wisepay.audit_log.keys import is_signed
from wisepay.audit_log.models import (
    HEADS_CHAIN,
    OPERATORS_CHAIN,
    AuditCheckpoint,
    AuditDetails,
    AuditEntry,
    AuditHead,
    AuditSeal,
)
from wisepay.audit_log.sealing import is_current
from wisepay.cursors import read_in_batches

Written = tuple[AuditEntry, AuditDetails | None]
BATCH = 1_000
LATE_AFTER = timedelta(minutes=10)  # entries are sealed every minute
HEAD_COPY = re.compile(r"\b(\d+)\.([0-9a-f]{64})\.([^\s:\"']+:[0-9a-f]{64})")
TABLES = ("auditentry", "auditdetails", "auditseal", "auditcheckpoint", "audithead")
TRIGGERS = {(f"wisepay_{table}", f"audit_no_{act}") for table in TABLES for act in ("update", "delete", "truncate")}
TRIGGERS -= {("wisepay_audithead", "audit_no_update")}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the application left it: in which chain, at which position, and what."""

    chain: int
    position: int
    message: str


def verify_audit_log(*, now: datetime, chains: Iterable[int] | None = None) -> Iterator[Finding]:
    """Verify the chains, or all of them with the list of their heads; yields nothing if all is in order."""
    heads = {head.chain: head for head in AuditHead.objects.all()}
    known = {*heads, *AuditSeal.objects.values_list("chain", flat=True).distinct()}
    known |= set(AuditCheckpoint.objects.values_list("chain", flat=True))
    for chain in sorted(known if chains is None else chains):
        yield from verify_chain(chain, heads.get(chain), now=now)
    if chains is None:
        yield from verify_heads(heads)
    yield from verify_unsealed(now=now, chains=chains)


def verify_chain(chain: int, head: AuditHead | None, *, now: datetime) -> Iterator[Finding]:
    """Verify one chain from its last checkpoint to its head."""
    last = AuditCheckpoint.objects.filter(chain=chain).order_by("removed_before").last()
    position, link = (last.position, last.link) if last else (0, "")
    if last and not is_checkpoint_genuine(last):
        yield Finding(chain, last.position, "the checkpoint before this position was not made by Wise-Pay")
    rows = AuditSeal.objects.filter(chain=chain)
    if last:
        rows = rows.filter(position__gt=last.position)
    for seals in read_in_batches(rows, size=BATCH):
        entries = read_entries(seals)
        for seal in seals:
            yield from verify_link(seal, position, link)
            if seal.entry_id is not None:
                written = entries.get(seal.entry_id, [])
                yield from verify_entry(seal, written, last.removed_before if last else None)
            position, link = seal.position, seal.link
    yield from verify_head(chain, head, position, link)


def read_entries(seals: list[AuditSeal]) -> dict[int, list[Written]]:
    """The entries of the seals with their details, by number; each number should have one."""
    numbers = [seal.entry_id for seal in seals if seal.entry_id is not None]
    details = AuditDetails.objects.in_bulk(numbers)
    found: dict[int, list[Written]] = {}
    for entry in AuditEntry._base_manager.filter(details_id__in=numbers):
        found.setdefault(entry.details_id, []).append((entry, details.get(entry.details_id)))
    return found


def verify_link(seal: AuditSeal, position: int, link: str) -> Iterator[Finding]:
    """Verify that a seal is the one that was put after `link`."""
    if seal.position != position + 1:
        yield Finding(seal.chain, position + 1, f"seals are missing before position {seal.position}")
    elif seal.link != hash_link(link, seal):
        yield Finding(seal.chain, seal.position, "this seal does not follow from the one before it")
    if is_signed(seal.mac, "seal", seal.link) is False:
        yield Finding(seal.chain, seal.position, "this seal was not made by Wise-Pay")


def verify_entry(seal: AuditSeal, written: list[Written], removed_before: datetime | None) -> Iterator[Finding]:
    """Verify that the entry of a seal is there once, unchanged, with its details."""
    if not written and (removed_before is None or seal.entry_at >= removed_before):
        yield Finding(seal.chain, seal.position, f"entry {seal.entry_id} is missing")
    elif len(written) > 1:
        yield Finding(seal.chain, seal.position, f"entry {seal.entry_id} is there {len(written)} times")
    for entry, details in written:
        if hash_entry(entry) != seal.digest or entry.chain != seal.chain or entry.at != seal.entry_at:
            yield Finding(seal.chain, seal.position, f"entry {seal.entry_id} of {entry.at:%F %T} was changed")
        if details is None:
            yield Finding(seal.chain, seal.position, f"the details of entry {seal.entry_id} are missing")
        else:
            yield from verify_details(seal, entry, details)


def verify_details(seal: AuditSeal, entry: AuditEntry, details: AuditDetails) -> Iterator[Finding]:
    """Verify that each part of an entry's details is as it was written, or erased by the application."""
    parts = {
        "person": (details.person_erasure, hash_person(details) == entry.person_digest),
        "content": (details.content_erasure, hash_content(details) == entry.content_digest),
    }
    for part, (mark, is_same) in parts.items():
        is_erased = bool(mark) and is_signed(mark, *list_erasure_parts(details, part)) is True
        if is_erased and has_text(details, part):
            yield Finding(seal.chain, seal.position, f"the {part} of entry {seal.entry_id} was written again")
        elif not is_erased and not is_same:
            yield Finding(seal.chain, seal.position, f"the {part} of entry {seal.entry_id} was changed")


def has_text(details: AuditDetails, part: str) -> bool:
    """Whether anything stands in a part of the details."""
    person = (details.name, details.email, details.ip, details.agent)
    return any(person if part == "person" else (details.subject, details.detail, details.about_id))


def verify_head(chain: int, head: AuditHead | None, position: int, link: str) -> Iterator[Finding]:
    """Verify that a chain ends where its signed head says."""
    if head is None:
        yield Finding(chain, position, "the head of this chain is missing")
        return
    if not head.position and not position:
        return
    if is_signed(head.mac, *list_head_parts(head)) is not True:
        yield Finding(chain, head.position, "the head of this chain was not signed by Wise-Pay")
    elif not is_current(head):
        yield Finding(chain, head.position, "the head is not signed with the newest key: does beat run?")
    if (head.position, head.link) != (position, link):
        yield Finding(chain, position, f"the chain was signed up to position {head.position}, and ends at {position}")


def verify_heads(heads: dict[int, AuditHead]) -> Iterator[Finding]:
    """Verify that the chains are those, and as long, as the last link of the heads' own chain says."""
    others = [heads[chain] for chain in sorted(heads) if chain != HEADS_CHAIN]
    last = AuditSeal.objects.filter(chain=HEADS_CHAIN).order_by("position").last()
    if HEADS_CHAIN not in heads and (others or AuditSeal.objects.exists()):
        yield Finding(HEADS_CHAIN, 0, "the list of all chains is missing")
    elif (last is not None or others) and (last is None or last.digest != hash_heads(others)):
        yield Finding(HEADS_CHAIN, last.position if last else 0, "a chain was cut, added or put back to an older state")


def verify_unsealed(*, now: datetime, chains: Iterable[int] | None) -> Iterator[Finding]:
    """Verify the entries without a seal: written by the application, and not long ago."""
    rows = AuditEntry._base_manager.filter(~Exists(AuditSeal.objects.filter(entry_id=OuterRef("details_id"))))
    wanted = None if chains is None else set(chains)
    for entry in itertools.chain.from_iterable(read_in_batches(rows, size=BATCH)):
        if wanted is not None and entry.chain not in wanted:
            continue
        if is_signed(entry.mac, *list_entry_parts(entry)) is False:
            yield Finding(entry.chain, 0, f"entry {entry.details_id} was not written by Wise-Pay")
        elif entry.at < now - LATE_AFTER:
            yield Finding(entry.chain, 0, f"entry {entry.details_id} of {entry.at:%F %T} is not sealed: does beat run?")
    orphans = AuditDetails.objects.filter(~Exists(AuditEntry.objects.filter(details_id=OuterRef("entry_id"))))
    for number in orphans.values_list("entry_id", flat=True) if chains is None else ():
        yield Finding(OPERATORS_CHAIN, 0, f"details {number} belong to no entry")


def is_checkpoint_genuine(checkpoint: AuditCheckpoint) -> bool:
    """Whether the application made the checkpoint: signed with a key that is known, or named by a later link.

    So keys may be retired, since the signature of the head covers every link.
    """
    parts = list_checkpoint_parts(checkpoint)
    links = AuditSeal.objects.filter(chain=checkpoint.chain, entry_id=None, digest=hash_parts(*parts))
    is_known = is_signed(checkpoint.mac, *parts)
    return bool(is_known) or (is_known is None and links.exists())


def verify_protection() -> Iterator[Finding]:
    """Verify that the triggers that refuse changes are there and enabled."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgname LIKE 'audit_no_%%' AND t.tgenabled IN ('O', 'A')"
        )
        found = set(cursor.fetchall())
    for table, name in sorted(TRIGGERS - found):
        yield Finding(OPERATORS_CHAIN, 0, f"the trigger {name} of {table} is missing or disabled")


def verify_copies(text: str) -> Iterator[Finding]:
    """Verify the copies of the head in a text, such as a log: every one must lie on the present chain."""
    for match in HEAD_COPY.finditer(text):
        position, link, mac = int(match[1]), match[2], match[3]
        if is_signed(mac, "copy", position, link) is not True:
            continue
        seal = AuditSeal.objects.filter(chain=HEADS_CHAIN, position=position).first()
        is_removed = AuditCheckpoint.objects.filter(chain=HEADS_CHAIN, position__gte=position).exists()
        if not is_removed and (seal is None or seal.link != link):
            yield Finding(HEADS_CHAIN, position, "a head that was written down is not in the log any more")
