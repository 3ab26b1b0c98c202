"""Good forms and queries that several pages take."""

from typing import Any

from payments.gateway_accounts import count_open_at

DETAILS = {
    "name": "Ada Lind",
    "phone": "+61 2 5550 9876",
    "job_title": "Accounts",
    "line1": "1 Quay Street",
    "line2": "Level 3",
    "city": "Sydney",
    "state": "NSW",
    "postal_code": "2000",
    "country": "AU",
}
TERM = {
    "name": "Net 30",
    "description": "A month",
    "processing": "scheduled",
    "mode": "due_date",
    "days": "0",
    "keyword": "monthly",
    "takes_cards": "on",
    "takes_debits": "on",
}
AUDIT_FILTER = {"first": "2026-11-01", "last": "2026-11-30", "q": "saved", "kind": "", "person": ""}
CPQ_FORMS: dict[str, dict[str, str]] = {
    "quotes:cpq": dict.fromkeys(("access_key", "public_key", "private_key"), "practice0key"),
    "quotes:check_cpq": {},
    "quotes:cpq_settings": {"is_enabled": "", "link_form": "passcode", "order_porter_url": ""},
    "quotes:test_link": {"link": "x" * 32},
    "quotes:confirm_link": {"number": "1042", "due": "A$625.00"},
    "quotes:cpq_word": {"kind": "currency", "word": "a$", "meaning": "AUD"},
}
SEARCH = {
    "q": "managed",
    "amount": "625",
    "at_least": "1",
    "at_most": "9999",
    "status": "paid",
    "method": "card",
    "since": "2026-01-01",
    "until": "2026-12-31",
    "sort": "-amount",
    "page": "1",
}


def build_account_change(scene: Any) -> dict[str, str]:
    """The tick and the numbers of the page that changes the gateway account."""
    return {"shown": count_open_at(scene.merchant.gateway_account).digest, "is_understood": "1"}


def of_invoice(scene: Any) -> dict[str, str]:
    """The path of an invoice."""
    return {"reference": scene.invoice.reference}


def of_failed(scene: Any) -> dict[str, str]:
    """The path of an automatic payment that failed."""
    return {"scheduled_ref": scene.failed.reference}


def other_account(scene: Any) -> dict[str, str]:
    """The path of an account that takes no payments, made on first sight."""
    keys = dict.fromkeys(("publishable_key", "secret_key", "webhook_secret"), "pk_test_other0account")
    account, _ = scene.merchant.gateway_accounts.get_or_create(stripe_account_id=f"acct_{scene.mark}", defaults=keys)
    return {"account_id": account.stripe_account_id, "mode": account.mode}


def setup_path(scene: Any) -> dict[str, str]:
    """The path of a setup of a quote that only recurs."""
    return {"reference": scene.saving.payment.reference, "operation_ref": scene.setup.reference}
