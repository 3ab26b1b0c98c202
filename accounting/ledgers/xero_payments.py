"""The payments of a Xero organisation, read page after page: what went through which account for which document."""

from datetime import datetime
from typing import Any

from accounting.ledgers.words import Page, PaymentFacts
from accounting.ledgers.xero_base import XeroOrganisation
from accounting.ledgers.xero_shapes import day, money, text

LARGEST_PAGE = 1000
RECEIVED = "ACCRECPAYMENT"
SALES = (RECEIVED, "ARCREDITPAYMENT")


class XeroPayments(XeroOrganisation):
    """Payments as they stand."""

    def read_payment_page(self, page: int, *, since: datetime | None) -> Page[PaymentFacts]:
        asked = {"order": "PaymentID ASC", "if_modified_since": since}
        answer = self._read(self._api.get_payments, page=page, page_size=LARGEST_PAGE, **asked)
        rows = [row for row in answer.payments or [] if text(row.payment_type) in SALES]
        return Page(tuple(_payment_facts(row) for row in rows), answer.pagination.page_count)


def _payment_facts(row: Any) -> PaymentFacts:
    """A payment that the SDK read."""
    is_received = text(row.payment_type) == RECEIVED
    target = row.invoice if is_received else row.credit_note
    return PaymentFacts(
        id=text(row.payment_id),
        reference=text(row.reference),
        amount=money(row.amount, text(target.currency_code)),
        on=day(row.date),
        account=text(row.account.code) if row.account else "",
        is_received=is_received,
        is_standing=text(row.status) != "DELETED",
        document_id=text(target.invoice_id if is_received else target.credit_note_id),
        document_number=text(target.invoice_number if is_received else target.credit_note_number),
    )
