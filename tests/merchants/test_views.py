"""The tenant's own pages: details, PayNow Links, events, notifications, the bell, the audit log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from merchants.models import EventNotification, Membership, Merchant, Notification, PayNowLink
from merchants.services import list_prerequisites, notify_merchant
from tests.tenants import PASSWORD, Tenant, get_role, give_role
from wisepay.models import AuditEntry, User

DETAILS = "configure/merchants/details"
LINKS = "configure/merchants/paynow-links"
EVENTS = "configure/event-notifications"
GOOD = {
    "name": "Northwind Services",
    "time_zone": "Pacific/Auckland",
    "contact_email": "help@northwind-it.example",
    "contact_phone": "+61 2 5550 1234",
    "two_factor_mode": "required",
    "takes_payments": "on",
}


def page(tenant: Tenant, tail: str, **query: Any) -> str:
    """A page of the console, as text."""
    answer = tenant.admin.get(tenant.url(tail), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def colleague(tenant: Tenant, *, role: str = "user", email: str = "clerk@northwind-it.example") -> Client:
    """Somebody else who works there, signed in."""
    user = User.objects.create_user(email, PASSWORD)
    Membership.objects.create(merchant=tenant.merchant, user=user, role=get_role(tenant.merchant, role))
    client = Client()
    client.force_login(user)
    return client


def tell(tenant: Tenant, key: str = "k", *, event: str = "prepayment_processed") -> None:
    """Notify the merchant's people of something."""
    with transaction.atomic():
        notify_merchant(
            tenant.merchant,
            event=event,
            key=key,
            title=f"Title of {key}",
            body="Body",
            path=tenant.url("payments/"),
            now=timezone.now(),
        )


# ---- details, links, events ------------------------------------------------------------------------


def test_details_are_saved_and_written_down(tenant: Tenant) -> None:
    answer = tenant.admin.post(tenant.url(DETAILS), GOOD)
    assert (answer.status_code, answer["Location"]) == (302, tenant.url(DETAILS))
    fresh = Merchant.objects.get(pk=tenant.merchant.pk)
    assert (fresh.name, fresh.time_zone, fresh.takes_payments) == ("Northwind Services", "Pacific/Auckland", True)
    assert "Northwind Services" in page(tenant, DETAILS)
    assert AuditEntry.objects.get(action="merchant.details_saved").user == tenant.user


MENU = (
    "quotes/", "payments/", "automatic-payments/", "unprocessed", "payers/", "credits", "books/sync", "postings/",
    "psa/", "reconciliation/", "configure/merchants/", "configure/accounting-connections/",
    "configure/automatic-payments/", "configure/event-notifications", "configure/terms/", "audit",
)  # fmt: skip
PORTAL_MENU = (
    "outstanding",
    "invoices/batch",
    "scheduled",
    "transactions",
    "details",
    "cards",
    "bank-accounts",
    "autopay",
)


def test_every_work_of_merchants_and_payers_begins_in_their_menu(tenant: Tenant) -> None:
    menu = page(tenant, "").partition("<main")[0]
    assert [tail for tail in MENU if f'href="{tenant.url(tail)}"' not in menu] == []
    give_role(tenant.merchant, "user")
    pages = [page(tenant, tail) for tail in ("", "psa/", "psa/invoices")]
    menu = pages[0].partition("<main")[0]
    assert [tail for tail in MENU[:9] if f'href="{tenant.url(tail)}"' not in menu] == []
    assert [f'href="{tenant.url("psa/invoices")}"' in one for one in pages] == [False, True, True]
    theirs = tenant.payer().get("/my/").content.decode().partition("<main")[0]
    assert [tail for tail in PORTAL_MENU if f'href="/my/{tail}"' not in theirs] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 121},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"contact_email": "x"},
    ],
)
def test_details_that_make_no_sense_are_refused(tenant: Tenant, wrong: dict[str, str]) -> None:
    answer = tenant.admin.post(tenant.url(DETAILS), GOOD | wrong)
    assert answer.status_code == 422
    fresh = Merchant.objects.get(pk=tenant.merchant.pk)
    assert (fresh.name, fresh.time_zone) == ("Northwind IT", "Australia/Sydney")


