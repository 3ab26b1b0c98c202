"""The CPQ contract, version 1.1: open a checkout, read a checkout."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Annotated, Any

import structlog
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django_subatomic.db import transaction, transaction_required
from ninja import Header, NinjaAPI, Status
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.security import APIKeyHeader

from quotes.intake import receive_checkout
from quotes.models import IDEMPOTENCY_KEY_LIFETIME, CpqIntegration, IdempotentAnswer, Quote, hash_api_key
from quotes.problems import MEDIA_TYPE, ProblemError, convert_validation_error, describe_problem, render_problem
from quotes.refusals import record_quote_refusal
from quotes.schemas import CONTRACT_HEADER, CONTRACT_VERSION, CheckoutIn, CheckoutOut, Problem
from quotes.services import render_checkout
from wisepay import clock
from wisepay.http import get_client_ip, record_rate_limited_use
from wisepay.input import UnreadableBody, read_json

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 512 * 1024
REQUESTS_PER_MINUTE = 60
UNTOLD_STATUSES = (405, 429, 500)  # no quote was refused by these


class CpqApi(NinjaAPI):
    """The API, with the path it is mounted at and the media type of errors in its OpenAPI document."""

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        return reverse(f"quotes:{self.urls_namespace}:api-root")

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for methods in schema["paths"].values():
            for operation in methods.values():
                for status, answer in operation["responses"].items():
                    answer["headers"] = {CONTRACT_HEADER: {"schema": {"type": "string", "const": CONTRACT_VERSION}}}
                    if status >= 400:
                        answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
        return schema

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        response = super().create_temporal_response(request)
        response[CONTRACT_HEADER] = CONTRACT_VERSION
        return response


api = CpqApi(
    title="Wise-Pay for ConnectWise CPQ",
    version=f"{CONTRACT_VERSION}.0",
    urls_namespace="cpq_v1",
    docs_url=None,
    openapi_url="/openapi.json",
    description="Order Porter opens a checkout for an accepted quote, sends the customer to its `url`, and learns "
    "the result from the signed return, the signed callback, or by reading the checkout.",
)


class ApiKey(APIKeyHeader):
    """`X-API-Key`: the key of Integrations › ConnectWise Sell; it also says which merchant."""

    param_name = "X-API-Key"

    def authenticate(self, request: HttpRequest, key: str | None) -> CpqIntegration:
        digest = hash_api_key(key or "")
        found = CpqIntegration.objects.select_related("merchant").filter(api_key_digest=digest).first()
        stored = found.api_key_digest if found and found.api_key_digest else hash_api_key("nobody's")
        if not hmac.compare_digest(stored, digest) or found is None:
            raise ProblemError(401, "unauthorized", "Send the API key of Integrations › ConnectWise Sell in X-API-Key.")
        if not found.is_enabled:
            raise ProblemError(403, "integration_disabled", "ConnectWise Sell is not enabled for this merchant.")
        check_size(request)
        check_media_type(request)
        wait = record_rate_limited_use(
            f"cpq:{found.pk}", limit=REQUESTS_PER_MINUTE, per=timedelta(minutes=1), now=clock.now()
        )
        if wait:
            raise ProblemError(
                429,
                "too_many_requests",
                f"Send at most {REQUESTS_PER_MINUTE} requests a minute.",
                headers={"Retry-After": str(wait)},
            )
        return found


def check_size(request: HttpRequest) -> None:
    """Refuse a body that is too large before it is read; Django reads no further than the Content-Length.

    Raises ProblemError.
    """
    length = request.headers.get("Content-Length") or "0"
    is_number = length.isascii() and length.isdigit() and len(length) < 18
    if not is_number or int(length) > MAX_BODY_BYTES:
        raise ProblemError(413, "too_large", "A checkout fits into 512 KiB.")


def check_media_type(request: HttpRequest) -> None:
    """Refuse a body that does not say that it is JSON in UTF-8. Raises ProblemError."""
    has_body = request.headers.get("Content-Length", "0") not in ("", "0")
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    is_json = request.content_type == "application/json" and charset in ("utf-8", "utf8")
    if has_body and not is_json:
        raise ProblemError(415, "unsupported_media_type", "Send JSON, with Content-Type: application/json.")


ERRORS = dict.fromkeys((400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500), Problem)


@api.post(
    "/checkouts",
    auth=ApiKey(),
    response={200: CheckoutOut, 201: CheckoutOut, **ERRORS},
    by_alias=True,
    summary="Open a checkout",
    operation_id="open_checkout",
)
def open_checkout(
    request: HttpRequest,
    checkout: CheckoutIn,
    idempotency_key: Annotated[str, Header("", alias="Idempotency-Key", max_length=255)] = "",
) -> Any:
    """Open a checkout for a quote version, or bring the open one up to date (200)."""
    integration: CpqIntegration = request.auth  # type: ignore[attr-defined]
    now = clock.now()
    digest = hashlib.sha256(request.body).hexdigest()
    try:
        with transaction():
            known = find_idempotent_answer(integration, idempotency_key, digest, now=now)
            if known is not None:
                return Status(*known)
            quote, is_new = receive_checkout(integration, checkout, now=now)
            status, body = (201 if is_new else 200), render_checkout(quote, now=now)
            if idempotency_key:
                save_answer(integration, idempotency_key, digest, status=status, body=body, now=now)
            return Status(status, body)
    except IntegrityError as error:
        raise ProblemError(409, "concurrent", "The same request is being handled. Send it again.") from error


@transaction_required
def save_answer(
    integration: CpqIntegration, key: str, request_digest: str, *, status: int, body: dict[str, Any], now: datetime
) -> None:
    """Store the answer to a request, so that the same request again gets it again."""
    IdempotentAnswer.objects.create(
        merchant=integration.merchant,
        key=key,
        request_digest=request_digest,
        status=status,
        body=body,
        created_at=now,
    )


def find_idempotent_answer(
    integration: CpqIntegration, key: str, request_digest: str, *, now: Any
) -> tuple[int, dict[str, Any]] | None:
    """The answer that this Idempotency-Key got within a day. Raises ProblemError for another request."""
    if not key:
        return None
    answers = IdempotentAnswer.objects.filter(merchant=integration.merchant, key=key)
    answers.filter(created_at__lte=now - IDEMPOTENCY_KEY_LIFETIME).delete()
    known = answers.first()
    if known is None:
        return None
    if known.request_digest != request_digest:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request. Use a new one.",
            errors=[("Idempotency-Key", "Used for another request within 24 hours.")],
        )
    return known.status, known.body


@api.get(
    "/checkouts/{checkout_id}",
    auth=ApiKey(),
    response={200: CheckoutOut, **ERRORS},
    summary="Read a checkout",
    operation_id="read_checkout",
)
def read_checkout(request: HttpRequest, checkout_id: str) -> Any:
    """How a checkout stands. Another merchant's id is not found."""
    integration: CpqIntegration = request.auth  # type: ignore[attr-defined]
    quotes = Quote.objects.select_related("payment__merchant").filter(merchant=integration.merchant)
    quote = quotes.filter(reference=checkout_id).first() if checkout_id.isprintable() else None
    if quote is None:
        raise ProblemError(404, "not_found", "There is no checkout with this id.")
    return Status(200, render_checkout(quote, now=clock.now()))


