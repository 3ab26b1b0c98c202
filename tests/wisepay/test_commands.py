"""The operators' commands: outbox, doctor, create_merchant."""

import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from merchants.models import Merchant
from sandbox.harness.sandbox_process import SandboxProcess
from tests.sign_in_steps import list_mails, sign_in
from tests.tenants import PASSWORD, Tenant
from tests.wisepay.signs_of_life import let_everything_live
from wisepay import outbox
from wisepay.models import OutboxMessage, User
from wisepay.outbox import HANDLERS

NAME = "tests.note"


def said(*words: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, db: None) -> dict[str, bool]:
    """A handler that fails while `fails["now"]`."""
    state = {"now": True}

    def work(**_: object) -> None:
        if state["now"]:
            raise ValueError("the handler refused\nin two lines")

    monkeypatch.setitem(HANDLERS, NAME, work)
    return state


def test_outbox_lists_what_waits(fails: dict[str, bool]) -> None:
    outbox.enqueue("soon", NAME)
    outbox.enqueue("late", NAME, run_after=timezone.now() + timedelta(hours=1))
    found = said("outbox")
    assert found.index("soon") < found.index("late")
    assert found.endswith("2 pending\n")


def test_outbox_delivers_what_is_due_and_shows_the_dead_with_their_reason(fails: dict[str, bool]) -> None:
    outbox.enqueue("k", NAME)
    assert said("outbox", "deliver") == "1 delivered\n"
    found = said("outbox", "dead")
    assert NAME in found
    assert "ValueError: the handler refused\n" in found
    assert found.endswith("1 dead\n")


@pytest.mark.parametrize("words", [("k",), ("--all-dead",)])
def test_outbox_retries_the_dead(fails: dict[str, bool], words: tuple[str, ...]) -> None:
    outbox.enqueue("k", NAME)
    said("outbox", "deliver")
    fails["now"] = False
    assert said("outbox", "retry", *words) == "1 due now\n"
    said("outbox", "deliver")
    assert OutboxMessage.objects.get().state == "done"


@pytest.mark.parametrize("words", [(), ("unknown",)])
def test_outbox_retry_needs_a_message(fails: dict[str, bool], words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="Name a message"):
        said("outbox", "retry", *words)


def test_outbox_says_that_what_is_done_cannot_be_retried(fails: dict[str, bool]) -> None:
    fails["now"] = False
    outbox.enqueue("k", NAME)
    said("outbox", "deliver")
    with pytest.raises(CommandError, match="done"):
        said("outbox", "retry", "k")


def test_the_doctor_finds_a_house_in_order(tenant: Tenant, deliver: Callable[..., int]) -> None:
    deliver()
    let_everything_live()
    found = said("doctor")
    assert "BAD" not in found
    for subject in ("database", "migrations", "valkey", "secret keys", "e-mail", "outbox", "workers", "xero identity"):
        assert f"ok    {subject}" in found, subject
    assert "Northwind IT: accepted" in found
    assert "Northwind IT: connected" in found
    assert tenant.stripe_key not in found


def test_the_doctor_names_everything_that_is_broken(
    tenant: Tenant, settings: Settings, fails: dict[str, bool], deliver: Callable[..., int]
) -> None:
    let_everything_live()
    outbox.enqueue("k", NAME)
    deliver()
    settings.XERO_IDENTITY_URL = "http://127.0.0.1:1"
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 1},
        }
    }
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    tenant.world.fault("stripe", "status", status=401, path="/v1/account")
    out = io.StringIO()
    with pytest.raises(CommandError, match="5 broken"):
        call_command("doctor", stdout=out)
    bad = [line for line in out.getvalue().splitlines() if line.startswith("BAD")]
    for subject in ("valkey", "e-mail", "outbox", "stripe key", "xero identity"):
        assert any(subject in line for line in bad), subject


def test_the_doctor_says_when_nobody_does_what_is_due(
    tenant: Tenant, deliver: Callable[..., int], fails: dict[str, bool]
) -> None:
    deliver()
    let_everything_live()
    outbox.enqueue("forgotten", NAME, run_after=timezone.now() - timedelta(minutes=5))
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 broken"):
        call_command("doctor", stdout=out)
    assert re.search(r"BAD   workers +forgotten is due for 30\d s: does a worker run, and beat\?", out.getvalue())


def test_an_operator_lets_a_merchant_in_whose_first_administrator_is_invited_by_mail(
    db: None, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    found = said(
        "create_merchant", "Northwind IT", "--email=Admin@Northwind-IT.example", "--time-zone=Australia/Sydney"
    )
    merchant = Merchant.objects.get()
    assert merchant.reference in found
    assert merchant.time_zone == "Australia/Sydney"
    deliver()
    link = re.findall(r"/join/\S+", list_mails(world, "admin@northwind-it.example")[0]["text"])[0]
    client = Client()
    client.get(link)
    assert client.post("/join/", {"name": "Ada", "password": PASSWORD})["Location"] == f"/m/{merchant.reference}/"
    assert merchant.memberships.get().role.kind == "administrator"
    sign_in(client := Client(), world, "admin@northwind-it.example", PASSWORD)
    assert client.get("/")["Location"] == f"/m/{merchant.reference}/"


def test_an_operator_is_asked_before_a_second_merchant_of_a_name(db: None) -> None:
    said("create_merchant", "One", "--email=admin@northwind-it.example")
    with pytest.raises(CommandError, match="--same-name"):
        said("create_merchant", "ONE", "--email=admin@northwind-it.example")
    assert Merchant.objects.count() == 1
    said("create_merchant", "one", "--email=admin@northwind-it.example", "--same-name")
    assert Merchant.objects.count() == 2


def test_an_operator_mails_a_lost_invitation_again(
    db: None, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    said("create_merchant", "One", "--email=admin@northwind-it.example")
    merchant = Merchant.objects.get()
    said("invite_administrator", merchant.reference, "--email=ADMIN@northwind-it.example")
    said("invite_administrator", merchant.reference, "--email=second@northwind-it.example")
    deliver()
    invited = merchant.member_invitations.order_by("pk").values_list("email", "serial")
    assert list(invited) == [("admin@northwind-it.example", 2), ("second@northwind-it.example", 1)]
    assert len(list_mails(world, "admin@northwind-it.example")) == 1
    with pytest.raises(CommandError, match="valid email"):
        said("invite_administrator", merchant.reference, "--email=nobody")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("Northwind IT", "--email=nobody"), "valid email"),
        (("Northwind IT", "--email=a@b.example", "--time-zone=Mars/Olympus"), "time zone"),
        (("", "--email=a@b.example"), "blank"),
        (("N" * 200, "--email=a@b.example"), "120"),
    ],
)
def test_a_merchant_that_makes_no_sense_is_refused_whole(db: None, words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        said("create_merchant", *words)
    assert (Merchant.objects.count(), User.objects.count()) == (0, 0)
