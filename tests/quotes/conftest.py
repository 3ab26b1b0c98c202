"""Fixtures of the tests of quotes: merchants who need no books."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.utils import timezone

from sandbox.launch import Running
from tests.people import House, drain_outbox
from tests.quotes.desk import build_shop


@pytest.fixture(autouse=True)
def _in_a_hurry(settings: pytest.FixtureRequest) -> None:
    """Nobody here tests how slow a hash is, and a new client need not read every static file again."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    settings.WHITENOISE_AUTOREFRESH = True  # type: ignore[attr-defined]


@pytest.fixture
def shop(db: None, world: Running) -> House:
    """A merchant whose quotes can be paid."""
    return build_shop(world, name="Northwind IT", email="admin@northwind-it.example")


@pytest.fixture
def drain() -> Callable[..., int]:
    """As elsewhere, but without `at` also what the deliveries themselves make due."""

    def run(*, at: datetime | None = None) -> int:
        total = 0
        while count := drain_outbox(at=at or timezone.now()):
            total += count
        return total

    return run


@pytest.fixture
def other_shop(shop: House) -> House:
    """Another such merchant."""
    return build_shop(shop.world, name="Other IT", email="admin@other-it.example")
