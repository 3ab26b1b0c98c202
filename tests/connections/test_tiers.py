"""Three tiers: each kind of work uses its own connection, and one connection does all while they are off."""

import ast
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounting.mirror.downloads import start_download
from accounting.models import ManualTask, Posting
from connections.availability import get_connection
from connections.models import Connection
from connections.verification import refresh_and_verify
from tests import product
from tests.connections.oauth_steps import (
    CONNECTIONS_PATH,
    allow_access,
    connect_all_tiers,
    get_connections_by_tier,
    get_journal_end,
    list_apps_seen,
    open_callback,
    start_consent,
)
from tests.tenants import Checkout, Tenant
from wisepay import outbox
from wisepay.errors import Disconnected

ROOT = Path(__file__).resolve().parents[2]
OURS = product.APPS[product.APPS.index("connections") :]
PASSES_TIER_ON = "connections/availability.py"  # its find_working_connection takes the tier that its callers name
APPS = {"wise_pay": "sandbox-client", "company": "sandbox-client-2", "service": "sandbox-client-3"}


@pytest.fixture
def three_apps(tenant: Tenant, settings: Settings) -> Tenant:
    """A merchant whose three connections were made with an app each."""
    settings.XERO_COMPANY_CLIENT_ID, settings.XERO_COMPANY_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    settings.XERO_SERVICE_CLIENT_ID, settings.XERO_SERVICE_CLIENT_SECRET = "sandbox-client-3", "sandbox-secret-3"
    connect_all_tiers(tenant)
    tenant.merchant.refresh_from_db()
    return tenant


def calls_of(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function of this name in the product, with where it stands."""
    for path in (p for app in OURS for p in (ROOT / app).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def get_keyword_arguments(call: ast.Call) -> dict[str | None, str]:
    """A call's keyword arguments as they are written."""
    return {k.arg: ast.unparse(k.value) for k in call.keywords}


def test_no_connection_is_taken_without_naming_a_tier_and_no_ledger_opened_without_a_priority() -> None:
    ours = [c for c in calls_of("get_connection") if c[0].startswith(PASSES_TIER_ON)]
    handed_on = [c for c in ours if get_keyword_arguments(c[1])["tier"] == "tier"]
    assert len(handed_on) == 1
    places = {where for where, _ in handed_on}
    taken = [c for name in ("get_connection", "find_working_connection") for c in calls_of(name) if c[0] not in places]
    opened = [*calls_of("open_ledger"), *calls_of("open_ledger_session")]
    assert len(taken) >= 4
    assert len(opened) >= 9
    assert [where for where, call in taken if not get_keyword_arguments(call).get("tier", "").startswith("Tier.")] == []
    assert [where for where, call in opened if "priority" not in get_keyword_arguments(call)] == []


def test_ledgers_are_opened_for_connections_of_a_tier_only() -> None:
    opened = [*calls_of("open_ledger"), *calls_of("open_ledger_session")]
    loose = [w for w, call in opened if ast.unparse(call.args[0]) not in ("connection",)]
    assert loose == []


def test_one_connection_serves_every_tier_until_an_operator_divides_them(tenant: Tenant) -> None:
    assert not tenant.merchant.has_multi_connection
    assert {get_connection(tenant.merchant, tier=t).pk for t in APPS} == {tenant.connection.pk}
    assert tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}company/connect"), {"provider": "xero"}).status_code == 404


def test_each_connection_remembers_the_app_that_it_was_made_with(three_apps: Tenant) -> None:
    assert {tier: c.client_id for tier, c in get_connections_by_tier(three_apps).items()} == APPS
    assert {t: get_connection(three_apps.merchant, tier=t).tier for t in APPS} == {t: t for t in APPS}


