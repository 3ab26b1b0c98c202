"""The copy of a debit authorisation that is mailed to whoever gave it."""

from django.urls import reverse
from django.utils.translation import gettext as _

from merchants.terms.services import render_terms
from payers.models import TermsAcceptance
from wisepay.mail import send_email


def send_authorisation_email(acceptance: TermsAcceptance) -> None:
    """Send a copy of a debit authorisation: the account, the amount or range, the date, and how to take it back."""
    merchant = acceptance.terms.merchant
    send_email(
        "debit_authorised",
        acceptance.email,
        {
            "acceptance": acceptance,
            "text": render_terms(acceptance.terms),
            "lines": acceptance.shown.splitlines(),
            "kind": get_authorisation_kind(acceptance),
            "methods_url": merchant.build_public_url(reverse("payments:my_bank_accounts")),
        },
        subject=_("Your permission for %(merchant)s to debit your bank account") % {"merchant": merchant.name},
        message_id=f"authorisation-{acceptance.operation}",
        sender=merchant,
    )


def get_authorisation_kind(acceptance: TermsAcceptance) -> str:
    """Whether it is for one debit or for several, and of which amounts."""
    acts = acceptance.acts.split()
    if "map" in acts:
        return _("Recurring: the amounts of the invoices that fall due")
    if "recur" in acts:
        return _("Recurring: %(amount)s each time, besides what is due now") % {"amount": acceptance.recurring}
    if acceptance.money is not None and "save" in acts:
        return _("Single: %(amount)s; the account is kept for debits that you order later") % {
            "amount": acceptance.money
        }
    if acceptance.money is not None:
        return _("Single: %(amount)s") % {"amount": acceptance.money}
    return _("For debits that you order later, each of the amount that you are shown then")
