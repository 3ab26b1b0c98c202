"""Rows about tokens: one refresh for everybody, and no connection lost to a worker that is killed."""

import os
import signal

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from connections.models import Connection
from connections.tokens import get_access_token
from tests.bench.results import record_measurement
from tests.concurrency import run_concurrently
from tests.connections.oauth_steps import count_token_calls, get_journal_end
from tests.tenants import Tenant

USERS, KILLS = 64, 200


def test_one_refresh_serves_everybody(transactional_db: None, tenant: Tenant) -> None:
    """Each user has a row that was read before, and its own database connection."""
    rows = [tenant.connection for _ in range(USERS)]
    Connection.objects.update(access_expires_at=timezone.now())
    for row in rows:
        row.access_expires_at = timezone.now()
    since, now = get_journal_end(tenant), timezone.now()
    tokens = run_concurrently(USERS, lambda index: get_access_token(rows[index], now=now))
    assert len(set(tokens)) == 1
    refreshes = count_token_calls(tenant, since)
    assert record_measurement(
        f"Refreshes of one expired connection with {USERS} users", refreshes, "refreshes", bound=1
    ).holds


def test_a_kill_between_answer_and_commit_loses_nothing(transactional_db: None, tenant: Tenant) -> None:
    """Each round a process of its own gets fresh tokens from Xero and is killed before it can commit them.

    Then another one works on with the old refresh token, which Xero still takes for half an hour.
    """
    lost = 0
    for _ in range(KILLS):
        Connection.objects.update(access_expires_at=timezone.now())
        before, since = tenant.connection.refresh_token.stored, get_journal_end(tenant)
        assert kill_in_commit(tenant.connection) == signal.SIGKILL
        assert count_token_calls(tenant, since) == 1, "Xero did answer"
        assert tenant.connection.refresh_token.stored == before, "and nothing was committed"
        get_access_token(tenant.connection, now=timezone.now())
        lost += tenant.connection.state != "connected"
    assert record_measurement(
        f"Connections lost to {KILLS} kills between a refresh and its commit", lost, "lost", bound=0
    ).holds


def kill_in_commit(row: Connection) -> int:
    """Refresh in a forked process that kills itself with -9 where the commit would be; answers the signal."""
    connections.close_all()  # a fork must not share a database connection
    child = os.fork()
    if child == 0:
        BaseDatabaseWrapper._commit = lambda self: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[attr-defined]
        try:
            get_access_token(row, now=timezone.now())
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    connection.ensure_connection()
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
