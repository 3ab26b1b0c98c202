"""Fixtures of the tests of quotes: merchants who need no books."""

import pytest

from sandbox.launch import Running
from tests.people import House
from tests.quotes.desk import build_shop


@pytest.fixture
def shop(db: None, world: Running) -> House:
    """A merchant whose quotes can be paid."""
    return build_shop(world, name="Northwind IT", email="admin@northwind-it.example")


@pytest.fixture
def other_shop(shop: House) -> House:
    """Another such merchant."""
    return build_shop(shop.world, name="Other IT", email="admin@other-it.example")
