"""The schemas of the CPQ API: what CPQ sends and what it is answered, field by field."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError as DjangoError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from wisepay.money import list_currencies

MAX_URL = 2000
LAST_YEAR = 2100  # of a time that a database, a calendar and a person can all deal with


def _printable(value: Any) -> Any:
    """Refuse characters that no name, number or address holds; PostgreSQL refuses NUL and surrogates as well."""
    if isinstance(value, str) and any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        raise PydanticCustomError("control", "Remove the control characters.")
    return value


def _clean(value: Any) -> Any:
    return value.strip() if isinstance(_printable(value), str) else value


def _time(value: Any) -> Any:
    """Only text is a time: pydantic would read a bare number as seconds."""
    if not isinstance(value, str) or ":" not in value:
        raise PydanticCustomError("datetime_type", "Write a time such as 2027-01-31T00:00:00Z.")
    return value


def _utc(value: datetime) -> datetime:
    if not 1900 < value.year < LAST_YEAR:
        raise PydanticCustomError("year", "Use a time before the year 2100.")
    return value.astimezone(UTC)


def _currency(value: str) -> str:
    if value not in list_currencies():
        raise PydanticCustomError("currency", "This is not a currency we know. Use an ISO 4217 code such as AUD.")
    return value


def _email(value: str) -> str:
    try:
        validate_email(value)
    except DjangoError:
        raise PydanticCustomError("email", "Write an e-mail address such as accounts@example.com.") from None
    return value


ExactText = Annotated[str, BeforeValidator(_printable), Field(strict=True)]
TrimmedText = Annotated[str, BeforeValidator(_clean), Field(strict=True)]
CurrencyCode = Annotated[ExactText, Field(min_length=3, max_length=3), AfterValidator(_currency)]
AmountText = Annotated[
    ExactText, Field(min_length=1, max_length=20, description="A decimal string, for example 625.00")
]
UtcTime = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(_utc)]
PaymentMethodName = Literal["card", "bank_debit"]


class StrictSchema(Schema):
    """Unknown fields are refused, so that a typo is never a silent no-op."""

    model_config = ConfigDict(extra="forbid")


class QuoteIn(StrictSchema):
    """One version of a quote."""

    id: Annotated[TrimmedText, Field(min_length=1, max_length=64)]
    number: Annotated[StrictInt, Field(ge=1, le=10**15)]
    version: Annotated[StrictInt, Field(ge=1, le=10**6)]
    name: Annotated[TrimmedText, Field(min_length=1, max_length=200)]
    currency: CurrencyCode
    opportunity_id: Annotated[TrimmedText, Field(max_length=64)] = ""
    purchase_order_number: Annotated[TrimmedText, Field(max_length=64)] = ""
    expires_at: UtcTime | None = None


class AddressIn(StrictSchema):
    """A postal address."""

    line1: Annotated[TrimmedText, Field(max_length=200)] = ""
    line2: Annotated[TrimmedText, Field(max_length=200)] = ""
    city: Annotated[TrimmedText, Field(max_length=100)] = ""
    state: Annotated[TrimmedText, Field(max_length=100)] = ""
    postal_code: Annotated[TrimmedText, Field(max_length=20)] = ""
    country: Annotated[TrimmedText, Field(pattern=r"^[A-Z]{2}$|^$")] = ""


class CustomerIn(StrictSchema):
    """Who the quote is for."""

    account_name: Annotated[TrimmedText, Field(min_length=1, max_length=200)]
    email: Annotated[TrimmedText, Field(max_length=254), AfterValidator(_email)]
    contact_name: Annotated[TrimmedText, Field(max_length=120)] = ""
    phone: Annotated[TrimmedText, Field(max_length=40)] = ""
    address: AddressIn | None = None


class AmountsIn(StrictSchema):
    """What the quote costs once, and how much of it is due now."""

    one_time_total: AmountText
    due_now: AmountText
    tax: AmountText = "0"
    full_payment_allowed: StrictBool = False


class RecurringIn(StrictSchema):
    """What the quote costs every interval."""

    total: AmountText
    interval: Literal["week", "month", "quarter", "year"]
    periods: Annotated[StrictInt, Field(ge=1, le=1200)] | None = None


class CheckoutIn(StrictSchema):
    """A quote that was accepted and is to be paid."""

    quote: QuoteIn
    customer: CustomerIn
    amounts: AmountsIn
    recurring: RecurringIn | None = None
    allowed_methods: Annotated[list[PaymentMethodName], Field(min_length=1, max_length=2)]
    return_url: Annotated[ExactText, Field(min_length=1, max_length=MAX_URL)]
    callback_url: Annotated[ExactText, Field(max_length=MAX_URL)] | None = None


class MoneyOut(Schema):
    """An amount with its currency."""

    amount: str
    currency: str


class QuoteOut(Schema):
    """The quote as it was understood."""

    id: str
    number: int
    version: int
    name: str


class PaymentOut(Schema):
    """How the payment went."""

    amount: MoneyOut
    surcharge: MoneyOut
    method: str | None
    brand: str | None
    last4: str | None
    reference: str | None
    paid_at: datetime | None
    error: str | None


CheckoutStatus = Literal["open", "processing", "paid", "saved", "failed", "expired", "withdrawn"]


class CheckoutOut(Schema):
    """A checkout."""

    id: str
    status: CheckoutStatus
    url: str
    quote: QuoteOut
    amount_due: MoneyOut
    expires_at: datetime
    payment: PaymentOut | None = None


class FieldError(Schema):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(Schema):
    """An error as RFC 9457 describes it; `code` is for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] | None = None
    missing: list[str] | None = None
