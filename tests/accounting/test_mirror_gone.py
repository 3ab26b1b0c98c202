"""Books that rows can leave: what was deleted there is held as deleted, however we come to know of it."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounting.ledgers import quickbooks_base
from accounting.ledgers.words import Page
from accounting.mirror import DESKS, begin_anew
from accounting.mirror_gone import drop_credits
from accounting.mirror_keeping import Books, keep_invoices
from accounting.mirror_orders import arm_due
from accounting.models import HeardChange, LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor
from connections.services import disconnect_all
from sandbox.launch import Running
from tests.accounting.debits import CARD, try_to_pay
from tests.accounting.mirror_stage import (
    BEGIN,
    by_hand,
    credit,
    event,
    fill,
    invoice,
    later,
    look_again,
    make,
    make_credit,
    next_index,
    reading,
    reads,
    sync,
    tell,
)
from tests.people import House, build_house, connect, drain_outbox

PERMUTATIONS = 2_000
GONE = -1


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'; what setting up left to do is done, and the books are read."""
    house = build_house(world, provider="quickbooks")
    drain_outbox()
    sync()
    return house


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """Numbers of the invoices and of the credits that each listener's call was about."""
    heard: list[tuple[list[str], list[str]]] = []

    def listener(merchant: object, *, invoice_ids: Any, credit_ids: Any, now: object) -> None:
        numbers = LedgerInvoice.objects.filter(pk__in=invoice_ids).values_list("number", flat=True)
        others = LedgerCredit.objects.filter(pk__in=credit_ids).values_list("number", flat=True)
        heard.append((sorted(numbers), sorted(others)))

    monkeypatch.setattr("accounting.mirror_events.LISTENERS", [listener])
    return heard


@pytest.mark.parametrize("is_told", [True, False])
def test_deleted_invoices_owe_nothing_and_listeners_hear_of_it(
    house: House, told: list[tuple[list[str], list[str]]], is_told: bool
) -> None:
    key = make(house, "D")
    make(house, "STAYS")
    by_hand(house, "pay", invoice="D", amount="40")
    look_again()
    told.clear()
    by_hand(house, "delete", invoice="D")
    if is_told:
        tell(house, event(house, "invoices", key, type="qbo.invoice.deleted.v1"))
        drain_outbox()
    else:
        look_again()
    assert (invoice("D").status, invoice("D").due, invoice("STAYS").status) == ("deleted", 0, "open")
    assert LedgerApplication.objects.count() == 0
    assert told == [(["D"], [])]
    assert HeardChange.objects.filter(read_at=None).count() == 0


def test_a_deleted_memo_of_ours_is_void_and_what_it_gave_is_taken_off(house: House) -> None:
    paid = try_to_pay(house, house.open_checkout().payment, CARD)
    paid.settle()
    drain_outbox()
    by_hand(house, "make_invoice", contact=paid.note.payment.company.name, amount="1000", number="NEXT")
    by_hand(house, "allocate", credit_note=paid.note.number, invoice="NEXT", amount="100")
    look_again()
    assert (paid.note.state, paid.note.remaining, invoice("NEXT").due) == ("approved", 52500, 90000)
    by_hand(house, "delete", credit_memo=paid.note.number)
    look_again()
    assert (paid.note.state, paid.note.remaining, invoice("NEXT").due) == ("voided", 0, 100000)
    assert (credit(paid.note.number).status, credit(paid.note.number).remaining) == ("deleted", 0)
    assert LedgerApplication.objects.filter(kind="credit").count() == 0


def test_a_deleted_credit_leaves_nothing_on_invoices_that_were_not_read_again(
    house: House, told: list[tuple[list[str], list[str]]]
) -> None:
    make(house, "INV-1")
    key = make_credit(house, "CN-1", "60")
    by_hand(house, "allocate", credit_note="CN-1", invoice="INV-1")
    look_again()
    told.clear()
    drop_credits(Books(house.merchant, house.connection.organisation_id, timezone.now()), Page((), 1, gone=(key,)))
    assert LedgerApplication.objects.count() == 0
    assert told == [(["INV-1"], ["CN-1"])]


