"""Deletions: what was deleted in the ledger is marked as deleted, however the mirror learns of it."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from django_subatomic.db import transaction

from accounting.ledgers.protocol import RemotePage
from accounting.ledgers.quickbooks import company
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.reader import schedule_full_sync
from accounting.mirror.services import schedule_mirror_syncs
from accounting.mirror.store import ReadContext, mark_credits_deleted, upsert_invoices
from accounting.models import LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor, PendingChange
from connections.services import disconnect_all
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.mirror.ledger_actions import (
    START,
    act_in_ledger,
    build_event,
    build_invoice_version,
    fill_ledger,
    get_credit,
    get_invoice,
    get_next_index,
    get_time_after,
    list_read_kinds,
    make_credit,
    make_invoice,
    poll_everything,
    send_webhook,
    sync_due,
)
from tests.accounting.posting.debits import CARD, create_processing_attempt
from tests.tenants import Tenant, connect_provider, create_tenant, deliver_outbox

PERMUTATIONS = 2_000
DELETED = -1


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant with QuickBooks whose mirror is read and whose outbox is empty."""
    tenant = create_tenant(world, provider="quickbooks")
    deliver_outbox()
    sync_due()
    return tenant


@pytest.fixture
def listener_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """The numbers of invoices and of credits in each call of a listener."""
    notified: list[tuple[list[str], list[str]]] = []

    def listener(merchant: object, *, invoice_ids: Any, credit_ids: Any, now: object) -> None:
        numbers = LedgerInvoice.objects.filter(pk__in=invoice_ids).values_list("number", flat=True)
        others = LedgerCredit.objects.filter(pk__in=credit_ids).values_list("number", flat=True)
        notified.append((sorted(numbers), sorted(others)))

    monkeypatch.setattr("accounting.mirror.store.LISTENERS", [listener])
    return notified


@pytest.mark.parametrize("is_notified", [True, False])
def test_deleted_invoices_owe_nothing_and_listeners_are_called(
    tenant: Tenant, listener_calls: list[tuple[list[str], list[str]]], is_notified: bool
) -> None:
    key = make_invoice(tenant, "D")
    make_invoice(tenant, "STAYS")
    act_in_ledger(tenant, "pay", invoice="D", amount="40")
    poll_everything()
    listener_calls.clear()
    act_in_ledger(tenant, "delete", invoice="D")
    if is_notified:
        send_webhook(tenant, build_event(tenant, "invoices", key, type="qbo.invoice.deleted.v1"))
        deliver_outbox()
    else:
        poll_everything()
    assert (get_invoice("D").status, get_invoice("D").due, get_invoice("STAYS").status) == ("deleted", 0, "open")
    assert LedgerApplication.objects.count() == 0
    assert listener_calls == [(["D"], [])]
    assert PendingChange.objects.filter(read_at=None).count() == 0


def test_a_deleted_memo_of_ours_is_void_and_what_it_gave_is_taken_off(tenant: Tenant) -> None:
    paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    paid.settle()
    deliver_outbox()
    act_in_ledger(tenant, "make_invoice", contact=paid.note.payment.company.name, amount="1000", number="NEXT")
    act_in_ledger(tenant, "allocate", credit_note=paid.note.number, invoice="NEXT", amount="100")
    poll_everything()
    assert (paid.note.state, paid.note.remaining, get_invoice("NEXT").due) == ("approved", 52500, 90000)
    act_in_ledger(tenant, "delete", credit_memo=paid.note.number)
    poll_everything()
    assert (paid.note.state, paid.note.remaining, get_invoice("NEXT").due) == ("voided", 0, 100000)
    assert (get_credit(paid.note.number).status, get_credit(paid.note.number).remaining) == ("deleted", 0)
    assert LedgerApplication.objects.filter(kind="credit").count() == 0


def test_a_deleted_credit_leaves_nothing_on_invoices_that_were_not_read_again(
    tenant: Tenant, listener_calls: list[tuple[list[str], list[str]]]
) -> None:
    make_invoice(tenant, "INV-1")
    key = make_credit(tenant, "CN-1", "60")
    act_in_ledger(tenant, "allocate", credit_note="CN-1", invoice="INV-1")
    poll_everything()
    listener_calls.clear()
    with transaction():
        mark_credits_deleted(
            ReadContext(tenant.merchant, tenant.connection.organisation_id, timezone.now()),
            RemotePage((), 1, tombstones=(key,)),
        )
    assert LedgerApplication.objects.count() == 0
    assert listener_calls == [(["INV-1"], ["CN-1"])]


