"""What somebody who owns the database, and has no key, may do to the audit log behind the application's back."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from wisepay.audit_log.digests import hash_content, hash_entry, hash_heads, hash_link, hash_person, list_head_parts
from wisepay.audit_log.keys import sign
from wisepay.audit_log.models import HEADS_CHAIN
from wisepay.models import AuditDetails, AuditEntry, AuditHead, AuditSeal

TABLES = [f"wisepay_audit{name}" for name in ("entry", "details", "seal", "head", "checkpoint")]
Tampering = Callable[[random.Random, list[AuditEntry]], None]


@contextmanager
def disabled_triggers() -> Iterator[None]:
    """The tables without their triggers, as their owner can have them."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def update(rng: random.Random, entries: list[AuditEntry]) -> None:
    """One column of one row becomes another."""
    entry = rng.choice(entries)
    rows = AuditEntry._base_manager.filter(details_id=entry.details_id)
    details = AuditDetails.objects.filter(pk=entry.details_id)
    of_entry: list[dict[str, Any]] = [
        {"action": "merchant.other"},
        {"user_id": 1 + (entry.user_id or 0)},
        {"merchant_id": (entry.merchant_id or 0) + 1},
        {"at": F("at") - timedelta(microseconds=1)},
        {"person_digest": "0" * 64},
    ]
    of_details: list[dict[str, Any]] = [
        {"subject": "something else"},
        {"detail": "on → off"},
        {"name": "Somebody Else"},
        {"email": "else@example.com"},
        {"ip": "203.0.113.9"},
        {"name": "", "email": "", "ip": "", "agent": "", "person_salt": "", "person_erasure": "k0:" + "0" * 64},
    ]
    changes = rng.choice(of_entry + of_details)
    (rows if changes in of_entry else details).update(**changes)


def delete(rng: random.Random, entries: list[AuditEntry]) -> None:
    """One row goes, or its details, or its seal too."""
    entry = rng.choice(entries[:-1])
    what = rng.choice(["entry", "details", "both", "seal too"])
    if what != "details":
        AuditEntry._base_manager.filter(details_id=entry.details_id).delete()
    if what != "entry":
        AuditDetails.objects.filter(pk=entry.details_id).delete()
    if what == "seal too":
        AuditSeal.objects.filter(entry_id=entry.details_id).delete()


def insert(rng: random.Random, entries: list[AuditEntry]) -> None:
    """A row appears that was never written: new, copied, with a seal of its own or without."""
    entry = rng.choice(entries)
    details = AuditDetails.objects.get(pk=entry.details_id)
    details.pk, details.is_sealed = None, rng.random() < 0.5
    details.subject = "what never was"
    details.save(force_insert=True)
    forged = AuditEntry(
        at=entry.at + timedelta(microseconds=rng.randrange(1, 900)), details=details, merchant_id=entry.merchant_id,
        user_id=entry.user_id, action=entry.action, mac=entry.mac,
        person_digest=hash_person(details), content_digest=hash_content(details),
    )  # fmt: skip
    forged.save(force_insert=True)
    if details.is_sealed:
        last = AuditSeal.objects.filter(chain=forged.chain).order_by("position").last()
        assert last is not None
        seal = AuditSeal(
            chain=last.chain, position=last.position + 1, entry_at=forged.at, entry_id=forged.details_id,
            digest=hash_entry(forged), mac=last.mac,
        )  # fmt: skip
        seal.link = hash_link(last.link, seal)
        seal.save(force_insert=True)


def swap(rng: random.Random, entries: list[AuditEntry]) -> None:
    """Two rows change places, contents or seals."""
    one, two = rng.sample([e for e in entries if e.merchant_id == entries[0].merchant_id], 2)
    what = rng.choice(["actions", "times", "details", "seals"])
    if what == "seals":
        first = AuditSeal.objects.get(entry_id=one.details_id)
        AuditSeal.objects.filter(entry_id=one.details_id).update(entry_id=None)
        AuditSeal.objects.filter(entry_id=two.details_id).update(entry_id=one.details_id, entry_at=one.at)
        AuditSeal.objects.filter(chain=first.chain, position=first.position).update(
            entry_id=two.details_id, entry_at=two.at
        )
    elif what == "details":
        names = ("name", "email", "ip", "agent", "person_salt", "subject", "detail", "about_id", "content_salt")
        values = [AuditDetails.objects.filter(pk=e.details_id).values(*names).get() for e in (one, two)]
        AuditDetails.objects.filter(pk=one.details_id).update(**values[1])
        AuditDetails.objects.filter(pk=two.details_id).update(**values[0])
    else:
        name = "action" if what == "actions" else "at"
        AuditEntry._base_manager.filter(details_id=one.details_id).update(**{name: getattr(two, name)})
        AuditEntry._base_manager.filter(details_id=two.details_id).update(**{name: getattr(one, name)})


def cut_tail(rng: random.Random, entries: list[AuditEntry]) -> None:
    """The newest rows of a chain go: alone, with their seals, with the head moved back, or with the whole chain."""
    chain = rng.choice(sorted({entry.chain for entry in entries}))
    seals = list(AuditSeal.objects.filter(chain=chain).order_by("position"))
    kept = 0 if rng.random() < 0.2 else len(seals) - rng.randrange(1, len(seals))
    gone = [seal.entry_id for seal in seals[kept:] if seal.entry_id]
    AuditEntry._base_manager.filter(details_id__in=gone).delete()
    AuditDetails.objects.filter(pk__in=gone).delete()
    how = rng.choice(["rows", "seals", "head", "list"])
    if how != "rows":
        AuditSeal.objects.filter(chain=chain, position__gt=kept).delete()
    if how in ("head", "list"):
        move_head(chain, seals[kept - 1] if kept else None)
    if how == "list":
        AuditSeal.objects.filter(chain=HEADS_CHAIN, position__gt=1).delete()


def move_head(chain: int, last: AuditSeal | None) -> None:
    """The head says that the chain ends at `last`; nobody without the key can sign it."""
    if last is None:
        AuditHead.objects.filter(chain=chain).delete()
    else:
        AuditHead.objects.filter(chain=chain).update(position=last.position, link=last.link)


def compute_anew(rng: random.Random, entries: list[AuditEntry]) -> None:
    """A row is changed, and every digest, link and signature after it computed again with a made-up key."""
    entry = rng.choice(entries)
    details = AuditDetails.objects.get(pk=entry.details_id)
    details.subject = "what never was"
    details.save()
    changed = AuditEntry._base_manager.get(details_id=entry.details_id)
    AuditEntry._base_manager.filter(details_id=entry.details_id).update(content_digest=hash_content(details))
    for chain in (changed.chain, HEADS_CHAIN):
        recompute_chain(chain)


def recompute_chain(chain: int) -> None:
    """Write a chain's links and head as if the rows had always been so; `sign` has a made-up key meanwhile."""
    link = ""
    head = AuditHead.objects.get(chain=chain)
    for seal in AuditSeal.objects.filter(chain=chain).order_by("position"):
        entry = AuditEntry._base_manager.filter(details_id=seal.entry_id).first()
        if entry is not None:
            seal.digest = hash_entry(entry)
        elif seal.position == head.position:
            seal.digest = hash_heads(list(AuditHead.objects.exclude(chain=HEADS_CHAIN).order_by("chain")))
        link = seal.link = hash_link(link, seal)
        seal.mac = sign("seal", link)
        seal.save()
    head.link = link
    head.mac = sign(*list_head_parts(head))
    head.save()