def test_payments_can_be_switched_off(tenant: Tenant) -> None:
    tenant.admin.post(tenant.url(DETAILS), {k: v for k, v in GOOD.items() if k != "takes_payments"})
    assert Merchant.objects.get(pk=tenant.merchant.pk).takes_payments is False


@pytest.mark.parametrize("kind", PayNowLink.Kind.values)
def test_generating_a_link_replaces_the_one_before(tenant: Tenant, kind: str) -> None:
    before = tenant.merchant.paynow_links.get(kind=kind, is_active=True)
    asked = tenant.admin.post(tenant.url(LINKS), {"kind": kind})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert tenant.merchant.paynow_links.get(kind=kind, is_active=True) == before
    tenant.admin.post(asked["Location"], {"password": PASSWORD})
    answer = tenant.admin.post(tenant.url(LINKS), {"kind": kind})
    assert answer.status_code == 302
    links = tenant.merchant.paynow_links.filter(kind=kind)
    assert links.filter(is_active=True).count() == 1
    assert links.get(pk=before.pk).is_active is False
    assert links.get(is_active=True).api_key.decrypt() != before.api_key.decrypt()
    shown = page(tenant, LINKS)
    assert not [link for link in links if link.api_key.decrypt() in shown]
    assert AuditEntry.objects.filter(action="paynow_link.generated", subject=kind).count() == 1


def test_a_link_of_no_known_kind_is_not_generated(tenant: Tenant) -> None:
    before = PayNowLink.objects.count()
    tenant.admin.post(tenant.url(LINKS), {"kind": "everything"})
    assert PayNowLink.objects.count() == before


def test_the_database_keeps_one_active_link_of_a_kind(tenant: Tenant) -> None:
    with pytest.raises(IntegrityError, match="one_active_link_per_kind"), transaction.atomic():
        PayNowLink.objects.create(merchant=tenant.merchant, kind="quick_link", acts_as=tenant.user, api_key="x")


def test_a_link_of_somebody_who_was_switched_off_is_no_longer_a_prerequisite(tenant: Tenant) -> None:
    assert all(p.is_met for p in list_prerequisites(tenant.merchant))
    User.objects.filter(pk=tenant.user.pk).update(is_active=False)
    unmet = [p.code for p in list_prerequisites(tenant.merchant) if not p.is_met]
    assert unmet == ["event_notification_link", "quick_link"]


def test_exactly_the_chosen_events_are_enabled(tenant: Tenant) -> None:
    tenant.admin.post(tenant.url(EVENTS), {"events": ["posting_refused"]})
    enabled = tenant.merchant.event_notifications.filter(is_enabled=True)
    assert list(enabled.values_list("event", flat=True)) == ["posting_refused"]
    tenant.admin.post(tenant.url(EVENTS), {})
    assert not enabled.all().exists()


def test_an_event_that_does_not_exist_is_refused_and_nothing_changes(tenant: Tenant) -> None:
    answer = tenant.admin.post(tenant.url(EVENTS), {"events": ["everything"]})
    assert answer.status_code == 422
    assert tenant.merchant.event_notifications.filter(is_enabled=True).count() == len(EventNotification.Event)


# ---- notifications ---------------------------------------------------------------------------------


def test_a_person_is_notified_once_per_key_by_page_and_mail(tenant: Tenant, deliver: Callable[..., int]) -> None:
    for _ in range(3):
        tell(tenant)
    tell(tenant, "another")
    deliver()
    assert Notification.objects.count() == 2
    mails = tenant.world.get("/mailbox/messages.json").json()["messages"]
    assert sorted(m["subject"] for m in mails) == ["Title of another", "Title of k"]
    ids = [value for m in mails for name, value in m["headers"] if name == "Message-ID"]
    assert len(set(ids)) == 2
    shown = page(tenant, "notifications/")
    assert "Title of k" in shown


