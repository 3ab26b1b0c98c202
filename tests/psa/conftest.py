"""Fixtures of the tests of the PSA floor."""

import pytest

from tests.psa.scene import PsaScene, connect
from tests.tenants import Tenant


@pytest.fixture
def scene(tenant: Tenant) -> PsaScene:
    """A merchant with PSA, which writes payments itself, and has written one."""
    return connect(tenant)
