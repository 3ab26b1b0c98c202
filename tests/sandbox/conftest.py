"""The sandbox's own tests use the fixtures of the whole suite, and a throw-away Wise-Pay."""

from collections.abc import Iterator

import pytest

from sandbox.launch import Running
from tests.sandbox.counterpart import KEY, Counterpart


@pytest.fixture
def wisepay(sandbox: Running) -> Iterator[Counterpart]:
    counterpart = Counterpart()
    counterpart.opens()
    sandbox.config(wisepay_url=counterpart.url, cpq_api_key=KEY)
    yield counterpart
    counterpart.close()
