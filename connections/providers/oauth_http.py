"""HTTP requests to the providers' OAuth endpoints: sent once, within our time limits, and their errors."""

from typing import Any, NoReturn

import requests
from django.conf import settings

from connections.providers import InvalidGrant
from wisepay import clock
from wisepay.budgets import count_vendor_call
from wisepay.errors import Unavailable
from wisepay.http import parse_retry_after


def send_request(label: str, method: str, url: str, *, token: str = "", **kwargs: Any) -> requests.Response:
    """Send one HTTP request, without retries and redirects. Raises Unavailable for time-outs, 429 and 5xx."""
    count_vendor_call()
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = requests.request(
            method, url, headers=headers, timeout=settings.HTTP_TIMEOUT, allow_redirects=False, **kwargs
        )
    except requests.RequestException as error:
        raise Unavailable(f"{label} does not answer ({type(error).__name__})") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Unavailable(
            f"{label} answered {answer.status_code}",
            retry_after=parse_retry_after(answer.headers.get("Retry-After"), now=clock.now()),
            maybe_done=answer.status_code != 429,
        )
    return answer


def request_tokens(label: str, url: str, form: dict[str, str], *, client_id: str, secret: str) -> dict[str, Any]:
    """Request tokens from a token endpoint. Raises InvalidGrant or Unavailable."""
    answer = send_request(label, "POST", url, data=form, auth=(client_id, secret))
    if not answer.ok:
        raise_token_error(label, parse_error_code(answer))
    body = parse_json(label, answer)
    if not isinstance(body, dict):
        raise Unavailable(f"{label}'s tokens could not be read")
    return body


def parse_json(label: str, answer: requests.Response) -> Any:
    """Parse the body of a 200 as JSON. Raises Unavailable for anything else."""
    try:
        if answer.status_code == 200:
            return answer.json()
    except (ValueError, RecursionError):
        pass
    raise Unavailable(f"{label} answered {answer.status_code} with something that is not JSON")


def raise_token_error(label: str, code: str) -> NoReturn:
    """Raise InvalidGrant for `invalid_grant`, which is about the merchant's grant, and Unavailable for the rest.

    A wrong client secret or a proxy's page is for our operator to repair; the merchant need not connect again.
    """
    if code == "invalid_grant":
        raise InvalidGrant(code)
    raise Unavailable(f"{label} refused our app ({code})")


def parse_error_code(answer: requests.Response) -> str:
    """Parse the code of an OAuth error."""
    try:
        return str(answer.json().get("error", "refused"))
    except (ValueError, AttributeError, RecursionError):
        return "refused"
