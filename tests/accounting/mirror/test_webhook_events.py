"""Webhook events: verified, recorded once, and their documents read again, in whatever order they come."""

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

from accounting.ledgers.protocol import RemoteInvoice
from accounting.mirror.kinds import MirroredKind
from accounting.mirror.services import delete_read_changes, schedule_mirror_syncs
from accounting.mirror.store import ReadContext, upsert_invoices
from accounting.mirror.webhook_events import ChangeEvent, receive_events
from accounting.models import LedgerApplication, LedgerInvoice, MirrorCursor, PendingChange
from tests.accounting.mirror.ledger_actions import (
    START,
    SignedWebhook,
    act_in_ledger,
    build_event,
    build_invoice_version,
    get_credit,
    get_invoice,
    get_next_index,
    get_package,
    get_time_after,
    list_read_kinds,
    make_credit,
    make_invoice,
    send_webhook,
    sign_webhook,
    sync_due,
)
from tests.tenants import Tenant, create_tenant, deliver_outbox
from wisepay.models import OutboxMessage

PERMUTATIONS = 2_000
VERSIONS = 6


# What reading some documents by their ids costs, or asking at once for all that changed.
INVOICE_READS = {"xero": ["invoices"], "quickbooks": ["changes"]}
INVOICE_AND_CREDIT_READS = {"xero": ["credits", "invoices"], "quickbooks": ["changes"]}


@pytest.fixture
def tenant(any_tenant: Tenant) -> Tenant:
    """A merchant whose mirror is read and whose outbox is empty."""
    deliver_outbox()
    sync_due()
    return any_tenant


@pytest.fixture
def stranger(tenant: Tenant) -> Tenant:
    """Another merchant with the same accounting package."""
    provider = tenant.connection.provider
    return create_tenant(
        tenant.world, name="Other IT", email="admin@other-it.example", organisation="nz", provider=provider
    )


@pytest.fixture
def journal_start(tenant: Tenant) -> int:
    """The journal's next number."""
    return get_next_index(tenant)


def test_an_event_is_answered_at_once_without_body_or_cookie_and_then_read(tenant: Tenant, journal_start: int) -> None:
    key = make_invoice(tenant, "INV-1")
    answer = send_webhook(tenant, build_event(tenant, "invoices", key))
    assert (answer.status_code, answer.content, len(answer.cookies)) == (200, b"", 0)
    assert list_read_kinds(tenant, journal_start) == []
    deliver_outbox()
    assert list_read_kinds(tenant, journal_start) == INVOICE_READS[tenant.connection.provider]
    assert get_invoice("INV-1").due == 10000


def test_many_events_are_one_call_a_kind(tenant: Tenant, journal_start: int) -> None:
    keys = [make_invoice(tenant, f"INV-{n}") for n in range(12)]
    note = make_credit(tenant, "CN-1", "5")
    events = [build_event(tenant, "invoices", key) for key in keys] + [build_event(tenant, "credits", note)]
    for begin in range(0, len(events), 4):
        send_webhook(tenant, *events[begin : begin + 4])
    deliver_outbox()
    assert sorted(list_read_kinds(tenant, journal_start)) == INVOICE_AND_CREDIT_READS[tenant.connection.provider]
    assert LedgerInvoice.objects.filter(number__startswith="INV-").count() == 12
    assert get_credit("CN-1").remaining == 500


def test_what_is_put_to_an_invoice_comes_with_it(tenant: Tenant, journal_start: int) -> None:
    key = make_invoice(tenant, "INV-1")
    act_in_ledger(tenant, "pay", invoice="INV-1", amount="40", reference="By bank")
    send_webhook(tenant, build_event(tenant, "invoices", key))
    deliver_outbox()
    assert [(a.remark, a.amount) for a in get_invoice("INV-1").applications.all()] == [("By bank", 4000)]
    assert list_read_kinds(tenant, journal_start) == INVOICE_READS[tenant.connection.provider]


@pytest.mark.parametrize("case", ["wrong key", "no signature", "changed body", "no key here"])
def test_a_forged_event_is_refused_and_changes_nothing(
    tenant: Tenant, settings: Any, journal_start: int, case: str
) -> None:
    key, books = make_invoice(tenant, "INV-1"), get_package(tenant)
    if case == "no key here":
        setattr(settings, books.setting, "")
    if case in ("no signature", "changed body"):
        headers = {books.header: "AAAA"} if case == "changed body" else {}
        status = SignedWebhook(books.webhook, b"[]", headers).send().status_code
    else:
        status = send_webhook(
            tenant, build_event(tenant, "invoices", key), key="" if case == "no key here" else "guessed"
        ).status_code
    assert status == 401
    deliver_outbox()
    assert (PendingChange.objects.count(), list_read_kinds(tenant, journal_start)) == (0, [])


