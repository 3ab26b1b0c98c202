"""The payments of a Xero organisation, read page after page: what went through which account for which document."""

from datetime import datetime
from typing import Any

from accounting.ledgers.parsing import parse_money
from accounting.ledgers.protocol import RemotePage, RemotePayment
from accounting.ledgers.xero.base import XeroOrganisation
from accounting.ledgers.xero.shapes import convert_to_date, convert_to_text

LARGEST_PAGE = 1000
RECEIVED_PAYMENT_TYPE = "ACCRECPAYMENT"
SALES_PAYMENT_TYPES = (RECEIVED_PAYMENT_TYPE, "ARCREDITPAYMENT")


class XeroPaymentPages(XeroOrganisation):
    """Payments as they stand."""

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        asked = {"order": "PaymentID ASC", "if_modified_since": since}
        answer = self._read(self._api.get_payments, page=page, page_size=LARGEST_PAGE, **asked)
        rows = [row for row in answer.payments or [] if convert_to_text(row.payment_type) in SALES_PAYMENT_TYPES]
        return RemotePage(tuple(_parse_payment(row) for row in rows), answer.pagination.page_count)


def _parse_payment(row: Any) -> RemotePayment:
    """A payment that the SDK read."""
    is_received = convert_to_text(row.payment_type) == RECEIVED_PAYMENT_TYPE
    target = row.invoice if is_received else row.credit_note
    return RemotePayment(
        id=convert_to_text(row.payment_id),
        reference=convert_to_text(row.reference),
        amount=parse_money(row.amount, convert_to_text(target.currency_code)),
        on=convert_to_date(row.date),
        account=convert_to_text(row.account.code) if row.account else "",
        is_received=is_received,
        is_standing=convert_to_text(row.status) != "DELETED",
        document_id=convert_to_text(target.invoice_id if is_received else target.credit_note_id),
        document_number=convert_to_text(target.invoice_number if is_received else target.credit_note_number),
    )
