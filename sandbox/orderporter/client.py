"""The call from Order Porter's server to Wise-Pay that opens a checkout."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

TIMEOUT = (5, 25)
MAX_ATTEMPTS = 2


@dataclass(frozen=True)
class OpenedCheckout:
    """A checkout that Wise-Pay opened, or had opened before."""

    id: str
    status: str
    url: str


class CheckoutRefused(Exception):
    """Wise-Pay refused the checkout, or answered nothing usable; carries what the page shows."""

    def __init__(self, title: str, detail: str = "", errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.errors = errors or []


def open_checkout(wisepay_url: str, api_key: str, body: dict[str, Any]) -> OpenedCheckout:
    """Open the checkout for one quote; raises `Refused`. Blocks: call it in a thread.

    A broken connection is tried once more with the same idempotency key.
    """
    headers = {"X-API-Key": api_key, "Idempotency-Key": str(uuid.uuid4())}
    url = f"{wisepay_url.rstrip('/')}/api/cpq/v1/checkouts"
    with requests.Session() as session:
        session.trust_env = False
        for remaining_tries in reversed(range(MAX_ATTEMPTS)):
            try:
                answer = session.post(url, json=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
                break
            except requests.RequestException as error:
                if not remaining_tries:
                    raise CheckoutRefused(
                        "Wise-Pay could not be reached", f"{type(error).__name__} at {url}"
                    ) from error
    return _read(answer)


def read_checkout(wisepay_url: str, api_key: str, checkout_id: str) -> dict[str, Any] | None:
    """The checkout as Wise-Pay describes it now, or None when it can't be had. Blocks."""
    url = f"{wisepay_url.rstrip('/')}/api/cpq/v1/checkouts/{quote(checkout_id, safe='')}"
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, headers={"X-API-Key": api_key}, timeout=TIMEOUT, allow_redirects=False)
            content = answer.json()
        except requests.RequestException:
            return None
    described = answer.status_code == 200 and isinstance(content, dict) and "quote" in content
    return content if described else None


def _read(answer: requests.Response) -> OpenedCheckout:
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    if answer.status_code not in (200, 201):
        raise _refusal(answer, content)
    opened = OpenedCheckout(str(content.get("id")), str(content.get("status")), str(content.get("url")))
    if not opened.url.startswith(("https://", "http://")):
        raise CheckoutRefused("Wise-Pay gave no address to pay at", f"Status {answer.status_code}")
    return opened


def _refusal(answer: requests.Response, problem: dict[str, Any]) -> CheckoutRefused:
    detail = str(problem.get("detail") or f"Status {answer.status_code} {answer.reason}")
    if "Retry-After" in answer.headers:
        detail += f" Try again in {answer.headers['Retry-After']} seconds."
    errors = [
        {"field": str(error.get("field", "")), "message": str(error.get("message", ""))}
        for error in problem.get("errors") or []
        if isinstance(error, dict)
    ]
    return CheckoutRefused(str(problem.get("title") or "Wise-Pay refused the payment"), detail, errors)
