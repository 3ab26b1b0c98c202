"""Why a quote cannot be paid by its link: words for the payer, and a line for the merchant."""

import hashlib
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from merchants.models import Merchant
from payments.errors import AmountChanged, CannotPay
from wisepay.audit import record_audit_entry
from wisepay.http import record_rate_limited_use
from wisepay.input import drop_unreadable

REFUSED_ACTION = "cpq.refused"
PAYER_WORDS = {
    "not_approved": gettext_noop(
        "This quote is not accepted yet. Open it from the link that %(merchant)s sent you, accept it there, and "
        "choose again to pay it."
    ),
    "expired": gettext_noop("This quote has expired and can no longer be paid. Please ask %(merchant)s for a new one."),
    "dead": gettext_noop("This quote can no longer be paid. Please contact %(merchant)s."),
    "superseded": gettext_noop(
        "There is a newer version of this quote. Open it from the link that %(merchant)s sent you, and pay that one."
    ),
    "link_replaced": gettext_noop(
        "The address of this quote was changed. Open it again from the link that %(merchant)s sent you."
    ),
    "nothing_due": gettext_noop("Nothing is due for this quote, so there is nothing to pay."),
    "unmapped": gettext_noop(
        "This quote can't be paid online at the moment. Nothing was charged. Please contact %(merchant)s."
    ),
    "trial": gettext_noop(
        "%(merchant)s is still setting up online payment, so this quote can't be paid here yet. Nothing was charged. "
        "Please contact them."
    ),
}
# Of a quote whose checkout is open and held, for the merchant.
HOLD_WORDS = {
    "not_approved": "its approval was withdrawn in CPQ",
    "expired": "it has expired in CPQ",
    "dead": "it is lost, archived or deleted in CPQ",
    "superseded": "CPQ has a newer version",
    "link_replaced": "its passcode was changed in CPQ",
}


class QuoteRefused(Exception):
    """A quote that its visitor may see and that cannot be paid; `code` chooses the payer's words.

    The message is for the merchant; `word` is a word of CPQ's, with its kind, that nobody has said the meaning of.
    """

    def __init__(self, code: str, message: str, *, number: int = 0, word: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.number, self.word = code, number, word


class QuoteNotPayable(CannotPay):
    """The quote was refused since its checkout was opened."""

    code = "not_payable"


class QuoteChanged(AmountChanged):
    """CPQ has the quote in another form than the payer was shown, so nothing is charged."""


def describe_to_payer(code: str, merchant: Merchant) -> str:
    """The payer's words for a refusal."""
    return _(PAYER_WORDS.get(code, PAYER_WORDS["unmapped"])) % {"merchant": merchant.name}


def describe_hold(code: str) -> str:
    """Why a quote is held, for the merchant, as the end of a sentence."""
    return HOLD_WORDS.get(code, "something of it can't be read; Quotes says what")


def record_quote_refusal(
    merchant_id: int, *, key: str, subject: str, detail: str, ip: str | None, now: datetime
) -> None:
    """Write into the merchant's audit log why a quote was refused: once an hour for each quote and reason.

    `key` names the integration that refused it. The merchant reads it on Quotes.
    """
    subject, detail = drop_unreadable(subject), drop_unreadable(detail)
    digest = hashlib.sha256(f"{subject} {detail}".encode()).hexdigest()[:32]
    if record_rate_limited_use(f"cpq-refused:{key}:{digest}", limit=1, per=timedelta(hours=1), now=now):
        return
    record_audit_entry(REFUSED_ACTION, merchant_id=merchant_id, user=None, ip=ip, subject=subject, detail=detail)
