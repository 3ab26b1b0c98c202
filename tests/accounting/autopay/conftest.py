"""What tests of automatic payments can ask for."""

import pytest

from tests.accounting.autopay.stage import Stage
from tests.people import House


@pytest.fixture
def stage(house: House) -> Stage:
    """A merchant with automatic payments switched on."""
    return Stage(house)
