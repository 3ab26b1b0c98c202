"""Good forms and queries that several pages take."""

from collections.abc import Callable
from typing import Any

from payments.gateway_accounts import count_open_at
from quotes.models import CpqWord
from tests.quotes.api_helpers import create_mismatch
from tests.quotes.link_helpers import LinkedQuote, connect_cpq

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
PASSCODE = "0123456789abcdef0123456789abcdef"
CPQ_FORMS: dict[str, dict[str, str]] = {
    "quotes:cpq": {"access_key": "practice", "public_key": "public0key", "private_key": "private0key"},
    "quotes:check_cpq": {},
    "quotes:disconnect_cpq": {},
    "quotes:cpq_settings": {
        "is_enabled": "",
        "is_polled": "",
        "mails_links": "",
        "status_field": "",
        "date_field": "",
        "link_form": "passcode",
        "order_porter_url": "",
    },
    "quotes:test_link": {"link": PASSCODE},
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


def of_mismatch(scene: Any) -> dict[str, str]:
    """The path of an id and a name that contradict each other."""
    return {"mismatch_ref": create_mismatch(scene.company).reference}


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


def connect_practice_cpq(scene: Any) -> None:
    """Keys of CPQ, a quote whose link was tested, and a word that nobody has said the meaning of."""
    connection = connect_cpq(scene.tenant, is_trial=True)
    LinkedQuote.create(scene.tenant, passcode=PASSCODE if scene.mark == "ours" else PASSCODE[::-1])
    connection.shown = {"number": 1042, "due": "A$625.00"}
    connection.save()
    word = {"kind": "currency", "word": "a$", "quote_number": 1042}
    CpqWord.objects.create(merchant=scene.merchant, seen_at=scene.now, **word)


def nothing(scene: Any) -> dict[str, Any]:
    """A form without fields."""
    return {}


def give(form: dict[str, str]) -> Callable[[Any], dict[str, Any]]:
    """A form that is the same at every merchant."""
    return lambda scene: dict(form)
