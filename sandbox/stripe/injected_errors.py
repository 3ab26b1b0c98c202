"""Injected 500s are saved under the idempotency key, as at Stripe."""

from __future__ import annotations

from sandbox.core.service import FaultedCall
from sandbox.core.world import World
from sandbox.stripe import idempotency
from sandbox.stripe.accounts import get_or_create_account
from sandbox.stripe.errors import StripeApiError


def record_injected_error(world: World, refused: FaultedCall) -> None:
    """Save an internal error as the key's first answer, as the vendor does; other errors are not saved."""
    key = refused.headers.get("idempotency-key")
    bearer = refused.headers.get("authorization", "").removeprefix("Bearer ")
    if refused.status != 500 or refused.method != "POST" or not key:
        return
    try:
        account, _ = get_or_create_account(world, bearer)
        mark = idempotency.build_fingerprint(refused.method, refused.url_path, refused.body)
        if idempotency.start_call(account, key, mark) is None:
            idempotency.record_answer(account, key, 500, refused.answer, world.id("req", 14))
    except StripeApiError:
        return
