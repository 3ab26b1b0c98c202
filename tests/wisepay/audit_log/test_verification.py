"""Whatever is changed behind the application's back is found; what the application does itself is not."""

import base64
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from tests.concurrency import run_concurrently
from tests.wisepay.audit_log import tampering
from tests.wisepay.audit_log.tampering import Tampering, disabled_triggers
from wisepay import clock
from wisepay.audit import record_audit_entry
from wisepay.audit_log.erasure import erase_person, sign_old_marks
from wisepay.audit_log.keys import get_keys
from wisepay.audit_log.models import HEADS_CHAIN
from wisepay.audit_log.policies import RETENTION_POLICIES
from wisepay.audit_log.retention import delete_old_entries, get_cutoff
from wisepay.audit_log.sealing import describe_head, seal_entries
from wisepay.audit_log.verification import Finding, verify_audit_log, verify_copies, verify_protection
from wisepay.models import AuditDetails, AuditEntry, AuditHead, AuditSeal, User

KINDS: dict[str, tuple[Tampering, int]] = {
    "update": (tampering.update, 34),
    "delete": (tampering.delete, 34),
    "insert": (tampering.insert, 33),
    "swap": (tampering.swap, 33),
    "cut tail": (tampering.cut_tail, 33),
    "computed anew": (tampering.compute_anew, 33),
}
KEYS = {name: f"{name}:{base64.b64encode(name[-1].encode() * 32).decode()}" for name in ("a1", "a2", "a3")}

numbers = count(1)


def verify() -> list[Finding]:
    return list(verify_audit_log(now=clock.now()))


def write(how_many: int, *, user: User | None = None, merchants: tuple[int | None, ...] = (7, 8, None)) -> None:
    for number in range(how_many):
        record_audit_entry(
            f"test.act_{next(numbers)}", merchant_id=merchants[number % len(merchants)], user=user,
            ip=f"198.51.100.{number % 250}", subject=f"thing {number}", detail=f"{number} → {number + 1}",
        )  # fmt: skip


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("clerk@example.com", name="Clerk Kent")


@pytest.fixture
def entries(user: User) -> list[AuditEntry]:
    """Entries of two merchants and of nobody, sealed in three rounds."""
    for _ in range(3):
        write(8, user=user)
        seal_entries(now=clock.now())
    return list(AuditEntry._base_manager.order_by("at", "details_id"))


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back afterwards; sealing may own a transaction in it."""
    point = transaction.savepoint_create()
    yield
    transaction.savepoint_rollback(point)


@contextmanager
def made_up_key(settings: Settings) -> Iterator[None]:
    """The application's key is not known here; one of the same name is made up."""
    saved, name = settings.AUDIT_KEY, next(iter(get_keys()))
    settings.AUDIT_KEY = f"{name}:{base64.b64encode(b'?' * 32).decode()}"
    yield
    settings.AUDIT_KEY = saved


def test_two_hundred_of_two_hundred_tamperings_are_found(entries: list[AuditEntry], settings: Settings) -> None:
    assert verify() == []
    assert sum(times for _, times in KINDS.values()) == 200
    missed, tried = [], Counter[str]()
    for kind, (tamper, times) in KINDS.items():
        for seed in range(times):
            with undone():
                with disabled_triggers(), made_up_key(settings):
                    tamper(random.Random(f"{kind} {seed}"), entries)
                seal_entries(now=clock.now())  # the next minute's run neither hides nor repairs it
                tried[kind] += 1
                if not verify():
                    missed.append((kind, seed))
    assert missed == []
    assert min(tried.values()) >= 30
    assert sum(tried.values()) == 200
    assert verify() == []


def test_a_clean_log_is_silent_whatever_the_application_does(entries: list[AuditEntry], user: User) -> None:
    with transaction.atomic():
        assert erase_person(user.pk, texts=[user.email, user.name]) == len(entries)
    write(5, user=user)
    assert verify() == []  # not sealed yet, and not late
    assert seal_entries(now=clock.now()) == 5
    assert seal_entries(now=clock.now()) == 0
    user.delete()
    assert verify() == []


def test_entries_that_are_never_sealed_are_found_late(entries: list[AuditEntry]) -> None:
    write(1)
    later = clock.now() + timedelta(minutes=11)
    [found] = verify_audit_log(now=later)
    assert "is not sealed" in found.message


@pytest.mark.django_db(transaction=True)
def test_an_entry_whose_transaction_commits_late_is_sealed_in_its_turn() -> None:
    written, sealed = Event(), Event()

    def work(index: int) -> datetime:
        if index == 0:
            with transaction.atomic():
                write(1, merchants=(7,))
                written.set()
                assert sealed.wait(20)
            return AuditEntry._base_manager.earliest("at").at
        assert written.wait(20)
        write(3, merchants=(7,))
        assert seal_entries(now=clock.now()) == 3
        sealed.set()
        return clock.now()

    late_at, _ = run_concurrently(2, work)
    assert seal_entries(now=clock.now()) == 1
    last = AuditSeal.objects.filter(chain=7).order_by("position").last()
    assert last is not None
    assert (last.position, last.entry_at) == (4, late_at)
    assert late_at < AuditSeal.objects.get(chain=7, position=1).entry_at
    assert verify() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_seals() -> None:
    write(30)
    counts = run_concurrently(4, lambda _: seal_entries(now=clock.now()))
    assert sum(counts) == 30
    assert verify() == []


