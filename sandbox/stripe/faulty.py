"""What an ordered 500 leaves behind: Stripe remembers it under the idempotency key."""

from __future__ import annotations

from sandbox.service import Refused
from sandbox.stripe import idempotency
from sandbox.stripe.accounts import account_for
from sandbox.stripe.errors import ApiError
from sandbox.world import World


def remember(world: World, refused: Refused) -> None:
    """Keep an internal error as the key's first answer, as the vendor does; other refusals pass."""
    key = refused.headers.get("idempotency-key")
    bearer = refused.headers.get("authorization", "").removeprefix("Bearer ")
    if refused.status != 500 or refused.method != "POST" or not key:
        return
    try:
        account, _ = account_for(world, bearer)
        mark = idempotency.fingerprint(refused.method, refused.url_path, refused.body)
        if idempotency.begin(account, key, mark) is None:
            idempotency.finish(account, key, 500, refused.answer, world.id("req", 14))
    except ApiError:
        return
