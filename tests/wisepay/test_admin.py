"""The operators' admin."""

from django.test import Client

from tests.tenants import Tenant
from wisepay import outbox
from wisepay.models import OutboxMessage, User


def test_an_operator_revives_a_dead_message(db: None) -> None:
    operator = User.objects.create_superuser("operator@example.com", "correct-horse-battery")
    outbox.enqueue("dead", "payments.email_receipt", payment_id=0)
    OutboxMessage.objects.update(state="dead", last_error="gone")
    client = Client()
    client.force_login(operator)
    page = client.get("/operators/wisepay/outboxmessage/")
    assert b"gone" in page.content
    chosen = {"action": "retry", "_selected_action": OutboxMessage.objects.get().pk}
    assert client.post("/operators/wisepay/outboxmessage/", chosen).status_code == 302
    assert OutboxMessage.objects.get().state == "pending"


def test_a_merchant_is_no_operator(tenant: Tenant) -> None:
    assert tenant.admin.get("/operators/wisepay/outboxmessage/").status_code in (302, 403, 404)
    assert Client().get("/operators/").status_code == 302
