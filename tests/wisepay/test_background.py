"""The doctor survives what it examines; silence in the background is bad there and on the dashboard in two minutes.

After people's reports of schedulers that stopped and were seen hours later: internetstandards/Internet.nl#1512 and
RolnickLab/antenna#1024 (a beat that runs and starts nothing), celery/celery#4185 (a worker that hangs).
"""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import signals
from django.conf import settings as project
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from merchants.commands import find_merchant
from tests.tenants import Tenant
from tests.wisepay.signs_of_life import WORKER, let_everything_live
from wisepay import health_checks, heartbeats
from wisepay.celery import app as celery
from wisepay.health_checks import HEALTH_CHECKS, HealthCheckResult, run_health_checks
from wisepay.heartbeats import BEAT, SWEEP, list_silent_processes
from wisepay.management.commands.verify_audit import find_chain
from wisepay.models import Heartbeat
from wisepay.tasks import sweep_outbox


class Worker:
    """What Celery's signals say of a worker."""

    hostname = "celery@one"

    @property
    def eventer(self) -> "Worker":
        """Its dispatcher of events, which has the same name."""
        return self


@pytest.fixture(autouse=True)
def fresh_cache(db: None) -> Iterator[None]:
    """What was found a minute ago counts for no other test."""
    cache.delete("missing-keys")
    yield
    cache.delete("missing-keys")


def run_doctor() -> list[str]:
    """What the doctor says, whether or not something is broken."""
    out = io.StringIO()
    with suppress(CommandError):
        call_command("doctor", stdout=out)
    return out.getvalue().splitlines()


def list_bad(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("BAD")]


@pytest.mark.parametrize("position", range(len(HEALTH_CHECKS)))
def test_a_check_that_raises_is_bad_and_all_others_are_run(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    let_everything_live()
    whole = run_doctor()
    checks = list(HEALTH_CHECKS)

    def check_what_breaks() -> Iterator[HealthCheckResult]:
        raise RuntimeError("of all things")
        yield

    monkeypatch.setattr(health_checks, "HEALTH_CHECKS", [*checks, check_what_breaks])
    assert [line for line in run_doctor() if line not in whole and line.startswith("BAD")] == [
        f"BAD   {'what breaks':<28} could not be checked (RuntimeError: of all things)"
    ]
    checks[position] = check_what_breaks
    monkeypatch.setattr(health_checks, "HEALTH_CHECKS", checks)
    results = list(run_health_checks())
    assert [r.subject for r in results if r.ok is False] == ["what breaks"]
    assert len({r.subject for r in results}) > 10


def test_a_key_that_nobody_has_breaks_no_check_and_is_bad_in_the_doctor_and_on_the_dashboard(
    tenant: Tenant, settings: Settings
) -> None:
    let_everything_live()
    assert "A key of the stored credentials" not in tenant.admin.get(tenant.url("background")).content.decode()
    cache.delete("missing-keys")
    before, _, encoded = project.SECRET_KEYS.partition(":")
    settings.SECRET_KEYS = f"other{before}:{encoded.partition(',')[0][:-4]}AAA="
    lines = run_doctor()
    assert any("secret keys" in line and f"lacks key {before}" in line for line in list_bad(lines))
    assert any("stripe key" in line and tenant.merchant.name in line for line in list_bad(lines))
    assert any("valkey" in line for line in lines), "what comes after is checked too"
    assert "A key of the stored credentials" in tenant.admin.get(tenant.url("background")).content.decode()


@pytest.mark.parametrize(
    ("name", "word"), [(BEAT, "beat does not run"), (SWEEP, "no worker gets to its work"), (WORKER, "celery@one hangs")]
)
def test_what_is_silent_is_bad_within_two_minutes(tenant: Tenant, name: str, word: str) -> None:
    let_everything_live()
    assert list_silent_processes(now=timezone.now()) == []
    assert "stands still" not in tenant.admin.get(tenant.url("background")).content.decode()
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=119))
    assert [line for line in list_bad(run_doctor()) if word in line]
    page = tenant.admin.get(tenant.url("background")).content.decode()
    assert "Work in the background stands still" in page
    let_everything_live()
    assert [line for line in list_bad(run_doctor()) if word in line] == []


def test_what_never_ran_is_bad(tenant: Tenant) -> None:
    assert [process.name for process in list_silent_processes(now=timezone.now())] == [BEAT, SWEEP]
    assert any("never heard of" in line for line in list_bad(run_doctor()))


def test_beat_workers_and_the_sweep_show_that_they_live(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "connection", SimpleNamespace(close=lambda: None))
    signals.before_task_publish.send(sender="wisepay.tasks.sweep_outbox")
    signals.before_task_publish.send(sender="wisepay.tasks.deliver_messages")
    worker = Worker()
    heartbeats.worker_recorded_at.clear()
    signals.heartbeat_sent.send(sender=worker)
    sweep_outbox()
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {BEAT, SWEEP, WORKER}
    signals.worker_shutdown.send(sender=worker)
    assert not Heartbeat.objects.filter(name=WORKER).exists(), "one that ends in order is not missed"


def test_a_worker_that_was_lost_long_ago_is_not_missed_for_ever(db: None) -> None:
    let_everything_live()
    Heartbeat.objects.filter(name=WORKER).update(at=timezone.now() - timedelta(hours=2))
    assert list_silent_processes(now=timezone.now()) == []


def test_strangers_see_no_alert(tenant: Tenant, stranger: Tenant) -> None:
    assert stranger.admin.get(tenant.url("background")).status_code == 404


COMMANDS: list[tuple[str, list[str]]] = [
    ("reconcile", ["--no-read"]),
    ("sync_books", []),
    ("sync_payments", []),
    ("enable_multi_connection", []),
    ("disable_multi_connection", []),
]


@pytest.mark.parametrize(("command", "options"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_takes_a_merchant_by_name_and_by_reference(
    tenant: Tenant, stranger: Tenant, command: str, options: list[str]
) -> None:
    for words in (tenant.merchant.reference, tenant.merchant.name, tenant.merchant.name.upper()):
        assert find_merchant(words) == tenant.merchant
        with suppress(CommandError, SystemExit):  # whatever it finds, it found the merchant
            call_command(command, words, *options, stdout=io.StringIO())
    stranger.merchant.name = tenant.merchant.name
    stranger.merchant.save()
    with pytest.raises(CommandError, match="Several merchants"):
        call_command(command, tenant.merchant.name, *options, stdout=io.StringIO())
    with pytest.raises(CommandError, match="No merchant"):
        call_command(command, "nobody", *options, stdout=io.StringIO())


def test_automatic_payments_and_the_audit_log_take_them_too(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="never set automatic payments up"):
        call_command("run_autopay", "--dry-run", "--merchant", tenant.merchant.name, stdout=io.StringIO())
    for words in (tenant.merchant.name, tenant.merchant.reference, str(tenant.merchant.pk)):
        assert find_chain(words) == tenant.merchant.pk
    assert find_chain("0") == 0
    with pytest.raises(CommandError, match="No merchant"):
        find_chain("nobody")


def test_every_periodic_task_has_a_turn_of_its_own() -> None:
    """Two tasks of one name in two apps once shared an entry: the connections' check was never started."""
    planned = [task for task, *_ in project.BEAT]
    turns = [str(turn["task"]) for turn in project.CELERY_BEAT_SCHEDULE.values()]
    assert sorted(turns) == sorted(planned)
    assert len(set(planned)) == len(planned)
    celery.loader.import_default_modules()
    assert set(planned) <= set(celery.tasks)
