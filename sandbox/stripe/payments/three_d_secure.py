"""3-D Secure: when the bank authenticates the payer, and where it sends them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.payment_methods import cards

Obj = dict[str, Any]


def needs_challenge(account: StripeAccount, behaviour: cards.CardBehaviour, method: Obj, options: Obj) -> bool:
    """Whether the card's bank authenticates the payer before it decides."""
    if options.get("authenticated"):
        return False
    if behaviour.challenge == "unless_saved":
        return not (options.get("off_session") and account.private_data(method["id"]).get("saved"))
    return behaviour.challenge == "always"


def get_challenge_url(account: StripeAccount, intent: Obj, **more: str) -> str:
    """The page with the bank's question."""
    query = {"key": account.publishable_key, "client_secret": intent["client_secret"], **more}
    return f"{account.world.url}/stripe/3ds/{intent['id']}?{urlencode(query)}"


def build_next_action(account: StripeAccount, intent: Obj) -> Obj:
    """What the intent asks of the payer: a frame that stripe.js opens, or a page to go to."""
    options = account.private_data(intent["id"])
    if options.get("use_stripe_sdk"):
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "source": account.world.id("src"),
                "stripe_js": get_challenge_url(account, intent),
                "type": "three_d_secure_redirect",
            },
        }
    back = options.get("return_url")
    redirect = {"return_url": back, "url": get_challenge_url(account, intent, redirect="1")}
    return {"redirect_to_url": redirect, "type": "redirect_to_url"}


def get_return_url(account: StripeAccount, intent: Obj) -> str | None:
    """The shop's page, with what Stripe adds to its query."""
    back = account.private_data(intent["id"]).get("return_url")
    if not back:
        return None
    kind = intent["object"]
    status = "succeeded" if intent["status"] in ("succeeded", "processing", "requires_capture") else "failed"
    split = urlsplit(str(back))
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    query |= {kind: intent["id"], f"{kind}_client_secret": intent["client_secret"]}
    return urlunsplit(split._replace(query=urlencode({**query, "redirect_status": status})))
