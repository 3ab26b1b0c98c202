"""What tests of automatic payments can ask for."""

import pytest

from tests.accounting.autopay.builders import AutoPayBuilder
from tests.tenants import Tenant


@pytest.fixture
def autopay(tenant: Tenant) -> AutoPayBuilder:
    """A merchant with automatic payments switched on."""
    return AutoPayBuilder(tenant)
