"""Celery tasks of the ground: delivering and sweeping the outbox, sealing the audit log."""

from celery import shared_task

from wisepay import clock, outbox
from wisepay.accounts.recovery_codes import hash_forgotten_codes
from wisepay.accounts.sessions import delete_expired_sessions
from wisepay.audit_log import retention, sealing
from wisepay.heartbeats import SWEEP, record_heartbeat
from wisepay.http import delete_old_rate_windows
from wisepay.outbox import wake
from wisepay.page_findings import delete_old_page_findings


@shared_task
def deliver_messages(*, keys: list[str], **_: object) -> None:
    """Deliver the first message if it is still due; wake other workers for the rest."""
    for key in keys[1:]:
        wake(key)
    outbox.deliver_message(keys[0], now=clock.now())


@shared_task
def sweep_outbox(**_: object) -> None:
    """Wake the workers for every message that is due."""
    now = clock.now()
    record_heartbeat(SWEEP, now=now)
    for key in outbox.list_due_keys(now=now):
        wake(key)


@shared_task
def delete_expired_rows(**_: object) -> None:
    """Delete what is of no use any more: expired sessions and counts; hash recovery codes that were never looked at."""
    now = clock.now()
    delete_expired_sessions(now=now)
    delete_old_rate_windows(now=now)
    delete_old_page_findings(now=now)
    hash_forgotten_codes(now=now)


@shared_task
def delete_done_messages(**_: object) -> None:
    """Delete the messages that were done long ago."""
    outbox.delete_done_messages(now=clock.now())


@shared_task
def seal_audit_log(**_: object) -> None:
    """Seal the entries of the audit log that are new."""
    sealing.seal_entries(now=clock.now())


@shared_task
def delete_old_audit_entries(**_: object) -> None:
    """Delete the audit log's months that are older than the retention says."""
    retention.delete_old_entries(now=clock.now())
