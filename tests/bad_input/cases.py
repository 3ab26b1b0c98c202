"""Every page that takes something: who sends it, and what a good form or query is.

A page that reads a field which is not named here fails the walk: give it a good value, and every bad one is tried.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accounting.models import LedgerAccount, LedgerTaxCode
from merchants.models import Terms
from payments.receipts import SIGNER
from tests.bad_input.good_forms import (
    AUDIT_FILTER,
    CPQ_FORMS,
    DETAILS,
    PASSCODE,
    SEARCH,
    TERM,
    build_account_change,
    give,
    nothing,
    of_failed,
    of_invoice,
    of_mismatch,
    other_account,
    setup_path,
)
from tests.bad_input.scene import Scene
from tests.payments.consent_form import get_consent_fields, get_saving_terms
from tests.tenants import PASSWORD, get_usual_accounts

Fields = dict[str, Any]
Kind = Terms.Kind


@dataclass(frozen=True)
class Case:
    """A page: who asks for it, the good form, the good query, and what the parts of its path are.

    `free`: fields in which another merchant's value is as good as any. `is_quiet`: a redirect without a message is an
    answer, since its page says how things are.
    """

    who: str = "admin"
    form: Callable[[Scene], Fields] | None = None
    query: Callable[[Scene], Fields] | None = None
    path: Callable[[Scene], dict[str, str]] | None = None
    free: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    is_quiet: bool = False


def pages(*names: str) -> Callable[[Scene], Fields]:
    """A query of these fields that has a page's number."""
    return lambda scene: dict.fromkeys(names, "1")


def paid(scene: Scene) -> dict[str, str]:
    """The path of the paid quote."""
    return {"reference": scene.paid.payment.reference}


def pay_form(scene: Scene) -> Fields:
    """What Pay Now posts for a guest."""
    return {
        "name": "Accounts Payable",
        "email": "guest@harbourdental.example",
        "phone": "02 5550 1234",
        "amount": scene.checkout.payment.amount,
        "method": "card",
        "confirmation_token": scene.tenant.confirmation_token("4242424242424242"),
        **dict.fromkeys(("saved_method", "saves", "shares", "radar_session"), ""),
        "agreed_schedule": "",
        "paying_as": "",
        "shown": "",
        "is_confirmed": "",
        **get_consent_fields(scene.checkout.payment),
    }


def setup_form(scene: Scene) -> Fields:
    """What Pay Now posts for somebody who saves a card with a quote that only recurs."""
    return pay_form(scene) | {"amount": "", "saves": "on"} | get_consent_fields(scene.saving.payment, saves=True)


def batch_form(scene: Scene) -> Fields:
    """Batch Pay Now with the first invoice ticked."""
    found: Fields = {"confirmed": "on"}
    for invoice in (scene.invoice, scene.other_invoice, scene.scheduled_invoice):
        is_ticked = invoice == scene.invoice
        found |= {f"pick-{invoice.reference}": "on" if is_ticked else "", f"amount-{invoice.reference}": "1.00"}
    return found


def accounts_form(scene: Scene) -> Fields:
    """The Accounts tab."""
    found = get_usual_accounts(scene.merchant)
    assert LedgerAccount.objects.filter(code=found["clearing_account"]).exists()
    assert LedgerTaxCode.objects.filter(code=found["tax_code"]).exists()
    return {name: value for name, value in found.items() if value}


