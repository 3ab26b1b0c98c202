"""The schemas of the CPQ API: what CPQ sends and what it is answered, field by field."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import ip_address
from numbers import Number
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError as DjangoError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from wisepay.input import UnreadableText, check_characters, normalise_text
from wisepay.money import list_currencies

CONTRACT_VERSION = "1.1"
CONTRACT_HEADER = "Wisepay-Contract"  # every answer and callback says which version made it
MAX_URL = 2000
LAST_YEAR = 2100  # of a time that a database, a calendar and a person can all deal with
MAX_LINES, MAX_TERMS, MAX_PERIODS = 500, 50, 1200


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


def _day(value: Any) -> Any:
    """Only text is a day: pydantic would read a bare number as seconds, and a time as its day."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise PydanticCustomError("date_type", "Write a day such as 2027-01-31.")
    return value


def _known_day(value: date) -> date:
    if not 1900 < value.year < LAST_YEAR:
        raise PydanticCustomError("year", "Use a day before the year 2100.")
    return value


def _number_text(value: Any) -> Any:
    """A number as the text that it stands for: programs send quantities as either."""
    if isinstance(value, Number) and not isinstance(value, bool):
        return format(Decimal(repr(value)), "f")
    return value


def _id_text(value: Any) -> Any:
    """The same for record ids, which are whole numbers at some systems."""
    return _number_text(value) if isinstance(value, int) else value


def _decimal(value: str) -> str:
    if not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,6})?", value):
        raise PydanticCustomError("decimal", 'Write digits with a point, for example "12.5".')
    return value


def _ip(value: str) -> str:
    try:
        return str(ip_address(value)) if value else ""
    except ValueError:
        raise PydanticCustomError("ip", "Write an IP address, for example 203.0.113.7.") from None


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


def _optional_email(value: str) -> str:
    return _email(value) if value else ""


# What the document says of each kind of text; the validators above and below decide, with words.
PLAIN = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
UNSEEN = r"\s\u00ad\u200b-\u200f\u2060-\u206f\u3164\ufeff"
TEXT_SCHEMA = {"pattern": f"^[^{PLAIN}]*$"}
NAME_SCHEMA = {"pattern": f"^[^{PLAIN}]*[^{PLAIN}{UNSEEN}][^{PLAIN}]*$"}
AMOUNT_SCHEMA: dict[str, Any] = {"pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?$", "examples": ["625.00"]}
ADDRESS_SCHEMA = {"format": "uri", "pattern": "^https?://"}
DECIMAL_SCHEMA: dict[str, Any] = {"pattern": r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$", "examples": ["12.50"]}

# The same in words, for the pages of the documentation.
PATTERN_WORDS = {
    TEXT_SCHEMA["pattern"]: "no control characters",
    NAME_SCHEMA["pattern"]: "not empty, no control characters",
    AMOUNT_SCHEMA["pattern"]: "digits with a point",
    ADDRESS_SCHEMA["pattern"]: "a web address",
    DECIMAL_SCHEMA["pattern"]: "digits with a point",
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
OptionalMailAddress = Annotated[TrimmedText, Field(max_length=254), AfterValidator(_optional_email)]
DecimalText = Annotated[
    ExactText, Field(min_length=1, max_length=20, json_schema_extra=DECIMAL_SCHEMA), AfterValidator(_decimal)
]
QuantityText = Annotated[
    DecimalText,
    BeforeValidator(_number_text),
    WithJsonSchema({"type": ["string", "number"], "maxLength": 20, "examples": ["2.5", 2]}),
]
RecordId = Annotated[
    TrimmedText,
    Field(max_length=64),
    BeforeValidator(_id_text),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": 64}),
]
IpAddress = Annotated[TrimmedText, Field(max_length=45), AfterValidator(_ip)]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_known_day)]
Interval = Literal["week", "month", "quarter", "year"]
WebAddress = Annotated[ExactText, Field(max_length=MAX_URL, json_schema_extra=ADDRESS_SCHEMA)]
UtcTime = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(_utc)]
PaymentMethodName = Literal["card", "bank_debit"]


class StrictSchema(Schema):
    """Unknown fields are refused, so that a typo is never a silent no-op."""

    model_config = ConfigDict(extra="forbid")


class LineIn(StrictSchema):
    """One line of the quote, as the payer reads it; a discount is a line with a negative amount."""

    description: Annotated[NameText, Field(max_length=300)]
    quantity: QuantityText = "1"
    unit_price: DecimalText
    amount: Annotated[DecimalText, Field(description="Quantity × unit price in the currency's decimals, with its tax")]
    tax: DecimalText = "0"
    recurs: Literal["one_time", "week", "month", "quarter", "year"] = "one_time"


class QuoteIn(StrictSchema):
    """One version of a quote."""

    id: Annotated[NameText, Field(max_length=64)]
    number: Annotated[StrictInt, Field(ge=1, le=10**15)]
    version: Annotated[StrictInt, Field(ge=1, le=10**6)]
    name: Annotated[NameText, Field(max_length=200)]
    currency: CurrencyCode
    opportunity_id: Annotated[TrimmedText, Field(max_length=64)] = ""
    psa_opportunity_id: Annotated[RecordId, Field(description="The same as opportunity_id")] = ""
    purchase_order_number: Annotated[TrimmedText, Field(max_length=64)] = ""
    expires_at: UtcTime | None = None
    lines: Annotated[list[LineIn], Field(max_length=MAX_LINES)] | None = None


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
    id: Annotated[RecordId, Field(description="CPQ's id of the customer")] = ""
    account_number: RecordId = ""
    psa_company_id: RecordId = ""
    psa_contact_id: RecordId = ""


class AmountsIn(StrictSchema):
    """What the quote costs once, and how much of it is due now."""

    one_time_total: AmountText
    due_now: AmountText
    tax: AmountText = "0"
    full_payment_allowed: StrictBool = False


class TermIn(StrictSchema):
    """One term of what recurs."""

    id: RecordId = ""
    description: Annotated[NameText, Field(max_length=200)]
    total: AmountText
    interval: Interval
    periods: Annotated[StrictInt, Field(ge=1, le=MAX_PERIODS)] | None = None
    starts_on: Day | None = None


class RecurringIn(StrictSchema):
    """What the quote costs every interval."""

    total: AmountText
    interval: Interval
    periods: Annotated[StrictInt, Field(ge=1, le=MAX_PERIODS)] | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    agreement_type: Annotated[TrimmedText, Field(max_length=100)] = ""
    terms: Annotated[list[TermIn], Field(max_length=MAX_TERMS)] | None = None


class AcceptanceIn(StrictSchema):
    """Who accepted the quote, when, from where: kept with the quote for disputes."""

    signed_at: UtcTime | None = None
    signed_by: Annotated[TrimmedText, Field(max_length=200)] = ""
    email: OptionalMailAddress = ""
    ip: IpAddress = ""


class CheckoutIn(StrictSchema):
    """A quote that was accepted and is to be paid."""

    quote: QuoteIn
    customer: CustomerIn
    amounts: AmountsIn
    recurring: RecurringIn | None = None
    acceptance: AcceptanceIn | None = None
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
