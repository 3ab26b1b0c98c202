"""Receipts: what one contains, as page, PDF and mail, and who may see it without an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from fpdf.enums import XPos, YPos

from payments.models import Attempt, Payment, Refund
from payments.states import PAID_STATES
from wisepay.clock import format_instant
from wisepay.mail import send_email
from wisepay.money import Money
from wisepay.pdf import FAMILY, REPLACEMENT, WorldPdf

REFUND_LABELS = {
    "processing": gettext_noop("Refund, on its way"),
    "succeeded": gettext_noop("Refunded"),
    "failed": gettext_noop("Refund that could not be given back"),
}


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Money that was paid or went back: when, in words, how much."""

    at: datetime
    words: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything that the page and the PDF print; `net_amount` is what the merchant still has of it."""

    payment: Payment
    attempt: Attempt
    paid_at: datetime
    paid: Money
    payments: Sequence[ReceiptLine]
    refunds: Sequence[ReceiptLine]
    reversed_at: datetime | None
    net_amount: Money

    @property
    def reference(self) -> str:
        """What people call the thing that was paid, for example "Q1042-1"."""
        return str(self.payment.details.get("reference") or self.payment.reference)

    @property
    def net_label(self) -> str:
        """What the last line is called: refunds and reversals are named only where there were any."""
        is_plain = not self.refunds and self.reversed_at is None and len(self.payments) == 1
        return _("Total paid") if is_plain else _("Paid after refunds and reversals")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Who paid whom for what, and how: label and value, as page, PDF and mail show them. Values may have lines."""
        payment, attempt, merchant = self.payment, self.attempt, self.payment.merchant
        details = payment.details
        found = [
            (_("Paid to"), "\n".join([merchant.name, *merchant.address_lines])),
            (_("Tax number"), merchant.tax_number),
            (_("Paid for"), payment.company.name),
            (_("Paid by"), attempt.payer_name),
            (_("For"), payment.purpose),
            (_("Purchase order"), str(details.get("purchase_order") or "")),
            *((str(label), str(amount)) for label, amount in details.get("rows", ())),
            (_("Paid on"), format_instant(self.paid_at, merchant.time_zone)),
            (_("Method"), str(attempt.method or _("Card"))),
            (_("Reference"), self.reference),
            (_("Payment reference"), payment.reference),
        ]
        return [(label, value) for label, value in found if value]

    @property
    def lines(self) -> list[dict[str, str]]:
        """The lines of what was paid for, as the payer was shown them."""
        return self.payment.line_items

    @property
    def filename(self) -> str:
        """A file name for the document that is safe everywhere."""
        safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.reference)
        return f"receipt-{safe}-{self.payment.reference}.pdf"

    @property
    def title(self) -> str:
        """The heading."""
        return "Receipt" if self.reversed_at is None else "Receipt of a reversed payment"


def get_receipt(payment: Payment) -> Receipt:
    """The receipt of what was paid last; earlier payments that were reversed are lines. Raises Http404 when unpaid."""
    attempts = list(payment.attempts.filter(state__in=PAID_STATES).order_by("-pk"))
    if not attempts or payment.paid_at is None or payment.paid is None:
        raise Http404
    newest = attempts[0]
    refunds = list(payment.refunds.order_by("pk"))
    is_reversed = newest.state == "reversed"
    back = sum(refund.amount for refund in refunds if refund.attempt_id == newest.pk and refund.state == "succeeded")
    return Receipt(
        payment=payment,
        attempt=newest,
        paid_at=payment.paid_at,
        paid=newest.money,
        payments=[line for attempt in reversed(attempts) for line in build_attempt_lines(attempt, payment, newest)],
        refunds=[build_refund_line(refund, payment) for refund in refunds],
        reversed_at=newest.state_at if is_reversed else None,
        net_amount=Money(0 if is_reversed else newest.amount - back, payment.currency),
    )