def test_a_post_of_nothing_proves_the_key_of_any_of_several_apps(tenant: Tenant, settings: Any) -> None:
    """Xero's intent-to-receive check is one, with a good signature and with bad ones."""
    setattr(settings, get_package(tenant).setting, "first, second")
    assert [send_webhook(tenant, key=key).status_code for key in ("first", "second", "first!", "third")] == [
        200,
        200,
        401,
        401,
    ]
    assert Client().get(get_package(tenant).webhook).status_code == 405


@pytest.mark.parametrize("body", ["", "5", "[1]", "[[]]", '[{"type": 5}]', '{"events": [{}]}', '{"events": 5}', "\x00"])
def test_a_signed_body_that_makes_no_sense_is_refused(tenant: Tenant, body: str) -> None:
    assert send_webhook(tenant, body=body).status_code == 400
    assert PendingChange.objects.count() == 0


UNREADABLE_IDS = ["\0", "a\0b", "\ud800", "a\u202e", "a b", "", "x" * 61, {"a": 1}, None]
UNREADABLE_TIMES = ["", "0000-00-00", "2026-02-31T00:00:00", "9999-12-31T23:59:59-14:00", "1969-12-31", 5, None]


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 200_000, '{"events":' + "[" * 900 + "]" * 900 + "}"])
def test_a_signed_body_that_is_nested_without_end_is_refused(tenant: Tenant, body: str) -> None:
    assert send_webhook(tenant, body=body).status_code == 400


def test_a_signed_event_that_names_nothing_we_could_store_is_refused(tenant: Tenant) -> None:
    good = build_event(tenant, "invoices", make_invoice(tenant, "INV-1"))
    ids = [name for name in ("tenantId", "resourceId", "intuitaccountid", "intuitentityid") if name in good]
    times = [name for name in ("eventDateUtc", "time") if name in good]
    cases: list[tuple[str, object]] = [(name, bad) for name in ids for bad in UNREADABLE_IDS]
    cases += [(name, bad) for name in times for bad in UNREADABLE_TIMES]
    assert len(cases) >= 20
    for name, bad in cases:
        assert send_webhook(tenant, good | {name: bad}).status_code == 400, (name, bad)
    assert PendingChange.objects.count() == 0


@pytest.mark.parametrize(
    "bad", [{"time": None}, {"eventDateUtc": None, "time": "soon"}, {"tenantId": 5, "intuitaccountid": {}}]
)
def test_an_event_that_cannot_be_read_does_not_cost_the_others(tenant: Tenant, bad: dict[str, Any]) -> None:
    """One event without a time among several: the good ones are noted (seen in Intuit's posts)."""
    first, second = (make_invoice(tenant, f"INV-{n}") for n in (1, 2))
    odd = {k: v for k, v in (build_event(tenant, "invoices", second) | bad).items() if v is not None}
    odd = odd if "eventDateUtc" not in odd or tenant.connection.provider != "xero" else odd | {"eventDateUtc": "soon"}
    assert send_webhook(tenant, build_event(tenant, "invoices", first), odd).status_code == 200
    deliver_outbox()
    assert get_invoice("INV-1").ledger_id == first


def test_a_very_long_post_of_many_organisations_is_taken(tenant: Tenant, stranger: Tenant) -> None:
    key, theirs = make_invoice(tenant, "INV-1"), make_invoice(stranger, "NZ-1", "70", contact="Kiwi", organisation="nz")
    sync_due()
    PendingChange.objects.all().delete()
    one, books = build_event(tenant, "invoices", key), get_package(tenant)
    nobody = [books.build_event(f"{n:036}", books.kinds["invoices"], f"{n:036}", timezone.now()) for n in range(2_000)]
    assert send_webhook(tenant, *nobody, one, build_event(stranger, "invoices", theirs)).status_code == 200
    assert PendingChange.objects.count() == 2
    deliver_outbox()
    assert (get_invoice("INV-1").merchant, get_invoice("NZ-1").merchant) == (tenant.merchant, stranger.merchant)


def test_an_event_for_a_tenant_that_holds_no_such_document_changes_nothing(tenant: Tenant, stranger: Tenant) -> None:
    key = make_invoice(tenant, "INV-1")
    sync_due()
    send_webhook(tenant, build_event(stranger, "invoices", key))
    deliver_outbox()
    assert LedgerInvoice.objects.filter(ledger_id=key).count() == 0
    assert PendingChange.objects.get().read_at is not None


