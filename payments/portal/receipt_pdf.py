"""The receipt as a PDF: one A4 page whose fonts print every living script.

What no font has, such as pictures, is marked; the document says so where that happened.
"""

from datetime import datetime

from fpdf.enums import XPos, YPos

from payments.portal.receipts import Receipt, ReceiptLine
from wisepay.pdf import FAMILY, REPLACEMENT, WorldPdf

MARGIN, WIDTH = 20, 170
LABEL_WIDTH, VALUE_WIDTH = 45, 125
TEXT_COLOUR, MUTED_COLOUR, RULE_COLOUR = (22, 32, 46), (74, 87, 104), (205, 212, 221)


def render_receipt_pdf(receipt: Receipt) -> bytes:
    """Render the receipt as PDF bytes."""
    sheet = ReceiptDocument(receipt)
    sheet.write_header()
    sheet.write_details()
    sheet.write_amounts()
    sheet.write_footer()
    return bytes(sheet.pdf.output())


class ReceiptDocument:
    """The page that is written from the top down."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.has_replaced_characters = False
        self.pdf = WorldPdf(margin=MARGIN)
        self.pdf.set_title(self.to_printable(f"{receipt.title} {receipt.reference}"))
        self.pdf.set_creator("Wise-Pay")
        self.pdf.set_creation_date(receipt.paid_at)
        self.pdf.add_page()

    def to_printable(self, text: str) -> str:
        """The text as it can be printed; remembers when it is not the whole text."""
        printable = self.pdf.prepare(text)
        self.has_replaced_characters = self.has_replaced_characters or REPLACEMENT in printable
        return printable

    def write_header(self) -> None:
        """Merchant, heading, and the warning of a reversed payment."""
        receipt = self.receipt
        self.write_text(receipt.payment.merchant.name, size=11, style="B")
        self.pdf.ln(6)
        self.write_text(receipt.title, size=20, style="B")
        self.write_text(str(receipt.paid), size=16)
        if receipt.reversed_at is not None:
            self.pdf.ln(2)
            self.write_text(
                f"The bank took this payment back on {self.format_day(receipt.reversed_at)}. It is owed again.",
                style="B",
            )
        self.pdf.ln(4)

    def write_details(self) -> None:
        """Who paid whom for what, and how."""
        for label, value in self.receipt.facts:
            self.write_detail(label, value)
        self.pdf.ln(5)

    def write_amounts(self) -> None:
        """Every payment and refund, and the amount that remains."""
        for line in self.receipt.payments:
            self.write_receipt_line(line)
        for line in self.receipt.refunds:
            self.write_receipt_line(line)
        self.pdf.set_draw_color(*RULE_COLOUR)
        self.pdf.line(MARGIN, self.pdf.get_y() + 1, MARGIN + WIDTH, self.pdf.get_y() + 1)
        self.pdf.ln(3)
        self.write_amount(self.receipt.net_label, str(self.receipt.net_amount), style="B")
        self.pdf.ln(8)

    def write_footer(self) -> None:
        """Whom to ask, and whether characters were replaced."""
        merchant = self.receipt.payment.merchant
        ways = " or ".join(way for way in (merchant.contact_email, merchant.contact_phone) if way)
        self.write_text(f"Questions? {merchant.name}{f': {ways}' if ways else ''}", soft=True)
        if self.has_replaced_characters:
            note = "Some letters can't be printed here. The receipt's page in Wise-Pay shows them as they are."
            self.write_text(note, soft=True)

    def write_receipt_line(self, line: ReceiptLine) -> None:
        """One line of money with its day."""
        self.write_amount(f"{self.format_day(line.at)}   {line.words}", str(line.amount))

    def write_amount(self, words: str, amount: str, *, style: str = "") -> None:
        """Words on the left, an amount on the right."""
        self.pdf.set_font(FAMILY, style, 10)
        self.pdf.set_text_color(*TEXT_COLOUR)
        self.pdf.cell(WIDTH - 40, 6, self.to_printable(words))
        self.pdf.cell(40, 6, self.to_printable(amount), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_detail(self, label: str, value: str) -> None:
        """A label and what it is; long values go on in the next line."""
        self.pdf.set_font(FAMILY, "", 10)
        self.pdf.set_text_color(*MUTED_COLOUR)
        self.pdf.cell(LABEL_WIDTH, 6, self.to_printable(label))
        self.pdf.set_text_color(*TEXT_COLOUR)
        self.pdf.multi_cell(VALUE_WIDTH, 6, self.to_printable(value), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_text(self, text: str, *, size: int = 10, style: str = "", soft: bool = False) -> None:
        """A line of text, or as many as it needs."""
        self.pdf.set_font(FAMILY, style, size)
        self.pdf.set_text_color(*(MUTED_COLOUR if soft else TEXT_COLOUR))
        self.pdf.multi_cell(WIDTH, size * 0.55, self.to_printable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def format_day(self, at: datetime) -> str:
        """A day in the merchant's zone."""
        local = at.astimezone(self.receipt.payment.merchant.zone)
        return f"{local.day} {local:%b %Y}"