def test_a_memo_of_ours_that_nobody_read_before_it_was_deleted_is_void_too(tenant: Tenant) -> None:
    paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    paid.settle()
    deliver_outbox()
    assert LedgerCredit.objects.count() == 0
    act_in_ledger(tenant, "delete", credit_memo=paid.note.number)
    poll_everything()
    assert paid.note.state == "voided"


def test_a_deletion_in_another_company_is_not_our_memos(tenant: Tenant) -> None:
    """QuickBooks counts its documents, so two companies have documents of the same id."""
    paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    paid.settle()
    deliver_outbox()
    poll_everything()
    disconnect_all(tenant.merchant, by="admin", now=timezone.now())
    connect_provider(tenant.merchant, tenant.user, provider="quickbooks", organisation="nz")
    deliver_outbox()
    keys: list[str] = []
    while paid.note.ledger_id not in keys:
        keys.append(make_credit(tenant, f"KIWI-{len(keys)}", "5", organisation="nz"))
    sync_due()
    act_in_ledger(tenant, "delete", organisation="nz", credit_memo=keys[-1])
    poll_everything()
    assert LedgerCredit.objects.get(number=f"KIWI-{len(keys) - 1}").status == "deleted"
    assert paid.note.state == "approved"


def test_an_older_reading_does_not_bring_a_deleted_invoice_back(tenant: Tenant) -> None:
    make_invoice(tenant, "D")
    poll_everything()
    before = get_invoice("D")
    act_in_ledger(tenant, "delete", invoice="D")
    poll_everything()
    facts = build_invoice_version(before.ledger_id, 1)
    object.__setattr__(facts, "changed_at", before.changed_at)
    with transaction():
        upsert_invoices(ReadContext(tenant.merchant, before.organisation_id, get_time_after(3)), [facts])
    assert get_invoice("D").status == "deleted"


@pytest.mark.thorough
def test_two_thousand_permutations_of_readings_and_a_deletion_end_deleted(tenant: Tenant) -> None:
    """The deletion comes once or twice, before, between and after readings of the time before it; a third has none."""
    chance, gone_at, now = random.Random(17), START + timedelta(minutes=30), timezone.now()
    ways = [[chance.randrange(6) for _ in range(5)] + [DELETED] * (n % 3) for n in range(PERMUTATIONS)]
    for way in ways:
        chance.shuffle(way)
        way.insert(0, 0)
    for step in range(8):
        for begin in range(0, PERMUTATIONS, 1000):
            seen = [(f"k{n:05}", ways[n][step]) for n in range(begin, begin + 1000) if step < len(ways[n])]
            rows = tuple(build_invoice_version(key, state) for key, state in seen if state != DELETED)
            gone = tuple(key for key, state in seen if state == DELETED)
            with transaction():
                MIRRORED_KINDS["invoices"].save_page(
                    ReadContext(tenant.merchant, "org", now), RemotePage(rows, 1, as_of=gone_at, tombstones=gone)
                )
    found = dict(LedgerInvoice.objects.filter(organisation_id="org").values_list("ledger_id", "status"))
    assert found == {
        f"k{n:05}": "deleted" if DELETED in way else build_invoice_version("k", max(way)).status
        for n, way in enumerate(ways)
    }
    remaining = LedgerApplication.objects.filter(organisation_id="org").values_list("invoice__status", flat=True)
    assert set(remaining) == {"open", "paid"}


def test_a_customer_that_was_deleted_or_merged_is_not_active(tenant: Tenant) -> None:
    [created] = [act_in_ledger(tenant, "make_contact", name="Twin")]
    poll_everything()
    assert LedgerContact.objects.get(contact_id=created["Id"]).is_active
    act_in_ledger(tenant, "retire", customer="Twin")
    poll_everything()
    assert not LedgerContact.objects.get(contact_id=created["Id"]).is_active


def test_a_payments_event_reads_what_it_touched_in_one_look(tenant: Tenant) -> None:
    make_invoice(tenant, "INV-1")
    poll_everything()
    act_in_ledger(tenant, "pay", invoice="INV-1", amount="40", reference="By bank")
    mark = get_next_index(tenant)
    send_webhook(tenant, build_event(tenant, "payments", "999"))
    deliver_outbox()
    assert list_read_kinds(tenant, mark) == ["changes"]
    assert [(a.remark, a.amount) for a in get_invoice("INV-1").applications.all()] == [("By bank", 4000)]
    assert PendingChange.objects.filter(read_at=None).count() == 0


