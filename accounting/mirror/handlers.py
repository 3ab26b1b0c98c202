"""The mirror's outbox handlers."""

from datetime import datetime

from accounting.mirror.downloads import sync_download
from accounting.mirror.services import sync_mirror, sync_pending_changes, update_company_documents
from accounting.models import Download
from connections.models import Connection
from merchants.models import Merchant
from payers.companies import restore_contacts
from payers.models import PayerCompany
from wisepay.outbox import handler


@handler("accounting.run_download")
def run_download(*, download_id: int, now: datetime, **_: object) -> None:
    """Run a download that a person started."""
    sync_download(Download.objects.select_related("merchant").get(pk=download_id), now=now)


@handler("accounting.read_mirror")
def read_mirror(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the kinds of a merchant's mirror that are due."""
    sync_mirror(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.read_heard")
def read_pending_changes(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read a merchant's pending changes."""
    sync_pending_changes(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.follow_company")
def assign_company_documents(*, company_id: int, now: datetime, **_: object) -> None:
    """Assign the documents of its accounting contact to a company."""
    update_company_documents(PayerCompany.objects.select_related("merchant").get(pk=company_id), now=now)


@handler("accounting.recall_contacts")
def recall_contacts(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Restore which contact each company was, in an organisation that is connected again."""
    connection = Connection.objects.filter(merchant=merchant_id, state="connected").select_related("merchant").first()
    if connection is not None:
        restore_contacts(connection.merchant, organisation_id=connection.organisation_id)
