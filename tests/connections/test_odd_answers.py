"""The identity services answer oddly too: no odd answer ends a connection, and the outbox lives on.

Vendor pages: developer.xero.com, Connections; developer.intuit.com, OAuth 2.0; RFC 9110 on Retry-After.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from connections.models import Connection
from connections.tokens import get_access_token
from connections.verification import verify_access
from sandbox.core.odd_answers import ODD_ANSWERS
from tests.tenants import Tenant
from wisepay.errors import Unavailable

SERVICES = {"xero": ("xero-identity", "xero-oauth"), "quickbooks": ("quickbooks", "quickbooks-oauth")}
# What may be the provider's word about our access; Xero lists the organisations that we may open, none when `[]`.
ABOUT_ACCESS = {"401", "403"}
LISTS_NOTHING = ("xero", "200 a list")


@pytest.mark.parametrize("name", sorted(set(ODD_ANSWERS) - ABOUT_ACCESS))
def test_no_odd_answer_is_taken_for_the_end_of_our_access(any_tenant: Tenant, name: str) -> None:
    connection = any_tenant.connection
    if (connection.provider, name) == LISTS_NOTHING:
        pytest.skip("Xero's list of connections says that there are none")
    for service in SERVICES[connection.provider]:
        any_tenant.world.fault(service, "odd", name=name, times=None)
    try:
        assert verify_access(connection, now=timezone.now()).cause is None
    except Unavailable as error:
        assert str(error)  # noqa: PT017
    with pytest.raises(Unavailable):
        get_access_token(connection, now=timezone.now() + timedelta(hours=2))
    assert Connection.objects.get(pk=connection.pk).state == "connected"
