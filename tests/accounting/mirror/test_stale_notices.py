"""A notice goes with its cause: what failed because nothing was connected is not shown beside a working connection."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from accounting.models import Download
from connections.models import Connection
from tests.tenants import Tenant


def test_a_failed_download_is_no_longer_shown_once_the_books_are_connected(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    Connection.objects.update(state="disconnected", access_token="", refresh_token="")
    tenant.admin.post(tenant.url("download"))
    deliver()
    assert Download.objects.get().state == "failed"
    page = tenant.admin.get(tenant.url("download")).content.decode()
    assert "notice-bad" in page
    payer = tenant.payer()
    assert "Could not be read just now" in payer.get("/my/download").content.decode()
    row = Connection.objects.get()
    row.state, row.access_token, row.refresh_token = "connected", "a", "r"
    row.connected_at = timezone.now() + timedelta(seconds=1)
    row.save()
    assert "notice-bad" not in tenant.admin.get(tenant.url("download")).content.decode()
    assert "Could not be read just now" not in payer.get("/my/download").content.decode()
