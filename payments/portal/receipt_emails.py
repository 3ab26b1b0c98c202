"""The receipt as a mail: the same facts as page and PDF, with a link and the PDF."""

from payments.models import Attempt
from payments.portal.receipt_pdf import render_receipt_pdf
from payments.portal.receipts import get_receipt
from payments.receipt_links import build_receipt_url
from wisepay.mail import send_email


def send_receipt_email(attempt: Attempt) -> None:
    """Send the receipt of a succeeded attempt."""
    payment = attempt.payment
    receipt = get_receipt(payment)
    send_email(
        "receipt",
        attempt.payer_email,
        {"payment": payment, "attempt": attempt, "receipt": receipt, "receipt_url": build_receipt_url(payment)},
        subject=f"Receipt from {payment.merchant.name}: {attempt.money}",
        message_id=f"receipt-{attempt.reference}",
        sender=payment.merchant,
        attachments=[(receipt.filename, render_receipt_pdf(receipt), "application/pdf")],
    )