def test_everything_that_one_act_changes_is_one_call_although_every_kind_was_read_at_another_time(
    tenant: Tenant,
) -> None:
    make_invoice(tenant, "INV-1")
    make_credit(tenant, "CN-1", "60")
    poll_everything()
    for hours, kind in enumerate(("contacts", "credits"), 1):
        MirrorCursor.objects.filter(kind=kind).update(known_until=F("known_until") - timedelta(hours=hours))
    act_in_ledger(tenant, "allocate", credit_note="CN-1", invoice="INV-1")
    mark = get_next_index(tenant)
    send_webhook(
        tenant,
        build_event(tenant, "invoices", get_invoice("INV-1").ledger_id),
        build_event(tenant, "credits", get_credit("CN-1").ledger_id),
        build_event(tenant, "payments", "999"),
    )
    deliver_outbox()
    assert list_read_kinds(tenant, mark)[0] == "changes"
    assert list_read_kinds(tenant, mark).count("changes") == 1
    assert (get_invoice("INV-1").due, get_credit("CN-1").remaining) == (4000, 0)
    kinds = MirrorCursor.objects.filter(kind__in=("contacts", "invoices", "credits"))
    assert kinds.values("known_until").distinct().count() == 1


def test_a_change_notified_before_the_first_full_read_waits_for_it(db: None, world: SandboxProcess) -> None:
    tenant = create_tenant(world, provider="quickbooks")
    deliver_outbox()
    key = make_invoice(tenant, "INV-1")
    send_webhook(tenant, build_event(tenant, "invoices", key), build_event(tenant, "payments", "999"))
    deliver_outbox()
    assert PendingChange.objects.filter(read_at=None).count() == 2
    sync_due()
    deliver_outbox(at=get_time_after(40))
    assert get_invoice("INV-1").due == 10000
    assert PendingChange.objects.filter(read_at=None).count() == 0


def test_after_a_month_of_silence_everything_is_read_anew_and_what_is_not_met_is_asked_for(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Change data capture drops deletions after thirty days."""
    monkeypatch.setattr(company, "LARGEST_PAGE", 2)
    fill_ledger(tenant, invoices=9, contacts=2)
    MirrorCursor.objects.update(known_until=None)
    poll_everything()
    act_in_ledger(tenant, "delete", invoice="OLD-000003")
    state = tenant.world.state()["sections"]["intuit"]["companies"][tenant.connection.organisation_id]
    assert len(state["deleted"]) == 1
    MirrorCursor.objects.exclude(known_until=None).update(known_until=timezone.now() - timedelta(days=31))
    poll_everything()
    assert get_invoice("OLD-000003").status == "open"
    assert PendingChange.objects.filter(read_at=None).values_list("ledger_id", flat=True).get() == (
        get_invoice("OLD-000003").ledger_id
    )
    schedule_mirror_syncs(now=get_time_after(60))
    deliver_outbox(at=get_time_after(60))
    assert (get_invoice("OLD-000003").status, get_invoice("OLD-000004").status) == ("deleted", "open")
    assert MirrorCursor.objects.exclude(notified_at=None).count() == 0


def test_a_truncated_answer_starts_a_full_read_so_that_no_deletion_is_lost(tenant: Tenant) -> None:
    for number in ("GONE", "STAYS"):
        make_invoice(tenant, number)
    poll_everything()
    act_in_ledger(tenant, "delete", invoice="GONE")
    tenant.world.advance(6 * 86_400)
    fill_ledger(
        tenant, invoices=1_000, contacts=2
    )  # all of them changed since, so that the deletion feed does not show it any more
    poll_everything()
    mark = get_next_index(tenant)
    poll_everything(at=get_time_after(5))  # the token was over by then
    assert list_read_kinds(tenant, mark)[0] == "changes"
    assert LedgerInvoice.objects.filter(number__startswith="OLD-").count() == 1_000
    schedule_mirror_syncs(now=get_time_after(60))
    deliver_outbox(at=get_time_after(60))
    assert (get_invoice("GONE").status, get_invoice("STAYS").status) == ("deleted", "open")
    mark = get_next_index(tenant)
    poll_everything(at=get_time_after(120))
    assert list_read_kinds(tenant, mark) == ["changes"]


def test_a_full_read_leaves_nothing_stale_that_it_finds(tenant: Tenant) -> None:
    fill_ledger(tenant, invoices=9, contacts=2)
    schedule_full_sync(tenant.merchant, tenant.connection.organisation_id, now=timezone.now())
    sync_due()
    schedule_full_sync(tenant.merchant, tenant.connection.organisation_id, now=timezone.now())
    mark = get_next_index(tenant)
    sync_due()
    schedule_mirror_syncs(now=get_time_after(60))
    deliver_outbox(at=get_time_after(60))
    assert list_read_kinds(tenant, mark) == ["lists", "lists", "rows", "lists"]
    assert LedgerInvoice.objects.filter(status="deleted").count() == 0
