"""Fixtures of the tests of quotes: merchants who need no books."""

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.quotes.api_helpers import create_cpq_merchant
from tests.quotes.link_helpers import connect_cpq
from tests.tenants import Tenant


@pytest.fixture
def shop(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose quotes can be paid."""
    return create_cpq_merchant(world, name="Northwind IT", email="admin@northwind-it.example")


@pytest.fixture
def other_shop(shop: Tenant) -> Tenant:
    """Another such merchant."""
    return create_cpq_merchant(shop.world, name="Other IT", email="admin@other-it.example")


@pytest.fixture
def linked(shop: Tenant) -> Tenant:
    """A merchant whose quotes can be paid by their link."""
    connect_cpq(shop)
    return shop
