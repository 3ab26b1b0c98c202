"""Every page of the console and the portal, for everybody: each opens what is theirs, and the rest does not exist."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from merchants.access import get_needed_rights
from merchants.rights import Right
from payers.models import PayerAccess
from payments.models import GatewayAccount, SavedMethod
from tests.merchants.page_cases import CASES, PAYERS
from tests.quotes.api_helpers import create_mismatch
from tests.tenants import PASSWORD, Checkout, Tenant, give_role
from wisepay.models import User

# These answer 404 to those who may use them too, for want of the thing that they name.
NEEDS_A_THING = {
    "merchants:end_sessions",
    "merchants:save_member",
    "merchants:remove_member",
    "merchants:resend_invitation",
    "merchants:withdraw_invitation",
    "merchants:read_notification",
    "merchants:paynow_link",
    "merchants:regenerate_link",
    "paynow_links:pay_buttons",
    "connections:choose",
    "accounting:finish_task",
    "accounting:reopen_task",
    "accounting:decide",
    "accounting:decide_credit",
    "accounting:invoice_credits",
    "accounting:use_credit",
    "payer_books:pay_invoice",
    "payer_books:print_pdf",
    "payments:refund",
    "reconciliation:payout",
    "reconciliation:take_back",
    "payments:receipt",
    "payments:receipt_pdf",
    "payments:check_method",
    "payments:stop_method",
    "autopay:accept",
    "autopay:dismiss",
    "autopay:detail",
    "autopay:check",
    "autopay:cancel",
    "autopay:requeue",
    "autopay:resolve",
    "autopay:reopen",
    "autopay:term",
    "autopay:remove_term",
    "autopay:end_mapping",
    "autopay:my_remove",
    "autopay:my_answer",
    "autopay:my_check",
    "psa:verify",
    "psa:settings",
    "psa:disconnect",
    "psa:payment",
    "psa:decide",
    "psa:agreement",
    "psa:decide_agreement",
    "psa:invoice_sync_run",
    "psa:decide_invoice_sync",
    "psa:join_invoice",
}
# Pages of nobody in particular: a link, a key or a signature opens them, or any sign-in; each has tests of its own.
OPEN_PAGES = {
    "merchants:home",
    "connections:callback",
    "payers:stop_seeing",
    "quotes:api_docs",
    "quotes:open_link",
    "quotes:return",
    "paynow_links:find",
    "paynow_links:invoice",
    "paynow_links:prepay",
    "payments:stripe_webhook",
    "accounting:xero_webhook",
    "accounting:intuit_webhook",
    "psa:callback",
    "operators_audit",
}
OPEN_PREFIXES = (
    "merchants:join", "payers:welcome", "payments:pay", "payments:guest", "payments:register", "payments:checkout",
    "payments:create_", "payments:check_", "payments:stop_", "quotes:cpq_v1:", "quotes:None", "account_", "mfa_",
    "socialaccount_", "openid_connect_", "usersessions_", "two_factor_", "own_name", "None",
)  # fmt: skip
# What these do would take away what the pages after them are about.
LAST = ("payers:end_sessions", "payments:remove_method", "payers:start_seeing", "payer_admin:remove", "merchants:leave")
PAYER = "accounts@harbourdental.example"


@dataclass(frozen=True)
class Page:
    """One path of the site."""

    name: str
    route: str
    arguments: tuple[str, ...]

    @property
    def is_gated(self) -> bool:
        """Whether it is the console's or the portal's."""
        return self.route.startswith(("m/", "my/"))


def pages(patterns: list[URLPattern | URLResolver], namespace: str = "", prefix: str = "") -> Iterator[Page]:
    """Every path of ours; the operators' own pages are Django's."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            if not route.startswith("operators/"):
                yield from pages(pattern.url_patterns, inner, route)
        else:
            yield Page(f"{namespace}{pattern.name}", route, tuple(pattern.pattern.converters))


EVERY = list(pages(get_resolver().url_patterns))
GATED = [page for page in EVERY if page.is_gated and page.name not in OPEN_PAGES]
ALL = sorted((page for page in GATED if page.name in CASES), key=lambda p: LAST.index(p.name) if p.name in LAST else -1)


