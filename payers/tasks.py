"""Celery tasks of payers: what nobody proved does not stay."""

from celery import shared_task

from merchants.member_invitations import delete_old_invitations
from payers import personal_data
from wisepay import clock


@shared_task
def delete_unproved_people(**_: object) -> None:
    """Delete invitations and registrations that nobody answered."""
    personal_data.delete_unproved_people(now=clock.now())
    delete_old_invitations(now=clock.now())
