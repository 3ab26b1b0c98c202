"""What the tests of the practice QuickBooks share."""

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.intuit.app import HIGH_LIMITS, IntuitApp


@pytest.fixture
def app(sandbox: SandboxProcess) -> IntuitApp:
    """An app connected to a company, whose calls no test exhausts."""
    sandbox.config(intuit_limits=HIGH_LIMITS)
    return IntuitApp(sandbox).connect()