def build_attempt_lines(attempt: Attempt, payment: Payment, newest: Attempt) -> list[ReceiptLine]:
    """The line of what one attempt charged, and a second one if it was reversed."""
    at = payment.paid_at if attempt.pk == newest.pk and payment.paid_at else attempt.created_at
    lines = [ReceiptLine(at, f"Paid with {attempt.method or 'a payment method'}", attempt.money)]
    if attempt.state == "reversed":
        lines.append(ReceiptLine(attempt.state_at, "Reversed: the bank took it back", attempt.money))
    return lines


def build_refund_line(refund: Refund, payment: Payment) -> ReceiptLine:
    """A refund and how it stands."""
    return ReceiptLine(refund.state_at, _(REFUND_LABELS[refund.state]), Money(refund.amount, payment.currency))


SIGNER = TimestampSigner(salt="payments.receipt")
LINK_LIFETIME = timedelta(days=400)
RECEIPTS_KEY = "receipts"  # the session's key: of payments and of attempts whose receipts this browser may see
MAX_RECEIPTS = 20


def build_receipt_url(payment: Payment) -> str:
    """The link of a mail to the receipt. Its key stands in the query, which no log of ours holds."""
    path = reverse("payments:guest_receipt", args=[payment.reference])
    return payment.merchant.build_public_url(f"{path}?{urlencode({'key': SIGNER.sign(payment.reference)})}")


def is_receipt_key(payment: Payment, key: str) -> bool:
    """Whether the key is of a link to this payment's receipt, and not too old."""
    try:
        return SIGNER.unsign(key, max_age=LINK_LIFETIME) == payment.reference
    except BadSignature:
        return False


def remember_receipt(request: HttpRequest, reference: str) -> None:
    """Let this browser see a receipt: of the payment whose link it followed, or once the attempt that it made paid."""
    others = [one for one in request.session.get(RECEIPTS_KEY, []) if one != reference]
    request.session[RECEIPTS_KEY] = [*others[1 - MAX_RECEIPTS :], reference]


def can_see_receipt(request: HttpRequest, payment: Payment) -> bool:
    """Whether this browser followed the mail's link, or made the attempt that paid."""
    known = request.session.get(RECEIPTS_KEY, [])
    if not known or payment.reference in known:
        return bool(known)
    return payment.attempts.filter(reference__in=known, state__in=PAID_STATES).exists()


MARGIN, WIDTH = 20, 170
LABEL_WIDTH, VALUE_WIDTH = 45, 125
TEXT_COLOUR, MUTED_COLOUR, RULE_COLOUR = (22, 32, 46), (74, 87, 104), (205, 212, 221)


def render_receipt_pdf(receipt: Receipt) -> bytes:
    """Render the receipt as PDF bytes."""
    sheet = ReceiptDocument(receipt)
    sheet.write_header()
    sheet.write_details()
    sheet.write_lines()
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

    def write_lines(self) -> None:
        """The lines of what was paid for; the pages go on where one is full."""
        rows = self.receipt.lines
        if not rows:
            return
        self.write_text(_("What it is for"), style="B")
        self.pdf.ln(1)
        for row in rows:
            words = f"{row['quantity']} × {row['description']}{', ' if row['recurs'] else ''}{row['recurs']}"
            self.write_line_item(words, row["amount"])
        self.pdf.ln(5)

    def write_line_item(self, words: str, amount: str) -> None:
        """Words that go on in the next line where they are long, and an amount beside the first."""
        self.pdf.set_font(FAMILY, "", 10)
        self.pdf.set_text_color(*TEXT_COLOUR)
        if self.pdf.will_page_break(6):
            self.pdf.add_page()
        top = self.pdf.get_y()
        self.pdf.set_x(MARGIN + WIDTH - 40)
        self.pdf.cell(40, 6, self.to_printable(amount), align="R")
        self.pdf.set_xy(MARGIN, top)
        self.pdf.multi_cell(WIDTH - 45, 6, self.to_printable(words), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

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