def test_bills_and_suppliers_credits_are_none_of_ours(tenant: Tenant, journal_start: int) -> None:
    if tenant.connection.provider == "quickbooks":
        kinds = ["vendor", "bill", "purchase", "refundreceipt", "account"]
        now = timezone.now()
        send_webhook(
            tenant,
            *(get_package(tenant).build_event(tenant.connection.organisation_id, kind, "7", now) for kind in kinds),
        )
        assert PendingChange.objects.count() == 0
        return
    row = {"Type": "ACCPAY", "Status": "DRAFT", "Contact": {"Name": "Supplier"}, "InvoiceNumber": "BILL-1"}
    tenant.world.post("/xero/_control", {"create": {"organisation": "au", "Invoices": [row]}})
    section = tenant.world.state()["sections"]["xero"]["organisations"][tenant.connection.organisation_id]
    [key] = section["invoices"]
    send_webhook(tenant, build_event(tenant, "invoices", key))
    send_webhook(tenant, build_event(tenant, "credits", key, data={"Type": "ACCPAYCREDIT", "Status": "DRAFT"}))
    deliver_outbox()
    assert len(list_read_kinds(tenant, journal_start)) == 1
    assert LedgerInvoice.objects.count() == 0


def test_five_times_in_reverse_and_three_days_late_is_one_reading_an_event(tenant: Tenant, journal_start: int) -> None:
    key = make_invoice(tenant, "INV-1")
    events = [build_event(tenant, "invoices", key, at=timezone.now() - timedelta(seconds=3 - n)) for n in range(3)]
    for one in reversed(events):
        for _ in range(5):
            send_webhook(tenant, one)
        deliver_outbox()
    assert len(list_read_kinds(tenant, journal_start)) == 1
    send_webhook(tenant, build_event(tenant, "invoices", key, at=timezone.now() - timedelta(days=3)))
    assert OutboxMessage.objects.filter(key=f"heard:{tenant.merchant.pk}", state="pending").count() == 0


