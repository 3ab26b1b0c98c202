"""Outbox handlers of the accounting floor."""

from datetime import datetime

from accounting.drain import drain_postings as drain
from accounting.ledgers import open_ledger
from accounting.models import LedgerAccount, LedgerTaxCode
from accounting.services import import_lists as replace_lists
from accounting.services import post_payment as promise
from connections.services import connection_for
from merchants.models import Merchant
from payments.models import Payment
from wisepay.errors import Disconnected
from wisepay.outbox import handler


@handler("accounting.post_payment")
def post_payment(*, payment_id: int, now: datetime, **_: object) -> None:
    """Promise a paid payment's documents."""
    promise(Payment.objects.select_related("merchant", "company").get(pk=payment_id), now=now)


@handler("accounting.drain_postings")
def drain_postings(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Send what waits for a merchant's books."""
    drain(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.import_lists")
def import_lists(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the chart of accounts and the tax codes, so that people can choose."""
    merchant = Merchant.objects.get(pk=merchant_id)
    try:
        ledger = open_ledger(connection_for(merchant, tier="wise_pay"), now=now)
        accounts, codes = ledger.read_accounts(), ledger.read_tax_codes()
    except Disconnected:
        return
    replace_lists(
        merchant,
        accounts=[
            LedgerAccount(
                merchant=merchant,
                read_at=now,
                code=a.code,
                name=a.name,
                kind=a.kind,
                takes_payments=a.takes_payments,
            )
            for a in accounts
        ],
        tax_codes=[LedgerTaxCode(merchant=merchant, read_at=now, code=c.code, name=c.name, rate=c.rate) for c in codes],
    )
