"""What is written down: sign-ins, failures, factors, addresses, settings old → new, and operators' acts."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin import site
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.test import Client

from merchants.models import Membership
from payers.models import PayerAccess, PayerCompany
from payments.models import GatewayAccount
from quotes.models import CpqIntegration
from tests.sign_in_steps import (
    AUTHENTICATE,
    EMAIL,
    enrol_authenticator,
    get_authenticator_code,
    get_mailed_code,
    list_mails,
    sign_in,
    submit_code,
    submit_password,
)
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay import clock
from wisepay.accounts.services import sync_email_address
from wisepay.admin_site import AuditedAdmin
from wisepay.audit_log.sealing import seal_entries
from wisepay.audit_log.verification import verify_audit_log
from wisepay.commands import OperatorCommand
from wisepay.models import AuditEntry, User

OutboxDelivery = Callable[..., int]
# They write an entry themselves, without the address that they were given.
PRIVATE = {"erase_person", "export_person"}
READING = {"doctor", "verify_audit", "write_states", "seed_demo", "seed_psa"}


def actions(**where: Any) -> list[str]:
    return list(AuditEntry.objects.filter(**where).order_by("at", "pk").values_list("action", flat=True))


def test_a_sign_in_stands_in_the_log_of_the_employer_with_how_and_from_where(tenant: Tenant) -> None:
    sign_in(Client(headers={"user-agent": "Firefox 144"}), tenant.world)
    entry = AuditEntry.objects.get(action="sign_in.succeeded")
    assert (entry.merchant_id, entry.user, entry.email) == (tenant.merchant.pk, tenant.user, EMAIL)
    assert (entry.detail, entry.ip, entry.agent) == ("password, mailed code", "127.0.0.1", "Firefox 144")
    assert actions(merchant_id=tenant.merchant.pk, action__startswith="sign_in") == [
        "sign_in.code_mailed",
        "sign_in.succeeded",
    ]


def test_the_first_sign_in_proves_the_address_and_changes_none(tenant: Tenant) -> None:
    EmailAddress.objects.filter(user=tenant.user).delete()
    sign_in(Client(), tenant.world)
    assert actions(action__startswith="email") == ["email.confirmed"]


def test_failures_and_lockouts_are_written_and_a_storm_is_not(tenant: Tenant, browser: Client) -> None:
    for _ in range(12):
        submit_password(browser, password="wrong-password")
    submit_password(browser, "nobody@example.com", "wrong\0password")
    found = actions(merchant_id=tenant.merchant.pk, action__startswith="sign_in")
    assert found.count("sign_in.failed") >= 4
    assert found.count("sign_in.locked") <= 1
    refused = AuditEntry.objects.filter(action="sign_in.failed", merchant_id=tenant.merchant.pk).first()
    assert refused is not None
    assert (refused.user, refused.subject) == (None, EMAIL)
    assert not AuditEntry.objects.filter(detail__contains="wrong-password").exists()


def test_an_address_that_nobody_has_stands_in_the_operators_log(tenant: Tenant, browser: Client) -> None:
    submit_password(browser, "nobody@example.com", "wrong-password")
    entry = AuditEntry.objects.get(action="sign_in.failed")
    assert (entry.merchant_id, entry.user, entry.email) == (None, None, "nobody@example.com")


def test_wrong_codes_are_written(tenant: Tenant, browser: Client) -> None:
    submit_password(browser)
    right = get_mailed_code(tenant.world)
    submit_code(browser, "000000" if right != "000000" else "111111")
    assert "sign_in.code_refused" in actions(merchant_id=tenant.merchant.pk)


def test_a_wrong_code_of_an_app_is_written(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    submit_password(browser)
    wrong = str((int(get_authenticator_code(secret)) + 1) % 10**6).zfill(6)
    browser.post(AUTHENTICATE, {"code": wrong})
    assert AuditEntry.objects.get(action="sign_in.factor_refused").detail == "authenticator app"


def test_a_reset_is_written_from_the_mail_to_the_new_password(tenant: Tenant, browser: Client) -> None:
    browser.post("/accounts/password/reset/", {"email": EMAIL})
    [link] = [w for w in list_mails(tenant.world)[0]["text"].split() if "/password/reset/key/" in w]
    path = "/" + link.split("/", 3)[3]
    page = browser.get(path, follow=True)
    browser.post(page.redirect_chain[-1][0], {"password1": "another-long-phrase", "password2": "another-long-phrase"})
    found = actions(merchant_id=tenant.merchant.pk)
    assert [a for a in found if a.startswith("password")] == ["password.reset_mailed", "password.reset"]


def test_factors_that_come_and_go_are_written(tenant: Tenant) -> None:
    enrol_authenticator(tenant.user)
    tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})
    tenant.admin.post("/accounts/2fa/recovery-codes/generate/")
    tenant.admin.post("/accounts/2fa/totp/deactivate/")
    kinds = set(Authenticator.objects.values_list("type", flat=True))
    found = actions(merchant_id=tenant.merchant.pk, action__startswith="factor")
    assert ("factor.removed" in found) == ("totp" not in kinds)
    assert found


def test_settings_are_written_old_and_new_in_words(tenant: Tenant) -> None:
    details = {
        "name": tenant.merchant.name, "time_zone": "Pacific/Auckland", "contact_email": tenant.merchant.contact_email,
        "contact_phone": "", "two_factor_mode": "optional",
    }  # fmt: skip
    before = tenant.merchant.time_zone
    tenant.admin.post(tenant.url("configure/merchants/details"), details)
    entry = AuditEntry.objects.get(action="merchant.details_saved")
    assert f"{before} → Pacific/Auckland" in entry.detail
    assert "2FA Mode: Required → Optional" in entry.detail
    assert "Payments enabled: on → off" in entry.detail
    tenant.admin.post(tenant.url("configure/event-notifications"), {"events": ["payment_disputed"]})
    assert "→ Payment Disputed" in AuditEntry.objects.get(action="events.saved").detail


# ---- operators -----------------------------------------------------------------------------------------


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@example.com", PASSWORD, name="Olga Operator"))
    return client


def test_what_an_operator_changes_stands_in_the_merchants_log(tenant: Tenant, operator: Client) -> None:
    path = f"/operators/wisepay/user/{tenant.user.pk}/change/"
    form = {"email": "other@northwind-it.example", "name": tenant.user.name, "is_active": "on"}
    assert operator.post(path, form).status_code == 302
    entry = AuditEntry.objects.get(action="operator.changed")
    assert (entry.merchant_id, entry.name) == (tenant.merchant.pk, "Olga Operator")
    assert f"{EMAIL} → other@northwind-it.example" in entry.detail


def test_a_factor_that_an_operator_removes_stands_in_the_log_of_the_payers_merchant(
    tenant: Tenant, operator: Client
) -> None:
    payer = User.objects.create_user("payer@example.com")
    company = PayerCompany.objects.create(merchant=tenant.merchant, name="Harbour Dental")
    PayerAccess.objects.create(user=payer, company=company, state="active", state_at=clock.now())
    enrol_authenticator(payer)
    row = Authenticator.objects.get(user=payer)
    chosen = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    operator.post("/operators/mfa/authenticator/", chosen)
    assert not Authenticator.objects.filter(pk=row.pk).exists()
    entry = AuditEntry.objects.get(action="operator.deleted")
    assert entry.merchant_id == tenant.merchant.pk


def test_every_class_on_the_admin_site_is_audited() -> None:
    found = dict(site._registry)
    assert len(found) >= 5
    assert [model for model, one in found.items() if not isinstance(one, AuditedAdmin | admin.ModelAdmin)] == []
    assert [model for model, one in found.items() if not isinstance(one, AuditedAdmin)] == []


def test_every_command_that_changes_something_is_audited() -> None:
    ours = {name: app for name, app in get_commands().items() if not str(app).startswith(("django.", "allauth"))}
    commands = {name: load_command_class(str(app), name) for name, app in ours.items()}
    assert {"createsuperuser", "changepassword", "enable_multi_connection", "create_merchant"} <= set(commands)
    assert {name for name, one in commands.items() if not isinstance(one, OperatorCommand)} - READING - PRIVATE == set()


def test_a_command_says_who_ran_it_with_what_in_the_merchants_log(tenant: Tenant) -> None:
    call_command("enable_multi_connection", tenant.merchant.reference, stdout=StringIO())
    entry = AuditEntry.objects.get(action="operator.command_run")
    assert (entry.merchant_id, entry.subject) == (tenant.merchant.pk, "enable_multi_connection")
    assert entry.detail == f"merchant: {tenant.merchant.reference}"
    assert " on " in entry.name
    with pytest.raises(CommandError):
        call_command("disable_multi_connection", "nobody", stdout=StringIO())
    assert AuditEntry.objects.get(subject="disable_multi_connection").detail.startswith("merchant: nobody; failed: ")
    call_command("outbox", "list", stdout=StringIO())
    assert not AuditEntry.objects.filter(subject="outbox").exists()
    seal_entries(now=clock.now())
    assert list(verify_audit_log(now=clock.now())) == []


# ---- keys that are replaced, and seeing as a payer ------------------------------------------------------

CPQ, LINKS, GATEWAY = (f"configure/merchants/{page}" for page in ("integrations", "paynow-links", "gateway"))
REPLACED = {
    GATEWAY: {
        "publishable_key": "pk_test_{account}__2",
        "secret_key": "sk_test_{account}__2",
        "webhook_secret": "whsec_a0new0secret",
    },
    CPQ: {"act": "save", "is_enabled": "on", "hosts": "*.orderporter.com", "new_key": "1"},
    LINKS: {"kind": "quick_link"},
}


def build_replacement(tenant: Tenant, page: str) -> dict[str, str]:
    """What replaces the keys of this page; of the gateway those of the same account, rolled once."""
    return {
        name: text.format(account=f"tenant{tenant.merchant.reference}") if page == GATEWAY else text
        for name, text in REPLACED[page].items()
    }


def snapshot_keys(tenant: Tenant) -> list[str]:
    """Every key of the merchant, readable."""
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    link = tenant.merchant.paynow_links.get(kind="quick_link", is_active=True)
    cpq = CpqIntegration.objects.get(merchant=tenant.merchant)
    return [secret.decrypt() for secret in (account.secret_key, account.webhook_secret, link.api_key, cpq.api_key)]


@pytest.mark.parametrize("page", REPLACED)
def test_keys_are_replaced_only_with_a_fresh_proof_and_every_admin_is_told(
    tenant: Tenant, page: str, deliver: OutboxDelivery
) -> None:
    other = User.objects.create_user("second@northwind-it.example")
    Membership.objects.create(merchant=tenant.merchant, user=other, role=get_role(tenant.merchant, "admin"))
    tenant.merchant.event_notifications.update(is_enabled=False)
    before = snapshot_keys(tenant)
    asked = tenant.admin.post(tenant.url(page), build_replacement(tenant, page))
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert snapshot_keys(tenant) == before
    tenant.admin.post(asked["Location"], {"password": "wrong-password"})
    assert tenant.admin.post(tenant.url(page), build_replacement(tenant, page))["Location"].startswith(
        "/accounts/reauthenticate/"
    )
    assert snapshot_keys(tenant) == before
    tenant.admin.post(asked["Location"], {"password": PASSWORD})
    assert tenant.admin.post(tenant.url(page), build_replacement(tenant, page))["Location"] == tenant.url(page)
    assert snapshot_keys(tenant) != before
    deliver()
    for address in (EMAIL, other.email):
        [mail] = [m for m in list_mails(tenant.world, address) if "replaced" in m["subject"]]
        assert tenant.user.email in mail["text"]
        assert not [key for key in snapshot_keys(tenant) if key in mail["text"]]


def test_seeing_as_a_payer_needs_a_reason_is_written_page_by_page_and_told(
    tenant: Tenant, deliver: OutboxDelivery
) -> None:
    access = tenant.access("ada@harbourdental.example")
    path = tenant.url(f"payers/see/{access.reference}")
    for reason in ("", "   ", "\0"):
        refused = tenant.admin.post(path, {"reason": reason})
        assert refused.status_code == 422
        assert tenant.admin.get("/my/details").status_code == 404
    assert "Say in a few words" in tenant.admin.post(path).content.decode()
    assert tenant.admin.post(path, {"reason": "Called about a receipt"}).status_code == 302
    tenant.admin.get("/my/details")
    tenant.admin.get("/my/methods/cards")
    tenant.admin.post("/my/stop-seeing")
    found = AuditEntry.objects.filter(action__startswith="payer.").order_by("at", "pk")
    assert next((e.action, e.detail) for e in found) == ("payer.seen_as", "Called about a receipt")
    assert ("payer.page_seen", "/my/details") in [(e.action, e.detail) for e in found]
    assert found.last().action == "payer.seen_as_ended"
    deliver()
    [mail] = list_mails(tenant.world, "ada@harbourdental.example")
    assert "Called about a receipt" in mail["text"]
    assert tenant.merchant.name in mail["subject"]
