"""A document printed as a small PDF file, written without a library."""

from __future__ import annotations

from sandbox.intuit.formats import Record

LABELS = {"CreditMemo": "Credit memo", "RefundReceipt": "Refund receipt"}


def render_pdf(company: str, entity: str, row: Record) -> bytes:
    """One page with what matters."""
    number = row.get("DocNumber") or row.get("PaymentRefNum") or row["Id"]
    currency = row["CurrencyRef"]["value"]
    lines = [company, f"{LABELS.get(entity, entity)} {number}", f"Date {row['TxnDate']}"]
    lines += [f"For {row['CustomerRef']['name']}", f"Total {row['TotalAmt']} {currency}"]
    return build_pdf_file(lines)


def escape_text(text: str) -> bytes:
    """A text escaped for a PDF string."""
    raw = text.encode("latin-1", "replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def build_pdf_file(lines: list[str]) -> bytes:
    """A file of one page."""
    shown = b" ".join(b"(" + escape_text(line) + b") Tj T*" for line in lines)
    content = b"BT /F1 12 Tf 18 TL 60 780 Td " + shown + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for place, item in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (place, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + head + table + end
