"""What the API refuses leaves a trace for the merchant, not only for the program that sent it."""

from django.utils import timezone

from merchants.models import Merchant
from tests.tenants import Tenant
from wisepay.models import AuditEntry


def test_a_refused_quote_is_listed_with_the_reason_once(tenant: Tenant, stranger: Tenant) -> None:
    for _ in range(3):
        assert tenant.post_checkout(quote={"number": 77, "id": "g77"}, amounts={"due_now": "x"}).status_code == 422
    entry = AuditEntry.objects.select_related("details").get(action="cpq.refused", merchant_id=tenant.merchant.pk)
    assert entry.details is not None
    assert entry.details.subject == "Quote 77"
    page = tenant.admin.get(tenant.url("quotes/refused")).content.decode()
    assert "Refused in the last 30 days" in page
    assert "due_now" in page
    assert "Refused in the last 30 days" not in stranger.admin.get(stranger.url("quotes/refused")).content.decode()


def test_payments_that_are_switched_off_are_said_in_the_checklist_and_on_quotes(tenant: Tenant) -> None:
    Merchant.objects.filter(pk=tenant.merchant.pk).update(takes_payments=False)
    assert tenant.post_checkout().status_code == 409
    setup = tenant.admin.get(tenant.url("quotes/setup")).content.decode()
    assert "Payments enabled" in setup
    assert "Set up<span" in setup
    assert "Refused in the last 30 days" in tenant.admin.get(tenant.url("quotes/refused")).content.decode()
    assert AuditEntry.objects.filter(action="cpq.refused", at__lte=timezone.now()).exists()


def test_what_cannot_be_read_is_listed_as_that(tenant: Tenant) -> None:
    assert tenant.call("[1").status_code in (400, 422)
    assert tenant.call([1]).status_code == 422
    assert "A quote that cannot be read" in tenant.admin.get(tenant.url("quotes/refused")).content.decode()
