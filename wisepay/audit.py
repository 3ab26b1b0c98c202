"""The audit log: one line for every act that somebody may have to answer for."""

from django.http import HttpRequest
from django.utils import timezone

from wisepay.http import client_ip
from wisepay.models import AuditEntry, User


def record(
    act: str,
    *,
    merchant_id: int | None,
    user: User | None,
    ip: str | None,
    subject: str = "",
    detail: str = "",
) -> None:
    """Write one entry; goes with the open transaction if there is one."""
    AuditEntry.objects.create(
        act=act,
        merchant_id=merchant_id,
        user=user,
        ip=ip,
        subject=subject[:120],
        detail=detail[:300],
        at=timezone.now(),
    )


def record_request(request: HttpRequest, act: str, *, merchant_id: int, subject: str = "", detail: str = "") -> None:
    """The same for the signed-in person behind `request`."""
    user = request.user if isinstance(request.user, User) else None
    record(act, merchant_id=merchant_id, user=user, ip=client_ip(request), subject=subject, detail=detail)
