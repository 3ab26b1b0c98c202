"""The receipt as a document: one A4 page in the letters that every PDF reader has.

No font is shipped with it, so letters outside of Western Europe's lose their accents or become "?"; the document
says so itself where that happened.
"""

import unicodedata
from datetime import datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from payments.receipts import Line, Receipt

LETTERS = "cp1252"
PLAIN = {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ħ": "h", "Ħ": "H", "\u2011": "-", "\u202f": " "}
MARGIN, WIDTH = 20, 170
LABEL, VALUE = 45, 125
INK, SOFT, LINE = (22, 32, 46), (74, 87, 104), (205, 212, 221)


def receipt_pdf(receipt: Receipt) -> bytes:
    """The document."""
    sheet = Sheet(receipt)
    sheet.write_head()
    sheet.write_facts()
    sheet.write_money()
    sheet.write_foot()
    return bytes(sheet.pdf.output())


def printable(text: str) -> str:
    """`text` in the letters that the document has: accents are lost before whole letters are."""
    made = []
    for letter in unicodedata.normalize("NFC", text):
        if _fits(letter):
            made.append(letter)
            continue
        bare = unicodedata.normalize("NFKD", PLAIN.get(letter, letter))
        kept = "".join(part for part in bare if not unicodedata.combining(part) and _fits(part))
        made.append(kept or ("" if unicodedata.combining(letter) else "?"))
    return "".join(made)


def _fits(letter: str) -> bool:
    try:
        letter.encode(LETTERS)
    except UnicodeEncodeError:
        return False
    return letter.isprintable() or letter == "\u00a0"


class Sheet:
    """The page while it is written, from the top down."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.has_lost_letters = False
        self.pdf = FPDF(format="A4")
        self.pdf.core_fonts_encoding = LETTERS
        self.pdf.set_margins(MARGIN, MARGIN, MARGIN)
        self.pdf.set_title(self.said(f"{receipt.title} {receipt.reference}"))
        self.pdf.set_creator("Wise-Pay")
        self.pdf.set_creation_date(receipt.paid_at)
        self.pdf.add_page()

    def said(self, text: str) -> str:
        """The text as it can be printed; remembers when it is not the whole text."""
        made = printable(text)
        self.has_lost_letters = self.has_lost_letters or made != unicodedata.normalize("NFC", text)
        return made

    def write_head(self) -> None:
        """Merchant, heading, and the warning of a reversed payment."""
        receipt = self.receipt
        self.line(receipt.payment.merchant.name, size=11, style="B")
        self.pdf.ln(6)
        self.line(receipt.title, size=20, style="B")
        self.line(str(receipt.paid), size=16)
        if receipt.reversed_at is not None:
            self.pdf.ln(2)
            self.line(
                f"The bank took this payment back on {self.day(receipt.reversed_at)}. It is owed again.", style="B"
            )
        self.pdf.ln(4)

    def write_facts(self) -> None:
        """Who paid whom for what, and how."""
        payment, attempt = self.receipt.payment, self.receipt.attempt
        self.fact("Paid to", payment.merchant.name)
        self.fact("Paid for", payment.company.name)
        self.fact("Paid by", attempt.payer_name)
        self.fact("For", payment.purpose)
        for label, amount in () if payment.is_quote else payment.details.get("rows", ()):
            self.fact(label, amount)
        self.fact("Paid on", self.day(self.receipt.paid_at))
        self.fact("Method", attempt.method or "Card")
        self.fact("Reference", self.receipt.reference)
        self.fact("Payment reference", payment.reference)
        self.pdf.ln(5)

    def write_money(self) -> None:
        """Every movement, and what is left of it."""
        for line in self.receipt.payments:
            self.movement(line)
        for line in self.receipt.refunds:
            self.movement(line)
        self.pdf.set_draw_color(*LINE)
        self.pdf.line(MARGIN, self.pdf.get_y() + 1, MARGIN + WIDTH, self.pdf.get_y() + 1)
        self.pdf.ln(3)
        self.amounts("Paid after refunds and reversals", str(self.receipt.kept), style="B")
        self.pdf.ln(8)

    def write_foot(self) -> None:
        """Whom to ask, and what the letters could not say."""
        merchant = self.receipt.payment.merchant
        ways = " or ".join(way for way in (merchant.contact_email, merchant.contact_phone) if way)
        self.line(f"Questions? {merchant.name}{f': {ways}' if ways else ''}", soft=True)
        if self.has_lost_letters:
            note = "Some letters can't be printed here. The receipt's page in Wise-Pay shows them as they are."
            self.line(note, soft=True)

    def movement(self, line: Line) -> None:
        """One line of money with its day."""
        self.amounts(f"{self.day(line.at)}   {line.words}", str(line.amount))

    def amounts(self, words: str, amount: str, *, style: str = "") -> None:
        """Words on the left, an amount on the right."""
        self.pdf.set_font("Helvetica", style, 10)
        self.pdf.set_text_color(*INK)
        self.pdf.cell(WIDTH - 40, 6, self.said(words))
        self.pdf.cell(40, 6, self.said(amount), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def fact(self, label: str, value: str) -> None:
        """A label and what it is; long values go on in the next line."""
        self.pdf.set_font("Helvetica", "", 10)
        self.pdf.set_text_color(*SOFT)
        self.pdf.cell(LABEL, 6, label)
        self.pdf.set_text_color(*INK)
        self.pdf.multi_cell(VALUE, 6, self.said(value), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def line(self, text: str, *, size: int = 10, style: str = "", soft: bool = False) -> None:
        """A line of text, or as many as it needs."""
        self.pdf.set_font("Helvetica", style, size)
        self.pdf.set_text_color(*(SOFT if soft else INK))
        self.pdf.multi_cell(WIDTH, size * 0.55, self.said(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def day(self, at: datetime) -> str:
        """A day in the merchant's zone."""
        local = at.astimezone(self.receipt.payment.merchant.zone)
        return f"{local.day} {local:%b %Y}"