CASES: dict[str, Case] = {
    # ---- the tenant ----
    "merchants:details": Case(
        form=lambda s: {
            "name": "Northwind IT",
            "time_zone": "Australia/Sydney",
            "contact_email": "help@northwind-it.example",
            "contact_phone": "02 5550 1234",
            "postal_address": "1 Wharf Street\nSydney",
            "tax_number": "11 222 333 444",
            "two_factor_mode": "required",
            "takes_payments": "on",
        }
    ),
    "merchants:paynow_links": Case(form=lambda s: {"kind": "quotes"}),
    "merchants:events": Case(form=lambda s: {"events": "connection_broken"}),
    "merchants:terms_kind": Case(form=lambda s: {"text": "You pay {merchant}, once."}),
    "merchants:read_notification": Case(form=nothing),
    "merchants:saved_views": Case(
        form=lambda s: {"act": "save", "name": "Large ones", "old": "", "query": "sort=-amount"},
        path=lambda s: {"list_name": "payments"},
    ),
    "merchants:audit": Case(query=lambda s: AUDIT_FILTER | {"page": "1"}),
    "merchants:audit_export": Case(query=lambda s: AUDIT_FILTER),
    "merchants:privacy": Case(
        form=lambda s: {
            "staff_idle_minutes": "60",
            "payer_idle_days": "7",
            "keeps_unproved_days": "30",
            "keeps_device_months": "24",
            "keeps_audit_months": "24",
        }
    ),
    "merchants:end_sessions": Case(form=nothing, path=lambda s: {"user_ref": s.tenant.user.reference}),
    # ---- connections ----
    "connections:connect": Case(form=lambda s: {"provider": "xero"}),
    "connections:verify": Case(form=nothing),
    "connections:disconnect": Case(form=nothing),
    "connections:disconnect_all": Case(form=nothing),
    "connections:choose": Case(
        form=lambda s: {"organisation": s.organisation}, path=lambda s: {"reference": s.authorisation.reference}
    ),
    "connections:callback": Case(
        query=lambda s: {"state": "none", "code": "none", "realmId": "1", "error": ""}, free=("state", "code")
    ),
    # ---- payers ----
    "payers:start_seeing": Case(form=lambda s: {"reason": "Asked on the phone"}, is_quiet=True),
    "payers:stop_seeing": Case(form=nothing),
    "payers:my_details": Case(who="payer", form=lambda s: DETAILS),
    "payers:my_notifications": Case(who="payer", form=lambda s: {"events": "bank_debit_failed"}),
    "payers:download_data": Case(who="payer", form=nothing),
    "payers:erase_data": Case(who="payer", form=lambda s: {"confirm": "on"}),
    "payers:end_sessions": Case(form=nothing),
    "payer_admin:list": Case(query=lambda s: {"q": "harbour", "show": "expired", "page": "1"}),
    "payer_admin:add": Case(
        form=lambda s: {
            "q": "New Dental",
            "contact_id": f"fresh-{s.mark}",
            "email": f"fresh-{s.mark}@harbourdental.example",
            "name": "Ada Lind",
            "then": "list",
        },
        free=("contact_id", "email"),
    ),
    # `payer` only says which page to go back to.
    "payer_admin:rename": Case(
        form=lambda s: {"name": "Harbour Dental", "payer": s.access.user.reference}, free=("payer",)
    ),
    "payer_admin:add_company": Case(
        form=lambda s: {"q": "Second Dental", "contact_id": f"second-{s.mark}"}, free=("contact_id",)
    ),
    "payer_admin:scope": Case(form=lambda s: {"scope": "own"}),
    "payer_admin:resend": Case(form=nothing, path=lambda s: {"access_ref": s.invited.reference}),
    "payer_admin:remove": Case(form=lambda s: {"shown": ""}),
    # ---- payments: the console ----
    "payments:gateway": Case(
        form=lambda s: {
            "publishable_key": s.tenant.stripe_key.replace("sk_", "pk_"),
            "secret_key": s.tenant.stripe_key,
            "webhook_secret": "whsec_practice0secret",
            "act": "",
        },
        free=("publishable_key", "secret_key"),
    ),
    "payments:change_account": Case(form=build_account_change, path=other_account),
    "payments:resume": Case(form=nothing),
    "payments:refund": Case(
        form=lambda s: {"amount": "1.00", "reason": "Too much", "key": "0" * 20, "step": "order"}, path=paid
    ),
    # ---- payments: the portal ----
    "payments:past": Case(who="payer", query=pages("page")),
    "payments:search": Case(who="payer", query=lambda s: SEARCH | {"company": "", "merchant": ""}),
    "payments:export": Case(who="payer", query=lambda s: SEARCH | {"company": "", "merchant": ""}),
    "payments:create_method": Case(
        who="payer",
        form=lambda s: {
            "company": s.company.reference,
            "method": "card",
            "confirmation_token": s.tenant.confirmation_token("4242424242424242"),
            "shares": "on",
            "accepted_terms": get_saving_terms(s.merchant, "card"),
        },
        free=("confirmation_token",),
    ),
    "payments:add_method": Case(who="payer", query=lambda s: {"kind": "card", "company": s.company.reference}),
    "payments:check_method": Case(who="payer", form=nothing),
    "payments:stop_method": Case(who="payer", form=nothing),
    "payments:default_method": Case(who="payer", form=nothing),
    "payments:share_method": Case(who="payer", form=lambda s: {"shared": "1"}),
    "payments:remove_method": Case(who="payer", form=lambda s: {"shown": ""}),
    # ---- Pay Now ----
    "payments:pay": Case(who="nobody", query=lambda s: {"from": "portal"}),
    "payments:register": Case(
        who="nobody",
        form=lambda s: {
            "name": "Ada Lind",
            "email": f"registers-{s.mark}@harbourdental.example",
            "phone": "02 5550 1234",
            "accepted_terms": s.terms(Kind.USER_ACCOUNT),
        },
        free=("email",),
    ),
    "payments:create_attempt": Case(who="nobody", form=pay_form, free=("confirmation_token",)),
    "payments:guest_receipt": Case(
        who="nobody",
        query=lambda s: {"key": SIGNER.sign(s.paid.payment.reference)},
        path=lambda s: {"reference": s.paid.payment.reference},
        is_quiet=True,
    ),
    "payments:check_attempt": Case(who="nobody", form=nothing, path=paid),
    "payments:stop_attempt": Case(who="nobody", form=nothing, path=paid),
    "payments:create_setup": Case(
        who="registered",
        form=setup_form,
        path=lambda s: {"reference": s.saving.payment.reference},
        free=("confirmation_token",),
    ),
    "payments:check_setup": Case(who="nobody", form=nothing, path=setup_path),
    "payments:stop_setup": Case(who="nobody", form=nothing, path=setup_path),
    # ---- the books ----
    "accounting:accounts": Case(form=accounts_form, free=("tax_code",)),
    "accounting:read_lists": Case(form=nothing),
    "accounting:retry": Case(form=nothing),
    "accounting:finish_task": Case(
        form=lambda s: {"note": "Entered by hand."}, path=lambda s: {"reference": s.task.reference}
    ),
    "accounting:reopen_task": Case(form=nothing, path=lambda s: {"reference": s.task.reference}),
    "accounting:decide": Case(
        form=lambda s: {"act": "invoice", "invoice": s.invoice.reference},
        path=lambda s: {"reference": s.task.reference},
    ),
    "accounting:download": Case(form=nothing),
    "accounting:payer_download": Case(who="payer", form=nothing),
    "accounting:suggest_contacts": Case(query=lambda s: {"q": "harbour"}),
    "accounting:companies": Case(query=lambda s: {"q": "harbour", "page": "1"}),
    "accounting:company_contact": Case(
        query=lambda s: {"q": "harbour", "contact_id": f"contact-{s.mark}"},
        form=lambda s: {"contact_id": f"contact-{s.mark}"},
        free=("contact_id",),
    ),
    "accounting:remove_contact": Case(form=lambda s: {"contact_id": f"contact-{s.mark}"}, free=("contact_id",)),
    "accounting:undo_contact": Case(form=lambda s: {"change": s.company.contact_changes.latest("pk").reference}),
    "accounting:credit_threshold": Case(form=lambda s: {"threshold": "90"}),
    "accounting:decide_credit": Case(
        form=lambda s: {"act": "dismiss"}, path=lambda s: {"reference": s.match.reference}
    ),
    "accounting:invoice_credits": Case(path=of_invoice),
    "accounting:use_credit": Case(form=lambda s: {"note": s.match.note.number}, path=of_invoice),
    "accounting:payment_sync": Case(form=lambda s: {"since": "2026-11-01"}, query=pages("page")),
    "reconciliation:overview": Case(query=lambda s: {"month": "2026-11"}),
    "reconciliation:accounts": Case(query=lambda s: {"month": "2026-11"}),
    "reconciliation:export": Case(query=lambda s: {"month": "2026-11"}),
    "reconciliation:read": Case(form=nothing),
    "reconciliation:take_back": Case(form=lambda s: {"back": "day"}),
    "reconciliation:acknowledge": Case(form=lambda s: {"shown": s.signed_difference, "reason": "Known", "back": "day"}),
    # ---- invoices ----
    "payer_books:outstanding": Case(who="payer", query=pages("page")),
    "payer_books:batch": Case(
        who="payer",
        form=batch_form,
        query=lambda s: {"company": s.company.reference, "currency": "AUD", "invoice": s.invoice.reference},
    ),
    "payer_books:pay_invoice": Case(who="payer", form=lambda s: {"amount": "1.00", "confirmed": "on"}, path=of_invoice),
    "payer_books:notes": Case(who="payer", query=lambda s: {"of": s.attempt.reference}),
    # ---- automatic payments ----
    "autopay:calendar": Case(query=lambda s: {"month": "2026-11"}),
    "autopay:failures": Case(query=pages("page")),
    "autopay:unmatched": Case(query=pages("page")),
    "autopay:accept": Case(
        form=lambda s: {"term": s.unused_term.reference, "confirmed": "on", "includes_older": "on"},
        path=lambda s: {"mapping_ref": s.proposal.reference},
    ),
    "autopay:dismiss": Case(form=nothing, path=lambda s: {"mapping_ref": s.proposal.reference}),
    "autopay:queue": Case(form=nothing),
    "autopay:check": Case(form=nothing),
    "autopay:cancel": Case(form=nothing),
    "autopay:requeue": Case(form=nothing, path=of_failed),
    "autopay:reopen": Case(form=nothing, path=of_failed),
    "autopay:resolve": Case(form=lambda s: {"note": "Paid in cash"}, path=of_failed),
    "autopay:settings": Case(
        form=lambda s: {
            "is_enabled": "on",
            "processing_delay_hours": "1",
            "maximum_retries": "3",
            "schedules_past_due": "on",
            "maximum_days_past_due": "30",
            "notice_days": "3",
            "from_quotes": "propose",
            "minimum_AUD": "1.00",
            "maximum_AUD": "999.00",
        }
    ),
    "autopay:refresh_terms": Case(form=nothing),
    "autopay:add_term": Case(form=lambda s: TERM | {"covers": s.theme.pk}),
    "autopay:term": Case(form=lambda s: TERM | {"covers": s.theme.pk}),
    "autopay:remove_term": Case(form=nothing),
    "autopay:company": Case(
        form=lambda s: {
            "terms": s.unused_term.reference,
            "primary": s.card.pk,
            "secondary": s.other_card.pk,
        }
    ),
    "autopay:end_mapping": Case(form=nothing),
    "autopay:my_mappings": Case(
        who="payer",
        form=lambda s: {
            "company": s.company.reference,
            "terms": "all",
            "primary": s.card.pk,
            "secondary": s.other_card.pk,
            "includes_older": "",
            "accepted_terms": s.terms(Kind.AUTOMATIC_PAYMENTS),
        },
    ),
    "autopay:my_answer": Case(
        who="payer",
        form=lambda s: {"answer": "accept", "includes_older": "", "accepted_terms": s.terms(Kind.AUTOMATIC_PAYMENTS)},
        path=lambda s: {"mapping_ref": s.invitation.reference},
    ),
    "autopay:my_remove": Case(who="payer", form=nothing),
    "autopay:my_scheduled": Case(who="payer", query=pages("page")),
    "autopay:my_check": Case(who="payer", form=nothing),
    "quotes:integration": Case(
        form=lambda s: {"is_enabled": "on", "hosts": "na1.orderporter.com", "act": "save", "new_key": "0"},
        query=lambda s: {"act": ""},
    ),
    **{name: Case(form=give(form)) for name, form in CPQ_FORMS.items()},
    "quotes:open_link": Case(who="nobody", query=lambda s: {"k": PASSCODE, "n": "1042", "v": "1", "a": "625.00"}),
    "quotes:settle_company": Case(form=give({"act": "keep"}), path=of_mismatch),
}
ACCOUNT_CASES: dict[str, Case] = {
    "account_login": Case(
        who="nobody",
        form=lambda s: {"login": s.tenant.user.email, "password": PASSWORD, "remember": "on"},
        free=("login",),
    ),
    "account_reset_password": Case(who="nobody", form=lambda s: {"email": s.tenant.user.email}, free=("email",)),
    "account_confirm_login_code": Case(who="signing in", form=lambda s: {"code": "123456", "action": ""}),
    "account_reauthenticate": Case(form=lambda s: {"password": PASSWORD}),
    "account_change_password": Case(
        form=lambda s: {"oldpassword": PASSWORD, "password1": "violet-harbour-9", "password2": "violet-harbour-9"}
    ),
    "account_email": Case(
        form=lambda s: {"email": f"new-{s.mark}@northwind-it.example", "action_add": "1"},
        free=("email",),
        is_quiet=True,
    ),
    "account_logout": Case(form=nothing),
    "own_name": Case(form=lambda s: {"name": "Ada Payer"}, free=("name",)),
    "two_factor_offer": Case(query=lambda s: {"next": "/"}),
    "mfa_authenticate": Case(who="nobody", form=lambda s: {"code": "123456"}),
    "mfa_reauthenticate": Case(who="enrolled", form=lambda s: {"code": "123456"}),
    "mfa_activate_totp": Case(form=lambda s: {"code": "123456"}),
    "mfa_deactivate_totp": Case(who="enrolled", form=nothing),
    "mfa_generate_recovery_codes": Case(who="enrolled", form=nothing),
    "mfa_add_webauthn": Case(form=lambda s: {"name": "Key", "passwordless": "on", "credential": "{}"}),
    "mfa_reauthenticate_webauthn": Case(form=lambda s: {"credential": "{}"}),
    "mfa_edit_webauthn": Case(form=lambda s: {"name": "Key"}, path=lambda s: {"pk": str(s.passkey.pk)}),
    "mfa_remove_webauthn": Case(form=nothing, path=lambda s: {"pk": str(s.passkey.pk)}),
    "mfa_login_webauthn": Case(who="nobody", form=lambda s: {"credential": "{}"}),
    "usersessions_list": Case(form=nothing),
    "socialaccount_connections": Case(form=lambda s: {"account": "1"}),
    "payers:welcome_details": Case(
        who="newcomer", form=lambda s: DETAILS | {"agree": "on", "terms": "1", "about": "x", "next": "/"}
    ),
    "payers:welcome_registrations": Case(
        who="payer", form=lambda s: {"registration": "none", "answer": "keep", "shown": "none"}, is_quiet=True
    ),
    "payers:welcome_again": Case(who="nobody", form=nothing),
    "payers:welcome_switch": Case(who="nobody", form=nothing),
    "payers:welcome_password": Case(who="nobody", form=nothing),
}