def things(tenant: Tenant, checkout: Checkout) -> dict[str, str]:
    """What a path can be about, at this merchant."""
    access = tenant.access(PAYER)
    return {
        "merchant_ref": tenant.merchant.reference,
        "reference": checkout.payment.reference,
        "payment_ref": checkout.payment.reference,
        "tier": "wise_pay",
        "day": "2026-11-01",
        "payout_id": "po_none",
        "acknowledgement_ref": "none0such0word0here0",
        "kind": "payment",
        "pk": "1",
        "invoice_id": "1",
        "company_ref": access.company.reference,
        "user_ref": access.user.reference,
        "access_ref": access.reference,
        "role_ref": tenant.merchant.roles.get(kind="administrator").reference,
        "invitation_ref": "none0such0invitation",
        "method_ref": saved_method(tenant, access).reference,
        "setup_ref": "none0such0setup0here0",
        "refund_ref": "none0such0refund0here",
        "mapping_ref": "none0such0mapping0here",
        "mismatch_ref": create_mismatch(access.company).reference,
        "scheduled_ref": "none0such0scheduled0",
        "term_ref": "none0such0term0here0",
        "list_name": "payments",
        "format_name": "csv",
        "account_id": other_account(tenant).stripe_account_id,
        "mode": "test",
    }


def other_account(tenant: Tenant) -> GatewayAccount:
    """An account that takes no payments, made on first sight."""
    keys = {"publishable_key": "pk_test_other", "secret_key": "sk_test_other", "webhook_secret": "whsec_other"}
    return GatewayAccount.objects.get_or_create(
        merchant=tenant.merchant, stripe_account_id="acct_other", defaults=keys
    )[0]


def saved_method(tenant: Tenant, access: PayerAccess) -> SavedMethod:
    """A card of the payer, made on first sight."""
    fresh = {"company": access.company, "owner": access.user, "kind": "card", "state": "active"}
    return SavedMethod.objects.get_or_create(
        account=tenant.merchant.gateway_account,
        stripe_payment_method_id="pm_access",
        defaults=fresh | {"stripe_customer_id": "cus_access", "state_at": timezone.now()},
    )[0]


def path_of(page: Page, values: dict[str, str]) -> str:
    """The page's path about these."""
    return reverse(page.name, kwargs={name: values[name] for name in page.arguments})


def ask(client: Client, page: Page, values: dict[str, str]) -> tuple[int, str]:
    """The page's answer to its own method: status and text."""
    answer = getattr(client, CASES[page.name][0])(path_of(page, values))
    assert "no-store" in answer.headers.get("Cache-Control", "no-store"), page.name
    return answer.status_code, answer.get("Location", "") + answer.getvalue().decode(errors="replace")


def nobody(tenant: Tenant, stranger: Tenant) -> Client:
    """Somebody who signed in and belongs nowhere."""
    client = Client()
    client.force_login(User.objects.create_user("nobody@example.com", PASSWORD))
    return client


OPENS, SIGN_IN, MISSING, REFUSED = "opens", "sign in", "missing", "refused"
# What the merchant's people may do, role by role; "user" is who was one before there were roles.
RIGHTS: dict[str, set[Right]] = {
    "admin": set(Right),
    "bookkeeper": {
        Right.SEE, Right.EVERYDAY, Right.TAKE_PAYMENTS, Right.MANAGE_PAYERS, Right.AUTOMATIC_PAYMENTS, Right.BOOKS
    },
    "reader": {Right.SEE},
    "user": {Right.SEE, Right.EVERYDAY},
}  # fmt: skip
Maker = Callable[[Tenant, Tenant], Client]
# Everybody else, and what the console and the portal are for them.
OUTSIDERS: dict[str, tuple[Maker, str, str]] = {
    "anonymous": (lambda h, s: Client(), SIGN_IN, SIGN_IN),
    "stranger": (nobody, MISSING, MISSING),
    "payer of another merchant": (
        lambda h, s: s.payer("pay@other-it.example", company="Their Company"),
        MISSING,
        OPENS,
    ),
    "payer": (lambda h, s: h.payer(PAYER), MISSING, OPENS),
    "admin of another merchant": (lambda h, s: s.admin, MISSING, MISSING),
}
ROLES = [*OUTSIDERS, *RIGHTS]


def make_client(role: str, tenant: Tenant, stranger: Tenant) -> Client:
    """The browser of somebody in the role."""
    if role in OUTSIDERS:
        return OUTSIDERS[role][0](tenant, stranger)
    give_role(tenant.merchant, role)
    return tenant.admin


def get_expected(role: str, page: Page) -> str:
    """What the page is for somebody in the role, asked by its own method."""
    needed = CASES[page.name][1]
    if role in OUTSIDERS:
        _make, console, portal = OUTSIDERS[role]
        return portal if needed == PAYERS else console
    if needed == PAYERS:
        return MISSING
    return OPENS if RIGHTS[role] & set(needed) else REFUSED


def test_every_page_has_a_case() -> None:
    assert sorted(page.name for page in GATED) == sorted(CASES)
    loose = {p.name for p in EVERY if not p.is_gated and not p.name.startswith(OPEN_PREFIXES)} - OPEN_PAGES
    assert loose == set()


