"""The audit log: one entry for every action of a person that may have to be explained later."""

from django.http import HttpRequest

from wisepay import clock
from wisepay.http import get_client_ip
from wisepay.models import AuditEntry, User


def record_audit_entry(
    action: str,
    *,
    merchant_id: int | None,
    user: User | None,
    ip: str | None,
    subject: str = "",
    detail: str = "",
) -> None:
    """Write one entry, in the open transaction if there is one.

    `action` is a dotted name such as "merchant.details_saved", `subject` what it was done to.
    """
    AuditEntry.objects.create(
        action=action,
        merchant_id=merchant_id,
        user=user,
        ip=ip,
        subject=subject[:120],
        detail=detail[:300],
        at=clock.now(),
    )


def record_request_audit(
    request: HttpRequest, action: str, *, merchant_id: int, subject: str = "", detail: str = ""
) -> None:
    """Write one entry for the signed-in person of the request, with the address that it came from."""
    user = request.user if isinstance(request.user, User) else None
    record_audit_entry(
        action, merchant_id=merchant_id, user=user, ip=get_client_ip(request), subject=subject, detail=detail
    )
