"""Sync Invoices when answers are lost: each invoice is made once, in Xero and in QuickBooks.

What was pushed twice stands in the books twice, and is paid twice (cw.wise-sync.com, article 36000041657).
"""

from collections.abc import Callable
from typing import Any

import pytest

from psa.invoice_sync.models import InvoiceSyncRow
from tests.psa.scene import connect
from tests.psa.sync_scene import SyncScene
from tests.tenants import Tenant, deliver_outbox

BOTH = pytest.mark.parametrize("any_tenant", ["xero", "quickbooks"], indirect=True)


@pytest.fixture
def any_scene(any_tenant: Tenant) -> SyncScene:
    """A merchant with either package."""
    return SyncScene(any_tenant, connect(any_tenant))


def order_fault(scene: SyncScene, kind: str, **more: Any) -> None:
    """What happens to the next call that makes invoices in the books."""
    service, method, path = (
        ("quickbooks", "POST", "*/batch*") if scene.is_quickbooks else ("xero", "PUT", "*/Invoices*")
    )
    scene.tenant.world.fault(service, kind, method=method, path=path, **more)


def lose_answer(scene: SyncScene) -> None:
    order_fault(scene, "drop_after")


def lose_request(scene: SyncScene) -> None:
    order_fault(scene, "drop_before")


def answer_unavailable(scene: SyncScene) -> None:
    order_fault(scene, "status", status=503)


def lose_answer_and_reads(scene: SyncScene) -> None:
    lose_answer(scene)
    service, path = ("quickbooks", "*/query*") if scene.is_quickbooks else ("xero", "*/Invoices*")
    scene.tenant.world.fault(service, "status", status=503, method="GET", path=path, skip=1, times=2)


def psa_is_away(scene: SyncScene) -> None:
    scene.tenant.world.fault("psa", "status", status=503, method="GET", path="*/finance/invoices", times=2)


@BOTH
@pytest.mark.parametrize("fault", [lose_answer, lose_request, answer_unavailable, lose_answer_and_reads, psa_is_away])
def test_a_lost_answer_makes_no_second_invoice(any_scene: SyncScene, fault: Callable[[SyncScene], None]) -> None:
    scene = any_scene
    made = [scene.insert() for _ in range(3)]
    scene.prepare()
    fault(scene)
    scene.run()
    assert [scene.row(number).state for number in made] == ["posted"] * 3
    assert [len(scene.list_in_books(number)) for number in made] == [1] * 3
    assert scene.sync.state == "finished"


@BOTH
def test_what_the_books_made_otherwise_is_known_for_ours_after_a_lost_answer(any_scene: SyncScene) -> None:
    """The books' answer is lost, and somebody changes the invoice before it is looked for: it is not made again."""
    scene = any_scene
    number = scene.insert()
    scene.prepare()
    lose_answer(scene)
    assert scene.decide("confirm").status_code == 302
    deliver_outbox()
    assert scene.row(number).state == "sent"
    InvoiceSyncRow.objects.filter(number=number).update(total=22_000, subtotal=20_000, tax=2_000, balance=22_000)
    scene.deliver()
    assert (scene.row(number).state, len(scene.list_in_books(number))) == ("posted", 1)
    assert "The books made A$110.00 of it" in scene.row(number).reason
