"""What the books tell us by themselves: verified, written down once, read again, in whatever order it comes."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.hearing import Event, hear
from accounting.ledgers.words import InvoiceFacts
from accounting.mirror import Desk
from accounting.mirror_keeping import Books, keep_invoices
from accounting.mirror_orders import arm_due, forget_heard
from accounting.models import HeardChange, LedgerApplication, LedgerInvoice, MirrorCursor
from tests.accounting.mirror_stage import (
    BEGIN,
    Letter,
    by_hand,
    credit,
    event,
    invoice,
    later,
    letter,
    make,
    make_credit,
    next_index,
    package,
    reading,
    reads,
    sync,
    tell,
)
from tests.people import House, build_house, drain_outbox
from wisepay.models import OutboxMessage

PERMUTATIONS = 2_000
VERSIONS = 6


# What reading some documents by their ids costs, or asking at once for all that changed.
ONE = {"xero": ["invoices"], "quickbooks": ["changes"]}
TWO_KINDS = {"xero": ["credits", "invoices"], "quickbooks": ["changes"]}


@pytest.fixture
def house(any_house: House) -> House:
    """What setting up left to do is done, and the books are read."""
    drain_outbox()
    sync()
    return any_house


@pytest.fixture
def stranger(house: House) -> House:
    """Another merchant with the same accounting package."""
    provider = house.connection.provider
    return build_house(
        house.world, name="Other IT", email="admin@other-it.example", organisation="nz", provider=provider
    )


@pytest.fixture
def mark(house: House) -> int:
    """The journal's next number."""
    return next_index(house)


def test_an_event_is_answered_at_once_without_body_or_cookie_and_then_read(house: House, mark: int) -> None:
    key = make(house, "INV-1")
    answer = tell(house, event(house, "invoices", key))
    assert (answer.status_code, answer.content, len(answer.cookies)) == (200, b"", 0)
    assert reads(house, mark) == []
    drain_outbox()
    assert reads(house, mark) == ONE[house.connection.provider]
    assert invoice("INV-1").due == 10000


def test_many_events_are_one_call_a_kind(house: House, mark: int) -> None:
    keys = [make(house, f"INV-{n}") for n in range(12)]
    note = make_credit(house, "CN-1", "5")
    told = [event(house, "invoices", key) for key in keys] + [event(house, "credits", note)]
    for begin in range(0, len(told), 4):
        tell(house, *told[begin : begin + 4])
    drain_outbox()
    assert sorted(reads(house, mark)) == TWO_KINDS[house.connection.provider]
    assert LedgerInvoice.objects.filter(number__startswith="INV-").count() == 12
    assert credit("CN-1").remaining == 500


def test_what_is_put_to_an_invoice_comes_with_it(house: House, mark: int) -> None:
    key = make(house, "INV-1")
    by_hand(house, "pay", invoice="INV-1", amount="40", reference="By bank")
    tell(house, event(house, "invoices", key))
    drain_outbox()
    assert [(a.remark, a.amount) for a in invoice("INV-1").applications.all()] == [("By bank", 4000)]
    assert reads(house, mark) == ONE[house.connection.provider]


@pytest.mark.parametrize("case", ["wrong key", "no signature", "changed body", "no key here"])
def test_a_forged_event_is_refused_and_changes_nothing(house: House, settings: Any, mark: int, case: str) -> None:
    key, books = make(house, "INV-1"), package(house)
    if case == "no key here":
        setattr(settings, books.setting, "")
    if case in ("no signature", "changed body"):
        headers = {books.header: "AAAA"} if case == "changed body" else {}
        status = Letter(books.webhook, b"[]", headers).send().status_code
    else:
        status = tell(house, event(house, "invoices", key), key="" if case == "no key here" else "guessed").status_code
    assert status == 401
    drain_outbox()
    assert (HeardChange.objects.count(), reads(house, mark)) == (0, [])


def test_a_post_of_nothing_proves_the_key_of_any_of_several_apps(house: House, settings: Any) -> None:
    """Xero's intent-to-receive check is one, with a good signature and with bad ones."""
    setattr(settings, package(house).setting, "first, second")
    assert [tell(house, key=key).status_code for key in ("first", "second", "first!", "third")] == [200, 200, 401, 401]
    assert Client().get(package(house).webhook).status_code == 405


@pytest.mark.parametrize("body", ["", "5", "[1]", "[[]]", '[{"type": 5}]', '{"events": [{}]}', '{"events": 5}', "\x00"])
def test_a_signed_body_that_makes_no_sense_is_refused(house: House, body: str) -> None:
    assert tell(house, body=body).status_code == 400
    assert HeardChange.objects.count() == 0