def test_a_memo_of_ours_that_nobody_read_before_it_was_deleted_is_void_too(house: House) -> None:
    paid = try_to_pay(house, house.open_checkout().payment, CARD)
    paid.settle()
    drain_outbox()
    assert LedgerCredit.objects.count() == 0
    by_hand(house, "delete", credit_memo=paid.note.number)
    look_again()
    assert paid.note.state == "voided"


def test_a_deletion_in_another_company_is_not_our_memos(house: House) -> None:
    """QuickBooks counts its documents, so two companies have documents of the same id."""
    paid = try_to_pay(house, house.open_checkout().payment, CARD)
    paid.settle()
    drain_outbox()
    look_again()
    disconnect_all(house.merchant, by="admin", now=timezone.now())
    connect(house.merchant, house.user, provider="quickbooks", organisation="nz")
    drain_outbox()
    keys: list[str] = []
    while paid.note.ledger_id not in keys:
        keys.append(make_credit(house, f"KIWI-{len(keys)}", "5", organisation="nz"))
    sync()
    by_hand(house, "delete", organisation="nz", credit_memo=keys[-1])
    look_again()
    assert LedgerCredit.objects.get(number=f"KIWI-{len(keys) - 1}").status == "deleted"
    assert paid.note.state == "approved"


def test_an_older_reading_does_not_bring_a_deleted_invoice_back(house: House) -> None:
    make(house, "D")
    look_again()
    before = invoice("D")
    by_hand(house, "delete", invoice="D")
    look_again()
    facts = reading(before.ledger_id, 1)
    object.__setattr__(facts, "changed_at", before.changed_at)
    keep_invoices(Books(house.merchant, before.organisation_id, later(3)), [facts])
    assert invoice("D").status == "deleted"


@pytest.mark.thorough
def test_two_thousand_permutations_of_readings_and_a_deletion_end_deleted(house: House) -> None:
    """The deletion comes once or twice, before, between and after readings of the time before it; a third has none."""
    chance, gone_at, now = random.Random(17), BEGIN + timedelta(minutes=30), timezone.now()
    ways = [[chance.randrange(6) for _ in range(5)] + [GONE] * (n % 3) for n in range(PERMUTATIONS)]
    for way in ways:
        chance.shuffle(way)
        way.insert(0, 0)
    for step in range(8):
        for begin in range(0, PERMUTATIONS, 1000):
            seen = [(f"k{n:05}", ways[n][step]) for n in range(begin, begin + 1000) if step < len(ways[n])]
            rows = tuple(reading(key, state) for key, state in seen if state != GONE)
            gone = tuple(key for key, state in seen if state == GONE)
            with transaction.atomic():
                DESKS["invoices"].write(Books(house.merchant, "org", now), Page(rows, 1, as_of=gone_at, gone=gone))
    found = dict(LedgerInvoice.objects.filter(organisation_id="org").values_list("ledger_id", "status"))
    assert found == {
        f"k{n:05}": "deleted" if GONE in way else reading("k", max(way)).status for n, way in enumerate(ways)
    }
    left = LedgerApplication.objects.filter(organisation_id="org").values_list("invoice__status", flat=True)
    assert set(left) == {"open", "paid"}


def test_a_customer_that_was_deleted_or_merged_is_not_active(house: House) -> None:
    [made] = [by_hand(house, "make_contact", name="Twin")]
    look_again()
    assert LedgerContact.objects.get(contact_id=made["Id"]).is_active
    by_hand(house, "retire", customer="Twin")
    look_again()
    assert not LedgerContact.objects.get(contact_id=made["Id"]).is_active


def test_a_payments_event_reads_what_it_touched_in_one_look(house: House) -> None:
    make(house, "INV-1")
    look_again()
    by_hand(house, "pay", invoice="INV-1", amount="40", reference="By bank")
    mark = next_index(house)
    tell(house, event(house, "payments", "999"))
    drain_outbox()
    assert reads(house, mark) == ["changes"]
    assert [(a.remark, a.amount) for a in invoice("INV-1").applications.all()] == [("By bank", 4000)]
    assert HeardChange.objects.filter(read_at=None).count() == 0


