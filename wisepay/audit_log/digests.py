"""What the digests of the audit log are made of."""

import hashlib
from datetime import UTC, datetime

from wisepay.audit_log.keys import encode
from wisepay.audit_log.models import AuditCheckpoint, AuditDetails, AuditEntry, AuditHead, AuditSeal


def write_instant(at: datetime | None) -> str:
    """The instant as it stands in a digest."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else ""


def hash_parts(*parts: object) -> str:
    """SHA-256 of the parts, in hex."""
    return hashlib.sha256(encode(*parts)).hexdigest()


def hash_person(details: AuditDetails) -> str:
    """The digest of who acted, and from where."""
    return hash_parts("person", details.person_salt, details.name, details.email, details.ip, details.agent)


def hash_content(details: AuditDetails) -> str:
    """The digest of what it was done to, and how."""
    return hash_parts("content", details.content_salt, details.subject, details.detail, details.about_id)


def list_entry_parts(entry: AuditEntry) -> tuple[object, ...]:
    """Every column of an entry that is signed when it is written."""
    return (
        "entry",
        write_instant(entry.at),
        entry.details_id,
        entry.merchant_id,
        entry.user_id,
        entry.action,
        entry.person_digest,
        entry.content_digest,
    )


def hash_entry(entry: AuditEntry) -> str:
    """The digest of an entry, its signature with it."""
    return hash_parts(*list_entry_parts(entry), entry.mac)


def hash_link(before: str, seal: AuditSeal) -> str:
    """The link of a seal that follows the link `before`."""
    return hash_parts(
        "link", before, seal.chain, seal.position, write_instant(seal.entry_at), seal.entry_id, seal.digest
    )


def hash_heads(heads: list[AuditHead]) -> str:
    """The digest of the heads of all chains."""
    return hash_parts("heads", *[(head.chain, head.position, head.link) for head in heads])


def list_head_parts(head: AuditHead) -> tuple[object, ...]:
    """What the signature of a head covers."""
    return ("head", head.chain, head.position, head.link, write_instant(head.sealed_at))


def list_erasure_parts(details: AuditDetails, part: str) -> tuple[object, ...]:
    """What the mark of an erased part ("person" or "content") covers."""
    return ("erased", details.entry_id, write_instant(details.at), part)


def list_checkpoint_parts(checkpoint: AuditCheckpoint) -> tuple[object, ...]:
    """What the signature of a checkpoint covers."""
    removed = write_instant(checkpoint.removed_before)
    return ("checkpoint", checkpoint.chain, checkpoint.position, checkpoint.link, removed)
