"""What the tests of the practice Xero share."""

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.xero.app import XeroApp


@pytest.fixture
def app(sandbox: SandboxProcess) -> XeroApp:
    """An app connected to an organisation."""
    return XeroApp(sandbox).connect()
