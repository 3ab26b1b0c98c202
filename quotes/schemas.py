"""The schemas of the CPQ API: what CPQ sends and what it is answered, field by field."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError as DjangoError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from wisepay.input import UnreadableText, check_characters, normalise_text
from wisepay.money import list_currencies

MAX_URL = 2000
LAST_YEAR = 2100  # of a time that a database, a calendar and a person can all deal with


def _normalise(value: Any) -> Any:
    """Text as it is stored; nothing visible counts as empty, and what no words hold is refused."""
    if not isinstance(value, str):
        return value
    try:
        return normalise_text(value)
    except UnreadableText as error:
        raise PydanticCustomError("characters", "{reason}", {"reason": str(error)}) from None


def _check_exact(value: Any) -> Any:
    """The same for text that is no words and is stored as it came."""
    try:
        check_characters(value if isinstance(value, str) else "")
    except UnreadableText as error:
        raise PydanticCustomError("characters", "{reason}", {"reason": str(error)}) from None
    return value


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


def _amount(value: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        raise PydanticCustomError("amount", 'Write the amount as digits with a point, for example "625.00".')
    return value


def _email(value: str) -> str:
    try:
        validate_email(value)
    except DjangoError:
        raise PydanticCustomError("email", "Write an e-mail address such as accounts@example.com.") from None
    return value


# What the document says of each kind of text; the validators above and below decide, with words.
PLAIN = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
UNSEEN = r"\s\u00ad\u200b-\u200f\u2060-\u206f\u3164\ufeff"
TEXT_SCHEMA = {"pattern": f"^[^{PLAIN}]*$"}
NAME_SCHEMA = {"pattern": f"^[^{PLAIN}]*[^{PLAIN}{UNSEEN}][^{PLAIN}]*$"}
AMOUNT_SCHEMA: dict[str, Any] = {"pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?$", "examples": ["625.00"]}
ADDRESS_SCHEMA = {"format": "uri", "pattern": "^https?://"}

# The same in words, for the pages of the documentation.
PATTERN_WORDS = {
    TEXT_SCHEMA["pattern"]: "no control characters",
    NAME_SCHEMA["pattern"]: "not empty, no control characters",
    AMOUNT_SCHEMA["pattern"]: "digits with a point",
    ADDRESS_SCHEMA["pattern"]: "a web address",
    "^[A-Z]{3}$": "three capital letters",
}

ExactText = Annotated[str, BeforeValidator(_check_exact), Field(strict=True)]
TrimmedText = Annotated[str, BeforeValidator(_normalise), Field(strict=True, json_schema_extra=TEXT_SCHEMA)]
NameText = Annotated[TrimmedText, Field(min_length=1, json_schema_extra=NAME_SCHEMA)]
CurrencyCode = Annotated[
    ExactText,
    Field(
        min_length=3,
        max_length=3,
        description="An ISO 4217 code of a currency that is in use",
        json_schema_extra={"pattern": "^[A-Z]{3}$", "enum": sorted(list_currencies())},
    ),
    AfterValidator(_currency),
]
AmountText = Annotated[
    ExactText,
    Field(
        min_length=1,
        max_length=20,
        description="A decimal string with at most the currency's decimals, for example 625.00",
        json_schema_extra=AMOUNT_SCHEMA,
    ),
    AfterValidator(_amount),
]
MailAddress = Annotated[
    TrimmedText, Field(max_length=254, json_schema_extra={"format": "email"}), AfterValidator(_email)
]
WebAddress = Annotated[ExactText, Field(max_length=MAX_URL, json_schema_extra=ADDRESS_SCHEMA)]
UtcTime = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(_utc)]
PaymentMethodName = Literal["card", "bank_debit"]


class StrictSchema(Schema):
    """Unknown fields are refused, so that a typo is never a silent no-op."""

    model_config = ConfigDict(extra="forbid")


class QuoteIn(StrictSchema):
    """One version of a quote."""

    id: Annotated[NameText, Field(max_length=64)]
    number: Annotated[StrictInt, Field(ge=1, le=10**15)]
    version: Annotated[StrictInt, Field(ge=1, le=10**6)]
    name: Annotated[NameText, Field(max_length=200)]
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

    account_name: Annotated[NameText, Field(max_length=200)]
    email: MailAddress
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
    return_url: Annotated[WebAddress, Field(min_length=1)]
    callback_url: WebAddress | None = None


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