def test_a_very_long_post_of_many_organisations_is_taken(house: House, stranger: House) -> None:
    key, theirs = make(house, "INV-1"), make(stranger, "NZ-1", "70", contact="Kiwi", organisation="nz")
    sync()
    HeardChange.objects.all().delete()
    one, books = event(house, "invoices", key), package(house)
    nobody = [books.event(f"{n:036}", books.kinds["invoices"], f"{n:036}", timezone.now()) for n in range(2_000)]
    assert tell(house, *nobody, one, event(stranger, "invoices", theirs)).status_code == 200
    assert HeardChange.objects.count() == 2
    drain_outbox()
    assert (invoice("INV-1").merchant, invoice("NZ-1").merchant) == (house.merchant, stranger.merchant)


def test_an_event_for_a_tenant_that_holds_no_such_document_changes_nothing(house: House, stranger: House) -> None:
    key = make(house, "INV-1")
    sync()
    tell(house, event(stranger, "invoices", key))
    drain_outbox()
    assert LedgerInvoice.objects.filter(ledger_id=key).count() == 0
    assert HeardChange.objects.get().read_at is not None


def test_bills_and_suppliers_credits_are_none_of_ours(house: House, mark: int) -> None:
    if house.connection.provider == "quickbooks":
        kinds = ["vendor", "bill", "purchase", "refundreceipt", "account"]
        now = timezone.now()
        tell(house, *(package(house).event(house.connection.organisation_id, kind, "7", now) for kind in kinds))
        assert HeardChange.objects.count() == 0
        return
    row = {"Type": "ACCPAY", "Status": "DRAFT", "Contact": {"Name": "Supplier"}, "InvoiceNumber": "BILL-1"}
    house.world.post("/xero/_control", {"create": {"organisation": "au", "Invoices": [row]}})
    section = house.world.state()["sections"]["xero"]["organisations"][house.connection.organisation_id]
    [key] = section["invoices"]
    tell(house, event(house, "invoices", key))
    tell(house, event(house, "credits", key, data={"Type": "ACCPAYCREDIT", "Status": "DRAFT"}))
    drain_outbox()
    assert len(reads(house, mark)) == 1
    assert LedgerInvoice.objects.count() == 0


def test_five_times_in_reverse_and_three_days_late_is_one_reading_an_event(house: House, mark: int) -> None:
    key = make(house, "INV-1")
    events = [event(house, "invoices", key, at=timezone.now() - timedelta(seconds=3 - n)) for n in range(3)]
    for one in reversed(events):
        for _ in range(5):
            tell(house, one)
        drain_outbox()
    assert len(reads(house, mark)) == 1
    tell(house, event(house, "invoices", key, at=timezone.now() - timedelta(days=3)))
    assert OutboxMessage.objects.filter(key=f"heard:{house.merchant.pk}", state="pending").count() == 0


