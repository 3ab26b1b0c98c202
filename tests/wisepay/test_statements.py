"""Statements whose SQL is built once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.concurrency import run_concurrently
from wisepay.models import User
from wisepay.statements import Statement


def by_email() -> Statement[User]:
    return Statement(lambda sign: User.objects.filter(email=sign).order_by("pk"), mark="nobody")


def test_each_value_gets_its_own_rows(db: None) -> None:
    ann, ben = (User.objects.create_user(f"{name}@example.com") for name in ("a", "b"))
    find = by_email()
    assert [find(u.email) for u in (ann, ben, ann)] == [[ann], [ben], [ann]]
    assert find("nobody@example.com") == []
    assert find("nobody") == []


def test_a_value_is_never_part_of_the_sql(db: None) -> None:
    find = by_email()
    assert find("' OR 1=1 --") == []
    assert find("%s") == []


def test_it_is_one_statement_with_every_column(db: None) -> None:
    user = User.objects.create_user("a@example.com", name="A")
    find = by_email()
    find("first")
    with CaptureQueriesContext(connection) as seen:
        [found] = find(user.email)
        assert (found.name, found.reference, found.joined_at) == ("A", user.reference, user.joined_at)
    assert len(seen) == 1


@pytest.mark.django_db(transaction=True)
def test_threads_do_not_mix_their_values() -> None:
    users = [User.objects.create_user(f"u{n}@example.com") for n in range(8)]
    find = by_email()

    def work(index: int) -> bool:
        return all(find(users[index].email) == [users[index]] for _ in range(25))

    assert all(run_concurrently(8, work))
