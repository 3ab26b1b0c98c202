"""PayNow Links: create, replace and change them, find one by its key, and sign what one of them opens."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.core.signing import BadSignature, Signer
from django.db.models import Q, QuerySet
from django.urls import reverse
from django_subatomic.db import transaction

from merchants.models import Merchant, PayNowLink
from merchants.notifications import warn_of_replaced_keys
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.secrets import UndecipherableSecret

Kind = PayNowLink.Kind
KEY_LENGTHS = {Kind.QUICK_LINK.value: 10}  # one that people type; all others are pasted once
KEY_LENGTH = 32
DEFAULT_EXPIRY_DAYS = {Kind.EVENT_NOTIFICATION.value: 180}
SALT = "merchants.paynow_links"
KEY = re.compile(r"[2-9a-z]{10,40}")
# The mark of the kind, the link's version, what is opened, and when that was signed, in seconds.
TEXT = re.compile(r"([enxiq])(\d{1,18})\.([ip])([0-9a-z]{20})\.(\d{1,12})")
MARKS = {
    Kind.EVENT_NOTIFICATION.value: "e",
    Kind.XERO.value: "x",
    Kind.CONNECTWISE_INVOICE.value: "i",
    Kind.CONNECTWISE_PORTAL.value: "n",
    Kind.QUICK_LINK.value: "q",
}
KINDS = {mark: kind for kind, mark in MARKS.items()}
# What is put behind the address, where the other program fills something in for each invoice.
QUERIES = {
    Kind.XERO.value: "?invoice=[INVOICENUMBER]&amount=[AMOUNTDUE]&currency=[CURRENCY]",
    Kind.CONNECTWISE_INVOICE.value: "?invoice=NUMBER&amount=AMOUNT",
    Kind.CONNECTWISE_PORTAL.value: "?invoice=NUMBER&amount=AMOUNT",
}
PROVED_FOR = timedelta(days=1)  # how long who proved to have an invoice by its number may come back to it
USE_INTERVAL = timedelta(minutes=1)  # how exactly the last use is noted


class LinkUnknown(Exception):
    """Nobody may learn why: it was altered, is of another merchant, or never existed."""


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What a signed link says: the version of the PayNow Link that signed it, what it opens, and since when.

    `subject` is "i" for an invoice or "p" for a payment, `reference` that of the row.
    """

    link_id: int
    kind: str
    subject: str
    reference: str
    signed_at: datetime

    @property
    def text(self) -> str:
        """What is signed."""
        stamp = int(self.signed_at.timestamp())
        return f"{MARKS[self.kind]}{self.link_id}.{self.subject}{self.reference}.{stamp}"

    @property
    def token(self) -> str:
        """The text with its signature."""
        return get_signer(self.kind, self.link_id).sign(self.text)

    def is_expired(self, link: PayNowLink, *, now: datetime) -> bool:
        """Whether it can be followed no more. What was proved by number ends after a day whatever the setting says."""
        if self.kind != Kind.EVENT_NOTIFICATION:
            return now >= self.signed_at + PROVED_FOR
        return link.expires_days is not None and now >= self.signed_at + timedelta(days=link.expires_days)


def get_signer(kind: str, link_id: int) -> Signer:
    """The signer of one version of one kind: replacing the link ends every signature of before."""
    return Signer(salt=f"{SALT}:{kind}:{link_id}")


def read_signed_link(token: str) -> SignedLink:
    """What a token says. Raises LinkUnknown unless every character of it is as it was signed."""
    text = token.rpartition(":")[0]
    found = TEXT.fullmatch(text)
    if found is None:
        raise LinkUnknown
    mark, link_id, subject, reference, stamp = found.groups()
    kind = KINDS[mark]
    try:
        get_signer(kind, int(link_id)).unsign(token)
    except BadSignature:
        raise LinkUnknown from None
    return SignedLink(int(link_id), kind, subject, reference, datetime.fromtimestamp(int(stamp), UTC))


def get_signed_link(token: str) -> tuple[SignedLink, PayNowLink]:
    """What a token says, and the link that signed it, replaced or not. Raises LinkUnknown."""
    signed = read_signed_link(token)
    link = find_links().filter(pk=signed.link_id, kind=signed.kind).first()
    if link is None:
        raise LinkUnknown
    return signed, link