def test_everything_that_one_act_changes_is_one_call_although_every_kind_was_read_at_another_time(house: House) -> None:
    make(house, "INV-1")
    make_credit(house, "CN-1", "60")
    look_again()
    for hours, kind in enumerate(("contacts", "credits"), 1):
        MirrorCursor.objects.filter(kind=kind).update(since=F("since") - timedelta(hours=hours))
    by_hand(house, "allocate", credit_note="CN-1", invoice="INV-1")
    mark = next_index(house)
    tell(
        house,
        event(house, "invoices", invoice("INV-1").ledger_id),
        event(house, "credits", credit("CN-1").ledger_id),
        event(house, "payments", "999"),
    )
    drain_outbox()
    assert reads(house, mark)[0] == "changes"
    assert reads(house, mark).count("changes") == 1
    assert (invoice("INV-1").due, credit("CN-1").remaining) == (4000, 0)
    kinds = MirrorCursor.objects.filter(kind__in=("contacts", "invoices", "credits"))
    assert kinds.values("since").distinct().count() == 1


def test_what_is_heard_before_everything_was_read_waits_for_that(db: None, world: Running) -> None:
    house = build_house(world, provider="quickbooks")
    drain_outbox()
    key = make(house, "INV-1")
    tell(house, event(house, "invoices", key), event(house, "payments", "999"))
    drain_outbox()
    assert HeardChange.objects.filter(read_at=None).count() == 2
    sync()
    drain_outbox(at=later(40))
    assert invoice("INV-1").due == 10000
    assert HeardChange.objects.filter(read_at=None).count() == 0


def test_after_a_month_of_silence_everything_is_read_anew_and_what_is_not_met_is_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Change data capture forgets deletions after thirty days."""
    monkeypatch.setattr(quickbooks_base, "LARGEST_PAGE", 2)
    fill(house, invoices=9, contacts=2)
    MirrorCursor.objects.update(since=None)
    look_again()
    by_hand(house, "delete", invoice="OLD-000003")
    state = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]
    assert len(state["deleted"]) == 1
    MirrorCursor.objects.exclude(since=None).update(since=timezone.now() - timedelta(days=31))
    look_again()
    assert invoice("OLD-000003").status == "open"
    assert HeardChange.objects.filter(read_at=None).values_list("ledger_id", flat=True).get() == (
        invoice("OLD-000003").ledger_id
    )
    arm_due(now=later(60))
    drain_outbox(at=later(60))
    assert (invoice("OLD-000003").status, invoice("OLD-000004").status) == ("deleted", "open")
    assert MirrorCursor.objects.exclude(heard_at=None).count() == 0


def test_more_changes_than_are_told_at_once_are_read_anew_so_that_no_deletion_is_lost(house: House) -> None:
    for number in ("GONE", "STAYS"):
        make(house, number)
    look_again()
    by_hand(house, "delete", invoice="GONE")
    house.world.advance(6 * 86_400)
    fill(house, invoices=1_000, contacts=2)  # all of them changed since, so that the deletion is not told of any more
    look_again()
    mark = next_index(house)
    look_again(at=later(5))  # the token was over by then
    assert reads(house, mark)[0] == "changes"
    assert LedgerInvoice.objects.filter(number__startswith="OLD-").count() == 1_000
    arm_due(now=later(60))
    drain_outbox(at=later(60))
    assert (invoice("GONE").status, invoice("STAYS").status) == ("deleted", "open")
    mark = next_index(house)
    look_again(at=later(120))
    assert reads(house, mark) == ["changes"]


def test_reading_everything_anew_doubts_nothing_that_it_meets(house: House) -> None:
    fill(house, invoices=9, contacts=2)
    begin_anew(house.merchant, house.connection.organisation_id, now=timezone.now())
    sync()
    begin_anew(house.merchant, house.connection.organisation_id, now=timezone.now())
    mark = next_index(house)
    sync()
    arm_due(now=later(60))
    drain_outbox(at=later(60))
    assert reads(house, mark) == ["lists", "lists", "rows", "lists"]
    assert LedgerInvoice.objects.filter(status="deleted").count() == 0