def test_a_change_notified_again_while_it_is_read_is_read_again(
    tenant: Tenant, journal_start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_invoice(tenant, "INV-1")
    send_webhook(tenant, build_event(tenant, "invoices", key))
    statuses: list[int] = []

    def meanwhile(real: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any, **asked: Any) -> Any:
            answer = real(*args, **asked)
            if not statuses:
                statuses.append(
                    send_webhook(tenant, build_event(tenant, "invoices", key, at=get_time_after(5))).status_code
                )
            return answer

        return read

    monkeypatch.setattr(MirroredKind, "read_page", meanwhile(MirroredKind.read_page))
    monkeypatch.setattr(MirroredKind, "read_documents", meanwhile(MirroredKind.read_documents))
    deliver_outbox()
    again = {"xero": ["invoices"] * 2, "quickbooks": ["changes", "rows"]}
    assert (statuses, list_read_kinds(tenant, journal_start)) == ([200], again[tenant.connection.provider])
    assert PendingChange.objects.get().read_at is not None


def test_an_outage_delays_it_and_a_lost_message_is_scheduled_again(tenant: Tenant, journal_start: int) -> None:
    key = make_invoice(tenant, "INV-1")
    path = {"xero": "/Invoices*", "quickbooks": "*/cdc*"}[tenant.connection.provider]
    tenant.world.fault(tenant.connection.provider, "status", path=path, status=503, times=1)
    send_webhook(tenant, build_event(tenant, "invoices", key))
    deliver_outbox()
    assert LedgerInvoice.objects.count() == 0
    OutboxMessage.objects.filter(key=f"heard:{tenant.merchant.pk}").delete()
    schedule_mirror_syncs(now=get_time_after(60))
    deliver_outbox(at=get_time_after(61))
    assert get_invoice("INV-1").due == 10000
    assert delete_read_changes(now=get_time_after(31 * 86_400)) == 1


def test_an_event_that_comes_before_anything_was_read_hinders_no_reading(tenant: Tenant) -> None:
    """A merchant that connected a moment ago."""
    key = make_invoice(tenant, "INV-1")
    MirrorCursor.objects.all().delete()
    send_webhook(tenant, build_event(tenant, "invoices", key))
    deliver_outbox()
    sync_due()
    deliver_outbox(at=get_time_after(60))
    assert MirrorCursor.objects.filter(kind__in=("contacts", "invoices", "credits"), known_until=None).count() == 0
    assert get_invoice("INV-1").due == 10000
    assert PendingChange.objects.get().read_at is not None


def test_while_the_books_tell_we_look_rarely_until_they_keep_a_change_to_themselves(tenant: Tenant) -> None:
    key = make_invoice(tenant, "INV-1")
    send_webhook(tenant, build_event(tenant, "invoices", key))
    deliver_outbox()
    due = MirrorCursor.objects.filter(kind="invoices")
    tenant.world.advance(7200)
    due.update(due_at=timezone.now())
    sync_due(at=get_time_after(7200))
    assert due.get().due_at > get_time_after(7200 + 5 * 3600)
    make_invoice(tenant, "INV-2")
    tenant.world.advance(1200)
    due.update(due_at=timezone.now())
    sync_due(at=get_time_after(8400))
    assert (due.get().notified_at, due.get().due_at < get_time_after(8400 + 600)) == (None, True)


def test_a_webhook_costs_few_statements_and_milliseconds(tenant: Tenant) -> None:
    keys = [make_invoice(tenant, f"INV-{n}") for n in range(3)]
    send_webhook(tenant, build_event(tenant, "invoices", keys[0]))
    events = sign_webhook(tenant, *(build_event(tenant, "invoices", key) for key in keys))
    with CaptureQueriesContext(connection) as seen:
        begin = time.perf_counter()
        events.send()
        took = time.perf_counter() - begin
    assert len([q for q in seen.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]) <= 5
    assert took < 1


def generate_permutations(seed: int) -> Iterator[list[int]]:
    """Endless ways in which up to eight readings of six states may come: some twice, the newest always."""
    chance = random.Random(seed)
    while True:
        ways = [chance.randrange(VERSIONS) for _ in range(6)] + [VERSIONS - 1, chance.randrange(VERSIONS)]
        chance.shuffle(ways)
        yield ways


@pytest.mark.thorough
def test_two_thousand_permutations_of_readings_end_as_the_books_are(tenant: Tenant) -> None:
    """Each permutation has an invoice of its own, so that one page brings a step of a thousand of them."""
    ways = [next(way) for way in [generate_permutations(7)] for _ in range(PERMUTATIONS)]
    now = timezone.now()
    for step in range(8):
        rows = [build_invoice_version(f"k{n:05}", way[step]) for n, way in enumerate(ways)]
        for begin in range(0, PERMUTATIONS, 1000):
            with transaction.atomic():
                books = ReadContext(tenant.merchant, "org", now + timedelta(seconds=step))
                upsert_invoices(books, rows[begin : begin + 1000])
    expected = build_invoice_version("k", VERSIONS - 1)
    found = LedgerInvoice.objects.filter(organisation_id="org")
    states = set(found.values_list("status", "due", "changed_at"))
    assert found.count() == PERMUTATIONS
    assert states == {(expected.status, expected.due.amount, expected.changed_at)}
    assert LedgerApplication.objects.filter(organisation_id="org").count() == 0


def test_after_every_reading_the_mirror_is_the_newest_that_was_read(tenant: Tenant) -> None:
    ways = [next(way) for way in [generate_permutations(11)] for _ in range(300)]
    for step in range(8):
        with transaction.atomic():
            books = ReadContext(tenant.merchant, "org", START)
            upsert_invoices(books, [build_invoice_version(f"k{n:05}", way[step]) for n, way in enumerate(ways)])
        stored = {row.ledger_id: row for row in LedgerInvoice.objects.filter(organisation_id="org")}
        for n, way in enumerate(ways):
            model = build_invoice_version(f"k{n:05}", max(way[: step + 1]))
            row = stored[model.id]
            assert (row.status, row.due, row.changed_at) == (model.status, model.due.amount, model.changed_at)
        paid = {(a.invoice.ledger_id, a.ledger_id, a.amount)
                for a in LedgerApplication.objects.filter(organisation_id="org").select_related("invoice")}  # fmt: skip
        assert paid == {
            (f"k{n:05}", each.id, each.amount.amount)
            for n, way in enumerate(ways)
            for each in build_invoice_version(f"k{n:05}", max(way[: step + 1])).applied
        }


@pytest.mark.thorough
def test_two_thousand_permutations_of_events_are_each_read_as_of_the_newest(tenant: Tenant) -> None:
    ways = [next(way) for way in [generate_permutations(13)] for _ in range(PERMUTATIONS)]
    books = tenant.connection
    for step in range(8):
        events = [
            ChangeEvent(tenant, "invoices", f"k{n:05}", START + timedelta(minutes=way[step]))
            for n, way in enumerate(ways)
            for tenant in (books.organisation_id, "elsewhere")
        ]
        random.Random(step).shuffle(events)
        receive_events(books.provider, events, now=START + timedelta(days=step))
    assert PendingChange.objects.count() == PERMUTATIONS
    assert set(PendingChange.objects.values_list("event_at", "read_at")) == {
        (START + timedelta(minutes=VERSIONS - 1), None)
    }


def test_of_two_readings_of_the_same_second_the_later_one_stays(tenant: Tenant) -> None:
    early, late = build_invoice_version("k", 2), build_invoice_version("k", 3)
    same = RemoteInvoice(**{name: getattr(late, name) for name in late.__slots__} | {"changed_at": early.changed_at})
    now = timezone.now()
    for facts, seconds, due in ((early, 0, 6000), (same, 5, 0), (early, 1, 0), (early, 9, 6000)):
        with transaction.atomic():
            upsert_invoices(ReadContext(tenant.merchant, "org", now + timedelta(seconds=seconds)), [facts])
        assert LedgerInvoice.objects.get(ledger_id="k").due == due
