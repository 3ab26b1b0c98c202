"""Stopped before and after every commit and foreign call, then swept: charged once at most, posted exactly once."""

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
    """CPQ's callback address."""
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def busy_tenant(db: None, world: SandboxProcess, settings: Any) -> Tenant:
    """A merchant whose practice world has no limits on calls, since hundreds of journeys go through it."""
    return create_unlimited_tenant(world, settings)


def create_unlimited_tenant(world: SandboxProcess, settings: Any, provider: str = "xero") -> Tenant:
    """The same, with either accounting package."""
    none = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
    world.config(xero_limits=none, intuit_limits=none, stripe_rate_limit=10**6)
    settings.GUEST_ATTEMPTS_PER_IP_HOUR = 10**6
    tenant = create_tenant(world, provider=provider)
    deliver_outbox(at=timezone.now())
    return tenant


def journeys(
    kind: type[Scenario], tenant: Tenant, cpq: WebhookReceiver, patch: pytest.MonkeyPatch, *, part: int, stride: int
) -> Iterator[tuple[int | None, Scenario]]:
    """Two undisturbed journeys, then one for every point that the second passed and that no other kind shares.

    The first of all makes what is made once, such as the first version of the terms.
    """
    for name, size in kind.page_sizes.items():
        module, constant = name.rsplit(".", 1)
        patch.setattr(import_module(module), constant, size)
    for _ in range(2):
        clean = ProcessStopper()
        with patch.context() as scope:
            clean.install(scope)
            undisturbed = kind(tenant, cpq, clean)
            yield None, undisturbed
    begin = undisturbed.started_steps.get(kind.interrupt_from, 0)
    end = undisturbed.started_steps.get(kind.interrupt_until, undisturbed.length)
    for stop_at in list_interruption_points(clean.points, begin, end, stride=stride, part=part, parts=kind.parts):
        stopper = ProcessStopper(stop_at)
        with patch.context() as scope:
            stopper.install(scope)
            yield stop_at, kind(tenant, cpq, stopper)


@pytest.mark.parametrize(("kind", "part"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_interruptions(
    busy_tenant: Tenant, cpq: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, kind: type[Scenario], part: int
) -> None:
    assert stop_everywhere(busy_tenant, cpq, monkeypatch, kind, part, stride=STRIDE) > 0


@pytest.mark.parametrize("kind", LEDGER_SCENARIOS, ids=lambda kind: kind.__name__)
def test_interruptions_with_quickbooks(
    world: SandboxProcess,
    settings: Any,
    cpq: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Scenario],
) -> None:
    """A debit is booked when it settles there, and deleted when it comes back. Few of the stops are enough: the
    payment's are those of Xero's journeys, and the books' own ways are stopped everywhere in tests/accounting.
    """
    tenant = create_unlimited_tenant(world, settings, "quickbooks")
    assert stop_everywhere(tenant, cpq, monkeypatch, kind, 0, stride=1 if STRIDE == 1 else SPARSE) > 0


def stop_everywhere(
    tenant: Tenant,
    cpq: WebhookReceiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Scenario],
    part: int,
    *,
    stride: int,
) -> int:
    """Every stop of this part ends as if nothing had happened; answers how many there were."""
    count = missed = 0
    for stop_at, journey in journeys(kind, tenant, cpq, monkeypatch, part=part, stride=stride):
        limiter.keyspace = uuid.uuid4().hex  # where answers do not say what is left, our own count would stop hundreds
        was_stopped = journey.run()
        journey.stopper.stop_at = None
        journey.recover()
        try:
            journey.verify()
        except AssertionError as error:
            where = journey.stopper.points[stop_at] if was_stopped and stop_at is not None else "nowhere"
            raise AssertionError(f"stopped at {stop_at}, {where}: {error}") from error
        missed += was_stopped != (stop_at is not None)
        count += was_stopped
    # Some things are read again only now and then, so a journey may end before its stop; most do not.
    assert missed <= 2 + count // 2, "points were skipped"
    return count


@pytest.mark.thorough
def test_every_handler_and_every_foreign_call_is_passed_by_a_journey(
    busy_tenant: Tenant, cpq: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: set[str] = set()
    for kind in sorted(SCENARIOS, key=lambda kind: not kind.page_sizes):  # first those that want empty books
        stopper = ProcessStopper()
        with monkeypatch.context() as scope:
            stopper.install(scope)
            for owner, name, label in crossings():
                note_passing(scope, owner, name, label, stopper, passed)
            journey = kind(busy_tenant, cpq, stopper)
            assert not journey.run()
    missed = {label for _, _, label in crossings()} - passed
    assert missed - UNINTERRUPTED.keys() == set(), (
        "let a journey pass there, or say in tests/flows.py why none needs to"
    )
    assert UNINTERRUPTED.keys() - missed == set(), "a journey passes there by now"


def crossings() -> Iterator[tuple[Any, str, str]]:
    """(owner, name, label) of every handler of the outbox, and of every verb of the two doors."""
    for name in HANDLERS:
        yield HANDLERS, name, name
    for door, protocol in ((XeroLedger, Ledger), (StripeGateway, Gateway)):
        for name in dir(protocol):
            if not name.startswith("_") and callable(getattr(protocol, name, None)):
                yield door, name, f"{protocol.__name__}.{name}"


def note_passing(
    patch: pytest.MonkeyPatch, owner: Any, name: str, label: str, stopper: ProcessStopper, passed: set[str]
) -> None:
    """Write down that a process which can be stopped came by."""
    real = owner[name] if isinstance(owner, dict) else getattr(owner, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        if stopper.is_running:
            passed.add(label)
        return real(*args, **kwargs)

    if isinstance(owner, dict):
        patch.setitem(owner, name, noted)
    else:
        patch.setattr(owner, name, noted)
