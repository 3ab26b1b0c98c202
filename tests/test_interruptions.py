"""Every flow, interrupted before and after every commit and foreign call, then swept: charged once, posted once."""

import uuid
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers.protocol import Ledger
from accounting.ledgers.xero.ledger import XeroLedger
from connections.rate_limiter import limiter
from payments.gateways import Gateway
from payments.gateways.stripe.gateway import StripeGateway
from payments.operations.limits import LIMITS
from psa.connectwise.psa import ConnectWisePsa
from psa.protocol import Psa
from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.scenarios.base import Scenario
from tests.scenarios.interruptions import SPARSE, STRIDE, ProcessStopper, list_interruption_points
from tests.scenarios.registry import LEDGER_SCENARIOS, SCENARIOS, UNINTERRUPTED
from tests.tenants import Tenant, create_tenant, deliver_outbox
from wisepay.outbox import HANDLERS

pytestmark = pytest.mark.django_db(transaction=True)
CASES = [(kind, part) for kind in SCENARIOS for part in range(kind.parts)]


@pytest.fixture
def cpq() -> Iterator[WebhookReceiver]:
    """The receiver of CPQ's callbacks."""
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def busy_tenant(db: None, world: SandboxProcess, settings: Any) -> Tenant:
    """A merchant in a sandbox without limits on calls, since hundreds of scenarios go through it."""
    return create_unlimited_tenant(world, settings)


def create_unlimited_tenant(world: SandboxProcess, settings: Any, provider: str = "xero") -> Tenant:
    """Create such a merchant, with either accounting package."""
    unlimited = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
    world.config(xero_limits=unlimited, intuit_limits=unlimited, stripe_rate_limit=10**6)
    for one in LIMITS:
        setattr(settings, one.setting, 10**6)
    settings.DECLINES_PER_MERCHANT_HOUR = 10**6
    tenant = create_tenant(world, provider=provider)
    deliver_outbox(at=timezone.now())
    return tenant


def start_scenarios(
    kind: type[Scenario], tenant: Tenant, cpq: WebhookReceiver, patch: pytest.MonkeyPatch, *, part: int, stride: int
) -> Iterator[tuple[int | None, Scenario]]:
    """Two uninterrupted scenarios, then one for every point that the second passed and that no other kind shares.

    The first of all creates what is created once, such as the first version of the terms.
    """
    for name, size in kind.page_sizes.items():
        module, constant = name.rsplit(".", 1)
        patch.setattr(import_module(module), constant, size)
    for _ in range(2):
        clean = ProcessStopper()
        with patch.context() as scope:
            clean.install(scope)
            uninterrupted = kind(tenant, cpq, clean)
            yield None, uninterrupted
    begin = uninterrupted.started_steps[kind.interrupt_from] if kind.interrupt_from else 0
    end = uninterrupted.started_steps[kind.interrupt_until] if kind.interrupt_until else uninterrupted.length
    for stop_at in list_interruption_points(clean.points, begin, end, stride=stride, part=part, parts=kind.parts):
        stopper = ProcessStopper(stop_at)
        with patch.context() as scope:
            stopper.install(scope)
            yield stop_at, kind(tenant, cpq, stopper)


@pytest.mark.parametrize(("kind", "part"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_interruptions(
    busy_tenant: Tenant, cpq: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, kind: type[Scenario], part: int
) -> None:
    assert interrupt_everywhere(busy_tenant, cpq, monkeypatch, kind, part, stride=STRIDE) > 0


@pytest.mark.parametrize("kind", LEDGER_SCENARIOS, ids=lambda kind: kind.__name__)
def test_interruptions_with_quickbooks(
    world: SandboxProcess,
    settings: Any,
    cpq: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Scenario],
) -> None:
    """A debit is posted when it settles there, and deleted when it is returned. Few interruptions are enough: those of
    the payment are the same as with Xero, and those of the ledger are all made in tests/accounting.
    """
    tenant = create_unlimited_tenant(world, settings, "quickbooks")
    assert interrupt_everywhere(tenant, cpq, monkeypatch, kind, 0, stride=1 if STRIDE == 1 else SPARSE) > 0


def interrupt_everywhere(
    tenant: Tenant,
    cpq: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Scenario],
    part: int,
    *,
    stride: int,
) -> int:
    """Check that every interrupted scenario of this part ends as an uninterrupted one; answers how many there were."""
    count = missed = 0
    for stop_at, scenario in start_scenarios(kind, tenant, cpq, monkeypatch, part=part, stride=stride):
        limiter.keyspace = uuid.uuid4().hex  # our own count of calls would hold hundreds back
        was_stopped = scenario.run()
        scenario.stopper.stop_at = None
        scenario.recover()
        try:
            scenario.verify()
        except AssertionError as error:
            where = scenario.stopper.points[stop_at] if was_stopped and stop_at is not None else "nowhere"
            raise AssertionError(f"interrupted at {stop_at}, {where}: {error}") from error
        missed += was_stopped != (stop_at is not None)
        count += was_stopped
    # Some things are read again only now and then, so a scenario may end before its interruption; most do not.
    assert missed <= 2 + count // 2, "points were skipped"
    return count


@pytest.mark.thorough
def test_every_handler_and_every_foreign_call_is_passed_by_a_scenario(
    busy_tenant: Tenant, cpq: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: set[str] = set()
    for kind in sorted(SCENARIOS, key=lambda kind: not kind.page_sizes):  # first those that need an empty ledger
        stopper = ProcessStopper()
        with monkeypatch.context() as scope:
            stopper.install(scope)
            for owner, name, label in list_foreign_calls():
                record_passing(scope, owner, name, label, stopper, passed)
            scenario = kind(busy_tenant, cpq, stopper)
            assert not scenario.run()
    missed = {label for _, _, label in list_foreign_calls()} - passed
    assert missed - UNINTERRUPTED.keys() == set(), (
        "let a scenario pass there, or say in tests/scenarios/registry.py why none needs to"
    )
    assert UNINTERRUPTED.keys() - missed == set(), "a scenario passes there by now"


def list_foreign_calls() -> Iterator[tuple[Any, str, str]]:
    """(owner, name, label) of every handler of the outbox, and of every verb of ledger, gateway and PSA."""
    for name in HANDLERS:
        yield HANDLERS, name, name
    for adapter, protocol in ((XeroLedger, Ledger), (StripeGateway, Gateway), (ConnectWisePsa, Psa)):
        for name in dir(protocol):
            if not name.startswith("_") and callable(getattr(protocol, name, None)):
                yield adapter, name, f"{protocol.__name__}.{name}"


def record_passing(
    patch: pytest.MonkeyPatch, owner: Any, name: str, label: str, stopper: ProcessStopper, passed: set[str]
) -> None:
    """Add the label when a process that can be interrupted calls it."""
    real = owner[name] if isinstance(owner, dict) else getattr(owner, name)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        if stopper.is_running:
            passed.add(label)
        return real(*args, **kwargs)

    if isinstance(owner, dict):
        patch.setitem(owner, name, recorded)
    else:
        patch.setattr(owner, name, recorded)
