"""Leases: one worker at a time, and whoever comes back late takes nothing from the next one."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from payments.balance.transactions import get_balance_cursor
from payments.models import GatewayAccount
from tests.tenants import Tenant
from wisepay.audit_log.models import HEADS_CHAIN, AuditHead
from wisepay.leases import LEASE, acquire_lease, hold_lease, release_lease
from wisepay.outbox import Retry

NOW = timezone.now()


@pytest.fixture
def head(db: None) -> QuerySet[Any]:
    """A row with a lease."""
    AuditHead.objects.get_or_create(chain=HEADS_CHAIN)
    return AuditHead.objects.filter(chain=HEADS_CHAIN)


def test_one_worker_at_a_time(head: QuerySet[Any]) -> None:
    until = acquire_lease(head, now=NOW)
    assert until == NOW + LEASE
    assert acquire_lease(head, now=NOW + LEASE) is None
    assert acquire_lease(head, now=NOW + LEASE + timedelta(seconds=1)) is not None


def test_a_worker_that_comes_back_late_leaves_the_next_ones_lease(head: QuerySet[Any]) -> None:
    first = acquire_lease(head, now=NOW)
    second = acquire_lease(head, now=NOW + LEASE + timedelta(seconds=1))
    assert first is not None
    assert second is not None
    release_lease(head, first)
    assert head.get().lease_until == second
    release_lease(head, second)
    assert head.get().lease_until is None


def test_a_block_gives_its_lease_up_however_it_ends(head: QuerySet[Any]) -> None:
    lease = partial(hold_lease, head, now=NOW, busy="taken", after=7)
    with lease(), pytest.raises(Retry, match="taken") as refused, lease():
        raise AssertionError("two workers")
    assert refused.value.after == 7
    assert head.get().lease_until is None
    with pytest.raises(ZeroDivisionError), lease():
        raise ZeroDivisionError
    assert head.get().lease_until is None


def test_a_reader_that_comes_back_late_leaves_the_next_ones_lease(tenant: Tenant) -> None:
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    late, next_one = get_balance_cursor(account), get_balance_cursor(account)
    assert late.acquire_lease(now=NOW)
    assert next_one.acquire_lease(now=NOW + LEASE + timedelta(seconds=1))
    late.release_lease()
    next_one.refresh_from_db()
    assert next_one.lease_until is not None
    next_one.release_lease()
    assert get_balance_cursor(account).lease_until is None


def test_a_reader_that_comes_back_late_saves_nothing_over_the_next_one(tenant: Tenant) -> None:
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    late, next_one = get_balance_cursor(account), get_balance_cursor(account)
    assert late.acquire_lease(now=NOW)
    assert next_one.acquire_lease(now=NOW + LEASE + timedelta(seconds=1))
    next_one.save_progress(after="txn_next")
    with pytest.raises(Retry):
        late.save_progress(after="txn_late")
    assert get_balance_cursor(account).after == "txn_next"
    next_one.save_progress(after="txn_last")
    next_one.release_lease()
    assert (get_balance_cursor(account).after, get_balance_cursor(account).lease_until) == ("txn_last", None)
