"""Celery tasks of payers: what nobody proved does not stay."""

from celery import shared_task

from payers import retention
from wisepay import clock


@shared_task
def delete_unproved_people(**_: object) -> None:
    """Delete invitations and registrations that nobody answered."""
    retention.delete_unproved_people(now=clock.now())
