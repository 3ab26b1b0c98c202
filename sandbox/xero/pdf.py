"""Invoices and credit notes as PDF files: one page of text."""

from __future__ import annotations

from decimal import Decimal

from sandbox.core.pdf import build_pdf_file
from sandbox.xero.documents import XeroDocumentKind
from sandbox.xero.organisation import Organisation, Record


def render_pdf(org: Organisation, kind: XeroDocumentKind, row: Record) -> bytes:
    """The document on a sheet of paper."""
    contact = org.table("contacts")[row["ContactID"]]["Name"]
    remaining = str(row.get("AmountDue") or row.get("RemainingCredit") or "0")
    caption = "Amount due" if "AmountDue" in row else "Remaining credit"
    lines = [
        (18, f"{kind.label} {row[kind.number_field]}"),
        (11, org.name),
        (11, f"To: {contact}"),
        (11, f"Date: {row['Date']}" + (f"   Due: {row['DueDate']}" if row.get("DueDate") else "")),
        (11, f"Reference: {row['Reference']}"),
        *((10, f"{line['Description']}   {Decimal(line['LineAmount']):,.2f}") for line in row["LineItems"][:30]),
        (12, f"Total {row['CurrencyCode']} {Decimal(row['Total']):,.2f}"),
        (12, f"{caption} {Decimal(remaining):,.2f}   {row['Status']}"),
    ]
    return build_pdf_file(lines)
