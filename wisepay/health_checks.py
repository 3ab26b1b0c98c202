"""The health checks of `manage.py doctor`: their registry, and those of the ground."""

import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import requests
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from wisepay import clock
from wisepay.events import add_once
from wisepay.heartbeats import list_silent_processes
from wisepay.http import find_proxy_problem
from wisepay.models import OutboxMessage
from wisepay.secret_rotation import list_missing_keys
from wisepay.secrets import Secret

LATE_AFTER = timedelta(seconds=30)  # the sweeper runs every five


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """One result: `ok` is True, False (broken) or None (worth knowing), with a message."""

    subject: str
    ok: bool | None
    message: str


HealthCheck = Callable[[], Iterator[HealthCheckResult]]
HEALTH_CHECKS: list[HealthCheck] = []


def register_health_check(function: HealthCheck) -> HealthCheck:
    """Register a health check for `manage.py doctor`."""
    return add_once(HEALTH_CHECKS, function)


def run_health_checks() -> Iterator[HealthCheckResult]:
    """Run every health check; one that fails itself is broken, and the others are run all the same."""
    for check in HEALTH_CHECKS:
        yield from examine(check.__name__.removeprefix("check_").replace("_", " "), check)


def examine(subject: str, check: HealthCheck, *, whose: str = "") -> Iterator[HealthCheckResult]:
    """Run a check, or the part of one that is about `whose`; what it raises is a result: it could not be checked."""
    try:
        yield from check()
    except Exception as error:  # whatever it is, the operator has to know of it, and of the rest
        reason = f"could not be checked ({type(error).__name__}: {str(error)[:160]})"
        yield HealthCheckResult(subject, False, f"{whose}: {reason}" if whose else reason)


def check_url(subject: str, url: str) -> HealthCheckResult:
    """Check that a server answers HTTP at `url` with anything but a 5xx."""
    try:
        status = requests.get(url, timeout=(3, 5), allow_redirects=False).status_code
    except requests.RequestException as error:
        return HealthCheckResult(subject, False, f"{url} does not answer ({type(error).__name__})")
    return HealthCheckResult(subject, status < 500, f"{url} answers ({status})")


@register_health_check
def check_database() -> Iterator[HealthCheckResult]:
    """Check that PostgreSQL answers and is migrated."""
    plan = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
    version = connection.pg_version  # type: ignore[attr-defined]
    yield HealthCheckResult("database", True, f"PostgreSQL {version // 10000} answers")
    yield HealthCheckResult(
        "migrations", not plan, f"{len(plan)} to apply: run manage.py migrate" if plan else "all applied"
    )


@register_health_check
def check_broker() -> Iterator[HealthCheckResult]:
    """Check that Valkey or Redis answers."""
    try:
        cache.set("doctor", "1", 5)
        yield HealthCheckResult("valkey", cache.get("doctor") == "1", "answers")
    except Exception as error:  # any client's error means the same to an operator
        yield HealthCheckResult(
            "valkey", False, f"does not answer ({type(error).__name__}): wake-ups are lost, the sweeper too"
        )


@register_health_check
def check_secret_keys() -> Iterator[HealthCheckResult]:
    """Check that the keys for secrets work, and that none of those that secrets are stored under is missing."""
    secret = Secret.encrypt("doctor", purpose="doctor")
    yield HealthCheckResult("secret keys", secret.decrypt() == "doctor", f"new secrets use key {secret.key_id}")
    for key_id, count in list_missing_keys().items():
        message = f"WISEPAY_SECRET_KEYS lacks key {key_id}, and {count} secrets cannot be read without it"
        yield HealthCheckResult("secret keys", False, message)


@register_health_check
def check_background() -> Iterator[HealthCheckResult]:
    """Check that beat and every worker have lately shown that they live."""
    silent = list_silent_processes(now=clock.now())
    for process in silent:
        since = f"silent since {process.since:%Y-%m-%d %H:%M:%S}Z" if process.since else "never heard of"
        yield HealthCheckResult("background", False, f"{process.message} ({since})")
    if not silent:
        yield HealthCheckResult("background", True, "beat and the workers live")


@register_health_check
def check_proxy_count() -> Iterator[HealthCheckResult]:
    """Check that visitors are known by their own addresses, as far as the web processes have noticed."""
    count, noticed = settings.TRUSTED_PROXY_COUNT, find_proxy_problem()
    if settings.SECURE and not count:
        problem = "PUBLIC_URL is https and TRUSTED_PROXY_COUNT is 0: all visitors share the proxy's address"
        yield HealthCheckResult("proxies", False, problem)
    elif noticed:
        yield HealthCheckResult("proxies", None, noticed)  # true of people who come from inside, too
    else:
        yield HealthCheckResult("proxies", True, f"{count} trusted in front of the site")


@register_health_check
def check_email() -> Iterator[HealthCheckResult]:
    """Check that the mail server takes a connection."""
    try:
        with mail.mailers["default"] as opened:
            yield HealthCheckResult("e-mail", True, f"{type(opened).__module__} is ready")
    except (OSError, smtplib.SMTPException) as error:
        yield HealthCheckResult("e-mail", False, f"the mail server of EMAIL_URL refuses ({type(error).__name__})")


@register_health_check
def check_outbox() -> Iterator[HealthCheckResult]:
    """Check that no message is dead and that due messages are delivered."""
    dead = OutboxMessage.objects.filter(state="dead").count()
    pending = OutboxMessage.objects.filter(state="pending").count()
    yield HealthCheckResult(
        "outbox", not dead, f"{pending} waiting, {dead} dead" + (": manage.py outbox dead" if dead else "")
    )
    now = clock.now()
    late = OutboxMessage.objects.filter(state="pending", run_after__lt=now - LATE_AFTER).order_by("run_after").first()
    if late is None:
        yield HealthCheckResult("workers", True, "nothing that is due waits for one")
    else:
        waits = f"{late.key} is due for {(now - late.run_after).total_seconds():.0f} s"
        yield HealthCheckResult("workers", False, f"{waits}: does a worker run, and beat?")
