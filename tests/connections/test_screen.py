"""Configure > Accounting Connections: what it shows of each connection, and who may see it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from connections.checks import look_after
from connections.health import forget_events
from connections.models import Connection, ConnectionEvent
from tests.connections.walk import HERE, divide
from tests.people import Checkout, House

HTMX = {"HX-Request": "true"}


def page(house: House, tail: str = "", **headers: str) -> str:
    """The screen or a part of it."""
    return str(house.admin.get(house.url(HERE + tail), headers=headers).content.decode())


def test_it_shows_the_columns_and_buttons_that_the_product_is_known_for(house: House) -> None:
    text = page(house)
    for words in ("Connection Type", "Description", "Connected Organization", "Connected", "Last Connection Test"):
        assert f'<th scope="col">{words}</th>' in text
    for title in ("Check if this token is still valid", "Disconnect"):
        assert f'title="{title}"' in text
    assert "Harbour IT Practice (AU)" in text
    assert "Connect to this accounting application" not in text
    house.admin.post(house.url(f"{HERE}wise_pay/disconnect"))
    assert 'title="Connect to this accounting application"' in page(house)


def test_it_shows_one_row_or_three(house: House) -> None:
    assert page(house).count('id="connection-') == 1
    divide(house)
    text = page(house)
    assert [text.count(f'id="connection-{tier}"') for tier in ("wise_pay", "company", "service")] == [1, 1, 1]
    assert "Check if this token is still valid for Company" in text


def test_the_question_mark_tests_and_sets_the_date_to_now(house: House) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    Connection.objects.update(tested_at=long_ago, test_passed=None)
    before = timezone.now()
    house.admin.post(house.url(f"{HERE}wise_pay/verify"))
    assert house.connection.tested_at is not None
    assert house.connection.tested_at >= before
    assert 'data-test="passed"' in page(house)
    house.world.post("/xero/_control", {"disconnect": "*"})
    house.admin.post(house.url(f"{HERE}wise_pay/verify"))
    assert 'data-test="failed"' in page(house)
    kinds = ConnectionEvent.objects.order_by("pk").values_list("kind", "by")
    assert list(kinds) == [("test_passed", house.user.email), ("test_failed", house.user.email)]


def test_a_check_in_the_background_is_not_the_last_connection_test(house: House) -> None:
    tested_at = house.connection.tested_at
    look_after(house.connection, now=timezone.now() + timedelta(minutes=2))
    assert house.connection.tested_at == tested_at
    assert ConnectionEvent.objects.count() == 0


def test_it_says_how_much_waits(house: House, checkout: Checkout, drain: Callable[..., int]) -> None:
    drain()
    Connection.objects.update(blocked_until=timezone.now() + timedelta(minutes=5), last_error="Xero is full")
    checkout.pay()
    drain()
    count = checkout.payment.postings.exclude(state="posted").count()
    assert count > 0
    text = page(house)
    assert f'<td data-label="Waiting"><span class="num">{count}</span>' in text
    assert "Xero is full" in text
    assert "No call is made before" in text


def test_it_says_how_many_calls_are_left(house: House, checkout: Checkout, drain: Callable[..., int]) -> None:
    assert "of 60" in page(house)
    assert "of 5000" in page(house)


def test_it_moves_while_something_is_connected_and_rests_otherwise(house: House) -> None:
    panel = house.url(f"{HERE}panel")
    assert f'hx-get="{panel}"' in page(house)
    assert 'id="connections-panel"' in page(house, "panel", **HTMX)
    assert "<html" not in page(house, "panel", **HTMX)
    assert house.admin.get(panel)["Location"] == house.url(HERE)
    house.admin.post(house.url(f"{HERE}wise_pay/disconnect"))
    assert f'hx-get="{panel}"' not in page(house)


def test_the_panel_shows_a_break_as_soon_as_it_is_known(house: House) -> None:
    house.world.post("/xero/_control", {"revoke": house.user.email})
    look_after(house.connection, now=timezone.now() + timedelta(minutes=1))
    assert 'data-state="broken"' in page(house, "panel", **HTMX)


def test_the_history_goes_back_thirty_days(house: House) -> None:
    now = timezone.now()
    for days, text in ((29, "a late one"), (31, "an early one")):
        ConnectionEvent.objects.create(
            connection=house.connection, kind="unavailable", text=text, at=now - timedelta(days=days)
        )
    shown = page(house)
    assert "a late one" in shown
    assert "an early one" not in shown
    assert "Wise-Pay: Connected" in shown
    assert forget_events(now=now) == 1
    assert ConnectionEvent.objects.get().text == "a late one"


@pytest.mark.parametrize("tail", ["", "panel", "change-company"])
def test_strangers_see_nothing_and_users_may_not(house: House, stranger: House, tail: str) -> None:
    assert stranger.admin.get(house.url(HERE + tail)).status_code == 404
    house.merchant.memberships.update(role="user")
    assert house.admin.get(house.url(HERE + tail)).status_code == 403


def test_a_stranger_disconnects_nothing(house: House, stranger: House) -> None:
    assert stranger.admin.post(house.url(f"{HERE}change-company/disconnect-all")).status_code == 404
    house.merchant.memberships.update(role="user")
    assert house.admin.post(house.url(f"{HERE}change-company/disconnect-all")).status_code == 403
    assert house.connection.state == "connected"
