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

from accounting.downloads import request_download
from accounting.models import HandTask, Posting
from connections.checks import look_after
from connections.models import Connection
from connections.services import connection_for
from tests.connections.walk import HERE, apps_seen, come_back, consent, divide, mark, set_out, tiers
from tests.people import Checkout, House
from wisepay import outbox
from wisepay.errors import Disconnected

ROOT = Path(__file__).resolve().parents[2]
OURS = ("connections", "payers", "payments", "accounting", "quotes")
HANDS_ON = "accounting/mirror_orders.py"  # its open_connection takes the tier that its callers name
APPS = {"wise_pay": "sandbox-client", "company": "sandbox-client-2", "service": "sandbox-client-3"}


@pytest.fixture
def three_apps(house: House, settings: Settings) -> House:
    """A merchant whose three connections were made with an app each."""
    settings.XERO_COMPANY_CLIENT_ID, settings.XERO_COMPANY_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    settings.XERO_SERVICE_CLIENT_ID, settings.XERO_SERVICE_CLIENT_SECRET = "sandbox-client-3", "sandbox-secret-3"
    divide(house)
    house.merchant.refresh_from_db()
    return house


def calls_of(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function of this name in the product, with where it stands."""
    for path in (p for app in OURS for p in (ROOT / app).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def words(call: ast.Call) -> dict[str | None, str]:
    """A call's keyword arguments as they are written."""
    return {k.arg: ast.unparse(k.value) for k in call.keywords}


def test_no_connection_is_taken_without_naming_a_tier_and_no_ledger_opened_without_a_lane() -> None:
    handed_on = [c for c in calls_of("connection_for") if c[0].startswith(HANDS_ON)]
    assert [words(call)["tier"] for _, call in handed_on] == ["tier"]
    places = {where for where, _ in handed_on}
    taken = [c for name in ("connection_for", "open_connection") for c in calls_of(name) if c[0] not in places]
    opened = [*calls_of("open_ledger"), *calls_of("speaking")]
    assert len(taken) >= 4
    assert len(opened) >= 9
    assert [where for where, call in taken if not words(call).get("tier", "").startswith("Tier.")] == []
    assert [where for where, call in opened if "lane" not in words(call)] == []


def test_ledgers_are_opened_for_connections_of_a_tier_only() -> None:
    opened = [*calls_of("open_ledger"), *calls_of("speaking")]
    loose = [w for w, call in opened if ast.unparse(call.args[0]) not in ("connection",)]
    assert loose == []


def test_one_connection_serves_every_tier_until_an_operator_divides_them(house: House) -> None:
    assert not house.merchant.has_multi_connection
    assert {connection_for(house.merchant, tier=t).pk for t in APPS} == {house.connection.pk}
    assert house.admin.post(house.url(f"{HERE}company/connect"), {"provider": "xero"}).status_code == 404


def test_each_connection_remembers_the_app_that_it_was_made_with(three_apps: House) -> None:
    assert {tier: c.client_id for tier, c in tiers(three_apps).items()} == APPS
    assert {t: connection_for(three_apps.merchant, tier=t).tier for t in APPS} == {t: t for t in APPS}


def test_postings_and_downloads_go_through_the_wise_pay_connection(
    three_apps: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    since = mark(three_apps)
    checkout.pay()
    drain()
    assert Posting.objects.filter(state="posted").count() > 0
    assert apps_seen(three_apps, since) == {APPS["wise_pay"]}
    since = mark(three_apps)
    request_download(three_apps.merchant, by=three_apps.user, now=timezone.now())
    drain()
    assert apps_seen(three_apps, since) == {APPS["wise_pay"]}


def test_what_is_read_back_of_the_books_goes_through_the_company_connection(
    three_apps: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    checkout.pay()
    drain()
    open_a_task(checkout)
    since = mark(three_apps)
    outbox.arm(
        f"look:{three_apps.merchant.pk}",
        "accounting.look_at_tasks",
        now=timezone.now(),
        merchant_id=three_apps.merchant.pk,
    )
    drain()
    first = three_apps.world.journal("xero", since=since)[0]
    assert (first["method"], first["path"], first["app"]) == ("GET", "/CreditNotes", APPS["company"])


def open_a_task(checkout: Checkout) -> None:
    """A credit note that a person has to look at in the books."""
    posting = checkout.payment.postings.get(kind="credit_note")
    now = timezone.now()
    Posting.objects.filter(pk=posting.pk).update(state="rejected")
    HandTask.objects.create(
        posting=posting, merchant=checkout.house.merchant, company=posting.company, payment=checkout.payment,
        kind="void", title="Free the note", steps=["Look."], state="open", state_at=now,
    )  # fmt: skip


def test_a_token_check_asks_with_the_token_that_it_is_about_and_costs_the_organisation_nothing(
    three_apps: House,
) -> None:
    later = timezone.now() + timedelta(minutes=2)
    for tier, connection in tiers(three_apps).items():
        since = mark(three_apps)
        look_after(connection, now=later)
        assert apps_seen(three_apps, since, "xero-identity") == {APPS[tier]}
        assert three_apps.world.journal("xero", since=since) == []


def test_a_tier_that_is_not_connected_parks_its_work_and_the_screen_says_so(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    call_command("enable_multi_connection", house.merchant.reference, stdout=StringIO())
    house.merchant.refresh_from_db()
    with pytest.raises(Disconnected, match="Company"):
        connection_for(house.merchant, tier="company")
    checkout.pay()
    drain()
    open_a_task(checkout)
    outbox.arm(
        f"look:{house.merchant.pk}", "accounting.look_at_tasks", now=timezone.now(), merchant_id=house.merchant.pk
    )
    since = mark(house)
    drain()
    assert house.world.journal("xero", since=since) == []
    notice = house.admin.get(house.url(f"{HERE}notice")).content.decode()
    assert "Not connected: Company, Service" in notice
    come_back(house.admin, consent(set_out(house, tier="company"), "au"))
    drain()
    assert [e["path"] for e in house.world.journal("xero", since=since) if e["path"] == "/CreditNotes"] != []


def test_the_switch_names_a_merchant_by_reference_or_name_and_can_be_pressed_twice(house: House) -> None:
    said = StringIO()
    call_command("enable_multi_connection", "northwind it", stdout=said)
    call_command("enable_multi_connection", house.merchant.reference, stdout=said)
    house.merchant.refresh_from_db()
    assert house.merchant.has_multi_connection
    assert "three connections from now on" in said.getvalue()
    assert "had three already" in said.getvalue()
    with pytest.raises(CommandError, match="No merchant"):
        call_command("enable_multi_connection", "Nobody IT")


def test_switching_off_gives_back_what_is_not_needed_and_leaves_the_rest_working(three_apps: House) -> None:
    call_command("disable_multi_connection", three_apps.merchant.reference, stdout=StringIO())
    states = {tier: c.state for tier, c in tiers(three_apps).items()}
    assert states == {"wise_pay": "connected", "company": "disconnected", "service": "disconnected"}
    rows = three_apps.world.get("/xero/_control").json()["connections"]
    assert {row["client"] for row in rows} == {APPS["wise_pay"]}
    three_apps.merchant.refresh_from_db()
    assert connection_for(three_apps.merchant, tier="company").tier == "wise_pay"


def test_with_one_app_disconnecting_one_tier_leaves_the_others_their_access(house: House) -> None:
    held = divide(house)
    assert len({c.remote_id for c in held.values()}) == 1, "Xero has one connection per app, person and organisation"
    house.admin.post(house.url(f"{HERE}company/disconnect"))
    look_after(tiers(house)["service"], now=timezone.now() + timedelta(minutes=2))
    assert {t: c.state for t, c in tiers(house).items()} == {
        "wise_pay": "connected",
        "company": "disconnected",
        "service": "connected",
    }
    for tier in ("service", "wise_pay"):
        house.admin.post(house.url(f"{HERE}{tier}/disconnect"))
    assert house.world.get("/xero/_control").json()["connections"] == []


def test_a_connection_goes_on_with_its_own_app_after_the_settings_changed(house: House, settings: Settings) -> None:
    settings.XERO_CLIENT_ID, settings.XERO_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    settings.XERO_RETIRED_CLIENTS = {"sandbox-client": "sandbox-secret"}
    Connection.objects.update(access_expires_at=timezone.now())
    look_after(house.connection, now=timezone.now())
    assert (house.connection.state, house.connection.client_id) == ("connected", "sandbox-client")
    assert house.connection.access_expires_at is not None
    assert house.connection.access_expires_at > timezone.now()


def test_a_connection_whose_app_is_gone_is_broken_with_a_sentence(house: House, settings: Settings) -> None:
    settings.XERO_CLIENT_ID, settings.XERO_CLIENT_SECRET = "sandbox-client-2", "sandbox-secret-2"
    Connection.objects.update(access_expires_at=timezone.now())
    look_after(house.connection, now=timezone.now())
    assert (house.connection.state, house.connection.cause) == ("broken", "app_gone")
    page = house.admin.get(house.url(HERE)).content.decode()
    assert "no longer has the Xero app" in page