def get_link(key: str) -> PayNowLink:
    """The link of a key, replaced or not. Raises LinkUnknown."""
    link = find_links().filter(key_digest=hash_key(key)).first() if KEY.fullmatch(key) else None
    if link is None:
        raise LinkUnknown
    return link


def build_link_address(link: PayNowLink) -> dict[str, str]:
    """The key of a link and the addresses that other programs and people are given; empty where it cannot be read.

    Links of mails have no address but that of each mail.
    """
    try:
        key = str(link.api_key.decrypt())
    except UndecipherableSecret:
        return {"key": "", "url": "", "plain_url": ""}
    if link.kind == Kind.EVENT_NOTIFICATION:
        return {"key": key, "url": "", "plain_url": ""}
    plain_url = link.merchant.build_public_url(reverse("paynow_links:find", args=[key]))
    return {"key": key, "url": f"{plain_url}{QUERIES.get(link.kind, '')}", "plain_url": plain_url}


def find_links() -> QuerySet[PayNowLink]:
    """All links, with their merchants and the people they act as."""
    return PayNowLink.objects.select_related("merchant", "acts_as")


def hash_key(key: str) -> str:
    """By what a key is found: keys are random, so that a plain digest tells nothing of them."""
    return sha256(key.encode()).hexdigest()


def find_active_link(merchant: Merchant, kind: str) -> PayNowLink | None:
    """The merchant's present link of a kind, switched on or not."""
    return find_links().filter(merchant=merchant, kind=kind, is_active=True).first()


def create_paynow_link(merchant: Merchant, *, kind: str, acts_as: User, now: datetime | None = None) -> PayNowLink:
    """Create an active link of `kind`, with the settings of the one before, which stops working; people are told."""
    now = now or clock.now()
    key = new_reference(KEY_LENGTHS.get(kind, KEY_LENGTH))
    with transaction():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        before = merchant.paynow_links.filter(kind=kind, is_active=True).first()
        link = PayNowLink(merchant=merchant, kind=kind, acts_as=acts_as, api_key=key, key_digest=hash_key(key))
        link.created_at, link.expires_days = now, DEFAULT_EXPIRY_DAYS.get(kind)
        if before is not None:
            link.is_enabled, link.expires_days = before.is_enabled, before.expires_days
            link.takes_prepayments = before.takes_prepayments
            PayNowLink.objects.filter(pk=before.pk).update(is_active=False)
            what = f"The PayNow Link for {link}"
            path = reverse("merchants:paynow_links", args=[merchant.reference])
            warn_of_replaced_keys(merchant, what=what, by=acts_as, path=path, now=now)
        link.save()
    return link


def update_paynow_link(
    link: PayNowLink, *, is_enabled: bool, expires_days: int | None, takes_prepayments: bool, acts_as: User
) -> None:
    """Switch a link on or off, and say how long what it opens can be followed and as whom it acts."""
    link.is_enabled, link.expires_days, link.acts_as = is_enabled, expires_days, acts_as
    link.takes_prepayments = takes_prepayments and link.kind == Kind.QUICK_LINK
    link.save(update_fields=["is_enabled", "expires_days", "takes_prepayments", "acts_as"])


def record_use(link: PayNowLink, *, now: datetime) -> None:
    """Note when a link was used last, at most once a minute."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_INTERVAL)
    PayNowLink.objects.filter(stale, pk=link.pk).update(last_used_at=now)


def build_event_url(merchant: Merchant, *, subject: str, reference: str, otherwise: str, now: datetime) -> str:
    """The personal link of an invoice ("i") or a payment ("p") for a mail.

    `otherwise` is the address while the merchant has no such PayNow Link that works.
    """
    link = find_active_link(merchant, Kind.EVENT_NOTIFICATION)
    if link is None or not link.is_usable:
        return otherwise
    signed = SignedLink(link.pk, link.kind, subject, reference, now)
    return merchant.build_public_url(reverse("paynow_links:invoice", args=[signed.token]))
