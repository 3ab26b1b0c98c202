"""One call of the API, as an operation sees it, and small things that many operations do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]


@dataclass
class StripeCall:
    """A checked call: typed `params`, the `path` variables, and whether a browser makes it.

    `seen_from` is the caller's IP address and user agent.
    """

    account: StripeAccount
    params: Obj
    path: dict[str, str] = field(default_factory=dict)
    browser: bool = False
    client_secret: str | None = None
    client_address: tuple[str | None, str | None] = (None, None)


def merge_metadata(item: Obj, given: Any) -> None:
    """Stripe's rule for metadata: an empty value removes its key, an empty whole removes all."""
    if given is None:
        return
    if given == "":
        item["metadata"] = {}
        return
    merged = {key: value for key, value in {**item["metadata"], **given}.items() if value != ""}
    if len(merged) > 50:
        raise StripeApiError("Metadata can have at most 50 keys.", param="metadata")
    for key, value in merged.items():
        if len(key) > 40 or len(value) > 500:
            raise StripeApiError(
                f"Metadata keys hold 40 characters and values 500: {key[:40]} is too long.",
                param=f"metadata[{key[:40]}]",
            )
    item["metadata"] = merged


def copy_params(item: Obj, params: Obj, fields: tuple[str, ...]) -> None:
    """Copy the plain fields that are given; an empty string unsets."""
    for name in fields:
        if name in params:
            item[name] = params[name] if params[name] != "" else None
