"""Receipts for people without an account: a signed link in their mail, or the browser that paid."""

from datetime import timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from payments.models import Payment

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
    return payment.attempts.filter(reference__in=known, state__in=("succeeded", "reversed")).exists()
