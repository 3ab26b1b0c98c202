"""Bank debits where the books have no drafts: nothing before the money has arrived, then what a card leaves."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, CreditNote, Posting
from accounting.promises import post_debit
from sandbox.launch import Running
from tests.accounting.debits import come_again, submit
from tests.people import House, build_house, change_company

Drain = Callable[..., int]
SAYS = b"will be booked when the debit settles"
DOCUMENTS = {"invoice": "posted", "credit_note": "posted", "payment": "posted"}


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


def test_a_submitted_debit_is_not_booked_and_the_pages_say_when_it_will_be(house: House, drain: Drain) -> None:
    drain()
    before = len(house.world.journal("quickbooks"))
    debit = submit(house)
    drain()
    assert len(house.world.journal("quickbooks")) == before
    assert not Posting.objects.filter(attempt=debit.attempt).exists()
    reference = debit.payment.reference
    assert SAYS in house.admin.get(house.url(f"postings/of/{reference}")).content
    assert SAYS in house.admin.get(house.url("postings/waiting")).content


def test_the_portal_says_when_a_debit_will_be_booked_and_then_its_number(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    payer, path = house.payer(), f"/my/payments/{debit.payment.reference}/documents"
    assert SAYS in payer.get(path).content
    assert b"hold no credit note" not in payer.get(path).content
    debit.settle()
    drain()
    told = payer.get(path).content
    assert SAYS not in told
    assert debit.note.number.encode() in told


def test_the_portal_does_not_say_so_of_a_debit_that_failed_nor_where_there_are_drafts(
    house: House, world: Running, drain: Drain
) -> None:
    failed = submit(house)
    failed.fail()
    drain()
    path = f"/my/payments/{failed.payment.reference}/documents"
    assert SAYS not in house.payer().get(path).content
    other = build_house(world, name="Other IT", email="admin@other-it.example", organisation="nz")
    drafted = submit(other, other.open_checkout(quote={"currency": "NZD"}))
    drain()
    told = other.payer("ap@harbourdental.example").get(f"/my/payments/{drafted.payment.reference}/documents").content
    assert SAYS not in told
    assert b"prepared, until the bank debit has settled" in told


def test_a_debit_that_settles_leaves_what_a_card_leaves(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    debit.settle()
    drain()
    assert debit.states == DOCUMENTS
    assert (debit.note.state, debit.note.remaining) == ("approved", 62500)
    assert SAYS not in house.admin.get(house.url("postings/waiting")).content


def test_a_debit_that_fails_leaves_nothing(house: House, drain: Drain) -> None:
    drain()
    before = len(house.world.journal("quickbooks"))
    debit = submit(house)
    drain()
    debit.fail()
    drain()
    assert len(house.world.journal("quickbooks")) == before
    assert not Posting.objects.exists()
    assert not CreditNote.objects.exists()


def test_a_debit_that_is_taken_back_after_it_settled_leaves_an_open_invoice(house: House, drain: Drain) -> None:
    debit = submit(house)
    debit.settle()
    drain()
    debit.reverse()
    drain()
    assert debit.states == DOCUMENTS | {"void": "posted", "payment_removal": "posted"}
    assert debit.note.state == "voided"


def test_a_settled_debit_is_refunded_out_of_its_memo(house: House, drain: Drain) -> None:
    debit = submit(house)
    debit.settle()
    drain()
    debit.refund(10000)
    drain()
    assert debit.states["refund"] == "posted"
    assert debit.note.remaining == 52500


@pytest.mark.parametrize("end", ["settle", "fail"])
@pytest.mark.parametrize("is_in_xero", [True, False])
def test_a_draft_under_way_when_the_merchant_changes_to_quickbooks_ends_well(
    db: None, world: Running, drain: Drain, end: str, is_in_xero: bool
) -> None:
    house = build_house(world)
    drain()
    debit = submit(house)
    post_debit(debit.attempt, now=timezone.now())
    if is_in_xero:
        drain()
    assert debit.note.state == ("draft" if is_in_xero else "pending")
    change_company(house, provider="quickbooks", organisation="au")
    drain()
    getattr(debit, end)()
    drain()
    come_again("accounting.post_payment" if end == "settle" else "accounting.drop_debit")
    drain()
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()
    settled = {kind: state for kind, state in debit.states.items() if kind in DOCUMENTS}
    assert (debit.note.state, settled) == (("approved", DOCUMENTS) if end == "settle" else ("removed", {}))
    if end == "settle":
        assert AccountingSettings.objects.get().item
