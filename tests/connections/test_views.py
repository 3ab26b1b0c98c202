"""Configure > Accounting Connections: what it shows of each connection, and who may see it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from connections.availability import delete_old_events
from connections.models import Connection, ConnectionEvent
from connections.verification import refresh_and_verify
from tests.connections.oauth_steps import CONNECTIONS_PATH, connect_all_tiers
from tests.tenants import Checkout, Tenant, give_role

HTMX = {"HX-Request": "true"}


def page(tenant: Tenant, tail: str = "", **headers: str) -> str:
    """The screen or a part of it."""
    return str(tenant.admin.get(tenant.url(CONNECTIONS_PATH + tail), headers=headers).content.decode())


def test_it_shows_the_columns_and_buttons_that_the_product_is_known_for(tenant: Tenant) -> None:
    text = page(tenant)
    for words in ("Connection Type", "Description", "Connected Organization", "Connected", "Last Connection Test"):
        assert f'<th scope="col">{words}</th>' in text
    for title in ("Check if this token is still valid", "Disconnect"):
        assert f'title="{title}"' in text
    assert "Harbour IT Practice (AU)" in text
    assert "Connect to this accounting application" not in text
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/disconnect"))
    assert 'title="Connect to this accounting application"' in page(tenant)


def test_it_shows_one_row_or_three(tenant: Tenant) -> None:
    assert page(tenant).count('id="connection-') == 1
    connect_all_tiers(tenant)
    text = page(tenant)
    assert [text.count(f'id="connection-{tier}"') for tier in ("wise_pay", "company", "service")] == [1, 1, 1]
    assert "Check if this token is still valid for Company" in text


def test_the_question_mark_tests_and_sets_the_date_to_now(tenant: Tenant) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    Connection.objects.update(tested_at=long_ago, test_passed=None)
    before = timezone.now()
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"))
    assert tenant.connection.tested_at is not None
    assert tenant.connection.tested_at >= before
    assert 'data-test="passed"' in page(tenant)
    tenant.world.post("/xero/_control", {"disconnect": "*"})
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"))
    assert 'data-test="failed"' in page(tenant)
    kinds = ConnectionEvent.objects.order_by("pk").values_list("kind", "by")
    assert list(kinds) == [("test_passed", tenant.user.email), ("test_failed", tenant.user.email)]


def test_a_check_in_the_background_is_not_the_last_connection_test(tenant: Tenant) -> None:
    tested_at = tenant.connection.tested_at
    refresh_and_verify(tenant.connection, now=timezone.now() + timedelta(minutes=2))
    assert tenant.connection.tested_at == tested_at
    assert ConnectionEvent.objects.count() == 0


def test_it_says_how_much_waits(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    deliver()
    Connection.objects.update(blocked_until=timezone.now() + timedelta(minutes=5), last_error="Xero is full")
    checkout.pay()
    deliver()
    count = checkout.payment.postings.exclude(state="posted").count()
    assert count > 0
    text = page(tenant)
    assert f'<td data-label="Waiting"><span class="num">{count}</span>' in text
    assert "Xero is full" in text
    assert "No call is made before" in text


def test_it_says_how_many_calls_are_left(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    assert "of 60" in page(tenant)
    assert "of 5000" in page(tenant)


def test_it_moves_while_something_is_connected_and_rests_otherwise(tenant: Tenant) -> None:
    panel = tenant.url(f"{CONNECTIONS_PATH}panel")
    assert f'hx-get="{panel}"' in page(tenant)
    assert 'id="connections-panel"' in page(tenant, "panel", **HTMX)
    assert "<html" not in page(tenant, "panel", **HTMX)
    assert tenant.admin.get(panel)["Location"] == tenant.url(CONNECTIONS_PATH)
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/disconnect"))
    assert f'hx-get="{panel}"' not in page(tenant)


def test_the_panel_shows_a_break_as_soon_as_it_is_known(tenant: Tenant) -> None:
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    refresh_and_verify(tenant.connection, now=timezone.now() + timedelta(minutes=1))
    assert 'data-state="broken"' in page(tenant, "panel", **HTMX)


def test_the_history_goes_back_thirty_days(tenant: Tenant) -> None:
    now = timezone.now()
    for days, text in ((29, "a late one"), (31, "an early one")):
        ConnectionEvent.objects.create(
            connection=tenant.connection, kind="unavailable", text=text, at=now - timedelta(days=days)
        )
    shown = page(tenant)
    assert "a late one" in shown
    assert "an early one" not in shown
    assert "Wise-Pay: Connected" in shown
    assert delete_old_events(now=now) == 1
    assert ConnectionEvent.objects.get().text == "a late one"


@pytest.mark.parametrize("tail", ["", "panel", "change-company"])
def test_strangers_see_nothing_and_users_may_not(tenant: Tenant, stranger: Tenant, tail: str) -> None:
    assert stranger.admin.get(tenant.url(CONNECTIONS_PATH + tail)).status_code == 404
    give_role(tenant.merchant, "user")
    assert tenant.admin.get(tenant.url(CONNECTIONS_PATH + tail)).status_code == 403


def test_a_stranger_disconnects_nothing(tenant: Tenant, stranger: Tenant) -> None:
    assert stranger.admin.post(tenant.url(f"{CONNECTIONS_PATH}change-company/disconnect-all")).status_code == 404
    give_role(tenant.merchant, "user")
    assert tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}change-company/disconnect-all")).status_code == 403
    assert tenant.connection.state == "connected"
