"""Every reason that Stripe publishes for a debit that came back: what becomes of the saved account, and what is said.

Vendor pages: docs.stripe.com/declines/network-codes, /declines/codes, /payments/ach-direct-debit, /sepa-debit,
/bacs-debit, /au-becs-debit; the words of older API versions beside those of newer ones.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounting.autopay.retries import get_failure_kind
from payments.errors import GENERAL_DEBIT_FAILURE, explain_failure
from payments.failure_codes import CARD_ENDED, CARD_EXPIRED, PERMANENT_FAILURES
from payments.reversals.return_rates import ADMINISTRATIVE, UNAUTHORISED
from payments.saved_methods.services import sync_saved_method
from sandbox.harness.sandbox_process import SandboxProcess
from sandbox.stripe.payment_methods.banks import FAILURE_MESSAGES, RETURNS
from tests.payments.signed_in_payer import USD, SignedInPayer
from tests.tenants import Checkout, Tenant
from wisepay.clock import now

# What is over another time: the account stays, and the payer may use it again.
PASSING = {
    "insufficient_funds", "refer_to_customer", "generic_could_not_process", "could_not_process",
    "charge_exceeds_source_limit",
}  # fmt: skip
WORDS = {
    "account_closed": "account is closed",
    "bank_account_closed": "account is closed",
    "no_account": "could not find this account",
    "invalid_account_number": "could not find this account",
    "bank_account_invalid_details": "could not find this account",
    "branch_does_not_exist": "could not find this account",
    "incorrect_account_holder_name": "name",
    "debit_not_authorized": "not authorised",
    "authorization_revoked": "not authorised",
    "debit_authorization_not_match": "not authorised",
    "debit_disputed": "not authorised",
    "bank_account_restricted": "does not allow debits",
    "bank_account_frozen": "does not allow debits",
    "bank_account_unusable": "does not allow debits",
    "sepa_unsupported_account": "does not allow debits",
    "tokenized_account_number_deactivated": "does not allow debits",
    "recipient_deceased": "does not allow debits",
    "bank_ownership_changed": "another owner",
    "payment_intent_mandate_invalid": "permission to debit",
    "insufficient_funds": "not enough money",
}


def save_and_bounce(
    tenant: Tenant, payer: SignedInPayer, deliver: Callable[..., int], code: str, *, as_decline_code: bool
) -> Checkout:
    """A quote that a bank account was saved with, whose debit came back."""
    quote = tenant.open_checkout(**USD)
    payer.grant_access(quote.payment)
    assert payer.pay_by_bank(quote, saves=True).json()["status"] == "settling"
    deliver()
    intent = quote.attempts[0].stripe_payment_intent_id
    tenant.act_at_stripe("bounce", intent, code=code, as_decline_code=as_decline_code)
    deliver(at=now() + timedelta(hours=2))
    return quote


@pytest.mark.parametrize("as_decline_code", [False, True], ids=["code", "decline_code"])
@pytest.mark.parametrize("code", FAILURE_MESSAGES)
def test_a_return_for_good_ends_the_saved_account_and_a_passing_one_does_not(
    tenant: Tenant, deliver: Callable[..., int], code: str, as_decline_code: bool
) -> None:
    payer = SignedInPayer(tenant)
    quote = save_and_bounce(tenant, payer, deliver, code, as_decline_code=as_decline_code)
    [attempt], [method] = quote.attempts, payer.methods
    assert (attempt.state, attempt.failure_code, quote.payment.state) == ("failed", code, "open")
    assert method.state == ("active" if code in PASSING else "invalid"), code
    said = explain_failure(code, is_debit=True)
    assert WORDS.get(code, GENERAL_DEBIT_FAILURE) in said
    assert said in payer.client.get(quote.path).content.decode().replace("&#x27;", "'")
    again = payer.pay(tenant.open_checkout(**USD), saved_method=method.reference).json()
    assert again.get("code") == (None if code in PASSING else "method_unusable")


def test_every_published_reason_is_in_one_of_the_two_lists() -> None:
    assert {code for code in FAILURE_MESSAGES if code not in PERMANENT_FAILURES} == PASSING


@pytest.mark.parametrize("code", sorted(PERMANENT_FAILURES))
def test_what_ends_a_method_is_never_charged_again_automatically(code: str) -> None:
    assert get_failure_kind(code, is_debit=code not in CARD_ENDED | CARD_EXPIRED) == "hard"
    assert get_failure_kind(code, is_debit=False) == "hard"


@pytest.mark.parametrize("code", RETURNS)
def test_returns_count_where_nacha_counts_their_code(code: str) -> None:
    """R05, R07, R10, R11, R29 are not authorised; R02, R03, R04 are administrative."""
    kind = {"bank_account_closed": "R02", "account_closed": "R02", "no_account": "R03"}
    assert (code in UNAUTHORISED) == (code == "debit_not_authorized")
    assert (code in ADMINISTRATIVE) == (code in kind or code == "bank_account_invalid_details")


def test_an_account_that_stripe_blocks_is_ended_whatever_the_code_was(
    tenant: Tenant, world: SandboxProcess, deliver: Callable[..., int]
) -> None:
    """A code of the future, but the method says that it is blocked (`status_details.blocked`)."""
    payer = SignedInPayer(tenant)
    quote = tenant.open_checkout(**USD)
    payer.grant_access(quote.payment)
    payer.pay_by_bank(quote, saves=True)
    deliver()
    [method] = payer.methods
    blocked = {"blocked": {"network_code": "R16", "reason": "bank_account_frozen"}}
    with world.inject_fault(
        "stripe", "mutate", field="us_bank_account.status_details", value=blocked, path="/v1/payment_methods/*"
    ):
        sync_saved_method(method.account, method.stripe_payment_method_id, now=now())
    assert [(one.state, one.last_failure) for one in payer.methods] == [("invalid", "bank_account_frozen")]
