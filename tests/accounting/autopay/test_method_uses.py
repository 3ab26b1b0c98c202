"""A method that automatic payments use: removing it asks first, ends them in the same commit, and tells both sides."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.models import AutoPayMapping, ScheduledPayment
from merchants.models import Notification
from payers.models import PayerAccess
from payments.models import SavedMethod
from payments.saved_methods.services import sync_saved_method
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.payers.welcome_flow import get_hidden_fields
from tests.tenants import deliver_outbox

COLLEAGUE = "bob@harbourdental.example"


def own(autopay: AutoPayBuilder, card: SavedMethod) -> SavedMethod:
    """Let the payer be the one who saved it, and share it."""
    owner = autopay.tenant.access(PAYER).user
    SavedMethod.objects.filter(pk=card.pk).update(owner=owner, is_shared=True)
    return SavedMethod.objects.select_related("company__merchant", "account").get(pk=card.pk)


def by_its_payer(autopay: AutoPayBuilder, card: SavedMethod) -> str:
    client, path = autopay.tenant.payer(PAYER), f"/my/methods/{card.reference}/remove"
    asked = client.post(path)
    assert asked.status_code == 409
    assert SavedMethod.objects.get(pk=card.pk).state == "active"
    client.post(path, get_hidden_fields(asked))
    return asked.content.decode()


def with_its_payer(autopay: AutoPayBuilder, card: SavedMethod) -> str:
    access = PayerAccess.objects.get(user=card.owner, company=card.company)
    path = autopay.tenant.url(f"payers/access/{access.reference}/remove")
    asked = autopay.tenant.admin.post(path)
    assert asked.status_code == 409
    assert PayerAccess.objects.get(pk=access.pk).state == "active"
    autopay.tenant.admin.post(path, get_hidden_fields(asked))
    assert PayerAccess.objects.get(pk=access.pk).state == "removed"
    return asked.content.decode()


def at_the_gateway(autopay: AutoPayBuilder, card: SavedMethod) -> str:
    autopay.tenant.post_to_stripe(f"payment_methods/{card.stripe_payment_method_id}/detach")
    sync_saved_method(card.account, card.stripe_payment_method_id, now=timezone.now())
    return ""


@pytest.mark.parametrize("remove", [by_its_payer, with_its_payer, at_the_gateway])
def test_what_is_charged_to_a_removed_method_ends_at_once_and_both_sides_hear_of_it(
    autopay: AutoPayBuilder, remove: Callable[[AutoPayBuilder, SavedMethod], str]
) -> None:
    card = own(autopay, autopay.save_card())
    mapping = autopay.create_mapping(card)
    autopay.tenant.access(COLLEAGUE)
    invoice = autopay.create_invoice()
    autopay.plan()
    assert autopay.get_scheduled(invoice).state == "scheduled"
    page = remove(autopay, card)
    mapping.refresh_from_db()
    states = (SavedMethod.objects.get(pk=card.pk).state, mapping.state, autopay.get_scheduled(invoice).state)
    assert states == ("removed", "ended", "cancelled")
    if page:
        assert "are no longer paid automatically" in page
        assert f"for invoice {invoice} is not charged on" in page
    deliver_outbox()
    for address in {COLLEAGUE} | ({PAYER} if remove is not with_its_payer else set()):
        [mail] = [mail for mail in autopay.tenant.mails(address) if "was removed" in mail["subject"]]
        assert "is not charged on" in mail["text"]
    assert Notification.objects.filter(title__contains="automatic payments used was removed").exists()
    assert not ScheduledPayment.objects.filter(state="scheduled").exists()


def test_a_mapping_goes_on_with_its_secondary_method(autopay: AutoPayBuilder) -> None:
    card, other = own(autopay, autopay.save_card()), autopay.save_card("5555555555554444")
    mapping, invoice = autopay.create_mapping(card, other), autopay.create_invoice()
    autopay.plan()
    assert "are paid automatically with" in by_its_payer(autopay, card)
    mapping.refresh_from_db()
    assert (mapping.state, mapping.primary_method, mapping.secondary_method) == ("active", other, None)
    scheduled = autopay.get_scheduled(invoice)
    assert (scheduled.state, scheduled.method) == ("scheduled", other)


def test_an_answer_that_is_older_than_what_ends_asks_again(autopay: AutoPayBuilder) -> None:
    card = own(autopay, autopay.save_card())
    autopay.create_mapping(card)
    client, path = autopay.tenant.payer(PAYER), f"/my/methods/{card.reference}/remove"
    shown = get_hidden_fields(client.post(path))
    autopay.create_invoice()
    autopay.plan()
    assert client.post(path, shown).status_code == 409
    assert SavedMethod.objects.get(pk=card.pk).state == "active"


def test_a_method_that_is_shared_no_more_is_charged_for_its_owner_alone(autopay: AutoPayBuilder) -> None:
    card = own(autopay, autopay.save_card())
    theirs, own_mapping = autopay.create_mapping(card), autopay.create_mapping(card, term=autopay.term, origin="payer")
    AutoPayMapping.objects.filter(pk=own_mapping.pk).update(created_by=card.owner)
    client, path = autopay.tenant.payer(PAYER), f"/my/methods/{card.reference}/share"
    asked = client.post(path, {"shared": "0"})
    assert asked.status_code == 409
    client.post(path, {"shared": "0"} | get_hidden_fields(asked))
    states = [AutoPayMapping.objects.get(pk=one.pk).state for one in (theirs, own_mapping)]
    assert (SavedMethod.objects.get(pk=card.pk).is_shared, states) == (False, ["ended", "active"])
