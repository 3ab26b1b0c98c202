"""What every test can ask for: the practice world, the merchant, the payer, the stranger, and `drain`."""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounting.ledgers import LEDGERS
from connections import governor
from sandbox.environment import vendor_addresses
from sandbox.launch import Running
from tests.people import Checkout, House, build_house, drain_outbox


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The tests' database is a copy of a migrated one, where the launcher has made one."""
    template = os.environ.get("TEST_TEMPLATE")
    connection.settings_dict["TEST"] |= {"TEMPLATE": template, "MIGRATE": not template}


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Running]:
    with Running.start() as running:
        yield running


@pytest.fixture(autouse=True)
def _in_a_hurry(settings: Settings) -> None:
    """Nobody here tests how slow a hash is, and a new client need not read every static file again."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _own_counts() -> None:
    """Failed sign-ins and calls are counted in Valkey, which all tests share: each has keys of its own."""
    caches["default"].key_prefix = governor.keyspace = uuid.uuid4().hex


@pytest.fixture
def sandbox(sandbox_process: Running) -> Running:
    """The practice world, emptied."""
    sandbox_process.reset(config=True)
    return sandbox_process


@pytest.fixture
def world(sandbox: Running, settings: Settings) -> Running:
    """The practice world, with the settings pointed at it."""
    for name, value in vendor_addresses(sandbox.url).items():
        setattr(settings, name, value)
    options = {"host": "127.0.0.1", "port": sandbox.smtp_port}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}
    # Tests do in one second what people do in an hour; those of the limit itself put it back.
    settings.QUICKBOOKS_A_SECOND = 10_000
    sandbox.config(intuit_limits={"second": 10_000})
    return sandbox


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant who is set up in full, with its admin signed in at `house.admin`."""
    return build_house(world)


@pytest.fixture(params=sorted(LEDGERS))
def any_house(request: pytest.FixtureRequest, db: None, world: Running) -> House:
    """The same, over every accounting package."""
    return build_house(world, provider=request.param)


@pytest.fixture
def stranger(db: None, world: Running) -> House:
    """Another merchant, set up in full, who must never see anything of the first one."""
    return build_house(world, name="Other IT", email="admin@other-it.example", organisation="nz")


@pytest.fixture
def checkout(house: House) -> Checkout:
    """An open checkout of 625.00 of 1,250.00 AUD, which may be paid in full."""
    return house.open_checkout()


@pytest.fixture
def drain() -> Callable[..., int]:
    """`drain()` delivers what is due now, and what becomes due by that; `drain(at=…)` as of later."""

    return drain_outbox


@pytest.fixture
def browser(client: Client) -> Client:
    """A payer's browser: nobody is signed in."""
    return client
