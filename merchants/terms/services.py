"""A merchant's terms: the newest text of each kind, and new versions. A text once published never changes."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django_subatomic.db import transaction

from merchants.models import Merchant, Terms
from merchants.terms.defaults import DEFAULT_TERMS
from wisepay.models import User

ACCEPTED_WHEN = {
    Terms.Kind.USER_ACCOUNT.value: "Accepted when a payer registers.",
    Terms.Kind.SAVED_CARD.value: "Accepted when a card is saved.",
    Terms.Kind.SAVED_BANK_ACCOUNT.value: "Accepted when a bank account is saved.",
    Terms.Kind.PAYMENT.value: "Accepted with every payment by card that a payer makes.",
    Terms.Kind.DIRECT_DEBIT.value: "Accepted with every bank debit that a payer makes, when a bank account is saved, "
    "and when one is to be debited automatically.",
    Terms.Kind.AUTOMATIC_PAYMENTS.value: "Accepted with the recurring part of a quote, and when invoices are to be "
    "paid automatically.",
}
PLACEHOLDER = re.compile(r"\{(merchant|contact|email|phone)\}")


def get_current_terms(merchant: Merchant, kind: str) -> Terms:
    """The newest version; the first one is made from our default text when it is first needed."""
    newest = merchant.terms.filter(kind=kind).order_by("-version").first()
    if newest is None:
        newest, _ = Terms.objects.get_or_create(
            merchant=merchant, kind=kind, version=1, defaults={"text": DEFAULT_TERMS[kind]}
        )
    newest.merchant = merchant
    return newest


def list_current_terms(merchant: Merchant, kinds: Collection[str]) -> list[Terms]:
    """The newest version of each of these kinds, in their order. One query once every kind has a text."""
    rows = Terms.objects.filter(merchant=merchant, kind__in=kinds).order_by("kind", "-version").distinct("kind")
    found = {terms.kind: terms for terms in rows}
    for terms in found.values():
        terms.merchant = merchant
    return [found.get(kind) or get_current_terms(merchant, kind) for kind in kinds]


def find_acceptance_problem(needed: Sequence[Terms], accepted: Sequence[int]) -> str:
    """Why these ids are no acceptance of exactly the texts that are needed, in words for the payer; empty if they are.

    An id that is none of theirs is an old version, another kind, another merchant's, or nothing at all: each may come
    from a page that was opened before the texts changed, so each is answered alike.
    """
    wanted = {terms.pk for terms in needed}
    if len(set(accepted)) != len(accepted) or set(accepted) - wanted:
        return _("The terms have changed since you opened this page. Please read them again and accept them.")
    if wanted - set(accepted):
        return _("Please read the terms and accept them.")
    return ""


def create_terms_version(merchant: Merchant, *, kind: str, text: str, by: User, now: datetime) -> Terms:
    """A new version from now on; the same text again is the version that stands."""
    with transaction():
        # Two who publish at once meet here, so that each version has one text.
        Merchant.objects.select_for_update().get(pk=merchant.pk)
        newest = get_current_terms(merchant, kind)
        cleaned = "\n".join(line.rstrip() for line in text.strip().splitlines())
        if cleaned == newest.text:
            return newest
        return Terms.objects.create(
            merchant=merchant, kind=kind, version=newest.version + 1, text=cleaned, created_at=now, created_by=by
        )


def render_terms(terms: Terms) -> str:
    """The text as a payer reads it, the merchant's name and contact filled in."""
    merchant = terms.merchant
    contacts = " or ".join(filter(None, [merchant.contact_email, merchant.contact_phone]))
    filled = {
        "merchant": merchant.name,
        "contact": contacts or merchant.name,
        "email": merchant.contact_email or merchant.name,
        "phone": merchant.contact_phone or merchant.name,
    }
    return PLACEHOLDER.sub(lambda found: filled[found[1]], terms.text)