@api.api_operation(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"], "/checkouts", include_in_schema=False)
def allow_only_post(request: HttpRequest) -> Any:
    raise build_wrong_method_problem("POST")


@api.api_operation(
    ["POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"], "/checkouts/{checkout_id}", include_in_schema=False
)
def allow_only_get(request: HttpRequest, checkout_id: str) -> Any:
    raise build_wrong_method_problem("GET")


def build_wrong_method_problem(allowed: str) -> ProblemError:
    """A 405 that says what is right."""
    return ProblemError(405, "method_not_allowed", f"Only {allowed} works here.", headers={"Allow": allowed})


@csrf_exempt
def path_not_found(request: HttpRequest) -> HttpResponse:
    """The answer to every other path below /api: programs read no HTML."""
    return render_problem(ProblemError(404, "not_found", "There is nothing at this address."))


@api.exception_handler(ProblemError)
def on_problem(request: HttpRequest, error: ProblemError) -> HttpResponse:
    record_refusal(request, error)
    return render_problem(error)


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problem = convert_validation_error(error)
    record_refusal(request, problem)
    return render_problem(problem)


def record_refusal(request: HttpRequest, problem: ProblemError) -> None:
    """Write into the merchant's audit log that a checkout was refused, and why: once an hour for each quote and reason.

    Whoever sent it reads the answer; the merchant reads it on Quotes.
    """
    integration = getattr(request, "auth", None)
    if not isinstance(integration, CpqIntegration) or request.method != "POST" or problem.status in UNTOLD_STATUSES:
        return
    subject, detail = find_quote_number(request), describe_problem(problem)
    record_quote_refusal(
        integration.merchant_id,
        key=str(integration.pk),
        subject=subject,
        detail=detail,
        ip=get_client_ip(request),
        now=clock.now(),
    )


def find_quote_number(request: HttpRequest) -> str:
    """Which quote a refused request is about, as far as it can be read."""
    try:
        number = read_json(request.body)["quote"]["number"]
    except (UnreadableBody, TypeError, KeyError):
        return "A quote that cannot be read"
    return f"Quote {str(number)[:20]}"


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    problem = ProblemError(error.status_code, "bad_request", "The body is not JSON that can be read.")
    record_refusal(request, problem)
    return render_problem(problem)


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return render_problem(ProblemError(404, "not_found", "There is nothing at this address."))


@api.exception_handler(Exception)
def on_failure(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("api.failed", path=request.path)
    return render_problem(ProblemError(500, "internal", "We failed, and we know of it. Send the request again later."))
