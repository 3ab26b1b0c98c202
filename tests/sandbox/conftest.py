"""The sandbox's own tests use the fixtures of the whole suite, and a throw-away Wise-Pay."""

from collections.abc import Iterator

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.fake_wisepay import API_KEY, FakeWisePay


@pytest.fixture
def wisepay(sandbox: SandboxProcess) -> Iterator[FakeWisePay]:
    counterpart = FakeWisePay()
    counterpart.answer_with_checkout()
    sandbox.config(wisepay_url=counterpart.url, cpq_api_key=API_KEY)
    yield counterpart
    counterpart.close()
