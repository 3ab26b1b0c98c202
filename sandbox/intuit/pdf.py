"""A document printed as a small PDF file."""

from __future__ import annotations

from sandbox.core.pdf import build_pdf_file
from sandbox.intuit.formats import Record

LABELS = {"CreditMemo": "Credit memo", "RefundReceipt": "Refund receipt"}


def render_pdf(company: str, entity: str, row: Record) -> bytes:
    """One page with what matters."""
    number = row.get("DocNumber") or row.get("PaymentRefNum") or row["Id"]
    currency = row["CurrencyRef"]["value"]
    lines = [company, f"{LABELS.get(entity, entity)} {number}", f"Date {row['TxnDate']}"]
    lines += [f"For {row['CustomerRef']['name']}", f"Total {row['TotalAmt']} {currency}"]
    return build_pdf_file([(12, line) for line in lines])
