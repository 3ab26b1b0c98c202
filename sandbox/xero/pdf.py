"""Invoices and credit notes as PDF files: one page of text, written without a library."""

from __future__ import annotations

from decimal import Decimal

from sandbox.xero.documents import XeroDocumentKind
from sandbox.xero.organisation import Organisation, Record

HEAD = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
A4 = "[0 0 595 842]"
FONTS = "<< /Font << /F1 5 0 R >> >>"


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
    return build_pdf_file(build_content(lines))


def build_content(lines: list[tuple[int, str]]) -> bytes:
    """Lines of a size each, from the top of the page."""
    parts, height = [], 780
    for size, text in lines:
        parts.append(f"BT /F1 {size} Tf 60 {height} Td ({escape_text(text)}) Tj ET")
        height -= size + 12
    return "\n".join(parts).encode("latin-1", "replace")


def escape_text(text: str) -> str:
    """Text inside the brackets of a PDF string."""
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def build_pdf_file(stream: bytes) -> bytes:
    """A file of one page around its content."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {A4} /Contents 4 0 R /Resources {FONTS} >>".encode(),
        f"<< /Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    body, places = bytearray(HEAD), []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return bytes(body) + end.encode()