@pytest.mark.parametrize("role", ROLES)
def test_each_role_opens_what_is_theirs(tenant: Tenant, stranger: Tenant, checkout: Checkout, role: str) -> None:
    values, client = things(tenant, checkout), make_client(role, tenant, stranger)
    for page in ALL:
        expected = get_expected(role, page)
        status, text = ask(client, page, values)
        if expected == SIGN_IN:
            assert (status, text) == (302, f"/accounts/login/?next={path_of(page, values)}"), page.name
        elif expected == REFUSED:
            assert status == 403, page.name
        elif expected == MISSING or page.name in NEEDS_A_THING or is_of_another(role, page):
            assert status == 404, page.name
        else:
            assert status in (200, 302, 409, 422), page.name
        if role in ("stranger", "payer of another merchant", "admin of another merchant"):
            assert "Northwind" not in text, page.name
    assert (tenant.connection.state == "connected") == (role != "admin")


def is_of_another(role: str, page: Page) -> bool:
    """Whether the portal's page names a thing that the payer can't reach."""
    return role == "payer of another merchant" and bool(page.arguments)


@pytest.mark.parametrize("role", ["stranger", "payer of another merchant", "payer", "admin of another merchant"])
def test_no_method_lets_strangers_into_the_console(
    tenant: Tenant, stranger: Tenant, checkout: Checkout, role: str
) -> None:
    values, client = things(tenant, checkout), make_client(role, tenant, stranger)
    for page in ALL:
        if CASES[page.name][1] == PAYERS:
            continue
        other = "post" if CASES[page.name][0] == "get" else "get"
        answer = getattr(client, other)(path_of(page, values))
        assert answer.status_code in (404, 405), f"{other} {page.name}"
    assert GatewayAccount.objects.filter(merchant=tenant.merchant).exists()
    assert tenant.access(PAYER).state == "active"


@pytest.mark.parametrize("role", ["bookkeeper", "reader", "user"])
def test_nobody_changes_what_their_role_may_not(
    tenant: Tenant, stranger: Tenant, checkout: Checkout, role: str
) -> None:
    values, client = things(tenant, checkout), make_client(role, tenant, stranger)
    for page in ALL:
        if CASES[page.name][1] == PAYERS or RIGHTS[role] & set(get_needed_rights(page.name).list_for("POST")):
            continue
        answer = client.post(path_of(page, values))
        assert answer.status_code in (403, 405), page.name
        if answer.status_code == 403:
            assert "it needs the right" in answer.content.decode(), page.name
    assert tenant.connection.state == "connected"


def test_another_merchants_things_are_not_reached_under_ones_own_address(
    tenant: Tenant, stranger: Tenant, checkout: Checkout
) -> None:
    foreign = things(tenant, checkout) | {"merchant_ref": stranger.merchant.reference}
    named = {"reference", "payment_ref", "company_ref", "user_ref", "access_ref", "role_ref"}
    for page in ALL:
        if CASES[page.name][1] == PAYERS or not named & set(page.arguments):
            continue
        status, text = ask(stranger.admin, page, foreign)
        if page.name in ("quotes:callbacks", "quotes:timeline"):
            assert str(checkout.quote.number) not in text
        else:
            assert status == 404, page.name
    assert tenant.access(PAYER).state == "active"


def test_who_sees_as_a_payer_reads_every_page_of_the_portal_and_changes_nothing(
    tenant: Tenant, stranger: Tenant, checkout: Checkout
) -> None:
    values = things(tenant, checkout)
    stranger.access(PAYER, company="Their Company")
    path = reverse("payers:start_seeing", args=[values["merchant_ref"], values["access_ref"]])
    tenant.admin.post(path, {"reason": "asked"})
    portal = [page for page in ALL if CASES[page.name][1] == PAYERS]
    assert len(portal) >= 10
    for page in portal:
        if CASES[page.name][0] == "get":
            status, text = ask(tenant.admin, page, values)
            missing = page.name in NEEDS_A_THING
            assert (status == 404) if missing else (status in (200, 302)), page.name
            assert "Their Company" not in text, page.name
        answer = tenant.admin.post(path_of(page, values))
        assert answer.status_code in (403, 405), page.name
    saved = saved_method(tenant, tenant.access(PAYER))
    assert (saved.state, saved.is_shared, saved.is_default) == ("active", False, False)


def test_operators_pages_are_closed_to_merchants(tenant: Tenant) -> None:
    answer = tenant.admin.get("/operators/")
    assert answer.status_code == 302
    assert "/operators/login/" in answer["Location"]