def test_nobody_is_notified_of_an_event_that_is_switched_off(tenant: Tenant) -> None:
    tenant.merchant.event_notifications.filter(event="posting_refused").update(is_enabled=False)
    tell(tenant, event="posting_refused")
    assert Notification.objects.count() == 0


def test_admins_are_notified_and_others_are_not(tenant: Tenant) -> None:
    colleague(tenant)
    colleague(tenant, role="admin", email="second@northwind-it.example")
    gone = colleague(tenant, role="admin", email="gone@northwind-it.example")
    User.objects.filter(email="gone@northwind-it.example").update(is_active=False)
    tell(tenant)
    notification = set(Notification.objects.values_list("user__email", flat=True))
    assert notification == {"admin@northwind-it.example", "second@northwind-it.example"}
    assert gone.get(tenant.url()).status_code == 302


def test_mail_waits_while_the_mail_server_is_away(
    tenant: Tenant, deliver: Callable[..., int], settings: Settings
) -> None:
    tell(tenant)
    good = settings.MAILERS
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 1},
        }
    }
    deliver()
    assert Notification.objects.get().emailed_at is None
    settings.MAILERS = good
    deliver(at=timezone.now() + timedelta(minutes=1))
    assert Notification.objects.get().emailed_at is not None


def test_the_bell_counts_what_was_not_read(tenant: Tenant) -> None:
    assert "unread" not in page(tenant, "notifications/bell")
    tell(tenant, "a")
    tell(tenant, "b")
    assert "2 unread" in page(tenant, "notifications/bell")
    notification = Notification.objects.get(key="a")
    answer = tenant.admin.post(tenant.url(f"notifications/{notification.pk}/read"))
    assert (answer.status_code, answer["Location"]) == (302, tenant.url("payments/"))
    assert "1 unread" in page(tenant, "notifications/bell")
    read_at = Notification.objects.get(key="a").read_at
    tenant.admin.post(tenant.url(f"notifications/{notification.pk}/read"))
    assert Notification.objects.get(key="a").read_at == read_at


def test_nobody_reads_another_persons_notifications(tenant: Tenant, stranger: Tenant) -> None:
    tell(tenant)
    notification = Notification.objects.get()
    clerk = colleague(tenant)
    assert clerk.post(tenant.url(f"notifications/{notification.pk}/read")).status_code == 404
    assert stranger.admin.post(stranger.url(f"notifications/{notification.pk}/read")).status_code == 404
    assert "Title of k" not in clerk.get(tenant.url("notifications/")).content.decode()
    assert "Title of k" not in stranger.admin.get(stranger.url("notifications/")).content.decode()
    assert Notification.objects.get().read_at is None


# ---- the audit log and the first room --------------------------------------------------------------


def test_the_audit_log_names_who_did_what_from_where(tenant: Tenant, stranger: Tenant) -> None:
    tenant.admin.post(tenant.url(DETAILS), GOOD, REMOTE_ADDR="198.51.100.9")
    shown = page(tenant, "audit")
    row = shown[shown.index("<tbody>") :]
    for part in ("Saved the merchant", "198.51.100.9", "admin@northwind-it.example", "→"):
        assert part in row
    assert "Saved the merchant" not in page(stranger, "audit")


def test_one_merchant_leads_straight_to_its_dashboard_and_two_to_a_choice(tenant: Tenant, stranger: Tenant) -> None:
    assert tenant.admin.get("/")["Location"] == tenant.url()
    Membership.objects.create(merchant=stranger.merchant, user=tenant.user, role=get_role(stranger.merchant, "reader"))
    shown = tenant.admin.get("/").content.decode()
    assert "Northwind IT" in shown
    assert "Other IT" in shown


def test_a_person_without_a_merchant_sees_none(tenant: Tenant) -> None:
    client = Client()
    client.force_login(User.objects.create_user("alone@street.example", PASSWORD))
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Northwind IT" not in answer.content.decode()


def test_a_membership_that_ended_ends_at_once(tenant: Tenant) -> None:
    assert tenant.admin.get(tenant.url()).status_code == 200
    Membership.objects.filter(user=tenant.user).delete()
    assert tenant.admin.get(tenant.url()).status_code == 404
