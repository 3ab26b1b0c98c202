"""Advisory locks: one at a time for the length of a transaction, and no other kind anywhere."""

import re
import threading
from pathlib import Path

import pytest
from django_subatomic.db import transaction

from tests.concurrency import run_concurrently
from wisepay.states import AdvisoryLock, lock_in_transaction

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounting", "connections", "merchants", "payers", "payments", "quotes", "wisepay")


@pytest.mark.django_db(transaction=True)
def test_one_transaction_at_a_time_has_the_lock() -> None:
    inside = threading.Semaphore(1)

    def work(_: int) -> bool:
        with transaction():
            lock_in_transaction(AdvisoryLock.COMPANY_MATCHING, 2**32 - 1)
            is_alone = inside.acquire(blocking=False)
            threading.Event().wait(0.02)
            inside.release()
            return is_alone

    assert all(run_concurrently(4, work))


@pytest.mark.django_db(transaction=True)
def test_a_lock_is_not_taken_outside_of_a_transaction() -> None:
    # The library's exception is private.
    with pytest.raises(Exception, check=lambda error: "MissingRequired" in type(error).__name__):  # noqa: B017
        lock_in_transaction(AdvisoryLock.COMPANY_MATCHING, 1)


def test_every_advisory_lock_is_taken_through_the_one_list() -> None:
    modules = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    users = [path.relative_to(ROOT).as_posix() for path in modules if re.search("pg_.*advisory", path.read_text())]
    assert users == ["wisepay/states.py"]