def test_what_is_heard_once_more_while_it_is_read_is_read_once_more(
    house: House, mark: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(house, "INV-1")
    tell(house, event(house, "invoices", key))
    told: list[int] = []

    def meanwhile(real: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any, **asked: Any) -> Any:
            answer = real(*args, **asked)
            if not told:
                told.append(tell(house, event(house, "invoices", key, at=later(5))).status_code)
            return answer

        return read

    monkeypatch.setattr(Desk, "read_page", meanwhile(Desk.read_page))
    monkeypatch.setattr(Desk, "read_some", meanwhile(Desk.read_some))
    drain_outbox()
    again = {"xero": ["invoices"] * 2, "quickbooks": ["changes", "rows"]}
    assert (told, reads(house, mark)) == ([200], again[house.connection.provider])
    assert HeardChange.objects.get().read_at is not None


def test_weather_holds_it_up_and_a_forgotten_message_is_armed_again(house: House, mark: int) -> None:
    key = make(house, "INV-1")
    path = {"xero": "/Invoices*", "quickbooks": "*/cdc*"}[house.connection.provider]
    house.world.fault(house.connection.provider, "status", path=path, status=503, times=1)
    tell(house, event(house, "invoices", key))
    drain_outbox()
    assert LedgerInvoice.objects.count() == 0
    OutboxMessage.objects.filter(key=f"heard:{house.merchant.pk}").delete()
    arm_due(now=later(60))
    drain_outbox(at=later(61))
    assert invoice("INV-1").due == 10000
    assert forget_heard(now=later(31 * 86_400)) == 1


def test_an_event_that_comes_before_anything_was_read_hinders_no_reading(house: House) -> None:
    """As of a merchant who connected a moment ago."""
    key = make(house, "INV-1")
    MirrorCursor.objects.all().delete()
    tell(house, event(house, "invoices", key))
    drain_outbox()
    sync()
    drain_outbox(at=later(60))
    assert MirrorCursor.objects.filter(kind__in=("contacts", "invoices", "credits"), since=None).count() == 0
    assert invoice("INV-1").due == 10000
    assert HeardChange.objects.get().read_at is not None


def test_while_the_books_tell_we_look_rarely_until_they_keep_a_change_to_themselves(house: House) -> None:
    key = make(house, "INV-1")
    tell(house, event(house, "invoices", key))
    drain_outbox()
    due = MirrorCursor.objects.filter(kind="invoices")
    house.world.advance(7200)
    due.update(due_at=timezone.now())
    sync(at=later(7200))
    assert due.get().due_at > later(7200 + 5 * 3600)
    make(house, "INV-2")
    house.world.advance(1200)
    due.update(due_at=timezone.now())
    sync(at=later(8400))
    assert (due.get().heard_at, due.get().due_at < later(8400 + 600)) == (None, True)


def test_the_door_costs_few_statements_and_milliseconds(house: House) -> None:
    keys = [make(house, f"INV-{n}") for n in range(3)]
    tell(house, event(house, "invoices", keys[0]))
    told = letter(house, *(event(house, "invoices", key) for key in keys))
    with CaptureQueriesContext(connection) as seen:
        begin = time.perf_counter()
        told.send()
        took = time.perf_counter() - begin
    assert len([q for q in seen.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]) <= 5
    assert took < 1


def permuted(seed: int) -> Iterator[list[int]]:
    """Endless ways in which up to eight readings of six states may come: some twice, the newest always."""
    chance = random.Random(seed)
    while True:
        ways = [chance.randrange(VERSIONS) for _ in range(6)] + [VERSIONS - 1, chance.randrange(VERSIONS)]
        chance.shuffle(ways)
        yield ways


@pytest.mark.thorough
def test_two_thousand_permutations_of_readings_end_as_the_books_are(house: House) -> None:
    """Each permutation has an invoice of its own, so that one page brings a step of a thousand of them."""
    ways = [next(way) for way in [permuted(7)] for _ in range(PERMUTATIONS)]
    now = timezone.now()
    for step in range(8):
        rows = [reading(f"k{n:05}", way[step]) for n, way in enumerate(ways)]
        for begin in range(0, PERMUTATIONS, 1000):
            with transaction.atomic():
                books = Books(house.merchant, "org", now + timedelta(seconds=step))
                keep_invoices(books, rows[begin : begin + 1000])
    wanted = reading("k", VERSIONS - 1)
    found = LedgerInvoice.objects.filter(organisation_id="org")
    states = set(found.values_list("status", "due", "changed_at"))
    assert found.count() == PERMUTATIONS
    assert states == {(wanted.status, wanted.due.amount, wanted.changed_at)}
    assert LedgerApplication.objects.filter(organisation_id="org").count() == 0


def test_after_every_reading_the_mirror_is_the_newest_that_was_read(house: House) -> None:
    ways = [next(way) for way in [permuted(11)] for _ in range(300)]
    for step in range(8):
        with transaction.atomic():
            books = Books(house.merchant, "org", BEGIN)
            keep_invoices(books, [reading(f"k{n:05}", way[step]) for n, way in enumerate(ways)])
        held = {row.ledger_id: row for row in LedgerInvoice.objects.filter(organisation_id="org")}
        for n, way in enumerate(ways):
            model = reading(f"k{n:05}", max(way[: step + 1]))
            row = held[model.id]
            assert (row.status, row.due, row.changed_at) == (model.status, model.due.amount, model.changed_at)
        paid = {(a.invoice.ledger_id, a.ledger_id, a.amount)
                for a in LedgerApplication.objects.filter(organisation_id="org").select_related("invoice")}  # fmt: skip
        assert paid == {
            (f"k{n:05}", each.id, each.amount.amount)
            for n, way in enumerate(ways)
            for each in reading(f"k{n:05}", max(way[: step + 1])).applied
        }


@pytest.mark.thorough
def test_two_thousand_permutations_of_events_are_each_read_as_of_the_newest(house: House) -> None:
    ways = [next(way) for way in [permuted(13)] for _ in range(PERMUTATIONS)]
    books = house.connection
    for step in range(8):
        told = [
            Event(tenant, "invoices", f"k{n:05}", BEGIN + timedelta(minutes=way[step]))
            for n, way in enumerate(ways)
            for tenant in (books.organisation_id, "elsewhere")
        ]
        random.Random(step).shuffle(told)
        hear(books.provider, told, now=BEGIN + timedelta(days=step))
    assert HeardChange.objects.count() == PERMUTATIONS
    assert set(HeardChange.objects.values_list("event_at", "read_at")) == {
        (BEGIN + timedelta(minutes=VERSIONS - 1), None)
    }


def test_of_two_readings_of_the_same_second_the_later_one_stays(house: House) -> None:
    early, late = reading("k", 2), reading("k", 3)
    same = InvoiceFacts(**{name: getattr(late, name) for name in late.__slots__} | {"changed_at": early.changed_at})
    now = timezone.now()
    for facts, seconds, due in ((early, 0, 6000), (same, 5, 0), (early, 1, 0), (early, 9, 6000)):
        with transaction.atomic():
            keep_invoices(Books(house.merchant, "org", now + timedelta(seconds=seconds)), [facts])
        assert LedgerInvoice.objects.get(ledger_id="k").due == due
