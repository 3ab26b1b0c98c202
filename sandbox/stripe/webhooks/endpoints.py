"""Webhook endpoints: which address receives which events."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.stripe import shapes_customers
from sandbox.stripe.calls import StripeCall, copy_params, merge_metadata
from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]
MAX_ENDPOINTS = 16


def create(call: StripeCall) -> Obj:
    """POST /v1/webhook_endpoints; the only answer that holds the secret."""
    account, given = call.account, call.params
    check_url(given["url"])
    if not given["enabled_events"]:
        raise StripeApiError("enabled_events needs at least one event.", param="enabled_events")
    if len(account.table("webhook_endpoint")) >= MAX_ENDPOINTS:
        raise StripeApiError(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.", param="url")
    endpoint = shapes_customers.build_webhook_endpoint(
        account.world.id("we"), account.now(), given["url"], given["enabled_events"]
    )
    copy_params(endpoint, given, ("description", "api_version"))
    merge_metadata(endpoint, given.get("metadata"))
    secret = account.world.id("whsec", 32)
    account.private_data(endpoint["id"])["secret"] = secret
    return {**account.add(endpoint), "secret": secret}


def check_url(url: str) -> None:
    """Raise unless the sandbox could call this address."""
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise StripeApiError("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/webhook_endpoints/{id}."""
    return call.account.find("webhook_endpoint", call.path["id"])


def update(call: StripeCall) -> Obj:
    """POST /v1/webhook_endpoints/{id}."""
    endpoint, given = retrieve(call), call.params
    if "url" in given:
        check_url(given["url"])
    copy_params(endpoint, given, ("url", "enabled_events", "description"))
    merge_metadata(endpoint, given.get("metadata"))
    if "disabled" in given:
        endpoint["status"] = "disabled" if given["disabled"] else "enabled"
    return endpoint


def delete(call: StripeCall) -> Obj:
    """DELETE /v1/webhook_endpoints/{id}."""
    endpoint = retrieve(call)
    del call.account.table("webhook_endpoint")[endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}