def test_a_dead_workers_lease_runs_out(entries: list[AuditEntry]) -> None:
    write(2)
    AuditHead.objects.filter(chain=HEADS_CHAIN).update(lease_until=clock.now() + timedelta(seconds=60))
    assert seal_entries(now=clock.now()) == 0
    assert seal_entries(now=clock.now() + timedelta(seconds=61)) == 2


# ---- what the database refuses -----------------------------------------------------------------------

REFUSED = [
    "UPDATE wisepay_auditentry SET action = 'x'",
    "DELETE FROM wisepay_auditentry",
    "TRUNCATE wisepay_auditentry",
    "TRUNCATE wisepay_auditentry, wisepay_auditdetails, wisepay_auditseal, wisepay_audithead, wisepay_auditcheckpoint",
    "UPDATE wisepay_auditseal SET link = 'x'",
    "DELETE FROM wisepay_auditseal",
    "TRUNCATE wisepay_auditseal",
    "UPDATE wisepay_auditdetails SET name = 'Somebody Else'",
    "UPDATE wisepay_auditdetails SET detail = ''",
    "UPDATE wisepay_auditdetails SET about_id = 3",
    "DELETE FROM wisepay_auditdetails",
    "TRUNCATE wisepay_auditdetails",
    "DELETE FROM wisepay_audithead",
    "TRUNCATE wisepay_auditcheckpoint",
    "SELECT set_config('wisepay.audit_checkpoint', '1', true); DELETE FROM wisepay_auditentry",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_database_lets_nobody_change_what_was_written(entries: list[AuditEntry], statement: str) -> None:
    with connection.cursor() as cursor:
        for table in tampering.TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
    assert list(verify_protection()) == []


def test_a_trigger_that_is_off_is_found(entries: list[AuditEntry]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wisepay_auditseal DISABLE TRIGGER audit_no_update")
    assert "audit_no_update of wisepay_auditseal" in " ".join(f.message for f in verify_protection())


# ---- keys --------------------------------------------------------------------------------------------


def test_keys_rotate_and_old_ones_retire(user: User, settings: Settings) -> None:
    settings.AUDIT_KEY = KEYS["a1"]
    write(6, user=user)
    seal_entries(now=clock.now())
    with transaction.atomic():
        erase_person(user.pk, texts=[])
    settings.AUDIT_KEY = f"{KEYS['a2']},{KEYS['a1']}"
    assert {f.message for f in verify()} == {"the head is not signed with the newest key: does beat run?"}
    assert seal_entries(now=clock.now()) == 0
    assert verify() == []
    write(6, user=user)
    seal_entries(now=clock.now())
    with transaction.atomic():
        assert sign_old_marks() == 6
    settings.AUDIT_KEY = KEYS["a2"]
    assert verify() == []
    with undone(), disabled_triggers():
        AuditEntry._base_manager.filter(merchant_id=7).update(action="test.other")
        assert verify()


def test_a_retired_key_that_leaked_forges_nothing(user: User, settings: Settings) -> None:
    settings.AUDIT_KEY = KEYS["a1"]
    write(6, user=user)
    seal_entries(now=clock.now())
    settings.AUDIT_KEY = f"{KEYS['a2']},{KEYS['a1']}"
    seal_entries(now=clock.now())
    settings.AUDIT_KEY = KEYS["a1"]
    with disabled_triggers():
        tampering.compute_anew(random.Random(1), list(AuditEntry._base_manager.all()))
    settings.AUDIT_KEY = f"{KEYS['a2']},{KEYS['a1']}"
    assert verify()


def test_without_a_key_of_its_own_the_log_is_signed_with_one_derived_from_the_secrets(settings: Settings) -> None:
    settings.AUDIT_KEY, settings.SECRET_KEYS = "", f"{KEYS['a2']},{KEYS['a1']}"
    derived = get_keys()
    assert list(derived) == ["a2", "a1"]
    assert b"2" * 32 not in derived.values()
    settings.SECRET_KEYS = KEYS["a1"]
    assert get_keys() == {"a1": derived["a1"]}


# ---- retention ---------------------------------------------------------------------------------------


@pytest.fixture
def old(user: User, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Entries of months on both sides of a year ago, some of them sealed after younger ones; answers the present."""
    now, real = clock.now(), clock.now
    for months in range(15, 9, -1):
        for days in (3, 40, 2):
            at = now - timedelta(days=months * 30 + days)
            monkeypatch.setattr(clock, "now", lambda at=at: at)
            write(3, user=user)
            seal_entries(now=at)
    monkeypatch.setattr(clock, "now", real)
    return now


def test_whole_months_go_and_what_is_left_is_verified(old: datetime, settings: Settings) -> None:
    settings.AUDIT_RETENTION_MONTHS = 12
    cutoff = get_cutoff(old, months=12)
    before = AuditEntry.objects.filter(at__gte=cutoff).count()
    removed = delete_old_entries(now=old)
    assert removed > 20
    assert not AuditEntry.objects.filter(at__lt=cutoff).exists()
    assert AuditEntry.objects.count() == before == AuditDetails.objects.count()
    assert verify() == []
    assert delete_old_entries(now=old) == 0
    assert delete_old_entries(now=old + timedelta(days=31)) > 0
    assert verify() == []
    write(3)
    seal_entries(now=clock.now())
    assert verify() == []


def test_each_merchants_months_go_when_it_says(old: datetime, settings: Settings) -> None:
    """PCI DSS 10.5.1 asks for twelve months; how many more is each merchant's own policy."""
    settings.AUDIT_RETENTION_MONTHS = 84
    chains = sorted({entry.merchant_id or 0 for entry in AuditEntry.objects.all()})
    short, *others = [chain for chain in chains if chain]
    before = {chain: count_entries(chain) for chain in chains}

    def say() -> dict[int, int]:
        return {short: 1}  # less than the least: twelve

    RETENTION_POLICIES.append(say)
    try:
        assert delete_old_entries(now=old) > 0
    finally:
        RETENTION_POLICIES.remove(say)
    assert 0 < count_entries(short) < before[short]
    assert not AuditEntry.objects.filter(merchant_id=short, at__lt=get_cutoff(old, months=12)).exists()
    assert {chain: count_entries(chain) for chain in [0, *others]} == {c: before.get(c, 0) for c in [0, *others]}
    assert verify() == []


def count_entries(chain: int) -> int:
    """How many entries a chain has."""
    return int(AuditEntry.objects.filter(merchant_id=chain or None).count())


def test_a_checkpoint_that_nobody_signed_is_found(old: datetime, settings: Settings) -> None:
    settings.AUDIT_RETENTION_MONTHS = 12
    delete_old_entries(now=old)
    with disabled_triggers(), connection.cursor() as cursor:
        cursor.execute("UPDATE wisepay_auditcheckpoint SET removed_before = removed_before + interval '40 days'")
    assert any("checkpoint" in f.message for f in verify())


def test_a_log_with_a_finding_keeps_everything(old: datetime, settings: Settings) -> None:
    settings.AUDIT_RETENTION_MONTHS = 12
    with disabled_triggers():
        AuditEntry._base_manager.filter(merchant_id=7).update(action="test.other")
    number = AuditEntry.objects.filter(merchant_id=7).count()
    delete_old_entries(now=old)
    assert AuditEntry.objects.filter(merchant_id=7).count() == number


# ---- copies of the head, and the command -------------------------------------------------------------


def test_a_database_put_back_to_an_older_state_is_found_by_a_copy_of_the_head(entries: list[AuditEntry]) -> None:
    with undone():
        write(4)
        seal_entries(now=clock.now())
        copy = describe_head(AuditHead.objects.get(chain=HEADS_CHAIN))
        assert list(verify_copies(f'{{"event": "audit.head", "head": "{copy}"}}')) == []
    assert verify() == []
    assert len(list(verify_copies(f"head={copy}"))) == 1


def test_the_head_is_written_to_a_file_and_the_command_reads_it(
    entries: list[AuditEntry], settings: Settings, tmp_path: Path
) -> None:
    settings.AUDIT_HEADS_FILE = str(tmp_path / "heads")
    write(1)
    seal_entries(now=clock.now())
    seal_entries(now=clock.now())
    assert len((tmp_path / "heads").read_text().splitlines()) == 1
    said = StringIO()
    with connection.cursor() as cursor:
        for table in tampering.TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    call_command("verify_audit", stdout=said)
    assert "in order" in said.getvalue()
    with disabled_triggers():
        AuditEntry._base_manager.filter(details_id=entries[3].details_id).update(action="test.other")
    with pytest.raises(CommandError, match="1 finding"):
        call_command("verify_audit", stdout=said)
    assert f"entry {entries[3].details_id}" in said.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_looks_at_one_state_of_the_database_in_a_transaction_of_its_own() -> None:
    write(4)
    seal_entries(now=clock.now())
    said = StringIO()
    with connection.cursor() as cursor:
        for table in tampering.TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        try:
            call_command("verify_audit", stdout=said)
            call_command("verify_audit", "--merchant", "7", stdout=said)
        finally:
            for table in tampering.TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_no_truncate")
    assert said.getvalue().count("The audit log is in order: 4 entries are sealed.") == 2
