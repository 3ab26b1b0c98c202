"""Fixtures of every test: the sandbox, the merchant, the stranger, a checkout, and delivering the outbox."""

import gc
import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from accounting.ledgers import LEDGERS
from connections.rate_limiter import limiter
from sandbox.harness.environment import vendor_addresses
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenant_snapshots import get_or_copy_tenant
from tests.tenants import Checkout, Tenant, create_tenant, deliver_outbox

AUDIT_TABLES = [f"wisepay_audit{name}" for name in ("entry", "details", "seal", "head", "checkpoint")]


def pytest_collection_finish() -> None:
    """Modules stay: the garbage collector need not look through them again at every test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The tests' database is a copy of a migrated one, where the launcher has made one."""
    template = os.environ.get("TEST_TEMPLATE")
    connection.settings_dict["TEST"] |= {"TEMPLATE": template, "MIGRATE": not template}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests with transactions of their own empty every table afterwards, which the audit log refuses elsewhere."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in AUDIT_TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_no_truncate")


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as running:
        yield running


@pytest.fixture(autouse=True)
def _fast_settings(settings: Settings) -> None:
    """Hash passwords quickly, and let a new client not read every static file again."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True
    # A test delivers what is due when it wants to, so that it sees the state before and after.
    settings.SUBATOMIC_RUN_AFTER_COMMIT_CALLBACKS_IN_TESTS = False
    settings.SUBATOMIC_CATCH_UNHANDLED_AFTER_COMMIT_CALLBACKS_IN_TESTS = False


@pytest.fixture(autouse=True)
def _separate_cache_keys() -> None:
    """Give each test its own keys in Valkey, which counts failed sign-ins and calls and which all tests share."""
    caches["default"].key_prefix = limiter.keyspace = uuid.uuid4().hex


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """The sandbox, emptied."""
    sandbox_process.reset(config=True)
    return sandbox_process


@pytest.fixture
def world(sandbox: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox, with the settings pointed at it."""
    for name, value in vendor_addresses(sandbox.url).items():
        setattr(settings, name, value)
    options = {"host": "127.0.0.1", "port": sandbox.smtp_port}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}
    # Tests do in one second what people do in an hour; those of the limit itself put it back.
    settings.QUICKBOOKS_A_SECOND = 10_000
    sandbox.config(intuit_limits={"second": 10_000}, stripe_rate_limit=10_000)
    return sandbox


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant who is set up in full, with its admin signed in at `tenant.admin`."""
    return get_or_copy_tenant(world, "xero", lambda: create_tenant(world))


@pytest.fixture(params=sorted(LEDGERS))
def any_tenant(request: pytest.FixtureRequest, db: None, world: SandboxProcess) -> Tenant:
    """The same, over every accounting package."""
    return get_or_copy_tenant(world, request.param, lambda: create_tenant(world, provider=request.param))


@pytest.fixture
def stranger(db: None, world: SandboxProcess) -> Tenant:
    """Another merchant, set up in full, who must never see anything of the first one."""
    return create_tenant(world, name="Other IT", email="admin@other-it.example", organisation="nz")


@pytest.fixture
def checkout(tenant: Tenant) -> Checkout:
    """An open checkout of 625.00 of 1,250.00 AUD, which may be paid in full."""
    return tenant.open_checkout()


@pytest.fixture
def deliver() -> Callable[..., int]:
    """`deliver()` delivers what is due now, and what becomes due by that; `deliver(at=…)` as of later."""
    return deliver_outbox


@pytest.fixture
def browser(client: Client) -> Client:
    """A payer's browser: nobody is signed in."""
    return client
