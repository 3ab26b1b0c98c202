"""What the gateway asks of a payer: how long each next action may take, its words, and where the payer does it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.models import GatewayOperation

CHALLENGE = "challenge"
type LazyText = Any  # of gettext: translated when it is shown


@dataclass(frozen=True, slots=True)
class NextAction:
    """One kind of next action. It is given up `lasts` after it was asked for, or `grace` after its own deadline.

    `title`, `text` and `button` are the payer's; `is_slow` ones take days, so that the payer gets a mail with them.
    """

    title: LazyText
    text: LazyText
    button: LazyText
    lasts: timedelta
    grace: timedelta = timedelta(0)
    is_slow: bool = False


# A voucher's money is told to Stripe some bank days after the last day on which it may be paid.
VOUCHER = NextAction(
    _("Pay with your voucher"),
    _("The voucher says where and until when it can be paid. Nothing is paid before that; it can take some working "
      "days until we hear of it. You can close this page: we write to you when it is paid."),
    _("Show the voucher"),
    lasts=timedelta(days=30),
    grace=timedelta(days=5),
    is_slow=True,
)  # fmt: skip
BANK_PAGE = NextAction(
    _("Continue on your bank's page"),
    _("Your bank's page opens. Nothing is charged before you agree there."),
    _("Continue with your bank"),
    lasts=timedelta(days=1),
)
ON_PHONE = NextAction(
    _("Agree in your bank's app"),
    _("Scan the code, or open your bank's app, and agree there. Nothing is charged before you do."),
    _("Show the code"),
    lasts=timedelta(days=1),
)
# The kinds of docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action.
NEXT_ACTIONS: dict[str, NextAction] = {
    CHALLENGE: NextAction(
        _("Your bank wants to confirm that it is you"),
        _("Nothing is charged before you confirm."),
        _("Continue with your bank"),
        lasts=timedelta(minutes=30),
    ),
    "verify_with_microdeposits": NextAction(
        _("Confirm your bank account"),
        _("In one or two working days a small amount with a code arrives in your bank account. Type that code or "
          "amount on Stripe's page. Nothing else is taken before that. You can close this page: the same link is in "
          "the e-mail that we sent you."),
        _("Type the code"),
        lasts=timedelta(days=10),
        grace=timedelta(days=10),
        is_slow=True,
    ),
    "display_bank_transfer_instructions": NextAction(
        _("Transfer the amount from your bank"),
        _("Stripe's page says to which account, and with which reference. It can take some working days until we hear "
          "of it. You can close this page: we write to you when it is paid."),
        _("Show where to transfer it"),
        lasts=timedelta(days=30),
        is_slow=True,
    ),
    **dict.fromkeys(
        ("boleto_display_details", "oxxo_display_details", "konbini_display_details", "multibanco_display_details"),
        VOUCHER,
    ),
    **dict.fromkeys(("redirect_to_url", "alipay_handle_redirect", "wechat_pay_redirect_to_android_app"), BANK_PAGE),
    **dict.fromkeys(
        (
            "blik_authorize",
            "cashapp_handle_redirect_or_display_qr_code",
            "paynow_display_qr_code",
            "pix_display_qr_code",
            "promptpay_display_qr_code",
            "swish_handle_redirect_or_display_qr_code",
            "upi_handle_redirect_or_display_qr_code",
            "wechat_pay_display_qr_code",
            "wechat_pay_redirect_to_ios_app",
        ),
        ON_PHONE,
    ),
}  # fmt: skip
# One that Stripe adds after us: nobody knows how long it takes, so it is not cut short.
UNKNOWN = NextAction(
    _("One more step is needed"),
    _("Stripe's page says what is left to do. Nothing is charged before that."),
    _("Continue"),
    lasts=timedelta(days=10),
    is_slow=True,
)


def find_next_action(operation: GatewayOperation | None) -> NextAction | None:
    """What the payer is asked to do; None while nothing is."""
    return get_next_action(operation) if operation is not None and operation.state == "requires_action" else None


def get_next_action(operation: GatewayOperation) -> NextAction:
    """The next action that an operation waits for."""
    return NEXT_ACTIONS.get(operation.next_action or CHALLENGE, UNKNOWN)


def is_given_up(operation: GatewayOperation, *, now: datetime) -> bool:
    """Whether the payer has had all the time that the next action takes, so that it can be cancelled."""
    action = get_next_action(operation)
    if operation.action_expires_at is not None:
        return now > operation.action_expires_at + action.grace
    return now > (operation.action_asked_at or operation.created_at) + action.lasts