def test_postings_and_downloads_go_through_the_wise_pay_connection(
    three_apps: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    since = get_journal_end(three_apps)
    checkout.pay()
    deliver()
    assert Posting.objects.filter(state="posted").count() > 0
    assert list_apps_seen(three_apps, since) == {APPS["wise_pay"]}
    since = get_journal_end(three_apps)
    start_download(three_apps.merchant, by=three_apps.user, now=timezone.now())
    deliver()
    assert list_apps_seen(three_apps, since) == {APPS["wise_pay"]}


def test_what_is_read_back_of_the_books_goes_through_the_company_connection(
    three_apps: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay()
    deliver()
    create_manual_task_for(checkout)
    since = get_journal_end(three_apps)
    outbox.schedule(
        f"look:{three_apps.merchant.pk}",
        "accounting.look_at_tasks",
        now=timezone.now(),
        merchant_id=three_apps.merchant.pk,
    )
    deliver()
    first = three_apps.world.journal("xero", since=since)[0]
    assert (first["method"], first["path"], first["app"]) == ("GET", "/CreditNotes", APPS["company"])


def create_manual_task_for(checkout: Checkout) -> None:
    """A credit note with a manual task."""
    posting = checkout.payment.postings.get(kind="credit_note")
    now = timezone.now()
    Posting.objects.filter(pk=posting.pk).update(state="rejected")
    ManualTask.objects.create(
        posting=posting, merchant=checkout.tenant.merchant, company=posting.company, payment=checkout.payment,
        kind="void", title="Free the note", steps=["Look."], state="open", state_at=now,
    )  # fmt: skip


def test_a_token_check_asks_with_the_token_that_it_is_about_and_costs_the_organisation_nothing(
    three_apps: Tenant,
) -> None:
    later = timezone.now() + timedelta(minutes=2)
    for tier, connection in get_connections_by_tier(three_apps).items():
        since = get_journal_end(three_apps)
        refresh_and_verify(connection, now=later)
        assert list_apps_seen(three_apps, since, "xero-identity") == {APPS[tier]}
        assert three_apps.world.journal("xero", since=since) == []


def test_a_tier_that_is_not_connected_parks_its_work_and_the_screen_says_so(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    call_command("enable_multi_connection", tenant.merchant.reference, stdout=StringIO())
    tenant.merchant.refresh_from_db()
    with pytest.raises(Disconnected, match="Company"):
        get_connection(tenant.merchant, tier="company")
    checkout.pay()
    deliver()
    create_manual_task_for(checkout)
    outbox.schedule(
        f"look:{tenant.merchant.pk}", "accounting.look_at_tasks", now=timezone.now(), merchant_id=tenant.merchant.pk
    )
    since = get_journal_end(tenant)
    deliver()
    assert tenant.world.journal("xero", since=since) == []
    notice = tenant.admin.get(tenant.url(f"{CONNECTIONS_PATH}notice")).content.decode()
    assert "Not connected: Company, Service" in notice
    open_callback(tenant.admin, allow_access(start_consent(tenant, tier="company"), "au"))
    deliver()
    assert [e["path"] for e in tenant.world.journal("xero", since=since) if e["path"] == "/CreditNotes"] != []


def test_the_switch_names_a_merchant_by_reference_or_name_and_can_be_pressed_twice(tenant: Tenant) -> None:
    said = StringIO()
    call_command("enable_multi_connection", "northwind it", stdout=said)
    call_command("enable_multi_connection", tenant.merchant.reference, stdout=said)
    tenant.merchant.refresh_from_db()
    assert tenant.merchant.has_multi_connection
    assert "three connections from now on" in said.getvalue()
    assert "had three already" in said.getvalue()
    with pytest.raises(CommandError, match="No merchant"):
        call_command("enable_multi_connection", "Nobody IT")


def test_switching_off_gives_back_what_is_not_needed_and_leaves_the_rest_working(three_apps: Tenant) -> None:
    call_command("disable_multi_connection", three_apps.merchant.reference, stdout=StringIO())
    states = {tier: c.state for tier, c in get_connections_by_tier(three_apps).items()}
    assert states == {"wise_pay": "connected", "company": "disconnected", "service": "disconnected"}
    rows = three_apps.world.get("/xero/_control").json()["connections"]
    assert {row["client"] for row in rows} == {APPS["wise_pay"]}
    three_apps.merchant.refresh_from_db()
    assert get_connection(three_apps.merchant, tier="company").tier == "wise_pay"


def test_with_one_app_disconnecting_one_tier_leaves_the_others_their_access(tenant: Tenant) -> None:
    connections = connect_all_tiers(tenant)
    assert len({c.remote_id for c in connections.values()}) == 1, (
        "Xero has one connection per app, person and organisation"
    )
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}company/disconnect"))
    refresh_and_verify(get_connections_by_tier(tenant)["service"], now=timezone.now() + timedelta(minutes=2))
    assert {t: c.state for t, c in get_connections_by_tier(tenant).items()} == {
        "wise_pay": "connected",
        "company": "disconnected",
        "service": "connected",
    }
    for tier in ("service", "wise_pay"):
        tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}{tier}/disconnect"))
    assert tenant.world.get("/xero/_control").json()["connections"] == []


def test_a_connection_goes_on_with_its_own_app_after_the_settings_changed(tenant: Tenant, settings: Settings) -> None:
    settings.XERO_CLIENT_ID, settings.XERO_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    settings.XERO_RETIRED_CLIENTS = {"sandbox-client": "sandbox-secret"}
    Connection.objects.update(access_expires_at=timezone.now())
    refresh_and_verify(tenant.connection, now=timezone.now())
    assert (tenant.connection.state, tenant.connection.client_id) == ("connected", "sandbox-client")
    assert tenant.connection.access_expires_at is not None
    assert tenant.connection.access_expires_at > timezone.now()


def test_a_connection_whose_app_is_gone_is_broken_with_a_message(tenant: Tenant, settings: Settings) -> None:
    settings.XERO_CLIENT_ID, settings.XERO_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    Connection.objects.update(access_expires_at=timezone.now())
    refresh_and_verify(tenant.connection, now=timezone.now())
    assert (tenant.connection.state, tenant.connection.cause) == ("broken", "app_gone")
    page = tenant.admin.get(tenant.url(CONNECTIONS_PATH)).content.decode()
    assert "no longer has the Xero app" in page
